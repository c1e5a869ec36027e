"""Registering: a wish and a proof that the number or address is one's own make a citizen; another proof opens the
self-service.

Knows: the order of the steps; that what is answered before a proof is the same for everybody. Never knows: HTTP, how
messages leave (the courier's work), which places there are.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.flows.answers import Answer, problem
from gateway.model import ChannelName
from gateway.policy.registration import Endpoint, RegistrationRules, code_of, digest_of, rate_names, typed
from gateway.store import citizens, persons
from gateway.store.citizens import NewProof, Place
from gateway.store.pool import Connection, Store

HOUR_S = 3600.0
ALL = b"all"
CLASS_BITS: Mapping[str, int] = {"prevention": 2, "news": 4, "other": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody would like to register; in a change, None stays."""

    name: str | None = None
    language: str | None = None
    opt_out: int | None = None
    places: tuple[Place, ...] | None = None


class Registering:
    """The acts of citizens. Every one raises StoreUnavailable, and then nothing was done."""

    def __init__(self, store: Store, rules: RegistrationRules) -> None:
        self._store = store
        self._rules = rules

    async def begin(self, wish: Wish, endpoints: Sequence[Endpoint], source: str) -> Answer:
        """Keep a wish for a while and have each endpoint proven. Whether anybody of them is known is not looked at."""
        language = wish.language or "nl"
        data = {
            "name": wish.name or "", "language": language, "opt_out": wish.opt_out or 0,
            "places": [list(place) for place in wish.places or ()],
        }  # fmt: skip
        async with self._store.transaction() as connection:
            if not await self._may_ask(connection, source, endpoints):
                return await _too_often(connection)
            number = await citizens.put_wish(connection, data, self._rules.code_s)
            return await self._asked(connection, endpoints, language, wish=number)

    async def link(self, endpoint: Endpoint, language: str, source: str) -> Answer:
        """Have a way into the self-service sent, if somebody is behind the endpoint; the answer does not say so."""
        async with self._store.transaction() as connection:
            if not await self._may_ask(connection, source, [endpoint]):
                return await _too_often(connection)
            return await self._asked(connection, [endpoint], language)

    async def confirm(self, handle: str, code: str) -> Answer:
        """A code or link that came back: what it was for is done, and the self-service is open."""
        async with self._store.transaction() as connection:  # counted whatever follows
            row = await citizens.try_proof(connection, handle, self._rules.tries)
        if row is None:
            return _not_proven()
        digest = digest_of(self._rules.secret, row["nonce"], typed(code))
        if not hmac.compare_digest(digest, row["digest"]):
            return _not_proven()
        async with self._store.transaction() as connection:
            number = await citizens.use_proof(connection, row)
            if number is None:
                return _not_proven()
            session = persons.new_secret("self")
            await citizens.open_session(connection, number, session.digest, self._rules.session_s)
        body = {"session": session.text, "expires_s": self._rules.session_s, "language": row["language"]}
        return Answer(status=200, body=body)

    async def seen(self, session: str) -> Answer:
        """What is known of the citizen."""
        async with self._store.transaction() as connection:
            number = await self._who(connection, session)
            return _no_session() if number is None else await _shown(connection, number)

    async def change(self, session: str, wish: Wish) -> Answer:
        """Change what is given."""
        async with self._store.transaction() as connection:
            number = await self._who(connection, session)
            if number is None:
                return _no_session()
            await citizens.change(
                connection, number, name=wish.name, language=wish.language, opt_out=wish.opt_out, places=wish.places
            )
            return await _shown(connection, number)

    async def add(self, session: str, endpoint: Endpoint, source: str) -> Answer:
        """Another number or address, or one in place of the old: it is the citizen's when it is proven."""
        async with self._store.transaction() as connection:
            number = await self._who(connection, session)
            if number is None:
                return _no_session()
            if not await self._may_ask(connection, source, [endpoint]):
                return await _too_often(connection)
            language = (await citizens.show(connection, number))["language"]
            return await self._asked(connection, [endpoint], language, contact=number)

    async def give_up(self, session: str, channel: ChannelName) -> Answer:
        """A number or address is the citizen's no more; the last one goes by erasure."""
        async with self._store.transaction() as connection:
            number = await self._who(connection, session)
            if number is None:
                return _no_session()
            if not await citizens.drop_endpoint(connection, number, channel):
                detail = "It is the last way to reach you. To leave, erase the registration."
                return problem(409, "last-endpoint", detail)
            return await _shown(connection, number)

    async def erase(self, session: str) -> Answer:
        """The citizen goes."""
        async with self._store.transaction() as connection:
            number = await self._who(connection, session)
            if number is None:
                return _no_session()
            erasure = await citizens.erase(connection, number)
        return Answer(status=200, body={"erased": True, "erasure": erasure})

    async def leave(self, session: str) -> Answer:
        """Close the self-service."""
        async with self._store.transaction() as connection:
            await citizens.end_session(connection, persons.digest_of(session))
        return Answer(status=200, body={"closed": True})

    async def may_look(self, source: str) -> bool:
        """Whether this source may look up one more address."""
        (name,), _ = rate_names(self._rules.secret, f"places {source}", ())
        async with self._store.connection() as connection:
            an_hour = self._rules.lookups
            return await citizens.may_ask(connection, name, every_s=HOUR_S / an_hour, at_once=an_hour)

    async def _who(self, connection: Connection, session: str) -> int | None:
        return await citizens.session_of(connection, persons.digest_of(session))

    async def _may_ask(self, connection: Connection, source: str, endpoints: Sequence[Endpoint]) -> bool:
        """Of one source first, then of each endpoint, then of everybody: an order, so that nobody waits in a circle,
        and so that one flood does not use up what others have."""
        rules = self._rules
        of_source, of_endpoints = rate_names(rules.secret, source, endpoints)
        bounds = [
            *((name, rules.per_source) for name in of_source),
            *((name, rules.per_endpoint) for name in sorted(of_endpoints)),
            *[(ALL, rules.in_all)] * len(endpoints),
        ]
        for name, an_hour in bounds:
            if not await citizens.may_ask(connection, name, every_s=HOUR_S / an_hour, at_once=an_hour):
                return False
        return True

    async def _asked(
        self,
        connection: Connection,
        endpoints: Sequence[Endpoint],
        language: str,
        *,
        wish: int | None = None,
        contact: int | None = None,
    ) -> Answer:
        proofs = []
        for channel, address in endpoints:
            handle, nonce = f"pr_{secrets.token_urlsafe(16)}", secrets.token_bytes(16)
            digest = digest_of(self._rules.secret, nonce, code_of(self._rules.secret, nonce, channel))
            proof = NewProof(handle, channel, address, language, nonce, digest, wish, contact)
            await citizens.put_proof(connection, proof, self._rules.code_s)
            proofs.append({"proof": handle, "by": channel.value})
        return Answer(status=202, body={"proofs": proofs, "expires_s": self._rules.code_s})


async def _too_often(connection: Connection) -> Answer:
    """Nothing of a refused asking is kept, so that it costs nobody anything."""
    await connection.execute("ROLLBACK AND CHAIN")
    return problem(429, "too-often", "Too many requests of this kind. Try again later.", retry_after_s=600)


def _not_proven() -> Answer:
    return problem(403, "not-proven", "The code or link is wrong, used, or has run out.")


def _no_session() -> Answer:
    return problem(401, "no-session", "The self-service is closed. Ask for a new code or link.")


async def _shown(connection: Connection, number: int) -> Answer:
    row = await citizens.show(connection, number)
    if row is None:
        return _no_session()
    body = {
        "name": row["name"],
        "language": row["language"],
        "mobile": row["mobile"],
        "email": row["email"],
        "opt_out": [name for name, bit in CLASS_BITS.items() if row["opt_out"] & bit],
        "places": [{"label": label, "lon": lon, "lat": lat} for label, lon, lat in row["places"]],
        "since": row["consent_at"].isoformat(),
        "consent": row["consent_source"],
        "verified": row["verified_at"].isoformat() if row["verified_at"] else None,
    }
    return Answer(status=200, body=body)
