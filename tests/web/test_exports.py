"""Exports over HTTP: a reason, two people, once, no formula; as CSV and as XLSX."""

import pytest
import pytest_asyncio

from gateway.model import Role
from gateway.policy.tabular import Row, read_rows
from gateway.policy.workbook import read_workbook
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene

JAN = {"key": "jan", "name": "Jan", "mobile": "0470 12 34 56", "email": "Jan@x.example", "verified": True}


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    zone = await scene.entity("zone")
    async with scene.connected() as connection:
        return {role.value: await put_person(connection, zone.id, roles=[role]) for role in Role}


@pytest.mark.parametrize(
    ("link", "form", "name"), [("contacts", "csv", "'=HYPERLINK"), ("workbook", "xlsx", "=HYPERLINK")]
)
async def test_an_export_takes_two_people_a_reason_and_has_no_formula(
    client: Client, tokens: dict[str, str], scene: Scene, link: str, form: str, name: str
) -> None:
    evil = JAN | {"name": '=HYPERLINK("http://x")'}
    await ask(client, tokens["editor"], "POST", "/v1/contacts", json=evil)
    exporter = tokens["exporter"]
    assert (await ask(client, exporter, "POST", "/v1/exports", json={"reason": "because"}))[0] == 422
    _, asked = await ask(client, exporter, "POST", "/v1/exports", json={"reason": "we leave at the end of the year"})
    agree, take = asked["links"]["agree"], asked["links"][link]
    assert (await ask(client, exporter, "GET", take))[0] == 409
    assert (await ask(client, exporter, "POST", agree))[0] == 409
    assert (await ask(client, tokens["admin"], "POST", agree))[0] == 200
    async with client.get(take, headers={"Authorization": f"Bearer {exporter}"}) as answer:
        data = await answer.read()
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contacts.{form}"'
    heads, row = read_workbook(data) if form == "xlsx" else read_rows([data])
    assert isinstance(heads, Row)
    assert isinstance(row, Row)
    told = dict(zip(heads.cells, row.cells, strict=True))
    assert told["name"] == f'{name}("http://x")'
    assert told["mobile"] == "+32470123456"
    assert (await ask(client, exporter, "GET", take))[0] == 409
    taken = await scene.rows("SELECT detail FROM audit_event WHERE act = 'contacts.exported'")
    assert [row["detail"] for row in taken] == [{"count": 1, "form": form}]
