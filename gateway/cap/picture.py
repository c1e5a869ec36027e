"""A small map of an alert's area as PNG: rings and discs over a grid of degrees, drawn here, without any server.

Knows: a plain projection, filling and drawing lines, twenty small letters, PNG. Never knows: streets,
tiles, files, mails.
Standard: CAP 1.2 §3.2.4 (polygon, circle); PNG (ISO/IEC 15948:2003) §11.2.

The map is equirectangular at the area's middle latitude, so a disc looks like one. Its work is bounded by its pixels
and by the vertices that are not on the pixel of the one before.
"""

import math
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain, pairwise
from typing import NamedTuple

from gateway.cap.area import EARTH_RADIUS_KM, Disc, Point, Ring, Shape, unwrapped

WIDTH, HEIGHT = 360, 270  # as wide as a narrow telephone shows without shrinking it
MARGIN = 42
MAX_POINTS = 200_000
KEPT = 32
_KM_PER_DEGREE = EARTH_RADIUS_KM * math.pi / 180
_LEAST_KM = 1.0  # a single house still shows its surroundings
_DISC_POINTS = 72
_MOST_LATITUDE = 85.0  # beyond, a disc would look like a band

PAPER, GRID, LAND, FILL, RIM, INK = range(6)
_COLOURS = (0xEEF2F5, 0xC3CDD6, 0xFFFFFF, 0xF6B27A, 0xA3190B, 0x33404A)

# Three columns and five rows a letter, the top row first.
_LETTERS = {
    letter: tuple(int(row, 2) for row in rows.split())
    for letter, rows in {
        "0": "111 101 101 101 111", "1": "010 110 010 010 111", "2": "111 001 111 100 111", "3": "111 001 111 001 111",
        "4": "101 101 111 001 001", "5": "111 100 111 001 111", "6": "111 100 111 101 111", "7": "111 001 010 010 010",
        "8": "111 101 111 101 111", "9": "111 101 111 001 111", ".": "000 000 000 000 010", "N": "111 101 101 101 101",
        "S": "111 100 111 001 111", "E": "111 100 110 100 111", "W": "101 101 111 111 101", "k": "100 101 110 110 101",
        "m": "000 111 111 101 101", " ": "000 000 000 000 000",
    }.items()
}  # fmt: skip


class _View(NamedTuple):
    """Where on earth the picture lies: its middle, and pixels a degree in either direction."""

    lon: float
    lat: float
    per_lon: float
    per_lat: float

    def at(self, lon: float, lat: float) -> tuple[float, float]:
        return WIDTH / 2 + (lon - self.lon) * self.per_lon, HEIGHT / 2 - (lat - self.lat) * self.per_lat


def draw(shapes: Sequence[Shape], *, land: Sequence[Ring] = ()) -> bytes:
    """The shapes as PNG, b"" without any; `land` are outlines behind them, drawn as far as they reach into view.

    The last ones are kept: an alert is tried, forecast, sent and updated with the same area.
    """
    return _drawn(tuple(shapes), tuple(land))


def name_of(shapes: Sequence[Shape], *, land: Sequence[Ring] = ()) -> str:
    """What tells this picture from all others, without drawing it; "" when `draw` would have nothing to show."""
    corners = sum(len(shape.points) if isinstance(shape, Ring) else _DISC_POINTS + 1 for shape in shapes)
    if not 0 < corners <= MAX_POINTS:
        return ""
    shown = sha256()
    for shape in (*shapes, None, *land):
        numbers = () if shape is None else chain.from_iterable(shape.points) if isinstance(shape, Ring) else shape
        packed = array("d", numbers).tobytes()
        shown.update(len(packed).to_bytes(8) + packed)
    return shown.hexdigest()[:32]


@lru_cache(maxsize=KEPT)
def _drawn(shapes: tuple[Shape, ...], land: tuple[Ring, ...]) -> bytes:
    rings = [_ring_of(shape) for shape in shapes]
    points = [point for ring in rings for point in ring]
    if not points or len(points) > MAX_POINTS:
        return b""
    middle = _mean(rings[0])
    rings = [_beside(ring, middle) for ring in rings]
    view = _view([point for ring in rings for point in ring])
    canvas = [bytearray(WIDTH) for _ in range(HEIGHT)]
    around = [_on(view, _beside(unwrapped(ring.points), middle)) for ring in land if len(ring.points) <= MAX_POINTS]
    for line in around:
        _fill(canvas, line, LAND)
    _grid(canvas, view)
    for line in around:
        _trace(canvas, line, GRID, 2)
    lines = [_on(view, ring) for ring in rings]
    for line in lines:
        _fill(canvas, line, FILL)
    for line in lines:
        _trace(canvas, line, RIM, 3)
    _labels(canvas, view)
    _scale(canvas, view)
    return _png(canvas)


