"""What a caller's user agent answers to requests of the other side.

Knows: RFC 3261 §12.2.2 (requests inside a dialog), §14.2 (re-INVITE), §15.1.2 (BYE), RFC 6086 (INFO with keys).
Never knows: timers, sockets, what follows from it for the call (the agent does).
"""

import re
from typing import NamedTuple

from gateway.sip.call import SipCall
from gateway.sip.message import SipRequest, respond
from gateway.sip.request import ALLOW, Fields, Identity
from gateway.sip.sdp import answer, read_offer

SDP = ("Content-Type", "application/sdp")
_SIGNAL = re.compile(rb"^\s*Signal\s*=\s*([0-9A-D*#])\s*$", re.MULTILINE | re.IGNORECASE)


class Reply(NamedTuple):
    """The bytes to send back, and what was learned: a hang-up, a key, new audio (its session description)."""

    data: bytes
    bye: bool = False
    digit: str = ""
    moved: bytes = b""


def reply(request: SipRequest, call: SipCall | None, source: tuple[str, int], identity: Identity) -> Reply:
    """The answer to a request; `call` is the one that its Call-ID names."""
    allow = ("Allow", ALLOW)
    if request.method == "OPTIONS":
        return Reply(respond(request, 200, "OK", source=source, to_tag="gateway", headers=(allow,)))
    if call is None or not call.to_tag or request.parties.from_tag != call.to_tag:
        # RFC 3261 §12.2.2; outside a dialog: nobody can call an alert gateway
        code, phrase = (481, "Call/Transaction Does Not Exist") if request.parties.to_tag else (480, "Unavailable")
        return Reply(respond(request, code, phrase, source=source, to_tag="gateway"))
    match request.method:
        case "BYE":
            return Reply(respond(request, 200, "OK", source=source), bye=True)
        case "INFO":
            return Reply(respond(request, 200, "OK", source=source), digit=key_of(request))
        case "INVITE" | "UPDATE":
            return _changed(call, request, source, identity)
        case _:
            return Reply(respond(request, 405, "Method Not Allowed", source=source, headers=(allow,)))


def _changed(call: SipCall, request: SipRequest, source: tuple[str, int], identity: Identity) -> Reply:
    """The session is refreshed, its audio moved or held."""
    contact = ("Contact", identity.contact)
    if not request.body:
        # RFC 3261 §14.2: a re-INVITE without an offer wants ours
        offers = request.method == "INVITE"
        fields: Fields = (contact, SDP) if offers else (contact,)
        return Reply(
            respond(request, 200, "OK", source=source, headers=fields, body=call.offer if offers else b"")
        )  # fmt: skip
    offer = read_offer(request.body)
    body = answer(offer, *call.media, session=1) if offer is not None else None
    if body is None:
        return Reply(respond(request, 488, "Not Acceptable Here", source=source))
    return Reply(respond(request, 200, "OK", source=source, headers=(contact, SDP), body=body), moved=request.body)


def key_of(request: SipRequest) -> str:
    """The key that an INFO tells, "" for none: both forms that equipment uses."""
    kind = (request.raw.headers.get("Content-Type", None) or "").lower()
    if kind.startswith("application/dtmf-relay"):
        found = _SIGNAL.search(request.body)
        return found[1].decode().upper() if found else ""
    body = request.body.strip()
    if kind.startswith("application/dtmf") and len(body) == 1 and body in b"0123456789*#ABCDabcd":
        return body.decode().upper()
    return ""
