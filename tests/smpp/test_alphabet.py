"""The GSM alphabet and its national variants, with gsmcodecs as the independent oracle."""

import gsmcodecs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import alphabet
from gateway.smpp.alphabet import Alphabet
from gateway.smpp.national import Language

ALL = [alphabet.DEFAULT, *(one for several in alphabet.NATIONAL.values() for one in several)]


def codec(one: Alphabet) -> str:
    """What gsmcodecs calls it."""
    assert gsmcodecs is not None  # importing it makes the codecs known
    return f"gsm23.038-{int(one.locking or 0)}-{int(one.single or 0)}"


@pytest.mark.parametrize("one", ALL, ids=codec)
@given(data=st.data())
def test_what_is_written_is_read_by_the_oracle(one: Alphabet, data: st.DataObject) -> None:
    words = data.draw(st.text(sorted(one.codes), max_size=50))
    assert one.write(words).decode(codec(one)) == words
    assert one.read(one.write(words)) == words


@pytest.mark.parametrize("one", ALL, ids=codec)
def test_every_character_takes_one_septet_where_it_can(one: Alphabet) -> None:
    assert {len(code) for code in one.codes.values()} == {1, 2}
    assert all(len(one.codes[char]) == 1 for char in one.plain if char in one.codes)


@given(st.binary(max_size=200))
def test_any_octets_can_be_read(octets: bytes) -> None:
    for one in ALL:
        assert len(one.read(octets)) <= len(octets)


def test_an_escape_before_what_the_extension_does_not_know_shows_the_main_table() -> None:
    assert alphabet.DEFAULT.read(b"\x1ba\x1b\x65") == "a€"


def test_a_header_names_the_alphabet_and_unknown_tables_count_as_the_default() -> None:
    turkish = alphabet.NATIONAL[Language.TURKISH]
    assert [alphabet.of(one.locking or 0, one.single or 0).codes for one in turkish] == [one.codes for one in turkish]
    assert alphabet.of(0, 200).plain == alphabet.of(99, 0).plain == alphabet.DEFAULT.plain
    assert alphabet.of(Language.SPANISH, 0).plain == alphabet.DEFAULT.plain
