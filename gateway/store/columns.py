"""What is written in one statement, as columns, and what a statement says it changed.

Knows: the shape of batches. Never knows: SQL, why a row gets its state.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.model import ChannelName, DeliveryState

_OF_ROWS = ("seq", "lo", "due", "state", "flag", "code", "detail", "tries")
_OF_IDS = ("ids_provider", "ids_mask", "ids_seq", "ids_parts", "ids_text")


@dataclass(slots=True, kw_only=True)
class OutcomeColumns:
    """Outcomes of one campaign and channel as columns; `ids_*` has one row per message id. Of `belated` ones, whose
    rows are unknown, `tries` says how many tries were made with the one that is answered."""

    campaign: int
    channel: ChannelName
    chunks: dict[tuple[int, int], bool] = field(default_factory=dict)  # (lo, epoch) -> all its rows have an outcome
    seq: list[int] = field(default_factory=list)
    lo: list[int] = field(default_factory=list)
    due: list[datetime | None] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    flag: list[int] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    detail: list[str | None] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    ids_provider: list[str] = field(default_factory=list)  # by name
    ids_mask: list[int] = field(default_factory=list)
    ids_seq: list[int] = field(default_factory=list)
    ids_parts: list[int] = field(default_factory=list)
    ids_text: list[str] = field(default_factory=list)
    belated: bool = False
    replaced: set[int] = field(default_factory=set)  # seqs that took the place of an earlier message with the same id

    def halves(self) -> "tuple[OutcomeColumns, OutcomeColumns]":
        """Two batches of half the rows; neither says of a chunk that it is done."""
        middle = len(self.seq) // 2
        first = set(self.seq[:middle])
        cut = next((n for n, seq in enumerate(self.ids_seq) if seq not in first), len(self.ids_seq))
        return self._part(slice(middle), slice(cut)), self._part(slice(middle, None), slice(cut, None))

    def taken_out_of(self, chunks: Collection[int]) -> "OutcomeColumns":
        """Rows of these chunks that a peer took, as belated ones; their message ids are kept already."""
        rows = [n for n, lo in enumerate(self.lo) if lo in chunks and self.state[n] == DeliveryState.SUBMITTED]
        taken = OutcomeColumns(campaign=self.campaign, channel=self.channel, belated=True, tries=[0] * len(rows))
        for name in _OF_ROWS:
            if name != "tries":
                setattr(taken, name, [getattr(self, name)[n] for n in rows])
        return taken

    def _part(self, rows: slice, ids: slice) -> "OutcomeColumns":
        chunks = dict.fromkeys(self.chunks, False)
        cut = {name: getattr(self, name)[rows] for name in _OF_ROWS}
        cut |= {name: getattr(self, name)[ids] for name in _OF_IDS}
        replaced = self.replaced.intersection(cut["seq"])
        return OutcomeColumns(
            campaign=self.campaign, channel=self.channel, belated=self.belated, chunks=chunks, replaced=replaced, **cut
        )


@dataclass(slots=True, kw_only=True)
class AcceptedColumns:
    """First tries of a campaign and channel that one provider took with the same words: a message id each, or none."""

    campaign: int
    channel: ChannelName
    provider: str
    code: int
    detail: str
    settled: bool
    chunks: dict[tuple[int, int], bool] = field(default_factory=dict)  # (lo, epoch) -> all its rows have an outcome
    seq: list[int] = field(default_factory=list)
    lo: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def one_by_one(self) -> OutcomeColumns:
        """The same for `record_outcomes`, which decides by row."""
        many, named = len(self.seq), len(self.ids)
        return OutcomeColumns(
            campaign=self.campaign, channel=self.channel, chunks=self.chunks, seq=self.seq, lo=self.lo,
            due=[None] * many, state=[DeliveryState.SUBMITTED] * many, flag=[4 if self.settled else 0] * many,
            code=[self.code] * many, detail=[self.detail or None] * many, ids_provider=[self.provider] * named,
            ids_mask=[1] * named, ids_seq=self.seq[:named], ids_parts=[1] * named, ids_text=self.ids,
        )  # fmt: skip


class Recorded(NamedTuple):
    """How many rows an outcome batch changed, by what became of them."""

    total: int
    submitted: int
    failed: int
    cancelled: int
    expired: int
    unknown: int
    retry_wait: int


RECEIVED_AS = ("delivered", "failed", "expired", "retried")
RECEIVED_BY_STATE = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.EXPIRED: "expired",
}


class Received(NamedTuple):
    """What a batch of receipts changed in one channel, with some ages (seconds from submission to receipt)."""

    channel: ChannelName
    counts: dict[str, int]
    ages_s: list[float]
