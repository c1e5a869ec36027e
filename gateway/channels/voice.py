"""The voice channel: announcements by telephone, started inside a ceiling and delivered when they were played.

Knows: lines, start permits, what may still leave in the last instant, and the face that its drivers share.
Never knows: HTTP, SIP, SQL, retry policy; how a start permit comes about.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from gateway.channels.base import Emit, Work, may_leave
from gateway.channels.voice_driver import Call, Placed, VoiceDriver
from gateway.channels.voice_outcomes import BUSY, CONGESTION, DOUBTFUL, CallEnd, judge, receipt_of
from gateway.channels.voice_settings import VoiceSettings
from gateway.model import ChannelName, Delivery, Lease, Outcome, OutcomeKind, Receipt, Transport
from gateway.policy.breaker import Breaker
from gateway.policy.pacing import CeilingPacer

AHEAD = 4
"""Calls made ready (a connection in hand) that wait for their permit, so that set-up time costs no start."""
HANG_UPS_AT_ONCE = 8
EARLY_ENDS_KEPT = 1000
REST_FIRST_S, REST_MAX_S = 0.5, 30.0
HELD_READY_S = 5.0
"""A call that was made ready waits so long for a resting trunk, else it is made ready anew: peers keep nothing idle."""

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class StartGate(Protocol):
    """Hands out starts under the ceiling of all drivers, campaigns and nodes."""

    async def permit(self, to: str = "", wanted: Callable[[], bool] = ...) -> float | None:
        """Wait for a start slot for this number and return its time. None: no start now (the gate is closed), or it is
        not wanted any more when its turn comes; then no slot is spent on it."""
        ...


class LocalGate:
    """The gate of a node that is alone."""

    def __init__(
        self,
        pacer: CeilingPacer,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pacer = pacer
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def permit(self, to: str = "", wanted: Callable[[], bool] = lambda: True) -> float | None:
        """In the order of asking, whoever is called."""
        async with self._turn:
            if not wanted():
                return None
            while not self._pacer.start(now := self._clock()):
                await self._sleep(self._pacer.next_at(now) - now)
            return now


def ignore(*_: object) -> None:
    """The callback of those who do not want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMeters:
    """What the channel tells the metrics: each start with its trunk, and the calls in flight at each change."""

    started: Callable[[str], None] = ignore
    in_flight: Callable[[int], None] = ignore


