"""An alert by mail: posted into a real Dovecot, proven, on phones, answered by a CAP Ack or Error; each once."""

import asyncio
import email
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import dns.message
import dns.rrset
import pytest

from gateway.__main__ import main
from gateway.cap.check import check
from gateway.cap.model import MsgType
from gateway.cap.signing import sign
from gateway.store.embedded import Cluster
from tests.cap.signed import authority
from tests.mailbox.mails import ADDRESS, BOX, DOMAIN, mail, record, rsa_key, signed
from tests.peers.dovecot import Dovecot, started
from tests.support.line import HOST, Line, Process, cap, people, scene, whole_line
from tests.support.waiting import until

pytestmark = pytest.mark.peer("dovecot")
SELECTOR = "sel"
GATEWAY = "gateway@alerts.example"


class Zone(asyncio.DatagramProtocol):
    """A name server with one DKIM key, by dnspython."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._way: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._way = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        self.asked.append(str(name))
        answer = dns.message.make_response(query)
        text = record(rsa_key())
        quoted = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))
        assert self._way is not None
        self._way.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def a_zone() -> AsyncIterator[tuple[Zone, int]]:
    loop = asyncio.get_running_loop()
    way, zone = await loop.create_datagram_endpoint(Zone, local_addr=(HOST, 0))
    try:
        yield zone, way.get_extra_info("sockname")[1]
    finally:
        way.close()


def section(server: Dovecot, dns_port: int) -> dict[str, Any]:
    """The section [mailbox] for this server."""
    box = {"name": "alerts", "host": HOST, "port": server.imap, "security": "none", "username": "alerts@test.invalid"}
    box |= {
        "password": "imappass",
        "backoff_first_s": 0.1,
        "backoff_max_s": 0.5,
        "addresses": [BOX],
    }
    return {"boxes": [box], "sender": GATEWAY, "nameservers": [HOST], "dns_port": dns_port}


async def types(line: Line, folder: Path, *words: str) -> None:
    """Somebody types `gateway mailbox ...`."""
    config = folder / "operator.toml"
    config.write_text(f'[database]\ndsn = "{line.cluster.app_dsn}"\n')
    assert await asyncio.to_thread(main, ["mailbox", *words, "--config", str(config)]) == 0


async def by_dkim(line: Line, folder: Path) -> None:
    words = ("--mailbox", "alerts", "--entity", "demo-commune", "--dkim", DOMAIN, "--reply-to", ADDRESS)
    await types(line, folder, "add", ADDRESS, *words)


def kept(line: Line, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], EmailMessage]]:
    """The whole mails that the live relay takes from now on, with their recipients."""
    relay = line.simulators.smtp["live"]
    found: list[tuple[list[str], EmailMessage]] = []
    usual = relay.take

    def take(recipients: list[str], message: bytes) -> None:
        found.append((recipients, email.message_from_bytes(message, policy=default)))
        usual(recipients, message)

    monkeypatch.setattr(relay, "take", take)
    return found


def answer_in(message: EmailMessage) -> Any:
    (attached,) = message.iter_attachments()
    verdict = check(cast(bytes, attached.get_payload(decode=True)))
    assert verdict.valid and verdict.alert is not None, verdict.findings
    return verdict.alert


async def test_an_alert_in_a_proven_mail_is_on_phones_and_answered_by_a_cap_ack(
    pg: Cluster, public_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that is refused by a CAP Error; mails that prove nothing, or come from machines, are not answered."""
    async with a_zone() as (zone, port):
        with started(public_path) as server:
            async with whole_line(pg, people(3), mailbox=section(server, port)) as line:
                got = kept(line, monkeypatch)
                await by_dkim(line, tmp_path)
                machine = {"Auto-Submitted": "auto-generated"}
                mails = [
                    mail(cap("forged", words="Forged words")),
                    signed(mail(cap("machine", words="Said by a machine", channels="sms"), more=machine)),
                    signed(mail(cap("by-mail", words="Water from the river", channels="sms"))),
                    signed(mail(cap("wrong", area="<circle>50,4 x</circle>"))),
                ]
                await asyncio.to_thread(server.deliver, *mails)
                await until(lambda: len(got) >= 2)
                await until(lambda: len(line.said("sms", "Water from the river")) == 3)
                await until(lambda: len(line.said("sms", "Said by a machine")) == 3)
                rows = await line.fetch("SELECT verdict, reason, alerts FROM mail ORDER BY uid")
                await asyncio.to_thread(_all_seen, server)
                async with line.session.get(f"{line.url}/metrics") as answer:
                    metrics = await answer.text()
    assert [(row["verdict"], row["reason"]) for row in rows] == [("refused", "no-proof"), *[("taken", "")] * 3]
    assert set(zone.asked) == {f"{SELECTOR}._domainkey.{DOMAIN}."}
    assert 'gateway_mails_total{reason="no-proof",verdict="refused"} 1.0' in metrics
    assert 'gateway_mailbox_up{mailbox="alerts"} 1.0' in metrics
    assert [(to, message["Auto-Submitted"]) for to, message in got] == [([ADDRESS], "auto-replied")] * 2
    ack, error = sorted((answer_in(message) for _, message in got), key=lambda alert: str(alert.msg_type))
    assert (ack.msg_type, ack.sender, ack.references[0].identifier) == (MsgType.ACK, GATEWAY, "by-mail")
    assert json.loads(rows[2]["alerts"])[0][0] in ack.note and "campaign ca_" in ack.note
    assert (error.msg_type, error.references[0].identifier) == (MsgType.ERROR, "wrong")
    assert "S32" in error.note


