"""An SMSC that speaks real SMPP 3.4 over TCP, records what it gets and behaves well or badly as it is told.

Knows: binds, submits, receipts with a delay, every misbehaviour in `Behaviour`. Never knows: the gateway's deliveries.
SMPP 3.4, the SMSC's side; the wire format is gateway.smpp's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from gateway.simulators.recorder import EXPIRED, FAILED, SILENT, Outcomes, Recorder
from gateway.simulators.smsc_behaviour import CANCELLED, REFUSED, THROTTLED, UNANSWERED, Behaviour, Joiner
from gateway.simulators.smsc_wheel import Submit, Wheel
from gateway.smpp import pdu, text, tlv
from gateway.smpp.status import BY_NAME

__all__ = ["Behaviour", "SmscSimulator"]

_ROK = BY_NAME["ESME_ROK"].code
_RTHROTTLED = BY_NAME["ESME_RTHROTTLED"].code
_RBINDFAIL = BY_NAME["ESME_RBINDFAIL"].code


class SmscSimulator:
    """Listens on `host`:`port` (0 picks one, see `.port`). `start`, then `stop`; binds with this system_id only."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        mode: str = "test",
        outcomes: Outcomes | None = None,
        recorder: Recorder | None = None,
        behaviour: Behaviour | None = None,
        system_id: str = "gateway",
        password: str = "secret",  # noqa: S107 - a simulator's
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host, self.port, self.mode = host, port, mode
        self.outcomes = outcomes or Outcomes()
        self.recorder = recorder or Recorder()
        self.behaviour = behaviour or Behaviour()
        self.submits = self.refusals = self.cancelled = self.replaced = 0
        self.receipts_sent = self.receipts_acknowledged = 0
        self.binds_seen: list[tuple[int, str, bool]] = []  # the newest 100: command, system_id, taken
        self._credentials = (system_id.encode(), password.encode())
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._connections: list[_Connection] = []
        self._wheel = Wheel(self.send_receipts, clock=clock)
        self._waiting: deque[Submit] = deque()
        self._joiner = Joiner()
        self._number = self.behaviour.first_id
        self._throttle_from, self._throttle_count = 0.0, 0

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything at once; receipts that are still due are forgotten."""
        self._wheel.clear()
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()
            await asyncio.sleep(0)

    @property
    def bound(self) -> int:
        """How many connections are bound now."""
        return sum(connection.bound for connection in self._connections)

    @property
    def receipts_due(self) -> int:
        """Receipts not yet sent, or sent and not acknowledged."""
        due = len(self._wheel) + len(self._waiting)
        return due + sum(len(connection.unacknowledged) for connection in self._connections)

    def drop(self) -> None:
        """Cut every connection without a word."""
        for connection in self._connections:
            connection.cut()

    def unbind(self) -> None:
        """Ask every bound ESME to leave."""
        for connection in self._connections:
            connection.say_unbind()

    def reply(self, source: str, destination: str, words: str) -> None:
        """A person writes: a deliver_sm that is no receipt."""
        (part,) = text.encode(words)
        made = pdu.template(source_addr=source, short_message=part.payload, data_coding=part.data_coding, source_ton=1)
        connection = self._receiver(None)
        if connection is not None:
            connection.deliver(made, destination.encode(), None)

    # the connections' side

    def opened(self, connection: "_Connection") -> None:
        self._connections.append(connection)

    def closed(self, connection: "_Connection") -> None:
        """Receipts without an acknowledgement will be sent again, by whatever bind comes."""
        if connection in self._connections:
            self._connections.remove(connection)
        self._waiting.extend(connection.unacknowledged.values())
        connection.unacknowledged.clear()
        self._deliver_waiting()

    def allows(self, request: pdu.BindRequest, command: int) -> int:
        """command_status for a bind."""
        names = ("ESME_ROK", "ESME_RINVPASWD", "ESME_RINVSYSID")
        wrong = 2 if request.system_id != self._credentials[0] else int(request.password != self._credentials[1])
        full = self.behaviour.most_binds is not None and self.bound >= self.behaviour.most_binds
        status = self.behaviour.bind_status or (_RBINDFAIL if full else BY_NAME[names[wrong]].code)
        self.binds_seen.append((command, request.system_id.decode("latin-1"), status == _ROK))
        del self.binds_seen[:-100]
        return status

    def ready(self) -> None:
        """A bind can receive now."""
        self._deliver_waiting()

    def take(self, system_id: bytes, message: pdu.Message) -> tuple[int, bytes, Submit | None, str]:
        """(command_status, message_id, the receipt to come, the outcome's word) for one submit_sm."""
        address = message.destination_addr.decode("latin-1")
        word = self.outcomes.decide(address)
        self.submits += 1
        if self._too_fast():
            self.refusals += 1
            return self.behaviour.throttle_status, b"", None, THROTTLED
        if word in (REFUSED, THROTTLED):
            self.refusals += 1
            return self.behaviour.refuse_status if word == REFUSED else _RTHROTTLED, b"", None, word
        self._number += 1
        mode = self._record(address, message)
        wanted = message.registered_delivery & 0x03  # SMPP 3.4 §5.2.17
        due = wanted == 1 or (wanted == 2 and word in (FAILED, EXPIRED))
        submit = Submit(
            system_id, message.destination_addr, message.source_addr, self._number, word, message.data_coding, mode
        )
        return _ROK, self.behaviour.id(self._number, in_text=False), submit if due and word != SILENT else None, word

    def later(self, submit: Submit, address: str) -> None:
        """Send this receipt when its time has come."""
        self._wheel.add(submit, self.outcomes.delay_of(address))

    def cancel(self, system_id: bytes, message_id: bytes, address: bytes) -> int:
        """command_status for a cancel_sm: only what is still on its way to the telephone can be cancelled."""
        # SMPP 3.4 §4.9
        found = self._on_its_way(system_id, message_id)
        if found is None or found.destination != address:
            return BY_NAME["ESME_RCANCELFAIL"].code
        self.cancelled += 1
        self._wheel.remove(found)
        self.send_receipts([found._replace(word=CANCELLED)])
        return _ROK

    def replace(self, system_id: bytes, message_id: bytes, words: bytes) -> int:
        """command_status for a replace_sm: another text for what is still on its way, in the alphabet that it has."""
        # SMPP 3.4 §4.10
        if self.behaviour.replace_status:
            return self.behaviour.replace_status
        found = self._on_its_way(system_id, message_id)
        if found is None:
            return BY_NAME["ESME_RREPLACEFAIL"].code
        to = "+" + found.destination.decode("latin-1").lstrip("+")
        self.recorder.add("sms", to, text.decode(words, found.data_coding), found.mode)
        self.replaced += 1
        return _ROK

    def _on_its_way(self, system_id: bytes, message_id: bytes) -> Submit | None:
        """The message with this id, if it has not reached its telephone."""
        named = self.behaviour.id
        return self._wheel.find(
            lambda one: one.system_id == system_id and named(one.number, in_text=False) == message_id
        )

    def send_receipts(self, submits: list[Submit]) -> None:
        """Now, by binds of the ESME that submitted; without one they wait."""
        for submit in submits:
            connection = self._receiver(submit.system_id)
            if connection is None:
                self._waiting.append(submit)
            else:
                self._send_receipt(connection, submit)

    def _send_receipt(self, connection: "_Connection", submit: Submit) -> None:
        made = self.behaviour.receipt(submit.destination, submit.number, submit.word)
        for _ in range(2 if self.behaviour.duplicate_receipts else 1):
            connection.deliver(made, submit.source, submit)
            self.receipts_sent += 1

    def _deliver_waiting(self) -> None:
        while self._waiting:
            connection = self._receiver(self._waiting[0].system_id)
            if connection is None:
                return
            self._send_receipt(connection, self._waiting.popleft())

    def _receiver(self, system_id: bytes | None) -> "_Connection | None":
        """The receiving bind with the fewest unacknowledged messages, if its window has room."""
        able = [c for c in self._connections if c.receives and system_id in (None, c.system_id)]
        if not able:
            return None
        best = min(able, key=lambda c: len(c.unacknowledged)) if len(able) > 1 else able[0]
        return best if len(best.unacknowledged) < self.behaviour.deliver_window else None

    def _too_fast(self) -> bool:
        limit = self.behaviour.throttle_per_s
        if limit is None:
            return False
        now = self._clock()
        if now - self._throttle_from >= 1.0:
            self._throttle_from, self._throttle_count = now, 0
        self._throttle_count += 1
        return self._throttle_count > limit

    def _record(self, address: str, message: pdu.Message) -> str:
        """Put a message that is whole on record; its mode."""
        mode = message.tlvs.get(tlv.CAMPAIGN_MODE)
        said = tlv.c_string(mode).decode("latin-1") if mode else self.mode
        words = self._joiner.join(message)
        if words is not None:
            self.recorder.add("sms", "+" + address.lstrip("+"), words, said)
        return said


class _Connection(asyncio.Protocol):
    """One ESME's connection."""

    def __init__(self, simulator: SmscSimulator) -> None:
        self._simulator = simulator
        self._rest = b""
        self._out: list[bytes] = []
        self._scheduled = False
        self._transport: asyncio.Transport | None = None
        self._sequence = 0
        self.system_id = b""
        self.bound = self.receives = False
        self.unacknowledged: dict[int, Submit] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop has transport classes of its own
        self._transport = transport
        self._simulator.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.bound = self.receives = False
        self._transport = None
        self._simulator.closed(self)

    def cut(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def say_unbind(self) -> None:
        """Begin the unbind; no message follows."""
        if self.bound:
            self.bound = self.receives = False
            self._send(pdu.encode(pdu.UNBIND, 0, self._next()))

    def deliver(self, made: pdu.Template, destination: bytes, submit: Submit | None) -> None:
        """One deliver_sm; with a submit it is a receipt and must be acknowledged."""
        number = self._next()
        if submit is not None:
            self.unacknowledged[number] = submit
        self._send(pdu.from_template(made, pdu.DELIVER_SM, number, destination))

    def data_received(self, data: bytes) -> None:
        if self._simulator.behaviour.mute:
            return
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        while size - at >= pdu.HEADER_BYTES and self._transport is not None:
            length, command, status, number = pdu.unpack_header(buffer, at)
            if not pdu.HEADER_BYTES <= length <= pdu.MAX_PDU_BYTES:
                self.cut()
                return
            if length > size - at:
                break
            if command == pdu.SUBMIT_SM:
                self._submit(pdu.parse_message(buffer, at + 16, at + length), number)
            elif command == pdu.DELIVER_SM_RESP:
                self._acknowledged(number, status)
            else:
                self._control(command, number, buffer, at + 16, at + length)
            at += length
        self._rest = buffer[at:]
        self._flush()

    def _submit(self, message: pdu.Message | pdu.Malformed, number: int) -> None:
        simulator, behaviour = self._simulator, self._simulator.behaviour
        if isinstance(message, pdu.Malformed) or not self.bound:
            name = "ESME_RINVBNDSTS" if not self.bound else "ESME_RINVMSGLEN"
            self._send(pdu.encode(pdu.SUBMIT_SM_RESP, BY_NAME[name].code, number))
            return
        status, message_id, receipt, word = simulator.take(self.system_id, message)
        if receipt is not None and behaviour.receipt_first:
            simulator.send_receipts([receipt])
        if word != UNANSWERED and not self._dropped():
            body = message_id + b"\0" if status == _ROK else b""
            self._answer(pdu.encode(pdu.SUBMIT_SM_RESP, status, number, body))
        if receipt is not None and not behaviour.receipt_first:
            simulator.later(receipt, message.destination_addr.decode("latin-1"))
        if behaviour.close_after and simulator.submits >= behaviour.close_after:
            behaviour.close_after = 0
            self._flush()
            self.cut()

    def _dropped(self) -> bool:
        every = self._simulator.behaviour.drop_response_every
        return bool(every) and self._simulator.submits % every == 0

    def _answer(self, response: bytes) -> None:
        delay_s = self._simulator.behaviour.response_delay_s
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, response)
        else:
            self._send(response)

    def _acknowledged(self, number: int, status: int) -> None:
        submit = self.unacknowledged.pop(number, None)
        if submit is not None:
            self._simulator.receipts_acknowledged += 1
            if status == BY_NAME["ESME_RX_T_APPN"].code:
                self._simulator.later(submit, submit.destination.decode("latin-1"))
            self._simulator.ready()

    def _control(self, command: int, number: int, buffer: bytes, start: int, end: int) -> None:
        if command in pdu.BINDS:
            self._bind(command, number, pdu.parse_bind(buffer, start, end))
        elif command == pdu.ENQUIRE_LINK:
            self._send(pdu.encode(pdu.ENQUIRE_LINK_RESP, 0, number))
        elif command == pdu.UNBIND:
            self.bound = self.receives = False
            self._send(pdu.encode(pdu.UNBIND_RESP, 0, number))
            self._flush()
            if self._transport is not None:
                self._transport.close()
        elif command == pdu.UNBIND_RESP:
            self.cut()
        elif command == pdu.CANCEL_SM and self.bound:
            asked = pdu.parse_cancel(buffer, start, end)
            wrong = isinstance(asked, pdu.Malformed)
            status = BY_NAME["ESME_RINVMSGID"].code if wrong else self._simulator.cancel(self.system_id, *asked)
            self._send(pdu.encode(pdu.CANCEL_SM_RESP, status, number))
        elif command == pdu.REPLACE_SM and self.bound:
            new = pdu.parse_replace(buffer, start, end)
            wrong = isinstance(new, pdu.Malformed)
            status = BY_NAME["ESME_RINVMSGID"].code if wrong else self._simulator.replace(self.system_id, *new)
            self._send(pdu.encode(pdu.REPLACE_SM_RESP, status, number))
        elif not command & pdu.RESPONSE:
            self._send(pdu.encode(pdu.GENERIC_NACK, BY_NAME["ESME_RINVCMDID"].code, number))

    def _bind(self, command: int, number: int, request: pdu.BindRequest | pdu.Malformed) -> None:
        if isinstance(request, pdu.Malformed):
            status = BY_NAME["ESME_RINVCMDLEN"].code
        elif self.bound:
            status = BY_NAME["ESME_RALYBND"].code
        else:
            status = self._simulator.allows(request, command)
        if status or isinstance(request, pdu.Malformed):
            self._send(pdu.encode(pdu.RESPONSE | command, status, number))
            return
        self.system_id = request.system_id
        body = b"smsc-simulator\0" + tlv.encode([(tlv.SC_INTERFACE_VERSION, bytes((pdu.INTERFACE_VERSION,)))])
        self._send(pdu.encode(pdu.RESPONSE | command, 0, number, body))
        self.bound, self.receives = True, command != pdu.BIND_TRANSMITTER
        self._simulator.ready()

    def _next(self) -> int:
        self._sequence = self._sequence % pdu.MAX_SEQUENCE + 1
        return self._sequence

    def _send(self, data: bytes) -> None:
        """Written at the end of this loop turn, joined."""
        self._out.append(data)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
