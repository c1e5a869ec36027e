"""The geocode systems."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.geocodes import SCHEMES, GeocodeScheme, canonical, known, problem


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_system_is_found_by_all_its_names_and_its_example_is_a_value(scheme: GeocodeScheme) -> None:
    assert {canonical(name) for name in (scheme.name, *scheme.also, scheme.name.lower())} == {scheme.name}
    assert problem(scheme.name, scheme.example) == ""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("INS", "NIS"),
        ("nis", "NIS"),
        ("NUTS3", "NUTS"),
        ("ISO3166-2", "ISO 3166-2"),
        ("iso_3166_2", "ISO 3166-2"),
        ("EMMA_ID", "EMMA_ID"),
        (" fire-zone ", "fire-zone"),
    ],
)
def test_spelling_does_not_make_another_system(written: str, kept: str) -> None:
    assert canonical(written) == kept


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("NIS", "3100"),
        ("INS", "31005A"),
        ("NUTS", "be251"),
        ("ISO 3166-2", "BEVWV"),
        ("EMMA_ID", "BE04"),
        ("SAME", "06037"),
        ("NIS", "٣١٠٠٥"),
        ("anything", ""),
        ("anything", "x" * 101),
        ("anything", "a\nb"),
    ],
)
def test_what_is_no_value_is_said(scheme: str, value: str) -> None:
    assert problem(scheme, value)


def test_of_a_system_nobody_knows_any_short_text_is_a_value() -> None:
    assert known("fire-zone") is None
    assert problem("fire-zone", "Zone 5") == ""


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_name_and_value_get_an_answer(name: str, value: str) -> None:
    assert isinstance(problem(canonical(name), value), str)
