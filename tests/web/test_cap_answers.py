"""POST /v1/alerts answered in CAP, and forged alerts refused at this door."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from gateway.cap.check import check
from gateway.cap.model import CapAlert, MsgType
from gateway.cap.schema import judge
from gateway.model import SignatureRule
from gateway.store import admin, identity
from gateway.web.api import Api
from gateway.web.problem import CONTENT_TYPE, middleware
from tests.cap.signed import signed_by_hand
from tests.cap.wrapped import wrapped
from tests.support.keys import pin, signer
from tests.support.scene import HELP, URL, Entity, Scene, an_alert, document, follow_up

Client = TestClient[web.Request, web.Application]
CAP = "application/cap+xml"
GOOD = document(an_alert())


@pytest_asyncio.fixture
async def client(scene: Scene) -> AsyncIterator[Client]:
    application = web.Application(middlewares=[middleware(HELP)])
    api = Api(
        scene.store,
        scene.intake,
        scene.campaigns,
        scene.forecasting,
        max_bytes=500_000,
        utcnow=scene.clock,
        sender="alerts.example",
    )
    application.add_routes(api.routes())
    async with TestClient(TestServer(application)) as made:
        yield made


async def post(client: Client, entity: Entity, raw: bytes = GOOD, accept: str | None = CAP) -> ClientResponse:
    headers = {"Content-Type": CAP, "Authorization": f"Bearer {entity.second}"}
    return await client.post("/v1/alerts", data=raw, headers=headers | ({"Accept": accept} if accept else {}))


async def in_cap(answer: ClientResponse, status: int) -> CapAlert:
    assert (answer.status, answer.content_type, answer.headers["Vary"]) == (status, CAP, "Accept")
    raw = await answer.read()
    verdict = check(raw)
    assert verdict.alert is not None, verdict.findings
    assert judge(etree.fromstring(raw), "1.2").valid
    return verdict.alert


async def test_who_asks_for_cap_gets_an_ack_with_the_campaign_and_the_same_again(client: Client, scene: Scene) -> None:
    commune = await scene.entity()
    first = await post(client, commune)
    ack = await in_cap(first, 201)
    assert ack.msg_type is MsgType.ACK
    campaign = (await scene.rows("SELECT public_id FROM campaign"))[0]["public_id"]
    assert campaign in ack.note
    assert [reference.identifier for reference in ack.references] == ["A-1"]
    again = await post(client, commune)
    assert (again.status, await again.read()) == (200, await first.read())


async def test_who_asks_for_cap_gets_an_error_that_lists_the_findings(client: Client, scene: Scene) -> None:
    answer = await post(client, await scene.entity(), GOOD.replace(b"Immediate", b"Now"))
    error = await in_cap(answer, 422)
    assert error.msg_type is MsgType.ERROR
    assert "urgency" in error.note and "line" in error.note
    conflict = await post(client, await scene.entity("two"))
    assert (await in_cap(conflict, 201)).msg_type is MsgType.ACK


async def test_an_entity_may_be_answered_in_cap_as_a_rule(client: Client, scene: Scene) -> None:
    commune = await scene.entity()
    assert (await post(client, commune, accept=None)).content_type == "application/json"
    async with scene.connected() as connection:
        assert await admin.change_entity(connection, commune.slug, cap_answers=True)
    assert (await post(client, commune, accept=None)).content_type == CAP
    assert (await post(client, commune, accept="application/json")).content_type == "application/json"


async def test_what_cap_can_not_say_is_said_as_usual(client: Client, scene: Scene) -> None:
    commune = await scene.entity()
    assert (await post(client, commune, b"<alert>")).content_type == CONTENT_TYPE
    ack = document(follow_up(MsgType.ACK, an_alert(), info=(), note="seen"))
    assert (await post(client, commune, ack)).content_type == "application/json"
    headers = {"Content-Type": CAP, "Authorization": f"Bearer {commune.second}", "Accept": CAP}
    dry = await client.post("/v1/alerts?dry_run=true", data=GOOD, headers=headers)
    assert (dry.status, dry.content_type) == (200, "application/json")
    headers["Authorization"] = "Bearer gw_live_nobody"
    assert (await client.post("/v1/alerts", data=GOOD, headers=headers)).content_type == CONTENT_TYPE


async def test_every_way_of_wrapping_a_signed_alert_is_refused(client: Client, scene: Scene) -> None:
    own = signer("Commune")
    commune = await scene.entity()
    async with scene.connected() as connection:
        await pin(connection, commune.id, own)
        await identity.set_rule(connection, commune.id, rule=SignatureRule.REQUIRE)
    text = GOOD.decode()
    signed = signed_by_hand(text, own)
    for shape, forged in wrapped(text, text.replace("A-1", "A-666"), signed).items():
        answer = await post(client, commune, forged.encode(), accept=None)
        assert answer.status in (400, 403, 422), shape
    assert await scene.rows("SELECT FROM campaign") == []
    assert (await post(client, commune, signed)).status == 201
    shown = await client.get(
        f"/v1/alerts/{(await scene.rows('SELECT public_id FROM alert WHERE accepted'))[0]['public_id']}",
        headers={"Authorization": f"Bearer {commune.second}"},
    )
    body = await shown.json()
    assert (body["signature"], body["signatures"][0]["fingerprint"]) == ("trusted", own.fingerprint)
    assert body["links"]["alert"].startswith(URL)
