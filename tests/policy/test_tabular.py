"""The rows of a CSV file: encodings, separators, quotes, limits."""

import csv
import io
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.policy.tabular import BadFile, BadRow, Row, TableLimits, read_rows

TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cf", "Co", "Cn"]), min_size=1, max_size=12
)
TABLE = st.lists(st.lists(TEXT, min_size=2, max_size=4), min_size=1, max_size=8)


def cells(data: bytes) -> list[tuple[str, ...]]:
    return [row.cells for row in read_rows([data]) if isinstance(row, Row)]


def blocks_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(TABLE, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.integers(1, 50))
@example([["0", "0"]], ",", "utf-8-sig", 1)
@example([["0", "0"]], ",", "utf-16", 1)
def test_what_the_csv_module_writes_is_read_again_however_it_is_cut(
    table: list[list[str]], separator: str, encoding: str, size: int
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(table)
    found = list(read_rows(blocks_of(text.getvalue().encode(encoding), size), separator=separator))
    assert found == [Row(number, tuple(row)) for number, row in enumerate(table, 1)]


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_any_bytes_give_rows_or_reasons(data: bytes, size: int) -> None:
    found = list(read_rows(blocks_of(data, size)))
    assert all(isinstance(row, Row | BadRow | BadFile) for row in found)
    assert not any(isinstance(row, BadFile) for row in found[:-1])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_tells_the_separator(separator: str) -> None:
    data = f"name{separator}mobile\nA{separator}1\n".encode()
    assert cells(data) == [("name", "mobile"), ("A", "1")]


def test_a_line_of_an_old_spreadsheet_is_windows_1252() -> None:
    assert cells("naam,gsm\nJosé Müller,1\n€,2".encode("cp1252")) == [("naam", "gsm"), ("José Müller", "1"), ("€", "2")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_known_by_its_zeros(encoding: str) -> None:
    assert cells("name,mobile\nÉloïse,2\n".encode(encoding)) == [("name", "mobile"), ("Éloïse", "2")]


def test_half_a_character_of_utf_16_is_a_broken_file() -> None:
    found = list(read_rows(["name,mobile\n".encode("utf-16") + b"x"]))
    assert isinstance(found[-1], BadFile)


def test_a_zero_byte_costs_its_row_only() -> None:
    found = list(read_rows([b"a,b\n1,\x002\n3,4\n"]))
    assert found[1] == BadRow(2, "a zero byte stands in this row")
    assert found[2] == Row(3, ("3", "4"))


def test_a_cell_may_hold_a_line_end_and_rows_are_counted_as_a_spreadsheet_does() -> None:
    found = list(read_rows([b'a,b\n"x\ny",1\n\n2,3\n']))
    assert found == [Row(1, ("a", "b")), Row(2, ("x\ny", "1")), Row(4, ("2", "3"))]


def test_a_quote_that_is_never_closed_swallows_no_other_row() -> None:
    lines = ["a,b", '"open,1', *(f"{n},{n}" for n in range(100))]
    found = list(read_rows(["\n".join(lines).encode()]))
    assert found[1] == BadRow(2, "a quotation mark is opened and not closed")
    assert len([row for row in found if isinstance(row, Row)]) == 101


def test_a_stray_quote_costs_one_row() -> None:
    found = list(read_rows([b'a,b\n"x"y"",1\n3,4\n']))
    assert isinstance(found[1], BadRow)
    assert found[2] == Row(3, ("3", "4"))


def test_an_empty_file_says_so() -> None:
    assert list(read_rows([])) == [BadFile("the file is empty")]


def test_a_file_over_the_limit_is_refused_without_reading_on() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"a,b\n" * 2**14

    *_, last = read_rows(endless(), limits=TableLimits(file_bytes=2**20))
    assert last == BadFile("the file is larger than 1 MiB: split it")
    assert read <= 2**20 // 2**16 + 1


def test_a_line_without_end_is_refused_in_flat_memory() -> None:
    tracemalloc.start()
    *_, last = read_rows(b"x" * 2**16 for _ in range(1600))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(last, BadFile)
    assert peak < 2**20


def test_too_many_rows_and_columns_are_refused() -> None:
    limits = TableLimits(rows=3, columns=2)
    assert isinstance(list(read_rows([b"a\n1\n2\n3\n"], limits=limits))[-1], BadFile)
    assert list(read_rows([b"a,b,c\n"], limits=limits)) == [BadRow(1, "more than 2 columns")]


def test_a_long_file_is_read_in_flat_memory() -> None:
    def rows(count: int) -> Iterable[bytes]:
        return (b"name;+32470000000;a@b.example\n" * 1000 for _ in range(count))

    tracemalloc.start()
    total = sum(1 for _ in read_rows(rows(40)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 40_000
    assert peak < 2**20
