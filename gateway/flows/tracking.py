"""Tracking: the only writer of delivery state. Outcomes and receipts come in, batches go to the store, in order.

One ordered writer on purpose: a receipt that overtook the record of its submission would find nothing. What a caller
emits is durable when its awaitable ends. Knows: policy.retry, the store. Never knows: peers, sockets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.model import ChannelName, DeliveryState, Lease, Outcome, OutcomeKind, Receipt, ReceiptKind
from gateway.policy.retry import RetryRules, after_outcome, back_off_s
from gateway.store import deliveries, progress
from gateway.store.deliveries import RECEIPT_STATES, OutcomeColumns
from gateway.store.pool import GONE, Connection, Store

Event = Outcome | Receipt | Lease
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
        batch_rows: int = 500,
        linger_s: float = 0.02,
        grace_s: float = 10.0,
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._utcnow = utcnow
        self._monotonic = monotonic
        self._batch_rows = batch_rows
        self._linger_s = linger_s
        self._grace_s = grace_s
        self._waiting: list[tuple[Sequence[Event], asyncio.Future[None]]] = []
        self._rows = 0
        self._full = asyncio.Event()
        self._some = asyncio.Event()
        self._providers: dict[str, int] = {}
        self._finishing = False
        self.unrecorded = 0
        self.sampled: dict[tuple[int, int], float] = {}  # (campaign, seq) -> when it was handed out, one in some

    def emit(self, events: Sequence[Event]) -> Awaitable[None]:
        """Hand in a batch; the awaitable ends when it is durable. A bare Lease says: its chunk holds nothing more."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not events:
            done.set_result(None)
            return done
        self._waiting.append((events, done))
        self._rows += len(events)
        self.unrecorded += len(events)
        self._some.set()
        if self._rows >= self._batch_rows:
            self._full.set()
        return done

    async def run(self) -> None:
        """Write until `finish`, and then what is left. A hard cancellation loses nothing durable: the marks tell."""
        while not self._finishing or self._waiting:
            await self._some.wait()
            if not self._full.is_set() and not self._finishing:
                try:
                    async with asyncio.timeout(self._linger_s):
                        await self._full.wait()
                except TimeoutError:
                    pass
            await self._flush()

    def finish(self) -> None:
        """Nobody hands in any more: `run` ends when all is written."""
        self._finishing = True
        self._some.set()

    async def _flush(self) -> None:
        batch, rows = [], 0
        while self._waiting and rows < self._batch_rows:
            entry = self._waiting.pop(0)
            batch.append(entry)
            rows += len(entry[0])
        self._rows -= rows
        if not self._waiting:
            self._some.clear()
        if self._rows < self._batch_rows:
            self._full.clear()
        await self._write_until_done([event for events, _ in batch for event in events])
        self.unrecorded -= rows
        for _, done in batch:
            if not done.done():
                done.set_result(None)

    async def _write_until_done(self, events: Sequence[Event]) -> None:
        """Outcomes first, then receipts; repeated while the store is away: every statement may be repeated."""
        columns = self._columns(events)
        receipts = _by_provider(e for e in events if isinstance(e, Receipt))
        wait_s = 0.05
        while True:
            try:
                async with self._store.queue.acquire(timeout=5) as connection:
                    while columns:
                        await self._record(connection, columns[0])
                        columns.pop(0)
                    while receipts:
                        provider = next(iter(receipts))
                        await self._receive(connection, provider, receipts[provider])
                        del receipts[provider]
                return
            except GONE as error:
                self._log.warning("store_away", error=type(error).__name__, waiting=self.unrecorded)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, 1.0)

    async def _record(self, connection: Connection, batch: OutcomeColumns) -> None:
        for name in {str(p) for p in batch.ids_provider}:
            if name not in self._providers:
                self._providers[name] = await progress.provider_id(connection, name)
        numbers = [self._providers[str(p)] for p in batch.ids_provider]
        batch.ids_provider, names = numbers, batch.ids_provider
        try:
            recorded = await deliveries.record_outcomes(connection, batch)
            if recorded.submitted:
                first_after_s = await deliveries.note_submit(connection, batch.campaign)
                if first_after_s is not None:
                    self._metrics.first_submit(first_after_s)
        except GONE:
            batch.ids_provider = names
            raise
        self._count(batch, recorded)

    def _count(self, batch: OutcomeColumns, recorded: deliveries.Recorded) -> None:
        if self.sampled:
            now = self._monotonic()
            times = [self.sampled.pop((batch.campaign, seq), None) for seq in batch.seq]
            self._metrics.submit_seconds(batch.channel, [now - t for t in times if t is not None])
        for name, n in zip(_OUTCOME_NAMES, recorded[1:], strict=True):
            if n:
                self._metrics.deliveries(batch.channel, name, n)
        if recorded.total < len(batch.seq):
            missing = len(batch.seq) - recorded.total
            self._log.warning("outcomes_fenced", campaign=batch.campaign, channel=batch.channel, rows=missing)

    async def _receive(self, connection: Connection, provider: str, receipts: Sequence[Receipt]) -> None:
        if provider not in self._providers:
            self._providers[provider] = await progress.provider_id(connection, provider)
        rules = self._rules[ChannelName.VOICE]
        due = self._utcnow() + timedelta(seconds=back_off_s(rules, 1))
        changed = await deliveries.record_receipts(
            connection,
            self._providers[provider],
            [r.message_id for r in receipts],
            [RECEIPT_STATES[r.kind] for r in receipts],
            [r.code for r in receipts],
            [due if r.kind is ReceiptKind.RETRY else None for r in receipts],
            max_attempts=rules.attempts,
            details=[r.detail for r in receipts],
        )
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

    def _columns(self, events: Sequence[Event]) -> list[OutcomeColumns]:
        """Outcomes by campaign and channel, decided and turned into columns."""
        found: dict[tuple[int, ChannelName], OutcomeColumns] = {}
        now = self._utcnow()
        for event in events:
            if isinstance(event, Receipt):
                continue
            lease = event if isinstance(event, Lease) else event.delivery.lease
            batch = found.get((lease.campaign, lease.channel))
            if batch is None:
                batch = OutcomeColumns(campaign=lease.campaign, channel=lease.channel)
                found[lease.campaign, lease.channel] = batch
            if isinstance(event, Outcome):
                lease.remaining -= 1
                self._add(batch, event, now)
            batch.chunks[lease.lo, lease.epoch] = lease.remaining <= 0
        return list(found.values())

    def _add(self, batch: OutcomeColumns, outcome: Outcome, now: datetime) -> None:
        delivery = outcome.delivery
        batch.seq.append(delivery.seq)
        batch.lo.append(delivery.lease.lo)
        if outcome.kind is OutcomeKind.ACCEPTED:  # nearly every one: no decision needed
            batch.due.append(None)
            batch.state.append(2)
            batch.flag.append(4 if outcome.settled else 0)
        else:
            self._decide(batch, outcome, now)
        batch.code.append(outcome.code)
        batch.detail.append(outcome.detail or None)
        ids = outcome.message_ids
        for part, message_id in enumerate(ids):
            batch.ids_provider.append(outcome.provider)  # type: ignore[arg-type]  # a number once it is known
            batch.ids_mask.append(1 << part)
            batch.ids_seq.append(delivery.seq)
            batch.ids_parts.append(len(ids))
            batch.ids_text.append(message_id)

    def _decide(self, batch: OutcomeColumns, outcome: Outcome, now: datetime) -> None:
        lease, text = outcome.delivery.lease, outcome.delivery.text
        decision = after_outcome(
            outcome.kind,
            attempts=lease.attempts.get(outcome.delivery.seq, 0),
            resent=outcome.delivery.seq in lease.resent,
            settled=outcome.settled,
            message_class=text.message_class,
            rules=self._rules[lease.channel],
            expires_at=text.expires_at,
            now=now,
            retry_after_s=outcome.retry_after_s,
            grace_s=self._grace_s,
            detail=outcome.detail,
        )
        batch.due.append(decision.due)
        batch.state.append(decision.state)
        batch.flag.append(decision.flags)


def _by_provider(receipts: Iterable[Receipt]) -> dict[str, list[Receipt]]:
    found: dict[str, list[Receipt]] = {}
    for receipt in receipts:
        found.setdefault(receipt.provider, []).append(receipt)
    return found
