"""The bench of the playing process: what it reports adds up."""

from gateway.bench.media import streams


async def test_a_few_streams_are_played_and_counted() -> None:
    found = await streams(5, 0.5)
    assert found["streams"] == 5
    assert 0 < found["packets_per_s"] < 5 * 60
    assert found["cpu_percent_of_a_core"] >= 0
    assert found["packet_lateness_ms"].keys() == {"p50", "p99", "max"}
