"""The called parties behind a SIP trunk, without sockets or clocks: what they answer to whom, and when again.

Knows: the server side of RFC 3261 over UDP (§17.2 transactions, §13.3 INVITE, §9.2 CANCEL, §15.1.2 BYE).
Never knows: sockets, the loop, how the outcome of a number is agreed.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from gateway.sip.message import SipRequest, in_dialog, parse, respond
from gateway.sip.sdp import answer, read_offer

T1_S, T2_S = 0.5, 4.0  # RFC 3261 §17.1.1.1
TRANSACTION_S = 64 * T1_S
RING_MAX_S = 180.0  # RFC 3261 §16.6: no phone rings longer than a proxy's timer C
CALL_MAX_S = 3600.0
CALLS_MAX = 20_000
ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO")

RINGING, ANSWERED, UP, REFUSED, ENDED = "ringing", "answered", "up", "refused", "ended"

REFUSALS: dict[str, tuple[int, str, tuple[tuple[str, str], ...]]] = {
    "busy": (486, "Busy Here", ()),  # RFC 3261 §21.4.24
    "failed": (404, "Not Found", (("Reason", 'Q.850;cause=1;text="Unallocated number"'),)),  # RFC 3261 §21.4.5
    "congestion": (503, "Service Unavailable", (("Retry-After", "2"),)),  # RFC 3261 §21.5.4
}
BY_LAST_DIGIT = {
    "0": "answered",
    "1": "confirmed",
    "2": "confirmed",
    "3": "hung-up",
    "4": "early",
    "5": "answered",
    "6": "busy",
    "7": "no-answer",
    "8": "failed",
    "9": "congestion",
}


def by_last_digit(called: str) -> str:
    """The outcome of a number when none was agreed."""
    return BY_LAST_DIGIT.get(called[-1:], "answered")


class Datagram(NamedTuple):
    """Bytes and where they go."""

    data: bytes
    to: tuple[str, int]


@dataclass(slots=True, kw_only=True, eq=False)
class PartyCall:
    """One call as the called side sees it."""

    invite: SipRequest
    source: tuple[str, int]
    outcome: str
    tag: str
    state: str = RINGING
    last: bytes = b""  # what a repeated INVITE gets, and what is repeated until the ACK
    resend_s: float
    give_up_at: float = 0.0
    due_at: float = 0.0
    cseq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds that called parties take; of one call in `listen_to` (a power of two up to 128) the audio is listened
    to. An answer that is not acknowledged within `t1_s` is repeated (RFC 3261 §17.1.1.1: T1 is an estimate)."""

    ring_s: float = 0.1
    key_s: float = 1.0
    hang_up_s: float = 2.0
    listen_to: int = 1
    t1_s: float = T1_S

    def __post_init__(self) -> None:
        if self.listen_to not in (1, 2, 4, 8, 16, 32, 64, 128):
            raise ValueError("listen_to is a power of two up to 128")


