"""Answers to sources: what is owed is sent by mail, again after a failure, until it is too late.

Knows: when an answer is due, how it looks as a mail. Never knows: who is answered and why (taking, policy.mailproof).
Standard: RFC 3834 §3.1 (In-Reply-To, Auto-Submitted), §3.3 (null return path).
"""

import asyncio
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, NamedTuple

from gateway.flows.waking import when_woken
from gateway.log import UnitLogger
from gateway.smtp.envelope import Envelope
from gateway.smtp.events import Done, Fate
from gateway.smtp.link import Link, LinkSettings
from gateway.smtp.message import Attachment, Content, make_message_id, parse_address, render
from gateway.store import mailbox
from gateway.store.mailbox import DueAnswer
from gateway.store.pool import Store

MOST_AT_ONCE = 20
MOST_ATTEMPTS = 10
_LOOK_S = 30.0
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,300}>")


class Mail(NamedTuple):
    """One mail to one person; `attachment` is a CAP document, `automatic` a word of RFC 3834 §5."""

    to: str
    subject: str
    body: str
    attachment: bytes | None
    in_reply_to: str
    automatic: str = "auto-replied"


SendMail = Callable[[Mail], Awaitable[bool]]
"""Hand a mail to a relay: True when it took it over."""


class Replier:
    """Sends what is owed."""

    def __init__(self, store: Store, send: SendMail, *, log: UnitLogger) -> None:
        self.wake = asyncio.Event()
        self._store = store
        self._send = send
        self._log = log

    async def run(self) -> None:
        """Send until cancelled."""
        await when_woken(self._all, self.wake, look_s=_LOOK_S, log=self._log)

    async def _all(self) -> None:
        while await self.turn():
            pass

    async def turn(self) -> int:
        """Send the answers whose time has come; how many there were."""
        async with self._store.transaction() as connection:
            due = await mailbox.claim_answers(connection, MOST_AT_ONCE, MOST_ATTEMPTS)
        for answer in due:
            await self._one(answer)
        return len(due)

    async def _one(self, answer: DueAnswer) -> None:
        if not answer.wanted:
            self._log.warning("answer_given_up", answer_id=answer.id)
            return
        mail = Mail(answer.to, answer.subject, answer.body, answer.document, answer.in_reply_to)
        try:
            sent = await self._send(mail)
        except Exception as fault:  # the top of this answer's work: one answer never stops the others
            self._log.error("answer_broken", error=fault, answer_id=answer.id)
            return
        if sent:
            async with self._store.transaction() as connection:
                await mailbox.answer_sent(connection, answer.id)
        else:
            self._log.warning("answer_not_sent", answer_id=answer.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySender:
    """A SendMail over relays, in their order: one connection for each mail, for there are few of them."""

    relays: Sequence[LinkSettings]
    from_address: str
    from_name: str
    message_id_domain: str

    async def __call__(self, mail: Mail) -> bool:
        """See SendMail."""
        envelope = self.envelope(mail)
        if envelope is None:
            return False
        for relay in self.relays:
            if await _handed_over(relay, envelope):
                return True
        return False

    def envelope(self, mail: Mail) -> Envelope[None] | None:
        """The mail with an empty return path; None when its address can not be written to."""
        address = parse_address(mail.to)
        if address is None:
            return None
        fields = [("Auto-Submitted", mail.automatic)]  # RFC 3834 §5
        extra = b""
        if _MESSAGE_ID.fullmatch(mail.in_reply_to):  # RFC 5322 §3.6.4
            extra = b"".join(
                b"%b: %b\r\n" % (name, mail.in_reply_to.encode("ascii")) for name in (b"In-Reply-To", b"References")
            )
        attachment = None
        if mail.attachment is not None:
            attachment = Attachment(kind="application/cap+xml", name="answer.xml", data=mail.attachment)
        content = Content(
            sender=self.from_address, sender_name=self.from_name, subject=mail.subject, text=mail.body,
            attachment=attachment, fields=tuple(fields),
        )  # fmt: skip
        filled = render(content).fill(
            to=address.wire,
            message_id=make_message_id(secrets.token_hex(16), self.message_id_domain),
            date=formatdate(localtime=False).encode("ascii"),
            extra=extra,
        )
        return Envelope(None, b"", (address.wire,), filled, address.utf8)


async def _handed_over(settings: LinkSettings, envelope: Envelope[None]) -> bool:
    """Whether this relay took the mail over."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()
    given = False

    def touched(link: Link[None]) -> None:
        nonlocal given
        for event in link.events():
            if isinstance(event, Done) and not done.done():
                done.set_result(event.results[0].fate is Fate.ACCEPTED)
        if link.session.wants and not given:
            given = True
            link.session.send(envelope, loop.time())
        link.flush()

    link: Link[None] = Link(settings, touched)
    try:
        await link.connect(settings.tls_context())
        within_s = settings.connect_s + settings.session.dot_s
        over: set[asyncio.Future[Any]] = {done, link.closed}
        await asyncio.wait(over, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    except (OSError, TimeoutError, ssl.SSLError):
        return False
    finally:
        link.cut()
    return done.done() and done.result()