def _ring_of(shape: Shape) -> list[Point]:
    """A ring with longitudes that run on past 180; a disc becomes many corners."""
    if isinstance(shape, Ring):
        return unwrapped(shape.points)
    return [*_rim(shape)]


def _rim(disc: Disc) -> Iterator[Point]:
    radius = min(disc.radius_km / _KM_PER_DEGREE, 90.0)
    narrow = math.cos(math.radians(min(abs(disc.lat), _MOST_LATITUDE)))
    for step in range(_DISC_POINTS + 1):
        turn = 2 * math.pi * step / _DISC_POINTS
        yield disc.lon + radius * math.cos(turn) / narrow, max(-90.0, min(90.0, disc.lat + radius * math.sin(turn)))


def _beside(ring: Sequence[Point], middle: float) -> list[Point]:
    """The ring on that side of the antimeridian on which the others are."""
    turns = 360.0 * round((middle - _mean(ring)) / 360.0)
    return [(lon + turns, lat) for lon, lat in ring]


def _mean(ring: Sequence[Point]) -> float:
    return sum(lon for lon, _ in ring) / max(1, len(ring))


def _view(points: Sequence[Point]) -> _View:
    """All of the points inside the margins, and at least a kilometre of earth."""
    west, east = min(lon for lon, _ in points), max(lon for lon, _ in points)
    south, north = min(lat for _, lat in points), max(lat for _, lat in points)
    lat = (south + north) / 2
    narrow = math.cos(math.radians(min(abs(lat), _MOST_LATITUDE)))
    least = _LEAST_KM / _KM_PER_DEGREE
    per_lat = min(
        (WIDTH - 2 * MARGIN) / max((east - west) * narrow, least), (HEIGHT - 2 * MARGIN) / max(north - south, least)
    )
    return _View((west + east) / 2, lat, per_lat * narrow, per_lat)


def _on(view: _View, ring: Iterable[Point]) -> list[tuple[float, float]]:
    """The ring in pixels, without vertices on the pixel of the one before."""
    line: list[tuple[float, float]] = []
    last = None
    for lon, lat in ring:
        x, y = view.at(lon, lat)
        pixel = (int(x), int(y))
        if pixel != last:
            line.append((x, y))
            last = pixel
    return line


def _fill(canvas: list[bytearray], line: Sequence[tuple[float, float]], colour: int) -> None:
    """Row by row, between every second crossing."""
    crossings: list[list[float]] = [[] for _ in range(HEIGHT)]
    for edge in pairwise([*line, *line[:1]]):
        (x1, y1), (x2, y2) = sorted(edge, key=lambda point: point[1])
        first, last = max(0, math.ceil(y1 - 0.5)), min(HEIGHT - 1, math.ceil(y2 - 0.5) - 1)
        for row in range(first, last + 1):
            crossings[row].append(x1 + (row + 0.5 - y1) * (x2 - x1) / (y2 - y1))
    for row, found in enumerate(crossings):
        found.sort()
        for left, right in zip(found[::2], found[1::2], strict=False):
            start, stop = max(0, round(left)), min(WIDTH, round(right))
            if stop > start:
                canvas[row][start:stop] = bytes((colour,)) * (stop - start)


def _trace(canvas: list[bytearray], line: Sequence[tuple[float, float]], colour: int, thick: int) -> None:
    """Along the edges, as far as they are in the picture."""
    for start, end in pairwise([*line, *line[:1]]):
        clipped = _clipped(*start, *end)
        if clipped is not None:
            _segment(canvas, *clipped, colour, thick)
    if len(line) == 1:
        _segment(canvas, *line[0], *line[0], colour, thick)


