"""An authenticator in software, for tests: keys, CBOR and signatures made from the standard, not from the package that
the gateway checks them with.

Standard: W3C Web Authentication Level 2, §6.1 (authenticator data), §6.5.1 (attested credential data), §5.8.1 (client
data); RFC 9053 §7.1.1 (COSE keys of P-256).
"""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

UP, UV, AT = 0x01, 0x04, 0x40


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


@dataclass(slots=True)
class Passkey:
    """A key that an authenticator keeps for one site and one user."""

    rp_id: str
    user: bytes
    id: bytes = field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    count: int = 0


@dataclass(slots=True)
class Authenticator:
    """Makes passkeys and proves them. What a test changes here, a broken or lying authenticator would do."""

    origin: str
    flags: int = UP | UV
    step: int = 1
    format: str = "none"
    keys: list[Passkey] = field(default_factory=list)

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """navigator.credentials.create, as JSON."""
        chosen = options["publicKey"]
        made = Passkey(chosen["rp"]["id"], unb64(chosen["user"]["id"]))
        self.keys.append(made)
        point = made.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(made.id)) + made.id + cbor2.dumps(cose)
        whole = {"fmt": self.format, "attStmt": {}, "authData": self._data(made, AT) + attested}
        client = self._client("webauthn.create", chosen["challenge"])
        return _credential(made, {"clientDataJSON": b64(client), "attestationObject": b64(cbor2.dumps(whole))})

    def get(self, options: dict[str, Any], key: Passkey | None = None) -> dict[str, Any]:
        """navigator.credentials.get, as JSON."""
        chosen = options["publicKey"]
        key = key or next(one for one in self.keys if one.rp_id == chosen["rpId"])
        key.count += self.step
        data, client = self._data(key), self._client("webauthn.get", chosen["challenge"])
        signature = key.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        parts = {"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": key.user}
        return _credential(key, {name: b64(raw) for name, raw in parts.items()})

    def _data(self, key: Passkey, more: int = 0) -> bytes:
        return hashlib.sha256(key.rp_id.encode()).digest() + struct.pack(">BI", self.flags | more, key.count)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()


def _credential(key: Passkey, response: dict[str, str]) -> dict[str, Any]:
    return {"id": b64(key.id), "rawId": b64(key.id), "type": "public-key", "response": response}
