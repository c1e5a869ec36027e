"""Prices, the ledger of what campaigns used, units paid ahead.

Knows: the tables tariff, usage_line, pack, pack_draw. Never knows: in which order packs are used, who may see a ledger.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from gateway.model import ChannelName, Mode
from gateway.policy.tariff import Line, Pack, Tariff, Usage
from gateway.store.pool import Connection
from gateway.store.registry import CHANNEL_CODES, CHANNELS
from gateway.store.sql import Queries

_SQL = Queries.load("costs")
EVER = (date(1900, 1, 1), date(9999, 1, 1))


class Key(NamedTuple):
    """Where a page of the ledger begins: after this line."""

    campaign: int = 0
    channel: int = 0
    prefix: str = ""


FIRST = Key()


async def tariffs(connection: Connection) -> list[Tariff]:
    """Every price."""
    return [tariff_of(row) for row in await connection.fetch(_SQL["tariffs"])]


async def tariff_page(connection: Connection, before: int, limit: int) -> list[Any]:
    """A page of prices, those that were written last first."""
    return list(await connection.fetch(_SQL["tariff_page"], before, limit))


def tariff_of(row: Any) -> Tariff:
    """The price that a row tells of."""
    return Tariff(
        channel=ChannelName(row["channel"]), prefix=row["prefix"], eur=row["eur"], valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )  # fmt: skip


async def put_tariff(connection: Connection, tariff: Tariff) -> bool:
    """Keep a price; False when there is one from that day on: prices are never changed, others follow them."""
    values = (tariff.channel.value, tariff.prefix, tariff.eur, tariff.valid_from, tariff.valid_until)
    return await connection.fetchval(_SQL["put_tariff"], *values) is not None


async def to_settle(connection: Connection, campaign: int, zone: str) -> Any:
    """entity_id, mode, priced_on and settled_on of a campaign; days are those of the zone."""
    return await connection.fetchrow(_SQL["campaign_to_settle"], campaign, zone)


async def used(connection: Connection, campaign: int, prefixes: Sequence[str], answered: Sequence[str]) -> list[Usage]:
    """The one scan of a campaign's deliveries."""
    rows = await connection.fetch(_SQL["campaign_usage"], campaign, list(prefixes), list(answered))
    return [Usage(CHANNELS[row["channel"]], *row[1:]) for row in rows]


async def packs_to_draw(connection: Connection, entity_id: int, day: date) -> list[Pack]:
    """The packs that can be used on a day, locked until the transaction ends."""
    return [Pack(**row) for row in await connection.fetch(_SQL["packs_to_draw"], entity_id, day)]


async def put_lines(
    connection: Connection, campaign: int, entity_id: int, lines: Sequence[Line], priced_on: date, settled_on: date
) -> None:
    """Write the ledger of a campaign and draw from its packs."""
    keys = [(CHANNEL_CODES[line.used.channel], line.used.prefix) for line in lines]
    await connection.execute(
        _SQL["put_usage"], campaign, entity_id, [key[0] for key in keys], [key[1] for key in keys],
        [line.used.messages for line in lines], [line.used.units for line in lines], [line.prepaid for line in lines],
        [line.price.eur for line in lines], [line.price.lapsed for line in lines], priced_on, settled_on,
    )  # fmt: skip
    drawn = [(*key, *draw) for key, line in zip(keys, lines, strict=True) for draw in line.draws]
    if drawn:
        columns = [list(column) for column in zip(*drawn, strict=True)]
        await connection.execute(_SQL["put_draws"], campaign, entity_id, *columns)


async def of_campaign(connection: Connection, campaign: int) -> list[Any]:
    """The ledger of one campaign; empty until it is closed."""
    return list(await connection.fetch(_SQL["usage_of_campaign"], campaign))


async def ledger(
    connection: Connection, entity_id: int, days: tuple[date, date], after: Key = FIRST, limit: int = 100_000
) -> list[Any]:
    """Lines of an entity settled from one day until before another, oldest first."""
    return list(await connection.fetch(_SQL["usage_between"], entity_id, *days, *after, limit))


async def put_pack(
    connection: Connection, entity_id: int, *, units: int, bought_on: date, valid_until: date, reference: str = ""
) -> int:
    """Units paid ahead; their number."""
    number: int = await connection.fetchval(_SQL["put_pack"], entity_id, units, bought_on, valid_until, reference)
    return number


async def packs(connection: Connection, entity_id: int, days: tuple[date, date] = EVER) -> list[Any]:
    """Every pack of an entity, with what was drawn from it between two days."""
    return list(await connection.fetch(_SQL["packs"], entity_id, *days))


async def used_since(connection: Connection, entity_id: int, day: date) -> int:
    """Units of what packs pay for."""
    number: int = await connection.fetchval(_SQL["used_since"], entity_id, day)
    return number


async def running(connection: Connection, entity_id: int) -> list[tuple[int, ChannelName, int]]:
    """(campaign, channel, messages that may have left) of open live campaigns, from their live counts."""
    rows = await connection.fetch(_SQL["running_usage"], entity_id)
    return [(row["campaign_id"], CHANNELS[row["channel"]], row["messages"]) for row in rows]


async def waiting(connection: Connection, priority: int, live: bool) -> dict[ChannelName, int]:
    """Units that leave before a new campaign of this priority, by channel."""
    rows = await connection.fetch(_SQL["waiting_before"], priority, live)
    return {CHANNELS[row["channel"]]: row["units"] for row in rows}


async def alerts_in_force(connection: Connection, entity_id: int, mode: Mode, now: datetime) -> list[Any]:
    """The newest alerts that an alert of this entity could overlap with."""
    return list(await connection.fetch(_SQL["alerts_in_force"], entity_id, mode.value, now))


async def low_balance_candidates(connection: Connection) -> list[int]:
    """Entities with packs that were not told about their balance since they last bought some."""
    return [row["entity_id"] for row in await connection.fetch(_SQL["low_balance_candidates"])]


def as_packs(rows: Sequence[Mapping[str, Any]]) -> list[Pack]:
    """Rows of `packs` as what they are worth."""
    return [
        Pack(id=r["id"], left=r["units"] - r["used"], bought_on=r["bought_on"], valid_until=r["valid_until"])
        for r in rows
    ]
