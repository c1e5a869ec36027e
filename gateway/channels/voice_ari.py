"""The driver for Asterisk: channels by ARI with ids of our own, everything that happens by one websocket.

Knows: ARI's address, its requests and answers, whose event is whose. Never knows: what is played (voice_ari_call),
ceilings, lines, retry policy, SIP.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway.channels.voice_ari_call import AriCall, Asterisk
from gateway.channels.voice_audio import Announcement, Announcer, NoAudio
from gateway.channels.voice_driver import Call, Ends, Leave, Placed, Report, refused, unspoken
from gateway.channels.voice_outcomes import CallEnd, by_sip_code
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_trunks import AriTrunk
from gateway.model import OutcomeKind
from gateway.sip.reason import code_of

EVENT_MAX_BYTES = 262_144
HEARTBEAT_S = 15.0
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.5, 15.0
DECIDE_SLACK_S = 5.0


class AriDriver:
    """Places, plays and ends calls by one Asterisk."""

    def __init__(
        self, trunk: AriTrunk, settings: VoiceSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.provider = trunk.name
        self._trunk = trunk
        self._settings = settings
        self._asterisk = Asterisk(ask=self._ask, beside=self._do, media=self._media, clock=clock)
        self._base = trunk.base_url.rstrip("/")
        self._announcer = Announcer(settings, Path(trunk.sounds_folder))
        self._session: aiohttp.ClientSession | None = None
        self._calls: dict[str, AriCall] = {}
        self._ends = Ends()
        self._listening: asyncio.Task[None] | None = None
        self._doing: set[asyncio.Task[object]] = set()
        self.connected = asyncio.Event()

    # the face of all drivers ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Listen to what happens, from now on and again after every break."""
        self._announcer.open()
        trunk = self._trunk
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(trunk.username, trunk.password.get_secret_value())},
            timeout=aiohttp.ClientTimeout(total=trunk.answer_timeout_s, connect=trunk.connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Hang up what is left and report it."""
        for call in list(self._calls.values()):
            await call.hang_up("interrupted")
        for call in list(self._calls.values()):
            self._finish(call, 0)
        await self._ends.flush()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        for task in self._doing:
            task.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None
        await self._announcer.close()

    async def place(self, call: Call, leave: Leave) -> Placed:
        """Originate, and wait until it rings, is answered or has ended."""
        if not self.connected.is_set():
            # without the websocket nobody would tell what becomes of the call
            return Placed(OutcomeKind.UNSENT, detail="provider unreachable", trunk=True)
        try:
            spoken = await self._announcer.spoken(call.text, call.language)
        except NoAudio as why:
            return unspoken(why)
        if not await leave():
            return Placed(OutcomeKind.UNSENT)
        # an id of our own: asking twice for the same call is one call, and 409
        made = AriCall(f"gw-{call.reference}-{secrets.token_hex(4)}", spoken, self._settings, self._asterisk)
        self._calls[made.id] = made
        made.ring()
        placed = await self._originate(call, made)
        if placed is None:
            placed = await self._decided(made)
        if placed.kind is not OutcomeKind.ACCEPTED:
            self._forget(made)
        return placed

    async def hang_up(self, call_id: str) -> bool:
        """The same request for a channel that rings and for one that plays."""
        call = self._calls.get(call_id)
        if call is None:
            return False
        return 200 <= await call.hang_up("canceled") < 300

    def follow(self, call_id: str, text: str, needed_s: float) -> None:
        """A call of an earlier process: its channel is ended, what was heard of it nobody knows."""
        if call_id not in self._calls:
            self._do(self._delete(call_id))
            self._ends.put(CallEnd(call_id, "lost"))

    def forget(self, call_id: str) -> None:
        """Nobody else learns how our calls end."""

    async def to_machine(self, call_id: str) -> None:
        """Who answered is found out here."""

    async def watch(self, report: Report) -> None:
        """Hand on every end."""
        await self._ends.watch(report)

    def up(self) -> dict[str, bool]:
        """Whether Asterisk tells us what happens."""
        return {f"voice {self.provider}": self.connected.is_set()}

    # placing -------------------------------------------------------------------------------------------------

    async def _originate(self, call: Call, made: AriCall) -> Placed | None:
        """None when Asterisk took it."""
        query = {
            "endpoint": self._trunk.endpoint.format(number=call.to),
            "app": self._trunk.app,
            "callerId": self._trunk.caller_id,
            # longer than ours: its own end of the ring time comes as cause 0, which says nothing
            "timeout": str(self._settings.ring_timeout_s + 30),
        }
        status = await self._ask("POST", f"/channels/{made.id}", query)
        if status == 0:
            self._do(self._delete(made.id))  # it may ring all the same, and nobody would speak to whoever answers
            return Placed(OutcomeKind.UNKNOWN, detail="no answer from provider", trunk=True)
        if status in (401, 403):
            return Placed(OutcomeKind.RETRY, "", status, "credentials refused", None, trunk=True)
        if status >= 500:
            return Placed(OutcomeKind.RETRY, "", status, "provider error", None, trunk=True)
        return Placed(OutcomeKind.FAILED, "", status, "refused") if status >= 400 and status != 409 else None

    async def _decided(self, made: AriCall) -> Placed:
        try:
            async with asyncio.timeout(self._settings.ring_timeout_s + DECIDE_SLACK_S):
                news = await made.news.get()
        except TimeoutError:
            self._do(self._delete(made.id))
            return Placed(OutcomeKind.UNKNOWN, detail="no answer from provider", trunk=True)
        if isinstance(news, str):
            made.placed = True
            return Placed(OutcomeKind.ACCEPTED, made.id, 180)
        if made.why == "canceled":
            return Placed(OutcomeKind.FAILED, detail="canceled")
        code = 487 if made.why == "no-answer" else code_of(0, news)
        return refused(by_sip_code(code), code)

    # what happens to channels --------------------------------------------------------------------------------

    async def _listen(self) -> None:
        pause_s = RECONNECT_FIRST_S
        while True:
            try:
                url = f"{self._base}/events?app={quote(self._trunk.app)}&subscribeAll=false"
                async with self._http.ws_connect(
                    url, heartbeat=HEARTBEAT_S, max_msg_size=EVENT_MAX_BYTES
                ) as socket:  # fmt: skip
                    self.connected.set()
                    pause_s = RECONNECT_FIRST_S
                    await self._learn_again()
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self._event(message.data)
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            self.connected.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RECONNECT_MAX_S)

    async def _learn_again(self) -> None:
        """After a break: channels that are gone meanwhile have ended, and nobody will say so."""
        for call in list(self._calls.values()):
            if await self._ask("GET", f"/channels/{call.id}", {}) == 404:
                self._finish(call, 0)

    def _event(self, data: str) -> None:
        try:
            event = json.loads(data)
            channel = event.get("channel") or event.get("peer") or {}
            playing = event.get("playback") or {}
            owner = channel.get("id") or str(playing.get("target_uri", "")).removeprefix("channel:")
        except (ValueError, AttributeError):
            return
        call = self._calls.get(owner) if isinstance(owner, str) else None
        if call is None:
            return
        if event.get("type") == "ChannelDestroyed":
            cause = event.get("cause")
            self._finish(call, cause if isinstance(cause, int) else 0)
        else:
            call.happened(str(event.get("type")), event, channel)

    def _finish(self, call: AriCall, cause: int) -> None:
        """The channel is gone."""
        call.news.put_nowait(cause)
        if call.placed and call.id in self._calls:
            self._ends.put(call.end(cause))
        self._forget(call)

    def _forget(self, call: AriCall) -> None:
        call.forget()
        self._calls.pop(call.id, None)

    def _media(self, what: Announcement) -> str:
        """An announcement as Asterisk finds it."""
        folder = self._trunk.sounds_prefix or str(what.stem.parent)
        return f"sound:{folder.rstrip('/')}/{what.stem.name}"

    # requests ------------------------------------------------------------------------------------------------

    async def _delete(self, call_id: str) -> None:
        await self._ask("DELETE", f"/channels/{quote(call_id, safe='')}", {})

    async def _ask(self, method: str, path: str, query: Mapping[str, str]) -> int:
        """The status of a request; 0 when there was none."""
        try:
            async with self._http.request(
                method, self._base + path, params=query, allow_redirects=False
            ) as response:  # fmt: skip
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the driver is not open")
        return self._session
