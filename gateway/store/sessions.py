"""Sessions of persons and what opens them: invitations, ceremonies, passkeys.

Knows: the tables of migrations/0050. Never knows: HTTP, cookies, WebAuthn. A session is found with every request, so
that its end holds at once on every node; of secrets only digests are kept.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.store.persons import digest_of, new_secret
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("sessions")
ENROLLING_S = 1800.0
"""How long somebody who was invited may take to set up a way to sign in."""


class State(StrEnum):
    """How far a session has come: `second` waits for the second way, `enrolling` can only set up ways."""

    OPEN = "open"
    SECOND = "second"
    ENROLLING = "enrolling"


class Lasting(NamedTuple):
    """How long a session lasts unused, and at most."""

    idle_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who signed in. `entity` and `realm`: for whom they act, None until they chose; `fresh`: just now."""

    id: int
    public_id: str
    person_id: int
    person: str
    name: str
    language: str
    state: State
    way: str
    entity: str | None
    realm: str | None
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    idle_s: float
    fresh: bool


class Opened(NamedTuple):
    """What an invitation did: it opened a membership, and a session when `secret` is there."""

    person_id: int
    secret: str | None


class NotOpened(StrEnum):
    """Why an invitation did nothing; it is not used up."""

    UNKNOWN = "no-invitation"
    SIGN_IN_FIRST = "sign-in-first"


class Ceremony(NamedTuple):
    """Something that was begun and is now ended: whose, with which challenge."""

    person_id: int | None
    challenge: bytes
    detail: Mapping[str, Any]


async def open_session(connection: Connection, person_id: int, state: State, way: str, lasting: Lasting) -> str:
    """A new session; what the cookie holds, once."""
    secret = new_secret("session")
    public_id = f"se_{secrets.token_hex(8)}"
    longest_s = min(lasting.longest_s, ENROLLING_S) if state is State.ENROLLING else lasting.longest_s
    await connection.fetchval(
        _SQL["session_open"], public_id, person_id, secret.digest, state.value, way, lasting.idle_s, longest_s
    )
    return secret.text


async def find(connection: Connection, secret: str) -> Session | None:
    """The session that a cookie opens, while it lasts; that it was used is noted."""
    row = await connection.fetchrow(_SQL["session_find"], digest_of(secret))
    if row is None:
        return None
    await connection.execute(_SQL["session_touch"], row["id"])
    return Session(**(dict(row) | {"state": State(row["state"])}))


async def choose(connection: Connection, session_id: int, entity: str, realm: str) -> bool:
    """The session acts for this entity in this world. False: its person may not."""
    return await connection.fetchval(_SQL["session_choose"], session_id, entity, realm) is not None


async def memberships(connection: Connection, person_id: int) -> list[Any]:
    """For whom somebody may act."""
    return list(await connection.fetch(_SQL["session_memberships"], person_id))


async def end(connection: Connection, public_id: str, person_id: int | None = None) -> bool:
    """End a session now, of this person or of anybody. False: there is none."""
    return await connection.fetchval(_SQL["session_end"], public_id, person_id) is not None


async def end_all(connection: Connection, person_id: int, but: int | None = None) -> int:
    """End all sessions of a person now, but for one; how many there were."""
    return len(await connection.fetch(_SQL["session_end_all"], person_id, but))


async def holds(connection: Connection, session_id: int) -> bool:
    """Whether a session still lasts; if so it does until this transaction ends."""
    return await connection.fetchval(_SQL["session_hold"], session_id) is not None


async def of_person(connection: Connection, person_id: int, before: int, limit: int) -> list[Any]:
    """A page of the sessions of a person, newest first."""
    return list(await connection.fetch(_SQL["sessions_of_person"], person_id, before, limit))


async def of_member(
    connection: Connection, slug: str, entity_id: int, person_id: int, before: int, limit: int
) -> list[Any]:
    """A page of the sessions in which a member acts for this entity, newest first."""
    return list(await connection.fetch(_SQL["sessions_of_member"], slug, entity_id, person_id, before, limit))


async def everybodys(connection: Connection, person: str | None = None) -> list[Any]:
    """The sessions of everybody, or of one person by our name or e-mail address."""
    return list(await connection.fetch(_SQL["sessions_all"], person))


