"""The driver for providers with a Twilio-compatible Calls API: one POST starts a call, TwiML says what it plays.

Knows: the Calls API, TwiML, what each HTTP answer means for the call, polling where the provider can not reach us.
Never knows: ceilings, lines, retry policy, how callbacks come in.
"""

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp

from gateway.channels.voice_driver import Call, Leave, Placed, Report
from gateway.channels.voice_outcomes import COMPLETED, CallEnd, is_final
from gateway.channels.voice_rest_api import (
    Form,
    call_form,
    machine_twiml,
    parsed,
    read_answer,
    read_call,
    whole_seconds,
)
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_trunks import RestTrunk
from gateway.model import OutcomeKind

ANSWER_MAX_BYTES = 65_536
POLLS_AT_ONCE = 8
ASK_TIMEOUT_S = 10.0
GIVE_UP_S = 600.0
"""After the longest time that a call can last, and this much more, its line is free and its end stays unknown."""
LOST = "lost"


class Refused(aiohttp.ClientError):
    """Raised into the HTTP client to stop a request whose first byte may not leave."""


class Stale(aiohttp.ClientError):
    """Raised into the HTTP client: the provider closed this idle connection while the call waited for its permit."""


class Connector(aiohttp.TCPConnector):
    """Knows which connection a task's request has in hand."""

    _held: weakref.WeakKeyDictionary[asyncio.Task[object], aiohttp.connector.Connection] | None = None

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the name is aiohttp's
    ) -> aiohttp.connector.Connection:
        """As always, and remembered."""
        connection = await super().connect(req, traces, timeout)
        if (task := asyncio.current_task()) is not None:
            self._held = self._held or weakref.WeakKeyDictionary()
            self._held[task] = connection
        return connection

    def gone(self) -> bool:
        """Whether the connection that this task has in hand was closed by the other side."""
        task = asyncio.current_task()
        connection = self._held.get(task) if self._held is not None and task is not None else None
        return connection is not None and connection.closed


@dataclass(slots=True, eq=False)
class Leaving:
    """One call on its way out: the permit, asked for once; `written` from its first byte on, when its deadline runs."""

    leave: Leave
    answer_timeout_s: Callable[[], float]
    permitted: bool = False
    written: bool = False
    deadline: asyncio.Timeout | None = None

    async def allowed(self) -> bool:
        """Wait for the permit; waiting is no fault of the peer's."""
        self.permitted = self.permitted or await self.leave()
        return self.permitted

    def begin(self) -> None:
        """The first byte leaves now."""
        self.written = True
        if self.deadline is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + self.answer_timeout_s())


@dataclass(slots=True)
class Watched:
    """A call whose end is not known yet; times by the driver's clock. `call` is known when this process started it."""

    needed_s: float
    poll_at: float
    give_up_at: float
    call: Call | None = None


