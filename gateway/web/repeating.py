"""Requests that a client sends again because it heard nothing: done once, answered alike for a day.

Knows: the header Idempotency-Key, what makes two requests the same, how an answer is kept so that only who
asked can read it. Never knows: what is asked, SQL.
Standard: draft-ietf-httpapi-idempotency-key-header-07 (400, 409 and 422 as in its §2.7).
"""

import hashlib
import hmac
import json
import os
import re

from aiohttp import web
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.errors import StoreUnavailable
from gateway.store import idempotency
from gateway.store.idempotency import Known, Slot
from gateway.store.pool import Store
from gateway.web.bodies import Handler, keep_body
from gateway.web.problem import problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MOST_BYTES = 33_554_432  # a file of contacts is the largest that is taken
MOST_ANSWER_BYTES = 1_048_576
_NAME = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_NONCE_BYTES = 12


class Repeats:
    """A handler that is called once for each credential, key and request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def once(self, request: web.Request, entity_id: int, secret: str, handler: Handler) -> web.StreamResponse:
        """The handler's answer, or the one that the same request got before. `secret` is what the asker came with."""
        name = request.headers[HEADER]
        if not _NAME.fullmatch(name):
            return problem(400, "bad-key", f"{HEADER} has 1 to 255 printable characters.")
        raw = await keep_body(request, MOST_BYTES)
        if raw is None:
            return problem(413, "too-large", f"A request has at most {MOST_BYTES} bytes.")
        slot, asked = Slot(hashlib.sha256(secret.encode()).digest(), entity_id, name), _digest(request, raw)
        async with self._store.tenant(entity_id) as connection:
            fresh = await idempotency.claim(connection, slot, asked)
            known = None if fresh else await idempotency.known(connection, slot)
        if not fresh:
            return _known(known, asked, secret, name)
        try:
            answer = await handler(request)
        except BaseException:
            await self._release(slot)
            raise
        await self._keep(slot, secret, answer)
        return answer

    async def _keep(self, slot: Slot, secret: str, answer: web.StreamResponse) -> None:
        """What says that nothing was done now (5xx, 429) is not kept, nor what is a stream or too large."""
        body = answer.body if isinstance(answer, web.Response) else None
        if not isinstance(body, bytes) or len(body) > MOST_ANSWER_BYTES or answer.status in (429, *range(500, 600)):
            await self._release(slot)
            return
        sealed = _seal(secret, slot.name, dict(answer.headers), body)
        try:
            async with self._store.tenant(slot.entity_id) as connection:
                await idempotency.answer(connection, slot, answer.status, sealed)
        except StoreUnavailable:
            return  # it was done and is answered; the claim runs out

    async def _release(self, slot: Slot) -> None:
        try:
            async with self._store.tenant(slot.entity_id) as connection:
                await idempotency.release(connection, slot)
        except StoreUnavailable:
            return  # the claim runs out


def _known(known: Known | None, asked: bytes, secret: str, name: str) -> web.Response:
    """The answer to a request whose key is taken."""
    if known is not None and known.asked != asked:
        return problem(422, "key-reused", f"This {HEADER} was sent with another request. Send a new one.")
    if known is None or known.status is None or known.sealed is None:
        return problem(409, "in-progress", "The same request is being worked at.", headers={"Retry-After": "1"})
    headers, body = _open(secret, name, known.sealed)
    return web.Response(status=known.status, body=body, headers=headers | {REPLAYED: "true"})


def _digest(request: web.Request, raw: bytes) -> bytes:
    parts = (request.method.encode(), request.raw_path.encode("utf-8", "surrogateescape"),
             request.headers.get("Content-Type", "").encode("utf-8", "surrogateescape"),
             request.headers.get("If-Match", "").encode("utf-8", "surrogateescape"), raw)  # fmt: skip
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _cipher(secret: str) -> ChaCha20Poly1305:
    """An answer may hold a secret that is shown once: the store has no key to it, as it has no token."""
    return ChaCha20Poly1305(hmac.digest(secret.encode(), b"answers to repeated requests", "sha256"))


def _seal(secret: str, name: str, headers: dict[str, str], body: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    plain = json.dumps(headers).encode() + b"\n" + body
    return nonce + _cipher(secret).encrypt(nonce, plain, name.encode())


def _open(secret: str, name: str, sealed: bytes) -> tuple[dict[str, str], bytes]:
    nonce, covered = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    head, _, body = _cipher(secret).decrypt(nonce, covered, name.encode()).partition(b"\n")
    return json.loads(head), body
