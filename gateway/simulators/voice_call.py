"""The life of simulated calls: steps in their time, signed callbacks, and every way to send them wrongly.

Knows: the callback form and its signature. Never knows: the Calls API, the record, how an outcome is chosen.
"""

import asyncio
import base64
import hmac
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha1
from typing import NamedTuple

import aiohttp

from gateway.simulators.voice_script import MACHINE, SILENT, Script, Step, ringing, spoken

ANSWER_MAX_BYTES = 65_536
FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
FORGED = "Zm9yZ2VkIHNpZ25hdHVyZSAxMjM="


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceBehaviour:
    """How the provider behaves and misbehaves; times are nominal seconds unless they say real."""

    ring_s: float = 4.0
    greeting_s: float = 6.0  # of a machine
    key_timeout_s: float = 5.0
    max_starts_per_s: int | None = None  # above it: 429
    retry_after_s: int = 1  # real
    hang_s: float = 30.0  # real: for a number with the outcome "hanging"
    duplicate_callbacks: bool = False
    reversed_callbacks: bool = False  # the final status first, the ringing last
    forged_callbacks: bool = False  # a wrong signature before each right one
    callback_tries: int = 3
    callback_timeout_s: float = 15.0  # real


@dataclass(slots=True, kw_only=True, eq=False)
class SimulatedCall:
    """One call and how far it has come; `spoken_s` counts nominal seconds from the answer."""

    sid: str
    to: str
    caller: str
    outcome: str
    script: Script
    callback: str
    events: frozenset[str]
    ring_timeout_s: float
    detects: bool = False  # the provider is to say who answered
    heard: str = ""  # where it is to say so while the call goes on; "" = it speaks only when it knows
    status: str = "queued"
    sequence: int = 0
    answered_by: str = ""
    spoken_s: float = 0.0
    step_began: float = field(default_factory=time.monotonic)
    held_back: list[dict[str, str]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Callback(NamedTuple):
    """A callback that was sent, and what it was answered."""

    url: str
    form: Mapping[str, str]
    status: int
    body: str


class CallRunner:
    """Runs calls until they end, or until somebody ends them."""

    def __init__(self, account_sid: str, auth_token: str, time_scale: float, behaviour: VoiceBehaviour) -> None:
        self.sent: deque[Callback] = deque(maxlen=1000)
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._time_scale = time_scale
        self._behaviour = behaviour
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Needs a running loop."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._behaviour.callback_timeout_s))

    async def close(self) -> None:
        """End all calls without a word."""
        http, self._http = self._http, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if http is not None:
            await http.close()

    def begin(self, call: SimulatedCall) -> None:
        """Let the call ring."""
        call.task = asyncio.create_task(self._run(call))
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)

    def end(self, call: SimulatedCall) -> None:
        """The caller hangs up: canceled before the answer, completed after it."""
        if call.status in FINAL or call.task is None:
            return
        if call.status == "in-progress":
            call.spoken_s += (time.monotonic() - call.step_began) * self._time_scale
            call.status = "completed"
        else:
            call.status = "canceled"
        call.task.cancel()

    async def _run(self, call: SimulatedCall) -> None:
        behaviour = self._behaviour
        try:
            for step in ringing(call.outcome, ring_s=behaviour.ring_s, ring_timeout_s=call.ring_timeout_s):
                await self._after(call, step)
            if call.status == "in-progress":
                await self._who_answered(call)
                for step in spoken(call.outcome, call.script, key_timeout_s=behaviour.key_timeout_s):
                    await self._after(call, step)
        except asyncio.CancelledError:
            if call.status not in FINAL or self._http is None:
                raise
            # Ended by the caller: the status is set, its callback is still owed.
            await self._call_back(call, Step(0.0, call.status, "completed", 487 if call.status == "canceled" else 200))

    async def _after(self, call: SimulatedCall, step: Step) -> None:
        call.step_began = time.monotonic()
        await asyncio.sleep(step.after_s / self._time_scale)
        await self._take(call, step)

    async def _who_answered(self, call: SimulatedCall) -> None:
        """A machine talks first. Where it is told while the call goes on, the caller may have something else to say."""
        machine = call.outcome == MACHINE
        if machine:
            await self._after(call, Step(self._behaviour.greeting_s, "in-progress"))
        if call.detects and call.outcome != SILENT:
            call.answered_by = "machine_end_beep" if machine else "human"
            if call.heard:
                await self._send(call.heard, self._form(call))

    async def _take(self, call: SimulatedCall, step: Step) -> None:
        if call.status == "in-progress":
            call.spoken_s += step.after_s
        call.status = step.status
        call.step_began = time.monotonic()
        if not step.action:
            await self._call_back(call, step)
        elif call.outcome != SILENT:
            await self._send(call.script.action, self._form(call) | {"Digits": step.digits, "msg": "Gather End"})

    async def _call_back(self, call: SimulatedCall, step: Step) -> None:
        if not call.callback or step.event not in call.events or call.outcome == SILENT:
            return
        form = self._form(call) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.sequence),
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        call.sequence += 1
        if step.status in FINAL:
            form |= {"CallDuration": str(round(call.spoken_s)), "SipResponseCode": str(step.sip_code)}
        if not self._behaviour.reversed_callbacks:
            await self._send(call.callback, form)
            return
        call.held_back.insert(0, form)
        if step.status in FINAL:
            for held in call.held_back:
                await self._send(call.callback, held)

    def _form(self, call: SimulatedCall) -> dict[str, str]:
        form = {
            "CallSid": call.sid,
            "AccountSid": self._account_sid,
            "From": call.caller,
            "To": call.to,
            "CallStatus": "initiated" if call.status == "queued" else call.status,
            "Direction": "outbound-api",
            "ApiVersion": "2010-04-01",
        }
        return form | ({"AnsweredBy": call.answered_by} if call.answered_by else {})

    async def _send(self, url: str, form: Mapping[str, str]) -> None:
        if self._behaviour.forged_callbacks:
            await self._post(url, {**form, "CallStatus": "failed", "Digits": "1"}, FORGED)
        for _ in range(self._behaviour.callback_tries):
            if 200 <= await self._post(url, form, self._signature(url, form)) < 500:
                break
            await asyncio.sleep(1.0 / self._time_scale)
        if self._behaviour.duplicate_callbacks:
            await self._post(url, form, self._signature(url, form))

    async def _post(self, url: str, form: Mapping[str, str], signature: str) -> int:
        if self._http is None or not url.startswith(("http://", "https://")):
            return 0
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with self._http.post(url, data=dict(form), headers={"X-Twilio-Signature": signature}) as response:
                body = (await response.content.read(ANSWER_MAX_BYTES)).decode(errors="replace")
                self.sent.append(Callback(url, form, response.status, body))
                return response.status
        return 0

    def _signature(self, url: str, form: Mapping[str, str]) -> str:
        # The URL as it is asked for, then every name and value in the order of the names; HMAC-SHA1 with the token.
        signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        return base64.b64encode(hmac.new(self._auth_token.encode(), signed.encode(), sha1).digest()).decode()
