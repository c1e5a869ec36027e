"""The table of ends: every word and every code has one verdict, and delivered means played."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.voice_outcomes import (
    BUSY,
    CONFIRMED,
    FAILED_FOR_NOW,
    INVALID_NUMBER,
    MACHINE,
    PLAYED,
    SIP_CODES,
    WORDS,
    CallEnd,
    Heard,
    answered_s,
    by_sip_code,
    call_end,
    is_final,
    judge,
    receipt_of,
)
from gateway.model import ReceiptKind


@pytest.mark.parametrize(
    ("word", "sip_code", "kind", "detail"),
    [
        ("busy", 486, ReceiptKind.RETRY, "busy"),
        ("no-answer", 487, ReceiptKind.RETRY, "no answer"),
        ("canceled", 487, ReceiptKind.FAILED, "canceled"),
        ("failed", 404, ReceiptKind.FAILED, "invalid number"),
        ("failed", 484, ReceiptKind.FAILED, "invalid number"),
        ("failed", 604, ReceiptKind.FAILED, "invalid number"),
        ("failed", 410, ReceiptKind.FAILED, "invalid number"),
        ("failed", 603, ReceiptKind.FAILED, "rejected"),
        ("failed", 403, ReceiptKind.FAILED, "rejected"),
        ("failed", 503, ReceiptKind.RETRY, "congestion"),
        ("failed", 500, ReceiptKind.RETRY, "congestion"),
        ("failed", 480, ReceiptKind.RETRY, "no answer"),
        ("failed", 408, ReceiptKind.RETRY, "no answer"),
        ("failed", 600, ReceiptKind.RETRY, "busy"),
        ("failed", 488, ReceiptKind.FAILED, "not acceptable"),
        ("failed", 0, ReceiptKind.RETRY, "failed"),
    ],
)
def test_a_call_that_was_not_answered_has_its_verdict(word: str, sip_code: int, kind: ReceiptKind, detail: str) -> None:
    assert judge(CallEnd("id", word, 10.0, sip_code)) == (kind, detail)


@pytest.mark.parametrize("word", [word for word, verdict in WORDS.items() if verdict is None] + ["", "unheard-of"])
def test_a_call_that_goes_on_has_no_verdict(word: str) -> None:
    assert judge(CallEnd("id", word, 10.0, duration_s=20.0)) is None
    assert not is_final(word)


@pytest.mark.parametrize(("duration_s", "delivered"), [(0.0, False), (9.9, False), (10.0, True), (60.0, True)])
def test_completed_is_delivered_only_when_it_lasted_one_reading(duration_s: float, delivered: bool) -> None:
    verdict = judge(CallEnd("id", "completed", 10.0, 200, duration_s))
    assert verdict is not None
    assert (verdict.kind is ReceiptKind.DELIVERED) is delivered
    assert verdict.detail == ("played" if delivered else "hung up early")


def test_a_receipt_says_how_long_the_call_was_answered_whatever_was_heard() -> None:
    for heard, why in (
        (Heard(1, "1", "", 65.5), ""),
        (Heard(0, "", "machine", 3.0), ""),
        (Heard(seconds=2.0), "canceled"),
    ):
        end = call_end("id", heard, needed_s=9.0, why=why, answered=True)
        verdict = judge(end)
        assert verdict is not None
        assert receipt_of("trunk", end, verdict).seconds == heard.seconds
    assert call_end("id", Heard(), needed_s=9.0, why="no-answer", answered=False).answered_s == 0
    assert (answered_s("completed", 7.0), answered_s("busy", 7.0)) == (7.0, 0.0)


def test_a_call_without_any_time_is_not_delivered_even_for_an_empty_text() -> None:
    verdict = judge(CallEnd("id", "completed", 0.0, 200, 0.0))
    assert verdict is not None
    assert verdict.kind is ReceiptKind.RETRY


def test_played_is_delivered_and_the_key_1_confirms_it() -> None:
    assert judge(CallEnd("id", "in-progress", played=True)) == PLAYED
    assert judge(CallEnd("id", "in-progress", played=True, digits="1")) == CONFIRMED
    assert judge(CallEnd("id", "in-progress", played=True, digits="9")) == PLAYED


def test_a_machine_that_let_it_play_is_delivered_and_named_and_a_fax_is_not() -> None:
    assert judge(CallEnd("id", "completed", 10.0, 200, 30.0, answered_by="machine_start")) == MACHINE
    fax = judge(CallEnd("id", "completed", 10.0, 200, 30.0, answered_by="fax"))
    assert fax is not None
    assert fax.kind is ReceiptKind.FAILED


@given(st.integers(0, 1000))
def test_every_code_has_a_verdict_and_an_unknown_one_that_of_its_class(code: int) -> None:
    verdict = by_sip_code(code)
    if code in SIP_CODES:
        assert verdict == SIP_CODES[code]
    elif 400 <= code < 500 or code >= 600:
        assert verdict.kind is ReceiptKind.FAILED
    else:
        assert verdict == FAILED_FOR_NOW
    assert verdict.kind is not ReceiptKind.DELIVERED


def test_only_numbers_that_can_not_work_are_called_invalid() -> None:
    assert {code for code, verdict in SIP_CODES.items() if verdict == INVALID_NUMBER} == {404, 410, 484, 604}


@pytest.mark.parametrize(("heard", "why", "code", "word"), [
    (Heard(readings=1), "played", 200, "played"),
    (Heard(digits="1"), "played", 200, "confirmed"),
    (Heard(digits="5"), "", 200, "played"),
    (Heard(seconds=3.0), "", 200, "hung up early"),
    (Heard(readings=1, answered_by="machine", seconds=9.0), "played", 200, "machine"),
    (Heard(answered_by="machine", seconds=9.0), "", 200, "hung up early"),
    (Heard(), "no-answer", 487, "no answer"),
    (Heard(), "canceled", 487, "canceled"),
    (Heard(readings=1), "canceled", 200, "played"),
    (Heard(seconds=1.0), "interrupted", 200, "interrupted"),
    (Heard(), "not-acceptable", 200, "not acceptable"),
])  # fmt: skip
def test_a_call_that_we_play_ends_by_what_was_heard(heard: Heard, why: str, code: int, word: str) -> None:
    end = call_end("c", heard, needed_s=2.0, why=why, answered=code == 200, sip_code=code)
    verdict = judge(end)
    assert verdict is not None
    assert (end.call_id, verdict.detail) == ("c", word)


@pytest.mark.parametrize(("code", "cause"), [(486, 0), (480, 17), (503, 17), (0, 17)])
def test_a_refusal_after_ringing_is_judged_by_code_and_cause(code: int, cause: int) -> None:
    end = call_end("c", Heard(), needed_s=2.0, why="", answered=False, sip_code=code, cause=cause)
    assert judge(end) == BUSY
