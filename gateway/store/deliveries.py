"""The work queue: chunks leased, marked, recorded, recovered; retries made due; what was stopped swept.

Knows: the tables delivery, chunk, retry, msgref, progress. Every call is one batched statement, and each may be
repeated after a lost COMMIT reply: rows that already moved do not move again. Never knows: peers, pacing, why.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.model import ChannelName, DeliveryState, Lease, ReceiptKind, Transport
from gateway.store.columns import RECEIVED_AS, RECEIVED_BY_STATE, AcceptedColumns, OutcomeColumns, Received, Recorded
from gateway.store.pool import Connection
from gateway.store.registry import CHANNEL_CODES, CHANNELS
from gateway.store.sql import Queries

_SQL = Queries.load("dispatch")
_SEPARATOR = "\x1f"
LONGEST_CALL_S = 86_400
# count rows of a channel: who writes beside others has one of its own, so that none waits for another's commit
PLANNER_SHARD, OUTCOME_SHARD, LANE_SHARD, RECEIPT_SHARD = SHARDS = range(4)
TRANSPORT_CODES = {Transport.SIMULATED: 0, Transport.LIVE: 1}
TRANSPORTS = {code: name for name, code in TRANSPORT_CODES.items()}
RECEIPT_STATES = {
    ReceiptKind.DELIVERED: DeliveryState.DELIVERED,
    ReceiptKind.FAILED: DeliveryState.FAILED,
    ReceiptKind.EXPIRED: DeliveryState.EXPIRED,
    ReceiptKind.RETRY: DeliveryState.RETRY_WAIT,
}
KINDS_BY_STATE = {state: kind for kind, state in RECEIPT_STATES.items()}


class Open(NamedTuple):
    """A campaign with ready chunks in one lane."""

    campaign: int
    priority: int
    channel: ChannelName
    transport: Transport
    entity_id: int


class Leased(NamedTuple):
    """A lease and its rows, in order."""

    lease: Lease
    listed: bool
    seqs: list[int]
    keys: list[int]
    addresses: list[str]


class LeaseKey(NamedTuple):
    """What identifies a lease in the store."""

    campaign: int
    lo: int
    epoch: int


async def lanes_open(connection: Connection) -> list[Open]:
    """Campaigns that may send now, per lane, the most urgent first."""
    rows = await connection.fetch(_SQL["lanes_open"])
    return [
        Open(r["id"], r["priority"], CHANNELS[r["channel"]], TRANSPORTS[r["transport"]], r["entity_id"]) for r in rows
    ]


async def still_sending(connection: Connection, campaigns: Sequence[int]) -> set[int]:
    """Of these campaigns, those whose deliveries may leave now."""
    return {r["id"] for r in await connection.fetch(_SQL["still_sending"], list(campaigns))}


async def lease_chunks(
    connection: Connection,
    *,
    campaign: int,
    channel: ChannelName,
    transport: Transport,
    node: int,
    limit: int,
    lease_s: float,
) -> list[Leased]:
    """Take up to `limit` ready chunks of one campaign and lane."""
    lane = campaign, CHANNEL_CODES[channel], TRANSPORT_CODES[transport]
    rows = await connection.fetch(_SQL["lease_chunks"], *lane, node, limit, timedelta(seconds=lease_s))
    return [_leased(row, campaign, channel, transport) for row in rows]


def _leased(row: Any, campaign: int, channel: ChannelName, transport: Transport) -> Leased:
    seqs = row["seqs"] or []
    lease = Lease(
        campaign=campaign,
        channel=channel,
        transport=transport,
        lo=row["lo"],
        epoch=row["epoch"],
        remaining=len(seqs),
        exercise_group=row["exercise_group"],
        attempts=dict(zip(seqs, row["attempts"], strict=True)) if row["attempts"] else {},
        resent=frozenset(s for s, f in zip(seqs, row["flags"], strict=True) if f & 1) if row["flags"] else frozenset(),
    )
    return Leased(lease, row["listed"], seqs, row["keys"] or [], row["addresses"] or [])


async def mark_range(connection: Connection, lease: Lease, to: int, rows: int, *, lease_s: float) -> bool:
    """Make it durable that rows up to `to` may have left; False: withdrawn, paused, expired or no longer ours."""
    marked: int = await connection.fetchval(
        _SQL["mark_range"],
        lease.campaign,
        lease.lo,
        lease.epoch,
        to,
        rows,
        CHANNEL_CODES[lease.channel],
        LANE_SHARD,
        timedelta(seconds=lease_s),
    )
    return marked == 1


async def mark_listed(connection: Connection, lease: Lease, seqs: Sequence[int], *, lease_s: float) -> set[int]:
    """Mark rows of a retry chunk; returns those that may leave (others were answered meanwhile)."""
    marked: list[int] | None = await connection.fetchval(
        _SQL["mark_listed"],
        lease.campaign,
        lease.lo,
        lease.epoch,
        list(seqs),
        LANE_SHARD,
        timedelta(seconds=lease_s),
    )
    return set(marked or ())


async def keep_leases(connection: Connection, leases: Sequence[Lease], *, lease_s: float) -> dict[LeaseKey, bool]:
    """Prolong; returns the leases that are still ours, True when their chunk was withdrawn meanwhile."""
    rows = await connection.fetch(
        _SQL["keep_leases"],
        [k.campaign for k in leases],
        [k.lo for k in leases],
        [k.epoch for k in leases],
        timedelta(seconds=lease_s),
    )
    return {LeaseKey(r["campaign_id"], r["lo"], r["epoch"]): r["state"] != 1 for r in rows}


async def give_back(connection: Connection, lease: Lease) -> bool:
    """Return a chunk whose marked rows are all recorded; False: one is not, or it is not ours."""
    return bool(await connection.fetch(_SQL["give_back"], lease.campaign, lease.lo, lease.epoch))


async def record_outcomes(connection: Connection, batch: OutcomeColumns, providers: Mapping[str, int]) -> Recorded:
    """Write what the peers answered, for one campaign and channel; `providers` are the numbers by name."""
    keys = list(batch.chunks)
    row = await connection.fetchrow(
        _SQL["record_outcomes"],
        batch.campaign,
        CHANNEL_CODES[batch.channel],
        OUTCOME_SHARD,
        [lo for lo, _ in keys],
        [epoch for _, epoch in keys],
        [batch.chunks[key] for key in keys],
        batch.seq,
        batch.lo,
        batch.due,
        batch.state,
        batch.flag,
        [_int4(code) for code in batch.code],
        [_storable(detail) if detail else None for detail in batch.detail],
        *_ids(batch, providers),
    )
    assert row is not None
    return Recorded(*row.values())


async def record_belated(connection: Connection, batch: OutcomeColumns, providers: Mapping[str, int]) -> Recorded:
    """Write what the peers answered after their rows were recorded as unknown, whoever has those in hand by now."""
    row = await connection.fetchrow(
        _SQL["record_belated"],
        batch.campaign,
        CHANNEL_CODES[batch.channel],
        OUTCOME_SHARD,
        batch.seq,
        batch.due,
        batch.state,
        batch.flag,
        [_int4(code) for code in batch.code],
        [_storable(detail) if detail else None for detail in batch.detail],
        batch.tries,
        *_ids(batch, providers),
    )
    assert row is not None
    return Recorded(*row.values())


def _ids(batch: OutcomeColumns, providers: Mapping[str, int]) -> tuple[list[Any], ...]:
    """The message ids of a batch, as the statements that keep them want them."""
    numbers, texts = [providers[name] for name in batch.ids_provider], [_storable(text) for text in batch.ids_text]
    return numbers, batch.ids_mask, batch.ids_seq, batch.ids_parts, texts


async def chunks_lost(connection: Connection, batch: OutcomeColumns) -> set[int]:
    """Which chunks of a batch somebody else has taken over."""
    los, epochs = ([key[n] for key in batch.chunks] for n in (0, 1))
    rows = await connection.fetch(_SQL["chunks_lost"], batch.campaign, los, epochs)
    return {row["lo"] for row in rows}


async def end_replaced(connection: Connection, batch: OutcomeColumns, providers: Mapping[str, int]) -> int:
    """Give an end to the messages whose place those of the batch took; how many there were. Beside `record_outcomes`,
    in its transaction."""
    taken = [n for n, seq in enumerate(batch.ids_seq) if seq in batch.replaced]
    ended: int = await connection.fetchval(
        _SQL["end_replaced"],
        batch.campaign,
        [providers[batch.ids_provider[n]] for n in taken],
        [_storable(batch.ids_text[n]) for n in taken],
        OUTCOME_SHARD,
    )
    return ended


async def record_accepted(connection: Connection, batch: AcceptedColumns, provider: int) -> Recorded | None:
    """Write what one provider took; None: not every chunk is this holder's any more, and nothing was written. An id
    with the separator in it is for `record_outcomes`."""
    if any(_SEPARATOR in message_id for message_id in batch.ids):
        return None
    keys = list(batch.chunks)
    row = await connection.fetchrow(
        _SQL["record_accepted"],
        batch.campaign,
        CHANNEL_CODES[batch.channel],
        OUTCOME_SHARD,
        [lo for lo, _ in keys],
        [epoch for _, epoch in keys],
        [batch.chunks[key] for key in keys],
        _int_array(batch.seq),
        4 if batch.settled else 0,
        _int4(batch.code),
        _storable(batch.detail) or None,
        provider,
        _SEPARATOR.join(map(_storable, batch.ids)),
    )
    assert row is not None
    total = row["total"]
    return Recorded(total, total, 0, 0, 0, 0, 0) if row["ours"] else None


async def record_arrived(
    connection: Connection, campaign: int, state: DeliveryState, code: int, seqs: Sequence[int]
) -> tuple[Received, list[int]]:
    """Settle SMS of one part by their rows; returns what changed, and the rows that need `record_receipts`."""
    row = await connection.fetchrow(
        _SQL["record_arrived"], campaign, _int_array(seqs), state, _int4(code), RECEIPT_SHARD
    )
    assert row is not None
    counts = dict.fromkeys(RECEIVED_AS, 0) | {RECEIVED_BY_STATE[state]: row["total"]}
    ages_s = row["ages_s"] if state is DeliveryState.DELIVERED else []
    return Received(ChannelName.SMS, counts, ages_s), row["left_over"] or []


def _int_array(numbers: Sequence[int]) -> str:
    """As PostgreSQL writes it."""
    return f"{{{','.join(map(str, numbers))}}}"


def _int4(code: int) -> int:
    """A peer's number as the column can hold it: SMPP's are unsigned, a provider's JSON has any size."""
    return max(-0x8000_0000, min(code, 0x7FFF_FFFF))


