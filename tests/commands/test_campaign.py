"""gateway campaign."""

import asyncio
import json

import asyncpg
import pytest

from gateway.store.embedded import Cluster
from tests.commands.conftest import Command
from tests.commands.test_report import ALERT, CAMPAIGN, COUNTS


@pytest.fixture
def campaign(pg: Cluster) -> str:
    """One that is being sent."""
    asyncio.run(execute(pg, ALERT, CAMPAIGN, COUNTS))
    return "ca_1"


async def execute(pg: Cluster, *statements: str) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def events(pg: Cluster) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        return [(r["event"], r["actor"]) for r in await connection.fetch("SELECT * FROM campaign_event ORDER BY id")]
    finally:
        await connection.close()


def test_a_campaign_is_paused_resumed_and_stopped_and_the_ledger_says_by_whom(
    gateway: Command, campaign: str, pg: Cluster
) -> None:
    for act, state in (("pause", "paused"), ("resume", "sending"), ("stop", "closing")):
        ran = gateway("campaign", act, campaign)
        assert (ran.code, state in ran.err) == (0, True)
    assert asyncio.run(events(pg)) == [(word, "command line") for word in ("paused", "resumed", "stopped")]


def test_before_a_restored_database_is_used_everything_is_held(gateway: Command, campaign: str, pg: Cluster) -> None:
    ran = gateway("campaign", "hold")
    assert (ran.code, ran.err.startswith("1 paused: ")) == (0, True)
    assert asyncio.run(events(pg)) == [("paused", "command line")]
    assert gateway("campaign", "hold").err.startswith("0 paused: ")
    ran = gateway("campaign", "resume", campaign)
    assert (ran.code, "is sending" in ran.err) == (0, True)


def test_what_the_state_does_not_allow_is_refused(gateway: Command, campaign: str) -> None:
    ran = gateway("campaign", "resume", campaign)
    assert (ran.code, "is sending can not resume" in ran.err) == (1, True)


def test_a_campaign_that_is_not_there(gateway: Command) -> None:
    ran = gateway("campaign", "stop", "ca_none")
    assert (ran.code, "gateway campaign list" in ran.err) == (1, True)


def test_the_open_ones_are_listed(gateway: Command, campaign: str) -> None:
    (row,) = [json.loads(line) for line in gateway("campaign", "list", "--json").out.splitlines()]
    assert (row["campaign"], row["state"], row["planned"], row["waiting"]) == (campaign, "sending", 5, 5)
    assert campaign in gateway("campaign", "list").out