class RestDriver:
    """Places, polls and ends calls at one provider account."""

    def __init__(
        self, trunk: RestTrunk, settings: VoiceSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.provider = trunk.name
        self._trunk = trunk
        self._settings = settings
        self._clock = clock
        self._calls_url = f"{trunk.base_url.rstrip('/')}/2010-04-01/Accounts/{trunk.account_sid}/Calls"
        self._session: aiohttp.ClientSession | None = None
        self._watched: dict[str, Watched] = {}

    async def open(self) -> None:
        """No connection is made before the first call is."""
        trunk = self._trunk
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_ask_to_leave)
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": aiohttp.encode_basic_auth(trunk.account_sid, trunk.auth_token.get_secret_value())
            },
            timeout=aiohttp.ClientTimeout(total=None, connect=trunk.connect_timeout_s),
            connector=Connector(limit=trunk.connections, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def place(self, call: Call, leave: Leave) -> Placed:
        """POST the call. Nothing written: UNSENT; written and not answered: UNKNOWN; else by the table of answers."""
        form = call_form(call, self._trunk, self._settings)
        if form is None:
            return Placed(OutcomeKind.FAILED, detail="text too long")
        leaving = Leaving(leave, lambda: self._trunk.answer_timeout_s)
        try:
            try:
                status, retry_after_s, body = await self._start(form, leaving)
            except Stale:  # nothing was written, and the permit is in hand
                status, retry_after_s, body = await self._start(form, leaving)
        except Refused:
            return Placed(OutcomeKind.UNSENT)
        except (aiohttp.ClientError, TimeoutError, OSError):
            if leaving.written:
                return Placed(OutcomeKind.UNKNOWN, detail="no answer from provider", trunk=True)
            return Placed(OutcomeKind.UNSENT, detail="provider unreachable", trunk=True)
        placed = read_answer(status, retry_after_s, body)
        if placed.kind is OutcomeKind.ACCEPTED:
            self.follow(placed.call_id, call.text, call.needed_s)
            self._watched[placed.call_id].call = call
        return placed

    async def hang_up(self, call_id: str) -> bool:
        """`canceled` ends a call that rings; one that was answered meanwhile needs `completed`."""
        if self._session is None:
            return False
        status = await self._set_status(call_id, "canceled")
        if status is None or not is_final(status):
            status = await self._set_status(call_id, COMPLETED)
        if (watched := self._watched.get(call_id)) is not None:
            watched.poll_at = min(watched.poll_at, self._clock() + self._trunk.poll_interval_s)
        return status is not None

    async def to_machine(self, call_id: str) -> None:
        """From its tone on it hears what is for machines. A call of another process goes on as it was."""
        watched = self._watched.get(call_id)
        if watched is None or watched.call is None or self._session is None:
            return
        if twiml := machine_twiml(watched.call, self._trunk, self._settings):
            await self._change(call_id, [("Twiml", twiml)])

    def follow(self, call_id: str, text: str, needed_s: float) -> None:
        """First poll at once where the provider can not reach us, else when its last callback is overdue."""
        now = self._clock()
        overdue_s = self._settings.ring_timeout_s + self._settings.longest_s(text) + 10
        first_s = overdue_s if self._trunk.public_url else self._trunk.poll_interval_s
        self._watched[call_id] = Watched(needed_s, now + first_s, now + overdue_s + GIVE_UP_S)

    def forget(self, call_id: str) -> None:
        """Ask no more about this call."""
        self._watched.pop(call_id, None)

    def up(self) -> dict[str, bool]:
        """Nothing is asked of a provider between calls."""
        return {}

    async def watch(self, report: Report) -> None:
        """Poll all calls when there is no public URL, else only those whose callback is overdue."""
        limit = asyncio.Semaphore(POLLS_AT_ONCE)
        while True:
            now = self._clock()
            due = [call_id for call_id, watched in self._watched.items() if watched.poll_at <= now]
            async with asyncio.TaskGroup() as group:
                for call_id in due:
                    group.create_task(self._poll(call_id, report, limit))
            await asyncio.sleep(min(1.0, self._trunk.poll_interval_s))

    async def _poll(self, call_id: str, report: Report, limit: asyncio.Semaphore) -> None:
        async with limit:
            watched = self._watched.get(call_id)
            if watched is None:
                return
            watched.poll_at = self._clock() + self._trunk.poll_interval_s
            end = await self._look(call_id, watched.needed_s)
            if end is None and self._clock() >= watched.give_up_at:
                end = CallEnd(call_id, LOST)
            if end is not None and self._watched.pop(call_id, None) is not None:
                await report(end)

    async def _look(self, call_id: str, needed_s: float) -> CallEnd | None:
        """The end of a call, or None while it goes on or can not be learned."""
        try:
            async with (
                asyncio.timeout(ASK_TIMEOUT_S),
                self._http.get(f"{self._calls_url}/{call_id}.json", allow_redirects=False) as response,
            ):
                body = await read_bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        if response.status == 404:
            return CallEnd(call_id, LOST)
        return read_call(call_id, needed_s, body) if response.status == 200 else None

    async def _set_status(self, call_id: str, word: str) -> str | None:
        status, body = await self._change(call_id, [("Status", word)])
        return str(parsed(body).get("status", word)) if status == 200 else None

    async def _change(self, call_id: str, form: Form) -> tuple[int, bytes]:
        """The answer to a change of a call; 0 when there was none."""
        url = f"{self._calls_url}/{quote(call_id, safe='')}.json"
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                status, _, body = await self._post(url, form, None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""
        return status, body

    async def _start(self, form: Form, leaving: Leaving) -> tuple[int, float | None, bytes]:
        async with asyncio.timeout(None) as leaving.deadline:
            return await self._post(f"{self._calls_url}.json", form, leaving)

    async def _post(self, url: str, form: Form, leaving: Leaving | None) -> tuple[int, float | None, bytes]:
        async with self._http.post(
            url, data=aiohttp.FormData(form), allow_redirects=False, trace_request_ctx=SimpleNamespace(leaving=leaving)
        ) as response:
            return response.status, whole_seconds(response.headers.get("Retry-After", "")), await read_bounded(response)

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the driver is not open")
        return self._session


async def _ask_to_leave(
    session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    # The client calls this with a connection in hand, immediately before it writes the head of the request.
    leaving: Leaving | None = getattr(context.trace_request_ctx, "leaving", None)
    if leaving is None:
        return
    if not await leaving.allowed():
        raise Refused
    if isinstance(session.connector, Connector) and session.connector.gone():
        raise Stale
    leaving.begin()


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, or its first ANSWER_MAX_BYTES."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            response.close()
            break
    return bytes(body[:ANSWER_MAX_BYTES])
