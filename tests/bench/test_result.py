"""The result as JSON and as text."""

import json

from gateway.bench.result import Result, as_json, as_text, shown

RESULT = Result(
    bench="sms",
    messages=20_000,
    seconds=2.5,
    cpu_s={"gateway": 0.5, "postgres": 1.0, "peer": None},
    latency_ms={"p50": 12.5, "p99": None},
    rss_mb=60.5,
    settings={"peer": "benchmarks/sink.c", "binds": 4},
    more={"max_starts_in_60s": 600},
)


def test_the_json_object_has_the_agreed_shape() -> None:
    assert json.loads(as_json(RESULT.as_dict())) == {
        "bench": "sms",
        "messages": 20_000,
        "seconds": 2.5,
        "rate_per_s": 8000.0,
        "cpu_ms_per_1000": {"gateway": 25.0, "postgres": 50.0, "peer": None},
        "latency_ms": {"p50": 12.5, "p99": None},
        "rss_mb": 60.5,
        "settings": {"peer": "benchmarks/sink.c", "binds": 4},
        "max_starts_in_60s": 600,
    }
    assert "\n" not in as_json(RESULT.as_dict())


def test_a_run_in_which_nothing_happened_has_no_rate_and_no_cost() -> None:
    found = Result(bench="sms", messages=0, seconds=0.0, cpu_s={"gateway": 1.0}).as_dict()
    assert found["rate_per_s"] == 0.0
    assert found["cpu_ms_per_1000"] == {"gateway": None, "postgres": None, "peer": None}
    assert found["latency_ms"] == {"p50": None, "p99": None}


def test_the_text_says_the_machine_every_figure_and_every_channel() -> None:
    text = as_text(
        {
            "machine": {"cores": 2},
            **RESULT.as_dict(),
            "areas": [{"area": "city", "count_ms": 5.5}],
            "channels": {"voice": {"rate_per_s": 9.97}},
        }
    )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "cores 2"
    assert "rate per s 8,000" in lines
    assert "cpu ms per 1000 peer -" in lines
    assert "areas: area city, count ms 5.5" in lines
    assert lines[lines.index("[voice]") + 1] == "rate per s 9.97"


def test_figures_are_shown_as_people_read_them() -> None:
    values = [None, True, False, 1234567, 12345.6, 99.951, 0.25, [1, None], "x"]
    assert list(map(shown, values)) == ["-", "yes", "no", "1,234,567", "12,346", "99.95", "0.25", "1, -", "x"]
