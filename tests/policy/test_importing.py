"""Contacts from rows: columns, numbers, addresses, languages, duplicates, reasons."""

import string

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.importing import (
    COLUMNS,
    ImportedContact,
    ImportOptions,
    Place,
    Problem,
    read_contacts,
)
from gateway.policy.tabular import BadFile, BadRow, Row, read_rows

CELL = st.text(max_size=60)


def rows(*table: tuple[str, ...]) -> list[Row | BadRow | BadFile]:
    return [Row(number, cells) for number, cells in enumerate(table, 1)]


def read(*table: tuple[str, ...], options: ImportOptions | None = None) -> list[ImportedContact | Problem]:
    return list(read_contacts(rows(*table), options or ImportOptions()))


def one(column: str, cell: str, options: ImportOptions | None = None) -> ImportedContact | Problem:
    """The contact of a row with this cell, which always has an e-mail address or a number beside it."""
    other = ("email", "a@b.example") if column != "email" else ("mobile", "+32470000001")
    (found,) = read((column, other[0]), (cell, other[1]), options=options)
    return found


def contact(column: str, cell: str, options: ImportOptions | None = None) -> ImportedContact:
    found = one(column, cell, options)
    assert isinstance(found, ImportedContact), found
    return found


def problem(column: str, cell: str, options: ImportOptions | None = None) -> Problem:
    found = one(column, cell, options)
    assert isinstance(found, Problem), found
    return found


@pytest.mark.parametrize(
    "written", ["0477 77 77 55", "+32 477/77.77.55", "0032477777755", "tel:+32477777755", "(0477) 77-77-55"]
)
def test_a_number_is_normalised_however_it_is_written(written: str) -> None:
    assert contact("mobile", written).mobile == "+32477777755"


def test_the_region_reads_numbers_without_a_country() -> None:
    assert contact("mobile", "06 12 34 56 78", ImportOptions(region="FR")).mobile == "+33612345678"


@given(st.integers(10**7, 10**8 - 1).map(lambda n: f"+324{n}"))
def test_every_belgian_mobile_survives_the_way_people_format_it(number: str) -> None:
    parsed = phonenumbers.parse(number)
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    found = one("phone", national)
    assert isinstance(found, Problem) or number in (found.mobile, found.landline)


@pytest.mark.parametrize("written", ["112", "abc", "+", "+999123456789", "0477", "1" * 41, "٠", "0477777755 ext 5"])
def test_what_can_not_be_called_is_a_problem_of_its_column(written: str) -> None:
    assert problem("mobile", written).column == "mobile"


def test_a_premium_number_is_refused_in_every_column() -> None:
    assert "premium" in problem("mobile", "0900 12345").reason
    assert "premium" in problem("landline", "0900 12345").reason


def test_a_landline_in_the_mobile_column_is_named() -> None:
    assert "landline" in problem("mobile", "02 506 47 11").reason


def test_a_phone_column_sorts_by_kind() -> None:
    assert contact("phone", "02 506 47 11").landline == "+3225064711"
    assert contact("telefoon", "0477 77 77 55").mobile == "+32477777755"


def test_a_domain_is_lower_case_and_ascii_and_the_part_before_is_left_alone() -> None:
    assert contact("email", "Jan.Peeters@EXAMPLE.be").email == "Jan.Peeters@example.be"
    assert contact("email", "info@straße.example").email == "info@xn--strae-oqa.example"
    assert contact("email", "mailto:a@b.example").email == "a@b.example"


@pytest.mark.parametrize(
    "written",
    ["a", "@b.example", "a@", "a@b", "a b@c.example", "a@b..example", "é@b.example", "a@1.2.3.4", "a@-b.example",
     "a@b@c.example", "a.@b.example", "x" * 65 + "@b.example", "a@" + "b" * 64 + ".example", '"a b"@c.example',
     "a@b.example\r\nBcc: x@y.example", "a@" + "x." * 200 + "example", "a@b_c.example"],
)  # fmt: skip
def test_what_is_no_address_is_a_problem_of_its_column(written: str) -> None:
    assert problem("email", written).column == "email"


@given(st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,10})?@([a-z]{1,10}\.){1,3}[a-z]{2,6}", fullmatch=True))
def test_a_plain_address_passes_unchanged(address: str) -> None:
    if "xn--" not in address:
        assert contact("email", address).email == address


@pytest.mark.parametrize(
    ("written", "language"),
    [("NL", "nl"), ("fr-BE", "fr"), ("Nederlands", "nl"), ("Français", "fr"), ("D", "de"), ("", ""), ("ara", "ara")],
)
def test_a_language_is_kept_without_its_region(written: str, language: str) -> None:
    assert contact("language", written).language == language


def test_a_language_that_the_entity_does_not_write_in_is_a_problem() -> None:
    options = ImportOptions(languages=("nl", "fr"))
    assert problem("language", "de", options).reason == "the entity writes in nl, fr"
    assert problem("language", "klingon!").column == "language"


def test_urgent_alerts_can_not_be_refused() -> None:
    assert contact("opt_out", "news, prevention").opt_out == 6
    assert problem("opt_out", "urgent").reason == "nobody can refuse urgent alerts"
    assert problem("opt_out", "spam").column == "opt_out"


