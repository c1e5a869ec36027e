"""Why a delivery ended as it did, in words that a person at a crisis centre understands.

Knows: command_status and receipt errors of SMS, SMTP replies, SIP statuses of calls, the gateway's own short words.
Never knows: which delivery, which person. A word that is in no table is passed on as it is.
"""

from collections.abc import Mapping

from gateway.model import ChannelName, DeliveryState
from gateway.smpp.status import BY_NAME
from gateway.smtp.reply import CODE_WORDS

ACCEPTED = "ESME_ROK"
"""What stands in `detail` of an SMS that its provider had taken: its `code` is then the receipt's error."""

MAX_WORDS = 120

# What the gateway's channels write into `detail`.
OWN_WORDS: Mapping[str, str] = {
    "expired": "the alert expired before it could be sent",
    "expired before it was sent": "the alert expired before it could be sent",
    "mode": "held back: this kind of campaign may not use these providers",
    "mode refused": "held back: this kind of campaign may not use these providers",
    "invalid number": "the number is not valid",
    "not an E.164 number": "the number is not valid",
    "too many parts": "the text has more parts than the provider takes",
    "text too long": "the text is too long for a call",
    "no answer from provider": "the provider did not answer",
    "answer without call id": "the provider's answer could not be read",
    "no answer after the final dot": "the relay did not confirm the mail",
    "busy": "the line was busy",
    "no answer": "nobody answered",
    "congestion": "the telephone network was congested",
    "hung up early": "the call was ended before the text was played",
    "rejected": "the call was rejected",
    "not acceptable": "the line can not take the call",
    "fax": "a fax answered",
    "machine": "an answering machine took the message",
    "played": "the text was played",
    "confirmed": "the text was played and confirmed with a key",
    "canceled": "the call was cancelled",
}

ON_THE_LINE = frozenset({"hung up early", "canceled", "interrupted"})
"""Ends of calls that somebody may have heard some of, or that we ended ourselves: an all-clear is for them, too."""

SIP_WORDS: Mapping[int, str] = {
    403: "the call was refused",  # RFC 3261 §21.4.4
    404: "the number does not exist",  # RFC 3261 §21.4.5
    408: "nobody answered",  # RFC 3261 §21.4.9
    410: "the number is no longer in use",  # RFC 3261 §21.4.11
    415: "the line can not take the call",  # RFC 3261 §21.4.13
    480: "nobody could be reached",  # RFC 3261 §21.4.18
    484: "the number is incomplete",  # RFC 3261 §21.4.22
    486: "the line was busy",  # RFC 3261 §21.4.24
    487: "nobody answered",  # RFC 3261 §21.4.25
    488: "the line can not take the call",  # RFC 3261 §21.4.26
    500: "error at the telephone provider",  # RFC 3261 §21.5.1
    502: "error behind the telephone provider",  # RFC 3261 §21.5.3
    503: "the telephone provider was overloaded",  # RFC 3261 §21.5.4
    504: "the telephone provider did not answer in time",  # RFC 3261 §21.5.5
    600: "the line was busy",  # RFC 3261 §21.6.1
    603: "the call was declined",  # RFC 3261 §21.6.2
    604: "the number does not exist",  # RFC 3261 §21.6.3
    606: "the line can not take the call",  # RFC 3261 §21.6.4
}

# What a state means when nothing more is known, by channel where channels differ.
STATE_WORDS: Mapping[tuple[ChannelName | None, DeliveryState], str] = {
    (None, DeliveryState.QUEUED): "waits to be sent",
    (None, DeliveryState.SUBMITTING): "is being sent",
    (None, DeliveryState.RETRY_WAIT): "waits to be tried again",
    (ChannelName.SMS, DeliveryState.SUBMITTED): "taken by the provider, which reported nothing further",
    (ChannelName.EMAIL, DeliveryState.SUBMITTED): "taken by the mail relay",
    (ChannelName.VOICE, DeliveryState.SUBMITTED): "call started, its end was not reported",
    (None, DeliveryState.DELIVERED): "delivered",
    (None, DeliveryState.FAILED): "failed",
    (None, DeliveryState.EXPIRED): "the alert expired before it could be sent",
    (None, DeliveryState.CANCELLED): "stopped before it was sent",
    (None, DeliveryState.UNKNOWN): "may have left: no answer came",
}


def state_words(channel: ChannelName, state: DeliveryState) -> str:
    """What a state means on a channel."""
    return STATE_WORDS.get((channel, state)) or STATE_WORDS[None, state]


def reason(channel: ChannelName, state: DeliveryState, code: int | None, detail: str | None) -> str:
    """Why deliveries of this channel, state, code and detail ended so."""
    if state not in {DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN, DeliveryState.DELIVERED}:
        return state_words(channel, state)
    told = (detail or "").strip()
    if told in OWN_WORDS:
        return OWN_WORDS[told]
    match channel:
        case ChannelName.SMS:
            return _of_sms(state, code, told)
        case ChannelName.EMAIL:
            return _of_email(state, code, told)
        case ChannelName.VOICE:
            return _of_voice(state, code, told)


def _of_sms(state: DeliveryState, code: int | None, told: str) -> str:
    if told == ACCEPTED:
        error = f" (error {code})" if code else ""
        match state:
            case DeliveryState.FAILED:
                return f"the network could not deliver it{error}"
            case DeliveryState.EXPIRED:
                return f"the network gave up: the phone could not be reached in time{error}"
            case _:
                return state_words(ChannelName.SMS, state)
    status = BY_NAME.get(told)
    if status is not None:
        return f"refused by the provider: {status.meaning} ({status.name})"
    return _with(state_words(ChannelName.SMS, state), told, code)


def _of_email(state: DeliveryState, code: int | None, told: str) -> str:
    words = told or CODE_WORDS.get(code or 0, "")
    if code and state is not DeliveryState.UNKNOWN:
        return (
            f"refused by the mail relay: {_short(words)} ({code})" if words else f"refused by the mail relay ({code})"
        )
    return _with(state_words(ChannelName.EMAIL, state), words, None)


def _of_voice(state: DeliveryState, code: int | None, told: str) -> str:
    words = SIP_WORDS.get(code or 0)
    if words and state is not DeliveryState.DELIVERED:
        return words
    return _with(state_words(ChannelName.VOICE, state), told, code)


def _with(words: str, told: str, code: int | None) -> str:
    more = ", ".join(part for part in (_short(told), f"code {code}" if code else "") if part)
    return f"{words} ({more})" if more else words


def _short(words: str) -> str:
    return words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 3] + "..."
