"""The Calls API in values: the form that starts a call, its TwiML, and what each answer means. No I/O.

Knows: the parameters, TwiML, HTTP statuses and error codes of the Twilio-compatible Calls API.
Never knows: connections, lines, ceilings, what happens to a refused call afterwards.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from gateway.channels.voice_driver import Call, Placed
from gateway.channels.voice_outcomes import CallEnd, answered_s, is_final
from gateway.channels.voice_settings import VoiceSettings, phrase
from gateway.channels.voice_trunks import RestTrunk
from gateway.model import OutcomeKind, Transport

TWIML_MAX_CHARACTERS = 4_000  # the API's own bound on the parameter

_SID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Form = list[tuple[str, str]]


def call_form(call: Call, trunk: RestTrunk, settings: VoiceSettings) -> Form | None:
    """The parameters of a call, or None when its text does not fit the API."""
    twiml = call_twiml(call, trunk, settings)
    if len(twiml) > TWIML_MAX_CHARACTERS:
        return None
    form = [
        ("To", call.to),
        ("From", trunk.caller_id),
        ("Twiml", twiml),
        ("Timeout", str(settings.ring_timeout_s)),
        ("TimeLimit", str(settings.longest_s(call.text))),
        ("GatewayReference", call.reference),
    ]
    if trunk.public_url:
        form.append(("StatusCallback", callback_url(trunk, "status", f"need={call.needed_s}")))
        form += [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
        form.append(("StatusCallbackMethod", "POST"))
    form += _detection(trunk, settings)
    if call.transport is Transport.SIMULATED:
        form.append(("GatewayMode", call.mode.value))
    return form


def _detection(trunk: RestTrunk, settings: VoiceSettings) -> Form:
    """Has the provider tell machines apart, by our rules as far as it lets us.

    Where it can reach us it speaks at once, and says later that a machine has stopped talking: nobody waits. Elsewhere
    it speaks when it knows.
    """
    machine = settings.machine
    if not machine.detect or not trunk.machine_detection:
        return []
    form = [
        ("MachineDetection", "DetectMessageEnd"),
        ("MachineDetectionSpeechThreshold", str(min(max(machine.greeting_ms, 1000), 6000))),
        ("MachineDetectionSpeechEndThreshold", str(min(max(machine.after_greeting_ms, 500), 5000))),
        ("MachineDetectionSilenceTimeout", str(min(max(machine.initial_silence_ms, 2000), 10_000))),
    ]
    if trunk.public_url:
        form.append(("AsyncAmd", "true"))
        form.append(("AsyncAmdStatusCallback", callback_url(trunk, "heard", "")))
        form.append(("AsyncAmdStatusCallbackMethod", "POST"))
    return form


def callback_url(trunk: RestTrunk, kind: str, query: str) -> str:
    """Where the provider tells us something; what the handler needs to know of the call is in the signed query."""
    return f"{trunk.public_url.rstrip('/')}/callbacks/voice/{trunk.name}/{kind}" + (query and f"?{query}")


def call_twiml(call: Call, trunk: RestTrunk, settings: VoiceSettings) -> str:
    """The text read `repeat` times; then, if the provider can reach us, the prompt and one key.

    The request that the gather makes, key or not, comes after the last reading: it proves the playout.
    """
    said = _say(settings.spoken(call.text, call.language), call.language, trunk, settings.repeat)
    if trunk.public_url:
        action = quoteattr(callback_url(trunk, "played", _language(call)))
        prompt = phrase(settings.prompts, call.language)
        asked = _say(prompt, call.language, trunk) if prompt else ""
        said += (
            f'<Gather input="dtmf" numDigits="1" timeout="{settings.key_timeout_s}" action={action}'
            f' method="POST" actionOnEmptyResult="true">{asked}</Gather>'
        )
    return f"<Response>{said}</Response>"


def machine_twiml(call: Call, trunk: RestTrunk, settings: VoiceSettings) -> str:
    """What a machine is told, from its tone on: its own text, then the text once; the request at the end proves it. ""
    when that does not fit the API: then it goes on with what it hears."""
    words = phrase(settings.machine.texts, call.language)
    own = _say(words, call.language, trunk) if words else ""
    text = _say(settings.spoken(call.text, call.language), call.language, trunk)
    played = escape(callback_url(trunk, "played", f"{_language(call)}&by=machine"))
    twiml = f'<Response>{own}{text}<Redirect method="POST">{played}</Redirect></Response>'
    return twiml if len(twiml) <= TWIML_MAX_CHARACTERS else ""


def _say(text: str, language: str, trunk: RestTrunk, readings: int = 1) -> str:
    """The verb that speaks."""
    voice = quoteattr(phrase(trunk.voices, language) or _NOT_XML.sub("", language))
    loop = f' loop="{readings}"' if readings > 1 else ""
    return f"<Say language={voice}{loop}>{_text(text)}</Say>"


def _language(call: Call) -> str:
    return f"lang={quote(call.language, safe='')}"


# HTTP status -> what it means for the call, our word, and whether it is the trunk's trouble and not this call's.
STATUSES: Mapping[int, tuple[OutcomeKind, str, bool]] = {
    401: (OutcomeKind.RETRY, "credentials refused", True),
    402: (OutcomeKind.RETRY, "account refused", True),
    403: (OutcomeKind.RETRY, "credentials refused", True),
    404: (OutcomeKind.RETRY, "account not found", True),
    405: (OutcomeKind.RETRY, "not a calls API", True),
    408: (OutcomeKind.RETRY, "provider congested", True),
    425: (OutcomeKind.RETRY, "provider congested", True),
    429: (OutcomeKind.RETRY, "too many requests", True),
    504: (OutcomeKind.UNKNOWN, "no answer from provider", True),  # it was handed on; what became of it nobody said
}

# The provider's own error codes in a 400: those about our account, so that a mistake there burns no number.
ACCOUNT_CODES = frozenset({20003, 20005, 21203, 21210, 21212, 21213, 21216})
THROTTLE_CODES = frozenset({20429, 22005})
NUMBER_CODES = frozenset({21211, 21214, 21217})


def read_answer(status: int, retry_after_s: float | None, body: bytes) -> Placed:
    """What the answer to a POST of a call means."""
    fields = parsed(body)
    if 200 <= status < 300:
        sid = fields.get("sid")
        if isinstance(sid, str) and _SID.fullmatch(sid):
            return Placed(OutcomeKind.ACCEPTED, sid, status)
        return Placed(OutcomeKind.UNKNOWN, code=status, detail="answer without call id")
    kind, detail, trunk = STATUSES.get(status) or _other_status(status)
    code = fields.get("code")
    if status == 400 and isinstance(code, int):
        kind, detail, trunk = _by_code(code)
    return Placed(kind, "", status, detail, retry_after_s if kind is OutcomeKind.RETRY else None, trunk)


def _other_status(status: int) -> tuple[OutcomeKind, str, bool]:
    if status >= 500:
        return OutcomeKind.RETRY, "provider error", True
    if status >= 400:
        return OutcomeKind.FAILED, "refused", False
    return OutcomeKind.RETRY, "not a calls API", True  # a redirect or a page: wrong base_url


def _by_code(code: int) -> tuple[OutcomeKind, str, bool]:
    if code in ACCOUNT_CODES:
        return OutcomeKind.RETRY, "account refused", True
    if code in THROTTLE_CODES:
        return OutcomeKind.RETRY, "too many requests", True
    if code in NUMBER_CODES:
        return OutcomeKind.FAILED, "invalid number", False
    return OutcomeKind.FAILED, "refused", False


def read_call(call_id: str, needed_s: float, body: bytes) -> CallEnd | None:
    """The end of the call from its resource, None while it is not final."""
    fields = parsed(body)
    word = str(fields.get("status", "")).lower()
    if not is_final(word):
        return None
    duration_s = whole_seconds(str(fields.get("duration") or "")) or 0.0
    answered_by = str(fields.get("answered_by") or "")[:40]
    return CallEnd(
        call_id, word, needed_s, duration_s=duration_s, answered_by=answered_by, answered_s=answered_s(word, duration_s)
    )


def parsed(body: bytes) -> Mapping[str, object]:
    """The fields of a JSON object; none of anything else."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def whole_seconds(value: str) -> float | None:
    """A whole number of seconds up to a day. A Retry-After that is a date counts as absent: our own rest applies."""
    value = value.strip()
    return float(min(int(value), 86_400)) if value.isascii() and value.isdigit() and len(value) <= 9 else None


def _text(text: str) -> str:
    return escape(_NOT_XML.sub(" ", text))
