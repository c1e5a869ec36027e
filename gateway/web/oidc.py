"""OpenID Connect: one provider as we ask it, from where a browser is sent to the proven name of a person.

Knows: discovery, the code flow with PKCE, what an ID token has to say, by Authlib and joserfc. Never knows: who is a
person here, sessions, cookies.
Standard: OpenID Connect Core 1.0 §3.1, Discovery 1.0 §4, RFC 7636 (PKCE), RFC 9207 (the issuer in the answer).
"""

import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gateway.policy.subscription import Answer
from gateway.web.sign_in_settings import ProviderSettings

MOST_BYTES = 200_000
KEPT_S, NOT_SOONER_S = 3600.0, 30.0
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Signatures by a key pair: a client's secret is no proof of who signed, and `none` is none at all."""
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError)
Fetch = Callable[..., Awaitable[Answer]]


class Asked(NamedTuple):
    """Where a browser is sent, and what has to be remembered until it comes back."""

    location: str
    state: str
    nonce: str
    verifier: str


class Proven(NamedTuple):
    """By whom a provider means whom."""

    issuer: str
    subject: str


class NotProven(NamedTuple):
    """Why a provider's answer proves nobody: for the log, not for strangers."""

    why: str


class Provider:
    """One provider; what it publishes is kept for an hour, its keys read again when it signs with a new one."""

    def __init__(
        self, settings: ProviderSettings, redirect_uri: str, fetch: Fetch, *, now_s: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._fetch = fetch
        self._now_s = now_s
        self._monotonic = monotonic
        self._published: dict[str, tuple[float, dict[str, Any]]] = {}

    async def ask(self) -> Asked | NotProven:
        """Begin: the browser goes to the provider with a state, a nonce and the digest of a verifier."""
        known = await self._metadata()
        if isinstance(known, NotProven):
            return known
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        location: str = prepare_grant_uri(
            known["authorization_endpoint"], self.settings.client_id, "code", redirect_uri=self._redirect_uri,
            scope="openid", state=state, nonce=nonce, code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )  # fmt: skip
        return Asked(location, state, nonce, verifier)

    async def prove(self, query: Mapping[str, str], asked: Mapping[str, str]) -> Proven | NotProven:
        """End: what the browser brought back, against what was remembered."""
        known = await self._metadata()
        if isinstance(known, NotProven):
            return known
        if not secrets.compare_digest(query.get("state", "").encode(errors="replace"), asked["state"].encode()):
            return NotProven("another state")
        # RFC 9207 §2.4: an answer of another provider than the one that was asked
        promised = known.get("authorization_response_iss_parameter_supported") is True
        if query.get("iss", self.settings.issuer if not promised else "") != self.settings.issuer:
            return NotProven("another issuer")
        if "error" in query or not query.get("code"):
            return NotProven("no code")
        tokens = await self._exchange(known, query["code"], asked["verifier"])
        if isinstance(tokens, NotProven):
            return tokens
        return await self._read(known, tokens, asked["nonce"])

    async def _exchange(self, known: dict[str, Any], code: str, verifier: str) -> dict[str, Any] | NotProven:
        secret = self.settings.client_secret.get_secret_value()
        offered = known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        way = (
            "none"
            if not secret
            else "client_secret_basic"
            if "client_secret_basic" in offered
            else "client_secret_post"
        )
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }  # fmt: skip
        client = SimpleNamespace(client_id=self.settings.client_id, client_secret=secret)
        auth = ClientAuth.DEFAULT_AUTH_METHODS[way]
        uri, headers, body = auth(client, "POST", known["token_endpoint"], dict(FORM), urlencode(form))
        return self._json(
            await self._fetch("POST", uri, headers=headers, body=body.encode("ascii"), most_bytes=MOST_BYTES)
        )

    async def _read(self, known: dict[str, Any], tokens: dict[str, Any], nonce: str) -> Proven | NotProven:
        """The ID token, signed by a key of the provider's and meant for us, now, for what was asked."""
        text = tokens.get("id_token")
        if not isinstance(text, str):
            return NotProven("no ID token")
        for again in (False, True):
            keys = await self._get("keys", known["jwks_uri"], again=again)
            if isinstance(keys, NotProven):
                return keys
            try:
                token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
                claims = CodeIDToken(token.claims, token.header, self._options(), self._parameters(tokens, nonce))
                claims.validate(now=int(self._now_s()), leeway=self.settings.clock_skew_s)
                subject = claims["sub"]
            except _BROKEN as error:
                if again:
                    return NotProven(type(error).__name__)
                continue  # perhaps by a key that we have not read yet
            return Proven(self.settings.issuer, subject) if 0 < len(subject) <= 255 else NotProven("no subject")
        return NotProven("no key")

    def _options(self) -> dict[str, Any]:
        # OpenID Connect Core §3.1.3.7: the issuer exactly, ourselves among those it is meant for
        return {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }

    def _parameters(self, tokens: dict[str, Any], nonce: str) -> dict[str, Any]:
        return {"nonce": nonce, "client_id": self.settings.client_id, "access_token": tokens.get("access_token")}

    async def _metadata(self) -> dict[str, Any] | NotProven:
        # OpenID Connect Discovery §4.3: it has to name the very issuer that it was asked as
        found = await self._get("metadata", f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if isinstance(found, NotProven):
            return found
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.settings.issuer or not all(isinstance(found.get(one), str) for one in wanted):
            return NotProven("wrong metadata")
        return found

    async def _get(self, what: str, url: str, *, again: bool = False) -> dict[str, Any] | NotProven:
        """What the provider publishes; `again`: unless it was read a moment ago."""
        at, found = self._published.get(what, (0.0, {}))
        age = self._monotonic() - at
        if found and age < (NOT_SOONER_S if again else KEPT_S):
            return found
        fresh = self._json(await self._fetch("GET", url, headers={"Accept": "application/json"}, most_bytes=MOST_BYTES))
        if not isinstance(fresh, NotProven):
            self._published[what] = (self._monotonic(), fresh)
        return fresh

    @staticmethod
    def _json(answer: Answer) -> dict[str, Any] | NotProven:
        if answer.status != 200:
            return NotProven(answer.detail or f"status {answer.status}")
        try:
            found = json.loads(answer.body)
        except ValueError:
            return NotProven("no JSON")
        return found if isinstance(found, dict) else NotProven("no JSON object")


def digest_of_state(state: str) -> bytes:
    """What is kept of a state as the challenge of its ceremony."""
    return hashlib.sha256(state.encode()).digest()
