"""gateway ask: every act of the API can be asked for, and what can not is named."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from gateway.__main__ import main
from gateway.commands.ask import Mistaken, question_of
from gateway.model import Role
from gateway.web.docs import load
from tests.commands.conftest import Command, Remote
from tests.support.api import operations
from tests.support.authority import Client, a_client
from tests.support.people import put_person
from tests.support.scene import Scene

DOCUMENT = load()
OF_BROWSERS = {
    "getSession", "chooseEntity", "signOut", "listSessions", "endOtherSessions", "endSession", "listPasskeys",
    "addPasskey", "beginRegistration", "removePasskey", "proveSecondWay", "listLinks", "beginLink", "removeLink",
    "getSecondWay", "confirmSecondWay", "beginSecondWay", "renewRecoveryCodes",
}  # fmt: skip
"""How somebody signs in, in their own browser."""
OF_PROVIDERS = {"voiceStatus", "voicePlayed", "voiceHeard"}
"""What telephony providers say of calls, signed."""


def test_every_act_of_the_api_can_be_asked_for_and_what_can_not_is_named() -> None:
    elsewhere, seen = set(), 0
    for operation in operations(DOCUMENT):
        words = [f"{one['name']}=a/b ?" for one in operation.parameters]
        try:
            question = question_of(DOCUMENT, operation.name, words)
        except Mistaken:
            elsewhere.add(operation.name)
            continue
        where, _, query = question.path.partition("?")
        pieces = {one["name"]: "a%2Fb%20%3F" for one in operation.parameters if one["in"] == "path"}
        assert (question.method, where) == (operation.method, operation.path.format_map(pieces))
        in_query = sorted((one["name"], "a/b ?") for one in operation.parameters if one["in"] == "query")
        assert sorted(parse_qsl(query)) == in_query
        assert set(question.headers) == {one["name"] for one in operation.parameters if one["in"] == "header"}
        seen += 1
    assert elsewhere == OF_BROWSERS | OF_PROVIDERS
    assert seen > 120


def test_an_alert_is_posted_from_a_file_and_its_answer_shown(command: Command, remote: Remote, tmp_path: Path) -> None:
    file = tmp_path / "alert.xml"
    file.write_bytes(b"<alert/>")
    remote.answers["/v1/alerts"] = 201, {"campaign": "ca_1"}
    assert command("ask", "postAlert", "Idempotency-Key=k", "--body", str(file)) == (
        0,
        '{\n  "campaign": "ca_1"\n}\n',
        "",
    )
    assert remote.asked == [("/v1/alerts", b"<alert/>")]
    assert (remote.heads[0]["Content-Type"], remote.heads[0]["Idempotency-Key"]) == ("application/cap+xml", "k")
    remote.answers["/v1/alerts?dry_run=true"] = 422, {"detail": "Nobody is meant."}
    ran = command("ask", "postAlert", "dry_run=true", "--body", str(file))
    assert (ran.code, ran.err) == (1, "gateway: Nobody is meant.\n")


def test_a_change_says_what_was_seen(command: Command, remote: Remote, tmp_path: Path) -> None:
    remote.answers["/v1/persons/an%40b.example"] = 200, {"suspended": True}
    for tag, sent in (("*", "*"), ("abc", '"abc"'), ('"abc"', '"abc"')):
        words = ("changePerson", "person=an@b.example", f"If-Match={tag}", "--json", '{"suspended": true}')
        assert command("ask", *words, "--output", str(tmp_path / "told.json")).code == 0
        assert remote.heads[-1]["If-Match"] == sent
    assert remote.asked[-1][1] == b'{"suspended": true}'
    assert "suspended" in (tmp_path / "told.json").read_text()
    assert command("ask", "getPerson", "person=an@b.example").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there is no operation nothing"),
        (("getCampaign",), "needs campaign=..."),
        (("getCampaign", "campagne=x"), "takes campaign=..."),
        (("changePerson", "person=x", "If-Match=*"), "--json JSON"),
        (("listCampaigns", "--json", "{}"), "takes no body"),
        (("addPerson", "--json", "{}", "--type", "text/plain"), "takes application/json"),
        (("addPerson", "--body", "/nowhere/at/all"), "can not be read"),
        (("signOut",), "is for browsers"),
    ],
)
def test_what_can_not_be_asked_is_said_and_nothing_is_sent(
    words: tuple[str, ...], said: str, command: Command, remote: Remote
) -> None:
    ran = command("ask", *words)
    assert (ran.code, said in ran.err, remote.asked) == (2, True, [])


def test_all_there_is_is_listed(command: Command) -> None:
    lines = command("ask").out.splitlines()
    assert len(lines) == 1 + len(list(operations(DOCUMENT)))
    assert any(line.startswith("postAlert ") and " /v1/alerts " in line for line in lines)


def asked_of(client: Client, token: str, *words: str) -> Awaitable[int]:
    """What `gateway ask` ends with, in the name of this token."""
    terminal = {"GATEWAY_TOKEN": token, "GATEWAY_URL": str(client.make_url("/"))}

    def run() -> int:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in terminal.items():
                patch.setenv(name, value)
            return main(["ask", *words])

    return asyncio.to_thread(run)


async def test_who_gave_a_right_can_not_confirm_it_and_the_record_says_who_did(scene: Scene) -> None:
    """Roles, a mandate, a live invitation: each waits for another administrator at the command line, too."""
    commune = await scene.entity()
    async with scene.connected() as connection:
        first, second = [await put_person(connection, commune.id, roles=[Role.ADMIN]) for _ in range(2)]
    jan = "person=jan@people.example"
    new = '{"name": "Jan", "email": "jan@people.example", "roles": ["approver"]}'
    mandate = '{"classes": ["news"], "channels": ["sms"]}'
    async with a_client(scene) as client:
        assert await asked_of(client, first, "addPerson", "--json", new) == 0
        assert await asked_of(client, first, "grantMandate", jan, "--json", mandate) == 0
        assert await asked_of(client, first, "invitePerson", jan, "--json", '{"realm": "live"}') == 0
        numbers = {what: await scene.rows(f"SELECT max(id) AS n FROM {what}") for what in ("mandate", "invitation")}
        for name, words in (
            ("confirmRoles", [jan, "If-Match=*"]),
            ("confirmMandate", [f"mandate={numbers['mandate'][0]['n']}", "If-Match=*"]),
            ("confirmInvitation", [f"invitation={numbers['invitation'][0]['n']}"]),
        ):
            for token, code in ((first, 1), (second, 0), (second, 1)):
                assert await asked_of(client, token, name, *words) == code, name
    acts = await scene.rows("SELECT subject, actor FROM audit_event WHERE act LIKE '%.update' ORDER BY id DESC LIMIT 3")
    assert len({row["subject"] for row in acts}) == 3
    given = await scene.rows("SELECT granted_by, confirmed_by FROM mandate ORDER BY id DESC LIMIT 1")
    assert {row["actor"] for row in acts} == {given[0]["confirmed_by"]} != {given[0]["granted_by"]}
