"""Drives a running Kannel as its clients do and says what that cost, as one JSON object on stdout.

usage: kannel_load.py SENDSMS_PORT MESSAGES NAME=PID...

Requests come over connections that are kept, receipts by HTTP to a server in here, as Kannel hands them on. The clock
runs from the first request to the last receipt; CPU is the kernel's count for the named processes.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

CLIENTS = 50
QUIET_S = 10.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TEXT = "Fire in the harbour: stay indoors, close windows and doors, switch off ventilation, listen to the radio. " * 2


def cpu_s(pid: int) -> float:
    """CPU seconds of one process so far; proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


class Load:
    """The clients, and the server that receipts come to."""

    def __init__(self, port: int, messages: int) -> None:
        self.url = f"http://127.0.0.1:{port}/cgi-bin/sendsms"
        self.numbers = iter(range(messages))
        self.accepted = self.receipts = 0
        self.last_at = time.monotonic()

    async def receipt(self, _request: web.Request) -> web.Response:
        """Kannel hands on a receipt."""
        self.receipts += 1
        self.last_at = time.monotonic()
        return web.Response()

    async def client(self, session: ClientSession, reports: str) -> None:
        """Ask, wait for the answer, ask again."""
        for number in self.numbers:
            asked = {
                "username": "u", "password": "p", "from": "Bench", "to": f"+3247{number:08d}", "text": TEXT[:140],
                "dlr-mask": "3", "dlr-url": reports,
            }  # fmt: skip
            async with session.get(self.url, params=asked) as response:
                self.accepted += response.status == web.HTTPAccepted.status_code
                await response.read()


async def measured(port: int, messages: int, pids: dict[str, int]) -> dict[str, object]:
    load = Load(port, messages)
    app = web.Application()
    app.router.add_get("/receipt", load.receipt)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reports = f"http://127.0.0.1:{runner.addresses[0][1]}/receipt"
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    began = load.last_at = time.monotonic()
    async with ClientSession(connector=TCPConnector(limit=CLIENTS)) as session, asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(load.client(session, reports))
    asked_s = time.monotonic() - began
    while load.receipts < load.accepted and time.monotonic() - load.last_at < QUIET_S:
        await asyncio.sleep(0.1)
    used = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    await runner.cleanup()
    seconds = load.last_at - began
    return {
        "what": "kannel",
        "messages": load.accepted,
        "receipts": load.receipts,
        "seconds": round(seconds, 3),
        "rate_per_s": round(load.receipts / seconds, 1) if seconds else 0.0,
        "submit_rate_per_s": round(load.accepted / asked_s, 1),
        "cpu_ms_per_1000": {name: round(spent * 1e6 / messages, 2) for name, spent in used.items()},
    }


if __name__ == "__main__":
    named = dict(word.split("=") for word in sys.argv[3:])
    found = asyncio.run(measured(int(sys.argv[1]), int(sys.argv[2]), {name: int(pid) for name, pid in named.items()}))
    sys.stdout.write(json.dumps(found) + "\n")
