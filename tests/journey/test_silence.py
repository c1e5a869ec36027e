"""A whole run, with everything that goes wrong in one, names nobody where it is written down: logs, metrics, health.

The gateway makes no traces; what its log has of an exception is the places that it came through.
"""

import asyncio
import gc
import re
import secrets
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.channels.email_writer import Tag
from gateway.flows.registering import Registering
from gateway.inlets import noter
from gateway.log import unit_logger
from gateway.mailbox.watching import Watcher
from gateway.model import Role
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.registry import Citizen
from tests.mailbox.stand import box_settings
from tests.mailbox.test_notification import report, status
from tests.mailbox.test_watching import FakeBox
from tests.support.citizens import code_in
from tests.support.line import Line, cap, people, running, scene
from tests.support.people import put_person
from tests.support.personal import Personal, personal, written
from tests.support.scene import put_group
from tests.support.waiting import until

SECRET = "a secret of the tests"
WORDS = "Zwaveldamp boven Kruisbessenlaan, hou alles gesloten"
STREET, NAME, EDITOR = "Pruimelaarstraat 77", "Ondine Vanquickenborne", "willemijn@schaapdrijver.example"
NEW = {
    "name": "Berenike Zonneschijn", "mobile": "0479 41 52 63", "email": "berenike@zonneschijn.example",
    "language": "en", "consent": True, "places": [{"label": "Kwikstaartplein 3", "lon": 4.3165, "lat": 50.8105}],
}  # fmt: skip
RARE = (
    "zwaveldamp", "kruisbessenlaan", "pruimelaar", "ondine", "vanquickenborne", "willemijn", "schaapdrijver",
    "berenike", "zonneschijn", "kwikstaart", "79415263", "geheimschrijver", "nachtegaal", "78515253",
)  # fmt: skip
FILE = (
    b"name,mobile,email\nSofie Geheimschrijver,0478 51 52 53,sofie@geheimschrijver.example\n"
    b"Piet Nachtegaal,12,nachtegaal at home\n"
)
SETTINGS: dict[str, Any] = {
    "email": {"verp_secret": SECRET},
    "dispatch": {"receipt_window_s": 1, "unknown_grace_s": 0.5},
    "retry": {name: {"first_s": 0.2, "max_s": 0.5, "max_attempts": 2} for name in ("sms", "email", "voice")},
}


def citizens() -> list[Citizen]:
    """Some who can be reached, and three of each channel who can not."""
    usual = people(6, by=("mobile", "landline", "email"))
    return [one._replace(name=f"{NAME} {n}", places=[(STREET, *one.places[0][1:])]) for n, one in enumerate(usual)]


