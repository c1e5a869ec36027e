"""`gateway demo`: the whole line on this machine, shown as it happens.

Knows: the world, one gateway, a terminal. Never knows: a shortcut; the alert goes in by HTTP like everybody's.
"""

import asyncio
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from gateway import log as logging_
from gateway import world
from gateway.app import Gateway
from gateway.errors import GatewayError
from gateway.model import ChannelName, DeliveryState
from gateway.simulators.recorder import EXPIRED, FAILED, SILENT
from gateway.simulators.sample import outcome_of, sample_alert
from gateway.store import admin, alerts
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.migrate import migrate
from gateway.store.registry import CHANNELS

HOST = "127.0.0.1"
BAR = 30
TIME_SCALE = 20.0  # a call of 40 s lasts 2 s
FINAL = ("submitted", "delivered", "failed", "expired", "cancelled", "unknown")


def run(*, once: bool, recipients: int, port: int, data: Path) -> int:
    """Run the demo; the exit code."""
    logging_.setup("WARNING", "logfmt")
    try:
        data.mkdir(parents=True, exist_ok=True)
        return uvloop.run(_demo(once, recipients, port, data))
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"gateway demo: {error}\n")
        return 3


def _say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _demo(once: bool, recipients: int, port: int, data: Path) -> int:
    began = time.monotonic()
    server = EmbeddedPostgres(data)
    cluster = await server.start()
    try:
        await migrate(cluster.owner_dsn, cluster.app_role, cluster.app_password)
        _say(f"PostgreSQL is up ({time.monotonic() - began:.1f} s)")
        known = world.read_facts(data).get("tokens", {})
        async with admin.connected(cluster.app_dsn) as connection:
            tokens = await world.load(connection, recipients, _loading, known)
        running = world.Simulators.running(HOST, keep=4 * recipients + 10_000, time_scale=TIME_SCALE)
        async with running as simulators:
            more = {"sms": {"canaries": [world.CANARY]}}
            settings = world.settings_for(simulators, cluster.app_dsn, host=HOST, port=port or _free_port(), more=more)
            async with Gateway.running(settings, frozenset(), cluster.app_dsn) as node:
                world.write_facts(data, world.facts_of(node.url, cluster, tokens, simulators))
                _say(f"Gateway ready: {node.url}")
                _say(f"{recipients:,} people have an address in the alert's area")
                raw = sample_alert(sent=datetime.now(UTC).replace(microsecond=0), identifier=f"DEMO-{time.time_ns()}")
                (data / "alert.xml").write_bytes(raw)
                return await _show(node, tokens, cluster.app_dsn, raw, once=once)
    finally:
        await server.stop()


def _free_port() -> int:
    """A port that is free now: calls need to know the gateway's address before it listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _loading(have: int, wanted: int) -> None:
    end = "\n" if have >= wanted else ""
    if sys.stdout.isatty() or end:
        sys.stdout.write(f"\rSample people {have:,} of {wanted:,}{end}")
        sys.stdout.flush()


async def _show(node: Gateway, tokens: Mapping[str, Mapping[str, str]], dsn: str, raw: bytes, *, once: bool) -> int:
    headers = {"Authorization": f"Bearer {tokens['demo-commune']['live']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        answer = await _post(session, node.url, raw)
        campaign = answer["campaign"]
        _say(f"CAP alert accepted as {answer['alert']}, class {answer['class']}, campaign {campaign}")
        node.heed_signals()
        stopped = asyncio.create_task(node.until_stopped())
        followed = asyncio.create_task(_follow(session, answer["links"]["campaign"]))
        await asyncio.wait({stopped, followed}, return_when=asyncio.FIRST_COMPLETED)
        if not followed.done():
            followed.cancel()
            return 1
        async with session.get(answer["links"]["report"], params={"format": "text"}) as response:
            _say("\n" + await response.text())
        as_told = await _check(dsn, campaign)
        if not once:
            _addresses(node.url)
            await stopped
        stopped.cancel()
    return 0 if as_told and node.failed is None else 1


async def _post(session: aiohttp.ClientSession, url: str, raw: bytes) -> Mapping[str, Any]:
    content = {"Content-Type": "application/cap+xml"}
    async with session.post(f"{url}/v1/alerts", data=raw, headers=content) as response:
        body: Mapping[str, Any] = await response.json(content_type=None)
        if response.status != 201:
            raise OSError(f"the alert was refused: {body.get('detail')} {body.get('findings')}")
        return body


async def _follow(session: aiohttp.ClientSession, url: str) -> None:
    """Draw the counts until the campaign is closed."""
    lines = 0
    while True:
        async with session.get(url) as response:
            seen = await response.json()
        drawn = _draw(seen)
        if sys.stdout.isatty():
            sys.stdout.write(f"\x1b[{lines}A" if lines else "")
            for line in drawn:
                _say("\x1b[2K" + line)
            lines = len(drawn)
        elif seen["state"] == "closed":
            for line in drawn:
                _say(line)
        if seen["state"] == "closed":
            return
        await asyncio.sleep(0.25)


def _draw(seen: Mapping[str, Any]) -> list[str]:
    lines = [f"campaign {seen['state']}"]
    for channel, counts in seen["channels"].items():
        planned = counts["planned"]
        over = sum(counts[k] for k in FINAL)
        filled = BAR * over // planned if planned else 0
        bar = "#" * filled + "." * (BAR - filled)
        parts = "  ".join(f"{k} {counts[k]}" for k in ("queued", "in_flight", *FINAL) if counts[k])
        lines.append(f"  {channel:<6}[{bar}] {over}/{planned}  {parts}")
    return lines


def _addresses(url: str) -> None:
    _say("The demo goes on until Ctrl-C:")
    for what, path in (
        ("public feed", "/cap/feed.atom"), ("metrics", "/metrics"), ("API docs", "/docs"), ("health", "/readyz"),
    ):  # fmt: skip
        _say(f"  {what:<12} {url}{path}")
    _say("  tokens and simulators: demo.json in the data folder; the alert: alert.xml there")


async def _check(dsn: str, campaign: str) -> bool:
    """Compare every delivery with what the simulators were told."""
    wrong: Counter[str] = Counter()
    total = 0
    async with admin.connected(dsn) as connection:
        row = await admin.campaign(connection, campaign)
        assert row is not None
        after = 0
        while rows := await alerts.deliveries_page(connection, row.id, after, 5000):
            after = rows[-1]["seq"]
            total += len(rows)
            for delivery in rows:
                state = DeliveryState(delivery["state"])
                expected = _expected(CHANNELS[delivery["channel"]], delivery["address"])
                if state is not expected:
                    wrong[
                        f"{CHANNELS[delivery['channel']]}: {state.name.lower()} instead of {expected.name.lower()}"
                    ] += 1
    for what, n in wrong.items():
        _say(f"NOT as the simulators were told: {n} x {what}")
    if not wrong:
        _say(f"Every one of {total:,} deliveries ended as the simulators were told.")
    return not wrong


def _expected(channel: ChannelName, address: str) -> DeliveryState:
    word = outcome_of(address)
    if channel is ChannelName.EMAIL:
        return DeliveryState.FAILED if word in (FAILED, "refused") else DeliveryState.SUBMITTED
    states = {FAILED: DeliveryState.FAILED, EXPIRED: DeliveryState.EXPIRED, SILENT: DeliveryState.SUBMITTED}
    return states.get(word, DeliveryState.DELIVERED)
