"""A map shows what it is given, in bounded time and size, wherever on earth; a foreign reader of PNG agrees."""

import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point as Place
from shapely.geometry import Polygon

from gateway.cap.area import Disc, Ring, Shape
from gateway.cap.picture import FILL, HEIGHT, LAND, MARGIN, RIM, WIDTH, draw, name_of, nice

GHENT = Ring(((3.75, 51.0), (3.9, 51.1), (4.0, 51.0), (3.85, 50.95), (3.75, 51.0)))
MOST_BYTES = 20_000


def pixels(png: bytes) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    """Colours by row and column, read by the standard's own words and not by ours.  # PNG §5.3"""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + data)
        found[kind], at = data, at + 12 + length
    assert struct.unpack(">IIBBBBB", found[b"IHDR"]) == (WIDTH, HEIGHT, 4, 3, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(HEIGHT, 1 + WIDTH // 2)
    assert not rows[:, 0].any()
    assert found[b"IEND"] == b""
    return np.stack((rows[:, 1:] >> 4, rows[:, 1:] & 15), axis=2).reshape(HEIGHT, WIDTH)


def share(png: bytes, *colours: int) -> float:
    return float(np.isin(pixels(png), colours).mean())


def test_without_a_shape_there_is_no_picture() -> None:
    assert draw([]) == b""


def test_a_ring_fills_as_much_of_the_picture_as_it_should() -> None:
    """shapely says how large it is."""
    shape = Polygon(GHENT.points)
    west, south, east, north = shape.bounds
    narrow = np.cos(np.radians((south + north) / 2))
    per_lat = min((WIDTH - 2 * MARGIN) / ((east - west) * narrow), (HEIGHT - 2 * MARGIN) / (north - south))
    shown = Polygon([(lon * narrow * per_lat, lat * per_lat) for lon, lat in GHENT.points])
    wanted = shown.buffer(1.5, join_style="mitre").area / (WIDTH * HEIGHT)  # the rim is three pixels thick
    assert share(draw([GHENT]), FILL, RIM) == pytest.approx(wanted, rel=0.03)


def test_a_disc_is_round() -> None:
    shown = np.isin(pixels(draw([Disc(4.0, 51.0, 10.0)])), (FILL, RIM))
    tall, wide = np.ptp(np.flatnonzero(shown.any(axis=1))), np.ptp(np.flatnonzero(shown.any(axis=0)))
    assert tall == pytest.approx(wide, abs=3)
    assert shown.mean() == pytest.approx(Place(0, 0).buffer(tall / 2).area / (WIDTH * HEIGHT), rel=0.05)


def test_the_land_lies_behind_and_does_not_change_what_is_in_view() -> None:
    country = Ring(((2.5, 49.5), (2.5, 51.05), (6.4, 51.05), (6.4, 49.5), (2.5, 49.5)))
    alone, before = draw([GHENT]), draw([GHENT], land=[country])
    assert share(before, FILL, RIM) == pytest.approx(share(alone, FILL, RIM), rel=0.01)
    assert share(alone, LAND) == 0
    assert share(before, LAND) > 0.1


def test_an_area_across_the_antimeridian_is_one_picture() -> None:
    fiji = Ring(((179.0, -17.0), (-179.0, -17.0), (-179.0, -18.0), (179.0, -18.0), (179.0, -17.0)))
    here = Ring(((9.0, -17.0), (11.0, -17.0), (11.0, -18.0), (9.0, -18.0), (9.0, -17.0)))
    assert share(draw([fiji]), FILL, RIM) == pytest.approx(share(draw([here]), FILL, RIM), rel=0.02)
    both = [Disc(179.5, 0.0, 50.0), Disc(-179.5, 0.0, 50.0)]
    assert share(draw(both), FILL, RIM) == pytest.approx(share(draw([Disc(1, 0, 50.0), Disc(2, 0, 50.0)]), FILL, RIM))


def test_a_single_point_shows_its_surroundings() -> None:
    assert 0 < share(draw([Disc(4.0, 51.0, 0.0)]), FILL, RIM) < 0.01


def test_a_ring_of_very_many_vertices_is_drawn_in_little_time() -> None:
    turns = np.linspace(0, 2 * np.pi, 10_000)
    jagged = 0.5 + 0.1 * np.sin(turns * 3000)
    ring = Ring(tuple(zip((4 + jagged * np.cos(turns)).tolist(), (51 + jagged * np.sin(turns)).tolist(), strict=True)))
    before = time.process_time()
    assert 0 < len(draw([ring] * 10, land=[ring])) < MOST_BYTES
    assert time.process_time() - before < 10


PLACES = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
SHAPES = st.one_of(
    st.builds(Disc, st.floats(-180, 180), st.floats(-90, 90), st.floats(0, 21_000)),
    st.lists(PLACES, min_size=3, max_size=8).map(lambda points: Ring((*points, points[0]))),
)


@settings(max_examples=40)
@given(st.lists(SHAPES, min_size=1, max_size=3), st.lists(SHAPES.filter(lambda one: isinstance(one, Ring)), max_size=1))
def test_any_shapes_make_a_picture_of_bounded_size(shapes: list[Shape], land: list[Ring]) -> None:
    png = draw(shapes, land=land)
    assert len(png) < MOST_BYTES
    assert share(png, FILL, RIM) > 0


@given(st.floats(1e-9, 1e9))
def test_a_nice_length_is_round_and_not_much_shorter(length: float) -> None:
    found = nice(length)
    assert length / 2.5 <= found * (1 + 1e-9)
    assert found <= length * (1 + 1e-9)
    assert f"{found:.0e}"[0] in "125"


def test_a_picture_has_a_name_of_its_own_before_it_is_drawn() -> None:
    names = [name_of([GHENT]), name_of([Disc(4.0, 51.0, 1.0)]), name_of([GHENT, GHENT]), name_of([GHENT], land=[GHENT])]
    assert len(set(names)) == len(names)
    assert name_of([GHENT]) == name_of([GHENT])
    assert name_of([]) == ""
