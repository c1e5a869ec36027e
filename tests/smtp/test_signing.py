"""Signatures of ours hold for dkimpy, and for the reader of this gateway, which shares no code with the writer."""

import base64
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mailbox import dkim as reader
from gateway.mailbox.mime import Entity, Limits, read_entity
from gateway.smtp.message import Content, Template, render
from gateway.smtp.signing import Key, form_of, private, relaxed_body, sign

NOW_S = 1_795_000_000
UNSUBSCRIBE = b"List-Unsubscribe: <https://a.example/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def keys() -> tuple[Key, Key]:
    """One of each kind."""
    return (
        Key(domain="alerts.example", selector="r1", pem=pem(rsa.generate_private_key(65537, 2048))),
        Key(domain="alerts.example", selector="e1", pem=pem(ed25519.Ed25519PrivateKey.generate())),
    )


def dns(name: bytes, timeout: int = 5) -> bytes:
    records = {f"{name}.": text for name, text in (key.record() for key in keys())}
    return records.get(name.decode(), "").encode()


TEXT = "Fermez  tout.\n.\n..\n\n\n"


def template(subject: str = "Alerte: incendie à Gand", text: str = TEXT, html: str = "") -> Template:
    return render(
        Content(
            sender="no-reply@alerts.example",
            sender_name="Ville de Liège",
            subject=subject,
            text=text,
            html=html,
            language="fr",
            fields=(("Auto-Submitted", "auto-generated"),),
        )
    )


def mail(made: Template, *of: Key, to: bytes = b"user@example.net", extra: bytes = UNSUBSCRIBE) -> bytes:
    """A signed mail as a receiver has it."""
    head, _ = made.fill(to=to, message_id=b"1@alerts.example", date=b"Sat, 21 Nov 2026 20:10:00 +0000", extra=extra)
    return sign(head, form_of(made.shared()), of, NOW_S) + head + made.shared()


class VerifyKey:
    """What dkimpy asks of PyNaCl, by cryptography: the canonical forms, which can go wrong, stay dkimpy's."""

    def __init__(self, key: bytes, encoder: object) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raises the error that dkimpy expects."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise NACL.exceptions.BadSignatureError from error


class BadSignatureError(Exception):
    """PyNaCl's."""


NACL = SimpleNamespace(
    signing=SimpleNamespace(VerifyKey=VerifyKey),
    encoding=SimpleNamespace(Base64Encoder=None),
    exceptions=SimpleNamespace(BadSignatureError=BadSignatureError, ValueError=ValueError),
)


@pytest.fixture(autouse=True, scope="module")
def nacl() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim, "nacl", NACL, raising=False)
        yield


def holds(message: bytes, number: int = 0) -> bool:
    """Both readers agree, or the test ends here."""
    try:
        theirs = bool(dkim.DKIM(message, minkey=1024).verify(idx=number, dnsfunc=dns))
    except dkim.DKIMException:
        theirs = False
    found = read_entity(message, 0, len(message), Limits())
    if not isinstance(found, Entity):  # two From: not read at all
        return theirs
    signature = reader.signatures(found.fields)[number]
    assert isinstance(signature, reader.Signature)
    record = dns(f"{signature.selector}._domainkey.{signature.domain}.".encode()).decode()
    ours = reader.verify(signature, found.fields, message[found.body :], record, NOW_S)
    assert theirs == isinstance(ours, bytes)
    return theirs


@pytest.mark.parametrize("number", [0, 1])
def test_dkimpy_believes_both_kinds(number: int) -> None:
    assert holds(mail(template(), *keys()), number)
    assert holds(mail(template(html="<p>\n . \n</p>"), keys()[number]))


def test_what_is_changed_on_the_way_is_noticed() -> None:
    good = mail(template(), *keys())
    for old, new in (
        (b"tout.", b"rien."),
        (b"user@example.net", b"user2@example.net"),
        (b"/u/1>", b"/u/2>"),
        (b"Subject:", b"Subject: =?utf-8?B?eA==?="),
        (b"From:", b"From: x <x@evil.example>\r\nFrom:"),
    ):
        assert old in good
        assert not holds(good.replace(old, new))


def test_blanks_that_relays_change_do_no_harm() -> None:
    good = mail(template(), *keys())
    assert holds(good.replace(b"Fermez  tout.", b"Fermez tout. \t").replace(b"To: <", b"to:   <"))
    assert holds(good + b"\r\n\r\n")


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=80), st.text(max_size=300), st.sampled_from([b"a@b.example", b'"a  b"@b.example']))
def test_whatever_a_mail_says_its_signature_holds(subject: str, text: str, to: bytes) -> None:
    assert holds(mail(template(subject, text), keys()[1], to=to, extra=b""))


@given(st.binary(max_size=200).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"))
def test_a_canonical_body_is_that_of_dkimpy(body: bytes) -> None:
    assert relaxed_body(body) == dkim.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_body(body)


def test_a_record_publishes_the_public_half() -> None:
    name, text = keys()[1].record()
    assert name == "e1._domainkey.alerts.example"
    assert text.startswith("v=DKIM1; k=ed25519; p=")
    assert len(base64.b64decode(text.rpartition("p=")[2])) == 32


@pytest.mark.parametrize(
    "bad", [b"", b"hidden", pem(rsa.generate_private_key(65537, 1024)), pem(ec.generate_private_key(ec.SECP256R1()))]
)
def test_a_key_that_may_not_sign_is_refused_without_being_shown(bad: bytes) -> None:
    with pytest.raises(ValueError, match="not a") as caught:
        private(bad)
    assert bad.decode() == "" or bad.decode() not in str(caught.value)


def test_a_key_never_shows_in_a_representation() -> None:
    assert "PRIVATE" not in repr(keys())
