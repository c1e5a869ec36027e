"""Causes of the telephone network, and the codes that say the same."""

import pytest

from gateway.sip.reason import CAUSE_CODES, code_of, read_cause


@pytest.mark.parametrize(("values", "cause"), [
    (['Q.850;cause=17;text="User busy"'], 17),
    (["SIP;cause=200;text=x, Q.850 ; cause=34"], 34),
    (["q.850;text=x;cause=1"], 1),
    (["SIP;cause=486"], 0),
    (["Q.850;cause=abc"], 0),
    ([], 0),
    (["Q.850;" + "a=b;" * 5000], 0),
])  # fmt: skip
def test_the_cause_is_found(values: list[str], cause: int) -> None:
    assert read_cause(values) == cause


@pytest.mark.parametrize(("code", "cause", "meant"), [
    (486, 34, 486),  # a plain code is believed
    (480, 1, 404), (503, 17, 486), (500, 19, 480), (0, 17, 486), (603, 21, 403),
    (503, 0, 503), (480, 999, 480), (0, 0, 0),
])  # fmt: skip
def test_a_cause_is_more_exact_than_a_vague_code(code: int, cause: int, meant: int) -> None:
    assert code_of(code, cause) == meant


def test_every_cause_becomes_a_refusal() -> None:
    assert all(400 <= code < 700 for code in CAUSE_CODES.values())
