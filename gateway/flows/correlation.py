"""Correlation: which row a message id stands for, of what this process recorded lately.

A receipt that is found here needs no question to the store. Bounded: the oldest ids are forgotten, and what is not
here the store finds. Knows: message ids of SMS of one part. Never knows: the store, what a receipt does.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.model import ChannelName, DeliveryState, Receipt, ReceiptKind
from gateway.store.columns import AcceptedColumns
from gateway.store.deliveries import RECEIPT_STATES

LEAST_ROWS = 8
"""Fewer receipts of one kind are cheaper beside the others."""

_SEQ_BITS = 32
_SEQ_MASK = (1 << _SEQ_BITS) - 1


class Same(NamedTuple):
    """Receipts of one campaign that all say the same, by row."""

    campaign: int
    state: DeliveryState
    code: int
    receipts: dict[int, Receipt]


class Correlation:
    """The ids of one provider, in two generations: when the newer one is full, the older one is forgotten."""

    def __init__(self, most: int = 200_000) -> None:
        self._most = most // 2
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def learn(self, batch: AcceptedColumns) -> None:
        """Remember a batch that is durable."""
        if batch.channel is not ChannelName.SMS or batch.settled or not batch.ids:
            return
        high = batch.campaign << _SEQ_BITS
        fresh = dict(zip(batch.ids, [high | seq for seq in batch.seq], strict=True))
        if len(fresh) < len(batch.ids) or not (
            self._new.keys().isdisjoint(fresh) and self._old.keys().isdisjoint(fresh)
        ):
            self._twice(batch.ids, fresh)
        if len(self._new) + len(fresh) > self._most:
            self._old, self._new = self._new, {}
        self._new |= fresh

    def sort(self, receipts: Iterable[Receipt]) -> tuple[list[Same], list[Receipt]]:
        """Receipts whose rows are known, grouped by what they say, and the others."""
        groups: dict[tuple[int, ReceiptKind, int], dict[int, Receipt]] = {}
        others: list[Receipt] = []
        new, old, retry = self._new, self._old, ReceiptKind.RETRY
        said: tuple[int, ReceiptKind, int] | None = None
        rows: dict[int, Receipt] = {}
        for receipt in receipts:
            _, message_id, kind, code, _, _ = receipt
            row = new.pop(message_id, None) or old.pop(message_id, None)
            if row is None or kind is retry:
                others.append(receipt)
                continue
            if said != (here := (row >> _SEQ_BITS, kind, code)):  # most say the same as the one before
                said, rows = here, groups.setdefault(here, {})
            rows[row & _SEQ_MASK] = receipt
        known: list[Same] = []
        for (campaign, kind, code), rows in groups.items():
            if len(rows) < LEAST_ROWS:
                others += rows.values()
            else:
                known.append(Same(campaign, RECEIPT_STATES[kind], code, rows))
        return known, others

    def _twice(self, ids: Iterable[str], fresh: dict[str, int]) -> None:
        """An id that was given before stands for more than one row: only the store knows them all."""
        seen: set[str] = set()
        for message_id in ids:
            if message_id in seen or message_id in self._new or message_id in self._old:
                for known in (fresh, self._new, self._old):
                    known.pop(message_id, None)
            seen.add(message_id)
