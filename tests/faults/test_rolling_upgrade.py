"""The next version comes, with a migration, while a campaign leaves and alerts keep coming in."""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

import gateway
from gateway.errors import SchemaError
from gateway.model import DeliveryState
from gateway.settings import DatabaseSection
from gateway.store.embedded import Cluster
from gateway.store.migrate import load, migrate
from gateway.store.opening import opened
from tests.support.line import Line, Process, cap, people, provider, running, scene
from tests.support.ports import free_port
from tests.support.waiting import until

QUICK = {"lease_s": 20.0, "heartbeat_s": 0.5, "unknown_grace_s": 0.5, "drain_s": 20, "chunk": {"sms": 50}}
PEOPLE = 450
RATE = 40
READERS = 3
DIKE = ("The dike is weak", "The dike has gone")
TABLES = ("alert", "campaign", "chunk", "delivery", "entity", "msgref", "node", "progress", "retry", "token")
NEXT = "9000_next"
MIGRATION = f"""
CREATE TABLE novelty (id int PRIMARY KEY, note text NOT NULL);
{"".join(f"ALTER TABLE {table} ADD novelty int;" for table in TABLES)}
CREATE INDEX alert_novelty ON alert (novelty);
CREATE OR REPLACE VIEW token_authority AS {{token_authority}}
"""


async def next_version(line: Line, folder: Path) -> Path:
    """A folder to run Python with: this program with one migration more, that touches whatever the line works on."""
    found = await line.fetch("SELECT pg_get_viewdef('token_authority')")
    migration = MIGRATION.format(token_authority=found[0][0].replace("\n   FROM", ", 1 AS novelty\n   FROM", 1))
    mirror(Path(gateway.__file__).parent, folder / "gateway", apart=("store", "migrations"))
    (folder / "gateway/store/migrations" / f"{NEXT}.sql").write_text(migration, encoding="utf-8")
    return folder


def mirror(original: Path, copy: Path, apart: tuple[str, ...]) -> None:
    """Links to everything in a folder; the folders `apart`, one in the other, are made anew."""
    copy.mkdir(parents=True)
    for item in original.iterdir():
        if apart and item.name == apart[0]:
            mirror(item, copy / item.name, apart[1:])
        else:
            (copy / item.name).symlink_to(item)


def words(number: int) -> str:
    """What the alert of this number says, and no other one."""
    return f"Water level {number} at the bridge"


class Posting:
    """Somebody who posts an alert every so often, to whichever node takes connections."""

    def __init__(self, line: Line, nodes: Sequence[str]) -> None:
        self._line = line
        self.nodes = list(nodes)
        self.names: list[str] = []
        self.taken_by: Counter[str] = Counter()

    async def post(self, number: int) -> None:
        """One alert; a node that does not listen any more leaves it to the next one, an answer has to be 201."""
        raw = cap(f"during-{number}", words=words(number), channels="email")
        turn = number % len(self.nodes)
        for url in (*self.nodes[turn:], *self.nodes[:turn]):
            self._line.url = url
            try:
                status, answer = await self._line.ask("POST", "/v1/alerts", raw=raw)
            except aiohttp.ClientConnectionError:
                continue
            assert status in {200, 201}, answer  # 200: it was taken by a node that ended before it said so
            self.names.append(str(answer["campaign"]))
            self.taken_by[url] += 1
            return
        raise AssertionError("no node takes alerts")

    @asynccontextmanager
    async def going_on(self, every_s: float) -> AsyncIterator[None]:
        """While the block runs; what went wrong is raised at its end."""
        over = asyncio.Event()

        async def run() -> None:
            for number in itertools.count():
                if over.is_set():
                    return
                await self.post(number)
                await asyncio.sleep(every_s)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run())
            try:
                yield
            finally:
                over.set()


async def all_told_once(line: Line, mails: int) -> None:
    """Everybody has one end in each campaign, and was sent it once."""
    rows = await line.fetch("SELECT channel, state FROM delivery")
    assert Counter((row["channel"], row["state"]) for row in rows) == {
        (1, DeliveryState.DELIVERED): PEOPLE * len(DIKE),
        (3, DeliveryState.SUBMITTED): READERS * mails,
    }
    for text in DIKE:
        heard = Counter(record.to for record in line.said("sms", text))
        assert sorted(heard.values()) == [1] * PEOPLE
    for number in range(mails):
        read = Counter(record.to for record in line.said("email", words(number)))
        assert sorted(read.values()) == [1] * READERS


async def test_an_upgrade_with_a_migration_loses_nobody_and_refuses_no_alert(pg: Cluster, tmp_path: Path) -> None:
    """Two nodes of this version send; the next one's migration runs beneath them; they go on, and end one by one."""
    who = people(PEOPLE) + people(READERS, first=PEOPLE, by=("email",))
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(scene(pg, who))
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.most_binds = 2
        sms = {"rate_per_s": RATE, "providers": [provider(line, binds=2)]}
        first, new = (
            Process(line, tmp_path / name, free_port(), node={"name": name}, sms=sms, dispatch=QUICK)
            for name in ("first", "new")
        )
        path = await next_version(line, tmp_path / "next")
        new.environment = {"PYTHONPATH": os.fspath(path), "PYTHONSAFEPATH": "1"}
        await first.start()
        stack.push_async_callback(first.end)
        here = await stack.enter_async_context(AsyncExitStack())
        second = await here.enter_async_context(running(line, node={"name": "second"}, sms=sms, dispatch=QUICK))
        await first.ready()
        posting = Posting(line, [first.url, second.url])
        async with posting.going_on(every_s=0.5):
            line.url = first.url
            campaigns = [await line.post(cap("one", words=DIKE[0], channels="sms"))]
            await until(lambda: len(line.received("sms")) > RATE)
            moved = await migrate(
                pg.owner_dsn, pg.app_role, pg.app_password, migrations=load(path / "gateway/store/migrations")
            )
            assert moved == [NEXT]
            since = len(line.received("sms")), len(posting.names)
            await until(lambda: len(line.received("sms")) > since[0] + RATE and len(posting.names) > since[1] + 4)
            ending = asyncio.create_task(first.end(within_s=120))
            await new.start()
            stack.push_async_callback(new.end)
            assert await ending == 0
            await new.ready()
            posting.nodes = [second.url, new.url]
            taken = posting.taken_by[new.url]
            await until(lambda: smsc.bound == 2 and posting.taken_by[new.url] > taken)
            told = len(line.received("sms"))
            campaigns.append(await line.post(cap("two", words=DIKE[1], channels="sms")))
            await until(lambda: len(line.received("sms")) > told + RATE)
            await here.aclose()
            posting.nodes = [new.url]
            assert not await line.fetch("SELECT FROM delivery WHERE state = $1", DeliveryState.UNKNOWN)
        line.url = new.url
        for posted in (*campaigns, *posting.names):
            await line.closed(posted, within_s=120)
        assert await new.end() == 0
        await all_told_once(line, len(posting.names))
        assert all(taken for *_, taken in smsc.binds_seen), "the provider saw one bind too many"
        assert set(posting.taken_by) == {first.url, second.url, new.url}
        assert "Traceback" not in first.log() + new.log()
        with pytest.raises(SchemaError, match=f"{NEXT}, which this program does not know: it is too old"):
            async with opened(DatabaseSection(dsn=SecretStr(pg.app_dsn))):
                pytest.fail("a node of the version before would start")
