"""Benches of the whole line: an alert goes in, and SMS, e-mails and calls go out, alone or all together.

Knows: which peers a bench needs, what is read after it. Never knows: how a peer or the gateway is run (the rig does).
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.bench import config, peers, quantiles
from gateway.bench.alert import capacity_alert
from gateway.bench.calls import Starts, sliding
from gateway.bench.media import streams
from gateway.bench.people import citizens
from gateway.bench.places import COUNTRY_RADIUS_KM, Area, outline
from gateway.bench.result import Number, Result
from gateway.bench.rig import Ground, Node, Span, all_left, closed, ground, metered, node
from gateway.bench.sound import noise
from gateway.bench.terminal import Line
from gateway.bench.usage import Meter
from gateway.bench.wanted import Wanted, amount, duration_s
from gateway.model import ChannelName

SMS, EMAIL, VOICE = ChannelName.SMS, ChannelName.EMAIL, ChannelName.VOICE
HISTOGRAM = "gateway_submit_seconds"
OURS = ("gateway", "media", "postgres")
REACH_KM = 40.0
AREA = Area("reach", outline(REACH_KM * 1.1, 12))
BACKLOG = 1.1  # calls beyond what may start, so that the queue is never empty before its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that runs: the database, the gateway, and a peer for each channel."""

    floor: Ground
    gateway: Node
    peers: Mapping[ChannelName, peers.Other]
    settings: Mapping[str, Any]
    media: bool

    @property
    def pids(self) -> dict[str, int | None]:
        """The peers' processes by channel."""
        return {channel.value: other.pid for channel, other in self.peers.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one campaign left behind."""

    spans: Mapping[ChannelName, Span]
    seconds: Mapping[ChannelName, Mapping[int, int]]
    counts: Mapping[str, Mapping[str, Any]]
    meter: Meter
    before: str
    after: str
    first_submit_s: Number

    def latency_ms(self, channel: ChannelName) -> dict[str, Number]:
        """From writing to the record of the answer, of one delivery in 64, out of the gateway's own histogram."""
        labels = {"channel": channel.value}
        counted = quantiles.between(
            quantiles.read_buckets(self.before, HISTOGRAM, labels),
            quantiles.read_buckets(self.after, HISTOGRAM, labels),
        )
        return {
            name: quantiles.milliseconds(quantiles.of_buckets(counted, share))
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }


async def sms(wanted: Wanted, line: Line) -> dict[str, Any]:
    """From the first submission to the last durable receipt, as fast as it goes (or at --rate)."""
    return await _one(SMS, wanted, line)


async def email(wanted: Wanted, line: Line) -> dict[str, Any]:
    """From the first to the last mail that a relay took over."""
    return await _one(EMAIL, wanted, line)


async def _one(channel: ChannelName, wanted: Wanted, line: Line) -> dict[str, Any]:
    count = amount(channel.value, wanted)
    async with stage([channel], {channel: wanted.rate_per_s}, wanted, line) as on:
        await _people(on.floor, {channel: count})
        run = await campaign(on, wanted, until=closed)
        found = result(channel, run, on, receipts=channel is SMS)
        return {"machine": on.floor.machine} | found.as_dict()


async def voice(wanted: Wanted, line: Line) -> dict[str, Any]:
    """Call starts with a backlog that lasts `seconds`: what the called side saw in any sliding minute. Before that, the
    playing process alone."""
    seconds = duration_s("voice", wanted)
    line.step("playing to 600 calls")
    alone = await streams()
    async with stage([VOICE], {}, wanted, line) as on:
        await _people(on.floor, {VOICE: _calls(seconds)})
        run = await campaign(on, wanted, until=_older_than(seconds))
        found = await _voice(run, on, seconds)
        return {"machine": on.floor.machine} | found.as_dict() | {"media_alone": alone}


async def everything(wanted: Wanted, line: Line) -> dict[str, Any]:
    """All channels at their published rates, together, for `seconds`: what was held, and what it cost."""
    seconds = duration_s("all", wanted)
    rates = {SMS: float(config.SMS_PER_S), EMAIL: float(config.EMAILS_PER_S)}
    people = {channel: int(rate * seconds) for channel, rate in rates.items()} | {VOICE: _calls(seconds)}
    async with stage([SMS, EMAIL, VOICE], rates, wanted, line) as on:
        await _people(on.floor, people)
        run = await campaign(on, wanted, until=_older_than(seconds, sent=(SMS, EMAIL)))
        channels = {
            SMS.value: result(SMS, run, on, receipts=False).as_dict(),
            VOICE.value: (await _voice(run, on, seconds)).as_dict(),
            EMAIL.value: result(EMAIL, run, on, receipts=False).as_dict(),
        }
    return {"machine": on.floor.machine} | _together(channels, run, on, seconds)


# how a stage is set up and used ---------------------------------------------------------------------------------


@asynccontextmanager
async def stage(
    channels: Sequence[ChannelName], rates: Mapping[ChannelName, float | None], wanted: Wanted, line: Line
) -> AsyncIterator[Stage]:
    """A gateway with these channels and their peers."""
    port = peers.free_port()
    async with AsyncExitStack() as stack:
        floor = await stack.enter_async_context(ground(line))
        others: dict[ChannelName, peers.Other] = {}
        sections: dict[str, Any] = {}
        open_peer = {SMS: peers.smsc, EMAIL: peers.relay, VOICE: peers.called if wanted.media else peers.voice}
        for channel in channels:
            others[channel] = other = await stack.enter_async_context(open_peer[channel](wanted, floor.folder))
            sections[channel.value] = _section(channel, other, wanted, rates.get(channel), port, floor.folder)
        gateway = await stack.enter_async_context(node(floor, sections, port=port))
        await gateway.linked()
        settings = _settings(others, wanted, rates, floor)
        yield Stage(floor=floor, gateway=gateway, peers=others, settings=settings, media=wanted.media)


def _section(
    channel: ChannelName, other: peers.Other, wanted: Wanted, rate_per_s: float | None, port: int, folder: Path
) -> dict[str, Any]:
    if channel is VOICE and wanted.media:
        noise(folder / "sound.wav", wanted.call_s)
        return config.sip(other, folder / "sound.wav")
    if channel is VOICE:
        return config.voice(other, port)
    return (config.sms if channel is SMS else config.email)(other, wanted, rate_per_s)


def _settings(
    others: Mapping[ChannelName, peers.Other],
    wanted: Wanted,
    rates: Mapping[ChannelName, float | None],
    floor: Ground,
) -> dict[str, Any]:
    """What a reader has to know to run the same again."""
    told: dict[str, Any] = {"shared_buffers": floor.shared_buffers}
    of_channel: dict[ChannelName, dict[str, Any]] = {
        SMS: {"binds": wanted.binds, "window": wanted.window, "receipts_ms": wanted.receipts_ms},
        EMAIL: {"connections": wanted.connections},
        VOICE: {"call_s": wanted.call_s, "media": wanted.media, "max_starts_per_minute": config.CALLS_PER_MINUTE},
    }
    names = {channel: other.words for channel, other in others.items()}
    told["peer"] = next(iter(names.values())) if len(names) == 1 else {c.value: words for c, words in names.items()}
    for channel in others:
        told |= of_channel[channel]
        if channel is not VOICE:
            told[f"{channel.value}_rate_per_s"] = rates.get(channel) or "unlimited"
    return told


async def _people(floor: Ground, wanted: Mapping[ChannelName, int]) -> None:
    total, have = sum(wanted.values()), 0

    def told(more: int) -> None:
        nonlocal have
        have += more
        floor.line.show(f"registering people: {have:,} of {total:,}")

    floor.line.step(f"registering {total:,} people")
    async with floor.filling() as connection:
        await citizens(connection, wanted, within_km=min(REACH_KM, COUNTRY_RADIUS_KM), progress=told)
    await floor.settle()


async def campaign(on: Stage, wanted: Wanted, *, until: Callable[[Any], bool]) -> Run:
    """Post the alert, follow it until `until` says so, end what is left of it, and read what it left."""
    channels = [channel.value for channel in on.peers]
    raw = capacity_alert(AREA, channels, call_s=wanted.call_s)
    token, gateway = on.floor.tokens.live, on.gateway
    before = await gateway.metrics()
    async with metered(on.floor, gateway, on.pids) as meter:
        posted = await gateway.post(raw, token)
        on.floor.line.step(f"alert accepted, campaign {posted['campaign']}")
        name = str(posted["campaign"])
        seen = await gateway.followed(name, token, lambda now: on.floor.line.show(_told(now)), until)
    after = await gateway.metrics()
    if not closed(seen):
        await gateway.stop(name, token)
    report = await gateway.get(f"/v1/campaigns/{name}/report", token)
    return Run(
        spans=await on.floor.spans(name),
        seconds=await on.floor.seconds(name),
        counts=seen["channels"],
        meter=meter,
        before=before,
        after=after,
        first_submit_s=report["times"]["first_submit_s"] if "times" in report else None,
    )


def _told(seen: Mapping[str, Any]) -> str:
    parts = [f"{name} {of['percent']:.0f} % of {of['planned']:,} left" for name, of in seen["channels"].items()]
    return f"{seen['age_s']:.0f} s: " + (", ".join(parts) or "planning")


def _older_than(seconds: float, sent: Sequence[ChannelName] = ()) -> Callable[[Any], bool]:
    """True when the campaign is this old and everything of the channels `sent` has left."""

    def asked(seen: Mapping[str, Any]) -> bool:
        left = {"planned": seen["planned"], "channels": {c: seen["channels"].get(c.value, {}) for c in sent}}
        ready = seen["planned"] and all(left["channels"].values()) and all_left(left) if sent else seen["planned"]
        return bool(ready) and seen["age_s"] >= seconds + 1

    return asked


def _calls(seconds: float) -> int:
    return int(config.CALLS_PER_MINUTE / 60 * seconds * BACKLOG) + 20


async def _starts(on: Stage) -> Starts:
    """When the called side was asked for calls, as it wrote it down."""
    return Starts.read(await on.gateway.text(on.peers[VOICE].received))


async def _heard(on: Stage) -> Mapping[str, Any]:
    """What the called side heard of the calls."""
    heard: Mapping[str, Any] = json.loads(await on.gateway.text(on.peers[VOICE].received.replace("received", "audio")))
    return heard


# what a run says ------------------------------------------------------------------------------------------------


def result(channel: ChannelName, run: Run, on: Stage, *, receipts: bool) -> Result:
    """The figures of one channel; with `receipts` its end is the last durable receipt, else the last submission."""
    span = run.spans.get(channel, Span(None, None, None, 0))
    alone = len(on.peers) == 1
    cpu = {name: run.meter.cpu_s(name) if alone else None for name in ("gateway", "postgres")}
    submit_s = _between(span.first_at, span.last_at)
    counts = run.counts.get(channel.value, {})
    return Result(
        bench=channel.value,
        messages=span.submitted,
        seconds=max(submit_s, _between(span.first_at, span.done_at)) if receipts else submit_s,
        cpu_s=cpu | {"peer": run.meter.cpu_s(channel.value)},
        latency_ms=run.latency_ms(channel),
        rss_mb=run.meter.rss_mb("gateway"),
        settings=on.settings,
        more={
            "submit_rate_per_s": round(span.submitted / submit_s, 1) if submit_s else None,
            "first_submit_ms": quantiles.milliseconds(run.first_submit_s),
            "per_second": steady(run.seconds.get(channel, {})),
            "counts": {
                name: counts[name] for name in ("planned", "submitted", "delivered", "failed", "unknown") if counts
            },
        },
    )


async def _voice(run: Run, on: Stage, seconds: float) -> Result:
    found = result(VOICE, run, on, receipts=False)
    starts = sliding(await _starts(on), backlog_s=seconds)
    media = _media(run, await _heard(on)) if on.media else None
    return Result(
        bench="voice",
        messages=starts["starts"],
        seconds=starts["seconds"] or seconds,
        cpu_s=found.cpu_s,
        latency_ms=found.latency_ms,
        rss_mb=found.rss_mb,
        settings=on.settings,
        more={
            "max_starts_in_60s": starts["most"],
            "min_starts_in_60s_with_backlog": starts["least"],
            "packet_lateness_ms": media["packet_lateness_ms"] if media else None,
            "media": media,
            "per_second": found.more["per_second"],
        },
    )


def _media(run: Run, heard: Mapping[str, Any]) -> dict[str, Any]:
    """What the calls sounded like at the other end, and what playing them cost."""
    spent_s = run.meter.cpu_s("media")
    return {
        "streams": heard["calls_at_once"],
        "packets_heard": heard["packets"],
        "one_call_in": heard["one_call_in"],
        "cpu_percent_of_a_core": None if spent_s is None else round(100 * spent_s / run.meter.seconds, 1),
        "packet_lateness_ms": {name: round(heard[name], 2) for name in ("p50", "p99", "max")},
    }


def _together(channels: Mapping[str, Mapping[str, Any]], run: Run, on: Stage, seconds: float) -> dict[str, Any]:
    """The whole run: totals, and what each family of processes used in cores."""
    used = {name: run.meter.cpu_s(name) for name in (*OURS, *(c.value for c in on.peers))}
    elapsed_s = max(seconds, *(of["seconds"] for of in channels.values()))
    of_peers = [used[channel.value] for channel in on.peers]
    known = [spent for spent in of_peers if spent is not None]
    cores = {name: round(spent / run.meter.seconds, 3) for name, spent in used.items() if spent is not None}
    whole = Result(
        bench="all",
        messages=sum(of["messages"] for of in channels.values()),
        seconds=elapsed_s,
        cpu_s={"gateway": used["gateway"], "postgres": used["postgres"], "peer": sum(known) if known else None},
        rss_mb=run.meter.rss_mb("gateway"),
        settings=on.settings,
        more={
            "cores": cores,
            "own_cores": round(sum(cores.get(name, 0.0) for name in OURS), 3),
            "channels": channels,
        },
    )
    return whole.as_dict()


def steady(seconds: Mapping[int, int]) -> dict[str, Number]:
    """What whole seconds held, the first and the last one (which are not whole) left out."""
    inner = [float(seconds.get(second, 0)) for second in range(1, max(seconds, default=0))]
    return {
        "min": min(inner, default=None),
        "p50": quantiles.nearest_rank(inner, 0.5),
        "max": max(inner, default=None),
    }


def _between(first: Any, last: Any) -> float:
    return (last - first).total_seconds() if first is not None and last is not None else 0.0
