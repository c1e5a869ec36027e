"""gateway session."""

import asyncio
import json

import asyncpg
import pytest

from gateway.store import sessions
from gateway.store.embedded import Cluster
from gateway.store.sessions import Lasting, State
from tests.commands.conftest import Command

AN = "an@brugge.example"


@pytest.fixture
def brugge(gateway: Command, pg: Cluster) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    gateway("person", "create", AN, "--entity", "brugge", "--name", "An Peeters")

    async def sign_in() -> None:
        connection = await asyncpg.connect(pg.app_dsn)
        person = await sessions.person_by_word(connection, AN)
        for _ in range(3):
            await sessions.open_session(connection, person["id"], State.OPEN, "passkey", Lasting(60, 600))
        await connection.close()

    asyncio.run(sign_in())
    return gateway


def listed(gateway: Command, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in gateway("session", "list", *words, "--json").out.splitlines()]


def test_sessions_are_listed_without_what_opens_them_and_ended_one_by_one_or_all(brugge: Command) -> None:
    rows = listed(brugge)
    assert [(row["email"], row["way"], row["state"]) for row in rows] == [(AN, "passkey", "open")] * 3
    assert "gw_session_" not in str(rows)
    assert "se_" in brugge("session", "list", AN).out
    name = str(rows[0]["public_id"])
    assert [brugge("session", "end", name).code for _ in range(2)] == [0, 1]
    assert len(listed(brugge, AN)) == 2
    assert brugge("session", "end", "--person", AN).err == "2 sessions ended\n"
    assert listed(brugge) == []


def test_who_is_not_there_is_said(brugge: Command) -> None:
    for words in (("list", "x@y.example"), ("end", "--person", "x@y.example"), ("end", "se_0")):
        assert brugge("session", *words).code == 1
    assert brugge("session", "end").code == 2