def test_a_place_needs_both_degrees() -> None:
    (found,) = read(("email", "lon", "lat", "label"), ("a@b.example", "4,35", "50.85", "home"))
    assert isinstance(found, ImportedContact)
    assert found.place == Place("home", 4.35, 50.85)
    assert problem("lon", "4.35").column == "lat"


@pytest.mark.parametrize("written", ["181", "-180.1", "nan", "1e3", "inf", "four"])
def test_degrees_outside_the_earth_are_a_problem(written: str) -> None:
    (found,) = read(("email", "lon", "lat"), ("a@b.example", written, "50"))
    assert isinstance(found, Problem)
    assert found.column == "lon"


def test_longitude_180_is_stored_as_minus_180() -> None:
    (found,) = read(("email", "lon", "lat"), ("a@b.example", "180", "0"))
    assert isinstance(found, ImportedContact)
    assert found.place == Place("", -180.0, 0.0)


def test_a_row_that_reaches_nobody_is_a_problem() -> None:
    (found,) = read(("name", "mobile"), ("Jan", ""))
    assert found == Problem(2, "", "neither a phone number nor an e-mail address")


def test_the_first_of_two_rows_with_one_endpoint_wins() -> None:
    first, second = read(("name", "mobile"), ("Jan", "0477777755"), ("Els", "+32 477 77 77 55"))
    assert isinstance(first, ImportedContact)
    assert second == Problem(3, "mobile", "the same as in row 2; a column key tells two people apart")


def test_two_people_of_one_household_are_told_apart_by_their_keys() -> None:
    found = read(("key", "landline"), ("1", "025064711"), ("2", "025064711"))
    assert [c.key for c in found if isinstance(c, ImportedContact)] == ["1", "2"]


def test_one_key_twice_is_a_problem_of_the_second() -> None:
    _, second = read(("key", "email"), ("1", "a@b.example"), ("1", "c@d.example"))
    assert isinstance(second, Problem)
    assert (second.row, second.column) == (3, "key")


def test_a_row_without_key_is_known_again_by_its_endpoint() -> None:
    assert contact("name", "Jan").key == "email:a@b.example"
    assert contact("email", "a@b.example").key == "mobile:+32470000001"


@pytest.mark.parametrize("header", ["GSM", "gsm-nummer", "Numéro GSM", "Mobile_Phone", "Handy", "mobile"])
def test_offices_may_name_columns_in_their_language(header: str) -> None:
    (found,) = read((header,), ("0477777755",))
    assert isinstance(found, ImportedContact)


def test_every_word_for_a_column_is_written_as_it_is_compared() -> None:
    words = [word for others in COLUMNS.values() for word in others]
    assert len(words) == len(set(words))
    assert all(set(word) <= set(string.ascii_lowercase + " ") for word in words)


def test_a_mapping_names_a_column_of_the_file() -> None:
    options = ImportOptions(mapping={"Kontakt 1": "mobile"})
    (found,) = read(("Kontakt 1", "naam"), ("0477777755", "Jan"), options=options)
    assert isinstance(found, ImportedContact)
    assert (found.mobile, found.name) == ("+32477777755", "Jan")


@pytest.mark.parametrize(
    ("header", "mapping"),
    [
        (("a", "b"), {}),
        (("mobile", "gsm"), {}),
        (("mobile",), {"absent": "email"}),
        (("mobile", "x"), {"x": "nothing"}),
    ],
)
def test_a_header_that_says_too_little_or_two_things_ends_the_import(
    header: tuple[str, ...], mapping: dict[str, str]
) -> None:
    (found,) = read(header, ("1",) * len(header), options=ImportOptions(mapping=mapping))
    assert isinstance(found, Problem)
    assert found.fatal


def test_a_bad_row_keeps_its_number_and_a_bad_file_ends_the_import() -> None:
    found = list(read_contacts([Row(1, ("email",)), BadRow(2, "why"), BadFile("cut")], ImportOptions()))
    assert found == [Problem(2, "", "why"), Problem(0, "", "cut", fatal=True)]


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=6))
def test_any_cells_give_a_storable_contact_or_a_reason(table: list[tuple[str, ...]]) -> None:
    for found in read(("mobile", "email", "language", "lon"), *table):
        if isinstance(found, ImportedContact):
            assert found.mobile or found.email
        else:
            assert found.reason


@given(st.text("0123456789", min_size=5, max_size=50), st.sampled_from(["mobile", "email", "language", "lon"]))
def test_a_reason_never_repeats_what_the_cell_says(cell: str, column: str) -> None:
    found = one(column, cell)
    assert isinstance(found, ImportedContact) or cell not in found.reason


def test_a_file_is_read_from_bytes_to_contacts() -> None:
    data = "Naam;GSM;Taal\nJosé;0477 77 77 55;F\n;;\nX;12;N\n".encode("cp1252")
    found = list(read_contacts(read_rows([data]), ImportOptions()))
    assert found[0] == ImportedContact(
        row=2, key="mobile:+32477777755", name="José", language="fr", mobile="+32477777755"
    )
    assert isinstance(found[1], Problem)
    assert found[1].row == 4
