"""The authority's API over HTTP: tokens, types, sizes, answers, streams."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.errors import StoreUnavailable
from gateway.model import EntityKind, Realm
from gateway.store import admin
from gateway.web.access import Access
from gateway.web.agreeing import AgreeingPages
from gateway.web.api import Api
from gateway.web.problem import CONTENT_TYPE, middleware
from tests.support.scene import (
    HELP,
    Entity,
    Scene,
    an_alert,
    area,
    asking,
    citizen,
    document,
    put_entity,
    put_token,
    square,
    with_infos,
)

Client = TestClient[web.Request, web.Application]
MOST_BYTES = 200_000
CAP = "application/cap+xml"
GOOD = document(an_alert())


@pytest_asyncio.fixture
async def commune(scene: Scene) -> Entity:
    async with scene.connected() as connection:
        return await put_entity(connection, groups={"g": 1})


@pytest.fixture
def api(scene: Scene) -> Api:
    return Api(*scene.doors, max_bytes=MOST_BYTES, utcnow=scene.clock)


@pytest_asyncio.fixture
async def client(api: Api, scene: Scene) -> AsyncIterator[Client]:
    application = web.Application(middlewares=[middleware(HELP)])
    application.add_routes(api.routes())
    application.add_routes(AgreeingPages(scene.campaigns.agreeing, Access(scene.store)).routes())
    async with TestClient(TestServer(application)) as made:
        yield made
        api.close_streams()


def bearer(entity: Entity | str, realm: Realm = Realm.LIVE) -> dict[str, str]:
    return {"Authorization": f"Bearer {entity if isinstance(entity, str) else entity.tokens[realm]}"}


async def post(client: Client, entity: Entity | str, raw: bytes = GOOD, **more: Any) -> ClientResponse:
    headers = {"Content-Type": CAP} | bearer(entity) | more.pop("headers", {})
    return await client.post("/v1/alerts", data=raw, headers=headers, **more)


async def refused(answer: ClientResponse, status: int, reason: str) -> dict[str, Any]:
    assert answer.status == status, await answer.text()
    assert answer.content_type == CONTENT_TYPE
    body: dict[str, Any] = json.loads(await answer.text())
    assert (body["status"], body["reason"], body["help"]) == (status, reason, HELP)
    return body


# Tokens ---------------------------------------------------------------------------------------------------------

ROUTES = [
    ("POST", "/v1/alerts"), ("GET", "/v1/alerts/al_1"), ("GET", "/v1/alerts/al_1/cap"), ("GET", "/v1/campaigns"),
    ("GET", "/v1/campaigns/ca_1"), ("GET", "/v1/campaigns/ca_1/events"), ("GET", "/v1/campaigns/ca_1/report"),
    ("GET", "/v1/campaigns/ca_1/deliveries"), ("POST", "/v1/campaigns/ca_1/approve"),
    ("POST", "/v1/campaigns/ca_1/pause"), ("POST", "/v1/campaigns/ca_1/resume"), ("POST", "/v1/campaigns/ca_1/stop"),
]  # fmt: skip


async def test_nothing_is_shown_or_done_without_a_token(client: Client) -> None:
    for method, path in ROUTES:
        answer = await client.request(method, path)
        await refused(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


WRONG = [
    "", "Bearer", "Bearer ", "Basic gw_live_x", "Bearer gw_live_", "Bearer gw_live_wrong", "gw_live_wrong", "Bearer x",
    "Bearer gw_" + "x" * 300, "Bearer gw_\udcff\udcfe", "Bearer gw_é",
]  # fmt: skip


async def test_a_wrong_token_is_401(client: Client, commune: Entity) -> None:
    for header in WRONG:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        line = f"GET /v1/campaigns HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {header}\r\n\r\n"
        writer.write(line.encode(errors="surrogateescape"))
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith("HTTP/1.1 401 "), header
        assert "\r\nWWW-Authenticate: Bearer\r\n" in answer


async def test_the_scheme_is_written_in_any_case(client: Client, commune: Entity) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {commune.second}"}
        assert (await client.get("/v1/campaigns", headers=headers)).status == 200


async def test_an_expired_or_revoked_token_opens_nothing(client: Client, scene: Scene, commune: Entity) -> None:
    async with scene.connected() as connection:
        past = scene.clock.now - timedelta(seconds=1)
        old = await put_token(connection, commune.id, Realm.LIVE, expires_at=past)
        token = await put_token(connection, commune.id, Realm.LIVE)
        await admin.revoke_token(connection, max(row.id for row in await admin.tokens(connection)))
    for dead in (old, token):
        await refused(await client.get("/v1/campaigns", headers=bearer(dead)), 401, "unauthorized")


# Posting --------------------------------------------------------------------------------------------------------


async def test_a_post_is_201_and_the_same_again_200_with_the_same_body(client: Client, commune: Entity) -> None:
    first, second = await post(client, commune), await post(client, commune)
    assert (first.status, second.status) == (201, 200)
    body = await first.json()
    assert body == await second.json()
    assert {"alert", "campaign", "state", "links"} <= set(body)
    assert first.content_type == "application/json"


async def test_a_hundred_posts_at_once_make_one_campaign(client: Client, scene: Scene, commune: Entity) -> None:
    answers = await asyncio.gather(*(post(client, commune) for _ in range(100)))
    assert sorted(answer.status for answer in answers) == [200] * 99 + [201]
    bodies = [await answer.json() for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert len(await scene.rows("SELECT FROM campaign")) == 1


async def test_a_rehearsal_does_not_answer_for_the_live_post(client: Client, commune: Entity) -> None:
    rehearsed = await post(client, commune.tokens[Realm.TEST])
    live = await post(client, commune)
    assert (rehearsed.status, live.status) == (201, 201)
    assert ((await rehearsed.json())["mode"], (await live.json())["mode"]) == ("test", "live")


async def test_other_content_under_the_same_identity_is_409(client: Client, commune: Entity) -> None:
    await post(client, commune)
    await refused(await post(client, commune, document(an_alert(note="other"))), 409, "conflict")


async def test_a_type_of_xml_is_taken_with_its_parameters(client: Client, commune: Entity) -> None:
    kinds = (f"{CAP}; charset=utf-8", f"{CAP};charset=UTF-8", "application/xml", "TEXT/XML")
    for number, kind in enumerate(kinds):
        answer = await post(client, commune, document(an_alert(f"A-{number}")), headers={"Content-Type": kind})
        assert answer.status == 201, kind


async def test_another_type_is_415_and_stored(client: Client, scene: Scene, commune: Entity) -> None:
    for kind in ("application/json", "text/plain", "application/octet-stream", "multipart/form-data"):
        body = await refused(await post(client, commune, headers={"Content-Type": kind}), 415, "wrong-type")
        (row,) = await scene.rows("SELECT http_status, raw, accepted FROM alert WHERE public_id = $1", body["alert"])
        assert tuple(row) == (415, b"", False)


async def test_a_body_that_is_too_large_is_413_and_stored(client: Client, scene: Scene, commune: Entity) -> None:
    body = await refused(await post(client, commune, GOOD + b" " * MOST_BYTES), 413, "too-large")
    assert str(MOST_BYTES) in body["detail"]
    (row,) = await scene.rows("SELECT http_status FROM alert")
    assert row["http_status"] == 413


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(client: Client, commune: Entity) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // 1000 + 5):
            yield b" " * 1000

    headers = {"Content-Type": CAP} | bearer(commune)
    answer = await client.post("/v1/alerts", data=endless(), headers=headers)
    await refused(answer, 413, "too-large")


async def test_a_packed_body_counts_by_what_is_in_it(client: Client, commune: Entity) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert (await post(client, commune, gzip.compress(GOOD), headers=headers)).status == 201
    bomb = gzip.compress(b" " * (MOST_BYTES * 50))
    assert len(bomb) < MOST_BYTES
    await refused(await post(client, commune, bomb, headers=headers), 413, "too-large")


async def test_a_body_of_just_the_limit_is_read(client: Client, commune: Entity) -> None:
    padded = GOOD.rstrip() + b"\n" * (MOST_BYTES - len(GOOD.rstrip()))
    assert len(padded) == MOST_BYTES
    assert (await post(client, commune, padded)).status == 201


async def test_every_finding_is_listed_with_line_and_element(client: Client, commune: Entity) -> None:
    for raw, status in ((b"", 400), (b"<alert>", 400), (b"<alert/>", 422)):
        body = await refused(await post(client, commune, raw), status, "invalid")
        assert body["findings"]
        for finding in body["findings"]:
            assert {"id", "severity", "line", "element", "message", "clause"} == set(finding)


async def test_the_line_of_a_finding_is_that_of_the_document(client: Client, commune: Entity) -> None:
    raw = GOOD.replace(b"<certainty>Observed<", b"<certainty>Sure<", 1)
    body = await refused(await post(client, commune, raw), 422, "invalid")
    (finding,) = [found for found in body["findings"] if found["severity"] == "error"]
    assert b"<certainty>Sure<" in raw.splitlines()[finding["line"] - 1]
    assert finding["element"].endswith("info[1]/certainty[1]") or finding["element"].endswith("info[1]/certainty")


async def test_a_right_that_is_missing_is_403_with_its_reason(client: Client, scene: Scene) -> None:
    async with scene.connected() as connection:
        police = await put_entity(connection, "police", kind=EntityKind.TYPE2)
    await refused(await post(client, police), 403, "groups-only")
    away = document(with_infos(an_alert("B-1"), area=(area(square(5.5, 50.5)),)))
    async with scene.connected() as connection:
        other = await put_entity(connection, "other")
    await refused(await post(client, other, away), 403, "outside-territory")


async def test_while_the_store_is_away_nothing_is_accepted(
    client: Client, scene: Scene, commune: Entity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(scene.store, "transaction", away)
        answer = await post(client, commune)
        await refused(answer, 503, "store-unavailable")
        assert answer.headers["Retry-After"] == "5"
        await refused(await post(client, commune, headers={"Content-Type": "text/plain"}), 503, "store-unavailable")
        patched.setattr(scene.store, "connection", away)
        await refused(await post(client, commune), 503, "store-unavailable")
    assert await scene.rows("SELECT FROM alert") == []
    assert (await post(client, commune)).status == 201


async def test_a_dry_run_forecasts_and_stores_nothing(client: Client, scene: Scene, commune: Entity) -> None:
    await scene.citizens(*(citizen(number) for number in range(3)))
    for said in ("true", "1", "TRUE", "yes"):
        answer = await post(client, commune, document(asking(an_alert(), channels="sms")), params={"dry_run": said})
        body = await answer.json()
        assert (answer.status, body["dry_run"], body["recipients"]) == (200, True, "<5")
    await refused(await post(client, commune, b"", params={"dry_run": "true"}), 400, "invalid")
    assert await scene.rows("SELECT FROM alert") == []
    assert (await post(client, commune, params={"dry_run": "false"})).status == 201


# Reading --------------------------------------------------------------------------------------------------------


async def campaign_of(
    client: Client, scene: Scene, entity: Entity, people: int = 3, raw: bytes | None = None
) -> dict[str, Any]:
    await scene.citizens(*(citizen(number) for number in range(people)))
    answer = await post(client, entity, raw or document(asking(an_alert(addresses=("g",)), channels="sms")))
    await scene.plan()
    body: dict[str, Any] = await answer.json()
    return body


async def test_an_alert_is_shown_with_its_state_and_its_bytes(client: Client, scene: Scene, commune: Entity) -> None:
    raw = document(asking(an_alert(addresses=("g",)), channels="sms"))
    body = await campaign_of(client, scene, commune, raw=raw)
    alert = await (await client.get(f"/v1/alerts/{body['alert']}", headers=bearer(commune))).json()
    assert (alert["accepted"], alert["state"], alert["identifier"]) == (True, "sending", "A-1")
    answer = await client.get(f"/v1/alerts/{body['alert']}/cap", headers=bearer(commune))
    assert answer.content_type == CAP
    assert await answer.read() == raw


async def test_what_is_not_there_and_what_is_another_s_look_the_same(
    client: Client, scene: Scene, commune: Entity
) -> None:
    body = await campaign_of(client, scene, commune)
    async with scene.connected() as connection:
        other = await put_entity(connection, "other")
    mine, none = (body["alert"], body["campaign"]), ("al_none", "ca_none")
    for alert, campaign in (mine, none):
        paths = [f"/v1/alerts/{alert}", f"/v1/alerts/{alert}/cap", f"/v1/campaigns/{campaign}"]
        paths += [f"/v1/campaigns/{campaign}/{part}" for part in ("events", "report", "deliveries")]
        for path in paths:
            await refused(await client.get(path, headers=bearer(other)), 404, "not-found")
        for act in ("approve", "pause", "resume", "stop"):
            path = f"/v1/campaigns/{campaign}/{act}"
            await refused(await client.post(path, headers=bearer(other)), 404, "not-found")


async def test_campaigns_are_listed(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune)
    for cursor in ("", "x", "-1", "9" * 30):
        listed = await (await client.get("/v1/campaigns", headers=bearer(commune), params={"cursor": cursor})).json()
        assert [entry["campaign"] for entry in listed["campaigns"]] == [body["campaign"]]


async def test_the_counts_of_a_campaign(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune)
    seen = await (await client.get(f"/v1/campaigns/{body['campaign']}", headers=bearer(commune))).json()
    names = ("planned", "queued", "in_flight", "submitted", "delivered", "failed", "expired", "cancelled", "unknown")
    assert set(names) <= set(seen["channels"]["sms"])
    assert seen["channels"]["sms"]["planned"] == 4
    assert set(seen["channels"]["sms"]["left_s"]) == {"50", "90", "99"}


async def test_deliveries_are_paged_and_citizens_masked(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune)
    path, found = f"/v1/campaigns/{body['campaign']}/deliveries", list[str]()
    cursor: int | None = 0
    while cursor is not None:
        params = {"cursor": str(cursor), "limit": "3"}
        page = await (await client.get(path, headers=bearer(commune), params=params)).json()
        found += [row["to"] for row in page["deliveries"]]
        cursor = page["next"]
    own = [row["mobile"] for row in await scene.rows("SELECT mobile FROM contact WHERE NOT registered")]
    assert sorted(found) == sorted(["+32470******"] * 3 + own)
    for limit in ("0", "x", "99999999"):
        assert (await client.get(path, headers=bearer(commune), params={"limit": limit})).status == 200


async def test_a_report_comes_in_three_forms(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune)
    path = f"/v1/campaigns/{body['campaign']}/report"
    kinds = {"json": "application/json", "text": "text/plain", "csv": "text/csv"}
    for form, kind in kinds.items():
        answer = await client.get(path, headers=bearer(commune), params={"format": form})
        assert (answer.status, answer.content_type, answer.charset) == (200, kind, "utf-8")
        assert body["campaign"] in await answer.text()
    usual = await client.get(path, headers=bearer(commune))
    assert (await usual.json())["totals"]["planned"] == 4
    await refused(await client.get(path, headers=bearer(commune), params={"format": "doc"}), 400, "unknown-format")


async def test_acts_answer_with_the_new_state(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune)
    path = f"/v1/campaigns/{body['campaign']}"
    for act, state in (("pause", "paused"), ("resume", "sending"), ("stop", "closing")):
        answer = await client.post(f"{path}/{act}", headers=bearer(commune))
        assert (answer.status, await answer.json()) == (200, {"campaign": body["campaign"], "state": state})
    said = await refused(await client.post(f"{path}/resume", headers=bearer(commune)), 409, "wrong-state")
    assert said["state"] == "closing"
    await refused(await client.post(f"{path}/explode", headers=bearer(commune)), 404, "not-found")


# Streams --------------------------------------------------------------------------------------------------------


class Stream:
    """Server-sent events as a browser reads them."""

    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> tuple[str, Any]:
        """The next event's name and data."""
        fields = dict[str, str]()
        async with asyncio.timeout(20):
            while line := (await self._answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields["event"], json.loads(fields["data"])


async def watched(client: Client, campaign: str, entity: Entity) -> ClientResponse:
    answer = await client.get(f"/v1/campaigns/{campaign}/events", headers=bearer(entity))
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.api.EVENT_INTERVAL_S", 0.02)


async def test_a_stream_tells_every_change_until_the_campaign_is_closed(
    client: Client, scene: Scene, commune: Entity, quick: None
) -> None:
    body = await campaign_of(client, scene, commune)
    async with await watched(client, body["campaign"], commune) as answer:
        stream = Stream(answer)
        name, first = await stream.next()
        assert (name, first["state"], first["channels"]["sms"]["queued"]) == ("progress", "sending", 4)
        (row,) = await scene.rows("SELECT id FROM campaign")
        await scene.rows("UPDATE progress SET queued = 1, delivered = 3 WHERE queued = 4 RETURNING shard")
        assert (await until(stream, "delivered", 3))["state"] == "sending"
        await scene.rows("UPDATE progress SET queued = 0, delivered = 4 WHERE delivered = 3 RETURNING shard")
        await scene.rows("UPDATE chunk SET state = 2 WHERE campaign_id = $1 RETURNING lo", row["id"])
        await scene.closer.once()
        last = await until(stream, "delivered", 4)
        while last["state"] != "closed":
            _, last = await stream.next()
        assert (await stream.next())[0] == "closed"
        assert await answer.content.read() == b""


async def until(stream: Stream, count: str, value: int) -> dict[str, Any]:
    while True:
        _, data = await stream.next()
        if data["channels"]["sms"][count] == value:
            found: dict[str, Any] = data
            return found


async def test_a_stream_of_a_closed_campaign_says_so_and_ends(client: Client, scene: Scene, commune: Entity) -> None:
    body = await campaign_of(client, scene, commune, people=0)
    await scene.rows("UPDATE progress SET queued = 0, delivered = 1 WHERE queued = 1 RETURNING shard")
    await scene.rows("UPDATE chunk SET state = 2 RETURNING lo")
    await scene.closer.once()
    async with await watched(client, body["campaign"], commune) as answer:
        text = await answer.text()
    assert text.startswith("id: 1\nevent: progress\ndata: {")
    assert text.endswith("event: closed\ndata: {}\n\n")


async def test_a_stream_goes_on_when_the_store_was_away(
    client: Client, scene: Scene, commune: Entity, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = await campaign_of(client, scene, commune)
    calls = 0
    progress = scene.campaigns.progress

    async def flaky(*words: Any) -> Any:
        nonlocal calls
        calls += 1
        if 1 < calls < 5:
            raise StoreUnavailable("away")
        return await progress(*words)

    monkeypatch.setattr(scene.campaigns, "progress", flaky)
    async with await watched(client, body["campaign"], commune) as answer:
        stream = Stream(answer)
        await stream.next()
        await scene.rows("UPDATE progress SET queued = 1, delivered = 3 WHERE queued = 4 RETURNING shard")
        await until(stream, "delivered", 3)
    assert calls >= 5


async def test_a_quiet_stream_still_says_something_now_and_then(
    client: Client, scene: Scene, commune: Entity, quick: None
) -> None:
    body = await campaign_of(client, scene, commune)
    async with await watched(client, body["campaign"], commune) as answer:
        stream = Stream(answer)
        one, two = await stream.next(), await stream.next()
    assert one[1]["channels"] == two[1]["channels"]


async def test_a_server_that_stops_ends_its_streams(client: Client, scene: Scene, commune: Entity, api: Api) -> None:
    body = await campaign_of(client, scene, commune)
    async with await watched(client, body["campaign"], commune) as answer:
        await Stream(answer).next()
        api.close_streams()
        async with asyncio.timeout(60):
            assert b"event: closed" not in await answer.content.read()


async def test_a_watcher_who_goes_away_leaves_nothing_behind(
    client: Client, scene: Scene, commune: Entity, api: Api, quick: None
) -> None:
    body = await campaign_of(client, scene, commune)
    answer = await watched(client, body["campaign"], commune)
    await Stream(answer).next()
    assert len(api._watchers) == 1
    answer.close()
    async with asyncio.timeout(20):
        while api._watchers:
            await asyncio.sleep(0.02)
