"""A user agent that places calls over one link to a trunk: many calls, no sockets, no clock.

Knows: RFC 3261 §8 and §12 to §15, RFC 7616 (digest), RFC 6086 (INFO), RFC 3326 (Reason).
Never knows: sockets, tasks, audio, what a call is for. The five names are those of every kit's session.
"""

import heapq
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from gateway.sip.call import Duty, Life, SipCall, Turn
from gateway.sip.digest import FIELDS, Keyring
from gateway.sip.inward import SDP, reply
from gateway.sip.message import SipRequest, SipResponse, parse
from gateway.sip.reason import read_cause
from gateway.sip.request import ALLOW, Fields, Identity, Leg, build
from gateway.sip.transaction import LIFE_S, Action, ClientTransaction, State

ANSWERS_KEPT = 2000
CREDENTIALS_TRIES = 2
ROUTES_MAX = 10


class Progress(NamedTuple):
    """A provisional answer: 100 says that the trunk has the call, 180 and others that it rings."""

    call: str
    code: int


class Up(NamedTuple):
    """It was answered; `body` is the session description."""

    call: str
    body: bytes


class Digit(NamedTuple):
    """A key, told by SIP INFO."""

    call: str
    digit: str


class Moved(NamedTuple):
    """The other side wants its audio elsewhere, or none for a while."""

    call: str
    body: bytes


class Ended(NamedTuple):
    """The call is over. `code` is the final status of the INVITE (408 when none came, 0 when its connection broke);
    `answered` says that it was up once, `by_peer` that the other side ended it."""

    call: str
    code: int
    cause: int = 0
    retry_after_s: float | None = None
    answered: bool = False
    by_peer: bool = False


class Asked(NamedTuple):
    """An OPTIONS of ours was answered with this status; 0: not at all."""

    code: int


Happening = Progress | Up | Digit | Moved | Ended | Asked


@dataclass(slots=True, eq=False, kw_only=True)
class _Sent:
    """A request of ours and its transaction."""

    transaction: ClientTransaction
    method: str
    data: bytes
    call: SipCall | None
    ack: bytes = b""


