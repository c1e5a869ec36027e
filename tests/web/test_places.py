"""The look-up of addresses over HTTP."""

import pytest

from gateway.policy.address_register import RegisterRow, read_register
from gateway.policy.tabular import read_rows
from gateway.store import places
from gateway.store.embedded import Cluster
from tests.support.citizens import a_desk
from tests.support.register import REGISTER


async def test_words_and_points_find_addresses(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        rows = [row for row in read_register(read_rows([REGISTER.encode()])) if isinstance(row, RegisterRow)]
        async with desk.store.transaction() as connection:
            await places.put(connection, rows)
            await places.finish(connection)
        for query in ("q=rue du cure 2 forest", "lon=4.325&lat=50.815&language=fr"):
            async with desk.client.get(f"/v1/places?{query}") as answer:
                found = next(one for one in (await answer.json())["places"] if one["kind"] == "address")
                assert (found["label"], found["municipality"]) == ("Rue du Curé 2, 1190 Forest", "21007")


@pytest.mark.parametrize("query", ["", "lon=4", "lon=x&lat=y", "lon=nan&lat=1", "lon=181&lat=1"])
async def test_what_asks_for_nothing_is_refused(query: str, pg: Cluster) -> None:
    async with a_desk(pg) as desk, desk.client.get(f"/v1/places?{query}") as answer:
        assert answer.status == 422


@pytest.mark.parametrize("query", ["q=", "q=%00%00%00", "q=" + "a" * 5000, "q=%25%25%25%27%27", "lon=179.9&lat=89.9"])
async def test_nothing_that_is_asked_breaks_it(query: str, pg: Cluster) -> None:
    async with a_desk(pg) as desk, desk.client.get(f"/v1/places?{query}") as answer:
        assert (answer.status, await answer.json()) == (200, {"places": []})
