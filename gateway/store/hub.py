"""Subscribers of the feeds: their wishes, their leases, and who waits for which edition.

Knows: the tables websub_*. Work is leased with an epoch: several nodes share it, and a late record changes nothing.
Never knows: HTTP, feeds' content, when something is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.policy.subscription import HubMode, HubRules, Wish
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What there is already, in all and of one host; requests of the host are those of the last 10 minutes."""

    subscribers: int
    subscribers_of_host: int
    requests: int
    requests_of_host: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedWish:
    """A wish whose sender this node asks now; `attempts` counts this time."""

    id: int
    epoch: int
    attempts: int
    wish: Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledWish:
    """What became of a leased wish: due again, or settled with a word (done, refused)."""

    id: int
    epoch: int
    due: datetime | None
    settled: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDelivery:
    """A subscriber that this node tells now: edition `wanted` or later, whose digest is `digest` (None: unknown)."""

    id: int
    epoch: int
    topic: str
    feed: str
    callback: str
    failures: int
    wanted: int
    digest: bytes | None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a leased delivery: it has edition `wanted`, or is due again, or is to be dropped."""

    id: int
    epoch: int
    wanted: int
    due: datetime | None = None
    dropped: bool = False


async def lock(connection: Connection) -> None:
    """Wait until no other node counts subscribers or announces; until the end of the transaction."""
    await connection.execute(_SQL["lock_hub"])


async def room(connection: Connection, host: str) -> Room:
    """How full the hub is."""
    row = await connection.fetchrow(_SQL["hub_room"], host)
    assert row is not None
    return Room(**dict(row))


async def is_subscribed(connection: Connection, topic: str, callback: str) -> bool:
    """Whether this callback has this topic now."""
    return bool(await connection.fetchval(_SQL["is_subscribed"], topic, callback))


async def insert_request(connection: Connection, wish: Wish, feed: str) -> None:
    """Keep a wish; earlier ones of the same callback for the same topic are no longer asked about."""
    await connection.execute(_SQL["replace_requests"], wish.topic, wish.callback)
    await connection.execute(
        _SQL["insert_request"], wish.mode.value, wish.topic, feed, wish.callback, wish.host, wish.secret, wish.lease_s
    )


async def lease_requests(connection: Connection, limit: int, lease_s: float) -> list[LeasedWish]:
    """Wishes that are due, for this node alone."""
    rows = await connection.fetch(_SQL["lease_requests"], limit, lease_s)
    return [
        LeasedWish(
            id=row["id"],
            epoch=row["epoch"],
            attempts=row["attempts"],
            wish=Wish(
                mode=HubMode(row["mode"]),
                topic=row["topic"],
                callback=row["callback"],
                host=row["host"],
                lease_s=row["lease_s"],
                secret=row["secret"],
            ),
        )
        for row in rows
    ]


async def settle_requests(connection: Connection, settled: Sequence[SettledWish], rules: HubRules) -> int:
    """Write down what became of wishes; those that are done take effect. Returns how many found no place.

    Needs a transaction and takes the hub's lock, so that the limits hold over all nodes.
    """
    await lock(connection)
    columns = [
        [wish.id for wish in settled], [wish.epoch for wish in settled],
        [wish.due for wish in settled], [wish.settled for wish in settled],
    ]  # fmt: skip
    rows = await connection.fetch(_SQL["settle_requests"], *columns)
    done = [row["id"] for row in rows if row["settled"] == "done"]
    if not done:
        return 0
    ended = await connection.fetch(_SQL["end_by_request"], done)
    begun = await connection.fetch(_SQL["activate"], done, rules.subscribers, rules.subscribers_per_host)
    full = set(done) - {row["id"] for row in ended} - {row["id"] for row in begun}
    await connection.execute(_SQL["mark_full"], list(full))
    return len(full)


async def announced(connection: Connection) -> Mapping[str, bytes]:
    """The digest of what was last announced, by feed."""
    return {row["name"]: row["digest"] for row in await connection.fetch(_SQL["announced"])}


async def announce(connection: Connection, digests: Mapping[str, bytes]) -> int:
    """These feeds changed; returns how many subscribers are to be told."""
    return len(await connection.fetch(_SQL["announce"], list(digests), list(digests.values())))


async def lease_deliveries(connection: Connection, limit: int, lease_s: float) -> list[LeasedDelivery]:
    """Subscribers that are due, for this node alone."""
    rows = await connection.fetch(_SQL["lease_deliveries"], limit, lease_s)
    return sorted((LeasedDelivery(**dict(row)) for row in rows), key=lambda leased: leased.failures)


async def record_deliveries(connection: Connection, told: Sequence[Told]) -> None:
    """Write down what became of deliveries. Needs a transaction."""
    dropped = [one for one in told if one.dropped]
    others = [one for one in told if not one.dropped]
    if dropped:
        await connection.execute(
            _SQL["drop_subscriptions"], [one.id for one in dropped], [one.epoch for one in dropped]
        )
    if others:
        columns = [
            [one.id for one in others], [one.epoch for one in others],
            [one.wanted for one in others], [one.due for one in others],
        ]  # fmt: skip
        await connection.execute(_SQL["record_deliveries"], *columns)


async def sweep(connection: Connection) -> None:
    """End what ran out, forget what is settled."""
    await connection.execute(_SQL["sweep_subscriptions"])
    await connection.execute(_SQL["sweep_requests"])


async def hub_counts(connection: Connection) -> Mapping[str, int]:
    """subscribers, waiting, failing, requests."""
    row = await connection.fetchrow(_SQL["hub_counts"])
    assert row is not None
    return dict(row)
