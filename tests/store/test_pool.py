"""The pools: pinned and free sessions, and what their errors mean."""

import asyncio
import re
from collections import Counter
from functools import partial
from typing import Any

import asyncpg
import pytest

from gateway.errors import RolledBack, StoreUnavailable
from gateway.store.embedded import Cluster
from gateway.store.pool import ARRAYS, GONE, PINNED, PoolLimits, Store, again, with_password
from gateway.store.sql import Queries

KIND = re.compile(r"\$\d+(?:::text)?::(\w+)\[\]")


@pytest.mark.both_servers
async def test_queue_sessions_have_pinned_plans_and_the_others_plan_freely(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.queue.acquire() as queue, store.ask.acquire() as ask:
            pinned = {name: await queue.fetchval(f"SHOW {name}") for name in PINNED}
            free = {name: await ask.fetchval(f"SHOW {name}") for name in PINNED}
        assert pinned == PINNED
        assert free == {name: "off" if name == "jit" else "on" for name in PINNED} | {"plan_cache_mode": "auto"}
    finally:
        await store.close()


async def test_json_goes_in_and_comes_out_as_it_is(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        async with store.connection() as connection:
            assert await connection.fetchval("SELECT $1::jsonb", {"é": [1, None]}) == {"é": [1, None]}
    finally:
        await store.close()


async def test_a_session_asks_for_no_kind_of_array_when_it_meets_it(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    said: list[str] = []

    def heard(query: Any) -> None:
        said.append(query.query)

    statements = [f"SELECT $1::{kind}[] IS NULL" for kind in KIND.findall(ARRAYS)]
    try:
        for pool in (store.ask, store.queue):
            async with pool.acquire() as connection:
                connection.add_query_logger(heard)
                for statement in statements:
                    assert await connection.fetchval(statement, None)
                connection.remove_query_logger(heard)
    finally:
        await store.close()
    assert said == statements * 2


def test_every_kind_of_array_that_statements_take_is_known_from_the_start() -> None:
    used = {kind for statement in Queries.load().values() for kind in KIND.findall(statement)}
    assert used == set(KIND.findall(ARRAYS))


async def test_a_transaction_that_fails_leaves_nothing(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    try:
        with pytest.raises(KeyError):
            async with store.transaction() as connection:
                await connection.execute("INSERT INTO provider (name) VALUES ('gone')")
                raise KeyError
        async with store.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM provider") == 0
    finally:
        await store.close()


async def test_a_server_that_can_not_be_reached_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="reached"):
        await Store.open("postgresql://gateway@/gateway?host=/nowhere")


async def test_a_cut_session_is_unavailable_and_the_next_one_works(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    admin = await asyncpg.connect(pg.admin_dsn)
    try:
        with pytest.raises(StoreUnavailable):
            async with store.transaction() as connection:
                await admin.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
                await connection.execute("SELECT 1")
        async with store.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await admin.close()
        await store.close()


async def test_a_statement_that_takes_too_long_is_unavailable(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn, limits=PoolLimits(command_timeout_s=0.1))
    try:
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            async with store.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")
    finally:
        await store.close()


# disk full, too many connections, shutdown, starting up, I/O error, read only, connection failure, deadlock
NOT_NOW = ("53100", "53300", "57P01", "57P03", "58030", "25006", "08006", "40P01")
BUGS = ("23505", "22003", "42501", "42P01")


async def test_the_servers_error_says_whether_to_try_again_or_that_there_is_a_bug(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        for state in (*NOT_NOW, *BUGS):
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{state}'; END $$")
            assert isinstance(caught.value, GONE) is (state in NOT_NOW), state
    finally:
        await connection.close()


def test_a_password_replaces_the_one_of_the_dsn() -> None:
    dsn = "postgresql://gateway:old@db.example/gateway?sslmode=require"
    assert with_password(dsn, "n/w@") == "postgresql://gateway:n%2Fw%40@db.example/gateway?sslmode=require"
    assert with_password(dsn, "") == dsn
    assert with_password("", "x") == ""


async def test_of_two_that_wait_for_each_other_the_one_that_is_undone_is_done_again(pg: Cluster) -> None:
    store = await Store.open(pg.app_dsn)
    met, tries = asyncio.Barrier(2), Counter[int]()

    async def crossed(first: int, second: int) -> int:
        tries[first] += 1
        async with store.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", first)
            if tries[first] == 1:
                await met.wait()
            await connection.execute("SELECT pg_advisory_xact_lock($1)", second)
        return first

    try:
        work = partial(crossed, 1, 2), partial(crossed, 2, 1)
        assert await asyncio.gather(*map(again, work)) == [1, 2]
        assert sorted(tries.values()) == [1, 2]
        tries.clear()
        ends = await asyncio.gather(*(one() for one in work), return_exceptions=True)
        assert [type(end) for end in ends].count(RolledBack) == 1
    finally:
        await store.close()


async def test_what_is_undone_again_and_again_is_said_to_be_so() -> None:
    tries = []

    async def work() -> None:
        tries.append(1)
        raise RolledBack

    with pytest.raises(RolledBack):
        await again(work, tries=3)
    assert len(tries) == 3
