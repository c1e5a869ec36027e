"""Polygon and circle texts: from CAP's spelling to numbers, with the reason when that fails.

Knows: pairs of latitude and longitude, closed rings, radii in km. Never knows: shapes on the ground (see area.py).
Standard: CAP 1.2 §3.2.4.
"""

import math
import re
from itertools import islice
from typing import NamedTuple

from gateway.cap.findings import quoted
from gateway.cap.model import Circle, Polygon

_PAIR = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+),[-+]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_DIGITS = re.compile(r"[-+.,0-9\s]*")
"""Of these characters float makes a number exactly where _NUMBER has one."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_LONGEST_NUMBER = 40
_LONGEST_PAIR = 2 * _LONGEST_NUMBER


class Problem(NamedTuple):
    """Why a place can not be read: the rule it breaks, in words."""

    rule: str
    message: str


class Reading(NamedTuple):
    """A polygon or circle that could be read, or its first problem. `closed` is False for a ring left open."""

    shape: Polygon | Circle | None
    problem: Problem | None = None


def read_polygon(text: str, *, close: bool = False) -> Reading:
    """The ring of "lat,lon lat,lon ..."; with `close`, a ring left open is closed and the problem still named."""
    pairs = text.split()
    if not pairs:
        return _bad("S29", "the polygon is empty; give at least 4 pairs lat,lon, or leave the element out")
    ring = _ring(text, pairs)
    if ring is None:
        wrong = next(pair for pair in pairs if not _is_pair(pair))
        return _bad("S29", f"{quoted(wrong)} is not a pair lat,lon such as 51.05,3.71{_hint(wrong, pairs)}")
    return _checked_ring(ring, close=close)


def _ring(text: str, pairs: list[str]) -> Polygon | None:
    """The pairs as numbers; None when one of them is no pair."""
    if max(map(len, pairs)) > _LONGEST_PAIR or not _DIGITS.fullmatch(text):
        return None
    try:
        return tuple([(float(lat), float(lon)) for lat, _, lon in [pair.partition(",") for pair in pairs]])
    except ValueError:
        return None


def _checked_ring(ring: Polygon, *, close: bool) -> Reading:
    lats, lons = zip(*ring, strict=True)
    if not (_on_earth(min(lats), min(lons)) and _on_earth(max(lats), max(lons))):
        outside = next(number for number, (lat, lon) in enumerate(ring, 1) if not _on_earth(lat, lon))
        return Reading(None, _off_earth(f"point {outside}", *ring[outside - 1]))
    # CAP 1.2 §3.2.4: at least four pairs, the first and last the same
    problem = None
    if ring[0] != ring[-1]:
        problem = Problem("S29", "the polygon is not closed: repeat the first pair at the end")
        if not close:
            return Reading(None, problem)
        ring = (*ring, ring[0])
    if len(ring) < 4:
        return _bad("S29", f"the polygon has {len(ring)} points; it needs at least 4, the last one the first again")
    return Reading(ring, problem)


def read_circle(text: str) -> Reading:
    """The circle of "lat,lon radius", radius in km and 0 or more."""
    parts = text.split()
    ring = _ring(text, parts[:1]) if len(parts) == 2 and _is_number(parts[1]) else None
    if ring is None:
        return _bad("S32", f"{quoted(text)} is not a circle; write lat,lon, a space and the radius in km: 50.85,4.35 5")
    ((lat, lon),), radius_km = ring, float(parts[1])
    if not _on_earth(lat, lon):
        return Reading(None, _off_earth("the centre", lat, lon))
    if radius_km < 0:
        return _bad("S32", f"the radius {quoted(parts[1])} is negative; it is a number of kilometres from 0 on")
    return Reading(Circle(lat, lon, radius_km))


def pair_count(text: str) -> int:
    """How many pairs a polygon text may hold, counted before any of them is read."""
    return text.count(",")


def _is_pair(text: str) -> bool:
    return len(text) <= _LONGEST_PAIR and _PAIR.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def _on_earth(lat: float, lon: float) -> bool:
    return -90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0


def _off_earth(what: str, lat: float, lon: float) -> Problem:
    swapped = "; the longitude seems to stand first" if _on_earth(lon, lat) else ""
    where = f"latitude {lat:.6g}, longitude {lon:.6g}"
    return Problem("S30", f"{what} is not on earth ({where}): latitude is -90 to 90, longitude -180 to 180{swapped}")


def _hint(wrong: str, pairs: list[str]) -> str:
    """What the writer probably did."""
    if wrong.count(",") > 1:
        return "; write decimals with a point, not a comma"
    if "," not in wrong and all(_is_number(pair) for pair in islice(pairs, 8)):
        return "; put a comma, and no space, between latitude and longitude"
    return ""


def _bad(rule: str, message: str) -> Reading:
    return Reading(None, Problem(rule, message))


def number_or_none(text: str) -> float | None:
    """A finite decimal as XML Schema writes it, or None."""
    if not text or not _is_number(text.strip()):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