def within_lease(_lease: Lease) -> bool:
    """The fence of a node that can not lose a lease."""
    return True


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(slots=True, eq=False, kw_only=True)
class Attempt:
    """A delivery in our hands from the moment it is taken until its outcome is recorded."""

    delivery: Delivery
    waiting: bool = False  # may be cancelled: the driver has it and no byte left
    left: bool = False
    withdrawn: bool = False
    refusal: tuple[OutcomeKind, str] = (OutcomeKind.UNSENT, "")
    outcome: Outcome | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class VoiceChannel:
    """Pulls a delivery when a line is free, makes the call ready, waits for a permit, and asks everything again.

    Nothing is started that may not leave over this transport (FAILED, "mode"), has expired (FAILED, "expired"), was
    withdrawn, or whose lease is past (UNSENT). A line stays taken until the call's end is known: by the driver's
    `watch`, or by a callback that this process received (`settled`).
    """

    name = ChannelName.VOICE

    def __init__(
        self,
        *,
        transport: Transport,
        settings: VoiceSettings,
        driver: VoiceDriver,
        gate: StartGate,
        lines: int | None = None,
        breaker: Breaker | None = None,
        meters: VoiceMeters | None = None,
        fence: Callable[[Lease], bool] = within_lease,
        clock: Callable[[], float] = time.monotonic,
        utcnow: Callable[[], datetime] = utc_now,
    ) -> None:
        self.transport = transport
        self._settings = settings
        self._driver = driver
        self._gate = gate
        self._meters = meters or VoiceMeters()
        self._fence = fence
        self._clock = clock
        self._utcnow = utcnow
        most = settings.max_concurrent_calls
        self._lines = asyncio.Semaphore(min(most, lines or most))
        self._breaker = breaker or Breaker()
        self._ahead = asyncio.Semaphore(AHEAD)
        self._attempts: set[Attempt] = set()
        self._open: dict[str, int] = {}  # call id -> campaign
        self._adopted: set[str] = set()  # of these, the ones that took no line here
        self._early: OrderedDict[str, None] = OrderedDict()  # ends heard of before the answer to their start
        self._rest_until = 0.0
        self._rest_s = REST_FIRST_S

    @property
    def provider(self) -> str:
        """The name of its trunk, as receipts carry it."""
        return self._driver.provider

    @property
    def in_flight(self) -> int:
        """Calls that were started and have not ended, as far as this node knows."""
        return len(self._open) + sum(attempt.left and not attempt.outcome for attempt in self._attempts)

    def able(self) -> bool:
        """Always: whether a trunk is up shows when it is called, and few calls are marked ahead."""
        return True

    def trunks_up(self) -> dict[str, bool]:
        """What the driver knows of its ways out; nothing of a provider that is asked only when there is a call."""
        return self._driver.up()

    async def run(self, work: Work, emit: Emit) -> None:
        """Place calls until cancelled; then give the started ones `drain_s` to be answered for."""
        await self._driver.open()
        try:
            async with asyncio.TaskGroup() as attempts:
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._driver.watch(partial(self._ended, emit)))
                        group.create_task(self._serve(work, emit, attempts))
                finally:
                    await self._drain()
        finally:
            await self._last_words(emit)
            await self._driver.close()

    async def withdraw(self, campaign: int) -> None:
        """Drop what has not left, hang up the rest."""
        for attempt in self._attempts:
            if attempt.delivery.lease.campaign == campaign:
                attempt.withdrawn = True
                if attempt.waiting and attempt.task:
                    attempt.task.cancel()
        limit = asyncio.Semaphore(HANG_UPS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for call_id, owner in self._open.items():
                if owner == campaign:
                    group.create_task(self._hang_up(call_id, limit))

    def adopt(self, call_id: str, campaign: int, text: str) -> None:
        """A call that was started before this process and has no end yet: it is watched, and withdrawn if need be."""
        if call_id not in self._open:
            self._open[call_id] = campaign
            self._adopted.add(call_id)
            self._driver.follow(call_id, text, self._settings.reading_s(text))

    def settled(self, call_id: str, *, refused: bool = False) -> None:
        """A call's end was recorded by somebody else in this process: its line is free. `refused`: busy, congested."""
        self._driver.forget(call_id)
        if call_id in self._open:
            self._learned(refused=refused)
            self._close(call_id)
            return
        self._early[call_id] = None
        if len(self._early) > EARLY_ENDS_KEPT:
            self._early.popitem(last=False)

    async def to_machine(self, call_id: str) -> None:
        """The provider says that a machine answered this call."""
        if call_id in self._open:
            await self._driver.to_machine(call_id)

    async def _serve(self, work: Work, emit: Emit, attempts: asyncio.TaskGroup) -> None:
        while True:
            await self._lines.acquire()
            await self._ahead.acquire()
            while not (taken := work.take(1)):
                await work.ready()
            attempt = Attempt(delivery=taken[0])
            self._attempts.add(attempt)
            attempt.task = attempts.create_task(self._attempt(attempt, emit))

    async def _attempt(self, attempt: Attempt, emit: Emit) -> None:
        attempt.waiting = True
        try:
            placed = await self._place(attempt)
        except asyncio.CancelledError:
            if not attempt.withdrawn or attempt.left:
                raise
            placed = Placed(OutcomeKind.UNSENT, detail="withdrawn")
        finally:
            attempt.waiting = False
            if not attempt.left:
                self._ahead.release()
        self._note(placed)
        placed = self._weighed(placed)
        attempt.outcome = self._outcome(attempt.delivery, placed)
        if placed.kind is OutcomeKind.ACCEPTED:
            self._begin(placed.call_id, attempt.delivery.lease.campaign)
        else:
            self._lines.release()
        await emit([attempt.outcome])
        self._attempts.discard(attempt)
        self._meters.in_flight(self.in_flight)
        if attempt.withdrawn and placed.call_id in self._open:
            await self._driver.hang_up(placed.call_id)

    async def _place(self, attempt: Attempt) -> Placed:
        if not E164.fullmatch(attempt.delivery.address):
            return Placed(OutcomeKind.FAILED, detail="invalid number")
        while (rest_s := self._rest_s_left()) > 0:
            await asyncio.sleep(rest_s)
        if not self._allowed(attempt):  # before anything is made ready for it: others could start meanwhile
            return Placed(attempt.refusal[0], detail=attempt.refusal[1])
        placed = await self._driver.place(self._call(attempt.delivery), partial(self._leave, attempt))
        if attempt.left or placed.kind is not OutcomeKind.UNSENT or not attempt.refusal[1]:
            return placed
        kind, detail = attempt.refusal
        return Placed(kind, detail=detail)

    async def _leave(self, attempt: Attempt) -> bool:
        """Asked before the first byte, and again before each further server that a driver tries for the same call.

        What can be known is checked before a permit is spent, when its turn comes, and again after it.
        """
        if not self._allowed(attempt):
            return False
        while (rest_s := self._rest_s_left()) > 0:
            if rest_s > HELD_READY_S:
                attempt.refusal = (OutcomeKind.UNSENT, "trunk rests")
                return False
            await asyncio.sleep(rest_s)
        if await self._gate.permit(attempt.delivery.address, partial(self._allowed, attempt)) is None:
            if not self._allowed(attempt):
                return False
            self._rest_until = self._clock() + REST_FIRST_S
            attempt.refusal = (OutcomeKind.UNSENT, "gate closed")
            return False
        if not self._allowed(attempt):
            return False
        attempt.waiting = False
        if not attempt.left:
            attempt.left = True
            self._ahead.release()
        self._meters.started(self._driver.provider)
        self._meters.in_flight(self.in_flight)
        return True

    def _rest_s_left(self) -> float:
        return max(self._rest_until, self._breaker.rests_until) - self._clock()

    def _allowed(self, attempt: Attempt) -> bool:
        delivery = attempt.delivery
        if not may_leave(delivery, self.transport):
            attempt.refusal = (OutcomeKind.FAILED, "mode")
        elif delivery.text.expires_at <= self._utcnow():
            attempt.refusal = (OutcomeKind.FAILED, "expired")
        elif attempt.withdrawn:
            attempt.refusal = (OutcomeKind.UNSENT, "withdrawn")
        elif not self._fence(delivery.lease):
            attempt.refusal = (OutcomeKind.UNSENT, "lease")
        else:
            return True
        return False

    def _call(self, delivery: Delivery) -> Call:
        lease, text = delivery.lease, delivery.text
        return Call(
            to=delivery.address,
            text=text.body,
            language=text.language,
            reference=f"{lease.campaign}-{lease.lo}-{delivery.seq}-{lease.epoch}",
            mode=text.mode,
            transport=self.transport,
            needed_s=self._settings.reading_s(text.body),
        )

    def _outcome(self, delivery: Delivery, placed: Placed) -> Outcome:
        return Outcome(
            delivery=delivery,
            kind=placed.kind,
            provider=self._driver.provider,
            code=placed.code,
            detail=placed.detail,
            message_ids=(placed.call_id,) if placed.kind is OutcomeKind.ACCEPTED else (),
            retry_after_s=placed.retry_after_s,
        )

    def _note(self, placed: Placed) -> None:
        """A trunk that refuses us rests: as long as it asks for, else longer each time."""
        if placed.trunk:
            rest_s = min(placed.retry_after_s or self._rest_s, REST_MAX_S)
            self._rest_until = max(self._rest_until, self._clock() + rest_s)
            self._rest_s = min(self._rest_s * 2, REST_MAX_S)
        elif placed.code:
            self._rest_s = REST_FIRST_S

    def _weighed(self, placed: Placed) -> Placed:
        """A refusal in a wave of refusals is the trunk's: it costs the called person no attempt, final as it sounds."""
        if placed.code and placed.kind is not OutcomeKind.UNKNOWN and (placed.trunk or placed.detail in DOUBTFUL):
            self._breaker.refused(self._clock())
            if not self._breaker.closed(self._clock()):
                return placed._replace(kind=OutcomeKind.UNSENT, retry_after_s=None)
        elif placed.kind is OutcomeKind.FAILED and placed.code:
            self._breaker.took(self._clock())
        return placed

    def _learned(self, *, refused: bool) -> None:
        """A call that the trunk had taken came to its end."""
        (self._breaker.refused if refused else self._breaker.took)(self._clock())

    def _begin(self, call_id: str, campaign: int) -> None:
        self._open[call_id] = campaign
        if call_id in self._early:
            del self._early[call_id]
            self._driver.forget(call_id)
            self._close(call_id)

    def _close(self, call_id: str) -> None:
        if self._open.pop(call_id, None) is not None:
            if call_id in self._adopted:
                self._adopted.discard(call_id)
            else:
                self._lines.release()
            self._meters.in_flight(self.in_flight)

    async def _ended(self, emit: Emit, end: CallEnd) -> None:
        verdict = judge(end)
        if verdict is not None:
            self._learned(refused=verdict in (BUSY, CONGESTION))
            await emit([receipt_of(self._driver.provider, end, verdict)])
        self._close(end.call_id)

    async def _hang_up(self, call_id: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            if call_id in self._open:
                await self._driver.hang_up(call_id)

    async def _drain(self) -> None:
        """What has not left is dropped; what has left gets time for its answer."""
        for attempt in self._attempts:
            if attempt.waiting and attempt.task:
                attempt.task.cancel()
        tasks = [attempt.task for attempt in self._attempts if attempt.task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.drain_s)

    async def _last_words(self, emit: Emit) -> None:
        provider = self._driver.provider
        outcomes: list[Outcome | Receipt] = [
            attempt.outcome
            or Outcome(attempt.delivery, OutcomeKind.UNKNOWN if attempt.left else OutcomeKind.UNSENT, provider)
            for attempt in self._attempts
        ]
        self._attempts.clear()
        if outcomes:
            await emit(outcomes)
