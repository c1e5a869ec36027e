"""Contacts over HTTP: rights, coordinators, every look written down, exports by two."""

from typing import Any

import pytest
import pytest_asyncio

from gateway.model import Realm, Role
from gateway.store import persons
from gateway.web import keeping
from tests.support.authority import Client, ask
from tests.support.people import put_person
from tests.support.scene import Scene, citizen

JAN = {"key": "jan", "name": "Jan", "mobile": "0470 12 34 56", "email": "Jan@x.example", "verified": True}


@pytest_asyncio.fixture
async def tokens(scene: Scene) -> dict[str, str]:
    zone = await scene.entity("zone")
    async with scene.connected() as connection:
        places = {
            name: await persons.put_partnership(connection, zone.id, name, name, "none") for name in ("plp", "bin")
        }
        made = {role.value: await put_person(connection, zone.id, roles=[role]) for role in Role}
        made |= {
            f"{name} coordinator": await put_person(connection, zone.id, partner=[(place, "coordinator")])
            for name, place in places.items()
        }
    return made | {"second exporter": "", "machine": zone.tokens[Realm.LIVE]}


async def keys(client: Client, token: str, query: str = "") -> Any:
    status, body = await ask(client, token, "GET", f"/v1/contacts{query}")
    return [contact["key"] for contact in body["contacts"]] if status == 200 else status


async def test_an_editor_keeps_contacts_and_numbers_are_read_as_people_write_them(
    client: Client, tokens: dict[str, str], scene: Scene
) -> None:
    editor = tokens["editor"]
    assert (await ask(client, editor, "POST", "/v1/contacts", json=JAN))[0] == 201
    assert (await ask(client, editor, "POST", "/v1/contacts", json=JAN | {"name": "Jan J"}))[0] == 200
    _, jan = await ask(client, tokens["viewer"], "GET", "/v1/contacts/jan")
    assert (jan["mobile"], jan["email"], jan["name"]) == ("+32470123456", "Jan@x.example", "Jan J")
    assert (jan["verified_days_ago"], jan["reachability"]) == (0, 80)
    for query in ("?begins=JAN", "?endpoint=%2B32470123456", ""):
        assert await keys(client, tokens["viewer"], query) == ["jan"]
    assert (await ask(client, editor, "POST", "/v1/groups", json={"slug": "g", "name": "G"}))[0] == 201
    assert (await ask(client, editor, "POST", "/v1/groups/g/members", json={"add": ["jan", "nobody"]}))[0] == 200
    assert await keys(client, editor, "?group=g") == ["jan"]
    assert await keys(client, editor, "?group=none") == 404
    assert (await ask(client, editor, "POST", "/v1/contacts/remove", json={"keys": ["jan"]}))[1] == {"removed": 1}
    assert (await ask(client, editor, "POST", "/v1/groups/g/remove"))[0] == 200
    acts = [
        row["act"] for row in await scene.rows("SELECT act FROM audit_event WHERE act LIKE 'contacts.%' ORDER BY id")
    ]
    assert acts == ["contacts.added", "contacts.changed", *["contacts.seen"] * 5, "contacts.removed"]


async def test_who_has_no_right_sees_and_changes_nothing(client: Client, tokens: dict[str, str]) -> None:
    for who in ("admin", "approver", "observer", "exporter", "break-glass", "machine"):
        assert await keys(client, tokens[who]) == 403
        assert (await ask(client, tokens[who], "POST", "/v1/contacts", json=JAN))[0] == 403
    assert (await ask(client, tokens["viewer"], "POST", "/v1/contacts", json=JAN))[0] == 403


