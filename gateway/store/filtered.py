"""Who is in a group that a filter fills, found by the part of the filter that the fewest contacts fit.

Knows: which index answers which part of a filter. Never knows: who may see whom (`within` says it), what makes a
contact fit: the view filtered_people decides that, of whomever an index names.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.cap.area import Ring
from gateway.cap.cover import cover
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("filtered")
FIRST, MOST = 1_000, 64_000
"""Contacts looked at in the first step of a page, and in any: each step takes twice as many as the one before."""
FEW = 20_000
"""Members are counted one by one among so many; of more the whole entity is counted through."""
_CELLS, _MARGIN, _WIDEST = 64, 1e-6, 179.0
Within = Sequence[int] | None


async def page(connection: Connection, entity_id: int, within: Within, group: int, after: int, limit: int) -> list[Any]:
    """Members after contact `after`, by number."""
    asked = await connection.fetchrow(_SQL["filter_asked"], entity_id, group)
    some, step = await _first(connection, entity_id, asked, after, FIRST), FIRST
    found: list[Any] = []
    while True:
        wanted = limit - len(found)
        found += await connection.fetch(_SQL["filter_members"], entity_id, within, group, some.ids, wanted)
        if len(found) == limit or not some.more:
            return found
        step = min(2 * step, MOST)
        some = await _next(connection, entity_id, asked, some.ids[-1], step)


async def count(connection: Connection, entity_id: int, group: int) -> Any:
    """How many members there are, all and by channel."""
    asked = await connection.fetchrow(_SQL["filter_asked"], entity_id, group)
    some = await _first(connection, entity_id, asked, 0, FEW)
    if some.more:
        return await connection.fetchrow(_SQL["filter_count_all"], entity_id, group)
    return await connection.fetchrow(_SQL["filter_count"], entity_id, group, some.ids)


class _Some(NamedTuple):
    """Contacts among whom every member is, up to the last of them; `more`: there are others after it."""

    ids: list[int]
    more: bool


async def _first(connection: Connection, entity_id: int, asked: Any, after: int, step: int) -> _Some:
    some = await _next(connection, entity_id, asked, after, step)
    near = await _near(connection, entity_id, asked["rings"], after) if some.more and asked["rings"] else None
    return some if near is None else _Some(near, more=False)


async def _next(connection: Connection, entity_id: int, asked: Any, after: int, step: int) -> _Some:
    """Of the part of the filter that leaves the fewest contacts, or else of the one whose first `step` reach the
    farthest."""
    parts = [await connection.fetchval(_SQL[name], entity_id, value, after, step) for name, value in _parts(asked)]
    if not parts:
        parts = [await connection.fetchval(_SQL["filter_by_nothing"], entity_id, after, step)]
    whole = [part for part in parts if len(part) < step]
    return _Some(min(whole, key=len), more=False) if whole else _Some(max(parts, key=_last), more=True)


def _last(ids: Sequence[int]) -> int:
    return ids[-1]


def _parts(asked: Any) -> list[tuple[str, Any]]:
    """The statement for each part of a filter that an index answers in order, with its value."""
    parts = [(f"filter_by_{name}", asked[name]) for name in ("languages", "postcodes", "municipalities") if asked[name]]
    parts += [("filter_by_tag", tag) for tag in asked["tags"]]
    return parts + ([("filter_by_partnership", asked["partnership_id"])] if asked["partnership_id"] else [])


async def _near(connection: Connection, entity_id: int, rings: Any, after: int) -> list[int] | None:
    """Contacts in and around the outlines; None when they are many, and nothing is gained by asking for them first."""
    boxes = [_around(ring) for ring in rings]
    if None in boxes:
        return None
    cells = [cell for box in boxes if box is not None for cell in cover(box, budget=_CELLS)]
    found = await connection.fetchval(
        _SQL["filter_by_places"], entity_id, [cell.lo for cell in cells], [cell.hi for cell in cells], after, FEW
    )
    return sorted(set(found)) if len(found) < FEW else None


def _around(ring: Sequence[Sequence[float]]) -> Ring | None:
    """A box around an outline; None when it would be half the world."""
    lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
    west, east = max(-180.0, min(lons) - _MARGIN), min(180.0, max(lons) + _MARGIN)
    south, north = max(-90.0, min(lats) - _MARGIN), min(90.0, max(lats) + _MARGIN)
    if east - west > _WIDEST:
        return None
    return Ring(((west, south), (east, south), (east, north), (west, north), (west, south)))
