"""What somebody saw has to be what is there when they change it: each rule, and every route that says so."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.model import Role
from gateway.store import admin, persons
from gateway.web.conditions import shown, tag_of, unmet
from gateway.web.docs import load
from tests.policy.test_template import BODY
from tests.support.api import operations
from tests.support.authority import Client
from tests.support.people import everything, put_person
from tests.support.scene import Scene

THING = {"name": "Brugge", "languages": ["nl"]}
TAG = tag_of(THING)


def asked(method: str = "POST", **headers: str) -> web.Request:
    return make_mocked_request(method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


def said(answer: web.Response | None) -> tuple[int, Any]:
    assert answer is not None
    return answer.status, json.loads(answer.text or "{}").get("reason")


def test_a_tag_is_of_what_is_shown_whatever_its_order() -> None:
    assert tag_of({"languages": ["nl"], "name": "Brugge"}) == TAG
    assert tag_of(THING | {"name": "Gent"}) != TAG


def test_a_thing_is_shown_with_its_tag_and_304_to_who_has_it() -> None:
    answer = shown(asked("GET"), THING)
    assert (answer.status, answer.headers["ETag"], json.loads(answer.text or "")) == (200, f'"{TAG}"', THING)
    for known in (f'"{TAG}"', f'W/"{TAG}"', f'"x", "{TAG}"', "*"):
        assert shown(asked("GET", If_None_Match=known), THING).status == 304
    assert shown(asked("GET", If_None_Match='"x"'), THING).status == 200
    assert shown(asked("POST", If_None_Match="*"), THING).status == 200


@pytest.mark.parametrize("wanted", [f'"{TAG}"', f'"x", "{TAG}"', "*"])
def test_who_saw_what_is_there_may_change_it(wanted: str) -> None:
    assert unmet(asked(If_Match=wanted), THING) is None


@pytest.mark.parametrize("wanted", ['"x"', f'W/"{TAG}"', "", "x", '"'])
def test_who_saw_something_else_is_told_so(wanted: str) -> None:
    answer = unmet(asked(If_Match=wanted), THING)
    assert said(answer) == (412, "changed-meanwhile")
    assert answer is not None and answer.headers["ETag"] == f'"{TAG}"'


def test_who_says_nothing_is_asked_to() -> None:
    assert said(unmet(asked(), THING)) == (428, "no-condition")


def test_what_is_not_there_yet_is_made_unless_somebody_saw_it() -> None:
    assert unmet(asked(), None) is None
    assert unmet(asked(If_Match="*"), None) is None
    answer = unmet(asked(If_Match=f'"{TAG}"'), None)
    assert said(answer) == (412, "changed-meanwhile")
    assert answer is not None and "ETag" not in answer.headers


# Every route --------------------------------------------------------------------------------------------------------

GROUP = {"slug": "plp", "name": "Centre"}
OUTLINE = {"type": "Polygon", "coordinates": [[[4.3, 50.8], [4.35, 50.8], [4.35, 50.85], [4.3, 50.8]]]}
PARTNERSHIP = {"slug": "north", "name": "North"}
CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "changeEntity": ("/v1/entity", "/v1/entity", {}),
    "notePapers": ("/v1/entities/commune", "/v1/entities/commune", {}),
    "putTerritory": ("/v1/entities/commune", "/v1/entities/commune/territory", OUTLINE),
    "changePerson": ("/v1/persons/{person}", "/v1/persons/{person}", {}),
    "confirmRoles": ("/v1/persons/{person}", "/v1/persons/{person}/confirm", {}),
    "confirmMandate": ("/v1/mandates/{mandate}", "/v1/mandates/{mandate}/confirm", {}),
    "putPartnership": ("/v1/partnerships/north", "/v1/partnerships", PARTNERSHIP),
    "enrolInPartnership": (
        "/v1/partnerships/north", "/v1/partnerships/north/people", {"person": "{person}", "role": "police"},
    ),
    "giveGroupToPartnership": ("/v1/partnerships/north", "/v1/partnerships/north/groups", {"group": "plp"}),
    "putContact": ("/v1/contacts/plp-1", "/v1/contacts", {"key": "plp-1", "mobile": "0470000001"}),
    "putGroup": ("/v1/groups/plp", "/v1/groups", GROUP),
    "changeMembers": ("/v1/groups/plp", "/v1/groups/plp/members", {"remove": ["plp-1"]}),
    "removeGroup": ("/v1/groups/plp", "/v1/groups/plp/remove", {}),
    "putTemplate": ("/v1/templates/fire", "/v1/templates", BODY | {"slug": "fire"}),
}  # fmt: skip
"""What is seen, and what is changed, by the operation's name."""
ELSEWHERE = {"changeWebhook"}
"""In tests/web/test_webhooks.py, with the routes of webhooks."""
UNCONDITIONAL = {
    # they make something new, or say something
    "postAlert", "addPerson", "grantMandate", "invitePerson", "redeemInvitation", "announce", "publishWording",
    "addEntity", "postImport", "askExport", "restoreEntity", "addWebhook", "addTariff", "addPack", "answerTerms",
    "draftFromSource", "campaignFromSource", "previewTemplate", "launchTemplate", "findBreach", "readNotice",
    "registerCitizen", "askForLink", "takeContactData", "pingWebhook", "addToken", "publishTerms",
    # they are bound by something stronger: a state, a seal, a proof, that it never changes
    "breakGlass", "approveCampaign", "pauseCampaign", "resumeCampaign", "stopCampaign", "confirmInvitation",
    "confirmToken", "agreeExport", "undoImport", "confirmCitizen", "openInvitation", "beginPasskey", "endPasskey",
    "beginProvider",
    "proveSecondWay", "beginLink", "beginRegistration", "addPasskey", "confirmSecondWay", "beginSecondWay",
    # they take something away at once, whatever it is by now
    "revokeMandate", "revokeToken", "suspendEntity", "reinstateEntity", "removeContacts", "eraseContact",
    "eraseCaller", "removeWebhook", "rotateWebhookSecret",
    # they are one person's own
    "chooseEntity", "signOut", "endOtherSessions", "endSession", "signOutMember", "removePasskey", "removeLink",
    "renewRecoveryCodes", "changeCitizen", "addCitizenEndpoint", "removeCitizenEndpoint", "eraseCitizen",
    "closeSelfService",
}  # fmt: skip


