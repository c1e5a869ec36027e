"""Benches of the whole line, in small: the shape of what they say, never how fast."""

import io
from typing import Any

import pytest

from gateway.bench import sending
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted

SHAPE = {"bench", "messages", "seconds", "rate_per_s", "cpu_ms_per_1000", "latency_ms", "rss_mb", "settings"}


def has_the_shape(found: dict[str, Any], bench: str) -> None:
    assert found.keys() >= SHAPE
    assert found["bench"] == bench
    assert found["cpu_ms_per_1000"].keys() == {"gateway", "postgres", "peer"}
    assert found["latency_ms"].keys() == {"p50", "p99"}


async def test_every_sms_gets_its_receipt_before_the_run_ends() -> None:
    found = await sending.sms(Wanted(recipients=300, receipts_ms=50), Line(io.StringIO()))
    has_the_shape(found, "sms")
    assert found["messages"] == 300
    counts = found["counts"]
    assert counts["planned"] == counts["delivered"] + counts["failed"] == 300
    assert found["seconds"] > 0
    assert found["submit_rate_per_s"] is None or found["submit_rate_per_s"] >= found["rate_per_s"]
    assert found["settings"]["binds"] == 4
    assert found["rss_mb"] > 1
    assert found["machine"]["postgresql"]


async def test_all_channels_run_together_and_each_says_its_own_figures() -> None:
    found = await sending.everything(Wanted(seconds=2, call_s=3), Line(io.StringIO()))
    has_the_shape(found, "all")
    assert list(found["channels"]) == ["sms", "voice", "email"]
    for name, channel in found["channels"].items():
        has_the_shape(channel, name)
        assert channel["messages"] > 0
    assert found["channels"]["sms"]["messages"] == 1000
    assert found["channels"]["email"]["messages"] == 5000
    voice = found["channels"]["voice"]
    assert voice["max_starts_in_60s"] >= voice["messages"]
    assert voice["min_starts_in_60s_with_backlog"] is None
    assert voice["packet_lateness_ms"] == voice["media"]["packet_lateness_ms"]
    assert voice["packet_lateness_ms"].keys() == {"p50", "p99", "max"}
    assert voice["media"]["streams"] >= 2
    assert found["cores"].keys() == {"gateway", "media", "postgres", "sms", "email", "voice"}
    own = sum(found["cores"][name] for name in ("gateway", "media", "postgres"))
    assert found["own_cores"] == pytest.approx(own, abs=0.002)
    assert found["settings"]["peer"].keys() == {"sms", "email", "voice"}


@pytest.mark.long
async def test_calls_over_a_provider_have_no_audio_of_ours() -> None:
    found = await sending.everything(Wanted(seconds=1, call_s=3, media=False), Line(io.StringIO()))
    voice = found["channels"]["voice"]
    assert voice["messages"] > 0
    assert voice["media"] is voice["packet_lateness_ms"] is None
    assert "media" not in found["cores"]


def test_seconds_that_are_not_whole_are_left_out() -> None:
    assert sending.steady({0: 3, 1: 10, 2: 12, 4: 11, 5: 1}) == {"min": 0.0, "p50": 10.0, "max": 12.0}
    assert sending.steady({0: 3, 1: 1}) == {"min": None, "p50": None, "max": None}
    assert sending.steady({}) == {"min": None, "p50": None, "max": None}
