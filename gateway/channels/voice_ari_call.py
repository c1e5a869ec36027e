"""One channel of Asterisk that is ours: what it plays, what is heard on it, and what it waits for.

Knows: ARI's events of a channel and the requests that play, listen and end; the ring time (kept here: Asterisk tells
its own end of it as cause 0). Never knows: HTTP, the websocket, how a call is placed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.channels.voice_audio import Announcement, Spoken
from gateway.channels.voice_outcomes import CallEnd, Heard, call_end
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_talk import PAUSE_S, Part, Talk
from gateway.sip.listening import FRAME_MS
from gateway.sip.reason import NORMAL_CLEARING

LISTEN_EVERY_S = 0.1
PLAYED_SLACK_S = 10.0
SILENT_AFTER_MS = 40
"""How soon Asterisk says that somebody stopped talking; the rules on pauses and words are kept here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asterisk:
    """What a call needs of the driver: a request whose status comes back, work beside everything else, where Asterisk
    finds an announcement, a clock."""

    ask: Callable[[str, str, Mapping[str, str]], Awaitable[int]]
    beside: Callable[[Coroutine[Any, Any, object]], None]
    media: Callable[[Announcement], str]
    clock: Callable[[], float]


class AriCall:
    """`news` gets "ringing", "up" or the channel's end as its cause. `why` is our own reason for ending it."""

    def __init__(self, call_id: str, spoken: Spoken, settings: VoiceSettings, asterisk: Asterisk) -> None:
        self.id = call_id
        self.placed = False
        self.why = ""
        self.news: asyncio.Queue[str | int] = asyncio.Queue()
        self._asterisk = asterisk
        self._settings = settings
        self._needed_s = spoken.text.seconds
        parts = {Part.MACHINE: spoken.machine, Part.PROMPT: spoken.prompt, Part.THANKS: spoken.thanks}
        self._sounds = {Part.TEXT: spoken.text, **{part: sound for part, sound in parts.items() if sound is not None}}
        self._talk: Talk | None = None  # once somebody answered
        self._up_at = 0.0
        self._playback = 0
        self._talking = False
        self._heard_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """It rings from now on."""
        self._after(self._settings.ring_timeout_s, self._ring_out)

    def hang_up(self, why: str) -> Awaitable[int]:
        """End it; the same request for a channel that rings and for one that plays."""
        self.why = self.why or why
        return self._asterisk.ask("DELETE", f"/channels/{self.id}", {})

    def forget(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def happened(self, kind: str, event: Mapping[str, Any], channel: Mapping[str, Any]) -> None:
        """One of Asterisk's events about it; its end is the driver's."""
        match kind:
            case "Dial" if event.get("dialstatus") == "RINGING":
                self.news.put_nowait("ringing")
            case "ChannelStateChange" if channel.get("state") == "Ringing":
                self.news.put_nowait("ringing")
            case "StasisStart":
                self._answered()
            case "PlaybackFinished" if str((event.get("playback") or {}).get("id")) == self._playback_id:
                self._over()
            case "ChannelTalkingStarted" | "ChannelTalkingFinished":
                self._hear()
                self._talking = kind == "ChannelTalkingStarted"
            case "ChannelDtmfReceived":
                self._pressed(str(event.get("digit", ""))[:1])

    def end(self, cause: int) -> CallEnd:
        """How it ended."""
        talk, heard = self._talk, Heard()
        if talk is not None:
            lasted_s = self._asterisk.clock() - self._up_at
            heard = Heard(talk.readings, talk.digits, talk.answered_by.value, lasted_s)
        answered = talk is not None or cause == NORMAL_CLEARING
        return call_end(
            self.id, heard, needed_s=self._needed_s, why=self.why, answered=answered,
            sip_code=200 if talk is not None else 0, cause=cause,
        )  # fmt: skip

    def _ring_out(self) -> None:
        if self._talk is None:
            self._do(self.hang_up("no-answer"))

    def _answered(self) -> None:
        self._up_at = self._heard_until = self._asterisk.clock()
        self._talk = Talk(has=self._sounds, repeat=self._settings.repeat, listen=self._settings.machine.rules())
        self.news.put_nowait("up")
        self._go_on(self._talk)

    def _pressed(self, key: str) -> None:
        before = self._playback_id
        if self._talk is not None and self._talk.pressed(key):
            self._go_on(self._talk, instead_of=before)

    def _over(self) -> None:
        """The part was played, or waited for, to its end."""
        if self._talk is not None and not self._talk.listening:
            self._talk.over()
            self._go_on(self._talk)

    def _go_on(self, talk: Talk, *, instead_of: str = "") -> None:
        """Begin the part in which the call stands."""
        self.forget()
        self._playback += 1
        match talk.part:
            case Part.LISTENING:
                self._do(self._listen())
            case Part.WAITING:
                self._after(LISTEN_EVERY_S, self._listening)
            case Part.PAUSE:
                self._after(PAUSE_S, self._over)
            case Part.KEY:
                self._after(self._settings.key_timeout_s, self._over)
            case Part.OVER:
                self._do(self.hang_up(""))
            case part:
                sound = self._sounds[part]
                self._do(self._play(sound, self._playback_id, instead_of))
                self._after(sound.seconds + PLAYED_SLACK_S, self._over)  # its end may be told while nobody listens

    async def _play(self, what: Announcement, playback: str, instead_of: str) -> None:
        ask = self._asterisk.ask
        if instead_of:
            await ask("DELETE", f"/playbacks/{instead_of}", {})
        status = await ask("POST", f"/channels/{self.id}/play/{playback}", {"media": self._asterisk.media(what)})
        if not 200 <= status < 300:
            await self.hang_up("")

    @property
    def _playback_id(self) -> str:
        return f"{self.id}-{self._playback}"

    # who answered --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Have Asterisk say when somebody talks; where it can not, the text begins at once."""
        level, talk = self._settings.machine.speech_level, self._talk
        status = await self._talk_detect("set", f"{SILENT_AFTER_MS},{level}")
        if talk is None or not talk.listening:
            return
        if 200 <= status < 300:
            self._after(LISTEN_EVERY_S, self._listening)
        else:
            talk.deaf()
            self._go_on(talk)

    def _listening(self) -> None:
        self._hear()
        if self._talk is not None and self._talk.listening:
            self._after(LISTEN_EVERY_S, self._listening)

    def _hear(self) -> None:
        """What was heard up to now, in frames."""
        talk, now = self._talk, self._asterisk.clock()
        if talk is None or not talk.listening:
            return
        level = self._settings.machine.speech_level if self._talking else 0
        for _ in range(int((now - self._heard_until) * 1000) // FRAME_MS):
            self._heard_until += FRAME_MS / 1000
            talk.heard(level)
            if talk.part not in (Part.LISTENING, Part.WAITING):
                self._do(self._talk_detect("remove", ""))
                self._go_on(talk)
                return

    async def _talk_detect(self, action: str, value: str) -> int:
        query = {"variable": f"TALK_DETECT({action})", "value": value}
        return await self._asterisk.ask("POST", f"/channels/{self.id}/variable", query)

    # timers and requests ---------------------------------------------------------------------------------------

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        self.forget()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _do(self, work: Awaitable[object]) -> None:
        async def doing() -> None:
            await work

        self._asterisk.beside(doing())
