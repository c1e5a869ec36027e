"""Links and pools against aiosmtpd, a foreign server: plain, STARTTLS, implicit TLS, authentication, failures."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from aiosmtpd.smtp import Envelope as ForeignEnvelope

from gateway.smtp.envelope import Envelope
from gateway.smtp.events import Done, Down, Fate, Ready
from gateway.smtp.link import Link, LinkSettings, Pool, PoolSettings, Security
from gateway.smtp.session import SessionSettings
from tests.smtp.certificate import server_context
from tests.support.waiting import until

MAIL = (b"To: <user@example.net>\r\nSubject: s\r\n", b"\r\n..dot\r\nend\r\n.\r\n")
DEADLINE_S = 60.0


class Inbox:
    """aiosmtpd's handler: keeps what it was given."""

    def __init__(self) -> None:
        self.mails: list[ForeignEnvelope] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: ForeignEnvelope) -> str:  # noqa: N802
        """The name is aiosmtpd's."""
        self.mails.append(envelope)
        return "250 2.0.0 kept"


def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Accepts gw / pw."""
    return AuthResult(
        success=isinstance(data, LoginPassword) and (data.login, data.password) == (b"gw", b"pw"), handled=False
    )


@asynccontextmanager
async def foreign(inbox: Inbox, *, implicit: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """aiosmtpd on a free port; the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(inbox, hostname="relay.invalid", loop=loop, **options), "127.0.0.1", 0, ssl=implicit
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def silent(answer: bytes = b"") -> AsyncIterator[int]:
    """A server that says one thing and nothing more."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(answer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


class Owner:
    """What a channel does with a link, in small: one mail per ticket, everything heard is kept."""

    def __init__(self, tickets: list[str] | None = None) -> None:
        self.tickets = tickets or []
        self.heard: list[Ready | Done[str] | Down] = []

    def touched(self, link: Link[str]) -> None:
        """Answers in, mails out."""
        self.heard += link.events()
        if link.session.wants and self.tickets:
            ticket = self.tickets.pop(0)
            link.session.send(Envelope(ticket, b"bounce@alerts.example", (b"user@example.net",), MAIL), 0.0)
        elif link.session.wants:
            link.session.close(0.0)
        link.flush()

    async def through(self, settings: LinkSettings) -> "Owner":
        """One link from its beginning to its end."""
        link: Link[str] = Link(settings, self.touched)
        async with asyncio.timeout(DEADLINE_S):
            await link.connect(settings.tls_context())
            await link.closed
        link.cut()
        return self

    @property
    def down(self) -> Down:
        """How the link ended."""
        return next(event for event in self.heard if isinstance(event, Down))

    @property
    def fates(self) -> list[Fate]:
        """One per mail."""
        return [event.results[0].fate for event in self.heard if isinstance(event, Done)]


def plain(port: int, **session: Any) -> LinkSettings:
    """Settings without TLS."""
    return LinkSettings(host="127.0.0.1", port=port, security=Security.NONE, session=SessionSettings(**session))


def secure(port: int, security: Security, trusted: Path, **session: Any) -> LinkSettings:
    """Settings with TLS of either kind."""
    wanted = SessionSettings(starttls=security is Security.STARTTLS, **session)
    return LinkSettings(host="127.0.0.1", port=port, security=security, ca_file=trusted, session=wanted)


async def test_a_foreign_server_gets_the_very_bytes() -> None:
    inbox = Inbox()
    async with foreign(inbox) as port:
        owner = await Owner(["a", "b"]).through(plain(port))
    assert owner.fates == [Fate.ACCEPTED] * 2
    assert owner.down == Down("quit", 221, orderly=True)
    assert [mail.content for mail in inbox.mails] == [
        b"To: <user@example.net>\r\nSubject: s\r\n\r\n.dot\r\nend\r\n"
    ] * 2
    assert (inbox.mails[0].mail_from, inbox.mails[0].rcpt_tos) == ("bounce@alerts.example", ["user@example.net"])


async def test_starttls_with_authentication(tmp_path: Path) -> None:
    context, trusted = server_context(tmp_path)
    inbox = Inbox()
    async with foreign(
        inbox, tls_context=context, require_starttls=True, auth_required=True, authenticator=known
    ) as port:
        owner = await Owner(["a"]).through(secure(port, Security.STARTTLS, trusted, username="gw", password="pw"))
        wrong = await Owner(["a"]).through(secure(port, Security.STARTTLS, trusted, username="gw", password="no"))
    assert owner.fates == [Fate.ACCEPTED]
    assert wrong.down == Down("AUTH refused", 535)
    assert len(inbox.mails) == 1


async def test_implicit_tls(tmp_path: Path) -> None:
    context, trusted = server_context(tmp_path)
    inbox = Inbox()
    async with foreign(inbox, implicit=context) as port:
        owner = await Owner(["a", "b"]).through(secure(port, Security.TLS, trusted))
    assert owner.fates == [Fate.ACCEPTED] * 2


async def test_an_unknown_certificate_is_refused_in_either_way(tmp_path: Path) -> None:
    context, _ = server_context(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = server_context(tmp_path / "other")
    inbox = Inbox()
    async with foreign(inbox, tls_context=context) as port:
        owner = await Owner(["a"]).through(secure(port, Security.STARTTLS, other))
    assert owner.down == Down("SSLCertVerificationError")
    async with foreign(inbox, implicit=context) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await Owner(["a"]).through(secure(port, Security.TLS, other))
    assert not inbox.mails


async def test_a_relay_without_tls_gets_nothing_when_tls_is_demanded(tmp_path: Path) -> None:
    _, trusted = server_context(tmp_path)
    inbox = Inbox()
    async with foreign(inbox) as port:
        owner = await Owner(["a"]).through(secure(port, Security.STARTTLS, trusted, username="gw", password="pw"))
    assert owner.down == Down("STARTTLS not offered")
    assert not inbox.mails


async def test_a_mute_server_is_given_up() -> None:
    async with silent() as port:
        owner = await Owner(["a"]).through(plain(port, command_s=0.05))
    assert owner.down == Down("no answer in time")


async def test_a_server_that_goes_away_in_the_handshake_ends_the_link(tmp_path: Path) -> None:
    _, trusted = server_context(tmp_path)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-x\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n")
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        owner = await Owner(["a"]).through(secure(server.sockets[0].getsockname()[1], Security.STARTTLS, trusted))
    assert not owner.down.orderly
    assert not owner.fates


async def test_a_link_that_is_cut_tells_of_its_mail() -> None:
    async with silent(b"220 hi\r\n") as port:
        owner = Owner()
        link: Link[str] = Link(plain(port), owner.touched)
        await link.connect(None)
        link.cut()
        link.cut()
        async with asyncio.timeout(DEADLINE_S):
            await link.closed
    assert owner.heard == [Down("cut")]


def test_plain_links_have_no_tls_context_and_others_verify() -> None:
    assert plain(25).tls_context() is None
    context = replace(plain(25), security=Security.TLS).tls_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


# ---- pools


class PoolOwner:
    """Collects for a pool as a channel does."""

    def __init__(self, settings: PoolSettings) -> None:
        self.pool: Pool[str] = Pool(settings, self.touched)
        self.done: list[Done[str]] = []

    def touched(self, pool: Pool[str], link: Link[str]) -> None:
        """At once instead of once a turn."""
        self.done += pool.collect(link)
        link.flush()


async def test_a_pool_keeps_one_link_and_doubles_on_demand_up_to_its_limit() -> None:
    async with foreign(Inbox()) as port:
        pool = PoolOwner(PoolSettings(name="relay", link=plain(port), connections=5)).pool
        async with asyncio.TaskGroup() as group:
            pool.grow(group)
            assert not pool.links
            group.create_task(pool.keep())
            for size in (1, 2, 4, 5, 5):
                await until(lambda size=size: len(pool.ready) == size)
                assert len(pool.free) == size
                pool.grow(group)
                pool.grow(group)
            pool.close()
        assert not pool.links
        assert not pool.ready


async def test_a_pool_comes_back_after_its_relay_was_away() -> None:
    inbox = Inbox()
    async with foreign(inbox) as port:
        pass
    owner = PoolOwner(PoolSettings(name="relay", link=plain(port), backoff_first_s=0.01, backoff_most_s=0.05))
    async with asyncio.TaskGroup() as group:
        group.create_task(owner.pool.keep())
        await asyncio.sleep(0.05)
        assert not owner.pool.ready
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(inbox, hostname="relay.invalid", loop=loop), "127.0.0.1", port)
        async with server:
            await until(lambda: bool(owner.pool.ready))
            owner.pool.close()


async def test_nothing_new_is_opened_while_the_back_off_lasts() -> None:
    async with silent(b"421 busy\r\n") as port:
        owner = PoolOwner(PoolSettings(name="relay", link=plain(port), backoff_first_s=60.0, backoff_most_s=60.0))
        keeper = asyncio.create_task(owner.pool.keep())
        await until(lambda: owner.pool._retry_at > asyncio.get_running_loop().time() + 30)
        there = set(owner.pool.links)  # the one that was refused may still be on its way out
        async with asyncio.TaskGroup() as group:
            owner.pool.grow(group)
        assert set(owner.pool.links) <= there
        keeper.cancel()
        await asyncio.wait([keeper])


async def test_a_mail_that_was_taken_ends_the_back_off() -> None:
    async with foreign(Inbox()) as port:
        owner = PoolOwner(PoolSettings(name="relay", link=plain(port), backoff_first_s=0.5, backoff_most_s=60.0))
        async with asyncio.TaskGroup() as group:
            group.create_task(owner.pool.keep())
            await until(lambda: bool(owner.pool.free))
            for _ in range(5):
                owner.pool._backoff.failed()
            (link,) = owner.pool.free
            link.session.send(Envelope("a", b"bounce@alerts.example", (b"user@example.net",), MAIL), 0.0)
            link.flush()
            await until(lambda: bool(owner.done))
            assert owner.pool._backoff.failed() == 0.5
            owner.pool.close()
