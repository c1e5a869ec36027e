"""What a simulated called party does: TwiML read safely, and the course of a call for each outcome. No I/O.

Knows: <Say>, <Gather>, <Pause>, <Redirect>, <Hangup>; the words for outcomes; how long speech takes.
Never knows: HTTP, callbacks, clocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree

TWIML_MAX_CHARACTERS = 4_000
CHARACTERS_PER_S = 15.0
READINGS_MAX = 20

ANSWERED, CONFIRMED, HUNG_UP, MACHINE = "answered", "confirmed", "hung-up", "machine"
BUSY, NO_ANSWER, FAILED, CONGESTION, SILENT = "busy", "no-answer", "failed", "congestion", "silent"
THROTTLED, BROKEN, HANGING, REFUSED = "throttled", "broken", "hanging", "refused"
"""The last four are faults of the API itself for this number: 429, 500, no answer, 400."""

NOT_ANSWERED: Mapping[str, tuple[str, int]] = {
    BUSY: ("busy", 486),
    NO_ANSWER: ("no-answer", 487),
    "expired": ("no-answer", 487),
    FAILED: ("failed", 404),
    CONGESTION: ("failed", 503),
}
"""Outcome -> CallStatus and SipResponseCode. Every other word is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the caller has to say: the text once, its language, the nominal seconds that one reading and all of it
    take, and the URL to ask at the end ("" without one); `waits` says that a key is waited for before that."""

    text: str = ""
    language: str = ""
    reading_s: float = 0.0
    spoken_s: float = 0.0
    action: str = ""
    waits: bool = True


class Step(NamedTuple):
    """After so many nominal seconds: the call's status, the callback event ("" for none), and what goes with it."""

    after_s: float
    status: str
    event: str = ""
    sip_code: int = 0
    action: bool = False
    digits: str = ""


def read_twiml(twiml: str) -> Script | None:
    """The script, or None when it is no TwiML that can be played."""
    if len(twiml) > TWIML_MAX_CHARACTERS or "<!" in twiml:
        return None  # neither entities nor comments: nothing here needs them
    try:
        root = etree.fromstring(twiml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.tag != "Response":
        return None
    text, language, reading_s, spoken_s, action, waits = "", "", 0.0, 0.0, "", True
    for verb in root:
        if verb.tag == "Say":
            said = _said(verb)
            readings = _count(verb.get("loop", "1"), READINGS_MAX)
            spoken_s += readings * len(said) / CHARACTERS_PER_S
            if not text:
                text, language, reading_s = said, verb.get("language", ""), len(said) / CHARACTERS_PER_S
        elif verb.tag == "Gather":
            action = verb.get("action", "")
            prompt = _said(verb)
            spoken_s += len(prompt) / CHARACTERS_PER_S
        elif verb.tag == "Redirect":
            action, waits = _said(verb), False
        elif verb.tag == "Pause":
            spoken_s += _count(verb.get("length", "1"), 600)
        else:
            break  # <Hangup/>, or a verb that is not played here
    return Script(text=text, language=language, reading_s=reading_s, spoken_s=spoken_s, action=action, waits=waits)


def ringing(outcome: str, *, ring_s: float, ring_timeout_s: float) -> list[Step]:
    """The steps of a call with this outcome until it is answered or has ended, in nominal seconds."""
    steps = [Step(0.0, "queued", "initiated"), Step(0.0, "ringing", "ringing")]
    if outcome not in NOT_ANSWERED:
        return [*steps, Step(ring_s, "in-progress", "answered", 200)]
    status, sip_code = NOT_ANSWERED[outcome]
    waits_s = ring_timeout_s if status == "no-answer" else ring_s
    return [*steps, Step(waits_s, status, "completed", sip_code)]


def spoken(outcome: str, script: Script, *, key_timeout_s: float) -> list[Step]:
    """The steps after the answer, or after a machine has stopped talking."""
    if outcome == HUNG_UP:
        return [Step(script.reading_s / 3, "completed", "completed", 200)]
    if not script.action:
        return [Step(script.spoken_s, "completed", "completed", 200)]
    digits = "1" if outcome == CONFIRMED else ""
    waits_s = (1.0 if digits else key_timeout_s) if script.waits else 0.0
    asked = Step(script.spoken_s + waits_s, "in-progress", "", 200, action=True, digits=digits)
    return [asked, Step(1.0, "completed", "completed", 200)]


def _said(verb: etree._Element) -> str:
    return "".join(str(text) for text in verb.itertext()).strip()


def _count(value: str, most: int) -> int:
    plain = value.isascii() and value.isdigit() and len(value) <= 6
    return min(int(value), most) if plain else 1