@pytest.mark.parametrize("lives", [2, pytest.param(6, marks=pytest.mark.long)])
async def test_each_alert_is_taken_once_though_the_node_is_killed_while_mails_come_in(
    pg: Cluster, public_path: Path, tmp_path: Path, port: int, lives: int
) -> None:
    signer = authority()
    (tmp_path / "signer.pem").write_bytes(signer.pem)
    wanted = [f"n-{number}" for number in range(5 * lives)]
    mails = []
    for name in wanted:
        document = sign(cap(name, words=f"Words of {name}."), signer.key_pem, signer.pem).document
        assert document is not None
        mails.append(mail(document))
    with started(public_path) as server:
        async with scene(pg, people(1)) as line:
            words = ("--mailbox", "alerts", "--entity", "demo-commune", "--xmldsig", str(tmp_path / "signer.pem"))
            await types(line, tmp_path, "add", ADDRESS, *words)
            node = Process(line, tmp_path, port, mailbox=section(server, 53))
            try:
                for life in range(lives):
                    await asyncio.to_thread(server.deliver, *mails[life * 5 : life * 5 + 5])
                    await node.start()
                    await node.ready()
                    if life < lives - 1:
                        await _some_settled(line, life * 5 + 2)
                        await node.kill()
                await _some_settled(line, len(wanted))
                await asyncio.to_thread(_all_seen, server)
            finally:
                await node.end()
            accepted = await line.fetch("SELECT identifier FROM alert WHERE accepted ORDER BY id")
            assert [row["identifier"] for row in accepted] == wanted
            rows = await line.fetch("SELECT uid, verdict FROM mail ORDER BY uid")
            assert [row["verdict"] for row in rows] == ["taken"] * len(wanted)


async def _some_settled(line: Line, wanted: int) -> None:
    for _ in range(3000):
        (row,) = await line.fetch("SELECT count(*) AS n FROM mail")
        if row["n"] >= wanted:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{row['n']} mails of {wanted} were settled")


def _all_seen(server: Dovecot) -> None:
    for _ in range(200):
        if server.unseen() == 0:
            return
    raise AssertionError("mails are not marked seen")
