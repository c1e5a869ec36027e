"""Persons for tests: members with roles, mandates and tokens of their own, made as the operator makes them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from gateway.model import ChannelName, MessageClass, Realm, Role
from gateway.store import persons
from gateway.store.persons import Grant, NewMandate
from gateway.store.pool import Connection

_NUMBERS = count(1)


async def put_person(
    connection: Connection,
    entity: int,
    *,
    roles: Sequence[Role] = (),
    mandate: NewMandate | None = None,
    partner: Sequence[tuple[int, str]] = (),
    realm: Realm = Realm.LIVE,
    email: str | None = None,
) -> str:
    """A new member's token. `partner` are roles in partnerships by number."""
    email = email or f"person{next(_NUMBERS)}@people.example"
    await persons.join(
        connection, entity, name=f"Person {email}", email=email, language="nl", roles=roles, grant=Grant()
    )
    row = await persons.find(connection, entity, email)
    if mandate is not None:
        await persons.grant_mandate(connection, entity, row["id"], mandate, Grant())
    for partnership, role in partner:
        await persons.enrol(connection, entity, partnership, row["id"], role)
    until = datetime.now(UTC) + timedelta(days=1)
    _, invitation = await persons.invite(connection, entity, row["id"], realm, until, Grant())
    token = await persons.redeem(connection, invitation, "", None)
    assert token is not None
    return token


def everything(partnership: int | None = None) -> NewMandate:
    """Every class by every channel."""
    return NewMandate(classes=tuple(MessageClass), channels=tuple(ChannelName), partnership=partnership)
