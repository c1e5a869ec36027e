"""Imports over HTTP: files of every kind, rights, undo."""

import io
from typing import Any

import pytest_asyncio

from gateway.model import Role
from gateway.store import persons
from tests.policy.test_workbook import SHEET, a_workbook, repacked
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene

ROWS = [["Wie", "gsm", "mail"], ["An", "0470 00 00 01", "an@x.example"], ["Jan", "0470000002", "jan"]]
CSV = "\n".join(",".join(row) for row in ROWS).encode()
CARD = b"BEGIN:VCARD\nFN:An\nTEL;CELL:0470 00 00 01\nEND:VCARD\n"


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    zone = await scene.entity("zone")
    async with scene.connected() as connection:
        place = await persons.put_partnership(connection, zone.id, "plp", "PLP", "none")
        made = {role.value: await put_person(connection, zone.id, roles=[role]) for role in (Role.EDITOR, Role.VIEWER)}
        return made | {"coordinator": await put_person(connection, zone.id, partner=[(place, "coordinator")])}


async def post(client: Client, token: str, data: bytes | io.BytesIO, query: str = "") -> tuple[int, Any]:
    return await ask(client, token, "POST", f"/v1/imports{query}", data=data)


async def test_files_of_every_kind_are_tried_taken_and_undone(client: Client, tokens: dict[str, str]) -> None:
    editor = tokens["editor"]
    for data, kind in ((CSV, "csv"), (a_workbook(ROWS), "xlsx")):
        status, tried = await post(client, editor, data, "?mapping=Wie=name&dry_run=true")
        assert (status, tried["kind"], tried["added"], tried["state"]) == (200, kind, 1, "done")
    status, done = await post(client, editor, CARD)
    assert (status, done["kind"], done["added"], done["problems"]) == (201, "vcard", 1, [])
    status, done = await post(client, editor, CSV, "?mapping=Wie=name")
    assert (status, done["changed"], done["refused"]) == (201, 1, 1)
    assert done["problems"] == [{"row": 3, "column": "email", "reason": "no e-mail address"}]
    _, an = await ask(client, editor, "GET", "/v1/contacts?begins=an")
    assert (an["contacts"][0]["email"], an["contacts"][0]["mobile"]) == ("an@x.example", "+32470000001")
    assert (await ask(client, editor, "POST", done["links"]["undo"]))[1] == {
        "import": done["import"], "state": "undone", "left": 0,
    }  # fmt: skip
    assert (await ask(client, editor, "POST", done["links"]["undo"]))[1]["reason"] == "nothing-to-undo"
    _, listed = await ask(client, editor, "GET", "/v1/imports")
    assert [one["state"] for one in listed["imports"]] == ["undone", "done", "done", "done"]
    assert (await ask(client, editor, "GET", f"/v1/imports/{done['import']}"))[1]["state"] == "undone"
    assert (await ask(client, editor, "GET", "/v1/contacts"))[1]["contacts"][0]["email"] is None


async def test_a_coordinator_imports_their_own_people_and_sees_no_other_import(
    client: Client, tokens: dict[str, str]
) -> None:
    coordinator, editor = tokens["coordinator"], tokens["editor"]
    await ask(client, coordinator, "POST", "/v1/groups", json={"slug": "g", "name": "G"})
    _, own = await post(client, coordinator, CARD, "?group=g")
    assert (own["partnership"], own["group"], own["joined"]) == ("plp", "g", 1)
    _, theirs = await post(client, editor, CSV, "?mapping=Wie=name")
    assert theirs["changed"] == 1
    assert [one["import"] for one in (await ask(client, coordinator, "GET", "/v1/imports"))[1]["imports"]] == [
        own["import"]
    ]
    assert (await ask(client, coordinator, "GET", f"/v1/imports/{theirs['import']}"))[0] == 404
    assert (await ask(client, coordinator, "POST", theirs["links"]["undo"]))[0] == 404
    assert (await post(client, coordinator, CSV, "?partnership=other"))[0] == 404
    assert (await post(client, coordinator, CSV, "?group=other"))[0] == 404
    for method, path in (("GET", "/v1/imports"), ("POST", "/v1/imports")):
        assert (await ask(client, tokens["viewer"], method, path))[0] == 403


def bombs() -> dict[str, bytes]:
    """Files of a few kilobytes, or a few megabytes of one thing, by what they would do."""
    room, sheet = bytes(60_000_000), b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s'
    far = b'<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData></worksheet>'
    entity = b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet>&a;</worksheet>'
    return {
        "a package that grows": repacked(a_workbook(ROWS), {f"xl/media/{n}.png": room for n in range(5)}),
        "a cell at the other end": repacked(a_workbook(ROWS), {SHEET: sheet % far}),
        "an entity": repacked(a_workbook(ROWS), {SHEET: entity}),
        "a line without end": b"mobile,name\n" + b"x" * 20_000_000,
        "columns without end": b"mobile" + b",x" * 1_000_000 + b"\n",
    }


async def test_a_file_that_means_harm_is_refused_with_its_reason_and_the_next_one_is_read(
    client: Client, tokens: dict[str, str], scene: Scene
) -> None:
    for what, data in bombs().items():
        status, told = await post(client, tokens["editor"], io.BytesIO(data))
        assert (status, told["reason"]) == (422, "unreadable-file"), what
        assert told["help"]["phone"], what
    assert await scene.rows("SELECT FROM contact") == []
    endless = CARD.replace(b"END", b"NOTE:" + b"x" * 70 + (b"\n " + b"x" * 70) * 100_000 + b"\nEND")
    status, told = await post(client, tokens["editor"], io.BytesIO(endless))
    assert (status, told["added"]) == (201, 1), "a note that goes on for ever is passed over"


async def test_parameters_and_files_that_make_no_sense_are_said(client: Client, tokens: dict[str, str]) -> None:
    editor = tokens["editor"]
    for query in ("?mapping=x", "?mapping=a=b", "?region=XX", "?match=name", "?separator=x"):
        assert (await post(client, editor, CSV, query))[1]["reason"] == "wrong-parameter"
    status, told = await post(client, editor, b"PK\x03\x04")
    assert (status, told["reason"]) == (422, "unreadable-file")
    assert (await ask(client, editor, "GET", f"/v1/imports/{told['number']}"))[1]["state"] == "failed"
    assert (await post(client, editor, io.BytesIO(bytes(33 * 2**20))))[0] == 413
