"""DKIM signatures of a mail: what they say they cover, and whether they hold against a published key.

Knows: tag lists, canonical forms, key records. Never knows: DNS, the clock, which domain is to be believed.
Standard: RFC 6376, RFC 8301 (no SHA-1, keys of 1024 bits and more), RFC 8463 (Ed25519).

Stricter than the standard in one place: a signature that covers only the first octets of a body (l=) does not count,
for anybody could add an alert behind them. Every step takes time in proportion to the mail.
"""

import hashlib
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway.mailbox.mime import Field

MOST_SIGNATURES = 20
LEAST_RSA_BITS = 1024  # RFC 8301 §3.2
_LONGEST_FIELD_BYTES = 16_384
_CLOCKS_DIFFER_S = 300
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-)){0,30}")
_VALUE_OF_B = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")  # RFC 6376 §3.7
_DIGITS = re.compile(r"[0-9]{1,12}")
_SPACES = re.compile(r"[ \t\r\n]+")


class Algorithm(StrEnum):
    """The ways to sign that count. # RFC 8301 §3.1, RFC 8463 §3"""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


class Fault(NamedTuple):
    """Why a signature does not count."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One DKIM-Signature. `fields` are the names in h=, lower case; times are seconds since 1970. # RFC 6376 §3.5"""

    domain: str
    selector: str
    algorithm: Algorithm
    header_relaxed: bool
    body_relaxed: bool
    fields: tuple[str, ...]
    body_hash: bytes
    value: bytes
    identity: str
    signed_at: int | None
    expires_at: int | None
    raw: Field

    @property
    def key_name(self) -> str:
        """Where the key is published. # RFC 6376 §3.6.2.1"""
        return f"{self.selector}._domainkey.{self.domain}"


def signatures(fields: Sequence[Field]) -> list[Signature | Fault]:
    """What the signatures of a mail say, the first MOST_SIGNATURES of them."""
    found = [field for field in fields if field.name == b"dkim-signature"]
    return [read_signature(field) for field in found[:MOST_SIGNATURES]]


def read_signature(field: Field) -> Signature | Fault:
    """One signature by its tags. # RFC 6376 §3.5"""
    if len(field.raw) > _LONGEST_FIELD_BYTES:
        return Fault("the signature is too long")
    tags = read_tags(field.value)
    if tags is None:
        return Fault("the signature is no list of tags")
    missing = [tag for tag in ("v", "a", "b", "bh", "d", "h", "s") if not tags.get(tag)]
    if missing:
        return Fault(f"the signature lacks {', '.join(missing)}")
    fault = _unusable(tags)
    if fault is not None:
        return fault
    header, _, body = tags.get("c", "simple/simple").lower().partition("/")
    body_hash, value = _base64(tags["bh"]), _base64(tags["b"])
    if {header, body or "simple"} - {"simple", "relaxed"} or body_hash is None or value is None:
        return Fault("the signature has a canonical form or a base64 that is none")
    return Signature(
        domain=tags["d"].lower(),
        selector=tags["s"].lower(),
        algorithm=Algorithm(tags["a"].lower()),
        header_relaxed=header == "relaxed",
        body_relaxed=body == "relaxed",
        fields=tuple(name.strip(" \t\r\n").lower() for name in tags["h"].split(":")),
        body_hash=body_hash,
        value=value,
        identity=tags.get("i", "@" + tags["d"]).rpartition("@")[2].lower(),
        signed_at=_number(tags.get("t")),
        expires_at=_number(tags.get("x")),
        raw=field,
    )


def _unusable(tags: dict[str, str]) -> Fault | None:
    """The tags that alone make a signature worthless."""
    domain, selector = tags["d"].lower(), tags["s"].lower()
    identity = tags.get("i", "@" + domain).rpartition("@")[2].lower()
    if tags["v"] != "1":
        return Fault("the signature is of an unknown version")
    if tags["a"].lower() not in set(Algorithm):
        return Fault("the signature is not made by rsa-sha256 or ed25519-sha256")
    if "l" in tags:
        return Fault("the signature covers only a part of the body (l=)")
    if not (_HOST.fullmatch(domain) and _HOST.fullmatch(selector)) or len(domain) + len(selector) > 230:
        return Fault("the signature names no usable domain or selector")
    if identity != domain and not identity.endswith("." + domain):  # RFC 6376 §3.5, i=
        return Fault("the signature's i= lies outside its d=")
    if "from" not in [name.strip(" \t\r\n").lower() for name in tags["h"].split(":")]:  # RFC 6376 §5.4
        return Fault("the signature does not cover From")
    if "dns/txt" not in tags.get("q", "dns/txt").lower():
        return Fault("the signature's key is published in an unknown way")
    if any(tag in tags and _number(tags[tag]) is None for tag in ("t", "x")):
        return Fault("the signature has a time that is none")
    return None