def _storable(text: str) -> str:
    """A peer's word without what PostgreSQL refuses: NUL and halves of surrogate pairs."""
    return text if text.isprintable() else text.replace("\0", "").encode(errors="replace").decode()


async def note_submit(connection: Connection, campaign: int) -> float | None:
    """Remember when a campaign's first and last submission were recorded; its seconds from acceptance if first."""
    first_after_s: float | None = await connection.fetchval(_SQL["note_submit"], campaign)
    return first_after_s


async def record_receipts(
    connection: Connection,
    provider: int,
    ids: Sequence[str],
    states: Sequence[int],
    codes: Sequence[int],
    due: Sequence[datetime | None],
    *,
    max_attempts: int,
    details: Sequence[str] | None = None,
    heard: Sequence[bool] | None = None,
    keep_orphans: bool = True,
) -> list[Received]:
    """Match receipts of one provider; those without a submission are kept for later. `heard`: of a call, whether
    somebody may have heard some of it; when that is not known, they may."""
    rows = await connection.fetch(
        _SQL["record_receipts"],
        provider,
        [_storable(text) for text in ids],
        list(states),
        [_int4(code) for code in codes],
        list(due),
        RECEIPT_SHARD,
        keep_orphans,
        max_attempts,
        [None] * len(ids) if details is None else [_storable(detail) if detail else None for detail in details],
        [True] * len(ids) if heard is None else list(heard),
    )
    return [Received(CHANNELS[r["channel"]], {k: r[k] for k in RECEIVED_AS}, r["ages_s"] or []) for r in rows]


