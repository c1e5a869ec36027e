"""TwiML is read safely, and every outcome has its course."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.voice_script import (
    NOT_ANSWERED,
    TWIML_MAX_CHARACTERS,
    Script,
    Step,
    read_twiml,
    ringing,
    spoken,
)

TWIML = (
    '<Response><Say language="nl-NL" loop="2">Blijf binnen. Sluit alles.</Say><Pause length="3"/>'
    '<Gather numDigits="1" action="https://x.example/played?lang=nl&amp;a=b"><Say>Druk 1.</Say></Gather>'
    "<Hangup/><Say>never</Say></Response>"
)


def test_a_script_has_the_text_its_length_and_where_to_ask() -> None:
    script = read_twiml(TWIML)
    assert script is not None
    assert (script.text, script.language) == ("Blijf binnen. Sluit alles.", "nl-NL")
    assert script.action == "https://x.example/played?lang=nl&a=b"
    assert script.reading_s == pytest.approx(26 / 15)
    assert script.spoken_s == pytest.approx(2 * 26 / 15 + 3 + 7 / 15)


@pytest.mark.parametrize(
    "twiml",
    [
        "",
        "hello",
        "<Response>",
        "<Other/>",
        "<Response><Say>a</Say></Response>" + "x" * TWIML_MAX_CHARACTERS,
        '<!DOCTYPE r [<!ENTITY a "aaaa">]><Response><Say>&a;</Say></Response>',
        "<Response><Say>\x00</Say></Response>",
    ],
)
def test_what_can_not_be_played_is_no_script(twiml: str) -> None:
    assert read_twiml(twiml) is None


@given(st.text(max_size=200))
def test_no_text_raises(twiml: str) -> None:
    script = read_twiml(f"<Response><Say>{twiml}</Say></Response>")
    assert script is None or len(script.text) <= len(twiml)
    assert read_twiml(twiml) is None


def test_a_deep_or_wide_document_is_read_in_no_time() -> None:
    began = time.perf_counter()
    read_twiml("<Response>" + "<a>" * 900 + "</a>" * 900 + "</Response>")
    script = read_twiml("<Response>" + '<Say loop="99">a</Say>' * 150 + "</Response>")
    assert time.perf_counter() - began < 1.0
    assert script is not None
    assert script.spoken_s == pytest.approx(150 * 20 / 15)


def course(outcome: str, script: Script) -> list[Step]:
    """The whole call."""
    made = ringing(outcome, ring_s=4.0, ring_timeout_s=45.0)
    return made + (spoken(outcome, script, key_timeout_s=5.0) if made[-1].status == "in-progress" else [])


def steps(outcome: str, script: Script | None = None) -> list[tuple[str, int]]:
    script = script or Script(text="t", reading_s=6.0, spoken_s=12.0, action="https://x")
    made = course(outcome, script)
    return [(step.status, step.sip_code) for step in made]


@pytest.mark.parametrize("outcome", NOT_ANSWERED)
def test_a_call_that_is_not_answered_ends_with_its_code(outcome: str) -> None:
    assert steps(outcome)[-1] == NOT_ANSWERED[outcome]
    assert all(status != "in-progress" for status, _ in steps(outcome))


def test_an_unanswered_phone_rings_for_as_long_as_the_caller_asked() -> None:
    script = Script()
    made = course("no-answer", script)
    assert made[-1].after_s == 45.0


@pytest.mark.parametrize(
    ("outcome", "digits", "total_s"),
    [("answered", "", 12 + 5 + 1), ("confirmed", "1", 12 + 1 + 1), ("machine", "", 18)],
)
def test_an_answered_call_plays_everything_and_then_asks(outcome: str, digits: str, total_s: float) -> None:
    script = Script(text="t", reading_s=6.0, spoken_s=12.0, action="https://x")
    made = course(outcome, script)
    (asked,) = [step for step in made if step.action]
    assert asked.digits == digits
    assert sum(step.after_s for step in made) - 4.0 == total_s


def test_a_request_at_the_end_waits_for_no_key() -> None:
    script = read_twiml(
        '<Response><Say>a</Say><Redirect method="POST">https://x/played?by=machine</Redirect></Response>'
    )
    assert script is not None
    assert (script.action, script.waits) == ("https://x/played?by=machine", False)
    asked, _ = spoken("machine", script, key_timeout_s=5.0)
    assert asked.after_s == script.spoken_s


def test_who_hangs_up_early_hears_less_than_one_reading() -> None:
    script = Script(text="t", reading_s=6.0, spoken_s=12.0, action="https://x")
    made = course("hung-up", script)
    assert made[-1].after_s < script.reading_s
    assert not any(step.action for step in made)


def test_a_text_without_a_question_ends_with_its_last_word() -> None:
    assert steps("answered", Script(text="t", reading_s=6.0, spoken_s=12.0))[-1] == ("completed", 200)