class UserAgent:
    """Feed it whole messages and the time; fetch what it wants to send and what happened."""

    def __init__(self, identity: Identity, token: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self.identity = identity
        self.retransmissions = 0
        self._token = token
        self._calls: dict[str, SipCall] = {}
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._answers: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._keyring = Keyring(identity.username, identity.password, token)
        self._timers: list[tuple[float, int, tuple[str, str]]] = []
        self._number = count()
        self._to_send: list[bytes] = []
        self._events: deque[Happening] = deque()

    # what the user of the agent does ------------------------------------------------------------------------

    def new_call_id(self) -> str:
        """An id for `invite`, so that whoever calls can be ready for what happens at once."""
        return f"{self._token()}{self._token()}"

    def invite(self, call_id: str, number: str, *, offer: bytes, media: tuple[str, int], now: float) -> None:
        """Call a number."""
        identity = self.identity
        uri = identity.uri(number)
        leg = Leg(
            call_id=call_id,
            sender=f"<{identity.uri(identity.caller)}>;tag={self._token()}",
            to=f"<{uri}>",
            target=uri,
        )
        call = SipCall(leg=leg, offer=offer, media=media, branch="")
        self._calls[leg.call_id] = call
        self._invite(call, now)

    def hang_up(self, call_id: str, now: float) -> bool:
        """CANCEL while it rings, BYE when it is up; False when there is no such call."""
        call = self._calls.get(call_id)
        if call is None or call.life in (Life.LEAVING, Life.ENDED):
            return False
        self._do(call, call.turn(Turn.HANG_UP), now)
        return True

    def ask(self, now: float, *, within_s: float = LIFE_S) -> None:
        """OPTIONS to the trunk itself."""
        # RFC 3261 §11
        uri = self.identity.uri("")
        leg = Leg(
            call_id=self._token(),
            sender=f"<{self.identity.uri(self.identity.caller)}>;tag={self._token()}",
            to=f"<{uri}>",
            target=uri,
        )
        fields: Fields = (("Contact", self.identity.contact), ("Accept", "application/sdp"))
        self._request(None, leg, "OPTIONS", cseq=1, now=now, fields=fields, give_up_s=within_s)

    @property
    def calls(self) -> int:
        """Calls that have not ended."""
        return len(self._calls)

    # the five names ------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, source: tuple[str, int], now: float) -> None:
        """One whole message from the trunk."""
        message = parse(data)
        if isinstance(message, SipResponse):
            self._response(message, now)
        elif message is not None:
            self._incoming(message, source, now)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        while self._timers and self._timers[0][0] <= now:
            _, _, key = heapq.heappop(self._timers)
            if (sent := self._sent.get(key)) is not None:
                self._act(sent, sent.transaction.handle_timer(now), None, now)
                self._watch(key, sent)
            elif (call := self._calls.get(key[0])) is not None and (call.give_up_at or now + 1) <= now:
                call.give_up_at = None  # RFC 3261 §9.1: nobody answered the cancelled INVITE
                self._do(call, call.turn(Turn.REFUSAL), now)

    def next_timer(self) -> float | None:
        """When handle_timer wants to be called; it may turn out to have nothing to do."""
        return self._timers[0][0] if self._timers else None

    def data_to_send(self) -> list[bytes]:
        """Whole messages to put on the wire now."""
        pending, self._to_send = self._to_send, []
        return pending

    def events(self) -> list[Happening]:
        """What happened since the last time."""
        happened = list(self._events)
        self._events.clear()
        return happened

    def broken(self, now: float) -> None:
        """The connection is gone: what was asked and not answered can not be answered any more."""
        for key, sent in list(self._sent.items()):
            self._act(sent, sent.transaction.broken(now), None, now)
            self._watch(key, sent)

    # our requests --------------------------------------------------------------------------------------------

    def _invite(self, call: SipCall, now: float) -> None:
        identity = self.identity
        fields: Fields = (("Contact", identity.contact), ("Allow", ALLOW), *identity.own_fields(), SDP)
        fields += self._keyring.credentials("INVITE", call.leg.target)
        call.invite_cseq = call.cseq
        call.branch = self._request(
            call, call.leg, "INVITE", cseq=call.cseq, now=now, fields=fields, body=call.offer
        )  # fmt: skip

    def _request(
        self,
        call: SipCall | None,
        leg: Leg,
        method: str,
        *,
        cseq: int,
        now: float,
        fields: Fields = (),
        body: bytes = b"",
        branch: str = "",
        give_up_s: float = LIFE_S,
    ) -> str:
        branch = branch or f"z9hG4bK{self._token()}"  # RFC 3261 §8.1.1.7
        data = build(self.identity, leg, method, cseq=cseq, branch=branch, fields=fields, body=body)
        transaction = ClientTransaction(
            invite=method == "INVITE", reliable=self.identity.reliable, now=now, give_up_s=give_up_s
        )
        self._sent[branch, method] = sent = _Sent(transaction=transaction, method=method, data=data, call=call)
        self._watch((branch, method), sent)
        self._to_send.append(data)
        return branch

    def _watch(self, key: tuple[str, str], sent: _Sent) -> None:
        """Note the transaction's next timer, or forget it when it is over."""
        if sent.transaction.state is State.TERMINATED:
            self._sent.pop(key, None)
        elif (at := sent.transaction.next_timer()) is not None:
            heapq.heappush(self._timers, (at, next(self._number), key))

    def _do(self, call: SipCall, duties: tuple[Duty, ...], now: float) -> None:
        for duty in duties:
            match duty:
                case Duty.CANCEL:
                    self._cancel(call, now)
                case Duty.BYE:
                    call.cseq += 1
                    fields = self._keyring.credentials("BYE", call.leg.target)
                    self._request(call, call.leg, "BYE", cseq=call.cseq, now=now, fields=fields)
                case Duty.ACK:
                    self._to_send.append(call.ack)
                case Duty.SAY_PROGRESS:
                    self._events.append(Progress(call.leg.call_id, call.code))
                case Duty.SAY_UP:
                    call.answered = True
                case Duty.SAY_END:
                    self._end(call)

    def _cancel(self, call: SipCall, now: float) -> None:
        # RFC 3261 §9.1: everything but the method as in the INVITE, its branch included
        leg = replace(call.leg, to=f"<{call.leg.target}>")
        self._request(call, leg, "CANCEL", cseq=call.invite_cseq, now=now, branch=call.branch)
        call.give_up_at = now + LIFE_S
        heapq.heappush(self._timers, (call.give_up_at, next(self._number), (call.leg.call_id, "")))

    def _end(self, call: SipCall) -> None:
        self._calls.pop(call.leg.call_id, None)
        self._events.append(
            Ended(call.leg.call_id, call.code, call.cause, call.retry_after_s, call.answered, call.by_peer)
        )

    # their answers -------------------------------------------------------------------------------------------

    def _response(self, response: SipResponse, now: float) -> None:
        # RFC 3261 §17.1.3
        key = (response.branch, response.method)
        if (sent := self._sent.get(key)) is not None:
            self._act(sent, sent.transaction.response(response.code, now), response, now)
            self._watch(key, sent)

    def _act(self, sent: _Sent, actions: tuple[Action, ...], response: SipResponse | None, now: float) -> None:
        for action in actions:
            match action:
                case Action.SEND:
                    self.retransmissions += sent.call is not None  # whether OPTIONS are answered is another question
                    self._to_send.append(sent.data)
                case Action.ACK:
                    self._to_send.append(self._ack_refusal(sent, response))
                case Action.TELL:
                    assert response is not None
                    self._told(sent, response, now)
                case Action.TIMEOUT | Action.FAIL:
                    self._unanswered(sent, 408 if action is Action.TIMEOUT else 0, now)

    def _ack_refusal(self, sent: _Sent, response: SipResponse | None) -> bytes:
        # RFC 3261 §17.1.1.3: of the INVITE all but the method and To, which is the response's
        if response is not None and sent.call is not None:
            leg = replace(sent.call.leg, to=response.to)
            sent.ack = build(self.identity, leg, "ACK", cseq=response.cseq, branch=response.branch)
        return sent.ack

    def _unanswered(self, sent: _Sent, code: int, now: float) -> None:
        call = sent.call
        match sent.method:
            case "OPTIONS":
                self._events.append(Asked(0))
            case "INVITE" if call is not None:
                call.code = code
                self._do(call, call.turn(Turn.REFUSAL), now)
            case "BYE" if call is not None:
                self._do(call, call.turn(Turn.DONE), now)

    def _told(self, sent: _Sent, response: SipResponse, now: float) -> None:
        call = sent.call
        if sent.method == "OPTIONS" and response.code >= 200:
            self._events.append(Asked(response.code))
        elif call is not None and sent.method == "INVITE":
            self._invite_told(call, response, now)
        elif call is not None and sent.method == "BYE" and response.code >= 200:
            self._do(call, call.turn(Turn.DONE), now)

    def _invite_told(self, call: SipCall, response: SipResponse, now: float) -> None:
        if response.cseq != call.invite_cseq:
            return  # of an INVITE that was repeated with credentials
        if response.code < 200:
            call.code = response.code
            self._do(call, call.turn(Turn.PROGRESS), now)
        elif response.code < 300:
            self._answered(call, response, now)
        elif response.code in (401, 407) and self._try_again(call, response, now):
            return
        else:
            call.code = response.code
            call.cause = read_cause(response.fields("Reason"))
            call.retry_after_s = _seconds(response.fields("Retry-After"))
            self._do(call, call.turn(Turn.REFUSAL), now)

    def _answered(self, call: SipCall, response: SipResponse, now: float) -> None:
        leg = self._leg_of(call.leg, response)
        ack = build(
            self.identity, leg, "ACK", cseq=call.invite_cseq, branch=f"z9hG4bK{self._token()}",
            fields=self._keyring.credentials("ACK", leg.target),
        )  # fmt: skip
        if call.to_tag and response.parties.to_tag != call.to_tag:
            # RFC 3261 §13.2.2.4: a second phone answered; one is enough
            self._to_send.append(ack)
            self._request(None, leg, "BYE", cseq=call.invite_cseq + 1, now=now)
            return
        if not call.to_tag:
            call.to_tag, call.leg, call.ack, call.code = response.parties.to_tag, leg, ack, response.code
            call.give_up_at = None
        first = not call.answered
        self._do(call, call.turn(Turn.ANSWER), now)
        if first and call.answered:
            self._events.append(Up(call.leg.call_id, response.body))

    def _leg_of(self, leg: Leg, response: SipResponse) -> Leg:
        # RFC 3261 §12.1.2: the route is what was recorded, backwards
        recorded = [part.strip() for value in response.fields("Record-Route") for part in value.split(",")]
        routes = tuple(reversed(recorded[:ROUTES_MAX]))
        return replace(leg, to=response.to, target=response.target or leg.target, routes=routes)

    def _try_again(self, call: SipCall, response: SipResponse, now: float) -> bool:
        """Repeat the INVITE with credentials; False when that is no use."""
        if call.life not in (Life.INVITING, Life.RINGING) or call.credentials_tried >= CREDENTIALS_TRIES:
            return False
        asked = {name: response.fields(name) for name, _ in FIELDS.values()}
        if not self._keyring.challenged(response.code, asked, again=call.credentials_tried > 0):
            return False
        call.credentials_tried += 1
        call.cseq += 1
        call.life = Life.INVITING
        self._invite(call, now)
        return True

    # their requests ------------------------------------------------------------------------------------------

    def _incoming(self, request: SipRequest, source: tuple[str, int], now: float) -> None:
        if request.method == "ACK":
            return
        key = (request.branch, request.method)
        if (known := self._answers.get(key)) is not None:
            self._to_send.append(known)  # RFC 3261 §17.2.2: a repeated request gets its answer again
            return
        call = self._calls.get(request.parties.call_id)
        data, bye, digit, moved = reply(request, call, source, self.identity)
        self._answers[key] = data
        if len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        self._to_send.append(data)
        if call is None:
            return
        if bye:
            call.by_peer, call.cause = True, read_cause(request.raw.headers.getlist("Reason"))
            self._do(call, call.turn(Turn.BYE), now)
        if digit:
            self._events.append(Digit(call.leg.call_id, digit))
        if moved:
            self._events.append(Moved(call.leg.call_id, moved))


def _seconds(values: list[str]) -> float | None:
    # RFC 3261 §20.33: seconds, perhaps with a comment or parameters
    found = re.match(r"\s*(\d{1,6})", values[0]) if values else None
    return float(found[1]) if found else None
