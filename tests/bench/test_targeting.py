"""How fast people are found, in small."""

import io

import pytest
import shapely

from gateway.bench import targeting
from gateway.bench.places import areas, homes
from gateway.bench.terminal import Line
from gateway.bench.wanted import Wanted


async def test_the_people_found_are_those_who_live_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targeting, "COUNTS", 1)
    found = await targeting.measure(Wanted(recipients=600), Line(io.StringIO()))
    people = shapely.points(list(homes(600)))
    inside = [int(shapely.contains(shapely.Polygon(area.ring), people).sum()) for area in areas()]
    assert [area["recipients"] for area in found["areas"]] == inside
    assert found["messages"] == inside[-1] == 600
    for area in found["areas"]:
        assert area["cover_ms"] > 0
        assert area["count_ms"] > 0
        assert 0 < area["first_slice_ms"] <= area["fan_out_s"] * 1000 + 1
    assert found["settings"]["addresses"] == 600


@pytest.mark.long
async def test_a_million_are_planned_in_seconds_and_sending_can_begin_at_once() -> None:
    """Promised are 10 s and a first slice that leaves time for a first submission in 250 ms; busy machines get four
    times as long for the one, ten times for the other."""
    found = await targeting.measure(Wanted(), Line(io.StringIO()))
    country = found["areas"][-1]
    assert country["recipients"] == 1_000_000
    assert country["fan_out_s"] < 40
    assert country["first_slice_ms"] < 2_500
