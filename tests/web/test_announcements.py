"""What the platform says to everybody and who took note; statistics of one's own territory."""

from gateway.model import EntityKind, Realm, Role
from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.support.authority import a_client, ask
from tests.support.people import put_person
from tests.support.scene import a_scene, citizen


async def test_everybody_is_told_and_it_is_counted_who_took_note(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client:
        a, b = await scene.entity("a"), await scene.entity("b")
        async with scene.connected() as connection:
            platform = await admin.entity(connection, "platform")
            assert platform is not None
            chief = await put_person(connection, platform.id, roles=[Role.ADMIN])
            anna, _ = [await put_person(connection, a.id) for _ in range(2)]
            bram = await put_person(connection, b.id, roles=[Role.ADMIN])
        status, said = await ask(client, chief, "POST", "/v1/announcements", json={"body": "Relay work on Sunday."})
        assert status == 201
        status, page = await ask(client, anna, "GET", "/v1/notices")
        (notice,) = page["notices"]
        assert (notice["text"], notice["read"]) == ("Relay work on Sunday.", None)
        number = notice["number"]
        assert (await ask(client, bram, "POST", f"/v1/notices/{number}/read"))[0] == 404, "not for another"
        assert (await ask(client, anna, "POST", f"/v1/notices/{number}/read"))[0] == 200
        path = f"/v1/announcements/{said['announcement']}"
        _, seen = await ask(client, chief, "GET", path)
        counts = {one["entity"]: (one["told"], one["read"]) for one in seen["entities"]}
        assert counts == {"a": (2, 1), "b": (1, 0), "platform": (1, 0)}
        status, _ = await ask(client, chief, "POST", "/v1/announcements", json={"body": "Only b.", "entities": ["b"]})
        assert status == 201
        _, listed = await ask(client, chief, "GET", "/v1/announcements")
        assert [(one["body"], one["told"], one["read"]) for one in listed["announcements"]] == [
            ("Only b.", 1, 0), ("Relay work on Sunday.", 4, 1),
        ]  # fmt: skip
        assert (await ask(client, chief, "POST", "/v1/announcements", json={"body": "x", "entities": ["zz"]}))[0] == 404
        assert (await ask(client, chief, "GET", "/v1/announcements/an_none"))[0] == 404
        for method, where in (("POST", "/v1/announcements"), ("GET", "/v1/announcements"), ("GET", path)):
            assert (await ask(client, bram, method, where, json={"body": "x"}))[0] == 403, "the platform's alone"


async def test_an_entity_counts_registrations_and_type_2_does_not(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client:
        commune = await scene.entity()
        zone = await scene.entity("zone", kind=EntityKind.TYPE2)
        await scene.citizens(*(citizen(n) for n in range(7)))
        status, body = await ask(client, commune.tokens[Realm.LIVE], "GET", "/v1/statistics/registrations")
        assert (status, body["registered"], body["rounded_down_to"]) == (200, 5, 5)
        status, body = await ask(client, zone.tokens[Realm.LIVE], "GET", "/v1/statistics/registrations")
        assert (status, body["reason"]) == (403, "groups-only")
