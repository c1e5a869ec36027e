"""The second way, against the examples of RFC 6238 and by its own rules."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.second_way import code_at, in_base32, key_uri, recovery_codes, recovery_word, step_of, wait_s

KEY = b"12345678901234567890"
EXAMPLES = {59: "94287082", 1111111109: "07081804", 1234567890: "89005924", 2000000000: "69279037"}


@pytest.mark.parametrize(("at_s", "code"), EXAMPLES.items())
def test_codes_are_those_of_the_standard(at_s: int, code: str) -> None:
    """RFC 6238 appendix B has eight digits; six are their end."""
    assert code_at(KEY, at_s // 30) == code[-6:]


@given(st.integers(5, 10**8), st.integers(-3, 3))
def test_a_code_counts_in_its_step_and_one_beside_and_once(step: int, off: int) -> None:
    found = step_of(KEY, code_at(KEY, step + off), step * 30 + 15, 0)
    assert found is not None if abs(off) <= 1 else found in (None, step - 1, step, step + 1)
    if found is not None:
        assert step_of(KEY, code_at(KEY, found), step * 30 + 15, found) in (None, found + 1)


@given(st.text(max_size=12))
def test_what_is_no_code_is_none(text: str) -> None:
    if text.replace(" ", "") not in {code_at(KEY, step) for step in (0, 1, 2)}:
        assert step_of(KEY, text, 30, -1) is None


def test_spaces_as_apps_show_them_do_no_harm() -> None:
    code = code_at(KEY, 100)
    assert step_of(KEY, f"{code[:3]} {code[3:]}", 3000, 0) == 100


def test_apps_read_the_key() -> None:
    assert in_base32(KEY) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert key_uri(KEY, "Alert gateway", "An & co") == (
        "otpauth://totp/Alert%20gateway:An%20%26%20co?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Alert%20gateway"
    )


def test_recovery_codes_are_ten_long_ones_and_read_however_they_are_typed() -> None:
    codes = recovery_codes(os.urandom)
    assert len(set(codes)) == 10
    assert all(len(recovery_word(code)) == 16 for code in codes)
    assert recovery_word(codes[0].upper().replace("-", " ")) == recovery_word(codes[0])


@pytest.mark.parametrize("of", ["account", "address"])
def test_waits_grow_and_end(of: str) -> None:
    waits = [wait_s(failures, of) for failures in range(1, 2000)]
    assert waits[:2] == [0, 0]
    assert all(before <= after for before, after in pairwise(waits))
    assert max(waits) == {"account": 900, "address": 60}[of]
