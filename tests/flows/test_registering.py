"""Registering, where the store and the order of steps decide."""

import asyncio

from gateway.flows.registering import Registering, Wish
from gateway.model import ChannelName
from gateway.policy.registration import Endpoint, code_of
from gateway.store.citizens import Place
from gateway.store.embedded import Cluster
from tests.support.citizens import RULES, a_desk

PHONE, MAIL = Endpoint(ChannelName.SMS, "+32470000001"), Endpoint(ChannelName.EMAIL, "a@b.example")
WISH = Wish(name="An", language="nl", opt_out=2, places=(Place("home", 4.3, 50.8),))


async def test_of_many_confirmations_at_once_one_counts(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        flow = Registering(desk.store, RULES)
        answer = await flow.begin(WISH, [PHONE, MAIL], "here")
        nonces = {row["handle"]: row["nonce"] for row in await desk.rows("SELECT handle, nonce FROM citizen_proof")}
        both = [
            (proof["proof"], code_of(RULES.secret, nonces[proof["proof"]], ChannelName(proof["by"])))
            for proof in answer.body["proofs"]
        ]
        answers = await asyncio.gather(*(flow.confirm(*one) for one in both * 2))
        assert sorted(answer.status for answer in answers) == [200, 200, 403, 403]
        rows = await desk.rows("SELECT mobile, email, opt_out FROM contact WHERE registered")
        assert [tuple(row) for row in rows] == [(PHONE.address, MAIL.address, 2)]


async def test_a_wish_that_ran_out_registers_nobody(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        flow = Registering(desk.store, RULES)
        answer = await flow.begin(WISH, [PHONE], "here")
        (row,) = await desk.rows("UPDATE citizen_proof SET expires_at = now() - interval '1 s' RETURNING nonce")
        code = code_of(RULES.secret, row["nonce"], ChannelName.SMS)
        assert (await flow.confirm(answer.body["proofs"][0]["proof"], code)).status == 403
        assert await desk.rows("SELECT * FROM contact WHERE registered") == []


async def test_a_session_ends_by_itself(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        session = await desk.registered()
        flow = Registering(desk.store, RULES)
        assert (await flow.seen(session)).status == 200
        await desk.rows("UPDATE citizen_session SET expires_at = now() RETURNING 1")
        assert (await flow.seen(session)).status == 401
        assert (await flow.seen("")).status == 401


async def test_look_ups_are_bounded_for_each_asker(pg: Cluster) -> None:
    async with a_desk(pg, lookups=2) as desk:
        found = [(await desk.client.get("/v1/places?q=abc")).status for _ in range(3)]
        assert found == [200, 200, 429]
