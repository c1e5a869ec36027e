"""vCards as rows: what a telephone exports, every version, and files that mean harm."""

import time

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.importing import ImportedContact, ImportOptions, Place, read_contacts
from gateway.policy.tabular import BadFile, BadRow, Row
from gateway.policy.vcard import HEADER, CardLimits, read_cards, split_unescaped, unescaped

FOUR = """\
BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:4fbe8971
FN:An Peeters\\, coördinator
N:Peeters;An;;;
TEL;VALUE=uri;PREF=2;TYPE="voice,home":tel:+3250000001
TEL;VALUE=uri;PREF=1;TYPE="voice,cell":tel:+32470000001
EMAIL;PREF=50:second@x.example
EMAIL;PREF=1:an@x.example
LANG:nl
ADR:;bus 3;Markt 1;Brugge;;8000;BE
GEO:geo:51.2086,3.2242
CATEGORIES:plp,key actor
NOTE:a long note that is fol
 ded
END:VCARD
"""
TWO = """\
BEGIN:VCARD\r
VERSION:2.1\r
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Dupr=C3=A9;=C3=89lise\r
TEL;CELL:0470 00 00 02\r
TEL;HOME;FAX:050 00 00 09\r
PHOTO;ENCODING=BASE64;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD\r
 AAAA\r
END:VCARD\r
"""


def cards(text: str | bytes) -> list[dict[str, str]]:
    rows = list(read_cards(text.encode() if isinstance(text, str) else text))
    assert rows[0] == Row(1, HEADER)
    found = []
    for row in rows[1:]:
        assert isinstance(row, Row), row
        found.append({name: cell for name, cell in zip(HEADER, row.cells, strict=True) if cell})
    return found


def test_a_card_of_version_4_says_how_to_reach_somebody() -> None:
    assert cards(FOUR) == [
        {
            "key": "4fbe8971", "name": "An Peeters, coördinator", "mobile": "+32470000001", "phone": "+3250000001",
            "email": "an@x.example", "language": "nl", "label": "Markt 1 bus 3", "postcode": "8000",
            "municipality": "Brugge", "lat": "51.2086", "lon": "3.2242", "tags": "plp key-actor",
        }
    ]  # fmt: skip


def test_a_card_of_version_2_is_read_with_its_old_ways() -> None:
    assert cards(TWO + TWO) == [{"name": "Élise Dupré", "mobile": "0470 00 00 02"}] * 2


def test_cards_become_contacts_as_rows_of_a_table_do() -> None:
    (contact,) = read_contacts(read_cards(FOUR.encode()), ImportOptions(languages=("nl", "fr")))
    assert isinstance(contact, ImportedContact)
    assert (contact.mobile, contact.landline, contact.place) == (
        "+32470000001", "+3250000001", Place("Markt 1 bus 3", 3.2242, 51.2086),
    )  # fmt: skip
    assert (contact.key, contact.tags) == ("4fbe8971", ("plp", "key-actor"))


def test_a_soft_line_end_goes_on_and_a_card_in_a_card_is_passed_over() -> None:
    inner = "AGENT:\nBEGIN:VCARD\nFN:Secretary\nEND:VCARD\n"
    text = f"BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:Peet=\ners;An\n{inner}TEL:050000001\nGEO:51.1;3.2\nEND:VCARD"
    assert cards(text) == [{"name": "An Peeters", "phone": "050000001", "lat": "51.1", "lon": "3.2"}]


def test_an_extension_is_left_for_the_reader_of_numbers_to_refuse() -> None:
    assert cards("BEGIN:VCARD\nTEL:tel:+3250000001;ext=12\nEND:VCARD")[0]["phone"] == "+3250000001 ext. 12"


def test_what_is_no_card_is_said() -> None:
    assert list(read_cards(b"BEGIN:VCARD\nFN:x\n"))[1] == BadRow(2, "the card does not end (END:VCARD)")
    assert isinstance(list(read_cards(b"BEGIN:VCARD\nEND:VCARD\nname;gsm\n"))[2], BadFile)
    assert isinstance(next(read_cards(b"x" * 11, CardLimits(file_bytes=10))), BadFile)
    many = list(read_cards(b"BEGIN:VCARD\nEND:VCARD\n" * 3, CardLimits(cards=2)))
    assert many[-1] == BadFile("the file has more than 2 cards: split it")


@pytest.mark.parametrize(
    "hostile",
    [
        b"BEGIN:VCARD\nTEL" + b';X="' * 2000 + b":1\nEND:VCARD\n",
        b"BEGIN:VCARD\nTEL" + b";a=b" * 1000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\n" * 50_000,
        b"BEGIN:VCARD\n" + b"TEL:1\n" * 200_000 + b"END:VCARD\n",
        b"BEGIN:VCARD\nPHOTO:" + b"A" * 5_000_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nPHOTO:\n" + b" A\n" * 1_000_000 + b"END:VCARD\n",
        b"BEGIN:VCARD\nFN;ENCODING=QUOTED-PRINTABLE:" + b"=\n=" * 300_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nCATEGORIES:" + b"\\," * 2_000 + b"\nEND:VCARD\n",
    ],
)
def test_a_hostile_file_costs_little(hostile: bytes) -> None:
    began = time.process_time()
    rows = list(read_cards(hostile))
    assert time.process_time() - began < 5
    assert len(rows) <= 3


@given(st.binary(max_size=200).map(lambda junk: b"BEGIN:VCARD\n" + junk + b"\nEND:VCARD\n"))
def test_whatever_stands_in_a_file_nothing_breaks(data: bytes) -> None:
    for row in read_cards(data):
        assert isinstance(row, Row | BadRow | BadFile)


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"], blacklist_characters="\x85"), max_size=80))
def test_a_name_written_by_another_program_is_read_back(name: str) -> None:
    card = vobject.vCard()
    card.add("fn").value = name
    card.add("n").value = vobject.vcard.Name(family=name)
    (found,) = cards(card.serialize().encode())
    assert found.get("name", "") == name.strip()


def test_escaped_separators_separate_nothing() -> None:
    assert split_unescaped("a\\;b;c\\\\;d", ";") == ["a\\;b", "c\\\\", "d"]
    assert unescaped("a\\;b\\nc\\\\") == "a;b c\\"
