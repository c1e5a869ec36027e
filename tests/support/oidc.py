"""A provider of OpenID Connect in a few lines, for tests of what a bad one could say; tests/peers has a real one."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.policy.subscription import Answer
from tests.support.authenticator import b64

ISSUER = "https://login.example/realm"


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(slots=True)
class FakeProvider:
    """`subject` signs in; `claims`, `header` and `metadata` are what it says otherwise than it should."""

    key: rsa.RSAPrivateKey = field(default_factory=a_key)
    kid: str = "1"
    subject: str = "an"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    published: rsa.RSAPrivateKey | None = None
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    token: str | None = None

    def authorize(self, location: str) -> dict[str, str]:
        """What the browser brings back from where it was sent."""
        query = dict(parse_qsl(urlsplit(location).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": ISSUER}

    async def fetch(self, method: str, url: str, **more: Any) -> Answer:
        """What it answers."""
        self.asked.append(url)
        if url == f"{ISSUER}/.well-known/openid-configuration":
            found: dict[str, Any] = {
                "issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "token_endpoint": f"{ISSUER}/token",
                "authorization_endpoint": f"{ISSUER}/auth", "authorization_response_iss_parameter_supported": True,
            } | self.metadata  # fmt: skip
        elif url == f"{ISSUER}/keys":
            numbers = (self.published or self.key).public_key().public_numbers()
            n, e = (b64(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
            found = {"keys": [{"kty": "RSA", "kid": self.kid, "use": "sig", "n": n, "e": e}]}
        else:
            found = self._tokens(parse_qs(more["body"].decode()), more["headers"])
        return Answer(status=200 if found else 400, body=json.dumps(found).encode(), headers={})

    def _tokens(self, form: dict[str, list[str]], headers: dict[str, str]) -> dict[str, Any]:
        asked = self.codes.pop(form["code"][0], None)
        assert headers["Authorization"] == "Basic " + base64.b64encode(b"gateway:s" + b"e" * 40).decode()
        challenge = b64(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != [asked["redirect_uri"]]:
            return {}
        return {"access_token": "at", "token_type": "Bearer", "id_token": self.token or self.signed(asked["nonce"])}

    def signed(self, nonce: str) -> str:
        """An ID token."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": "gateway", "sub": self.subject, "exp": now + 300, "iat": now, "nonce": nonce}
        header = {"alg": "RS256", "kid": self.kid} | self.header
        claims = {name: value for name, value in (usual | self.claims).items() if value is not None}
        text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        return text + "." + b64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))
