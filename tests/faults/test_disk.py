"""The disk of the database fills up in the middle of a campaign, and has room again."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.faults.test_database import Server, server
from tests.support.line import Line, Process, cap, people, scene, whole_line
from tests.support.waiting import until

__all__ = ["server"]

PEOPLE = 1500
DISK_MB = 64


@pytest.fixture
def disk(public_path: Path) -> Iterator[Path]:
    """A file system of its own, and small."""
    folder = public_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0777", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def move_to(disk: Path, cluster: Cluster) -> None:
    """Everything that the gateway writes lies on the small disk from now on; the write-ahead log does not."""
    home = disk / "tables"
    home.mkdir()
    connection = await asyncpg.connect(cluster.admin_dsn)
    try:
        data = Path(await connection.fetchval("SHOW data_directory"))
        os.chown(home, data.stat().st_uid, data.stat().st_gid)
        await connection.execute(f"CREATE TABLESPACE small LOCATION '{home}'")
        await connection.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
        await connection.execute("ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small")
        await connection.execute("ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small")
        await connection.execute(f"ALTER DATABASE {cluster.database} SET default_tablespace = 'small'")
    finally:
        await connection.close()


def fill(disk: Path) -> Path:
    """Nothing more fits."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


async def post(line: Line, name: str) -> aiohttp.ClientResponse:
    """An alert that nobody here gets; the answer, whatever it is."""
    headers = {"Authorization": f"Bearer {line.tokens['demo-commune']['live']}", "Content-Type": "application/cap+xml"}
    return await line.session.post(line.url + "/v1/alerts", data=cap(name, channels="email"), headers=headers)


@pytest.mark.peer("tmpfs")
async def test_a_full_disk_refuses_alerts_and_loses_nobody(server: Server, disk: Path) -> None:
    """503 with Retry-After and not ready while it is full; by itself everything goes on afterwards."""
    await move_to(disk, server.cluster)
    async with whole_line(server.cluster, people(PEOPLE), sms={"rate_per_s": 150}) as line:
        name = await line.post(cap("one", channels="sms"))
        await until(lambda: len(line.received("sms")) > 200)
        states = await line.states(name)
        answered = {
            to for (_, to), state in states.items() if state in (DeliveryState.SUBMITTED, DeliveryState.DELIVERED)
        }
        filler = fill(disk)
        try:
            taken = []
            for number in range(200):
                answer = await post(line, f"n-{number}")
                if answer.status != 201:
                    break
                taken.append((await answer.json())["alert"])
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
            async with line.session.get(line.url + "/readyz") as ready:
                assert (ready.status, (await ready.json())["problems"]) == (503, ["the database has no room"])
            async with line.session.get(line.url + "/healthz") as alive:
                assert alive.status == 200
            await asyncio.sleep(1.0)
        finally:
            filler.unlink()
        seen = await line.closed(name, within_s=60)
        counted = Counter(record.to for record in line.received("sms"))
        flagged = {row["address"] for row in await line.fetch("SELECT address FROM delivery WHERE flags & 1 = 1")}
        assert len(counted) == PEOPLE == seen["channels"]["sms"]["planned"]
        assert {counted[to] for to in answered} == {1}
        assert {to for to, times in counted.items() if times > 1} <= flagged
        kept = {row["public_id"] for row in await line.fetch("SELECT public_id FROM alert WHERE accepted")}
        assert set(taken) <= kept
        assert (await post(line, "afterwards")).status == 201


async def test_a_full_disk_under_the_log_stops_nothing(pg: Cluster, tmp_path: Path, port: int) -> None:
    """Standard error is where the log goes; not a byte of it can be written, from the first line to the last."""
    async with scene(pg, people(50)) as line:
        process = Process(line, tmp_path, port, log={"level": "INFO"})
        process.errors = Path("/dev/full")
        process.environment = {"PYTHONUNBUFFERED": ""}  # as it is started everywhere but here
        try:
            await process.start()
            await process.ready()
            seen = await line.closed(await line.post(cap("one", channels="sms")), within_s=60)
        finally:
            code = await process.end()
        assert (seen["channels"]["sms"]["delivered"], code) == (50, 0)
