"""DKIM signatures for mails that share nearly everything: that is made canonical once, a mail costs its own fields.

Knows: relaxed canonical forms, the fields that are signed, RSA and Ed25519. Never knows: files, processes, clocks (the
time is an argument), whose mail it is. Everything here pickles: signing is for a process of its own.
Implements RFC 6376 §3.4.2, §3.4.4, §3.5, §3.7 and §5.4, RFC 8301 §3.2, RFC 8463 §3.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"content-language",
    b"auto-submitted", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
"""What a receiver shows or acts on.  # RFC 6376 §5.4.1, RFC 8058 §4"""
LEAST_RSA_BITS = 2048  # RFC 8301 §3.2

_LINES = re.compile(rb"\r\n(?![ \t])")
_BLANKS = re.compile(rb"[ \t]+")
_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_LINE_CHARS = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A private key (PKCS#8, PEM) and where its public half stands: selector._domainkey.domain."""

    domain: str
    selector: str
    pem: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The a= tag."""
        return "ed25519-sha256" if isinstance(private(self.pem), Ed25519PrivateKey) else "rsa-sha256"

    def record(self) -> tuple[str, str]:
        """The name and the text of the DNS record (TXT) that publishes it.  # RFC 6376 §3.6.1, RFC 8463 §4"""
        key = private(self.pem)
        if isinstance(key, Ed25519PrivateKey):
            kind, public = "ed25519", key.public_key().public_bytes_raw()
        else:
            kind = "rsa"
            public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"{self.selector}._domainkey.{self.domain}", f"v=DKIM1; k={kind}; p={b64encode(public).decode()}"


class Form(NamedTuple):
    """What all mails of one text share: names and canonical form of its signed fields, the hash of its body."""

    names: tuple[bytes, ...]
    fields: bytes
    body_hash: bytes


@lru_cache(maxsize=64)
def private(pem: bytes) -> Ed25519PrivateKey | RSAPrivateKey:
    """The key; ValueError when it is none that may sign."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not a private key in PEM without a password") from error
    if isinstance(key, RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError(f"not an Ed25519 key, nor an RSA key of at least {LEAST_RSA_BITS} bits")


def form_of(shared: bytes) -> Form:
    """The form of the shared part of a mail: its fields, an empty line, its body; not dot-stuffed."""
    head, _, body = shared.partition(b"\r\n\r\n")
    names, fields = _relaxed_fields(head)
    return Form(names, fields, b64encode(sha256(relaxed_body(body)).digest()))


def sign(head: bytes, form: Form, keys: Sequence[Key], now_s: int) -> bytes:
    """The DKIM-Signature fields, one for each key, to stand before `head`: the fields that this mail has for itself."""
    names, fields = _relaxed_fields(head)
    named = b":".join((*names, *form.names, b"from"))  # once more than it is there: no second one can be added
    return b"".join(_signature(key, named, fields + form.fields, form.body_hash, now_s) for key in keys)


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _signature(key: Key, named: bytes, fields: bytes, body_hash: bytes, now_s: int) -> bytes:
    """One field, folded; b= is the last tag, so that what is signed is what stands before it.  # RFC 6376 §3.7"""
    tags = (
        f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain}; s={key.selector}; t={now_s};".encode("ascii")
        + b"\r\n h="
        + named.replace(b":list-unsubscribe", b":\r\n list-unsubscribe", 1)
        + b";\r\n bh="
        + body_hash
        + b";\r\n b="
    )
    secret = private(key.pem)
    data = fields + b"dkim-signature:" + _BLANKS.sub(b" ", _FOLDED.sub(b"", tags))
    if isinstance(secret, Ed25519PrivateKey):
        signed = b64encode(secret.sign(sha256(data).digest()))  # RFC 8463 §3
    else:
        signed = b64encode(secret.sign(data, PKCS1v15(), SHA256()))
    lines = [signed[at : at + _LINE_CHARS] for at in range(0, len(signed), _LINE_CHARS)]
    return b"DKIM-Signature: " + tags + b"\r\n ".join(lines) + b"\r\n"


def _relaxed_fields(head: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Names of the fields that are signed, and their canonical form.  # RFC 6376 §3.4.2"""
    names, lines = [], []
    for line in _LINES.split(head):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if name in SIGNED:
            names.append(name)
            lines.append(name + b":" + _BLANKS.sub(b" ", _FOLDED.sub(b"", value)).strip(b" ") + b"\r\n")
    return tuple(names), b"".join(lines)
