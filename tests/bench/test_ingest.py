"""How fast alerts are taken, in small."""

import io

import pytest

from gateway.bench import ingest
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted


async def test_every_alert_is_committed_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "CHECK_S", 0.05)
    found = await ingest.measure(Wanted(recipients=10, connections=2), Line(io.StringIO()))
    assert (found["bench"], found["messages"]) == ("ingest", 8)
    assert found["settings"]["connections"] == 2
    assert found["checks_per_s"] > 0
    assert found["checks_per_s_four_languages"] > 0
    assert 3_000 < found["settings"]["checked_bytes"] < found["settings"]["alert_bytes"]
    for latency in (found["latency_ms"], found["latency_ms_at_full_rate"]):
        assert 0 < latency["p50"] <= latency["p99"]
    assert found["cpu_ms_per_1000"]["gateway"] > 0
    assert found["cpu_ms_per_1000"]["peer"] > 0