async def test_coordinators_keep_their_own_and_never_see_the_other_s(client: Client, tokens: dict[str, str]) -> None:
    plp, bin_ = tokens["plp coordinator"], tokens["bin coordinator"]
    assert (await ask(client, plp, "POST", "/v1/contacts", json=JAN))[0] == 201
    assert (await ask(client, bin_, "POST", "/v1/contacts", json=JAN | {"name": "Stolen"}))[1]["reason"] == "key-taken"
    assert (await ask(client, bin_, "POST", "/v1/contacts", json=JAN | {"partnership": "plp"}))[0] == 404
    assert (await keys(client, plp), await keys(client, bin_)) == (["jan"], [])
    assert (await ask(client, bin_, "GET", "/v1/contacts/jan"))[0] == 404
    assert (await ask(client, bin_, "POST", "/v1/contacts/remove", json={"keys": ["jan"]}))[1] == {"removed": 0}
    assert (await ask(client, plp, "POST", "/v1/groups", json={"slug": "g", "name": "G"}))[0] == 201
    assert (await ask(client, bin_, "POST", "/v1/groups/g/members", json={"add": ["jan"]}))[0] == 404
    groups = {
        who: (await ask(client, token, "GET", "/v1/groups"))[1]["groups"] for who, token in tokens.items() if token
    }
    assert (groups["bin coordinator"], groups["plp coordinator"][0]["partnership"]) == ([], "plp")


async def test_nobody_copies_an_address_book_by_leafing_through_it(
    client: Client, tokens: dict[str, str], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_SEEN_AN_HOUR", 4)
    for key in ("a", "b"):
        body = {"key": key, "email": f"{key}@x.example"}
        assert (await ask(client, tokens["editor"], "POST", "/v1/contacts", json=body))[0] == 201
    viewer = tokens["viewer"]
    assert await keys(client, viewer) == ["a", "b"]
    await scene.rows(
        "INSERT INTO audit_event (entity_id, at, actor, act, subject, detail) "
        "SELECT entity_id, at - interval '61 minutes', actor, act, subject, "
        "'{\"count\": 1000}' FROM audit_event WHERE act = 'contacts.seen' RETURNING id"
    )
    assert [await keys(client, viewer) for _ in range(2)] == [["a", "b"], 429]
    status, told = await ask(client, viewer, "GET", "/v1/contacts/a")
    assert (status, told["reason"], "within the hour" in told["detail"]) == (429, "too-often", True)
    assert await keys(client, tokens["editor"]) == ["a", "b"], "everybody is counted alone"


async def test_registered_citizens_are_never_listed(client: Client, tokens: dict[str, str], scene: Scene) -> None:
    await scene.citizens(citizen(1))
    for query in ("", "?begins=Citizen", "?endpoint=%2B32470000001"):
        assert await keys(client, tokens["editor"], query) == []


@pytest.mark.parametrize(
    "body",
    [{"key": "x"}, {"key": "x", "mobile": "123"}, {"key": "", "mobile": "0470123456"}, JAN | {"opt_out": ["urgent"]},
     JAN | {"language": "klingon!"}, JAN | {"king": 1}],
)  # fmt: skip
async def test_a_contact_that_can_not_be_reached_is_refused(
    body: dict[str, Any], client: Client, tokens: dict[str, str]
) -> None:
    status, told = await ask(client, tokens["editor"], "POST", "/v1/contacts", json=body)
    assert (status, told["reason"]) == (422, "wrong-body")
    assert told["mistakes"]


async def test_contacts_are_searched_page_by_page(client: Client, tokens: dict[str, str]) -> None:
    for key in "abc":
        body = {
            "key": key,
            "name": f"An Peeters {key}",
            "email": f"{key}@x.example",
            "mobile": f"047000000{ord(key) - 96}",
        }
        await ask(client, tokens["editor"], "POST", "/v1/contacts", json=body)
    pages = []
    query = "?q=peet+an&limit=2"
    while query:
        _, page = await ask(client, tokens["viewer"], "GET", f"/v1/contacts{query}")
        pages.append([contact["key"] for contact in page["contacts"]])
        query = f"?q=peet+an&limit=2&cursor={page['next']}" if page["next"] else ""
    assert pages == [["a", "b"], ["c"]]
    assert await keys(client, tokens["viewer"], "?q=0470+00+00+02") == ["b"]
    assert await keys(client, tokens["plp coordinator"], "?q=peet") == []
