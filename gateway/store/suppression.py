"""What came back for mails that were sent, and the addresses that are not written to any more.

Knows: the tables of migrations/0030. Never knows: how a notification is read; which effect it has (policy says).
"""

from typing import Any, NamedTuple

from gateway.model import MessageClass
from gateway.policy.suppression import BOUNCES, FORGET_DAYS, Effect, effect
from gateway.store.pool import Connection
from gateway.store.registry import OPT_OUT_BITS
from gateway.store.sql import Queries

_SQL = Queries.load("suppression")


class Suppressed(NamedTuple):
    """One address of the list, why, and with which enhanced status."""

    address: str
    reason: str
    status: str
    bounces: int
    suppressed_at: Any


async def note(connection: Connection, campaign: int, seq: int, said: str, status: str) -> bool | None:
    """Keep what came back for a mail and let it take effect, once; False when it is known, None without such a mail."""
    row = await connection.fetchrow(_SQL["mailed_delivery"], campaign, seq)
    if row is None:
        return None
    fresh = await connection.fetchval(_SQL["insert_notice"], campaign, seq, row["entity_id"], said, status)
    if not fresh:
        return False
    match effect(said, status):
        case Effect.SUPPRESS | Effect.COUNT as found:
            at_once = found is Effect.SUPPRESS
            await connection.execute(
                _SQL["suppress"], row["address"], said, status, at_once, BOUNCES, FORGET_DAYS
            )  # fmt: skip
        case Effect.CLEAR:
            await connection.execute(_SQL["clear_bounces"], row["address"])
        case Effect.OPT_OUT if row["message_class"] != MessageClass.URGENT:
            bit = OPT_OUT_BITS[MessageClass(row["message_class"])]
            await connection.execute(_SQL["opt_out"], row["contact_id"], bit)
    return True


async def notices(connection: Connection, campaign: int) -> list[Any]:
    """said, status, mails: what came back for a campaign."""
    return list(await connection.fetch(_SQL["notice_counts"], campaign))


async def suppressed(connection: Connection, after: str = "", limit: int = 1000) -> list[Suppressed]:
    """A page of the list, in order of address."""
    return [Suppressed(*row) for row in await connection.fetch(_SQL["suppressed_addresses"], after, limit)]


async def lift(connection: Connection, address: str) -> bool:
    """Write to an address again; False when it was not on the list."""
    return await connection.fetchval(_SQL["lift_suppression"], address) is not None