def test_every_change_of_v1_is_conditional_or_named_with_its_reason() -> None:
    posts = [one for one in operations(load()) if one.method == "POST" and one.path.startswith("/v1/")]
    conditional = {one.name for one in posts if any(p["name"] == "If-Match" for p in one.parameters)}
    assert conditional == CHANGES.keys() | ELSEWHERE
    assert {one.name for one in posts} - conditional == UNCONDITIONAL


@pytest_asyncio.fixture
async def ground(scene: Scene, client: Client) -> AsyncIterator[tuple[Client, dict[str, str], dict[str, str]]]:
    """Everything that the table names, with the tokens of administrators and the names of a person and a mandate."""
    commune = await scene.entity(groups={"plp": 2})
    async with scene.connected() as connection:
        platform = await admin.entity(connection, "platform")
        assert platform is not None
        boss = await put_person(connection, platform.id, roles=[Role.ADMIN])
        token = await put_person(connection, commune.id, roles=[Role.ADMIN, Role.EDITOR])
        await put_person(connection, commune.id, email="an@people.example", mandate=everything())
        await persons.put_partnership(connection, commune.id, "north", "North", "none")
        row = await persons.find(connection, commune.id, "an@people.example")
        (mandate, *_) = await persons.mandates(connection, commune.id, row["id"])
    head = {"Authorization": f"Bearer {token}"}
    async with client.post("/v1/templates", headers=head, json=BODY | {"slug": "fire"}) as made:
        assert made.status == 201, await made.text()
    yield client, {"/v1/entities/commune": boss, "": token}, {"person": row["public_id"], "mandate": str(mandate["id"])}


async def test_no_route_changes_what_somebody_else_changed_meanwhile(
    ground: tuple[Client, dict[str, str], dict[str, str]],
) -> None:
    client, tokens, names = ground
    for name, (seen, path, body) in CHANGES.items():
        head = {"Authorization": f"Bearer {tokens.get(seen, tokens[''])}"}
        words = {key: value.format_map(names) if isinstance(value, str) else value for key, value in body.items()}
        async with client.get(seen.format_map(names), headers=head) as answer:
            assert answer.status == 200, (name, await answer.text())
            tag = answer.headers["ETag"]
        for condition, status in (({}, 428), ({"If-Match": '"other"'}, 412), ({"If-Match": tag}, None)):
            async with client.post(path.format_map(names), headers=head | condition, json=words) as answer:
                told = answer.status
                assert told == status if status else told in (200, 201, 409), (name, condition, await answer.text())
        if name == "removeGroup":
            async with client.post("/v1/groups", headers=head | {"If-Match": tag}, json=GROUP) as answer:
                assert answer.status == 412, "who saw a group that is gone makes no new one"
            async with client.post("/v1/groups", headers=head, json=GROUP) as answer:
                assert answer.status == 201
