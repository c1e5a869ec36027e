"""The courier: what is due leaves, failures are tried again, what has run out is forgotten."""

import asyncio
import contextlib

from gateway.flows.courier import MOST_ATTEMPTS, Courier
from gateway.log import unit_logger
from gateway.store.embedded import Cluster
from tests.support.citizens import ANNA, RULES, a_desk

DUE = "UPDATE citizen_proof SET due_at = now() WHERE due_at IS NOT NULL RETURNING 1"


async def test_a_message_that_did_not_leave_is_tried_again_a_few_times(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        await desk.post("", ANNA)
        desk.working = False
        for attempt in range(MOST_ATTEMPTS):
            assert await desk.courier.turn() == 1, attempt
            assert await desk.courier.turn() == 0, "not at once"
            left = await desk.rows(DUE)
        assert left == [], "given up"
        assert desk.sent == []


async def test_one_that_fails_keeps_no_other_waiting(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        await desk.post("", ANNA | {"email": "a@b.example"})

        async def broken(*_: object) -> bool:
            raise RuntimeError("broken")

        await Courier(desk.store, RULES, sms=broken, mail=desk.mail, log=unit_logger("test")).turn()
        assert [to for to, _ in desk.sent] == ["a@b.example"]
        assert len(await desk.rows(DUE)) == 1


async def test_a_node_sends_only_by_the_ways_that_it_has(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        await desk.post("", ANNA | {"email": "a@b.example"})
        await Courier(desk.store, RULES, sms=None, mail=desk.mail, log=unit_logger("test")).turn()
        assert [to for to, _ in desk.sent] == ["a@b.example"]
        without_bind = Courier(
            desk.store, RULES, sms=desk.sms, mail=None, log=unit_logger("test"), sms_able=lambda: False
        )
        assert await without_bind.turn() == 0, "left to a node that has a bind"
        await desk.courier.turn()
        assert len(desk.sent) == 2


async def test_what_has_run_out_is_forgotten(pg: Cluster) -> None:
    async with a_desk(pg) as desk:
        await desk.post("", ANNA)
        for table in ("citizen_wish", "citizen_proof"):
            await desk.rows(f"UPDATE {table} SET expires_at = now() - interval '1 s' RETURNING 1")
        running = asyncio.create_task(desk.courier.run())
        try:
            async with asyncio.timeout(30):
                while await desk.rows("SELECT 1 FROM citizen_wish") or await desk.rows("SELECT 1 FROM citizen_proof"):
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        assert desk.sent == [], "and never sent"
