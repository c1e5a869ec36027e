"""Documents of tables, and their CSV: no cell of it is computed."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.paper import Paper, Table, as_csv, wide, written


def a_paper(*rows: tuple[object, ...]) -> Paper:
    return Paper(title="T", tables=(Table(title="One", heads=("a", "b"), rows=rows),))


@given(st.lists(st.tuples(st.text(max_size=20), st.integers()), max_size=5))
def test_no_cell_begins_as_a_formula_does(rows: list[tuple[str, int]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(a_paper(*rows)), newline="")))
    assert read[0] == ["a", "b"]
    for row, (text, _) in zip(read[1:], rows, strict=True):
        plain = row[0].removeprefix("+").isdigit()
        assert plain or not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert row[0].removeprefix("'") == text.removeprefix("'")


def test_a_column_wants_its_longest_cell_up_to_a_limit() -> None:
    assert wide(a_paper(("x" * 99, 12345)).tables[0], 40) == [40, 5]
    assert wide(a_paper().tables[0], 40) == [1, 1]


def test_nothing_is_written_as_nothing() -> None:
    assert (written(None), written(0), written("x")) == ("", "0", "x")
