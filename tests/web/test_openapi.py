"""The description and the gateway that runs agree: on who may ask for what, and on every answer that comes.

Requests are made up by Schemathesis from schemas/openapi.yaml, with tokens of every role and with names that are there.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from gateway.model import Role
from gateway.store import admin, persons, sessions
from gateway.store.embedded import Cluster
from gateway.store.sessions import Lasting, State
from gateway.web.cookies import CSRF_HEADER, csrf_token
from gateway.web.docs import load
from gateway.web.problem import CONTENT_TYPE
from tests.support.api import Operation, least_body, least_headers, least_path, operations
from tests.support.line import running, scene
from tests.support.people import put_person
from tests.support.town import COMMUNE, EVERYTHING, Town, a_town

DOCUMENT = load()
WRONG = "Bearer gw_live_wrong"
STREAMS = frozenset({"watchCampaign"})
"""Without an end as long as the campaign is open: tests/web/test_api.py reads them."""
ASKED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
HELP = {"name": "Demo help desk", "phone": "+32 2 555 00 00"}
SHORT, LONG = 6, 60
PATIENCE_S = 20.0


@pytest_asyncio.fixture
async def town(pg: Cluster) -> AsyncIterator[Town]:
    async with a_town(pg) as made:
        yield made


# Who may ask --------------------------------------------------------------------------------------------------------


async def answer_to(
    town: Town, operation: Operation, authorization: str, more: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, str, Any]:
    """The status, type and JSON of a least request. A problem says whom to ask, whatever it is about."""
    headers = least_headers(operation) | ({"Authorization": authorization} if authorization else {}) | dict(more)
    body = least_body(DOCUMENT, operation)
    session, url = town.line.session, town.line.url + least_path(operation)
    async with session.request(operation.method, url, json=body, headers=headers, allow_redirects=False) as answer:
        kind = answer.content_type
        told = json.loads(await answer.read()) if kind.endswith("json") else {}
        assert kind != CONTENT_TYPE or told["help"] == HELP, operation.name
        return answer.status, kind, told


def stated(operation: Operation) -> Sequence[Mapping[str, Sequence[str]]]:
    """The security of an operation, as it is stated for it or for all."""
    found: Sequence[Mapping[str, Sequence[str]]] = operation.told.get("security", DOCUMENT["security"])
    return found


WITH_TOKEN = [one for one in operations(DOCUMENT) if any("token" in way for way in stated(one))]
OPEN = [one for one in operations(DOCUMENT) if not any(stated(one))]


def test_everything_of_v1_asks_for_a_token_or_says_that_it_does_not() -> None:
    open_ = {one.name for one in OPEN if one.path.startswith("/v1/")}
    assert len(WITH_TOKEN) > 50
    assert open_ == {
        "redeemInvitation", "openInvitation", "beginPasskey", "endPasskey", "registerCitizen", "confirmCitizen",
        "askForLink", "findPlaces", "listManuals", "getManual", "beginProvider", "endProvider", "listProviders",
    }  # fmt: skip


async def test_what_is_served_is_what_is_described(pg: Cluster) -> None:
    async with scene(pg) as line, running(line, 0, **EVERYTHING) as node:
        served = {(method, path) for method, path in node.served if method not in ("HEAD", "OPTIONS")}
    acts = {("POST", f"/v1/campaigns/{{campaign}}/{act}") for act in ("pause", "resume", "stop")}
    # the second answers 404 to whatever else is asked below /cap
    served = served - {("POST", "/v1/campaigns/{campaign}/{act}"), ("GET", "/cap/{any}")} | acts
    assert served == {(one.method, one.path) for one in operations(DOCUMENT)}


async def test_without_a_token_that_works_everything_is_401_in_the_form_that_is_stated(town: Town) -> None:
    for operation in WITH_TOKEN:
        for authorization in ("", WRONG):
            status, kind, body = await answer_to(town, operation, authorization)
            assert (status, kind, body["reason"]) == (401, CONTENT_TYPE, "unauthorized"), operation.name
            assert "401" in operation.told["responses"]


async def test_what_is_open_asks_nobody_who_they_are(town: Town) -> None:
    for operation in OPEN:
        _, _, body = await answer_to(town, operation, "")
        assert body.get("reason") not in ("unauthorized", "no-role"), operation.name


async def test_a_role_that_is_stated_is_needed_and_is_enough(town: Town) -> None:
    for operation in WITH_TOKEN:
        roles = [word for way in stated(operation) for word in way.get("token", ())]
        for role in roles or ["nobody"]:
            status, _, body = await answer_to(town, operation, f"Bearer {town.tokens[role]}")
            assert status != 401 and body.get("reason") != "no-role", (operation.name, role, body)
        for token in await without(town, roles):
            status, kind, body = await answer_to(town, operation, f"Bearer {token}")
            assert (status, kind, body["reason"]) == (403, CONTENT_TYPE, "no-role"), (operation.name, roles, body)
            assert "403" in operation.told["responses"]
        await town.mend()


async def without(town: Town, roles: Sequence[str]) -> list[str]:
    """Tokens that have none of these roles: of nobody in particular, of a machine, and of who has another one."""
    if not roles:
        return []
    machine = town.line.tokens["demo-commune"]["live"]
    if roles == ["platform-admin"]:
        return [town.tokens["nobody"], machine, town.tokens["admin"]]
    others = [town.tokens[f"all but {roles[0]}"]] if len(roles) == 1 else [town.tokens["break-glass"]]
    return [town.tokens["nobody"], machine, *others]


CHANGING_WITH_A_COOKIE = [
    one for one in operations(DOCUMENT) if one.method != "GET" and any("cookie" in way for way in stated(one))
]


async def test_no_change_is_made_with_a_cookie_that_does_not_come_from_our_own_pages(town: Town) -> None:
    """Of whom would have every right: an administrator's session, as forms and scripts of other sites would use it."""
    async with admin.connected(town.line.cluster.app_dsn) as connection:
        commune = await admin.entity(connection, COMMUNE)
        assert commune is not None
        await put_person(connection, commune.id, roles=list(Role), email="an@people.example")
        person = (await persons.find(connection, commune.id, "an@people.example"))["id"]
        secret = await sessions.open_session(connection, person, State.OPEN, "passkey", Lasting(3600, 3600))
    cookie = {"Cookie": f"gateway-session={secret}", "Gateway-Entity": COMMUNE, "Gateway-Realm": "test"}
    word = {CSRF_HEADER: csrf_token(secret)}
    forged: list[dict[str, str]] = [
        {}, {CSRF_HEADER: csrf_token(f"{secret}x")}, word | {"Origin": "https://evil.example"},
        word | {"Sec-Fetch-Site": "cross-site"},
    ]  # fmt: skip
    assert len(CHANGING_WITH_A_COOKIE) > 60
    for operation in CHANGING_WITH_A_COOKIE:
        for number, headers in enumerate(forged):
            status, _, body = await answer_to(town, operation, "", cookie | headers)
            assert (status, body["reason"]) == (403, "forged"), (operation.name, number)
    async with town.line.session.get(f"{town.line.url}/v1/session", headers=cookie) as answer:
        assert answer.status == 200, "the session is there all the while"
    async with town.line.session.post(f"{town.line.url}/v1/session/end", headers=cookie | word) as answer:
        assert answer.status == 200, "and our own pages end it"


