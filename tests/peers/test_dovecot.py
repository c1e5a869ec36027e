"""The mailbox on a real Dovecot: news within a moment, restarts, large mails, new numbering, each alert once."""

import asyncio
import imaplib
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.mailbox.imap import Box, BoxLost
from gateway.policy.mailproof import ProofKind
from gateway.store.embedded import Cluster
from tests.mailbox.mails import ADDRESS, BOX, alert, identity, mail, rsa_key, signed, smime_signed
from tests.mailbox.stand import Stand, running, stand
from tests.peers.dovecot import Dovecot, started
from tests.support.scene import a_scene
from tests.support.waiting import stretched, until

pytestmark = pytest.mark.peer("dovecot")


@pytest.fixture
def dovecot(public_path: Path) -> Iterator[Dovecot]:
    with started(public_path) as server:
        yield server


@pytest.fixture
async def ground(pg: Cluster) -> AsyncIterator[Stand]:
    """A source by DKIM of an authority in a fresh database."""
    async with a_scene(pg) as scene:
        found = stand(scene, await scene.entity())
        await found.source()
        yield found


async def test_a_mail_is_taken_within_a_moment_of_its_arrival(dovecot: Dovecot, ground: Stand) -> None:
    async with running(ground.watcher(dovecot.settings(), Box.opened)) as watcher:
        await until(lambda: watcher.up)
        await asyncio.sleep(0.3)  # it idles
        for number in range(3):
            raw = signed(mail(alert(f"quick-{number}")))
            began = time.monotonic()
            await asyncio.to_thread(dovecot.deliver, raw)
            await until(lambda wanted=number + 1: _count(ground, wanted))
            assert time.monotonic() - began < stretched(10)
        await until(lambda: dovecot.unseen() == 0)
    assert await ground.verdicts() == [("taken", "")] * 3
    assert ground.counted == [("taken", "")] * 3


async def _count(ground: Stand, wanted: int) -> bool:
    return len(await ground.accepted()) == wanted


async def _settled(ground: Stand, wanted: int) -> bool:
    return len(await ground.mails()) >= wanted


async def test_a_restart_of_the_server_loses_nothing_and_doubles_nothing(dovecot: Dovecot, ground: Stand) -> None:
    dovecot.deliver(signed(mail(alert("before"))))
    async with running(ground.watcher(dovecot.settings(), Box.opened)) as watcher:
        await until(lambda: _count(ground, 1))
        await asyncio.to_thread(dovecot.stop)
        await until(lambda: not watcher.up)
        await asyncio.to_thread(dovecot.start)
        await asyncio.to_thread(dovecot.deliver, signed(mail(alert("after"))))
        await until(lambda: _count(ground, 2))
        await until(lambda: watcher.up)
        await until(lambda: dovecot.unseen() == 0)
    assert await ground.accepted() == ["before", "after"]


async def test_mails_that_came_while_nobody_watched_are_taken_in_order_whoever_saw_them(
    dovecot: Dovecot, ground: Stand
) -> None:
    dovecot.deliver(*(signed(mail(alert(f"n-{number}"))) for number in range(45)))
    with imaplib.IMAP4("127.0.0.1", dovecot.imap) as client:
        client.login("alerts@test.invalid", "imappass")
        client.select("INBOX")
        client.store("7", "+FLAGS", "\\Seen")
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _count(ground, 45), within_s=60)
    assert await ground.accepted() == [f"n-{number}" for number in range(45)]


async def test_twenty_megabytes_with_one_alert_inside_are_taken(dovecot: Dovecot, ground: Stand) -> None:
    photo = random.Random(1).randbytes(14_500_000)
    raw = signed(mail(photo, kind=("image", "jpeg")).replace(b"See the attached alert.", b""))
    assert len(raw) > 19_500_000
    small = signed(mail(alert("small")))
    large = signed(_with_photo(photo))
    assert len(large) > 19_500_000
    dovecot.deliver(large, small, raw)
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, 3), within_s=60)
    assert await ground.accepted() == ["large", "small"]
    assert await ground.verdicts() == [("taken", ""), ("taken", ""), ("refused", "no-alert")]


def _with_photo(photo: bytes) -> bytes:
    """A mail whose alert stands behind a photo."""
    import email
    from email.policy import SMTP

    message = email.message_from_bytes(mail(alert("large")), policy=SMTP)
    message.add_attachment(photo, maintype="image", subtype="jpeg", filename="photo.jpg")
    return message.as_bytes()


async def test_a_mail_above_the_limit_is_refused_without_being_fetched(dovecot: Dovecot, ground: Stand) -> None:
    dovecot.deliver(signed(mail(b"x" * 200_000)), signed(mail(alert("small"))))
    watcher = ground.watcher(dovecot.settings(), Box.opened, most_bytes=100_000)
    async with running(watcher):
        await until(lambda: _settled(ground, 2))
    assert await ground.verdicts() == [("refused", "too-large"), ("taken", "")]