class CalledParties:
    """Feed it datagrams and the time; fetch what it wants to send. It never raises for what a peer sends."""

    def __init__(
        self,
        *,
        local: tuple[str, int],
        media: tuple[str, int],
        outcome: Callable[[str], str] = by_last_digit,
        called: Callable[[str], None] = lambda _: None,
        timing: Timing | None = None,
        calls_max: int = CALLS_MAX,
    ) -> None:
        self.calls: dict[tuple[str, str], PartyCall] = {}
        self.retransmissions = 0
        self._local = local
        self._media = media
        self._outcome = outcome
        self._called = called
        self._timing = timing or Timing()
        self._calls_max = calls_max
        self._number = count(1)
        self._timers: list[tuple[float, int, PartyCall]] = []
        self._to_send: list[Datagram] = []

    def receive_data(self, data: bytes, source: tuple[str, int], now: float) -> None:
        """One datagram from a peer."""
        message = parse(data)
        if isinstance(message, SipRequest):  # the answers to our own INFO and BYE need nothing done
            self._request(message, source, now)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        while self._timers and self._timers[0][0] <= now:
            due_at, _, call = heapq.heappop(self._timers)
            if due_at == call.due_at:
                call.due_at = 0.0
                self._due(call, now)

    def next_timer(self) -> float | None:
        """When handle_timer wants to be called; it may turn out to have nothing to do."""
        return self._timers[0][0] if self._timers else None

    def data_to_send(self) -> list[Datagram]:
        """What to put on the wire now."""
        pending, self._to_send = self._to_send, []
        return pending

    @property
    def in_progress(self) -> int:
        """Calls that have not ended."""
        return sum(call.state != ENDED for call in self.calls.values())

    def _request(self, request: SipRequest, source: tuple[str, int], now: float) -> None:
        call = self.calls.get((request.parties.call_id, request.parties.from_tag))
        match request.method:
            case "INVITE":
                self._invite(call, request, source, now)
            case "ACK":
                self._ack(call, now)
            case "CANCEL":
                self._cancel(call, request, source, now)
            case "BYE" | "INFO":
                self._bye_or_info(call, request, source, now)
            case "OPTIONS":
                self._reply(request, source, 200, "OK", (ALLOW, ("Accept", "application/sdp")))  # RFC 3261 §11.2
            case _:
                self._reply(request, source, 405, "Method Not Allowed", (ALLOW,))  # RFC 3261 §8.2.1

    def _invite(self, call: PartyCall | None, request: SipRequest, source: tuple[str, int], now: float) -> None:
        if call is not None:
            if request.cseq == call.invite.cseq and call.last:
                self._send(call.last, source)  # RFC 3261 §17.2.1: a repeated request gets the last response again
            elif request.cseq != call.invite.cseq:
                self._reply(request, source, 488, "Not Acceptable Here")  # no re-INVITE here
            return
        if request.parties.to_tag:
            self._reply(request, source, 481, "Call/Transaction Does Not Exist")  # RFC 3261 §12.2.2
            return
        if len(self.calls) >= self._calls_max:
            self._reply(request, source, 503, "Service Unavailable", (("Retry-After", "5"),))
            return
        self._called(request.called)
        number = next(self._number)
        call = PartyCall(
            invite=request, source=source, outcome=self._outcome(request.called), tag=f"called{number:08x}",
            resend_s=self._timing.t1_s,
        )  # fmt: skip
        self.calls[request.parties.call_id, request.parties.from_tag] = call
        self._provisional(call, 100, "Trying", tag="")
        self._begin(call, now)

    def _begin(self, call: PartyCall, now: float) -> None:
        if (refusal := REFUSALS.get(call.outcome)) is not None:
            self._final(call, *refusal, now=now)
            return
        if call.outcome == "early":
            self._provisional(call, 183, "Session Progress", tag=call.tag, body=self._sdp(call))
        else:
            self._provisional(call, 180, "Ringing", tag=call.tag)
        self._at(call, now + (RING_MAX_S if call.outcome == "no-answer" else self._timing.ring_s))

    def _due(self, call: PartyCall, now: float) -> None:
        if call.state == RINGING and call.outcome == "no-answer":
            self._final(call, 480, "Temporarily Unavailable", (), now=now)  # RFC 3261 §21.4.18
        elif call.state == RINGING:
            self._answer(call, now)
        elif call.state in (ANSWERED, REFUSED):
            self._resend(call, now)
        elif call.state == UP:
            self._act(call, now)
        else:
            self.calls.pop((call.invite.parties.call_id, call.invite.parties.from_tag), None)

    def _answer(self, call: PartyCall, now: float) -> None:
        body = self._sdp(call)
        if not body:
            self._final(call, 488, "Not Acceptable Here", (), now=now)  # RFC 3261 §21.4.26
            return
        call.state, call.give_up_at = ANSWERED, now + TRANSACTION_S
        headers = (self._contact(), ALLOW, ("Content-Type", "application/sdp"))
        call.last = respond(call.invite, 200, "OK", source=call.source, to_tag=call.tag, headers=headers, body=body)
        self._send(call.last, call.source)
        self._at(call, now + call.resend_s)

    def _resend(self, call: PartyCall, now: float) -> None:
        # RFC 3261 §13.3.1.4 for 200, §17.2.1 (timers G and H) for the others
        if now >= call.give_up_at:
            self._end(call, now)
            return
        self.retransmissions += 1
        self._send(call.last, call.source)
        call.resend_s = min(2 * call.resend_s, T2_S)
        self._at(call, now + call.resend_s)

    def _ack(self, call: PartyCall | None, now: float) -> None:
        if call is None:
            return
        if call.state == REFUSED:
            self._end(call, now)
        elif call.state == ANSWERED:
            call.state = UP
            waits = {"confirmed": self._timing.key_s, "hung-up": self._timing.hang_up_s}
            self._at(call, now + waits.get(call.outcome, CALL_MAX_S))

    def _act(self, call: PartyCall, now: float) -> None:
        """What the called party does on its own: press a key, hang up; also when nobody has for an hour."""
        if call.outcome == "confirmed" and not call.cseq:
            self._ask(call, "INFO", b"Signal=1\r\nDuration=160\r\n")
            self._at(call, now + CALL_MAX_S)
        else:
            self._ask(call, "BYE")
            self._end(call, now)

    def _cancel(self, call: PartyCall | None, request: SipRequest, source: tuple[str, int], now: float) -> None:
        # RFC 3261 §9.2
        if call is None or request.branch != call.invite.branch:
            self._reply(request, source, 481, "Call/Transaction Does Not Exist")
            return
        self._reply(request, source, 200, "OK", tag=call.tag)
        if call.state == RINGING:
            self._final(call, 487, "Request Terminated", (), now=now)

    def _bye_or_info(self, call: PartyCall | None, request: SipRequest, source: tuple[str, int], now: float) -> None:
        # RFC 3261 §15.1.2
        if call is None or request.parties.to_tag != call.tag:
            self._reply(request, source, 481, "Call/Transaction Does Not Exist")
            return
        self._reply(request, source, 200, "OK")
        if request.method == "BYE" and call.state != ENDED:
            self._end(call, now)

    def _final(
        self, call: PartyCall, code: int, phrase: str, headers: tuple[tuple[str, str], ...], *, now: float
    ) -> None:
        call.state, call.give_up_at = REFUSED, now + TRANSACTION_S
        call.last = respond(call.invite, code, phrase, source=call.source, to_tag=call.tag, headers=headers)
        self._send(call.last, call.source)
        self._at(call, now + call.resend_s)

    def _end(self, call: PartyCall, now: float) -> None:
        """Kept for a while, so that repeated requests are recognised."""
        call.state = ENDED
        self._at(call, now + TRANSACTION_S)

    def _provisional(self, call: PartyCall, code: int, phrase: str, *, tag: str, body: bytes = b"") -> None:
        headers: tuple[tuple[str, str], ...] = (self._contact(),) if tag else ()
        if body:
            headers += (("Content-Type", "application/sdp"),)
        call.last = respond(call.invite, code, phrase, source=call.source, to_tag=tag, headers=headers, body=body)
        self._send(call.last, call.source)

    def _ask(self, call: PartyCall, method: str, body: bytes = b"") -> None:
        call.cseq += 1
        branch = f"z9hG4bK{call.tag}{call.cseq}"  # RFC 3261 §8.1.1.7
        data = in_dialog(
            call.invite, method, cseq=call.cseq, branch=branch, to_tag=call.tag, local=self._local, body=body
        )
        self._send(data, call.source)

    def _reply(
        self,
        request: SipRequest,
        source: tuple[str, int],
        code: int,
        phrase: str,
        headers: tuple[tuple[str, str], ...] = (),
        tag: str = "called",
    ) -> None:
        self._send(respond(request, code, phrase, source=source, to_tag=tag, headers=headers), source)

    def _sdp(self, call: PartyCall) -> bytes:
        offer = read_offer(call.invite.body)
        made = answer(offer, *self._media, session=int(call.tag.removeprefix("called"), 16)) if offer else None
        return made or b""

    def _contact(self) -> tuple[str, str]:
        return ("Contact", f"<sip:called@{self._local[0]}:{self._local[1]}>")

    def _send(self, data: bytes, to: tuple[str, int]) -> None:
        self._to_send.append(Datagram(data, to))

    def _at(self, call: PartyCall, due_at: float) -> None:
        call.due_at = due_at
        heapq.heappush(self._timers, (due_at, next(self._number), call))
