from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.cap import dates

SCHEMA = etree.XMLSchema(
    etree.fromstring(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="d"><xs:simpleType>'
        '<xs:restriction base="xs:dateTime">'
        '<xs:pattern value="\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d[-+]\\d\\d:\\d\\d"/>'
        "</xs:restriction></xs:simpleType></xs:element></xs:schema>"
    )
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:00+01:00", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("2026-03-01T10:00:00-00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T24:00:00+00:00", datetime(2026, 3, 2, 0, tzinfo=UTC)),
        ("2024-02-29T00:00:00-14:00", datetime(2024, 2, 29, 14, tzinfo=UTC)),
    ],
)
def test_a_time_in_the_form_of_cap_is_an_instant(text: str, expected: datetime) -> None:
    assert dates.read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-03-01",
        "2026-03-01T10:00:00",
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00.5+01:00",
        "2026-03-01T10:00:00,01:00",
        "2026-03-01 10:00:00+01:00",
        "2026-02-30T10:00:00+01:00",
        "2026-03-01T25:00:00+01:00",
        "2026-03-01T10:00:60+01:00",
        "2026-03-01T10:00:00+15:00",
        "2026-03-01T10:00:00+14:30",
        "2026-03-01T10:00:00+01:60",
        "2026-03-01T10:00:00+01:00\n",
        "２０２６-03-01T10:00:00+01:00",
    ],
)
def test_any_other_text_is_no_instant(text: str) -> None:
    assert dates.read(text) is None


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", "9999-12-31T24:00:00+00:00"]
)
def test_a_moment_that_utc_can_not_hold_is_no_instant(text: str) -> None:
    assert dates.is_strict(text)
    assert dates.read(text) is None


@pytest.mark.parametrize(
    ("text", "expected", "slip"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC), "Z"),
        ("2016-03-10T22:12:03.770", datetime(2016, 3, 10, 22, 12, 3, tzinfo=UTC), "no offset"),
        ("2016-03-10T22:12:03.770+01:00", datetime(2016, 3, 10, 21, 12, 3, tzinfo=UTC), "fraction"),
    ],
)
def test_three_slips_are_understood_and_named(text: str, expected: datetime, slip: str) -> None:
    instant = dates.read_leniently(text)
    assert instant.at == expected
    assert slip in instant.slip


def test_a_good_time_has_no_slip() -> None:
    assert dates.read_leniently("2026-03-01T10:00:00+01:00").slip == ""


def test_a_text_without_end_is_no_instant() -> None:
    assert dates.read_leniently("2026-03-01T10:00:00." + "1" * 1_000_000).at is None


def test_utc_is_written_with_minus_zero() -> None:
    assert dates.write(datetime(2026, 3, 1, 9, tzinfo=UTC)) == "2026-03-01T09:00:00-00:00"
    assert dates.write(datetime(2026, 3, 1, 9, 0, 0, 999_999, timezone(timedelta(hours=-9, minutes=-30)))) == (
        "2026-03-01T09:00:00-09:30"
    )


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_what_is_written_is_read_back_to_the_second(at: datetime, zone: timezone) -> None:
    at = at.replace(microsecond=0, tzinfo=zone)
    assert dates.read(dates.write(at)) == at


@given(st.from_regex(r"(19|20)\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d[-+][01]\d:[0-6]\d", fullmatch=True))
def test_the_schema_language_agrees_on_what_is_a_time(text: str) -> None:
    element = etree.Element("d")
    element.text = text
    if text.isascii():
        assert (dates.read(text) is not None) == SCHEMA.validate(element)
