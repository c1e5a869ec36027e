"""`gateway simulate`: one simulator alone, for those who build something that talks to the gateway or to its providers.

Knows: which simulators there are, how they are told to misbehave, a page that shows what arrived.
Never knows: their protocols.
"""

import argparse
import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from gateway.commands.console import Exit, complain, say
from gateway.commands.numbers import port
from gateway.simulators.recorder import Outcomes, Recorder
from gateway.simulators.sip import SipSimulator
from gateway.simulators.sip_party import Timing
from gateway.simulators.smsc import SmscSimulator
from gateway.simulators.smsc_behaviour import Behaviour as SmscBehaviour
from gateway.simulators.smtp import SmtpBehaviour, SmtpSimulator
from gateway.simulators.voice import VoiceSimulator
from gateway.simulators.voice_call import VoiceBehaviour

EXAMPLES = """\
Listens until Ctrl-C. What arrived is at GET /received as JSON lines; ?since=N leaves out the first N. What sip heard is
at GET /audio: packets, and how late they came by the kernel's clock.
--outcome gives a share of all addresses an outcome other than delivered; the same address always gets the same one.

examples:
  gateway simulate smsc --port 2775 --outcome failed=0.05 --outcome silent=0.01
  gateway simulate smsc --behaviour receipts=tlv --behaviour ids=hex-decimal
  gateway simulate smtp --port 2525 --behaviour '{"delay_s": 0.2, "messages": 100}'
  gateway simulate voice --behaviour ring_s=1
"""


