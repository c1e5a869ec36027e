"""Batching: what was handed in lately, as columns for as few statements as it takes.

Most outcomes are the same: a first try that the peer took. They become one batch for each peer and answer; everything
else is decided by policy.retry and becomes one batch for each campaign and channel. Knows: policy.retry, columns.
Never knows: the database, who waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.model import Belated, ChannelName, Lease, Outcome, OutcomeKind
from gateway.policy.retry import RetryRules, after_outcome
from gateway.store.columns import AcceptedColumns, OutcomeColumns

Answer = Outcome | Belated | Lease
Columns = AcceptedColumns | OutcomeColumns
_Touched = dict[int, tuple[Lease, list[Columns]]]  # which batches hold rows of a lease


class Batches(NamedTuple):
    """Columns in the order in which they are to be written: a chunk is said to be done by the last that touches it."""

    accepted: list[AcceptedColumns]
    decided: list[OutcomeColumns]
    belated: list[OutcomeColumns]

    def in_order(self) -> list[Columns]:
        """The outcomes, as they are to be written."""
        return [*self.accepted, *self.decided, *self.belated]


class Batcher:
    """Turns events into columns and counts every lease down."""

    def __init__(self, rules: Mapping[ChannelName, RetryRules], *, grace_s: float) -> None:
        self._rules = rules
        self._grace_s = grace_s

    def sort(self, events: Iterable[Answer], now: datetime) -> Batches:
        """The columns of these events."""
        accepted: dict[tuple[object, ...], AcceptedColumns] = {}
        decided: dict[tuple[int, ChannelName], OutcomeColumns] = {}
        belated: dict[tuple[int, ChannelName], OutcomeColumns] = {}
        leases: _Touched = {}
        at: tuple[object, ...] = ()
        batch: AcceptedColumns | None = None
        taken = OutcomeKind.ACCEPTED  # an enum's member costs a call each time it is named
        for event in events:
            if isinstance(event, Outcome):
                delivery, kind, provider, code, detail, ids, settled, _ = event
                lease, seq, _, _ = delivery
                lease.remaining -= 1
                if kind is not taken or lease.lo < 0 or len(ids) > 1:
                    self._decide(self._decided(decided, leases, lease), event, now)
                    continue
                here = (id(lease), provider, code, detail, settled, bool(ids))
                if here != at or batch is None:
                    at, batch = here, self._accepted(accepted, leases, event)
                batch.seq.append(seq)
                batch.lo.append(lease.lo)
                if ids:
                    batch.ids.append(ids[0])
            elif isinstance(event, Belated):
                self._belated(belated, event.outcome, now)
            else:
                self._decided(decided, leases, event)
        batches = Batches(list(accepted.values()), list(decided.values()), list(belated.values()))
        _close(batches, leases.values())
        return batches

    @staticmethod
    def _accepted(
        known: dict[tuple[object, ...], AcceptedColumns],
        leases: _Touched,
        outcome: Outcome,
    ) -> AcceptedColumns:
        lease = outcome.delivery.lease
        key = (lease.campaign, lease.channel, *outcome[2:5], outcome.settled, bool(outcome.message_ids))
        batch = known.get(key)
        if batch is None:
            batch = known[key] = AcceptedColumns(
                campaign=lease.campaign,
                channel=lease.channel,
                provider=outcome.provider,
                code=outcome.code,
                detail=outcome.detail,
                settled=outcome.settled,
            )
        leases.setdefault(id(lease), (lease, []))[1].append(batch)
        return batch

    @staticmethod
    def _decided(
        known: dict[tuple[int, ChannelName], OutcomeColumns],
        leases: _Touched,
        lease: Lease,
    ) -> OutcomeColumns:
        batch = known.get((lease.campaign, lease.channel))
        if batch is None:
            batch = OutcomeColumns(campaign=lease.campaign, channel=lease.channel)
            known[lease.campaign, lease.channel] = batch
        leases.setdefault(id(lease), (lease, []))[1].append(batch)
        return batch

    def _belated(self, known: dict[tuple[int, ChannelName], OutcomeColumns], outcome: Outcome, now: datetime) -> None:
        """Decided like any other; no lease counts it, for it was counted when it was said to be unknown."""
        lease, seq, _, _ = outcome.delivery
        key = lease.campaign, lease.channel
        batch = known.get(key)
        if batch is None:
            batch = known[key] = OutcomeColumns(campaign=lease.campaign, channel=lease.channel, belated=True)
        batch.tries.append(lease.attempts.get(seq, 0) + 1)
        self._decide(batch, outcome, now)

    def _decide(self, batch: OutcomeColumns, outcome: Outcome, now: datetime) -> None:
        lease, text = outcome.delivery.lease, outcome.delivery.text
        seq, ids = outcome.delivery.seq, outcome.message_ids
        decision = after_outcome(
            outcome.kind,
            attempts=lease.attempts.get(seq, 0),
            resent=seq in lease.resent,
            settled=outcome.settled,
            message_class=text.message_class,
            rules=self._rules[lease.channel],
            expires_at=text.expires_at,
            now=now,
            retry_after_s=outcome.retry_after_s,
            grace_s=self._grace_s,
            detail=outcome.detail,
        )
        batch.seq.append(seq)
        batch.lo.append(lease.lo)
        batch.due.append(decision.due)
        batch.state.append(decision.state)
        batch.flag.append(decision.flags)
        batch.code.append(outcome.code)
        batch.detail.append(outcome.detail or None)
        if outcome.kind is OutcomeKind.REPLACED:
            batch.replaced.add(seq)
        for part, message_id in enumerate(ids):
            batch.ids_provider.append(outcome.provider)
            batch.ids_mask.append(1 << part)
            batch.ids_seq.append(seq)
            batch.ids_parts.append(len(ids))
            batch.ids_text.append(message_id)


def _close(batches: Batches, leases: Iterable[tuple[Lease, Sequence[Columns]]]) -> None:
    """Tell every batch its chunks; a chunk that holds nothing more is done with the last batch that touches it."""
    order = {id(batch): place for place, batch in enumerate(batches.in_order())}
    for lease, touched in leases:
        last = max(touched, key=lambda batch: order[id(batch)])
        for batch in touched:
            batch.chunks[lease.lo, lease.epoch] = batch is last and lease.remaining <= 0
