"""Kannel, a foreign SMPP client, against our SMSC simulator: binds, texts, headers, receipts, refusals, throttling."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.simulators.recorder import Outcomes
from gateway.simulators.smsc import SmscSimulator
from gateway.simulators.smsc_behaviour import Behaviour
from tests.support import peers
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = pytest.mark.peer("kannel")


class Kannel:
    """A running Kannel that calls us back for each receipt: (status, our name of the message)."""

    def __init__(self, folder: Path, hook: int) -> None:
        self.folder = folder
        self.hook = hook
        self.told: list[tuple[str, str]] = []

    async def send(self, to: str, words: str, name: str, *, coding: str = "") -> str:
        """One message by its HTTP interface."""
        url = f"http://127.0.0.1:{self.hook}/dlr?status=%d&name={name}"
        arguments = ("kannel.sh", "send", self.folder, to, words, url)
        return await asyncio.to_thread(peers.run, *arguments, environment={"CODING": coding})

    async def called(self, request: web.Request) -> web.Response:
        self.told.append((request.query["status"], request.query["name"]))
        return web.Response(text="ok")


@contextlib.asynccontextmanager
async def kannel(folder: Path, simulator: SmscSimulator, *, binds: int = 1, ids: str = "0") -> AsyncIterator[Kannel]:
    admin, sendsms, hook = free_port(2), free_port(), free_port()
    found = Kannel(folder, hook)
    app = web.Application()
    app.router.add_get("/dlr", found.called)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", hook).start()
    arguments = (folder, simulator.port, admin, sendsms, binds)
    try:
        await asyncio.to_thread(peers.run, "kannel.sh", "start", *arguments, environment={"PEER_KANNEL_MSGID": ids})
        yield found
    finally:
        await asyncio.to_thread(peers.run, "kannel.sh", "stop", folder)
        await runner.cleanup()


@contextlib.asynccontextmanager
async def smsc(outcomes: Outcomes, **behaviour: object) -> AsyncIterator[SmscSimulator]:
    simulator = SmscSimulator(outcomes=outcomes, behaviour=Behaviour(**behaviour))  # type: ignore[arg-type]
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


async def test_kannel_binds_sends_and_understands_every_receipt(tmp_path: Path) -> None:
    outcomes = Outcomes()
    for number, word in enumerate(("delivered", "failed", "expired", "refused")):
        outcomes.tell(f"+3247000000{number}", word)
    async with smsc(outcomes, ids="hex-decimal") as simulator, kannel(tmp_path, simulator, binds=2, ids="1") as client:
        await until(lambda: simulator.bound == 2)
        long = "Évacuez vers l'école. " * 10
        for to, words, name, coding in (
            ("32470000000", "Prix 5 € {[~]} §", "delivered", ""),
            ("32470000001", long, "failed", ""),
            ("32470000002", "Ж ☢ 避難", "expired", "2"),
            ("32470000003", "x", "refused", ""),
        ):
            assert "Accepted" in await client.send(to, words, name, coding=coding)
        # Kannel's words: 1 delivered, 2 undeliverable, 8 taken by the SMSC, 16 refused by it
        wanted = {("1", "delivered"), ("2", "failed"), ("2", "expired"), ("16", "refused")}
        await until(lambda: wanted <= set(client.told))
        said = {record.to: record.text for record in simulator.recorder.records()}
        assert said == {
            "+32470000000": "Prix 5 € {[~]} §", "+32470000001": long, "+32470000002": "Ж ☢ 避難",
        }  # fmt: skip
        assert {status for status, name in client.told if name == "delivered"} == {"8", "1"}
        await until(lambda: simulator.receipts_due == 0)
