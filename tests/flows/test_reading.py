"""Files of contacts are read in a process that can not harm this one."""

import os
import resource
from contextlib import aclosing

import pytest

from gateway.flows import reading
from gateway.flows.reading import PART_ROWS, read_apart, read_in, read_part
from gateway.policy.importing import ImportedContact, ImportOptions, Problem

CSV = b"name,gsm\nAn,0470000001\nX,1\n"


async def test_a_file_is_read_apart_as_it_would_be_here() -> None:
    options = ImportOptions(mapping={"gsm": "mobile"}, languages=("nl",))
    before = resource.getrlimit(resource.RLIMIT_AS)
    (part,) = [part async for part in read_apart(CSV, options)]
    assert part == read_part(CSV, options, None)
    kind, found, more = part
    assert (kind, more) == ("csv", False)
    assert isinstance(found[0], ImportedContact)
    assert (found[0].mobile, type(found[1])) == ("+32470000001", Problem)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


async def test_a_long_file_comes_in_parts_that_are_the_whole() -> None:
    data = b"mobile\n" + b"".join(b"+3247%07d\n" % n for n in range(2 * PART_ROWS + 1))
    parts = [part async for part in read_apart(data, ImportOptions())]
    assert [(len(part.found), part.more) for part in parts] == [(PART_ROWS, True), (PART_ROWS, True), (1, False)]
    rows = [one.row for part in parts for one in part.found]
    assert rows == list(range(2, 2 * PART_ROWS + 3))


async def test_nobody_reads_on_when_the_first_part_is_enough() -> None:
    data = b"mobile\n" + b"+32470000001\n" * (PART_ROWS + 1)
    async with aclosing(read_apart(data, ImportOptions())) as parts:
        assert (await anext(parts)).more


def test_what_is_no_file_of_contacts_is_one_fatal_problem() -> None:
    for data in (b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"", b"BEGIN:VCARD\nEND:VCARD\nx\n"):
        kind, found, more = read_part(data, ImportOptions(), None)
        assert not more
        assert isinstance(found[-1], Problem), kind
        assert found[-1].fatal


async def test_a_file_that_breaks_its_reader_breaks_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "read_in", dying)
    ((_, (found,), _),) = [part async for part in read_apart(CSV, ImportOptions())]
    assert found == Problem(0, "", "the document broke the parser that read it, and is refused", fatal=True)


def dying(*_: object) -> object:
    os._exit(1)


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "read_part", hungry)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    _, (found,), _ = read_in(CSV, ImportOptions(), None, 0)
    assert isinstance(found, Problem)
    assert "more memory" in found.reason