async def call(line: Line, path: str, body: Any = None, token: str = "", **more: Any) -> tuple[int, Any]:
    """One POST by whoever; its status and JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with line.session.post(line.url + path, json=body, headers=headers, **more) as answer:
        return answer.status, await answer.json(content_type=None)


async def alerts(line: Line) -> str:
    """One by every channel with good and bad ends, a rehearsal, a forecast, and refusals of every kind."""
    for person, (sms, mail, voice) in zip(citizens(), (("failed",) * 3, ("refused", "refused", "busy")), strict=False):
        line.simulators.outcomes.tell(person.mobile or "", sms)
        line.simulators.outcomes.tell(person.landline or "", voice)
        line.simulators.smtp["live"].outcomes.tell(person.email or "", mail)
    name = await line.post(cap("first", words=WORDS, channels="sms email voice", message_class="news"))
    assert (await line.ask("POST", "/v1/alerts?dry_run=true", raw=cap("tried", words=WORDS)))[0] == 200
    for raw, who in (
        (cap("second", words=WORDS).replace(b"<category>Fire", WORDS.encode() + b"<category>Fire"), "demo-commune"),
        (cap("third", words=WORDS), "demo-police"),
        (b"<alert>" + WORDS.encode(), "demo-commune"),
    ):
        got, body = await line.ask("POST", "/v1/alerts", who=who, raw=raw)
        assert got in (400, 403, 422), body
    await line.post(cap("rehearsal", words=WORDS), realm="test")
    await line.closed(name)
    return name


async def mail_comes_back(line: Line, node: Gateway, name: str) -> None:
    """A bounce and an unsubscription, and a mail that says nothing, read as a mailbox is."""
    (row,) = await line.fetch(
        "SELECT d.campaign_id, d.seq, d.address FROM delivery d JOIN campaign c ON c.id = d.campaign_id "
        "WHERE c.public_id = $1 AND d.channel = 3 AND d.state = 2 ORDER BY d.seq LIMIT 1", name,
    )  # fmt: skip
    tag = Tag(SECRET.encode()).make(row["campaign_id"], row["seq"])
    said = status("failed", "5.1.1").replace("jan@x.example", row["address"])
    bounce = report("delivery-status", said, to=f"bounce+{tag}@alerts.example")
    box = FakeBox({1: bounce, 2: f"From: {row['address']}\r\nSubject: {WORDS}\r\n\r\n{NAME}\r\n".encode()})
    returns = noter(node.store, node.settings)
    assert returns is not None
    watcher = Watcher(
        box_settings(), node.store, returns, box.opened, most_bytes=100_000, patience_s=1.0, leads=lambda: True,
        monotonic=asyncio.get_running_loop().time, owed=lambda: None, counted=node.metrics.mail,
        log=unit_logger("gateway.mailbox"),
    )  # fmt: skip
    watching = asyncio.create_task(watcher.run())
    await until(lambda: box.seen == [1, 2])
    watching.cancel()
    await asyncio.wait([watching])
    async with line.session.post(f"{line.url}/unsubscribe/{tag}", data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200


async def people_come(line: Line) -> str:
    """Somebody registers, a file is imported, somebody is invited by mail (the secret of the link), and nobody gets in
    who should not."""
    status_, begun = await call(line, "/v1/citizens", NEW)
    assert status_ == 202, begun
    proof = begun["proofs"][0]["proof"]
    assert (await call(line, "/v1/citizens/confirm", {"proof": proof, "code": "12345678"}))[0] == 403
    await until(lambda: line.said("sms", "Demo alerts: your code"))
    code = code_in(line.said("sms", "Demo alerts: your code")[0].text)
    assert (await call(line, "/v1/citizens/confirm", {"proof": proof, "code": code}))[0] == 200
    async with admin.connected(line.cluster.app_dsn) as connection:
        commune = await admin.entity(connection, "demo-commune")
        assert commune is not None
        await put_group(connection, commune.id, "neighbours", 3)
        editor = await put_person(connection, commune.id, email=EDITOR, roles=[Role.EDITOR, Role.ADMIN])
    headers = {"Authorization": f"Bearer {editor}"}
    async with line.session.post(f"{line.url}/v1/imports", data=FILE, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
    async with line.session.get(f"{line.url}/v1/contacts?q=geheimschrijver", headers=headers) as answer:
        assert answer.status == 200
    assert (await call(line, "/v1/persons", {"name": NAME, "email": EDITOR}, editor))[0] == 409
    invite = f"/v1/persons/{EDITOR}/invitations"
    assert (await call(line, invite, {"mail": True}, editor))[0] == 201
    await until(lambda: line.said("email", "/invitations/"))
    link = re.search(r"http\S+/invitations/(\S+)", line.said("email", "/invitations/")[0].text)
    assert link is not None
    async with line.session.post(link[0]) as answer:
        assert answer.status == 200
    line.session.cookie_jar.clear()
    wrong = f"invite_{secrets.token_urlsafe(20)}"
    for path, body in (
        ("/v1/invitations", {"invitation": wrong}),
        ("/v1/sign-in/invitation", {"invitation": EDITOR}),
        ("/v1/sign-in/passkey/end", {"credential": {"id": EDITOR}}),
        ("/v1/sign-in/second", {"code": "123456"}),
        ("/v1/citizens", NEW | {"mobile": NAME}),
    ):
        assert (await call(line, path, body))[0] in (400, 401, 403, 422), path
    assert (await call(line, "/v1/persons", {}, EDITOR))[0] == 401
    return link[1]


async def parts_fail(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relay and SMSC go away, a handler and a task break with data in their hands."""
    await line.simulators.smtp["live"].stop()
    await line.simulators.smsc["live"].stop()
    name = await line.post(cap("last", words=WORDS))
    assert (await call(line, "/v1/citizens/links", {"email": NEW["email"]}))[0] == 202
    assert (await call(line, "/v1/citizens/links", {"mobile": NEW["mobile"]}))[0] == 202

    async def broken(*given: object) -> None:
        raise ValueError(f"{NAME}, {STREET}: {given}")

    monkeypatch.setattr(Registering, "link", broken)
    assert (await call(line, "/v1/citizens/links", {"email": NEW["email"]}))[0] == 500
    task = asyncio.create_task(broken(NEW), name=NAME)
    await asyncio.wait([task])
    del task
    gc.collect()
    await asyncio.sleep(0.5)
    await line.act(name, "stop")


async def shown(line: Line) -> str:
    """What machines that watch the gateway read, without the numbers behind the names."""
    found = []
    for path in ("/metrics", "/healthz", "/readyz"):
        async with line.session.get(line.url + path) as answer:
            text = await answer.text()
            found.append(re.sub(r" \S+$", "", text, flags=re.MULTILINE) if path == "/metrics" else text)
    return "\n".join(found)


async def test_nobody_is_named_where_a_run_is_written_down(pg: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with written() as log:
        async with scene(pg, citizens()) as line, running(line, 0, **SETTINGS) as node:
            await until(lambda: "bind_up" in log.events)
            name = await alerts(line)
            secret = await people_come(line)
            await mail_comes_back(line, node, name)
            await parts_fail(line, monkeypatch)
            metrics, named = await shown(line), await personal(line, [*RARE, secret])
        assert log.events >= {
            "alert_answered", "campaign_planned", "campaign_closed", "mail_settled", "bind_up",
            "bind_down", "request_failed", "Task exception was never retrieved", "node_stopped",
        }, log.events  # fmt: skip
        assert "gateway_deliveries_total" in metrics
        assert len(named.words) > 60
        assert named.leaks(metrics) == []
        assert named.leaks(log.text) == []
        # and one careless line more would have been found
        unit_logger("gateway.careless").event("told", about=WORDS, place=STREET)
        assert {"kruisbessenlaan", "pruimelaar"} <= set(named.leaks(log.text))


@pytest.mark.parametrize(
    "line",
    ["call +32 479 41 52 63", "32479415263", "0479/41.52.63", "79415263", "AN@HOME.EXAMPLE", "by Jan Janssens now"],
)
def test_a_value_is_found_however_it_is_written(line: str) -> None:
    named = Personal(["+32479415263", "an@home.example", "Jan Janssens", None, "An"], ["zwavel"])
    assert len(named.leaks(line)) == 1
    assert named.leaks("campaign 7: 79415 of 415263 told, an end") == []
    assert named.leaks("Zwaveldamp") == ["zwavel"]