@schemathesis.serializer(
    "application/zip", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/vcard"
)
def as_it_is(_context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode()


# Every answer -------------------------------------------------------------------------------------------------------


def fuzzed(town: Town, operation: Any, examples: int, wrong: list[str]) -> int:
    """Made-up requests to one operation, every answer held against the description; how many there were."""
    checks = [CHECKS.get_one(name) for name in ASKED]
    tokens = [*town.tokens.values(), *town.line.tokens["demo-commune"].values(), ""]
    strategy, count = operation.as_strategy(), 0
    session = requests.Session()

    @seed(6)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy, token=st.sampled_from(tokens), known=st.integers(0, 3))
    def hold(case: Any, token: str, known: int) -> None:
        nonlocal count
        if known and case.path_parameters:
            case.path_parameters = {name: town.names.get(name, value) for name, value in case.path_parameters.items()}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        count += 1
        try:
            answer = case.call_and_validate(
                base_url=town.line.url, headers=headers, checks=checks, session=session, timeout=PATIENCE_S,
                allow_redirects=False,
            )  # fmt: skip
            if answer.headers.get("content-type", [""])[0].startswith(CONTENT_TYPE) and answer.json()["help"] != HELP:
                wrong.append(f"{operation.label}: {answer.status_code} does not say whom to ask")
        except FailureGroup as failure:  # noted and gone on from: one run shows all there is
            wrong.extend(f"{operation.label}: {one}" for one in failure.exceptions)

    with session:
        hold()
    return count


async def all_fuzzed(town: Town, examples: int) -> int:
    schema, total = schemathesis.openapi.from_dict(DOCUMENT), 0
    wrong: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.definition.raw["operationId"] in STREAMS:
            continue
        total += await asyncio.to_thread(fuzzed, town, operation, examples, wrong)
        print(f"{total} {operation.label}, {len(wrong)} wrong", flush=True)  # noqa: T201  # read with -s
        await town.mend()
    assert not wrong, "\n\n".join(wrong)
    return total


async def test_no_made_up_request_gets_an_answer_that_is_not_described(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert await all_fuzzed(town, SHORT) > 400
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_thousand_made_up_requests_get_answers_that_are_described(town: Town) -> None:
    began = time.monotonic()
    total = await all_fuzzed(town, LONG)
    print(f"{total} made-up requests in {time.monotonic() - began:.0f} s, every answer as described")  # noqa: T201
    assert total >= 10_000
