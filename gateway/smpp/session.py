"""One SMPP session of an ESME, sans-IO: bytes and times in; bytes, events and the next time out.

Knows: bind, window, sequence numbers, response timers, enquire_link, unbind, generic_nack, what was never answered.
Never knows: sockets, clocks, what a ticket is. Tickets are the caller's own objects and are stored before the bytes.
SMPP 3.4 §2 to §5.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.smpp import pdu, receipt
from gateway.smpp.events import (
    SILENCE,
    TRANSITIONS,
    Accepted,
    Answered,
    Belated,
    BindConfig,
    Bound,
    Down,
    Event,
    Finding,
    Handle,
    Inbound,
    Receipts,
    Refused,
    Role,
    State,
    Step,
    Unanswered,
)
from gateway.smpp.late import Late
from gateway.smpp.overdue import Overdue
from gateway.smpp.receipt import DeliveryReceipt
from gateway.smpp.status import BY_NAME

_ROK = BY_NAME["ESME_ROK"].code
_RINVCMDLEN = BY_NAME["ESME_RINVCMDLEN"].code
_RINVCMDID = BY_NAME["ESME_RINVCMDID"].code
_RX_P_APPN = BY_NAME["ESME_RX_P_APPN"].code
_MOST_REQUESTS = 100
_MAX_ID_CHARS = receipt.MAX_ID_CHARS - 1


class Session:
    """The five names: receive_data, handle_timer, next_timer, data_to_send, events. Times are seconds of one clock."""

    def __init__(self, config: BindConfig) -> None:
        self.config = config
        self.state = State.OPEN
        self.owed = 0  # messages of the peer that were not acknowledged yet
        self._sequence = 0
        self._pending: dict[int, object] = {}
        self._asked: dict[int, int] = {}
        self._submits, self._requests = Overdue(config.response_timeout_s), Overdue(config.response_timeout_s)
        self._late = Late()
        self._rest = bytearray()
        self._need = pdu.HEADER_BYTES
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._findings: Counter[str] = Counter()
        self._heard_at = 0.0
        self._control_by: float | None = None  # bind, unbind or enquire_link wants its answer until then

    @property
    def room(self) -> int:
        """How many submits the window takes now."""
        if self.state is not State.BOUND or self.config.role is Role.RECEIVER:
            return 0
        return max(0, self.config.window - len(self._pending))

    @property
    def in_flight(self) -> int:
        """Submits without an answer."""
        return len(self._pending)

    def await_outbind(self, now: float) -> None:
        """The peer made the connection: it has to say outbind first, soon."""
        self._heard_at, self._control_by = now, now + self.config.control_timeout_s

    def bind(self, now: float) -> None:
        """Ask for the bind: the first thing on a new connection."""
        self._step(Step.BIND_SENT)
        self._heard_at = now
        self._control_by = now + self.config.control_timeout_s
        # SMPP 3.4 §4.1
        config = self.config
        request = pdu.encode_bind(
            config.role.value, self._take_sequence(1), system_id=config.system_id, password=config.password,
            system_type=config.system_type,
        )  # fmt: skip
        self._out.append(request)

    def submit(self, tickets: Sequence[object], addresses: Sequence[bytes], template: pdu.Template, now: float) -> None:
        """One submit_sm for each ticket, all with one text. Asks for `room` first; more than that is an error."""
        numbers = self._enter(tickets, now)
        head, tail, size = template
        pack, command = pdu.pack_header, pdu.SUBMIT_SM
        self._out += [
            pack(size + len(to), command, 0, number) + head + to + tail
            for number, to in zip(numbers, addresses, strict=True)
        ]

    def submit_parts(
        self, tickets: Sequence[object], address: bytes, templates: Sequence[pdu.Template], now: float
    ) -> None:
        """The parts of one long message to one address, in order, one ticket for each part."""
        self._out += [
            pdu.from_template(part, pdu.SUBMIT_SM, number, address)
            for number, part in zip(self._enter(tickets, now), templates, strict=True)
        ]

    def replace(self, ticket: object, body: bytes, now: float) -> None:
        """One replace_sm, which counts in the window like a submit and is answered by the same events."""
        (number,) = self._enter([ticket], now)
        self._out.append(pdu.encode(pdu.REPLACE_SM, 0, number, body))

    @property
    def request_room(self) -> int:
        """How many requests that are no submits may be made now."""
        return max(0, _MOST_REQUESTS - len(self._asked)) if self.room else 0

    def request(self, command: int, bodies: Sequence[bytes], now: float) -> None:
        """cancel_sm; the answers come as events, in any order. Asks for `request_room` first."""
        first = self._take_sequence(len(bodies))
        self._requests.left(first, first + len(bodies) - 1, now)
        for number, body in enumerate(bodies, first):
            self._asked[number] = command
            self._out.append(pdu.encode(command, 0, number, body))

    def acknowledge(self, handles: Iterable[Handle], status: int = 0) -> None:
        """Answer messages of the peer; on a session that is down this is nothing."""
        if self.state is State.DOWN:
            return
        # SMPP 3.4 §4.6.2: message_id is unused and set to NULL
        pack = pdu.pack_header
        answers = [pack(17, response, status, number) + b"\0" for response, number in handles]
        self.owed -= len(answers)
        self._out += answers

    def unbind(self, now: float) -> None:
        """Say good-bye; the session is down when the peer has answered, or when it takes too long."""
        if self.state is State.UNBINDING:
            return
        if self.state is not State.BOUND:
            self._end("closed by us")
            return
        self._step(Step.UNBIND_SENT)
        self._control_by = now + self.config.control_timeout_s
        self._out.append(pdu.encode(pdu.UNBIND, 0, self._take_sequence(1)))  # SMPP 3.4 §4.2

    def connection_lost(self, reason: str) -> None:
        """The transport is gone."""
        self._end(reason)

    def receive_data(self, data: bytes, now: float) -> None:
        """Bytes from the peer, in any pieces."""
        if self.state is State.DOWN:
            return
        self._heard_at = now
        if self.state is State.BOUND:
            self._control_by = None  # whatever it says, it lives
        if self._rest:
            self._rest += data  # grows in place: a peer that sends byte by byte costs no more than one that does not
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        if self.state is State.OPEN and len(data) >= pdu.HEADER_BYTES and pdu.unpack_header(data, 0)[1] != pdu.OUTBIND:
            self._end("something else than outbind")  # whoever connects to us is nobody until it has said who it is
            return
        done = self._read(data)
        if done < len(data):
            self._rest += memoryview(data)[done:]

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self._control_by is not None and now >= self._control_by:
            self._end(SILENCE[self.state])
        if self.state is State.DOWN:
            return
        self._expire(now)
        probe_s = self.config.enquire_link_s
        if self.state is State.BOUND and probe_s and self._control_by is None and now >= self._heard_at + probe_s:
            self._control_by = now + self.config.control_timeout_s
            self._out.append(pdu.encode(pdu.ENQUIRE_LINK, 0, self._take_sequence(1)))  # SMPP 3.4 §4.11

    def next_timer(self) -> float | None:
        """When handle_timer wants to be called."""
        if self.state is State.DOWN:
            return None
        due: list[float] = []
        if self._control_by is not None:
            due.append(self._control_by)
        elif self.state is State.BOUND and self.config.enquire_link_s:
            due.append(self._heard_at + self.config.enquire_link_s)
        due += [one.due_at for one in (self._submits, self._requests) if one.due_at is not None]
        return min(due) if due else None

    def data_to_send(self) -> bytes:
        """Everything to be written since the last call, joined."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[Event]:
        """Everything that happened since the last call; Down is always the last."""
        if self._findings:
            at = len(self._events) - (self.state is State.DOWN and bool(self._events))
            self._events[at:at] = [Finding(words, times) for words, times in self._findings.items()]
            self._findings.clear()
        events, self._events = self._events, []
        return events

    def _read(self, buffer: bytes) -> int:
        """Every whole PDU; the place of the first byte that was not used."""
        at, size = 0, len(buffer)
        unpack, pending, octets = pdu.unpack_header, self._pending, buffer.decode("latin-1")
        tickets, ids = taken = Accepted([], [])
        handles, receipts = mail = Receipts([], [])
        self._need = pdu.HEADER_BYTES
        while size - at >= pdu.HEADER_BYTES:
            length, command, status, number = unpack(buffer, at)
            if not pdu.HEADER_BYTES <= length <= pdu.MAX_PDU_BYTES:
                self._bad_length(number)
                break
            end = at + length
            if end > size:
                self._need = length
                break
            if command == pdu.SUBMIT_SM_RESP:
                ticket = pending.pop(number, None)
                if ticket is None:
                    self._belated(number, status, octets[at + 16 : end], "submit_sm_resp that no submit waits for")
                elif status:
                    self._events.append(Refused(ticket, status))
                else:  # SMPP 3.4 §4.4.2
                    tickets.append(ticket)
                    ids.append(octets[at + 16 : end].partition("\0")[0][:_MAX_ID_CHARS])
            elif command == pdu.DELIVER_SM:
                handle = (pdu.DELIVER_SM_RESP, number)
                if (found := receipt.standard(octets, at + 16, end)) is not None:
                    self.owed += 1
                    handles.append(handle)
                    receipts.append(found)
                else:
                    self._deliver(pdu.parse_message(buffer, at + 16, end), handle, mail)
            elif command == pdu.DATA_SM:
                self._deliver(pdu.parse_data_sm(buffer, at + 16, end), (pdu.DATA_SM_RESP, number), mail)
            elif not self._control(command, status, number, buffer[at + 16 : end]):
                at = end
                break
            at = end
        self._conclude(taken, mail)
        return at

    def _conclude(self, taken: Accepted, mail: Receipts) -> None:
        """Put this turn's batches before the end of the session, if it ended."""
        ended = [self._events.pop()] if self._events and isinstance(self._events[-1], Down) else []
        if taken.tickets:
            self._events.append(taken)
        if mail.handles:
            self._events.append(mail)
        self._events += ended

    def _deliver(self, message: pdu.Message | pdu.Malformed, handle: Handle, mail: Receipts) -> None:
        """A receipt, a reply, or something that can not be read."""
        self.owed += 1
        if isinstance(message, pdu.Malformed):
            self._findings[message.reason] += 1
            self.acknowledge([handle], _RX_P_APPN)
            return
        for words in message.findings:
            self._findings[words] += 1
        found = receipt.parse(message)
        if isinstance(found, DeliveryReceipt):
            mail.handles.append(handle)
            mail.receipts.append(found)
            return
        if found.reason != "no receipt":
            self._findings[found.reason] += 1
        self._events.append(Inbound(handle, message))

    def _control(self, command: int, status: int, number: int, body: bytes) -> bool:
        """Everything but traffic. False when reading must stop."""
        match command:
            case pdu.ENQUIRE_LINK:  # SMPP 3.4 §4.11.2
                self._out.append(pdu.encode(pdu.ENQUIRE_LINK_RESP, 0, number))
            case pdu.ENQUIRE_LINK_RESP:
                pass
            case pdu.UNBIND:  # SMPP 3.4 §4.2.2
                self._out.append(pdu.encode(pdu.UNBIND_RESP, 0, number))
                self._end("the peer unbound")
            case pdu.UNBIND_RESP if self.state is State.UNBINDING:
                self._end("unbound")
            case pdu.GENERIC_NACK:
                self._nack(status, number)
            case pdu.OUTBIND if self.state is State.OPEN:
                self._outbound(body)
            case pdu.CANCEL_SM_RESP if self._asked.pop(number, 0):
                self._events.append(Answered(command & ~pdu.RESPONSE, status))  # SMPP 3.4 §4.9.2
            case pdu.REPLACE_SM_RESP if (ticket := self._pending.pop(number, None)) is not None:  # SMPP 3.4 §4.10.2
                self._events.append(Refused(ticket, status) if status else Accepted([ticket], [""]))
            case pdu.REPLACE_SM_RESP:
                self._belated(number, status, "", "replace_sm_resp that no replace waits for")
            case _ if command in pdu.BIND_RESPS and self.state is State.BINDING:
                self._bind_answer(status, body)
            case _:
                self._unexpected(command, number)
        return self.state is not State.DOWN

    def _outbound(self, body: bytes) -> None:
        # SMPP 3.4 §2.2.1 and §4.1.7: there is no response but our bind
        known = [text.encode("latin-1") for text in self.config.outbind or ()]
        if not known or body.split(b"\0")[:2] != known:
            self._end("outbind that we do not expect")
            return
        self.bind(self._heard_at)

    def _bind_answer(self, status: int, body: bytes) -> None:
        if status:
            self._end("the peer refused the bind", status)
            return
        self._step(Step.BIND_ACCEPTED)
        self._control_by = None
        self._events.append(Bound(*pdu.parse_bind_resp(body)))

    def _nack(self, status: int, number: int) -> None:
        # SMPP 3.4 §4.3
        ticket = self._pending.pop(number, None)
        asked = self._asked.pop(number, 0)
        if ticket is not None:
            self._events.append(Refused(ticket, status or _RINVCMDID))
        elif asked:
            self._events.append(Answered(asked, status or _RINVCMDID))
        elif self.state is State.BINDING:
            self._end("the peer refused the bind", status or _RINVCMDID)
        else:
            self._belated(number, status or _RINVCMDID, "", "generic_nack that no request waits for")

    def _belated(self, number: int, status: int, body: str, finding: str) -> None:
        """An answer that came after its response timer, or to nothing at all."""
        if (ticket := self._late.take(number, self._heard_at)) is not None:
            self._events.append(Belated(ticket, "" if status else body.partition("\0")[0][:_MAX_ID_CHARS], status))
        else:
            self._findings[finding] += 1

    def _unexpected(self, command: int, number: int) -> None:
        """Requests that we do not serve are refused; answers that nobody waits for are noted."""
        if command & pdu.RESPONSE:
            self._findings["response that no request waits for"] += 1
        elif command != pdu.ALERT_NOTIFICATION:  # SMPP 3.4 §4.12: it has no response
            self._findings["command_id that we do not serve"] += 1
            self._out.append(pdu.encode(pdu.GENERIC_NACK, _RINVCMDID, number))  # SMPP 3.4 §4.3

    def _bad_length(self, number: int) -> None:
        # SMPP 3.4 §3.2: nothing behind a wrong command_length can be found again
        self._out.append(pdu.encode(pdu.GENERIC_NACK, _RINVCMDLEN, number if number <= pdu.MAX_SEQUENCE else 0))
        self._end("command_length out of bounds")

    def _enter(self, tickets: Sequence[object], now: float) -> range:
        """Tickets into the window before their bytes exist; their numbers."""
        many = len(tickets)
        if many > self.room:
            raise ValueError("more submits than the window has room for")
        first = self._take_sequence(many)
        numbers = range(first, first + many)
        self._pending.update(zip(numbers, tickets, strict=True))
        self._submits.left(first, first + many - 1, now)
        return numbers

    def _take_sequence(self, many: int) -> int:
        """The first of `many` consecutive numbers."""
        if self._sequence + many > pdu.MAX_SEQUENCE:  # SMPP 3.4 §5.1.4
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += many
        return first

    def _expire(self, now: float) -> None:
        """Give up waiting for answers that are overdue."""
        numbers, pop = (number for span in self._submits.due(now) for number in span), self._pending.pop
        if overdue := {number: ticket for number in numbers if (ticket := pop(number, None)) is not None}:
            self._events.append(Unanswered(list(overdue.values())))
            self._late.expect(overdue, now)
        for span in self._requests.due(now):
            if silent := sum(self._asked.pop(number, None) is not None for number in span):
                self._findings["request without an answer"] += silent

    def _step(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state, step]

    def _end(self, reason: str, status: int = _ROK) -> None:
        if self.state is State.DOWN:
            return
        self._step(Step.ENDED)
        unanswered = list(self._pending.values())
        self._pending.clear()
        self._control_by = None
        self._events.append(Down(reason, unanswered, status))
