"""Keys take over by their dates; mails are signed in other processes, and leave without if those fail."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from gateway.channels.email_signing import DkimSettings, Signer, Unsigned, keys_at
from gateway.model import MessageClass, OutcomeKind
from gateway.smtp.signing import form_of
from tests.channels.email_help import (
    SILENCE,
    Ledger,
    Queue,
    Script,
    deliveries,
    email_settings,
    people,
    relay,
    running,
)
from tests.support.waiting import until

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MAIL = Unsigned(b"To: <a@b.example>\r\n", form_of(b"From: <x@alerts.example>\r\nSubject: s\r\n\r\nbody\r\n"))


@cache
def rsa_pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def ed_pem() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key(selector: str, pem: str = "", **more: Any) -> DkimSettings:
    return DkimSettings(domain="alerts.example", selector=selector, key=pem or ed_pem(), **more)


def test_the_key_whose_time_came_last_signs() -> None:
    known = (
        key("next", starts=AT + timedelta(days=1)),
        key("now", starts=AT),
        key("first"),
        key("rsa", rsa_pem(), starts=AT),
    )
    assert [one.selector for one in keys_at(known, AT - timedelta(seconds=1))] == ["first"]
    assert [one.selector for one in keys_at(known, AT)] == ["now", "rsa"]
    assert [one.selector for one in keys_at(known, AT + timedelta(days=2))] == ["next", "rsa"]
    assert keys_at(known[:1], AT) == ()


@pytest.mark.parametrize(
    "changes", [{"domain": "Alerts.example"}, {"domain": "x"}, {"selector": "a b"}, {"selector": ""}, {"key": "no key"}]
)
def test_what_can_not_sign_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DkimSettings(**{"domain": "alerts.example", "selector": "s", "key": ed_pem(), **changes})


def test_a_domain_that_is_not_the_senders_is_refused() -> None:
    with pytest.raises(ValidationError, match="from_address"):
        email_settings(dkim=(DkimSettings(domain="other.example", selector="s", key=ed_pem()),))


def test_a_key_never_shows() -> None:
    assert "PRIVATE" not in repr(key("s"))


async def test_a_worker_that_died_is_replaced_and_mails_leave_unsigned_when_none_can_work() -> None:
    signer = Signer((key("s"),), 1)
    try:
        (signature,) = await signer.sign([MAIL], int(AT.timestamp()))
        assert b"s=s;" in signature
        for process in list((signer._pool._processes or {}).values()):
            os.kill(process.pid or 0, 9)
        assert (await signer.sign([MAIL], int(AT.timestamp()))) == [signature]
        assert signer.failed == 0
    finally:
        signer.close()


async def test_before_any_key_starts_nothing_is_signed() -> None:
    signer = Signer((key("s", starts=AT),), 1)
    try:
        assert await signer.sign([MAIL, MAIL], int(AT.timestamp()) - 1) == [b"", b""]
    finally:
        signer.close()


async def test_every_mail_of_the_channel_is_signed_and_dkimpy_believes_it() -> None:
    mails: list[bytes] = []
    reading = [False]
    lines: list[str] = []

    async def answer(line: str) -> str:
        if reading[0]:
            if line != ".":
                lines.append(line[1:] if line.startswith("..") else line)
                return SILENCE
            reading[0] = False
            mails.append("".join(f"{one}\r\n" for one in lines).encode())
            lines.clear()
        reading[0] = line == "DATA"
        return "354 go\r\n" if reading[0] else "250 ok\r\n"

    known = (key("rsa", rsa_pem()), key("ed"))
    queue = Queue(deliveries(people(5), message_class=MessageClass.NEWS))
    ledger = Ledger(queue)
    settings = {"dkim": known, "unsubscribe_url": "https://alerts.example/u/{tag}"}
    async with (
        Script(answer) as script,
        running(email_settings(relay(script.port, connections=1), **settings), queue, ledger),
    ):
        await until(lambda: len(ledger.outcomes) == 5)
    assert {one.kind for one in ledger.outcomes} == {OutcomeKind.ACCEPTED}
    records = dict(one.of_kit().record() for one in known)
    for mail in mails:
        assert mail.count(b"DKIM-Signature: ") == 2
        assert dkim.DKIM(mail).verify(dnsfunc=lambda name, timeout=5: records[name.decode().rstrip(".")].encode())
    assert len(mails) == 5
    assert len({mail.partition(b"\r\nTo:")[0] for mail in mails}) == 5  # each its own