def verify(signature: Signature, fields: Sequence[Field], body: bytes, record: str, now_s: int) -> Fault | bytes:
    """The SHA-256 of the published key when the signature holds at this moment. # RFC 6376 §6.1"""
    if signature.expires_at is not None and signature.expires_at < now_s:
        return Fault("the signature has expired")
    if signature.signed_at is not None and signature.signed_at > now_s + _CLOCKS_DIFFER_S:
        return Fault("the signature was made in the future")
    key = read_key(signature, record)
    if isinstance(key, Fault):
        return key
    public, digest = key
    if hashlib.sha256(canonical_body(body, relaxed=signature.body_relaxed)).digest() != signature.body_hash:
        return Fault("the body was changed after it was signed")
    data = header_data(signature, fields)
    try:
        if isinstance(public, RSAPublicKey):
            public.verify(signature.value, data, PKCS1v15(), SHA256())
        else:
            public.verify(signature.value, hashlib.sha256(data).digest())  # RFC 8463 §3
    except InvalidSignature:
        return Fault("the header was changed after it was signed, or another key signed it")
    return digest


def read_key(signature: Signature, record: str) -> tuple[RSAPublicKey | Ed25519PublicKey, bytes] | Fault:
    """The key of a record and the SHA-256 of its p=. # RFC 6376 §3.6.1"""
    tags = read_tags(record[:_LONGEST_FIELD_BYTES])
    if tags is None or tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return Fault("the published key can not be read")
    if not tags["p"]:
        return Fault("the published key was revoked")
    flags = tags.get("t", "").replace(" ", "").split(":")
    services = tags.get("s", "*").replace(" ", "").split(":")
    hashes = tags.get("h", "sha256").replace(" ", "").lower().split(":")
    if "y" in flags:
        return Fault("the published key is for tests only")
    if "s" in flags and signature.identity != signature.domain:
        return Fault("the published key is for its very domain only")
    if not {"*", "email"} & set(services) or "sha256" not in hashes:
        return Fault("the published key is not for this")
    return _loaded(signature, tags.get("k", "rsa").lower(), _base64(tags["p"]) or b"")


def _loaded(signature: Signature, kind: str, octets: bytes) -> tuple[RSAPublicKey | Ed25519PublicKey, bytes] | Fault:
    digest = hashlib.sha256(octets).digest()
    if kind != ("rsa" if signature.algorithm is Algorithm.RSA else "ed25519"):
        return Fault("the published key is of another kind than the signature")
    try:
        public = Ed25519PublicKey.from_public_bytes(octets) if kind == "ed25519" else load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return Fault("the published key can not be read")
    if isinstance(public, Ed25519PublicKey):
        return public, digest
    if not isinstance(public, RSAPublicKey) or not LEAST_RSA_BITS <= public.key_size <= 8192:
        return Fault("the published key is too weak")
    return public, digest


def read_tags(text: str) -> dict[str, str] | None:
    """A tag list without white space around its parts; None when it is none. # RFC 6376 §3.2"""
    tags: dict[str, str] = {}
    for item in text.rstrip("; \t\r\n").split(";"):
        name, equals, value = item.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _TAG.fullmatch(name) or name in tags:
            return None
        tags[name] = value.strip(" \t\r\n")
    return tags


def header_data(signature: Signature, fields: Sequence[Field]) -> bytes:
    """What is signed of the header: the last field of each name first, the signature itself last. # RFC 6376 §5.4.2"""
    waiting: dict[str, list[Field]] = {}
    for field in fields:
        waiting.setdefault(field.name.decode("latin-1"), []).append(field)
    chosen = [waiting[name].pop() for name in signature.fields if waiting.get(name)]
    own_name, colon, value = signature.raw.raw.partition(b":")
    own = Field(b"dkim-signature", own_name + colon + _VALUE_OF_B.sub(rb"\1", value).rstrip(b"\r\n") + b"\r\n")
    canonical = [_canonical_field(field, relaxed=signature.header_relaxed) for field in (*chosen, own)]
    return b"".join(canonical)[:-2]


def _canonical_field(field: Field, *, relaxed: bool) -> bytes:
    """RFC 6376 §3.4.1, §3.4.2."""
    if not relaxed:
        return field.raw
    value = _one_space(field.raw.partition(b":")[2].replace(b"\r\n", b""))
    return field.name + b":" + value.strip(b" ") + b"\r\n"


def canonical_body(body: bytes, *, relaxed: bool) -> bytes:
    """RFC 6376 §3.4.3, §3.4.4. By replacements in C that shrink what they work on: no input takes long."""
    if relaxed:
        body = _one_space(body).replace(b" \r\n", b"\r\n")
        body = body[:-1] if body.endswith(b" ") else body
    marked = body[len(body.rstrip(b"\r\n")) :].replace(b"\r\n", b"-")
    end = len(body) - 2 * (len(marked) - len(marked.rstrip(b"-")))  # before the empty lines
    if end == 0:
        return b"" if relaxed else b"\r\n"
    return body[:end] + b"\r\n"


def _one_space(octets: bytes) -> bytes:
    """Every run of blanks and tabs as one blank."""
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def _base64(text: str) -> bytes | None:
    try:
        return a2b_base64(_SPACES.sub("", text), strict_mode=True)
    except (Base64Error, ValueError):
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text and _DIGITS.fullmatch(text) else None
