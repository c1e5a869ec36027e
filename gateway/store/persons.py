"""Persons as they are stored: identities, memberships, mandates, invitations, partnerships, notices.

Knows: the tables of migrations/0022. Never knows: who may change them, HTTP. What needs a second administrator is
stored unconfirmed and has no force until somebody else confirms it.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from gateway.model import ChannelName, MessageClass, Purpose, Realm, Role
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("persons")
OPERATOR = "operator"


class Grant(NamedTuple):
    """Who gives a right, and who confirmed it: None while a second administrator has to."""

    by: str = "command"
    confirmed: str | None = OPERATOR


class Secret(NamedTuple):
    """Something shown once, and what is kept of it."""

    text: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMandate:
    """What a person may send, to the entity's people or to those of one partnership."""

    classes: Sequence[MessageClass]
    channels: Sequence[ChannelName]
    purposes: Sequence[Purpose] = tuple(Purpose)
    partnership: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


def new_secret(kind: str) -> Secret:
    """256 random bits with a prefix that scanners of source code find."""
    text = f"gw_{kind}_{secrets.token_urlsafe(32)}"
    return Secret(text, digest_of(text))


def digest_of(text: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(text.encode()).digest()


async def join(
    connection: Connection, entity_id: int, *, name: str, email: str, language: str, roles: Sequence[Role], grant: Grant
) -> tuple[str, bool]:
    """Make somebody a member; who has this address already stays who they are. (our name for them, new here)

    What an entity calls a member, and in which language it writes to them, is its own.
    """
    person: Any = await connection.fetchrow(_SQL["person_put"], f"pe_{secrets.token_hex(8)}", name, email, language)
    now, wanted = (list(roles), None) if grant.confirmed or not roles else ([], list(roles))
    joined = await connection.fetchval(
        _SQL["person_join"], entity_id, person["id"], name, language, now, wanted, grant.by if wanted else None
    )
    return person["public_id"], joined is not None


async def page(
    connection: Connection, entity_id: int, *, begins: str = "", after: tuple[str, int] = ("", 0), limit: int = 100
) -> list[Any]:
    """Members by name; `after` is the last one of the page before."""
    after = max(after, (begins.lower(), 0))  # where the walk along the index begins
    return list(await connection.fetch(_SQL["person_page"], entity_id, begins.lower(), *after, limit))


async def find(connection: Connection, entity_id: int, word: str) -> Any:
    """One member by our name for them or by e-mail address, or None."""
    return await connection.fetchrow(_SQL["person_find"], entity_id, word)


async def lock(connection: Connection, entity_id: int, person_id: int) -> None:
    """Nobody else changes this member until the transaction ends."""
    await connection.execute(_SQL["person_lock"], entity_id, person_id)


async def set_roles(connection: Connection, entity_id: int, person: Any, roles: Sequence[Role], grant: Grant) -> None:
    """Roles that are taken away go at once; those that are added wait where the grant is not confirmed."""
    wanted = [str(role) for role in roles]
    kept = [role for role in person["roles"] if role in wanted]
    if grant.confirmed or len(kept) == len(wanted):
        await connection.execute(_SQL["person_roles"], entity_id, person["id"], wanted, None, None)
    else:
        await connection.execute(_SQL["person_roles"], entity_id, person["id"], kept, wanted, grant.by)


async def confirm_roles(connection: Connection, entity_id: int, person_id: int, by: str) -> bool:
    """False: nothing waits, or it waits for somebody else."""
    return await connection.fetchval(_SQL["person_confirm"], entity_id, person_id, by) is not None


async def suspend(connection: Connection, entity_id: int, person_id: int, suspended: bool) -> None:
    """Suspend a member, or take it back: from the next request on, on every node."""
    await connection.execute(_SQL["person_suspend"], entity_id, person_id, suspended)


async def train(connection: Connection, entity_id: int, person_id: int, on: date | None, until: date | None) -> None:
    """When a member was trained, and until when that holds."""
    await connection.execute(_SQL["person_train"], entity_id, person_id, on, until)


async def grant_mandate(
    connection: Connection, entity_id: int, person_id: int, mandate: NewMandate, grant: Grant
) -> list[int]:
    """The numbers of the mandates that are new."""
    rows = await connection.fetch(
        _SQL["mandate_grant"], entity_id, person_id, mandate.partnership, list(mandate.classes),
        list(mandate.channels), list(mandate.purposes), mandate.not_before, mandate.not_after, grant.by,
        grant.confirmed,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def mandates(connection: Connection, entity_id: int, person_id: int) -> list[Any]:
    """The mandates of a member."""
    return list(await connection.fetch(_SQL["mandate_page"], entity_id, person_id))


async def mandate(connection: Connection, entity_id: int, number: int) -> Any:
    """One mandate of a person, or None."""
    return await connection.fetchrow(_SQL["mandate_find"], entity_id, number)


async def confirm_mandate(connection: Connection, entity_id: int, number: int, by: str) -> bool:
    """False: nothing waits, or it waits for somebody else."""
    return await connection.fetchval(_SQL["mandate_confirm"], entity_id, number, by) is not None


async def revoke_mandate(connection: Connection, entity_id: int, number: int) -> bool:
    """End a mandate now."""
    return await connection.fetchval(_SQL["mandate_revoke"], entity_id, number) is not None


async def invite(
    connection: Connection,
    entity_id: int,
    person_id: int,
    realm: Realm,
    expires_at: datetime,
    grant: Grant,
    *,
    anew: bool = False,
) -> tuple[int, str]:
    """A link that works once: (its number, its secret). `anew`: who opens it has no other way to sign in any more."""
    secret = new_secret("invite")
    number: int = await connection.fetchval(
        _SQL["invitation_put"], entity_id, person_id, realm.value, secret.digest, grant.by, grant.confirmed,
        expires_at, anew,
    )  # fmt: skip
    return number, secret.text


async def invitation(connection: Connection, entity_id: int, number: int) -> Any:
    """One invitation without its secret, or None."""
    return await connection.fetchrow(_SQL["invitation_find"], entity_id, number)


async def confirm_invitation(connection: Connection, entity_id: int, number: int, by: str) -> bool:
    """False: nothing waits, or it waits for somebody else. One that goes by mail leaves now."""
    done = await connection.fetchval(_SQL["invitation_confirm"], entity_id, number, by) is not None
    if done:
        await connection.execute("SELECT pg_notify('gateway', 'invitations')")
    return done


async def redeem(connection: Connection, invitation: str, note: str, expires_at: datetime | None) -> str | None:
    """The person's own token for an invitation, once; None: it does not work (any more, or yet)."""
    row = await connection.fetchrow(_SQL["invitation_use"], digest_of(invitation))
    if row is None:
        return None
    secret = new_secret(row["realm"])
    await connection.fetchval(
        _SQL["person_token"], row["entity_id"], row["realm"], secret.digest, note, row["person_id"], row["granted_by"],
        row["confirmed_by"], expires_at,
    )  # fmt: skip
    return secret.text


async def make_token(
    connection: Connection,
    entity_id: int,
    realm: Realm,
    mandate: NewMandate,
    grant: Grant,
    *,
    note: str,
    expires_at: datetime | None,
) -> tuple[int, str]:
    """A machine's token with what it may send: (its number, the token itself, of which only the digest is kept)."""
    secret = new_secret(realm.value)
    number: int = await connection.fetchval(
        _SQL["machine_token"], entity_id, realm.value, secret.digest, note, grant.by, grant.confirmed, expires_at,
        list(mandate.classes), list(mandate.channels), list(mandate.purposes), mandate.partnership,
    )  # fmt: skip
    return number, secret.text


async def confirm_token(connection: Connection, entity_id: int, number: int, by: str) -> bool:
    """False: nothing waits, or it waits for somebody else."""
    return await connection.fetchval(_SQL["token_confirm"], entity_id, number, by) is not None


async def end_token(connection: Connection, entity_id: int, number: int) -> bool:
    """End a token of the entity now."""
    return await connection.fetchval(_SQL["token_end"], entity_id, number) is not None


async def tokens(connection: Connection, entity_id: int, after: int, limit: int) -> list[Any]:
    """The tokens of an entity without their secrets."""
    return list(await connection.fetch(_SQL["tokens_of_entity"], entity_id, after, limit))


async def put_partnership(connection: Connection, entity_id: int, slug: str, name: str, agreement: str) -> int:
    """A partnership, or its new name and agreement."""
    number: int = await connection.fetchval(_SQL["partnership_put"], entity_id, slug, name, agreement)
    return number


async def partnerships(connection: Connection, entity_id: int, after: str = "", limit: int | None = None) -> list[Any]:
    """The partnerships of an entity, with their people and groups; all of them, or a page."""
    return list(await connection.fetch(_SQL["partnerships"], entity_id, after, limit))


async def enrol(connection: Connection, entity_id: int, partnership: int, person_id: int, role: str) -> None:
    """Give a member a role in a partnership."""
    await connection.execute(_SQL["partnership_enrol"], partnership, entity_id, person_id, role)


async def release(connection: Connection, entity_id: int, partnership: int, person_id: int, role: str) -> None:
    """Take a role in a partnership back."""
    await connection.execute(_SQL["partnership_release"], partnership, entity_id, person_id, role)


async def give_group(connection: Connection, entity_id: int, group: str, partnership: int | None) -> bool:
    """A group becomes a partnership's. False: there is no such group."""
    return await connection.fetchval(_SQL["partnership_group"], entity_id, group, partnership) is not None


async def notices(connection: Connection, entity_id: int, person_id: int, before: int, limit: int) -> list[Any]:
    """What a person has to take note of, newest first."""
    return list(await connection.fetch(_SQL["notices_of_person"], entity_id, person_id, before, limit))


async def read_notice(connection: Connection, entity_id: int, person_id: int, number: int) -> bool:
    """A person took note."""
    return await connection.fetchval(_SQL["notice_read"], entity_id, person_id, number) is not None


async def remind(connection: Connection) -> int:
    """Notices for those who did not practise for a month, and those whose training ends soon; how many."""
    practice = await connection.fetch(_SQL["practice_remind"])
    return len(practice) + len(await connection.fetch(_SQL["training_remind"]))