async def person_by_word(connection: Connection, word: str) -> Any:
    """Anybody by our name for them or by e-mail address, or None."""
    return await connection.fetchrow(_SQL["person_by_word"], word)


async def forget(connection: Connection) -> None:
    """What ended long ago goes."""
    await connection.execute(_SQL["sessions_forget"])


# What an invitation opens ------------------------------------------------------------------------------------------


async def accepted_elsewhere(connection: Connection, person_id: int, entity_id: int) -> bool:
    """Whether a person signs in for another entity as well."""
    found: bool = await connection.fetchval(_SQL["accepted_elsewhere"], person_id, entity_id)
    return found


async def open_invitation(
    connection: Connection, invitation: str, signed_in: int | None, lasting: Lasting
) -> Opened | NotOpened:
    """Open the membership that an invitation is for.

    Who can sign in already has to be signed in: an invitation alone never opens an identity that somebody has, or an
    administrator of one entity would act in the name of another one's people. Who can not, gets a session to set up a
    way; then no entity but the one that invited last is open to them, for only that one knows whom it let in.
    """
    row = await connection.fetchrow(_SQL["invitation_look"], digest_of(invitation))
    if row is None:
        return NotOpened.UNKNOWN
    first = row["anew"] or not row["ways"]
    if not first and signed_in != row["person_id"]:
        return NotOpened.SIGN_IN_FIRST
    if first:
        await drop_ways(connection, row["person_id"], row["entity_id"])
    await connection.execute(_SQL["invitation_open"], row["id"])
    if not first:
        return Opened(row["person_id"], None)
    secret = await open_session(connection, row["person_id"], State.ENROLLING, "invitation", lasting)
    return Opened(row["person_id"], secret)


async def drop_ways(connection: Connection, person_id: int, but_entity: int) -> None:
    """Nothing that somebody signed in with works any more, and nobody but one entity is open to them."""
    await end_all(connection, person_id)  # first: who is adding a way just now holds their session
    await connection.execute(_SQL["ways_drop"], person_id)
    await connection.execute(_SQL["memberships_close"], person_id, but_entity)


# Ceremonies and passkeys -------------------------------------------------------------------------------------------


async def begin(
    connection: Connection,
    kind: str,
    challenge: bytes,
    *,
    lasts_s: float,
    person_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> str:
    """A ceremony begins; what the browser has to bring back."""
    secret = new_secret("ceremony")
    await connection.execute(
        _SQL["ceremony_put"], secret.digest, kind, person_id, challenge, dict(detail or {}), lasts_s
    )
    return secret.text


async def take(connection: Connection, kind: str, secret: str) -> Ceremony | None:
    """The ceremony ends; None: there is none, it took too long, or it was ended before."""
    row = await connection.fetchrow(_SQL["ceremony_take"], digest_of(secret), kind)
    return Ceremony(row["person_id"], row["challenge"], row["detail"]) if row is not None and row["lasts"] else None


async def add_passkey(
    connection: Connection, person_id: int, *, credential_id: bytes, public_key: bytes, sign_count: int, name: str
) -> int | None:
    """The number of a new passkey; None: somebody has it."""
    number: int | None = await connection.fetchval(
        _SQL["passkey_put"], person_id, credential_id, public_key, sign_count, name
    )
    return number


async def passkey(connection: Connection, credential_id: bytes) -> Any:
    """A passkey, locked until the transaction ends, or None."""
    return await connection.fetchrow(_SQL["passkey_find"], credential_id)


async def passkey_used(connection: Connection, number: int, sign_count: int) -> None:
    """Note that it was used."""
    await connection.execute(_SQL["passkey_used"], number, sign_count)


async def passkeys(connection: Connection, person_id: int) -> list[Any]:
    """The passkeys of a person."""
    return list(await connection.fetch(_SQL["passkeys_of_person"], person_id))


async def lock_person(connection: Connection, person_id: int) -> None:
    """Nobody else changes their ways until the transaction ends: two who remove one would each see the other's."""
    await connection.execute(_SQL["ways_lock"], person_id)


async def remove_passkey(connection: Connection, person_id: int, number: int) -> bool:
    """Remove one. False: there is none, or it is the last way to sign in."""
    await lock_person(connection, person_id)
    return await connection.fetchval(_SQL["passkey_remove"], person_id, number) is not None
