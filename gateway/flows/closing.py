"""Closing: ends campaigns that are done, stopped or expired, and writes their final report once.

Knows: what "open" means (queued, in flight, waiting for a retry, submitted and unsettled), the receipt window.
Never knows: channels. Every step may be done by any node, twice, or half: the next pass goes on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.flows.costing import ZONE, settle_campaign
from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.model import CampaignState, ChannelName, Closure
from gateway.policy import report as reports
from gateway.policy.states import CampaignEvent, campaign_after
from gateway.store import alerts, costs, deliveries, progress, suppression
from gateway.store.pool import GONE, Connection, Store

PERCENTS = (50, 90, 99)
GONE_FROM_QUEUE = ("submitted", "delivered", "failed", "expired", "cancelled", "unknown")


class Closer:
    """Looks at every open campaign twice a second."""

    def __init__(
        self,
        store: Store,
        *,
        metrics: Metrics,
        log: UnitLogger,
        receipt_window_s: float,
        utcnow: Callable[[], datetime],
        leads: Callable[[], bool],
        zone: str = ZONE,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log
        self._receipt_window_s = receipt_window_s
        self._utcnow = utcnow
        self._leads = leads
        self._zone = zone
        self._milestones: dict[int, set[tuple[ChannelName, int]]] = {}

    async def run(self) -> None:
        """Close until cancelled."""
        while True:
            try:
                await self.once()
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__)
            await asyncio.sleep(0.5)

    async def once(self) -> None:
        """One pass over the open campaigns."""
        async with self._store.queue.acquire(timeout=5) as connection:
            found = await progress.open_campaigns(connection)
            counts = await progress.counts(connection, [row["id"] for row in found])
            for row in found:
                await self._step(connection, row, counts[row["id"]])
            if self._leads():
                await self._gauges(connection)
            else:
                self._metrics.forget_leader_gauges()
        for gone in self._milestones.keys() - {row["id"] for row in found}:
            del self._milestones[gone]

    async def _step(self, connection: Connection, row: Any, counts: Mapping[ChannelName, Mapping[str, int]]) -> None:
        state = CampaignState(row["state"])
        await self._note_milestones(connection, row, counts)
        if row["past"] and state is not CampaignState.CLOSING:
            await self._expire(connection, row, state)
        elif state is CampaignState.CLOSING and (row["withdrawn"] or row["retries"]):
            while await deliveries.sweep(connection, row["id"], expired=row["closure"] == Closure.EXPIRED):
                pass
        elif is_done(row, counts, self._receipt_window_s):
            await self._close(connection, row, state)

    async def _expire(self, connection: Connection, row: Any, state: CampaignState) -> None:
        becomes = campaign_after(state, CampaignEvent.EXPIRE)
        assert becomes is not None
        async with connection.transaction():
            if await alerts.set_state(connection, row["id"], state, becomes, closure=Closure.EXPIRED):
                await deliveries.withdraw_chunks(connection, row["id"], expired=True)
                await alerts.insert_event(connection, row["id"], row["entity_id"], "expired", becomes, "gateway")

    async def _close(self, connection: Connection, row: Any, state: CampaignState) -> None:
        becomes = campaign_after(state, CampaignEvent.DONE)
        if becomes is None:
            return
        closure = Closure(row["closure"]) if row["closure"] else Closure.COMPLETE
        async with connection.transaction():
            if not await alerts.set_state(connection, row["id"], state, becomes, closure=closure):
                return
            await alerts.insert_event(connection, row["id"], row["entity_id"], "closed", becomes, "gateway")
            await settle_campaign(connection, row["id"], self._zone)
            body = await report_of(connection, row["id"])
            await progress.insert_report(connection, row["id"], row["entity_id"], body)
        self._metrics.campaign_closed(body["mode"], body["channels"])
        self._log.event("campaign_closed", campaign=row["id"], closure=closure.value)

    async def _note_milestones(
        self, connection: Connection, row: Any, counts: Mapping[ChannelName, Mapping[str, int]]
    ) -> None:
        if not row["planned"]:
            return
        known = self._milestones.setdefault(row["id"], set())
        reached = [
            (channel, percent)
            for channel, of in counts.items()
            for percent in PERCENTS
            if of["planned"] and 100 * sum(of[k] for k in GONE_FROM_QUEUE) >= percent * of["planned"]
        ]
        fresh = [one for one in reached if one not in known]
        if fresh:
            await progress.insert_milestones(connection, row["id"], row["entity_id"], fresh)
            known.update(fresh)

    async def _gauges(self, connection: Connection) -> None:
        depths = await progress.queue_depths(connection)
        self._metrics.set_queue_depths({(channel, of): waiting for channel, of, waiting in depths})
        self._metrics.set_unknown(await progress.unknown_total(connection))


def is_done(row: Any, counts: Mapping[ChannelName, Mapping[str, int]], receipt_window_s: float) -> bool:
    """True when nothing of a campaign is open: all planned, nothing queued, in flight, to be retried or unsettled."""
    state = CampaignState(row["state"])
    if state not in (CampaignState.SENDING, CampaignState.CLOSING) or row["withdrawn"] or row["retries"]:
        return False
    if state is CampaignState.SENDING and not row["planned"]:
        return False
    if any(of["queued"] or of["in_flight"] for of in counts.values()):
        return False
    sms = counts.get(ChannelName.SMS)
    if state is CampaignState.SENDING and row["escalating"] and sms and sms["delivered"] < sms["planned"]:
        return False  # somebody may have to be called yet
    return not any(of["awaiting"] for of in counts.values()) or row["quiet_s"] > receipt_window_s


async def report_of(connection: Connection, campaign: int) -> Mapping[str, Any]:
    """The report of a campaign as it stands now."""
    facts = await progress.campaign_facts(connection, campaign)
    counted = await progress.count_rows(connection, [campaign])
    return reports.build_report(
        reports.CampaignFacts(**facts),
        rows=_records(reports.ReportRow, await progress.report_rows(connection, campaign)),
        times=_records(reports.TimesRow, await progress.report_times(connection, campaign)),
        texts=_records(reports.TextRow, await progress.texts(connection, campaign)),
        events=_records(reports.EventRow, await alerts.campaign_events(connection, campaign)),
        counts=_records(reports.CountsRow, counted),
        milestones=_records(reports.MilestoneRow, await progress.milestones(connection, campaign)),
        costs=_records(reports.CostRow, await costs.of_campaign(connection, campaign)),
    )


async def with_addendum(connection: Connection, campaign: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report with what mail systems and networks said after it was written; the report itself never changes."""
    counts = (await progress.counts(connection, [campaign]))[campaign] if body["final"] else {}
    late = reports.late_receipts(body, counts)
    said = [dict(row) for row in await suppression.notices(connection, campaign)]
    addendum = {name: found for name, found in (("returned_mail", said), ("late_receipts", late)) if found}
    return {**body, "addendum": addendum} if addendum else body


def _records(kind: Callable[..., Any], rows: Sequence[Any]) -> list[Any]:
    return [kind(**row) for row in rows]
