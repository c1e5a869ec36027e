"""The Calls API in values: the form, the TwiML as another XML reader reads it, and every answer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.channels.voice_driver import Call
from gateway.channels.voice_rest_api import (
    TWIML_MAX_CHARACTERS,
    call_form,
    call_twiml,
    machine_twiml,
    parsed,
    read_answer,
    read_call,
    whole_seconds,
)
from gateway.channels.voice_trunks import RestTrunk
from gateway.model import Mode, OutcomeKind, Transport
from tests.channels.voice_line import trunk, voice

CALL = Call(
    to="+3222345670",
    text="Blijf binnen.",
    language="nl",
    reference="7-0-1-1",
    mode=Mode.EXERCISE,
    transport=Transport.SIMULATED,
    needed_s=1.1,
)
POLLED = trunk("https://api.example.com")
CALLED_BACK = trunk("https://api.example.com", "https://alerts.example/gw/")


def test_the_form_has_what_the_api_wants() -> None:
    form = call_form(CALL, CALLED_BACK, voice())
    assert form is not None
    assert dict(form) == {
        "To": "+3222345670",
        "From": "+3221234567",
        "Twiml": call_twiml(CALL, CALLED_BACK, voice()),
        "Timeout": "45",
        "TimeLimit": "58",
        "GatewayReference": "7-0-1-1",
        "StatusCallback": "https://alerts.example/gw/callbacks/voice/sim/status?need=1.1",
        "StatusCallbackEvent": "completed",
        "StatusCallbackMethod": "POST",
        "MachineDetection": "DetectMessageEnd",
        "MachineDetectionSpeechThreshold": "1500",
        "MachineDetectionSpeechEndThreshold": "800",
        "MachineDetectionSilenceTimeout": "2500",
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": "https://alerts.example/gw/callbacks/voice/sim/heard",
        "AsyncAmdStatusCallbackMethod": "POST",
        "GatewayMode": "exercise",
    }
    assert [value for name, value in form if name == "StatusCallbackEvent"] == [
        "initiated",
        "ringing",
        "answered",
        "completed",
    ]


def test_only_a_simulator_is_told_the_mode_and_without_a_public_url_nobody_calls_back() -> None:
    form = call_form(replace(CALL, transport=Transport.LIVE), POLLED, voice(machine={"detect": False}))
    assert form is not None
    assert set(dict(form)) == {"To", "From", "Twiml", "Timeout", "TimeLimit", "GatewayReference"}


def detection(trunk: RestTrunk, **machine: object) -> dict[str, str]:
    form = call_form(CALL, trunk, voice(machine=machine))
    assert form is not None
    return {name: value for name, value in form if name.startswith(("MachineDetection", "AsyncAmd"))}


def test_machines_are_told_by_our_rules_inside_the_bounds_of_the_api() -> None:
    assert detection(POLLED, greeting_ms=10_000, after_greeting_ms=200, initial_silence_ms=500) == {
        "MachineDetection": "DetectMessageEnd",  # it speaks when it knows: nobody could be told meanwhile
        "MachineDetectionSpeechThreshold": "6000",
        "MachineDetectionSpeechEndThreshold": "500",
        "MachineDetectionSilenceTimeout": "2000",
    }


def test_nobody_is_asked_to_tell_machines_who_need_not() -> None:
    assert detection(CALLED_BACK, detect=False) == {}
    assert detection(CALLED_BACK.model_copy(update={"machine_detection": False})) == {}


def test_a_machine_hears_its_own_text_and_the_text_once_and_then_it_is_asked() -> None:
    settings = voice(machine={"texts": {"nl": "Een & oproep."}})
    own, text, redirect = etree.fromstring(machine_twiml(CALL, CALLED_BACK, settings))
    assert (own.text, text.text) == ("Een & oproep.", "Blijf binnen.")
    assert own.get("language") == "nl-NL" and text.get("loop") is None
    assert redirect.text == "https://alerts.example/gw/callbacks/voice/sim/played?lang=nl&by=machine"
    assert machine_twiml(replace(CALL, text="x" * TWIML_MAX_CHARACTERS), CALLED_BACK, settings) == ""


def test_the_text_is_read_n_times_and_then_a_key_is_asked_for() -> None:
    root = etree.fromstring(call_twiml(CALL, CALLED_BACK, voice(repeat=3)))
    say, gather = root
    assert (say.tag, say.text, dict(say.attrib.items())) == ("Say", "Blijf binnen.", {"language": "nl-NL", "loop": "3"})
    assert dict(gather.attrib.items()) == {
        "input": "dtmf",
        "numDigits": "1",
        "timeout": "5",
        "action": "https://alerts.example/gw/callbacks/voice/sim/played?lang=nl",
        "method": "POST",
        "actionOnEmptyResult": "true",
    }
    assert gather[0].text == voice().prompts["nl"]


def test_a_language_without_a_prompt_still_proves_its_playout() -> None:
    root = etree.fromstring(call_twiml(replace(CALL, language="tr"), CALLED_BACK, voice()))
    assert [verb.tag for verb in root] == ["Say", "Gather"]
    assert root[0].get("language") == "tr"
    assert len(root[1]) == 0


def test_without_a_public_url_the_text_is_all_there_is() -> None:
    assert [verb.tag for verb in etree.fromstring(call_twiml(CALL, POLLED, voice()))] == ["Say"]


def test_a_text_that_does_not_fit_the_api_is_refused_and_not_cut() -> None:
    assert call_form(replace(CALL, text="x" * TWIML_MAX_CHARACTERS), POLLED, voice()) is None


@given(st.text(max_size=400), st.text(max_size=20))
def test_any_text_and_language_make_sound_xml_that_says_the_same(text: str, language: str) -> None:
    twiml = call_twiml(replace(CALL, text=text, language=language), CALLED_BACK, voice(prompts={}))
    root = etree.fromstring(twiml.encode("utf-8"))
    assert [verb.tag for verb in root] == ["Say", "Gather"]
    said = root[0].text or ""
    assert len(said) <= len(text)
    assert all(a in (b, " ", "\n") for a, b in zip(said, text.replace("\r\n", "\n"), strict=False))


@pytest.mark.parametrize(
    ("status", "body", "kind", "detail", "is_trunk"),
    [
        (201, b'{"sid": "CA1"}', OutcomeKind.ACCEPTED, "", False),
        (200, b'{"sid": "CA1"}', OutcomeKind.ACCEPTED, "", False),
        (201, b"{}", OutcomeKind.UNKNOWN, "answer without call id", False),
        (201, b'{"sid": 5}', OutcomeKind.UNKNOWN, "answer without call id", False),
        (201, b'{"sid": "../x"}', OutcomeKind.UNKNOWN, "answer without call id", False),
        (201, b"\xff", OutcomeKind.UNKNOWN, "answer without call id", False),
        (302, b"", OutcomeKind.RETRY, "not a calls API", True),
        (400, b"", OutcomeKind.FAILED, "refused", False),
        (400, b'{"code": 21211}', OutcomeKind.FAILED, "invalid number", False),
        (400, b'{"code": 21217}', OutcomeKind.FAILED, "invalid number", False),
        (400, b'{"code": 21215}', OutcomeKind.FAILED, "refused", False),
        (400, b'{"code": 21210}', OutcomeKind.RETRY, "account refused", True),
        (400, b'{"code": 21212}', OutcomeKind.RETRY, "account refused", True),
        (400, b'{"code": 22005}', OutcomeKind.RETRY, "too many requests", True),
        (401, b"", OutcomeKind.RETRY, "credentials refused", True),
        (402, b"", OutcomeKind.RETRY, "account refused", True),
        (403, b"", OutcomeKind.RETRY, "credentials refused", True),
        (404, b"", OutcomeKind.RETRY, "account not found", True),
        (422, b"", OutcomeKind.FAILED, "refused", False),
        (429, b"", OutcomeKind.RETRY, "too many requests", True),
        (500, b"", OutcomeKind.RETRY, "provider error", True),
        (503, b"", OutcomeKind.RETRY, "provider error", True),
        (504, b"", OutcomeKind.UNKNOWN, "no answer from provider", True),
    ],
)
def test_an_answer_has_its_outcome(status: int, body: bytes, kind: OutcomeKind, detail: str, is_trunk: bool) -> None:
    placed = read_answer(status, 3.0, body)
    assert (placed.kind, placed.detail, placed.trunk, placed.code) == (kind, detail, is_trunk, status)
    assert placed.retry_after_s == (3.0 if kind is OutcomeKind.RETRY else None)


@given(st.integers(100, 999), st.binary(max_size=100))
def test_no_answer_raises_and_only_2xx_is_accepted(status: int, body: bytes) -> None:
    placed = read_answer(status, None, body)
    assert placed.kind is not OutcomeKind.ACCEPTED or 200 <= status < 300


@pytest.mark.parametrize(
    ("body", "word", "duration_s"),
    [
        (b'{"status": "completed", "duration": "31", "answered_by": "machine_start"}', "completed", 31.0),
        (b'{"status": "Completed", "duration": null}', "completed", 0.0),
        (b'{"status": "busy", "duration": "-1"}', "busy", 0.0),
        (b'{"status": "failed"}', "failed", 0.0),
    ],
)
def test_a_final_call_is_read(body: bytes, word: str, duration_s: float) -> None:
    end = read_call("CA1", 5.0, body)
    assert end is not None
    assert (end.call_id, end.word, end.duration_s, end.needed_s) == ("CA1", word, duration_s, 5.0)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"status": null}', b'{"status": "ringing"}', b"[" * 100_000])
def test_a_call_that_goes_on_or_can_not_be_read_has_no_end(body: bytes) -> None:
    assert read_call("CA1", 5.0, body) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("999999999", 86400.0),
        ("9999999999", None),
        ("٣", None),
    ],
)
def test_seconds_are_plain_and_bounded(value: str, seconds: float | None) -> None:
    assert whole_seconds(value) == seconds


def test_only_an_object_has_fields() -> None:
    assert parsed(b'{"a": 1}') == {"a": 1}
    assert parsed(b"[1]") == {}
