"""The second way of a person: set up with an app, proven with its codes or a recovery code.

Knows: how keys are sealed while they lie in the store, that a code works once. Never knows: HTTP, SQL.
Standard: RFC 6238; AES-256-GCM with a key derived by HKDF (RFC 5869).
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.flows.guessing import Guessing, TooSoon
from gateway.policy.rights import Refusal
from gateway.policy.second_way import KEY_BYTES, in_base32, key_uri, recovery_codes, recovery_word, step_of
from gateway.policy.security import CODE
from gateway.store import sessions, ways
from gateway.store.pool import Connection, Store
from gateway.store.sessions import Lasting, Session, State

SET_UP, SET_UP_S = "second", 600.0
_NONCE_BYTES = 12


class Offered(NamedTuple):
    """A new key as text and for a picture, and the secret that the browser brings back."""

    key: str
    uri: str
    ceremony: str


class SecondWay:
    """Time-based codes over one store. Without a secret to seal keys with, there is no second way."""

    def __init__(self, store: Store, secret: str, issuer: str, lasting: Lasting, *, now_s: Callable[[], float]) -> None:
        self._store = store
        self._seal = AESGCM(_key_of(secret)) if secret else None
        self._issuer = issuer
        self._lasting = lasting
        self._now_s = now_s
        self.guessing = Guessing(store)

    async def begin(self, session: Session) -> Offered | Refusal:
        """A new key for who is signed in; it counts once one of its codes was shown."""
        if self._seal is None:
            return Refusal(
                reason="no-second-way", message="This gateway offers no codes: sign in with a passkey.", status=409
            )
        key = os.urandom(KEY_BYTES)
        async with self._store.transaction() as connection:
            ceremony = await sessions.begin(connection, SET_UP, key, lasts_s=SET_UP_S, person_id=session.person_id)
        return Offered(in_base32(key), key_uri(key, self._issuer, session.name), ceremony)

    async def confirm(self, session: Session, ceremony: str, code: str) -> list[str] | Refusal:
        """The key counts from now on; fresh recovery codes, shown this once."""
        async with self._store.acting(f"person:{session.person_id}") as connection:
            begun = await sessions.take(connection, SET_UP, ceremony)
            step = step_of(begun.challenge, code, self._now_s(), 0) if begun is not None else None
            if begun is None or step is None or begun.person_id != session.person_id:
                return Refusal(reason="wrong-code", message="The code is not right: begin again.", status=422)
            if not await sessions.holds(connection, session.id):
                return Refusal(reason="unauthorized", message="The session has ended.", status=401)
            await ways.put_second(connection, session.person_id, self._sealed(begun.challenge, session.person_id), step)
            return await self._codes(connection, session.person_id)

    async def renew_codes(self, session: Session) -> list[str] | Refusal:
        """Fresh recovery codes; those of before are void."""
        async with self._store.acting(f"person:{session.person_id}") as connection:
            if not (await ways.second_state(connection, session.person_id))[0]:
                return Refusal(reason="no-second-way", message="Set up the second way first.", status=409)
            return await self._codes(connection, session.person_id)

    async def prove(self, session: Session, code: str, recovery: str, address: str) -> str | Refusal | TooSoon:
        """The secret of the open session that takes the place of the one that waited."""
        keys = {"address": address} if recovery else {"account": str(session.person_id), "address": address}

        async def guess(connection: Connection) -> str | None:
            if not await self._is_right(connection, session.person_id, code, recovery):
                return None
            if not await sessions.end(connection, session.public_id, session.person_id):
                return None
            return await sessions.open_session(
                connection, session.person_id, State.OPEN, session.way + CODE, self._lasting
            )

        found = await self.guessing(keys, guess, actor=f"person:{session.person_id}")
        return found or Refusal(reason="not-signed-in", message="This did not work: try again.")

    async def _is_right(self, connection: Connection, person_id: int, code: str, recovery: str) -> bool:
        if recovery:  # 80 bits: nobody guesses one, so that they open even while codes are being guessed
            return await ways.use_recovery(connection, person_id, recovery_word(recovery))
        kept = await ways.second(connection, person_id)
        key = self._opened(kept.key, person_id) if kept else None
        step = step_of(key, code, self._now_s(), kept.last_step) if kept and key else None
        if step is None:
            return False
        await ways.second_used(connection, person_id, step)
        return True

    async def _codes(self, connection: Connection, person_id: int) -> list[str]:
        codes = recovery_codes(os.urandom)
        await ways.put_recovery(connection, person_id, [recovery_word(code) for code in codes])
        return codes

    def _sealed(self, key: bytes, person_id: int) -> bytes:
        assert self._seal is not None
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, key, b"person:%d" % person_id)

    def _opened(self, sealed: bytes, person_id: int) -> bytes | None:
        """The key; None when it was sealed with another secret, or for somebody else."""
        if self._seal is None:
            return None
        try:
            return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], b"person:%d" % person_id)
        except InvalidTag:
            return None


def _key_of(secret: str) -> bytes:
    return HKDF(SHA256(), 32, None, b"gateway second way").derive(secret.encode())
