"""Wrong guesses, one after the other whoever makes them."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.flows.guessing import Guessing, TooSoon
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Store

KEYS = {"account": "1", "address": "192.0.2.1"}


@pytest_asyncio.fixture
async def guessing(pg: Cluster) -> AsyncIterator[Guessing]:
    store = await Store.open(pg.app_dsn)
    yield Guessing(store)
    await store.close()


async def wrong(_: Connection) -> str | None:
    return None


async def right(_: Connection) -> str | None:
    return "yes"


async def test_a_hundred_at_once_are_looked_at_one_by_one_and_few_of_them(guessing: Guessing) -> None:
    found = await asyncio.gather(*(guessing(KEYS, wrong) for _ in range(30)))
    assert sum(one is None for one in found) == 3
    assert sum(isinstance(one, TooSoon) for one in found) == 27
    assert isinstance(await guessing(KEYS, right), TooSoon)


async def test_another_account_from_the_same_address_is_looked_at_and_its_guesses_add_up(guessing: Guessing) -> None:
    for account in range(19):
        assert await guessing({"account": str(account), "address": "192.0.2.1"}, wrong) is None
    assert await guessing({"account": "me", "address": "192.0.2.1"}, right) == "yes"
    assert await guessing({"account": "other", "address": "192.0.2.1"}, wrong) is None
    assert isinstance(await guessing({"account": "me", "address": "192.0.2.1"}, right), TooSoon)
    assert await guessing({"account": "me", "address": "192.0.2.2"}, right) == "yes"


async def test_a_right_one_forgets_the_wrong_ones_of_the_account(guessing: Guessing) -> None:
    for _ in range(5):
        assert [await guessing(KEYS, one) for one in (wrong, wrong, right)] == [None, None, "yes"]