async def test_two_alerts_in_one_mail_and_repeated_mails(dovecot: Dovecot, ground: Stand) -> None:
    both = signed(mail(alert("one"), alert("two")))
    again = signed(mail(alert("two"), more={"X-Sent": "again"}))
    dovecot.deliver(both, again, both)
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, 3))
    assert await ground.accepted() == ["one", "two"]
    rows = await ground.mails()
    assert [status for _, status in rows[0]["alerts"]] == [201, 201]
    assert [status for _, status in rows[1]["alerts"]] == [200]
    assert rows[1]["alerts"][0][0] == rows[0]["alerts"][1][0]


async def test_a_new_numbering_takes_every_mail_once_all_the_same(dovecot: Dovecot, ground: Stand) -> None:
    dovecot.deliver(signed(mail(alert("one"))), mail(alert("forged")))
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, 2))
        await asyncio.to_thread(dovecot.stop)
        dovecot.renumber(424242)
        await asyncio.to_thread(dovecot.start)
        await asyncio.to_thread(dovecot.deliver, signed(mail(alert("two"))))
        await until(lambda: _settled(ground, 5))
    assert await ground.accepted() == ["one", "two"]
    rows = [(row["uid_validity"] == 424242, row["verdict"]) for row in await ground.mails()]
    assert sorted(rows) == [
        (False, "refused"), (False, "taken"), (True, "repeated"), (True, "repeated"), (True, "taken"),
    ]  # fmt: skip


async def test_only_what_is_proven_by_dkim_is_taken(dovecot: Dovecot, ground: Stand) -> None:
    good = signed(mail(alert("good")))
    cases = {
        "no signature": mail(alert("a")),
        "changed": signed(mail(alert("b"))).replace(b"See the attached", b"See the detached"),
        "another key": signed(mail(alert("c")), key=rsa_key(2048, 1)),
        "another domain": signed(mail(alert("d")), domain="evil.example"),
        "unknown sender": signed(mail(alert("e"), sender="x@commune.example")),
        "good": good,
    }
    dovecot.deliver(*cases.values())
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, len(cases)))
    assert await ground.accepted() == ["good"]
    assert dict(zip(cases, [reason for _, reason in await ground.verdicts()], strict=True)) == {
        "no signature": "no-proof",
        "changed": "proof-failed",
        "another key": "proof-failed",
        "another domain": "no-proof",
        "unknown sender": "unknown-sender",
        "good": "",
    }


async def test_smime_of_a_pinned_authority_is_taken_and_any_other_is_not(
    dovecot: Dovecot, ground: Stand, tmp_path: Path
) -> None:
    authority, stranger = identity("authority"), identity("stranger")
    officer = identity("officer", authority, address="officer@commune.example")
    colleague = identity("colleague", authority, address="colleague@commune.example")
    impostor = identity("officer", stranger, address="officer@commune.example")
    await ground.source(address="officer@commune.example", proof=ProofKind.SMIME, certificates=authority.pem)
    sender = "Officer <officer@commune.example>"
    mails = [
        smime_signed(mail(alert(signer), sender=sender), by, tmp_path)
        for signer, by in (("officer", officer), ("colleague", colleague), ("impostor", impostor))
    ]
    dovecot.deliver(*mails, mail(alert("unsigned"), sender=sender))
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, 4))
    assert await ground.accepted() == ["officer"]
    assert [reason for _, reason in await ground.verdicts()] == ["", "proof-failed", "proof-failed", "no-proof"]


async def test_poison_does_not_stop_the_mailbox(dovecot: Dovecot, ground: Stand) -> None:
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(400))
    poison = [
        f"From: {ADDRESS}\r\nTo: {BOX}\r\n".encode() + deep,
        f"From: {ADDRESS}\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n".encode(),
        b"From: \xff\xfe\r\n\r\n\x00\x01",
        b"\r\n",
        signed(mail(b"<alert " + b"<a>" * 100_000)),
    ]
    dovecot.deliver(*poison, signed(mail(alert("behind"))))
    async with running(ground.watcher(dovecot.settings(), Box.opened)):
        await until(lambda: _settled(ground, len(poison) + 1))
    assert await ground.accepted() == ["behind"]
    assert "broken" not in [reason for _, reason in await ground.verdicts()]


async def test_the_connection_is_encrypted_and_its_certificate_verified(public_path: Path, ground: Stand) -> None:
    with started(public_path, tls=True) as server:
        with pytest.raises(BoxLost):
            async with Box.opened(server.settings(security="tls")):
                pass
        server.deliver(signed(mail(alert("encrypted"))))
        settings = server.settings(security="tls", ca_file=public_path / "tls.crt", host="localhost")
        async with running(ground.watcher(settings, Box.opened)):
            await until(lambda: _count(ground, 1))


async def test_a_wrong_password_is_said_and_tried_again(dovecot: Dovecot, ground: Stand) -> None:
    with pytest.raises(BoxLost, match="password"):
        async with Box.opened(dovecot.settings(password='wrong "password\\')):
            pass
    watcher = ground.watcher(dovecot.settings(password="wrong"), Box.opened)
    async with running(watcher):
        await asyncio.sleep(0.5)
        assert not watcher.up
