"""The clock of the database's host is set by an hour while two nodes send: its time is everybody's."""

import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.model import DeliveryState
from gateway.store.embedded import EmbeddedPostgres
from gateway.store.home import find_binaries
from gateway.store.migrate import migrate
from tests.faults.test_clock import Wall
from tests.support.database import SETTINGS
from tests.support.line import cap, people, provider, running, scene
from tests.support.waiting import until

QUICK = {"lease_s": 20.0, "heartbeat_s": 0.5, "unknown_grace_s": 0.5, "chunk": {"sms": 40}}
PEOPLE = 500
RATE = 60


class Server(EmbeddedPostgres):
    """A PostgreSQL whose clock can be set: `wall` is its clock."""

    def __init__(self, folder: Path) -> None:
        programs = folder / "programs"
        programs.mkdir()
        self.wall = Wall(folder)
        for program in find_binaries().iterdir():
            programs.joinpath(program.name).symlink_to(program)
        starter = programs / "pg_ctl"
        real = os.fspath(starter.readlink())
        starter.unlink()
        words = " ".join(f"{name}='{value}'" for name, value in self.wall.environment.items())
        starter.write_text(f'#!/bin/sh\n{words} exec {real} "$@"\n', encoding="utf-8")
        starter.chmod(0o755)
        super().__init__(folder / "own", binaries=programs, settings=SETTINGS, state_root=folder)


@pytest_asyncio.fixture
async def server(public_path: Path) -> AsyncIterator[Server]:
    """Not started yet."""
    server = Server(public_path)
    yield server
    await server.stop()


@pytest.mark.peer("faketime")
async def test_a_clock_of_the_database_that_jumps_leaves_nobody_out_and_stalls_nothing(server: Server) -> None:
    """An hour forward and back again; the alert lasts six. Nobody takes over from whoever lives, the rate is kept."""
    cluster = await server.start()
    await migrate(cluster.owner_dsn, cluster.app_role, cluster.app_password)
    async with scene(cluster, people(PEOPLE)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.most_binds = 2
        sms = {"rate_per_s": RATE, "providers": [provider(line, binds=2)]}
        shown = [(await line.fetch("SELECT clock_timestamp() AS at"))[0]["at"]]
        async with (
            running(line, node={"name": "one"}, sms=sms, dispatch=QUICK) as one,
            running(line, node={"name": "two"}, sms=sms, dispatch=QUICK) as two,
        ):
            await until(lambda: smsc.bound == 2)
            name = await line.post(cap("one", channels="sms", lasts=timedelta(hours=6)))
            for by in ("+1h", "+0"):
                sent = len(line.received("sms"))
                await until(lambda at=sent: len(line.received("sms")) > at + 2 * RATE)
                before = time.clock_gettime(time.CLOCK_BOOTTIME)
                server.wall.set(by)
                shown.append((await line.fetch("SELECT clock_timestamp() AS at"))[0]["at"])
                # they ask every second; one that stands still may take longer to notice it
                await until(lambda at=before: min(node.now._set_at for node in (one, two)) > at)
            counts = (await line.closed(name, within_s=120))["channels"]["sms"]
        unknown = await line.fetch("SELECT FROM delivery WHERE state = $1 OR flags & 1 = 1", DeliveryState.UNKNOWN)
        began, ahead, back = shown
        assert ahead - began > timedelta(minutes=59) and back - began < timedelta(minutes=10), "it did jump"
        assert (counts["planned"], counts["delivered"], unknown) == (PEOPLE, PEOPLE, [])
        assert set(Counter(record.to for record in line.received("sms")).values()) == {1}
        assert all(taken for *_, taken in smsc.binds_seen), "the provider saw one bind too many"
        times = sorted(record.at for record in line.received("sms"))
        # what leaves in a second and a half, with the second before it that may be made up for, and what was reserved
        assert min(later - first for first, later in zip(times, times[4 * RATE :], strict=False)) >= 1.5