async def put_lengths(connection: Connection, provider: int, lengths: Sequence[tuple[str, float]]) -> None:
    """Keep how many seconds calls of a provider (by its ids) were answered; what is known already stays."""
    seconds = [min(math.ceil(length), LONGEST_CALL_S) for _, length in lengths]
    await connection.execute(_SQL["put_lengths"], provider, [_storable(call) for call, _ in lengths], seconds)


async def take_orphans(connection: Connection) -> list[Any]:
    """Receipts whose submission has been recorded since."""
    return list(await connection.fetch(_SQL["take_orphans"]))


async def forget_orphans(connection: Connection, keep_s: float) -> int:
    """Drop receipts that found no submission in this time; returns how many."""
    gone: str = await connection.execute(_SQL["forget_orphans"], timedelta(seconds=keep_s))
    return int(gone.rpartition(" ")[2])


async def forget_lengths(connection: Connection, keep_s: float) -> None:
    """Drop how long calls of long ago were."""
    await connection.execute(_SQL["forget_lengths"], timedelta(seconds=keep_s))


async def forget_deliveries(connection: Connection, keep_s: float) -> int | None:
    """Drop the oldest partition whose campaigns have all been closed for so long; its first campaign, None: none is."""
    first: int | None = await connection.fetchval(_SQL["forget_deliveries"], timedelta(seconds=keep_s))
    return first


