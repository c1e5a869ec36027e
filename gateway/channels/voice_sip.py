"""The driver for SIP trunks of our own: signalling by the SIP kit, audio by the playing process.

Knows: the servers of a trunk and which of them may be tried, ring time, what each end means for the call.
Never knows: ceilings, lines, retry policy, how packets are paced.
"""

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address, ip_network

from gateway.channels.voice_audio import Announcer, NoAudio, Spoken
from gateway.channels.voice_driver import Call, Ends, Leave, Placed, Report, refused, unspoken
from gateway.channels.voice_media import MediaDown, MediaProcess
from gateway.channels.voice_outcomes import CONGESTION, CallEnd, by_sip_code, call_end
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_trunks import SipServer, SipTrunk, is_loopback
from gateway.model import OutcomeKind
from gateway.sip import sdp
from gateway.sip.agent import Digit, Ended, Happening, Moved, Progress, Up
from gateway.sip.link import Server, SipLink
from gateway.sip.reason import code_of
from gateway.sip.request import Identity

RINGING = 180
UNAVAILABLE = 503
END_WAIT_S = 3.0
LEFT_ALONE_MAX_S = 300.0
"""A server that asks for more is tried again after this: in a disaster an hour without calls is no answer."""
OFFERED = {"pcma": sdp.PCMA, "pcmu": sdp.PCMU}


@dataclass(slots=True, eq=False, kw_only=True)
class Line:
    """A call from its INVITE until its end is reported. `why` is our own reason for hanging up; `taken` says that the
    trunk has answered anything."""

    call_id: str
    way: "Way"
    media: str
    spoken: Spoken
    needed_s: float
    news: asyncio.Queue[Happening] = field(default_factory=asyncio.Queue)
    ringing: asyncio.TimerHandle | None = None
    placed: bool = False
    why: str = ""
    taken: bool = False
    up: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Way:
    """One server of the trunk: its link, and until when it asked to be left alone."""

    link: SipLink
    rest_until: float = 0.0
    lines: dict[str, Line] = field(default_factory=dict)


