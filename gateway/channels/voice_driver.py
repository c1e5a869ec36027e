"""The face that all voice drivers share: a call to place, the answer to it, and the five things a driver does.

Knows: what a driver is asked and what it may answer. Never knows: HTTP, SIP, ceilings, what a code means.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.channels.voice_audio import NoAudio, NoVoice
from gateway.channels.voice_outcomes import CONGESTION, CallEnd, Verdict
from gateway.model import Mode, OutcomeKind, ReceiptKind, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to place. `mode` is named to simulators only; `needed_s` is the estimate for one reading of the text."""

    to: str
    text: str
    language: str
    reference: str
    mode: Mode
    transport: Transport
    needed_s: float


class Placed(NamedTuple):
    """The immediate answer to a call. `trunk` says that a refusal concerns the trunk, not this call."""

    kind: OutcomeKind
    call_id: str = ""
    code: int = 0
    detail: str = ""
    retry_after_s: float | None = None
    trunk: bool = False


def refused(verdict: Verdict, code: int, retry_after_s: float | None = None) -> Placed:
    """The answer to a call that ended before anybody could answer it. Congestion is the trunk's trouble."""
    kind = OutcomeKind.RETRY if verdict.kind is ReceiptKind.RETRY else OutcomeKind.FAILED
    trunk = verdict is CONGESTION
    return Placed(kind, "", code, verdict.detail, retry_after_s if trunk else None, trunk)


def unspoken(why: NoAudio) -> Placed:
    """The answer to a call whose text has no sound here. A missing voice concerns its language only, and calling again
    makes none; anything else concerns all calls, and may pass."""
    if isinstance(why, NoVoice):
        return Placed(OutcomeKind.FAILED, detail="no voice")
    return Placed(OutcomeKind.RETRY, detail="no audio", trunk=True)


Leave = Callable[[], Awaitable[bool]]
"""Asked by a driver when a call is ready, immediately before its first byte. It waits for a start permit; False means
that nothing may leave, and `place` answers UNSENT."""

Report = Callable[[CallEnd], Awaitable[None]]
"""Told by a driver of every call that ended; done = durable."""


class VoiceDriver(Protocol):
    """A way to place calls: a provider's REST API, a SIP trunk, an Asterisk. `provider` names the trunk."""

    provider: str

    async def open(self) -> None:
        """Make ready to place calls."""
        ...

    async def close(self) -> None:
        """Let go of every connection. Calls in progress go on at the provider."""
        ...

    async def place(self, call: Call, leave: Leave) -> Placed:
        """Start a call. An answer within the driver's own deadline, never an exception for what a peer does."""
        ...

    async def watch(self, report: Report) -> None:
        """Until cancelled: find out how calls end, where nobody else tells."""
        ...

    def follow(self, call_id: str, text: str, needed_s: float) -> None:
        """Watch a call that an earlier process started."""
        ...

    def forget(self, call_id: str) -> None:
        """The end of this call became known in another way."""
        ...

    async def hang_up(self, call_id: str) -> bool:
        """End a call, ringing or answered; False when the peer did not take it."""
        ...

    async def to_machine(self, call_id: str) -> None:
        """A machine answered this call, the provider says, and has stopped talking: say what is for machines."""
        ...

    def up(self) -> dict[str, bool]:
        """The ways to the trunk that are watched, and whether each is there."""
        ...


class Ends:
    """The ends of calls that a driver learned by itself, on their way to whoever watches."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[CallEnd] = asyncio.Queue()
        self._report: Report | None = None

    def put(self, end: CallEnd) -> None:
        """A call ended."""
        self._waiting.put_nowait(end)

    async def watch(self, report: Report) -> None:
        """Hand on every end until cancelled."""
        self._report = report
        while True:
            await self._hand_on([await self._waiting.get()])

    async def flush(self) -> None:
        """Hand on what is left, now that nobody watches any more."""
        await self._hand_on([])

    async def _hand_on(self, ends: list[CallEnd]) -> None:
        while self._report is not None and not self._waiting.empty():
            ends.append(self._waiting.get_nowait())
        if self._report is not None:
            await asyncio.gather(*map(self._report, ends))
