"""Costing: the ledger of a campaign, written once, in the transaction that closes it; warnings before units run out.

Knows: which deliveries cost, which day sets the price, who is told of a low balance. Never knows: HTTP, channels.
Nothing here is asked before a message leaves, and nothing is written while messages leave.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.log import UnitLogger
from gateway.model import Mode
from gateway.policy.reasons import ACCEPTED
from gateway.policy.statement import Statement
from gateway.policy.tariff import FREE, RATE_DAYS, Outlook, by_unit, outlook, settle, units_of
from gateway.store import approvals, costs, progress
from gateway.store.pool import GONE, Connection, Store
from gateway.store.registry import CHANNELS

ANSWERED = (ACCEPTED, "hung up early", "fax", "machine", "played", "confirmed")
"""`detail` of what failed although it was taken: an SMS by its provider, a call by whoever answered."""
ZONE = "Europe/Brussels"
LOW_BALANCE = "low-balance"
LOOK_EVERY_S = 3600.0


async def settle_campaign(connection: Connection, campaign: int, zone: str = ZONE) -> None:
    """Write what a campaign used at the price of the day of its first message, packs first. Twice is once."""
    facts = await costs.to_settle(connection, campaign, zone)
    if facts["mode"] == Mode.TEST or await costs.of_campaign(connection, campaign):
        return
    tariffs = await costs.tariffs(connection)
    prefixes = sorted({tariff.prefix for tariff in tariffs} - {""})
    rows = await costs.used(connection, campaign, prefixes, ANSWERED)
    if not rows:
        return
    used = by_unit(await _units(connection, campaign), rows)
    packs = await costs.packs_to_draw(connection, facts["entity_id"], facts["priced_on"])
    lines = settle(used, tariffs, packs, facts["priced_on"])
    await costs.put_lines(connection, campaign, facts["entity_id"], lines, facts["priced_on"], facts["settled_on"])


async def _units(connection: Connection, campaign: int) -> dict[int, int]:
    """Units of one message, by text."""
    rows = await progress.texts(connection, campaign)
    return {row["key"]: units_of(CHANNELS[row["channel"]], row["body"], row["parts"]) for row in rows}


async def balance(connection: Connection, entity_id: int, today: date) -> tuple[Outlook, int]:
    """How long an entity's units last, and the units that open campaigns have used at most until now."""
    packs = costs.as_packs(await costs.packs(connection, entity_id))
    lately = await costs.used_since(connection, entity_id, today - timedelta(days=RATE_DAYS))
    return outlook(packs, lately, today), await _running(connection, entity_id)


async def _running(connection: Connection, entity_id: int) -> int:
    units = 0
    for campaign, channel, messages in await costs.running(connection, entity_id):
        if channel in FREE:
            continue
        texts = [row for row in await progress.texts(connection, campaign) if CHANNELS[row["channel"]] is channel]
        units += messages * max((units_of(channel, row["body"], row["parts"]) for row in texts), default=0)
    return units


async def statement_of(
    connection: Connection, entity_id: int, slug: str, name: str, days: tuple[date, date]
) -> Statement:
    """What an entity's campaigns that were settled between two days came to."""
    lines = await costs.ledger(connection, entity_id, days)
    packs = await costs.packs(connection, entity_id, days)
    return Statement(entity=slug, name=name, month=days[0], channels=CHANNELS, lines=lines, packs=packs)


def today_in(zone: str, now: datetime) -> date:
    """The day that it is there."""
    return now.astimezone(ZoneInfo(zone)).date()


class Bookkeeper:
    """Tells the administrators of an entity, once, two weeks before its units run out."""

    def __init__(
        self,
        store: Store,
        *,
        leads: Callable[[], bool],
        utcnow: Callable[[], datetime],
        log: UnitLogger,
        zone: str = ZONE,
    ) -> None:
        self._store = store
        self._leads = leads
        self._utcnow = utcnow
        self._zone = zone
        self._log = log

    async def run(self) -> None:
        """Look once an hour until cancelled."""
        while True:
            try:
                if self._leads():
                    await self.once()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def once(self) -> int:
        """One look at every entity with packs; how many were told."""
        async with self._store.connection() as connection:
            candidates = await costs.low_balance_candidates(connection)
        return sum([await self._told(entity) for entity in candidates])

    async def _told(self, entity_id: int) -> bool:
        async with self._store.transaction() as connection:
            found, _ = await balance(connection, entity_id, today_in(self._zone, self._utcnow()))
            if not found.low:
                return False
            await approvals.tell(connection, entity_id, LOW_BALANCE, "cost", words(found))
        self._log.event("low_balance", entity=entity_id)
        return True


def words(found: Outlook) -> str:
    """A low balance as a sentence."""
    if not found.left:
        return "No prepaid unit is left: what is sent is post-paid. Nothing is held back."
    return (
        f"{found.left} prepaid units are left; at {found.per_day:.1f} a day they last until {found.empty_on}. After "
        "that, what is sent is post-paid. Nothing is held back."
    )