class SipDriver:
    """Places, follows and ends calls over one trunk; its servers are tried in their order."""

    def __init__(
        self,
        trunk: SipTrunk,
        settings: VoiceSettings,
        *,
        announcer: Announcer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = trunk.name
        self._trunk = trunk
        self._settings = settings
        self._announcer = announcer or Announcer(settings)
        self._clock = clock
        self._media = MediaProcess(self._played_out)
        self._ways: list[Way] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._ends = Ends()
        self._ending: set[asyncio.Task[None]] = set()

    # the face of all drivers ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the playing process, and a link to every server."""
        self._announcer.open()
        await self._media.start()
        self._ways = [Way(link=self._link(server)) for server in self._trunk.servers]
        self._keeping = [asyncio.create_task(way.link.run()) for way in self._ways]

    async def close(self) -> None:
        """Hang up what is left, report it, and let go of everything."""
        for way in self._ways:
            for line in list(way.lines.values()):
                self._hang_up(line, "interrupted")
        deadline = self._clock() + END_WAIT_S
        while any(way.lines for way in self._ways) and self._clock() < deadline:
            await asyncio.sleep(0.02)
        for way in self._ways:
            for line in list(way.lines.values()):
                self._finish(line, Ended(line.call_id, 0))
        if self._ending:
            await asyncio.wait(self._ending, timeout=END_WAIT_S)
        await self._ends.flush()
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for way in self._ways:
            await way.link.close()
        self._ways = []
        await self._media.stop()
        await self._announcer.close()

    async def place(self, call: Call, leave: Leave) -> Placed:
        """Call, over the first server that takes it. Every server that is tried needs a permit of its own."""
        try:
            spoken = await self._announcer.spoken(call.text, call.language)
        except NoAudio as why:
            return unspoken(why)
        answer = Placed(OutcomeKind.UNSENT, detail="no server of the trunk is reachable", trunk=True)
        for way in self._candidates():
            tried = await self._try(way, call, spoken, leave)
            if tried is None:
                return answer
            answer, final = tried
            if final:
                break
        return answer

    async def hang_up(self, call_id: str) -> bool:
        """CANCEL while it rings, BYE when it was answered."""
        line = self._line(call_id)
        return line is not None and self._hang_up(line, "canceled")

    def follow(self, call_id: str, text: str, needed_s: float) -> None:
        """A call of an earlier process ended with it: nobody will ever hear more of it."""
        if self._line(call_id) is None:
            self._ends.put(CallEnd(call_id, "lost"))

    def forget(self, call_id: str) -> None:
        """Nobody else learns how our calls end."""

    async def to_machine(self, call_id: str) -> None:
        """Who answered is found out here."""

    async def watch(self, report: Report) -> None:
        """Hand on every end."""
        await self._ends.watch(report)

    def up(self) -> dict[str, bool]:
        """Each server and whether it answered last time."""
        return {f"voice {self.provider} {way.link.server}": way.link.up for way in self._ways}

    @property
    def retransmissions(self) -> int:
        """Requests that had to be sent again, on all links."""
        return sum(way.link.agent.retransmissions for way in self._ways)

    # placing -------------------------------------------------------------------------------------------------

    def _candidates(self) -> Sequence[Way]:
        """Servers that are up and not resting, in their order; those that are silent only when there is no other."""
        now = self._clock()
        open_ = [way for way in self._ways if way.link.connected and way.rest_until <= now]
        return [way for way in open_ if way.link.up] or open_

    async def _try(self, way: Way, call: Call, spoken: Spoken, leave: Leave) -> tuple[Placed, bool] | None:
        """One server: its answer, and whether another one is of no use. None: nothing may leave."""
        key = secrets.token_hex(8)
        try:
            bind_to = self._trunk.local_host or ("" if self._trunk.public_host else way.link.address)
            port = await self._media.open(key, bind_to, self._trunk.rtp_ports)
        except MediaDown:
            return Placed(OutcomeKind.UNSENT, detail="no audio", trunk=True), True
        if not await leave():
            await self._media.close(key)
            return None
        line = self._invite(way, call, spoken, key, port)
        try:
            async with asyncio.timeout(self._trunk.answer_timeout_s):
                first = await line.news.get()
        except TimeoutError:
            # RFC 3261 §17.1.1.2 would wait 32 s; a call that nobody has acknowledged is dropped and tried elsewhere
            if line.news.empty():
                way.link.up = False
                self._hang_up(line, "silent")
                return Placed(OutcomeKind.UNKNOWN, detail="no answer from trunk", trunk=True), False
            first = line.news.get_nowait()  # it came while this process stood still
        while isinstance(first, Progress) and first.code < RINGING:
            first = await line.news.get()  # the trunk has it; until it rings, is refused, or the ring time ends
        return self._judged(way, line, first)

    def _invite(self, way: Way, call: Call, spoken: Spoken, key: str, port: int) -> Line:
        host = self._trunk.public_host or way.link.address
        laws = tuple(OFFERED[law] for law in self._trunk.laws)
        offer = sdp.offer(host, port, session=int(key[:7], 16), laws=laws)
        call_id = way.link.agent.new_call_id()
        line = Line(call_id=call_id, way=way, media=key, spoken=spoken, needed_s=spoken.text.seconds)
        way.lines[line.call_id] = line
        way.link.invite(line.call_id, call.to, offer=offer, media=(host, port))
        line.ringing = asyncio.get_running_loop().call_later(
            self._settings.ring_timeout_s, self._hang_up, line, "no-answer"
        )
        return line

    def _judged(self, way: Way, line: Line, first: Happening) -> tuple[Placed, bool]:
        if not isinstance(first, Ended):
            line.placed = True
            return Placed(OutcomeKind.ACCEPTED, line.call_id, getattr(first, "code", 200)), True
        if first.code == 0:
            # the INVITE was written, so a telephone may ring; a trunk that has said that it has the call is left to it
            way.link.up = False
            return Placed(OutcomeKind.UNKNOWN, detail="connection lost", trunk=True), line.taken
        if first.code in (401, 407):
            return Placed(OutcomeKind.RETRY, "", first.code, "credentials refused", None, trunk=True), True
        if line.why == "canceled":
            return Placed(OutcomeKind.FAILED, "", first.code, "canceled"), True
        verdict = by_sip_code(code_of(first.code, first.cause))
        if first.code == UNAVAILABLE and verdict is CONGESTION:
            # RFC 3261 §21.5.4: another server may take it; this one is left alone for as long as it asks
            way.rest_until = self._clock() + min(first.retry_after_s or 0.0, LEFT_ALONE_MAX_S)
        return refused(verdict, first.code, first.retry_after_s), verdict is not CONGESTION

    # what happens to calls -----------------------------------------------------------------------------------

    def _happened(self, events: Sequence[Happening]) -> None:
        for event in events:
            if (line := self._line(getattr(event, "call", ""))) is None:
                continue
            match event:
                case Progress():
                    line.taken = True
                    line.news.put_nowait(event)
                case Up():
                    self._up(line, event)
                case Digit():
                    self._media.pressed(line.media, event.digit)
                case Moved():
                    self._moved(line, event)
                case Ended():
                    self._finish(line, event)

    def _up(self, line: Line, event: Up) -> None:
        line.up = True
        if line.ringing is not None:
            line.ringing.cancel()
        stream = sdp.read_offer(event.body)
        law = sdp.law_of(stream) if stream is not None else None
        if stream is None or law is None or not self._allowed(stream.address):
            line.news.put_nowait(event)
            self._hang_up(line, "not-acceptable")
            return
        self._media.play(line.media, (stream.address, stream.port), self._script(line.spoken, law, stream))
        line.news.put_nowait(event)

    def _script(self, spoken: Spoken, law: int, stream: sdp.AudioOffer) -> dict[str, object]:
        rules = asdict(listen) if (listen := self._settings.machine.rules()) else None
        parts = {"prompt": spoken.prompt, "thanks": spoken.thanks, "machine": spoken.machine}
        return {
            "law": law,
            "event": stream.telephone_event,
            "text": str(spoken.text.raw(law)),
            "repeat": self._settings.repeat,
            "key_s": self._settings.key_timeout_s,
            "listen": rules,
            **{name: str(audio.raw(law)) for name, audio in parts.items() if audio is not None},
        }

    def _moved(self, line: Line, event: Moved) -> None:
        stream = sdp.read_offer(event.body)
        if stream is not None and self._allowed(stream.address) and stream.port:
            self._media.move(line.media, (stream.address, stream.port))

    def _allowed(self, address: str) -> bool:
        """Audio goes only where the trunk may want it: a wrong address would be somebody else's flood."""
        there = ip_address(address)
        if self._trunk.media_networks:
            return any(there in ip_network(network) for network in self._trunk.media_networks)
        return there.is_loopback or not all(is_loopback(server.host) for server in self._trunk.servers)

    def _played_out(self, key: str) -> None:
        """All is said (or the playing process died): hang up."""
        for way in self._ways:
            for line in list(way.lines.values()):
                if line.media == key:
                    self._hang_up(line, line.why or "played")

    def _hang_up(self, line: Line, why: str) -> bool:
        line.why = line.why or why
        return line.way.link.hang_up(line.call_id)

    def _finish(self, line: Line, event: Ended) -> None:
        """Over: collect what was heard, and report it if the call was ever handed out."""
        line.way.lines.pop(line.call_id, None)
        if line.ringing is not None:
            line.ringing.cancel()
        line.news.put_nowait(event)
        task = asyncio.create_task(self._ended(line, event))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _ended(self, line: Line, event: Ended) -> None:
        heard = await self._media.close(line.media)
        if line.placed:
            end = call_end(
                line.call_id, heard, needed_s=line.needed_s, why=line.why, answered=event.answered,
                sip_code=event.code, cause=event.cause,
            )  # fmt: skip
            self._ends.put(end)

    def _line(self, call_id: str) -> Line | None:
        return next((way.lines[call_id] for way in self._ways if call_id in way.lines), None)

    def _link(self, server: SipServer) -> SipLink:
        trunk = self._trunk
        host = trunk.domain or (f"[{server.host}]" if ":" in server.host else server.host)
        identity = Identity(
            domain=host if trunk.domain or server.port == 5060 else f"{host}:{server.port}",
            local=("", 0),
            transport=server.transport.upper(),
            caller=trunk.caller_id,
            asserted=trunk.asserted_id,
            username=trunk.username,
            password=trunk.password.get_secret_value(),
        )
        context = ssl.create_default_context(cafile=server.ca_file or None) if server.transport == "tls" else None
        way = Server(
            host=server.host, port=server.port, transport=server.transport, tls=context,
            local_host=trunk.local_host, local_port=trunk.local_port, public_host=trunk.public_host,
            connect_timeout_s=trunk.connect_timeout_s, keep_alive_s=trunk.keep_alive_s,
        )  # fmt: skip
        return SipLink(way, identity, self._happened)
