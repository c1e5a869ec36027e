"""The work queue as a model: what one campaign's rows may become under any order of the queue's statements.

After every step the rows in the database are compared with policy.states, the live counts with the rows, and what the
step returned with what the model says. Two nodes hold leases; both may be dead without knowing it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from gateway.model import CampaignState, ChannelName, DeliveryState, MessageClass, OutcomeKind
from gateway.policy.retry import RetryRules
from gateway.policy.states import DELIVERY, DeliveryEvent
from gateway.store import progress
from gateway.store.columns import OutcomeColumns
from gateway.store.deliveries import Leased
from gateway.store.pool import Connection
from tests.store import made

T = TypeVar("T")
D, E, K = DeliveryState, DeliveryEvent, OutcomeKind
ATTEMPTS = 3
RULES = RetryRules(attempts=ATTEMPTS)
LANES = {ChannelName.SMS: range(1, 7), ChannelName.VOICE: range(7, 11)}
COUNTERS = {
    D.SUBMITTING: "in_flight",
    D.SUBMITTED: "submitted",
    D.DELIVERED: "delivered",
    D.FAILED: "failed",
    D.CANCELLED: "cancelled",
    D.EXPIRED: "expired",
    D.UNKNOWN: "unknown",
}
BY_OUTCOME = {
    D.SUBMITTED: E.ACCEPTED,
    D.FAILED: E.REFUSED,
    D.RETRY_WAIT: E.TRY_LATER,
    D.EXPIRED: E.TOO_LATE,
    D.UNKNOWN: E.NO_ANSWER,
}
BY_RECEIPT = {
    D.DELIVERED: E.ARRIVED,
    D.FAILED: E.NOT_ARRIVED,
    D.EXPIRED: E.NETWORK_EXPIRED,
    D.RETRY_WAIT: E.CALL_AGAIN,
}


class Row(NamedTuple):
    """A delivery as the database has it; `state` says SUBMITTING also for marked rows of a range chunk."""

    channel: int
    state: DeliveryState
    stored: int
    attempt: int
    flags: int


@dataclass
class Holding:
    """What a node believes to hold."""

    node: int
    leased: Leased
    marked: int = 0
    gone: bool = False
    in_hand: dict[int, int] = field(default_factory=dict)  # seq -> number of the mark, made and not yet recorded
    told: list[OutcomeColumns] = field(default_factory=list)


@dataclass(frozen=True)
class MessageId:
    """An id that a peer gave: the row, the part and how many parts there are."""

    text: str
    seq: int
    part: int
    parts: int


class Ground(RuleBasedStateMachine):
    """One campaign of two channels in the database, looked at and compared after every step."""

    loop: asyncio.AbstractEventLoop
    connection: Connection
    entity_id: int

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, Row] = {}
        self.chunks: dict[int, Any] = {}
        self.holdings: list[Holding] = []
        self.known: dict[str, MessageId] = {}  # recorded by anybody, fenced or not
        self.early: list[tuple[MessageId, DeliveryState]] = []  # receipts that found nothing
        self.calls_ended: set[str] = set()
        self.arrived: dict[int, set[int]] = {}
        self.unknowns: dict[int, int] = {}
        self.marks = 0
        self.state = CampaignState.SENDING
        self.expired = False

    # the ground ---------------------------------------------------------------------------------------------------

    def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def once() -> T:
            return await work(self.connection)

        return self.loop.run_until_complete(once())

    def start(self, urgent: bool) -> None:
        self.urgent = urgent
        self.message_class = MessageClass.URGENT if urgent else MessageClass.NEWS

        async def make(connection: Connection) -> int:
            await connection.execute("UPDATE campaign SET state = 'closed'")
            await connection.execute("DELETE FROM receipt_orphan")
            number = await made.campaign(
                connection, self.entity_id, channels=list(LANES), message_class=self.message_class
            )
            for channel, seqs in LANES.items():
                await made.rows(connection, number, self.entity_id, channel, lo=seqs.start, hi=seqs.stop - 1, size=3)
            self.provider = await progress.provider_id(connection, "peer")
            self.numbers = {"peer": self.provider}
            return number

        self.campaign = self.run(make)
        self.settle({seq for seqs in LANES.values() for seq in seqs})

    def settle(self, may: set[int], events: set[DeliveryEvent] | None = None) -> None:
        """Look at the database and compare: only rows in `may` have changed, each by one of the events."""
        before, self.rows, self.chunks = self.rows, *self.run(self.look)
        for seq, row in self.rows.items():
            was = before.get(seq)
            if was is None:
                assert row.state is D.QUEUED
            elif row.state is not was.state:
                assert seq in may, f"{seq} changed from {was} to {row}"
                ends = {DELIVERY.get((was.state, event)) for event in events or ()}
                assert row.state in ends, f"{seq}: {was.state.name} -> {row.state.name} by {events}"
                self.unknowns[seq] = self.unknowns.get(seq, 0) + (row.state is D.UNKNOWN)
                assert was.state is not D.UNKNOWN or row.state is not D.SUBMITTING or self.may_resend(seq)

    def may_resend(self, seq: int) -> bool:
        return self.urgent and self.unknowns[seq] == 1 and self.rows[seq].flags & 1 == 1

    async def look(self, connection: Connection) -> tuple[dict[int, Row], dict[int, Any]]:
        chunks = {
            c["lo"]: c for c in await connection.fetch("SELECT * FROM chunk WHERE campaign_id = $1", self.campaign)
        }
        found = await connection.fetch(
            "SELECT seq, channel, state, attempt, flags, EXISTS (SELECT FROM retry r WHERE r.campaign_id = $1 "
            "AND r.seq = d.seq) AS retry FROM delivery d WHERE campaign_id = $1 ORDER BY seq",
            self.campaign,
        )
        rows = {r["seq"]: self.row_of(r, chunks) for r in found}
        for r in found:
            self.check_place(r["seq"], rows[r["seq"]], r["retry"], chunks)
        self.check_counts(rows, await progress.counts(connection, [self.campaign]))
        return rows, chunks

    def row_of(self, r: Any, chunks: dict[int, Any]) -> Row:
        state = D(r["state"])
        if state is D.QUEUED:
            (own,) = [c for c in chunks.values() if c["lo"] > 0 and c["lo"] <= r["seq"] <= c["hi"]]
            state = D.SUBMITTING if r["seq"] <= own["marked_to"] else D.QUEUED
        return Row(r["channel"], state, r["state"], r["attempt"], r["flags"])

    def check_place(self, seq: int, row: Row, retry: bool, chunks: dict[int, Any]) -> None:
        """A row that waits or is in flight is in exactly one place, where somebody will find it again."""
        listing = [c["state"] for c in chunks.values() if c["seqs"] is not None and seq in c["seqs"]]
        waiting = [s for s in listing if s != 2]
        if row.state is D.RETRY_WAIT:
            assert retry + len(waiting) == 1, f"{seq} waits in {retry} retries and in chunks {waiting}"
        elif row.state is D.UNKNOWN:
            assert retry + len(waiting) <= (self.urgent or self.state is CampaignState.CLOSING), f"{seq} is unknown"
        elif row.stored == D.SUBMITTING:
            assert not retry and len(waiting) == 1 and waiting[0] != 0, f"{seq} in flight, chunks {waiting}"
        elif row.state is D.SUBMITTING:
            (own,) = [c for c in chunks.values() if c["lo"] > 0 and c["lo"] <= seq <= c["hi"]]
            assert own["state"] in (1, 8, 9), f"{seq} is in flight in a chunk of state {own['state']}"
        else:
            assert not retry, f"{seq} is {row.state.name} and has a retry"

    def check_counts(self, rows: dict[int, Row], counted: Any) -> None:
        for code, (channel, seqs) in enumerate(LANES.items(), 1):
            count = counted[self.campaign][channel]
            mine = [row.state for row in rows.values() if row.channel == code]
            assert count["planned"] == len(mine) == len(seqs)
            expected = {name: mine.count(state) for state, name in COUNTERS.items()}
            expected |= {"queued": mine.count(D.QUEUED) + mine.count(D.RETRY_WAIT)}
            unsettled = [r for r in rows.values() if r.channel == code and r.state is D.SUBMITTED and not r.flags & 4]
            assert {name: count[name] for name in expected} == expected
            assert count["awaiting"] == len(unsettled)

    def mine(self, holding: Holding) -> bool:
        """Whether the database still knows this lease."""
        chunk = self.chunks[holding.leased.lease.lo]
        return chunk["epoch"] == holding.leased.lease.epoch and chunk["state"] in (1, 8, 9)
