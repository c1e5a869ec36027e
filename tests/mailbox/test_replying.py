"""Answers on their way: what they look like, when they are sent, when they are given up."""

import asyncio
import email
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import default
from typing import cast

import aiosmtpd.controller
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from gateway.log import unit_logger
from gateway.mailbox.replying import MOST_ATTEMPTS, Mail, RelaySender, Replier
from gateway.smtp.link import LinkSettings, Security
from gateway.store import mailbox
from gateway.store.embedded import Cluster
from gateway.store.mailbox import Spot
from tests.mailbox.mails import ADDRESS, alert, mail, signed
from tests.mailbox.stand import BOX_NAME, Stand, stand
from tests.support.ports import free_port
from tests.support.scene import a_scene
from tests.support.waiting import until

ANSWER = Mail(ADDRESS, "Accepted: al_1", "Accepted as campaign ca_1.\n", b"<alert/>", "<one@commune.example>")


class Relay:
    """A relay by another hand (aiosmtpd) that keeps what it gets, and refuses one address."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], EmailMessage]] = []

    async def handle_RCPT(  # noqa: N802, the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = cast(bytes, envelope.content)
        message = email.message_from_bytes(content, policy=default)
        self.got.append((str(envelope.mail_from), list(envelope.rcpt_tos), message))
        return "250 OK"


@pytest.fixture
def relay() -> Iterator[tuple[Relay, int]]:
    handler = Relay()
    server = aiosmtpd.controller.Controller(handler, hostname="127.0.0.1", port=free_port())
    server.start()
    yield handler, server.port
    server.stop()


def sender(*ports: int) -> RelaySender:
    relays = [LinkSettings(host="127.0.0.1", port=port, security=Security.NONE, connect_s=60) for port in ports]
    return RelaySender(
        relays=relays, from_address="gateway@alerts.example", from_name="Gateway", message_id_domain="alerts.example"
    )


async def test_an_answer_is_a_reply_of_a_machine_with_the_document(relay: tuple[Relay, int]) -> None:
    handler, port = relay
    assert await sender(port)(ANSWER)
    [(path, to, message)] = handler.got
    assert (path, to) == ("<>", [ADDRESS])  # so that nobody answers the answer
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == message["References"] == "<one@commune.example>"
    assert message["Subject"] == "Accepted: al_1"
    [attached] = message.iter_attachments()
    assert (attached.get_content_type(), attached.get_payload(decode=True)) == ("application/cap+xml", b"<alert/>")


async def test_the_next_relay_is_asked_when_one_is_down_and_none_is_said(relay: tuple[Relay, int]) -> None:
    _, port = relay
    assert await sender(free_port(), port)(ANSWER)
    assert not await sender(free_port())(ANSWER)
    assert not await sender()(ANSWER)
    assert not await sender(port)(ANSWER._replace(to="nobody@commune.example"))
    assert not await sender(port)(ANSWER._replace(to="no address"))


@pytest.mark.parametrize("odd", ["", "no brackets", "<a\r\nBcc: x@y.example>", "<" + "a" * 400 + ">", "<é@x.example>"])
def test_what_is_no_message_id_is_not_repeated(odd: str) -> None:
    envelope = sender(1).envelope(ANSWER._replace(in_reply_to=odd))
    assert envelope is not None
    head = b"".join(envelope.content).partition(b"\r\n\r\n")[0]
    assert b"In-Reply-To" not in head
    assert b"Bcc" not in head


@pytest.fixture
async def ground(pg: Cluster) -> AsyncIterator[Stand]:
    """A source that is owed one answer."""
    async with a_scene(pg) as scene:
        found = stand(scene, await scene.entity())
        source = await found.source(reply_address="desk@commune.example")
        await found.taker.take(Spot(BOX_NAME, 77, 1), signed(mail(alert("A-1"))), source)
        yield found


class Post:
    """A SendMail that fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.sent: list[Mail] = []

    async def __call__(self, mail: Mail) -> bool:
        self.failures -= 1
        if self.failures < 0:
            self.sent.append(mail)
        return self.failures < 0


async def hurry(ground: Stand) -> None:
    """Let the next attempt be due now."""
    async with ground.scene.connected() as connection:
        await connection.execute("UPDATE mail_answer SET not_before = now()")


async def test_what_is_owed_is_sent_once_to_the_registered_address(ground: Stand) -> None:
    post = Post()
    replier = Replier(ground.scene.store, post, log=unit_logger("test.replying"))
    task = asyncio.create_task(replier.run())

    async def noted() -> bool:
        return all(answer["sent_at"] for answer in await ground.answers())

    await until(noted)
    replier.wake.set()
    await asyncio.sleep(0.1)
    task.cancel()
    assert [mail.to for mail in post.sent] == ["desk@commune.example"]
    assert await replier.turn() == 0


async def test_a_failure_is_tried_again_later(ground: Stand) -> None:
    post = Post(failures=1)
    replier = Replier(ground.scene.store, post, log=unit_logger("test.replying"))
    assert await replier.turn() == 1
    assert await replier.turn() == 0  # not at once
    await hurry(ground)
    assert await replier.turn() == 1
    assert len(post.sent) == 1


async def test_after_many_failures_and_for_a_revoked_source_it_is_given_up(ground: Stand) -> None:
    post = Post(failures=1000)
    replier = Replier(ground.scene.store, post, log=unit_logger("test.replying"))
    for _ in range(MOST_ATTEMPTS + 2):
        await hurry(ground)
        await replier.turn()
    assert post.failures == 1000 - MOST_ATTEMPTS
    [answer] = await ground.answers()
    assert answer["given_up_at"] is not None
    async with ground.scene.connected() as connection:
        await connection.execute("UPDATE mail_answer SET given_up_at = NULL, attempts = 0, not_before = now()")
        assert await mailbox.revoke_source(connection, answer["source_id"])
    await replier.turn()
    assert post.failures == 1000 - MOST_ATTEMPTS


async def test_an_answer_that_breaks_its_sender_does_not_stop_the_others(pg: Cluster) -> None:
    async with a_scene(pg) as scene:
        ground = stand(scene, await scene.entity())
        source = await ground.source()
        for uid in (1, 2):
            await ground.taker.take(Spot(BOX_NAME, 1, uid), signed(mail(alert(f"a-{uid}"))), source)
        sent: list[Mail] = []

        async def send(one: Mail) -> bool:
            if not sent:
                sent.append(one)
                raise ValueError("what nobody thought of")
            sent.append(one)
            return True

        replier = Replier(scene.store, send, log=unit_logger("test.mailbox"))
        assert await replier.turn() == 2
        assert len(sent) == 2
        assert [row["sent_at"] is None for row in await ground.answers()].count(True) == 1
