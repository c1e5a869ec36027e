"""Agreement to campaigns as it is stored.

Knows: the tables approval and notice, the sealed columns of campaign. Never knows: who may agree, what a seal is over.
"""

from collections.abc import Sequence
from typing import Any

from gateway.model import Realm
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("approvals")


async def case(connection: Connection, public_id: str, entity_id: int, realm: Realm) -> Any:
    """One campaign of this entity with all that an approver agrees to, or None."""
    return await connection.fetchrow(_SQL["approval_case"], public_id, entity_id, realm.value)


async def one_hand(connection: Connection, entity_id: int, author: str, approver: str) -> bool:
    """Whether one person stands behind both: a machine whose token a person made is that person's hand."""
    return len(await connection.fetch(_SQL["approval_hands"], [author, approver], entity_id)) == 1


async def texts(connection: Connection, campaign: int) -> list[tuple[Any, ...]]:
    """What a campaign says, for its seal."""
    return [tuple(row) for row in await connection.fetch(_SQL["approval_texts"], campaign)]


async def put_seal(
    connection: Connection, campaign: int, author: str, needs: Sequence[str], seal: bytes, messages: int
) -> None:
    """Write down what approvers have to agree to."""
    await connection.execute(_SQL["approval_seal"], campaign, author, list(needs), seal, messages)


async def needs(connection: Connection, campaign: int, *, second: bool) -> list[str]:
    """What a campaign waits for; `second`: also for a second person from now on."""
    found: list[str] = await connection.fetchval(_SQL["approval_needs"], campaign, second)
    return found


async def void(connection: Connection, campaign: int, seal: bytes) -> bool:
    """Agreement to anything but this is void. False: there was none."""
    return bool(await connection.fetch(_SQL["approval_void"], campaign, seal))


async def give(
    connection: Connection, row: Any, approver: str, needs: Sequence[str], seal: bytes, reason: str = ""
) -> None:
    """Agree to what `seal` is over."""
    await connection.execute(
        _SQL["approval_give"], row["id"], row["entity_id"], row["author"], approver, list(needs), seal, reason
    )


async def given(connection: Connection, campaign: int) -> list[Any]:
    """What was agreed and still holds."""
    return list(await connection.fetch(_SQL["approval_given"], campaign))


async def tell(
    connection: Connection, entity_id: int, word: str, subject: str, body: str, partnerships: Sequence[int] = ()
) -> None:
    """A notice for everybody of the entity who might have been asked to agree."""
    await connection.execute(_SQL["approval_tell"], entity_id, word, subject, body, list(partnerships))
