"""Outlines from tables."""

import csv
import io
import json
import time

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.area import Ring
from gateway.policy.outline_table import (
    GeocodeOutline,
    GeocodeUnion,
    read_outline_table,
    read_union_table,
    united,
)
from gateway.policy.outlines import MAX_BYTES, MAX_PROBLEMS, Outline

POINTS = ((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 51.0), (4.0, 50.0))
RING = Ring(POINTS)
WKT = "POLYGON((4 50, 5 50, 5 51, 4 51, 4 50))"
GEOJSON = json.dumps({"type": "Polygon", "coordinates": [POINTS]})


def table(*rows: tuple[str, ...], separator: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize(
    "outline",
    [
        WKT,
        GEOJSON,
        "polygon Z ((4 50 1, 5 50 1, 5 51 1, 4 51 1, 4 50 1))",
        "SRID=4326;POLYGON((4 50,5 50,5 51,4 51,4 50))",
        "MULTIPOLYGON (((4 50, 5 50, 5 51, 4 51, 4 50)))",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_way_to_write_an_outline_is_read(outline: str, separator: str) -> None:
    found = read_outline_table(table(("scheme", "value", "rings"), ("INS", "31005", outline), separator=separator))
    assert found.problems == ()
    assert found.outlines == (GeocodeOutline("NIS", Outline("31005", (RING,))),)


def test_rows_of_one_value_and_parts_of_a_multipolygon_belong_together() -> None:
    two = shapely.MultiPolygon([shapely.box(1, 1, 2, 2), shapely.box(3, 3, 4, 4)]).wkt
    found = read_outline_table(table(("code", "wkt"), ("BE004", two), ("BE004", WKT)), scheme="EMMA_ID")
    assert [len(one.outline.rings) for one in found.outlines] == [3]


def test_a_large_outline_fits_into_a_cell() -> None:
    ring = shapely.Point(4, 50).buffer(0.3, quad_segs=2_400)
    assert len(ring.wkt) > 131_072, "the limit of the csv module"
    found = read_outline_table(table(("scheme", "value", "rings"), ("NIS", "31005", ring.wkt)))
    assert found.problems == ()
    assert found.outlines[0].outline.rings[0].points == tuple(ring.exterior.coords)


@pytest.mark.parametrize(
    ("outline", "said"),
    [
        ("", "no WKT"),
        ("POINT(4 50)", "no WKT"),
        ("POLYGON((4 50, 5 50, 5 51, 4 51, 4 50),(4.1 50.1,4.2 50.1,4.2 50.2,4.1 50.1))", "hole"),
        ("POLYGON((4 50, 5 51, 5 50, 4 51, 4 50))", "crosses"),
        ("POLYGON((4 50, 5 50))", "points"),
        ("POLYGON((50 400, 51 400, 51 401, 50 400))", "not [longitude"),
        ("POLYGON((a b, c d))", "not longitude"),
        ("POLYGON((nan nan, nan nan, nan nan, nan nan))", "not [longitude"),
        ("POLYGON EMPTY", "no WKT"),
        ("{", "not JSON"),
        ('{"type": "Point"}', "no Polygon"),
    ],
)
def test_an_outline_that_can_not_be_used_is_a_problem_with_its_row(outline: str, said: str) -> None:
    found = read_outline_table(table(("scheme", "value", "rings"), ("NIS", "31005", outline)))
    assert len(found.problems) == 1
    assert found.problems[0].startswith("row 2: ")
    assert said in found.problems[0]


def test_a_value_that_is_none_of_its_system_is_a_problem() -> None:
    found = read_outline_table(table(("scheme", "value", "rings"), ("NIS", "31", WKT)))
    assert found.problems == ("row 2: 31 is not a NIS code, which looks like 31005",)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\n\n",
        b",,,\n",
        b"\0\0",
        b"\xff\xfe\xff",
        b"value,rings\n",
        b"scheme,value,rings\n",
        b"scheme,value\nNIS,31005\n",
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_file_without_what_is_needed_is_a_problem(document: bytes) -> None:
    found = read_outline_table(document)
    assert found.outlines == ()
    assert len(found.problems) == 1


def test_a_file_of_wrong_rows_is_not_reported_without_end() -> None:
    found = read_outline_table(table(("scheme", "value", "rings"), *[("NIS", "x", WKT)] * 5_000))
    assert len(found.problems) == MAX_PROBLEMS + 1


def test_a_table_of_systems_says_what_is_made_of_what() -> None:
    rows = (("NIS", "EMMA_ID", "nuts3", "ISO3166-2"), ("31005", "BE004", "BE251", ""), ("31003", "BE004", "", "BE-VWV"))
    found = read_union_table(table(*rows, separator=";"), base="INS")
    assert found.problems == ()
    assert found.unions == (
        GeocodeUnion("EMMA_ID", "BE004", (("NIS", "31005"), ("NIS", "31003"))),
        GeocodeUnion("NUTS", "BE251", (("NIS", "31005"),)),
        GeocodeUnion("ISO 3166-2", "BE-VWV", (("NIS", "31003"),)),
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((("EMMA_ID", "NUTS"), ("BE004", "BE251")), "NIS among them"),
        ((("NIS",), ("31005",)), "the first row"),
        ((("NIS", "INS"), ("31005", "31005")), "each once"),
        ((("NIS", "EMMA_ID"), ("31005", "")), "no row"),
        ((("NIS", "EMMA_ID"), ("31005", "Brugge")), "row 2: Brugge is not a EMMA_ID"),
        ((("NIS", "EMMA_ID"), ("", "BE004")), "row 2: a value is"),
    ],
)
def test_a_table_of_systems_that_can_not_be_used_is_a_problem(rows: tuple[tuple[str, ...], ...], said: str) -> None:
    found = read_union_table(table(*rows), base="NIS")
    assert said in found.problems[0]


def test_a_union_without_all_its_parts_is_missing_and_not_smaller() -> None:
    other = Ring(tuple((lon + 1, lat) for lon, lat in POINTS))
    known = {("NIS", "31005"): (RING,), ("NIS", "31003"): (RING, other)}
    whole = GeocodeUnion("EMMA_ID", "BE004", (("NIS", "31005"), ("NIS", "31003")))
    partly = GeocodeUnion("EMMA_ID", "BE005", (("NIS", "31005"), ("NIS", "31006")))
    outlines, problems = united([whole, partly], known)
    assert outlines == [GeocodeOutline("EMMA_ID", Outline("BE004", (RING, other)))]
    assert problems == ["EMMA_ID BE005: no outline of NIS 31006"]


def test_a_union_that_misses_much_is_told_in_short() -> None:
    union = GeocodeUnion("NUTS", "BE2", tuple(("NIS", f"{n:05}") for n in range(300)))
    assert united([union], {})[1][0].endswith("and 295 more")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_the_rows_are_those_of_another_reader(rows: list[tuple[str, str]]) -> None:
    document = table(("scheme", "value", "rings"), *(("zone", f"z{n}", "".join(row)) for n, row in enumerate(rows)))
    found = read_outline_table(document)
    assert len(found.problems) == len(list(csv.reader(io.StringIO(document.decode())))) - 1


@given(st.binary(max_size=300) | st.text('"\n,;()NISPOLYGON 0123456789.-', max_size=300).map(str.encode))
def test_any_bytes_give_a_table_or_a_problem(document: bytes) -> None:
    head = b"scheme,value,rings\n"
    for found in (read_outline_table(head + document), read_union_table(b"NIS,NUTS\n" + document, base="NIS")):
        assert found.outlines or found.unions or found.problems


@pytest.mark.parametrize(
    "cell", [b'"' * 2_000_000, b'"a,' * 500_000, b"((((" * 500_000, b"POLYGON((" + b"1 " * 900_000]
)
def test_hostile_cells_cost_no_time(cell: bytes) -> None:
    begin = time.process_time()
    assert read_outline_table(b"scheme,value,rings\nNIS,31005," + cell).problems
    assert time.process_time() - begin < 2.0