async def expired_leases(connection: Connection, node: int, *, own: bool) -> list[tuple[int, int, bool]]:
    """(campaign, lo, urgent) of chunks whose holder is gone; with `own`, also all that this node held before."""
    rows = await connection.fetch(_SQL["expired_leases"], node, own)
    return [(r["campaign_id"], r["lo"], r["urgent"]) for r in rows]


async def recover_chunk(
    connection: Connection, campaign: int, lo: int, *, node: int, own: bool, urgent: bool, grace_s: float
) -> tuple[ChannelName, int] | None:
    """Take one chunk from a dead holder; returns its channel and how many rows are unknown now."""
    row = await connection.fetchrow(
        _SQL["recover_chunk"], campaign, lo, node, own, urgent, timedelta(seconds=grace_s), PLANNER_SHARD
    )
    return None if row is None else (CHANNELS[row["channel"]], row["unknown"])


async def due_retries(connection: Connection, limit: int) -> int:
    """Make up to `limit` due deliveries into new chunks; returns how many chunks."""
    return len(await connection.fetch(_SQL["due_retries"], limit))


async def hasten_retries(connection: Connection, longest_s: float) -> None:
    """What waits longer than any rule lets it is due: the clock that it was put down by was ahead."""
    await connection.execute(_SQL["hasten_retries"], timedelta(seconds=longest_s))


async def withdraw_chunks(connection: Connection, campaign: int, *, expired: bool) -> int:
    """Nothing more of this campaign can be marked from this commit on."""
    return len(await connection.fetch(_SQL["withdraw_chunks"], campaign, 8 if expired else 9))


async def sweep(connection: Connection, campaign: int, *, expired: bool) -> int:
    """Give an end to what was withdrawn; returns the number of rows changed (0: nothing left to sweep now)."""
    # retries that were made into chunks while the campaign was being stopped were not seen by that withdrawal
    await withdraw_chunks(connection, campaign, expired=expired)
    row = await connection.fetchrow(_SQL["sweep_chunk"], campaign, PLANNER_SHARD, 50)
    assert row is not None
    end = DeliveryState.EXPIRED if expired else DeliveryState.CANCELLED
    retries: int = await connection.fetchval(_SQL["sweep_retries"], campaign, int(end), PLANNER_SHARD)
    lost: int = await connection.fetchval(_SQL["sweep_lost"], campaign, PLANNER_SHARD)
    return int(row["rows"]) + retries + lost


async def open_gate(connection: Connection, name: str, period_s: float) -> None:
    """Make the row that gives out start slots over all nodes."""
    await connection.execute(_SQL["open_gate"], name, timedelta(seconds=period_s))


async def reserve_starts(connection: Connection, name: str, slots: int, late_s: float = 0.0) -> tuple[float, float]:
    """Reserve the next slots, of the past `late_s` too: (seconds until the first, seconds between two)."""
    row = await connection.fetchrow(_SQL["reserve_starts"], name, slots, timedelta(seconds=late_s))
    assert row is not None
    return row["wait_s"], row["period_s"]