class Simulator(Protocol):
    """What all of them have."""

    port: int

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Close everything."""


class Given(NamedTuple):
    """What a simulator is made of, as the options say."""

    host: str
    port: int
    outcomes: Outcomes
    recorder: Recorder
    behaviour: Any


class Kind(NamedTuple):
    """One simulator: its way to misbehave, its outcomes, how it is made, and what to tell whoever connects to it."""

    behaviour: type
    outcomes: tuple[str, ...]
    make: Callable[[Given], Simulator]
    hint: str


def _smsc(given: Given) -> Simulator:
    return SmscSimulator(
        given.host, given.port, outcomes=given.outcomes, recorder=given.recorder, behaviour=given.behaviour
    )


def _smtp(given: Given) -> Simulator:
    return SmtpSimulator(
        given.host, given.port, outcomes=given.outcomes, recorder=given.recorder, behaviour=given.behaviour
    )


def _voice(given: Given) -> Simulator:
    return VoiceSimulator(
        given.host, given.port, outcomes=given.outcomes, recorder=given.recorder, behaviour=given.behaviour
    )


def _sip(given: Given) -> Simulator:
    return SipSimulator(
        given.host,
        given.port,
        outcomes=given.outcomes if given.outcomes.shares else None,
        recorder=given.recorder,
        timing=given.behaviour,
    )


_EVERYWHERE = ("delivered", "failed", "expired", "silent")
KINDS: Mapping[str, Kind] = {
    "smsc": Kind(
        SmscBehaviour,
        (*_EVERYWHERE, "refused", "throttled", "unanswered"),
        _smsc,
        "SMPP 3.4, system_id gateway, password secret",
    ),
    "smtp": Kind(
        SmtpBehaviour,
        (*_EVERYWHERE, "retry", "retry_once", "full", "slow_down", "refused", "retry_message", "closing", "cut",
         "lost"),
        _smtp,
        "SMTP without encryption",
    ),
    "voice": Kind(
        VoiceBehaviour,
        (*_EVERYWHERE, "answered", "confirmed", "hung-up", "machine", "busy", "no-answer", "congestion", "throttled",
         "broken", "hanging", "refused"),
        _voice,
        "calls API at /2010-04-01/Accounts/ACsimulated/Calls.json, account ACsimulated, token simulated",
    ),
    "sip": Kind(
        Timing,
        (*_EVERYWHERE, "answered", "confirmed", "hung-up", "machine", "busy", "no-answer", "congestion"),
        _sip,
        "SIP over UDP, any user; without --outcome the last digit of the number decides",
    ),
}  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    told = "\n".join(
        f"{name}:\n  outcomes: {', '.join(kind.outcomes)}\n"
        f"  behaviour: {', '.join(field.name for field in fields(kind.behaviour))}"
        for name, kind in KINDS.items()
    )
    parser.epilog = f"{EXAMPLES}\n{told}\n"
    parser.add_argument("kind", choices=list(KINDS), help="what to simulate")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=0, help="0 picks one (default)")
    parser.add_argument("--received-port", type=port, default=0, metavar="PORT", help="of the page /received")
    parser.add_argument("--behaviour", action="append", default=[], metavar="KEY=VALUE", help="or a JSON object")
    parser.add_argument("--outcome", action="append", default=[], metavar="WORD=SHARE", help="a share is 0 to 1")
    parser.add_argument("--delay-s", type=float, default=0.0, metavar="S", help="until an outcome is reported")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="keep all that arrives here, beyond the newest 100,000"
    )


def run(options: argparse.Namespace) -> int:
    """Simulate until interrupted."""
    kind = KINDS[options.kind]
    try:
        behaviour = behaviour_of(kind.behaviour, options.behaviour)
        outcomes = Outcomes(shares=shares_of(kind.outcomes, options.outcome), delay_s=max(0.0, options.delay_s))
    except ValueError as error:
        complain(str(error))
        return Exit.UNREADABLE
    try:
        recorder = Recorder(spill=options.record)
        given = Given(options.host, options.port, outcomes, recorder, behaviour)
        return asyncio.run(_simulate(kind, given, options))
    except OSError as error:
        complain(f"can not listen on {options.host}:{options.port}: {error.strerror or error}")
        return Exit.UNREADABLE


def behaviour_of(kind: type, words: list[str]) -> Any:
    """The behaviour that the words describe; ValueError says what is wrong with them."""
    told: dict[str, object] = {}
    for word in words:
        told |= _json_object(word) if word.lstrip().startswith("{") else dict([_pair(word)])
    known = [field.name for field in fields(kind)]
    unknown = [key for key in told if key not in known]
    if unknown:
        raise ValueError(f"there is no behaviour {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        return TypeAdapter(kind).validate_python(told)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(f"behaviour {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


def shares_of(known: tuple[str, ...], words: list[str]) -> dict[str, float]:
    """Outcomes with their shares; ValueError says what is wrong with the words."""
    shares: dict[str, float] = {}
    for word in words:
        name, share = _pair(word)
        if name not in known:
            raise ValueError(f"there is no outcome {name}; there are {', '.join(known)}")
        try:
            shares[name] = float(share)
        except ValueError:
            raise ValueError(f"the share of {name} is a number from 0 to 1") from None
    return shares


def _json_object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--behaviour is no JSON object: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("--behaviour is no JSON object")
    return found


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"{word!r} is not like key=value")
    return key.strip(), value.strip()


async def _simulate(kind: Kind, given: Given, options: argparse.Namespace) -> int:
    simulator = kind.make(given)
    shown = received_page(given.recorder)
    if isinstance(simulator, SipSimulator):
        shown.router.add_get("/audio", audio_of(simulator))
    page = web.AppRunner(shown, access_log=None)
    await page.setup()
    await simulator.start()
    try:
        await web.TCPSite(page, given.host, options.received_port).start()
        say(
            f"{options.kind} simulator: {given.host}:{simulator.port} ({kind.hint})",
            f"received: http://{given.host}:{page.addresses[0][1]}/received",
        )
        await _until_told()
    finally:
        await simulator.stop()
        await page.cleanup()
    say(f"{given.recorder.count} received")
    return Exit.DONE


def received_page(recorder: Recorder) -> web.Application:
    """GET /received: one JSON line for each message or call."""

    async def received(request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isascii() or not since.isdigit() or len(since) > 18:
            return web.Response(status=400, text="since is a whole number\n")
        return web.Response(text="".join(recorder.lines(int(since))), content_type="application/x-ndjson")

    page = web.Application()
    page.router.add_get("/received", received)
    return page


def audio_of(simulator: SipSimulator) -> Callable[[web.Request], Awaitable[web.Response]]:
    """GET /audio: what the called side has heard so far."""

    async def audio(_request: web.Request) -> web.Response:
        return web.json_response(dict(simulator.audio()))

    return audio


async def _until_told() -> None:
    """Return at SIGTERM or Ctrl-C."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # no signals here: Ctrl-C then ends asyncio.run itself
        loop.add_signal_handler(signal.SIGINT, told.set)
        loop.add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
