"""Tracking: the only writer of delivery state. Outcomes and receipts come in, batches go to the store, in order.

What a caller emits is durable when its awaitable ends. Outcomes are written in their order, and receipts beside them,
never before the outcomes that were handed in before them, or they would find nothing.
Knows: how batches are written, what the store refuses. Never knows: peers, sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from gateway.flows.backlog import Backlog, Entry
from gateway.flows.batching import Answer, Batcher, Columns
from gateway.flows.correlation import Correlation, Same
from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.model import ChannelName, Delivery, DeliveryState, Receipt, ReceiptKind
from gateway.policy.reasons import ON_THE_LINE
from gateway.policy.retry import RetryRules, back_off_s
from gateway.store import deliveries, progress
from gateway.store.columns import AcceptedColumns, OutcomeColumns, Received, Recorded
from gateway.store.deliveries import RECEIPT_STATES
from gateway.store.pool import GONE, NEVER, Connection, Store

R = TypeVar("R")
_MOST_NOTED = 10_000
_MOST_SAMPLED = 10_000
Event = Answer | Receipt
_OUTCOME_NAMES = ("submitted", "failed", "cancelled", "expired", "unknown", "retry_wait")


class Tracking:
    """Collects events for a moment (`linger_s`) or until a batch is full, writes them, tells who waits."""

    def __init__(
        self,
        store: Store,
        *,
        rules: Mapping[ChannelName, RetryRules],
        metrics: Metrics,
        log: UnitLogger,
        utcnow: Callable[[], datetime],
        monotonic: Callable[[], float],
        batch_rows: int = 2000,
        linger_s: float = 0.02,
        grace_s: float = 10.0,
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._utcnow = utcnow
        self._monotonic = monotonic
        self._batcher = Batcher(rules, grace_s=grace_s)
        self._known: dict[str, Correlation] = {}
        self._outcomes: Backlog[Answer] = Backlog(batch_rows=batch_rows, linger_s=linger_s)
        self._receipts: Backlog[Receipt] = Backlog(batch_rows=batch_rows, linger_s=linger_s)
        self._written_down = 0  # entries of _outcomes that are durable
        self._further = asyncio.Event()
        self._providers: dict[str, int] = {}
        self._noted: set[int] = set()  # campaigns whose first submission is noted
        self._to_note: set[int] = set()
        self._noting = asyncio.Event()
        self.unrecorded = 0
        self._sampled: dict[tuple[int, int], float] = {}  # (campaign, seq) -> when it was handed out, one in some

    def handed_out(self, delivery: Delivery, now: float) -> None:
        """Note for the histogram when a channel took this one; one in some. Those without an end are forgotten."""
        if len(self._sampled) >= _MOST_SAMPLED:
            self._sampled.clear()
        self._sampled[delivery.lease.campaign, delivery.seq] = now

    def emit(self, events: Sequence[Event]) -> Awaitable[None]:
        """Hand in a batch; the awaitable ends when it is durable. A bare Lease says: its chunk holds nothing more."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not events:
            done.set_result(None)
            return done
        self.unrecorded += len(events)
        receipts = [event for event in events if isinstance(event, Receipt)]
        outcomes = [event for event in events if not isinstance(event, Receipt)] if receipts else events
        if outcomes:
            self._outcomes.put(Entry(cast("Sequence[Answer]", outcomes), None if receipts else done))
        if receipts:
            self._receipts.put(Entry(receipts, done, after=self._outcomes.put_in))
        return done

    async def run(self) -> None:
        """Write until `finish`, and then what is left. A hard cancellation loses nothing durable: the marks tell."""
        async with asyncio.TaskGroup() as tasks:
            notes = tasks.create_task(self._keep_notes())
            receipts = tasks.create_task(self._write_receipts())
            await self._write_outcomes()
            await receipts
            await self._note()
            notes.cancel()

    def finish(self) -> None:
        """Nobody hands in any more: `run` ends when all is written."""
        self._outcomes.finish()
        self._receipts.finish()

    async def _write_outcomes(self) -> None:
        while not self._outcomes.over:
            await self._outcomes.gather()
            entries = self._outcomes.take()
            batches = self._batcher.sort((event for entry in entries for event in entry.events), self._utcnow())
            for batch in batches.in_order():
                await self._record_all(batch)
            self._written_down += len(entries)
            self._further.set()
            self._durable(entries)

    async def _write_receipts(self) -> None:
        """Never before the outcomes that were handed in before them, or they would find nothing."""
        while not self._receipts.over:
            await self._receipts.gather()
            while self._receipts.first_after() > self._written_down:
                self._further.clear()
                await self._further.wait()
            entries = self._receipts.take(lambda entry: entry.after <= self._written_down)
            by_provider: dict[str, list[Receipt]] = {}
            for entry in entries:
                for receipt in entry.events:
                    by_provider.setdefault(receipt.provider, []).append(receipt)
            for provider, receipts in by_provider.items():
                await self._conclude(provider, receipts)
            self._durable(entries)

    def _durable(self, entries: Sequence[Entry[Any]]) -> None:
        """Tell whoever waits for these."""
        for events, done, _ in entries:
            self.unrecorded -= len(events)
            if done is not None and not done.done():
                done.set_result(None)

    async def _conclude(self, provider: str, receipts: Sequence[Receipt]) -> None:
        """Receipts of one provider: those whose rows are known all at once, the others one by one."""
        await self._keep_lengths(provider, [one for one in receipts if one.seconds > 0])
        same, others = self._correlation(provider).sort(receipts)
        for group in same:
            others += await self._written(partial(self._settle, group))
        await self._receive_all(provider, others)

    async def _keep_lengths(self, provider: str, receipts: Sequence[Receipt]) -> None:
        """How long calls lasted, before their end is told: the campaign may close with it."""
        if not receipts:
            return

        async def write(connection: Connection) -> None:
            number = await self._number(connection, provider)
            await deliveries.put_lengths(connection, number, [(one.message_id, one.seconds) for one in receipts])

        await self._written(write)

    async def _record_all(self, batch: Columns) -> None:
        """What the store will never take is left out, so that nobody waits behind it: it becomes unknown."""
        try:
            await self._written(partial(self._record, batch))
        except NEVER as error:
            one_by_one = batch.one_by_one() if isinstance(batch, AcceptedColumns) else batch
            if len(one_by_one.seq) <= 1:
                self._log.error("outcome_refused", campaign=batch.campaign, channel=batch.channel, error=error)
                return
            for half in one_by_one.halves():
                await self._record_all(half)

    async def _receive_all(self, provider: str, receipts: Sequence[Receipt]) -> None:
        """What the store will never take is left out, so that nobody waits behind it."""
        if not receipts:
            return
        try:
            await self._written(partial(self._receive, provider, receipts))
        except NEVER as error:
            if len(receipts) == 1:
                self._log.error("receipt_refused", provider=provider, error=error)
                return
            middle = len(receipts) // 2
            await self._receive_all(provider, receipts[:middle])
            await self._receive_all(provider, receipts[middle:])

    async def _written(self, write: Callable[[Connection], Awaitable[R]]) -> R:
        """Repeated while the store is away: every statement may be. Raises NEVER."""
        wait_s = 0.05
        while True:
            try:
                async with self._store.queue.acquire(timeout=5) as connection:
                    return await write(connection)
            except NEVER:
                raise
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__, waiting=self.unrecorded)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 1.0)

    async def _record(self, batch: Columns, connection: Connection) -> None:
        if isinstance(batch, AcceptedColumns):
            provider = await self._number(connection, batch.provider)
            recorded = await deliveries.record_accepted(connection, batch, provider)
            if recorded is not None:
                self._correlation(batch.provider).learn(batch)
                await self._count(connection, batch, recorded)
                return
            batch = batch.one_by_one()
        numbers = {name: await self._number(connection, name) for name in set(batch.ids_provider)}
        record = deliveries.record_belated if batch.belated else deliveries.record_outcomes
        async with connection.transaction() if batch.replaced else nullcontext():
            recorded = await record(connection, batch, numbers)
            if batch.replaced:
                await deliveries.end_replaced(connection, batch, numbers)
        if batch.belated:
            await self._resolved(connection, batch, recorded)
            return
        await self._count(connection, batch, recorded)
        if recorded.total < len(batch.seq):
            await self._fenced(connection, batch)

    async def _number(self, connection: Connection, provider: str) -> int:
        if provider not in self._providers:
            self._providers[provider] = await progress.provider_id(connection, provider)
        return self._providers[provider]

    def _correlation(self, provider: str) -> Correlation:
        return self._known.setdefault(provider, Correlation())

    async def _count(self, connection: Connection, batch: Columns, recorded: Recorded) -> None:
        if recorded.submitted:
            await self._submitted(connection, batch.campaign)
        if self._sampled:
            now = self._monotonic()
            times = [self._sampled.pop((batch.campaign, seq), None) for seq in batch.seq]
            self._metrics.submit_seconds(batch.channel, [now - t for t in times if t is not None])
        self._moved(batch.channel, recorded)

    async def _fenced(self, connection: Connection, batch: OutcomeColumns) -> None:
        """Somebody else took chunks over while this node was frozen or cut off, and what it had sent is unknown. What a
        peer is known to have taken is not sent again, unless that has begun."""
        lost = await deliveries.chunks_lost(connection, batch)
        taken = batch.taken_out_of(lost)
        if lost:
            self._log.warning("outcomes_fenced", campaign=batch.campaign, channel=batch.channel, chunks=len(lost))
        if taken.seq:
            await self._resolved(connection, taken, await deliveries.record_belated(connection, taken, {}))

    async def _resolved(self, connection: Connection, batch: Columns, recorded: Recorded) -> None:
        """Count what late answers changed. Less than all of them is nothing odd: a receipt may have come first."""
        self._metrics.late_answers(batch.channel, resolved=recorded.total, spare=len(batch.seq) - recorded.total)
        if recorded.submitted:
            await self._submitted(connection, batch.campaign)
        self._moved(batch.channel, recorded)

    def _moved(self, channel: ChannelName, recorded: Recorded) -> None:
        for name, n in zip(_OUTCOME_NAMES, recorded[1:], strict=True):
            if n:
                self._metrics.deliveries(channel, name, n)

    async def _submitted(self, connection: Connection, campaign: int) -> None:
        """Note the first submission at once, the last one beside the writing: nobody waits for that."""
        if campaign in self._noted:
            self._to_note.add(campaign)
            self._noting.set()
            return
        if len(self._noted) > _MOST_NOTED:
            self._noted.clear()
        self._noted.add(campaign)
        first_after_s = await deliveries.note_submit(connection, campaign)
        if first_after_s is not None:
            self._metrics.first_submit(first_after_s)

    async def _keep_notes(self) -> None:
        while True:
            await self._noting.wait()
            await self._note()

    async def _note(self) -> None:
        self._noting.clear()
        while self._to_note:
            await self._written(partial(deliveries.note_submit, campaign=self._to_note.pop()))

    async def _settle(self, same: Same, connection: Connection) -> list[Receipt]:
        """Receipts whose rows are known; returns those that need a closer look."""
        changed, left = await deliveries.record_arrived(
            connection, same.campaign, same.state, same.code, list(same.receipts)
        )
        self._received([changed])
        return [same.receipts[seq] for seq in left]

    async def _receive(self, provider: str, receipts: Sequence[Receipt], connection: Connection) -> None:
        rules = self._rules[ChannelName.VOICE]
        now = self._utcnow()
        due = [now + timedelta(seconds=back_off_s(rules, 1, r.detail)) for r in receipts]
        changed = await deliveries.record_receipts(
            connection,
            await self._number(connection, provider),
            [r.message_id for r in receipts],
            [RECEIPT_STATES[r.kind] for r in receipts],
            [r.code for r in receipts],
            [at if r.kind is ReceiptKind.RETRY else None for r, at in zip(receipts, due, strict=True)],
            max_attempts=rules.attempts,
            details=[r.detail for r in receipts],
            heard=[r.detail in ON_THE_LINE for r in receipts],
        )
        self._received(changed)

    def _received(self, changed: Sequence[Received]) -> None:
        for channel, by_outcome, ages_s in changed:
            self._metrics.delivery_seconds(channel, ages_s)
            for name, n in by_outcome.items():
                if n:
                    self._metrics.deliveries(channel, name, n)

    async def match_orphans(self) -> int:
        """Match receipts that came before their submission was recorded; run every second or so."""
        async with self._store.queue.acquire(timeout=5) as connection, connection.transaction():
            rows = await deliveries.take_orphans(connection)
            by_provider: dict[int, list[tuple[str, int, int]]] = {}
            for row in rows:
                by_provider.setdefault(row["provider"], []).append((row["msg_id"], row["kind"], row["code"]))
            rules = self._rules[ChannelName.VOICE]
            due = self._utcnow() + timedelta(seconds=back_off_s(rules, 1))
            for provider, found in by_provider.items():
                await deliveries.record_receipts(
                    connection,
                    provider,
                    [f[0] for f in found],
                    [f[1] for f in found],
                    [f[2] for f in found],
                    [due if f[1] == DeliveryState.RETRY_WAIT else None for f in found],
                    max_attempts=rules.attempts,
                    keep_orphans=False,
                )
        return len(rows)
