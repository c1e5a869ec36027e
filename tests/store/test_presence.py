"""Who is there and who leads, with several nodes on one real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from gateway.errors import NameTaken, StoreUnavailable
from gateway.log import UnitLogger
from gateway.store.embedded import Cluster
from gateway.store.presence import CHANNEL, Presence

DUTIES = ("dispatch", "mailbox")


class Node:
    """A presence and what it has heard."""

    def __init__(self, dsn: str, name: str, *duties: str, silent_s: float = 10.0) -> None:
        self.heard = 0
        self.presence = Presence(
            dsn, name, duties=duties or DUTIES, news=self._hear, log=UnitLogger("test"), look_s=0.02,
            silent_s=silent_s,
        )  # fmt: skip

    def _hear(self) -> None:
        self.heard += 1


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[int]:
    number = await node.presence.enter()
    task = asyncio.create_task(node.presence.run())
    try:
        yield number
    finally:
        task.cancel()
        await asyncio.wait([task])
        await node.presence.leave()


async def becomes(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.both_servers
async def test_a_name_is_held_by_one_process_and_free_when_it_leaves(pg: Cluster) -> None:
    async with running(Node(pg.app_dsn, "one")) as number:
        with pytest.raises(StoreUnavailable, match="'one'"):
            await Presence(pg.app_dsn, "one", duties=DUTIES, news=lambda: None, log=UnitLogger("test")).enter(
                patience_s=0.2
            )
        async with running(Node(pg.app_dsn, "two")) as other:
            assert other != number
    async with running(Node(pg.app_dsn, "one")) as again:
        assert again == number, "a node that starts again is the same node"


async def test_who_waits_for_a_name_and_is_cancelled_leaves_no_session(pg: Cluster) -> None:
    async with running(Node(pg.app_dsn, "one")):
        waiting = asyncio.create_task(Node(pg.app_dsn, "one").presence.enter(patience_s=60))
        connection = await asyncpg.connect(pg.admin_dsn)
        try:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gateway node'"
            async with asyncio.timeout(60):
                while await connection.fetchval(count) < 2:
                    await asyncio.sleep(0.01)
                waiting.cancel()
                while await connection.fetchval(count) > 1:
                    await asyncio.sleep(0.01)
        finally:
            await connection.close()


@pytest.mark.both_servers
async def test_one_node_leads_and_another_takes_the_lead_when_it_leaves(pg: Cluster) -> None:
    first, second = Node(pg.app_dsn, "one"), Node(pg.app_dsn, "two")
    async with AsyncExitStack() as present:
        await present.enter_async_context(running(second))
        await becomes(lambda: second.presence.leads == set(DUTIES))
        async with running(first):
            assert not first.presence.leads
            await present.aclose()
            await becomes(lambda: first.presence.leads == set(DUTIES))


async def test_a_node_that_says_nothing_any_more_loses_the_lead_and_its_session(pg: Cluster) -> None:
    """Frozen, or its host gone without a word: its connection stands, and only the server can end it."""
    frozen, other = Node(pg.app_dsn, "one", silent_s=2.0), Node(pg.app_dsn, "two")
    await frozen.presence.enter()
    looking = asyncio.create_task(frozen.presence.run())
    await becomes(lambda: frozen.presence.leads == set(DUTIES))
    async with running(other):
        assert not (other.presence.leads and frozen.presence.leads), "never two, though all may stand still for a while"
        looking.cancel()
        await becomes(lambda: other.presence.leads == set(DUTIES))
        assert frozen.presence.leads == set(), "it knows by its own clock, without asking"
        looking = asyncio.create_task(frozen.presence.run())
        await becomes(lambda: frozen.heard >= 2)  # it has come back as one of two
        assert not frozen.presence.leads
        assert other.presence.leads == set(DUTIES)
        looking.cancel()
        await asyncio.wait([looking])
        await frozen.presence.leave()


async def test_a_node_that_wakes_when_another_process_has_its_name_ends(pg: Cluster) -> None:
    """And does not disturb who has it, who is the same node to everybody."""
    frozen, other = Node(pg.app_dsn, "one", silent_s=1.0), Node(pg.app_dsn, "one")
    number = await frozen.presence.enter()
    async with running(other) as again:  # waits for the server to end the session of whoever is frozen
        assert again == number
        await becomes(lambda: other.presence.leads == set(DUTIES))
        with pytest.raises(NameTaken, match="'one'"):
            async with asyncio.timeout(60):
                await frozen.presence.run()
        assert not frozen.presence.leads
        assert other.presence.leads == set(DUTIES)


async def test_a_node_waits_for_its_own_last_session_to_end(pg: Cluster) -> None:
    """A connection that broke on this side only: the server keeps it, and the name with it, for a while."""
    node = Node(pg.app_dsn, "one", silent_s=30.0)
    async with running(node):
        await becomes(lambda: node.presence.leads == set(DUTIES))
        kept, node.presence._connection, before = node.presence._connection, None, node.heard
        assert kept is not None
        await becomes(lambda: len(node.presence._own) >= 4)
        await kept.close()
        await becomes(lambda: node.heard > before)
        await becomes(lambda: node.presence.leads == set(DUTIES))


async def test_a_node_leads_in_nothing_but_its_own_duties(pg: Cluster) -> None:
    """Otherwise a node that sends nothing could keep those that send from closing campaigns."""
    first, second = Node(pg.app_dsn, "one", "api", "mailbox"), Node(pg.app_dsn, "two", "api", "dispatch")
    async with running(first):
        await becomes(lambda: first.presence.leads == {"api", "mailbox"})
        async with running(second):
            await becomes(lambda: second.presence.leads == {"dispatch"})
    assert first.presence.leads == {"api", "mailbox"}


@pytest.mark.both_servers
async def test_each_node_knows_how_many_have_its_duty(pg: Cluster) -> None:
    one, two, other = Node(pg.app_dsn, "one"), Node(pg.app_dsn, "two"), Node(pg.app_dsn, "three", "api", "mailbox")
    async with running(one):
        assert [one.presence.among(duty) for duty in DUTIES] == [1, 1]
        async with running(two), running(other):
            assert [two.presence.among(duty) for duty in DUTIES] in ([2, 2], [2, 3])  # known from the start
            await becomes(lambda: [one.presence.among(duty) for duty in DUTIES] == [2, 3])
            assert other.presence.among("dispatch") == 1  # none of its business
        await becomes(lambda: [one.presence.among(duty) for duty in DUTIES] == [1, 1])


async def test_news_of_other_nodes_are_heard(pg: Cluster) -> None:
    node = Node(pg.app_dsn, "one")
    async with running(node):
        before = node.heard
        connection = await asyncpg.connect(pg.app_dsn)
        await connection.execute("SELECT pg_notify($1, '1')", CHANNEL)
        await connection.close()
        await becomes(lambda: node.heard > before)


async def test_a_lost_connection_costs_the_lead_until_it_is_there_again(pg: Cluster) -> None:
    node = Node(pg.app_dsn, "one")
    async with running(node):
        await becomes(lambda: node.presence.leads == set(DUTIES))
        before = node.heard
        connection = await asyncpg.connect(pg.admin_dsn)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway node'"
        )
        await connection.close()
        await becomes(lambda: node.heard > before)  # it asks what it may have missed
        await becomes(lambda: node.presence.leads == set(DUTIES))


async def test_a_server_that_is_not_there_can_not_be_entered() -> None:
    with pytest.raises(StoreUnavailable, match="reached"):
        await Node("postgresql://gateway@/gateway?host=/nowhere", "one").presence.enter()
