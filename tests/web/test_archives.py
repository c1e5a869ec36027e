"""Entities taken along and put back over HTTP."""

import io

from gateway.model import Role
from gateway.policy.archive import ArchiveReader
from gateway.store import admin
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene

WHY = {"reason": "we leave at the end of the year"}


async def test_an_entity_leaves_with_two_persons_and_comes_back_through_the_platform(
    client: Client, scene: Scene
) -> None:
    zone = await scene.entity("zone", groups={"g": 2})
    async with scene.connected() as connection:
        exporter = await put_person(connection, zone.id, roles=[Role.EXPORTER])
        administrator = await put_person(connection, zone.id, roles=[Role.ADMIN])
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        above = await put_person(connection, platform.id, roles=[Role.ADMIN])
    _, asked = await ask(client, exporter, "POST", "/v1/exports", json=WHY)
    take = asked["links"]["entity"]
    assert (await ask(client, exporter, "GET", take))[0] == 409
    assert (await ask(client, administrator, "POST", asked["links"]["agree"]))[0] == 200
    async with client.get(take, headers={"Authorization": f"Bearer {exporter}"}) as answer:
        data = await answer.read()
    assert answer.headers["Content-Type"] == "application/zip"
    assert ArchiveReader(io.BytesIO(data)).entity == "zone"
    assert (await ask(client, exporter, "GET", take))[0] == 409
    assert (await ask(client, administrator, "POST", "/v1/archives", data=data))[0] == 403
    assert (await ask(client, above, "POST", "/v1/archives", data=data))[1]["reason"] == "entity-already"
    assert (await ask(client, above, "POST", "/v1/archives?slug=A b", data=data))[1]["reason"] == "wrong-parameter"
    assert (await ask(client, above, "POST", "/v1/archives", data=b"x"))[1]["reason"] == "bad-archive"
    assert await ask(client, above, "POST", "/v1/archives?slug=other", data=data) == (201, {"entity": "other"})
    rows = await scene.rows("SELECT live, (SELECT count(*) FROM group_member m WHERE m.entity_id = e.id) AS members "
                            "FROM entity e WHERE slug = 'other'")  # fmt: skip
    assert [tuple(row) for row in rows] == [(False, 2)]
