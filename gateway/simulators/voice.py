"""A voice provider with a Twilio-shaped Calls API that plays TwiML to imagined people and calls back, signed.

Knows: the Calls API, callbacks and their signature, an agreed outcome for every number, and misbehaviour on request.
Never knows: the gateway. It ships because the demo and the simulation environment use it.
"""

import asyncio
import hmac
import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

import aiohttp
from aiohttp import web

from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.voice_call import FINAL, Callback, CallRunner, SimulatedCall, VoiceBehaviour
from gateway.simulators.voice_script import BROKEN, HANGING, REFUSED, THROTTLED, Script, read_twiml

BODY_MAX_BYTES = 65_536
CALLS_KEPT = 20_000
STARTS_KEPT = 200_000
MODES = frozenset({"live", "exercise", "test"})


class VoiceSimulator:
    """`async with` it or start() and stop(). `outcomes` decides by number with the words of voice_script.

    `mode` is what a call is recorded as when its form names none (`GatewayMode`). `time_scale` says how many nominal
    seconds pass in a real one: at 30, a call of half a minute takes a second, and its CallDuration still says 30.
    `others` are recorders of other channels, served at /received/{channel}.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        mode: str = "test",
        outcomes: Outcomes | None = None,
        recorder: Recorder | None = None,
        account_sid: str = "ACsimulated",
        auth_token: str = "simulated",  # noqa: S107  a simulator has no secrets
        time_scale: float = 1.0,
        behaviour: VoiceBehaviour | None = None,
        others: Mapping[str, Recorder] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host, self.port = host, port
        self.behaviour = behaviour or VoiceBehaviour()
        self.outcomes = outcomes or Outcomes()
        self.recorder = recorder or Recorder()
        self._mode = mode
        self._clock = clock
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._runner = CallRunner(account_sid, auth_token, time_scale, self.behaviour)
        self._recorders = {**(others or {}), "voice": self.recorder}
        self._calls: OrderedDict[str, SimulatedCall] = OrderedDict()
        self._by_reference: OrderedDict[str, str] = OrderedDict()
        self._starts: deque[float] = deque(maxlen=STARTS_KEPT)
        self._server: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL of the Calls API, and of /received."""
        return f"http://{self.host}:{self.port}"

    def starts(self) -> tuple[float, ...]:
        """When calls were started (monotonic seconds)."""
        return tuple(self._starts)

    @property
    def callbacks(self) -> Sequence[Callback]:
        """The newest callbacks that were sent, with their answers."""
        return tuple(self._runner.sent)

    def call(self, sid: str) -> SimulatedCall:
        """A call by its id."""
        return self._calls[sid]

    async def start(self) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=BODY_MAX_BYTES)
        account = f"/2010-04-01/Accounts/{self._account_sid}/Calls"
        app.add_routes(
            [
                web.post(f"{account}.json", self._create),
                web.get(f"{account}/{{sid}}.json", self._show),
                web.post(f"{account}/{{sid}}.json", self._change),
                web.get("/received", self._received),
                web.get("/received/{channel}", self._received),
            ]
        )
        self._server = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._server.setup()
        await web.TCPSite(self._server, self.host, self.port).start()
        self.port = self._server.addresses[0][1]
        self._runner.open()

    async def stop(self) -> None:
        """End all calls without a word and close the port."""
        await self._runner.close()
        if self._server is not None:
            await self._server.cleanup()
            self._server = None

    async def __aenter__(self) -> "VoiceSimulator":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _create(self, request: web.Request) -> web.Response:
        if not self._authorized(request):
            return _problem(401, 20003, "Authenticate")
        form = await request.post()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        known = self._calls.get(self._by_reference.get(fields.get("GatewayReference", ""), ""))
        if known is not None:
            return web.json_response(self._resource(known))
        to, script = fields.get("To", ""), read_twiml(fields.get("Twiml", ""))
        outcome = self.outcomes.decide(to)
        if (fault := await self._fault(outcome)) is not None:
            return fault
        if outcome == REFUSED or not (to.startswith("+") and to[1:].isdigit() and 7 <= len(to) <= 16):
            return _problem(400, 21211, "Invalid 'To' Phone Number")
        if script is None:
            return _problem(400, 12100, "Document parse failure")
        events = frozenset(str(value) for value in form.getall("StatusCallbackEvent", ["completed"]))
        call = self._begin(fields, to, outcome, script, events)
        return web.json_response(self._resource(call), status=201)

    async def _fault(self, outcome: str) -> web.Response | None:
        behaviour = self.behaviour
        if outcome == HANGING:
            await asyncio.sleep(behaviour.hang_s)
            return _problem(500, 20500, "Internal Server Error")
        if outcome == BROKEN:
            return _problem(500, 20500, "Internal Server Error")
        most, now = behaviour.max_starts_per_s, self._clock()
        full = most is not None and len(self._starts) >= most and self._starts[-most] > now - 1.0
        if outcome == THROTTLED or full:
            return _problem(429, 20429, "Too Many Requests", {"Retry-After": str(behaviour.retry_after_s)})
        return None

    def _begin(
        self, fields: Mapping[str, str], to: str, outcome: str, script: Script, events: frozenset[str]
    ) -> SimulatedCall:
        mode = fields.get("GatewayMode", "")
        self.recorder.add("voice", to, script.text, mode if mode in MODES else self._mode)
        self._starts.append(self._clock())
        call = SimulatedCall(
            sid=f"CA{len(self._calls):08x}{time.monotonic_ns():024x}",
            to=to,
            caller=fields.get("From", ""),
            outcome=outcome,
            script=script,
            callback=fields.get("StatusCallback", ""),
            events=events,
            ring_timeout_s=_seconds(fields.get("Timeout", ""), 60.0),
            detects=fields.get("MachineDetection", "") in ("Enable", "DetectMessageEnd"),
            heard=fields.get("AsyncAmdStatusCallback", "") if fields.get("AsyncAmd") == "true" else "",
        )
        self._calls[call.sid] = call
        if reference := fields.get("GatewayReference"):
            self._by_reference[reference] = call.sid
        self._shed()
        self._runner.begin(call)
        return call

    def _shed(self) -> None:
        if len(self._calls) > CALLS_KEPT:
            _, old = self._calls.popitem(last=False)
            self._runner.end(old)
        if len(self._by_reference) > CALLS_KEPT:
            self._by_reference.popitem(last=False)

    async def _show(self, request: web.Request) -> web.Response:
        if not self._authorized(request):
            return _problem(401, 20003, "Authenticate")
        call = self._calls.get(request.match_info["sid"])
        return web.json_response(self._resource(call)) if call else _problem(404, 20404, "Not Found")

    async def _change(self, request: web.Request) -> web.Response:
        """`canceled` ends a call that is not answered yet, `completed` any; `Twiml` is what it says from now on."""
        if not self._authorized(request):
            return _problem(401, 20003, "Authenticate")
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            return _problem(404, 20404, "Not Found")
        form = await request.post()
        word, twiml = form.get("Status"), form.get("Twiml")
        if isinstance(twiml, str) and word is None:
            return self._instead(call, twiml)
        if word not in ("canceled", "completed"):
            return _problem(400, 20001, "Invalid Status")
        if word == "completed" or call.status != "in-progress":
            self._runner.end(call)
        return web.json_response(self._resource(call))

    def _instead(self, call: SimulatedCall, twiml: str) -> web.Response:
        script = read_twiml(twiml)
        if script is None:
            return _problem(400, 12100, "Document parse failure")
        if call.status != "in-progress":
            return _problem(400, 21220, "Call is not in-progress. Cannot redirect.")
        call.script = script
        return web.json_response(self._resource(call))

    async def _received(self, request: web.Request) -> web.StreamResponse:
        """JSON lines; `?since=N` from record number N on."""
        recorder = self._recorders.get(request.match_info.get("channel", "voice"))
        since = request.query.get("since", "0")
        if recorder is None or not (since.isascii() and since.isdigit() and len(since) <= 12):
            return _problem(404, 20404, "No such channel or record number")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
        await response.prepare(request)
        block: list[str] = []
        for line in recorder.lines(int(since)):
            block.append(line)
            if len(block) == 500:
                await response.write("".join(block).encode())
                block.clear()
        await response.write("".join(block).encode()) if block else None
        await response.write_eof()
        return response

    def _resource(self, call: SimulatedCall) -> dict[str, str | None]:
        final = call.status in FINAL
        return {
            "sid": call.sid,
            "account_sid": self._account_sid,
            "to": call.to,
            "from": call.caller,
            "status": call.status,
            "duration": str(round(call.spoken_s)) if final else None,
            "answered_by": call.answered_by or None,
            "direction": "outbound-api",
            "api_version": "2010-04-01",
        }

    def _authorized(self, request: web.Request) -> bool:
        expected = aiohttp.encode_basic_auth(self._account_sid, self._auth_token)
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "backslashreplace"))


def _problem(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = json.dumps({"code": code, "message": message, "more_info": "", "status": status})
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)


def _seconds(value: str, otherwise: float) -> float:
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 4 else otherwise
