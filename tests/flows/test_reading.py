"""Files of contacts are read in a process that can not harm this one."""

import os
import resource

import pytest

from gateway.flows import reading
from gateway.flows.reading import read_apart, read_in, read_whole
from gateway.policy.importing import ImportedContact, ImportOptions, Problem

CSV = b"name,gsm\nAn,0470000001\nX,1\n"


async def test_a_file_is_read_apart_as_it_would_be_here() -> None:
    options = ImportOptions(mapping={"gsm": "mobile"}, languages=("nl",))
    before = resource.getrlimit(resource.RLIMIT_AS)
    kind, found = await read_apart(CSV, options)
    assert (kind, found) == read_whole(CSV, options, None)
    assert kind == "csv"
    assert isinstance(found[0], ImportedContact)
    assert (found[0].mobile, type(found[1])) == ("+32470000001", Problem)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_what_is_no_file_of_contacts_is_one_fatal_problem() -> None:
    for data in (b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"", b"BEGIN:VCARD\nEND:VCARD\nx\n"):
        kind, found = read_whole(data, ImportOptions(), None)
        assert isinstance(found[-1], Problem), kind
        assert found[-1].fatal


async def test_a_file_that_breaks_its_reader_breaks_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "read_in", dying)
    _, (found,) = await read_apart(CSV, ImportOptions())
    assert found == Problem(0, "", "the document broke the parser that read it, and is refused", fatal=True)


def dying(*_: object) -> object:
    os._exit(1)


def test_a_file_that_takes_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "read_whole", hungry)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    _, (found,) = read_in(CSV, ImportOptions(), None)
    assert isinstance(found, Problem)
    assert "more memory" in found.reason
