"""The address register in the store, and its look-ups by words, by a point, by municipality."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.flows.locating import Locating
from gateway.policy.address_register import RegisterRow, read_asked, read_register
from gateway.policy.tabular import read_rows
from gateway.store import places
from gateway.store.embedded import Cluster
from gateway.store.pool import Store
from tests.support.register import REGISTER

pytestmark = pytest.mark.both_servers


async def put(store: Store) -> None:
    rows = [row for row in read_register(read_rows([REGISTER.encode()])) if isinstance(row, RegisterRow)]
    async with store.transaction() as connection:
        await places.clear(connection)
        await places.put(connection, rows)
        assert tuple(await places.finish(connection)) == (3, 4, 6)


@pytest_asyncio.fixture
async def store(pg: Cluster) -> AsyncIterator[Store]:
    store = await Store.open(pg.app_dsn)
    try:
        await put(store)
        yield store
    finally:
        await store.close()


async def found(store: Store, text: str) -> list[str]:
    async with store.connection() as connection:
        houses, _ = await places.search(connection, read_asked(text), 10)
    return [f"{row['name']} {row['number']} {row['postcode']} {row['found']}" for row in houses]


async def test_an_address_is_found_however_it_is_written(store: Store) -> None:
    for text in ("Wetstraat 16, 1000 Brussel", "wetstr 16", "WETSTRAAT 16 1000", "wettstraat 16 brussel"):
        assert (await found(store, text))[0] == "Wetstraat 16 1000 True", text
    assert (await found(store, "rue de la loi 155"))[0] == "Rue de la Loi 155 1040 True"
    assert (await found(store, "42a Rue de la Loi"))[0] == "Rue de la Loi 42a 1000 True"
    assert await found(store, "Zzzzz 1") == []


async def test_a_street_without_that_number_comes_without_an_address(store: Store) -> None:
    found_ = await Locating(store).search("Pastoorstraat 6, Vorst")  # what the register calls retired
    street = next(one for one in found_ if one["kind"] == "street")
    assert (street["address"], street["label"]) == (None, "Pastoorstraat, 1190 Vorst")


async def test_another_edition_takes_the_place_of_the_one_before(store: Store) -> None:
    await put(store)
    assert len(await found(store, "Wetstraat 16 1000")) == 1


async def test_a_point_is_the_nearest_house_or_itself(store: Store) -> None:
    locating = Locating(store)
    (near,) = await locating.at(4.32501, 50.81501, "nl")
    assert near["label"] == "Pastoorstraat 2, 1190 Vorst"
    assert (await locating.at(4.32501, 50.81501, "fr"))[0]["label"] == "Rue du Curé 2, 1190 Forest"
    assert await locating.at(3.0, 51.0, "nl") == []
    assert (await locating.point(4.32501, 50.81501, "", "nl")).label == "Pastoorstraat 2, 1190 Vorst"
    assert (await locating.point(3.0, 51.0, "", "nl")).label == ""


async def test_a_municipality_is_a_house_in_its_middle(store: Store) -> None:
    locating = Locating(store)
    place = await locating.municipality("21007", "", "fr")
    assert not isinstance(place, str)
    assert place.label == "Forest"
    assert (place.lon, place.lat) in {(4.3250, 50.8150), (4.3252, 50.8151)}
    assert isinstance(await locating.municipality("99999", "", "fr"), str)
    assert [one["label"] for one in await locating.search("Forest") if one["kind"] == "municipality"] == ["Forest"]
