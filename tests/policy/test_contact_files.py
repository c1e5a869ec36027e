"""Files of contacts of every kind."""

from gateway.policy.contact_files import FileKind, kind_of, rows_of
from gateway.policy.tabular import BadFile, Row, TableLimits
from tests.policy.test_workbook import a_workbook

CARD = b"\xef\xbb\xbfbegin:vcard\nFN:An\nEND:VCARD\n"


def test_a_file_is_known_by_how_it_begins() -> None:
    assert kind_of(b"naam;gsm\n") is FileKind.CSV
    assert kind_of(a_workbook([["a"]])) is FileKind.XLSX
    assert kind_of(CARD) is FileKind.VCARD
    assert isinstance(kind_of(b"\xd0\xcf\x11\xe0\xa1\xb1"), BadFile)


def test_rows_come_whatever_the_kind() -> None:
    assert list(rows_of([b"na", b"me\nAn\n"], FileKind.CSV)) == [Row(1, ("name",)), Row(2, ("An",))]
    book = a_workbook([["name"], ["An"]])
    assert list(rows_of([book[:100], book[100:]], FileKind.XLSX)) == [Row(1, ("name",)), Row(2, ("An",))]
    assert len(list(rows_of([CARD], FileKind.VCARD))) == 2


def test_no_more_of_a_file_is_held_than_it_takes_to_see_that_it_is_too_large() -> None:
    taken: list[int] = []

    def endless() -> object:
        while True:
            taken.append(1)
            yield bytes(2**20)

    (found,) = (
        row
        for row in rows_of(endless(), FileKind.VCARD, limits=TableLimits(file_bytes=2**21))  # type: ignore[arg-type]
    )
    assert isinstance(found, BadFile)
    assert len(taken) == 3