def _segment(canvas: list[bytearray], x1: float, y1: float, x2: float, y2: float, colour: int, thick: int) -> None:
    steps = max(1, math.ceil(max(abs(x2 - x1), abs(y2 - y1))))
    half = thick // 2
    dot = bytes((colour,)) * thick
    for step in range(steps + 1):
        x = round(x1 + (x2 - x1) * step / steps) - half
        y = round(y1 + (y2 - y1) * step / steps) - half
        if 0 <= x <= WIDTH - thick:
            for row in range(max(0, y), min(HEIGHT, y + thick)):
                canvas[row][x : x + thick] = dot


def _clipped(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float] | None:
    """The part of an edge in the picture (Liang and Barsky), so that a country costs no more than its view."""
    enter, leave = 0.0, 1.0
    dx, dy = x2 - x1, y2 - y1
    for towards, room in ((-dx, x1), (dx, WIDTH - x1), (-dy, y1), (dy, HEIGHT - y1)):
        if towards == 0:
            if room < 0:
                return None
            continue
        at = room / towards
        if towards < 0:
            enter = max(enter, at)
        else:
            leave = min(leave, at)
    return (x1 + enter * dx, y1 + enter * dy, x1 + leave * dx, y1 + leave * dy) if enter <= leave else None


def _grid(canvas: list[bytearray], view: _View) -> None:
    """Meridians and parallels at round degrees, three or so of each."""
    for _, x in _meridians(view):
        _segment(canvas, x, 0, x, HEIGHT - 1, GRID, 1)
    for _, y in _parallels(view):
        _segment(canvas, 0, y, WIDTH - 1, y, GRID, 1)


def _labels(canvas: list[bytearray], view: _View) -> None:
    """Which degrees they are."""
    for value, x in _meridians(view):
        lon = (value + 180.0) % 360.0 - 180.0
        _write(canvas, round(x) + 3, 3, f"{_round(abs(lon))}{'W' if lon < 0 else 'E'}")
    for value, y in _parallels(view):
        _write(canvas, 3, round(y) + 3, f"{_round(abs(value))}{'S' if value < 0 else 'N'}")


def _meridians(view: _View) -> Iterator[tuple[float, float]]:
    return ((lon, view.at(lon, 0.0)[0]) for lon in _ticks(view.lon, WIDTH / view.per_lon))


def _parallels(view: _View) -> Iterator[tuple[float, float]]:
    return ((lat, view.at(0.0, lat)[1]) for lat in _ticks(view.lat, HEIGHT / view.per_lat) if abs(lat) <= 90)


def _ticks(middle: float, span: float) -> Iterator[float]:
    step = nice(span / 3)
    first = math.ceil((middle - span / 2) / step)
    return (number * step for number in range(first, first + 8) if number * step <= middle + span / 2)


def nice(length: float) -> float:
    """The greatest 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return next(times * power for times in (5, 2, 1) if times * power <= length * (1 + 1e-9))


def _round(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _scale(canvas: list[bytearray], view: _View) -> None:
    """A bar of a round length."""
    per_km = view.per_lat / _KM_PER_DEGREE
    km = nice(WIDTH / 4 / per_km)
    y, x = HEIGHT - 10, 10
    _segment(canvas, x, y, x + km * per_km, y, INK, 3)
    _write(canvas, x, y - 16, f"{_round(km)} km")


def _write(canvas: list[bytearray], left: int, top: int, words: str) -> None:
    """Small letters, twice their size."""
    for place, letter in enumerate(words):
        for down, row in enumerate(_LETTERS[letter]):
            for right in range(3):
                x, y = left + place * 8 + right * 2, top + down * 2
                if row >> (2 - right) & 1 and 0 <= x < WIDTH - 1 and 0 <= y < HEIGHT - 1:
                    canvas[y][x : x + 2] = canvas[y + 1][x : x + 2] = bytes((INK, INK))


def _png(canvas: Sequence[bytearray]) -> bytes:
    """Four bits a pixel with a palette.  # PNG §11.2"""
    packed = b"".join(b"\0" + bytes(a << 4 | b for a, b in zip(row[::2], row[1::2], strict=True)) for row in canvas)
    palette = b"".join(colour.to_bytes(3) for colour in _COLOURS)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 4, 3, 0, 0, 0)),
            (b"PLTE", palette),
            (b"IDAT", zlib.compress(packed, 9)),
            (b"IEND", b""),
        )
    )
