"""A node whose wall clock is set by an hour while it sends."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from gateway.store.embedded import Cluster
from tests.support.line import Line, Process, cap, people, scene
from tests.support.waiting import until

PEOPLE = 900
RATE = 100
LIBRARY = "/usr/$LIB/faketime/libfaketimeMT.so.1"


class Wall:
    """The wall clock of a process; clocks that only run are left alone."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, by: str) -> None:
        """From now on it is wrong by so much."""
        self._file.write_text(by + "\n", encoding="utf-8")


async def wall_clock_of(line: Line) -> datetime:
    """What a gateway takes for the time of day: the Date of its answers."""
    async with line.session.get(f"{line.url}/healthz") as answer:
        return parsedate_to_datetime(answer.headers["Date"])


@pytest.mark.peer("faketime")
async def test_a_wall_clock_that_jumps_changes_nothing(pg: Cluster, tmp_path: Path, port: int) -> None:
    """An hour forward, two back, and right again: the alert lasts half an hour and reaches everybody, once."""
    async with scene(pg, people(PEOPLE)) as line:
        wall = Wall(tmp_path)
        process = Process(line, tmp_path, port, sms={"rate_per_s": RATE})
        process.environment = wall.environment
        await process.start()
        try:
            await process.ready()
            shown: list[datetime] = []
            name = await line.post(cap("one", channels="sms", lasts=timedelta(minutes=30)))
            for by, reached in (("+1h", 150), ("-1h", 350), ("+0", 550)):
                await until(lambda at=reached: len(line.received("sms")) > at)
                wall.set(by)
                shown.append(await wall_clock_of(line))
            counts = (await line.closed(name, within_s=60))["channels"]["sms"]
        finally:
            assert await process.end() == 0
        ahead, behind, right = (at - datetime.now(UTC) for at in shown)
        assert ahead > timedelta(minutes=55) and behind < timedelta(minutes=-55), "it did jump"
        assert abs(right) < timedelta(minutes=5)
        assert (counts["planned"], counts["delivered"]) == (PEOPLE, PEOPLE)
        times = sorted(record.at for record in line.received("sms"))
        assert set(Counter(record.to for record in line.received("sms")).values()) == {1}
        # two seconds' worth; of those that came while this process stood still many were seen in one moment
        assert min(later - first for first, later in zip(times, times[2 * RATE :], strict=False)) >= 0.5
        assert "Traceback" not in process.log()
