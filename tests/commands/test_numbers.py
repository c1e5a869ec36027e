"""Numbers and dates among arguments."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.numbers import end_date, port, whole


@given(st.integers(0, 10**6))
def test_a_number_between_the_bounds_is_itself(number: int) -> None:
    assert whole(0, 10**6)(str(number)) == number


@pytest.mark.parametrize("text", ["-1", "65536", "1.5", "", "x", "٣", "9" * 30])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        port(text)


def test_an_end_is_days_from_now_the_end_of_a_day_or_an_instant() -> None:
    now = datetime.now(UTC)
    assert timedelta(days=89) < end_date("90d") - now < timedelta(days=91)
    assert end_date("2999-12-31") == datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert end_date("2999-12-31T18:00+01:00") == datetime(2999, 12, 31, 17, tzinfo=UTC)
    assert end_date("2999-12-31T18:00") == datetime(2999, 12, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "2020-01-01", "2999-13-01", "d", "-5d", ""])
def test_what_is_no_end_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        end_date(text)


@given(st.text(max_size=30))
def test_any_text_is_an_end_or_refused(text: str) -> None:
    try:
        assert end_date(text).tzinfo is not None
    except argparse.ArgumentTypeError as refused:
        assert str(refused)
