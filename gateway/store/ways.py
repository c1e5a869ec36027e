"""Ways to sign in beside passkeys: links to providers, the second way, and what was guessed wrongly.

Knows: the tables of migrations/0051. Never knows: OpenID Connect, codes, what a wrong guess costs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.store.persons import digest_of
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("ways")


class Sealed(NamedTuple):
    """A person's key as it is kept, and the last step of which a code was used."""

    key: bytes
    last_step: int


class Guessed(NamedTuple):
    """How often in a row it was wrong, and how long nothing counts."""

    failures: int
    wait_s: float


async def link(connection: Connection, person_id: int, provider: str, issuer: str, subject: str) -> bool:
    """A provider knows this person. False: it means somebody by that already, or knows them by something else."""
    return await connection.fetchval(_SQL["link_put"], person_id, provider, issuer, subject) is not None


async def linked(connection: Connection, issuer: str, subject: str) -> Any:
    """Whom a provider means, or None; that they came by it is noted."""
    row = await connection.fetchrow(_SQL["link_find"], issuer, subject)
    if row is not None:
        await connection.execute(_SQL["link_used"], row["id"])
    return row


async def links(connection: Connection, person_id: int) -> list[Any]:
    """By which providers a person signs in."""
    return list(await connection.fetch(_SQL["links_of_person"], person_id))


async def unlink(connection: Connection, person_id: int, provider: str) -> bool:
    """False: there is no such link, or it is the last way to sign in. Lock the person first."""
    return await connection.fetchval(_SQL["link_remove"], person_id, provider) is not None


async def put_second(connection: Connection, person_id: int, sealed: bytes, last_step: int) -> None:
    """A person's time-based codes from now on."""
    await connection.execute(_SQL["second_put"], person_id, sealed, last_step)


async def second(connection: Connection, person_id: int) -> Sealed | None:
    """A person's time-based codes, locked until the transaction ends."""
    row = await connection.fetchrow(_SQL["second_find"], person_id)
    return None if row is None else Sealed(row["sealed"], row["last_step"])


async def second_used(connection: Connection, person_id: int, step: int) -> None:
    """No code of this step or before works any more."""
    await connection.execute(_SQL["second_used"], person_id, step)


async def second_state(connection: Connection, person_id: int) -> tuple[bool, int]:
    """Whether there is a second way, and how many recovery codes are left."""
    row: Any = await connection.fetchrow(_SQL["second_state"], person_id)
    return row["codes"], row["recovery"]


async def put_recovery(connection: Connection, person_id: int, words: Sequence[str]) -> None:
    """New recovery codes; those of before are void."""
    await connection.execute(_SQL["recovery_drop"], person_id)
    await connection.execute(_SQL["recovery_put"], person_id, [digest_of(word) for word in words])


async def use_recovery(connection: Connection, person_id: int, word: str) -> bool:
    """Use one up. False: there is none such."""
    return await connection.fetchval(_SQL["recovery_use"], person_id, digest_of(word)) is not None


async def guessed(connection: Connection, key: str) -> Guessed:
    """What was guessed wrongly for an account or an address; others who guess for it wait for this transaction."""
    row: Any = await connection.fetchrow(_SQL["failures_lock"], digest_of(key))
    return Guessed(row["failures"], row["wait_s"])


async def wrong(connection: Connection, key: str, failures: int, wait_s: float) -> None:
    """Another wrong guess, after which nothing counts for a while."""
    await connection.execute(_SQL["failure_note"], digest_of(key), failures, wait_s)


async def right(connection: Connection, key: str) -> None:
    """What was guessed before is forgotten."""
    await connection.execute(_SQL["failure_clear"], digest_of(key))


async def forget(connection: Connection) -> None:
    """Guesses of more than a day ago go."""
    await connection.execute(_SQL["failures_forget"])
