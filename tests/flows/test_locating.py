"""Locating: places for a registration, from the register."""

from gateway.flows.locating import Locating
from gateway.policy.address_register import RegisterRow, read_register
from gateway.policy.tabular import read_rows
from gateway.store import places
from gateway.store.embedded import Cluster
from tests.support.citizens import ANNA, a_desk
from tests.support.register import REGISTER


async def test_all_three_ways_of_an_address_end_in_a_registration(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        rows = [row for row in read_register(read_rows([REGISTER.encode()])) if isinstance(row, RegisterRow)]
        async with desk.store.transaction() as connection:
            await places.put(connection, rows)
            await places.finish(connection)
        found = (await Locating(desk.store).search("Wetstraat 16"))[0]
        wanted = [{"address": found["address"]}, {"lon": 4.325, "lat": 50.815}, {"municipality": "63023"}]
        session = await desk.registered(places=wanted)
        async with desk.client.get("/v1/citizens/me", headers={"Authorization": f"Bearer {session}"}) as answer:
            seen = (await answer.json())["places"]
        assert [place["label"] for place in seen] == [
            "Rue de la Loi 16, 1000 Bruxelles",
            "Rue du Curé 2, 1190 Forest",
            "Eupen",
        ]
        for place in ({"address": 99_999_999}, {"municipality": "99999"}):
            status, body = await desk.post("", ANNA | {"places": [place]})
            assert (status, body["mistakes"][0]["at"]) == (422, "places.0")


async def test_too_few_letters_find_nothing_and_ask_nothing(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        assert await Locating(desk.store).search("a 1") == []
