"""The address register's rows, and what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.address_register import Asked, RegisterRow, plain_words, read_asked, read_register
from gateway.policy.importing import Problem
from gateway.policy.tabular import BadFile, BadRow, Row

HEAD = (
    "EPSG:4326_lat", "EPSG:4326_lon", "box_number", "house_number", "municipality_id", "municipality_name_fr",
    "municipality_name_nl", "postcode", "street_id", "streetname_fr", "streetname_nl", "status",
)  # fmt: skip
GOOD = (
    "50.84",
    "4.36",
    "",
    "16",
    "21004",
    "Bruxelles",
    "Brussel",
    "1000",
    "7",
    "Rue de la Loi",
    "Wetstraat",
    "current",
)


def read(*rows: Row | BadRow | BadFile) -> list[RegisterRow | Problem]:
    return list(read_register(rows))


def changed(**cells: str) -> Row:
    return Row(2, tuple(cells.get(name.replace(":", "_"), cell) for name, cell in zip(HEAD, GOOD, strict=True)))


def test_a_row_of_the_belgian_register_is_a_house() -> None:
    (found,) = read(Row(1, HEAD), Row(2, GOOD))
    assert isinstance(found, RegisterRow)
    assert (found.municipality, found.postcode, found.street, found.number) == ("21004", "1000", "7", "16")
    assert found.names == {"fr": "Rue de la Loi", "nl": "Wetstraat"}
    assert (found.lon, found.lat) == (4.36, 50.84)


def test_what_is_gone_gives_nothing_and_what_is_wrong_a_reason() -> None:
    assert read(Row(1, HEAD), changed(status="retired")) == []
    for cells, column in (
        ({"EPSG_4326_lat": "91"}, "lat"),
        ({"EPSG_4326_lon": "x"}, "lon"),
        ({"postcode": ""}, "postcode"),
    ):
        (found,) = read(Row(1, HEAD), changed(**cells))
        assert isinstance(found, Problem)
        assert found.column == column
    (found,) = read(Row(1, HEAD), Row(2, ("50.84",)))
    assert isinstance(found, Problem)


def test_a_file_without_the_columns_is_named_at_once() -> None:
    for head in (("a", "b"), HEAD[:5]):
        (found,) = read(Row(1, head), Row(2, GOOD))
        assert isinstance(found, Problem)
        assert found.fatal
    assert read(BadFile("empty")) == [Problem(0, "", "empty", fatal=True)]
    assert read(Row(1, HEAD), BadFile("cut")) == [Problem(0, "", "cut", fatal=True)]


@pytest.mark.parametrize(("typed", "asked"), [
    ("Wetstraat 16, 1000 Brussel", Asked("wetstraat brussel", "1000", "16")),
    ("16 rue de la Loi 1000", Asked("rue de la loi", "1000", "16")),
    ("Chaussée de Liège 12B", Asked("chaussee de liege", "", "12b")),
    ("1040 Etterbeek", Asked("etterbeek", "1040", "")),
    ("Kortrijksesteenweg 1092 9051 Gent", Asked("kortrijksesteenweg gent", "9051", "1092")),
    ("", Asked("", "", "")),
])  # fmt: skip
def test_what_people_type_is_taken_apart(typed: str, asked: Asked) -> None:
    assert read_asked(typed) == asked


@given(text=st.text(max_size=400))
def test_nothing_that_is_typed_breaks_it(text: str) -> None:
    asked = read_asked(text)
    assert plain_words(asked.words) == asked.words


@given(cells=st.lists(st.text(max_size=30), max_size=14))
def test_no_row_breaks_it(cells: list[str]) -> None:
    for found in read(Row(1, HEAD), Row(2, tuple(cells))):
        assert isinstance(found, RegisterRow | Problem)
