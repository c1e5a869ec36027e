"""Which form a client wants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.accept import prefers_cap

CAP, JSON = "application/cap+xml", "application/json"


@pytest.mark.parametrize(
    ("accept", "cap", "usual"),
    [
        ("", False, True),
        ("*/*", False, True),
        ("text/html, */*;q=0.8", False, True),
        (CAP, True, True),
        ("Application/CAP+XML; charset=utf-8", True, True),
        (JSON, False, False),
        ("application/problem+json", False, False),
        (f"{JSON}, {CAP};q=0.5", False, False),
        (f"{JSON};q=0.5, {CAP};q=0.9", True, True),
        (f"{CAP}, {JSON}", True, True),
        (f"{CAP};q=0", False, False),
        (f"{CAP};q=nonsense", False, False),
    ],
)
def test_what_is_named_decides_and_otherwise_what_is_usual(accept: str, cap: bool, usual: bool) -> None:
    assert prefers_cap(accept, usually=False) is cap
    assert prefers_cap(accept, usually=True) is usual


@given(st.text(max_size=300))
def test_no_header_is_too_strange(accept: str) -> None:
    assert prefers_cap(accept, usually=False) in (True, False)
