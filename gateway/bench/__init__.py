"""Reproducible capacity runs on this machine: what `gateway bench` measures.

Knows: which bench there is for each word. Never knows: how one works. Each starts a database, the peers and a gateway
of its own, as processes of their own, drives the gateway from outside as its clients do, and ends all of it.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvloop

from gateway import log as logging_
from gateway.bench import feed, ingest, result, sending, targeting
from gateway.bench.terminal import Line
from gateway.bench.wanted import KINDS, Peer, Wanted
from gateway.errors import GatewayError, StoreUnavailable

__all__ = ["BENCHES", "KINDS", "Peer", "Wanted", "run"]

INTERRUPTED = 130
Bench = Callable[[Wanted, Line], Awaitable[Mapping[str, Any]]]

BENCHES: Mapping[str, Bench] = {
    "sms": sending.sms,
    "email": sending.email,
    "voice": sending.voice,
    "all": sending.everything,
    "ingest": ingest.measure,
    "targeting": targeting.measure,
    "feed": feed.measure,
}


def run(what: str, *, as_json: bool, wanted: Wanted | None = None) -> int:
    """Measure, print one JSON object or the same for people; the exit code."""
    logging_.setup("WARNING", "logfmt")
    try:
        found = uvloop.run(_measured(what, wanted or Wanted()))
    except asyncio.CancelledError:  # SIGTERM; Ctrl-C comes out as KeyboardInterrupt
        return INTERRUPTED
    except StoreUnavailable:
        raise
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"gateway bench: {error}\n")
        return 1
    sys.stdout.write(result.as_json(found) + "\n" if as_json else result.as_text(found))
    return 0


async def _measured(what: str, wanted: Wanted) -> Mapping[str, Any]:
    """The figures. SIGTERM ends a run as Ctrl-C does: everything that was started is ended first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    line = Line()
    try:
        return await BENCHES[what](wanted, line)
    finally:
        line.end()
