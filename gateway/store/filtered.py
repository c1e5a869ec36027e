"""Who is in a group that a filter fills, found by the part of the filter that the fewest contacts fit.

Knows: which index answers which part of a filter. Never knows: who may see whom (`within` says it), what makes a
contact fit: the view filtered_people decides that, of whomever an index names.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.cap.cover import cover
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("filtered")
FIRST, MOST = 1_000, 64_000
"""Contacts looked at in the first step of a page, and in any: each step takes twice as many as the one before."""
FEW = 20_000
"""Contacts that one part of a filter may leave for all of them to be asked for: they are met with those of others."""
COUNTED = 5_000
"""Contacts looked at for a count in passing."""
_CELLS, _MARGIN, _WIDEST = 64, 1e-6, 179.0
Within = Sequence[int] | None


async def page(connection: Connection, entity_id: int, within: Within, group: int, after: int, limit: int) -> list[Any]:
    """Members after contact `after`, by number."""
    asked = await connection.fetchrow(_SQL["filter_asked"], entity_id, group)
    return await _members(
        lambda ids, wanted: connection.fetch(_SQL["filter_members"], entity_id, within, group, ids, wanted),
        connection, entity_id, asked, after, limit,
    )  # fmt: skip


async def numbers(connection: Connection, entity_id: int, group: int, after: int, limit: int) -> list[int] | None:
    """The same, their numbers only. None: no filter fills this group."""
    asked = await connection.fetchrow(_SQL["filter_asked"], entity_id, group)
    if asked is None:
        return None
    found = await _members(
        lambda ids, wanted: connection.fetch(_SQL["filter_numbers"], entity_id, group, ids, wanted),
        connection, entity_id, asked, after, limit,
    )  # fmt: skip
    return [row["contact_id"] for row in found]


async def _members(
    fit: Callable[[Sequence[int], int], Awaitable[list[Any]]],
    connection: Connection,
    entity_id: int,
    asked: Any,
    after: int,
    limit: int,
) -> list[Any]:
    """The first `limit` after contact `after` of those whom `fit` leaves of contacts: so many, by number."""
    some, step = await _first(connection, entity_id, asked, after), FIRST
    found = await fit(some.ids, limit)
    if len(found) == limit or not some.more:
        return found
    known = await _known(connection, entity_id, asked, some.ids[-1])
    left = None if known.more else known.ids
    while len(found) < limit and some.more:
        step = min(2 * step, MOST)
        if left is None:
            some = await _next(connection, entity_id, asked, some.ids[-1], step)
        else:
            some, left = _Some(left[:step], more=len(left) > step), left[step:]
        found += await fit(some.ids, limit - len(found))
    return found


async def count(connection: Connection, entity_id: int, group: int) -> tuple[Any, bool]:
    """How many members there are, all and by channel. False: so many were found among the first who were looked at."""
    asked = await connection.fetchrow(_SQL["filter_asked"], entity_id, group)
    known = await _known(connection, entity_id, asked, 0)
    exact = not known.more and len(known.ids) <= COUNTED
    return await connection.fetchrow(_SQL["filter_count"], entity_id, group, known.ids[:COUNTED]), exact


async def count_all(connection: Connection, entity_id: int, group: int) -> Any:
    """How many members there are, exactly, however long that takes."""
    return await connection.fetchrow(_SQL["filter_count_all"], entity_id, group)


class _Some(NamedTuple):
    """Contacts among whom every member is, up to the last of them; `more`: there are others."""

    ids: list[int]
    more: bool


async def _first(connection: Connection, entity_id: int, asked: Any, after: int) -> _Some:
    near = await _near(connection, entity_id, asked["rings"], after, FIRST) if asked["rings"] else None
    if near is not None and len(near) < FIRST:
        return _Some(sorted(set(near)), more=False)
    return await _next(connection, entity_id, asked, after, FIRST)


async def _next(connection: Connection, entity_id: int, asked: Any, after: int, step: int) -> _Some:
    """Of the part of the filter that leaves the fewest contacts, or else of the one whose first `step` reach the
    farthest."""
    parts = await _all_parts(connection, entity_id, asked, after, step)
    whole = [part for part in parts if len(part) < step]
    return _Some(min(whole, key=len), more=False) if whole else _Some(max(parts, key=_last), more=True)


async def _known(connection: Connection, entity_id: int, asked: Any, after: int) -> _Some:
    """Whom all parts of the filter leave that leave few, by number; when none does, with more of them, some of whom one
    part leaves."""
    parts = await _all_parts(connection, entity_id, asked, after, FEW)
    few = [part for part in parts if len(part) < FEW]
    some = max(parts, key=_last, default=[])
    if asked["rings"] and min(map(len, few), default=FEW) > FIRST:
        near = await _near(connection, entity_id, asked["rings"], after, FEW)
        few += [] if near is None or len(near) == FEW else [near]
        some = near or some
    return _Some(sorted(set(few[0]).intersection(*few[1:])), more=False) if few else _Some(some, more=True)


async def _all_parts(connection: Connection, entity_id: int, asked: Any, after: int, step: int) -> list[list[int]]:
    """Of each part of a filter the first `step` contacts after `after`, by number; of no part those of the entity."""
    parts = [await connection.fetchval(_SQL[name], entity_id, value, after, step) for name, value in _parts(asked)]
    return parts or [await connection.fetchval(_SQL["filter_by_nothing"], entity_id, after, step)]


def _last(ids: Sequence[int]) -> int:
    return ids[-1] if ids else 0


def _parts(asked: Any) -> list[tuple[str, Any]]:
    """The statement for each part of a filter that an index answers in order, with its value."""
    parts = [(f"filter_by_{name}", asked[name]) for name in ("languages", "postcodes", "municipalities") if asked[name]]
    parts += [("filter_by_tag", tag) for tag in asked["tags"]]
    return parts + ([("filter_by_partnership", asked["partnership_id"])] if asked["partnership_id"] else [])


async def _near(connection: Connection, entity_id: int, rings: Any, after: int, most: int) -> list[int] | None:
    """Contacts in and around the outlines, in no order; of more than `most` not all. None: half the world."""
    boxes = [_around(ring) for ring in rings]
    if None in boxes:
        return None
    cells = [cell for box in boxes if box is not None for cell in cover(box, budget=_CELLS)]
    found: list[int] = await connection.fetchval(
        _SQL["filter_by_places"], entity_id, [cell.lo for cell in cells], [cell.hi for cell in cells], after, most
    )
    return found


def _around(ring: Sequence[Sequence[float]]) -> Ring | None:
    """A box around an outline; None when it would be half the world."""
    lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
    west, east = max(-180.0, min(lons) - _MARGIN), min(180.0, max(lons) + _MARGIN)
    south, north = max(-90.0, min(lats) - _MARGIN), min(90.0, max(lats) + _MARGIN)
    if east - west > _WIDEST:
        return None
    return Ring(((west, south), (east, south), (east, north), (west, north), (west, south)))
