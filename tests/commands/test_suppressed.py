"""gateway suppressed."""

import asyncio
import json

from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.commands.conftest import Command

ROW = "INSERT INTO suppression (address, reason, status, bounces, suppressed_at) VALUES ($1, 'bounced', '5.1.1', 1, {})"


async def put(pg: Cluster) -> None:
    async with admin.connected(pg.app_dsn) as connection:
        await connection.execute(ROW.format("now()"), "a@x.example")
        await connection.execute(ROW.format("NULL"), "only-counted@x.example")


def test_the_list_shows_who_is_suppressed_and_one_is_lifted(gateway: Command, pg: Cluster) -> None:
    asyncio.run(put(pg))
    shown = gateway("suppressed", "list")
    assert shown.out.splitlines()[1].split()[:4] == ["a@x.example", "bounced", "5.1.1", "1"]
    assert len(shown.out.splitlines()) == 2
    assert json.loads(gateway("suppressed", "list", "--json").out)["address"] == "a@x.example"
    assert gateway("suppressed", "lift", "A@x.example").code == 0
    assert gateway("suppressed", "lift", "a@x.example").code == 1
    assert gateway("suppressed", "list", "--json").out == ""
