"""The fan-out of a campaign into deliveries: whom a slice reaches, its rows, and how far the campaign is planned.

Knows: deliveries, chunks, the planner's cursor. Never knows: the order of a fan-out, texts, channels' protocols.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from gateway.cap.cells import Cell
from gateway.cap.cover import as_columns
from gateway.model import ChannelName, MessageClass
from gateway.store.pool import Connection
from gateway.store.registry import CHANNEL_CODES, OPT_OUT_BITS
from gateway.store.sql import Queries

_SQL = Queries.load("fan_out")


class Told(NamedTuple):
    """Those whom rows lo..hi of an earlier campaign reached, or may have."""

    campaign: int
    lo: int
    hi: int


class Slice(NamedTuple):
    """Whom one slice of a fan-out reaches: citizens in cells, own contacts by number, or those told before."""

    cells: Sequence[Cell] = ()
    people: Sequence[int] = ()
    told: Told | None = None


class Found(NamedTuple):
    """Whom a slice reaches, one message each, in the order of their rows: columns as PostgreSQL writes arrays, which
    nobody else reads. A slot is a channel and a language of the campaign's texts."""

    told: bool
    sms: int
    voice: int
    email: int
    people: str
    slots: str
    addresses: str

    @property
    def by_channel(self) -> tuple[int, int, int]:
        """Messages of each channel, in the order of CHANNEL_CODES."""
        return self.sms, self.voice, self.email

    @property
    def messages(self) -> int:
        """All of them."""
        return sum(self.by_channel)


class NewRows(NamedTuple):
    """The rows lo..hi of one channel that a slice added."""

    channel: ChannelName
    lo: int
    hi: int


class PlanReached(NamedTuple):
    """Steps of a plan that are done, the number of the next row, and of the group at the cursor the last contact who is
    planned."""

    cursor: int
    next_seq: int
    group: int = 0
    after: int = 0


Texts = Sequence[tuple[str, ChannelName, int]]
"""The texts of a campaign: (language, channel, key), the entity's preferred language first."""


async def find(
    connection: Connection,
    *,
    entity_id: int,
    transport: int,
    message_class: MessageClass,
    channels: Sequence[ChannelName],
    texts: Texts,
    whom: Slice,
) -> Found:
    """Whom a slice reaches by `channels`, each endpoint once; nothing is written."""
    told = whom.told or Told(0, 0, -1)
    texted = _texted(texts)
    row: Any = await connection.fetchrow(
        _SQL["fan_out_find"],
        entity_id,
        transport,
        OPT_OUT_BITS[message_class],
        [CHANNEL_CODES[c] for c in channels if CHANNEL_CODES[c] in texted],
        texted,
        _languages(texts),
        told.campaign,
        list(whom.people),
        *as_columns(whom.cells),
        told.lo,
        told.hi,
    )
    return Found(whom.told is not None, *row)


async def write(
    connection: Connection,
    *,
    campaign: int,
    first_seq: int,
    entity_id: int,
    transport: int,
    texts: Texts,
    found: Found,
) -> list[NewRows]:
    """Write the deliveries of one slice: one per channel and endpoint that this campaign does not have yet. Returns
    what was added, by channel."""
    left_out: Any = await connection.fetchrow(
        _SQL["fan_out_write"],
        campaign,
        first_seq,
        entity_id,
        transport,
        found.people,
        found.slots,
        found.addresses,
        *_slots(texts),
        found.told,
    )
    added = [messages - without for messages, without in zip(found.by_channel, left_out, strict=True)]
    ends = list(accumulate(added, initial=first_seq))
    return [
        NewRows(channel, lo, to - 1) for channel, (lo, to) in zip(CHANNEL_CODES, pairwise(ends), strict=True) if lo < to
    ]


def _texted(texts: Texts) -> list[int]:
    """The channels that have texts."""
    return sorted({CHANNEL_CODES[channel] for _, channel, _ in texts})


def _languages(texts: Texts) -> list[str]:
    return list(dict.fromkeys(language for language, _, _ in texts))


def _slots(texts: Texts) -> tuple[list[int], list[int]]:
    """The channel and the text of each slot; where a channel has no text in a language, its first."""
    own = {(CHANNEL_CODES[channel], language): key for language, channel, key in reversed(texts)}
    usual = {CHANNEL_CODES[channel]: key for _, channel, key in reversed(texts)}
    slots = [(channel, language) for channel in _texted(texts) for language in _languages(texts)]
    return [channel for channel, _ in slots], [own.get(slot, usual[slot[0]]) for slot in slots]


async def insert_chunks(
    connection: Connection,
    *,
    campaign: int,
    entity_id: int,
    rows: NewRows,
    transport: int,
    exercise_group: bool,
    size: int,
) -> None:
    """Cut new rows into chunks of `size` and count them as planned and queued."""
    code = CHANNEL_CODES[rows.channel]
    await connection.execute(
        _SQL["insert_chunks"], campaign, rows.lo, rows.hi, entity_id, code, transport, exercise_group, size
    )


async def analyze_campaign(connection: Connection, campaign: int) -> None:
    """Statistics for the campaign's fresh partition, inside its first slice's transaction."""
    await connection.execute(_SQL["analyze_campaign"], campaign)


async def campaign_to_plan(connection: Connection, left_out: Sequence[int] = (), *, least: int = 32_767) -> Any:
    """The most urgent campaign whose fan-out is not complete, locked until this transaction ends, or None; none of
    `left_out`, none less urgent than the priority `least`."""
    return await connection.fetchrow(_SQL["campaign_to_plan"], list(left_out), least)


async def plan_reached(connection: Connection, campaign: int) -> PlanReached:
    """How far a locked campaign is planned."""
    row: Any = await connection.fetchrow(_SQL["plan_reached"], campaign)
    return PlanReached(*row)


async def slice_done(
    connection: Connection, campaign: int, *, before: int, reached: PlanReached, planned: bool
) -> bool:
    """Move the cursor together with the slice; False: it was overtaken, nothing of the slice may stay."""
    done = reached.cursor, reached.next_seq, planned, reached.group, reached.after
    return await connection.fetchval(_SQL["slice_done"], campaign, before, *done) is not None


async def texts_to_send(connection: Connection, campaign: int) -> list[Any]:
    """The texts of one campaign and what goes along with them, as rows."""
    return list(await connection.fetch(_SQL["texts_of_campaign"], campaign))


async def campaign_for_texts(connection: Connection, campaign: int) -> Any:
    """What a channel has to know of a campaign beside its texts."""
    return await connection.fetchrow(_SQL["campaign_for_texts"], campaign)
