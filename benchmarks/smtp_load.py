"""Drives a relay by aiosmtplib or by Postfix's smtp-source and says what that cost, as one JSON object on stdout.

usage: smtp_load.py aiosmtplib|smtp-source PORT MESSAGES CONNECTIONS BYTES [--ca FILE] NAME=PID...

One envelope and one recipient a message, connections that are kept, nothing stored. The clock runs from the first
connection to the last answer; CPU is the kernel's count, for the client and for the named processes.
"""

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
HOST = "127.0.0.1"
LINE = b"Fire in the harbour: stay indoors, close windows and doors, listen to the radio.\r\n"


def cpu_s(pid: int) -> float:
    """CPU seconds of one process so far; proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def own_cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def client(numbers: Iterator[int], options: argparse.Namespace) -> int:
    """Sends one message after the other over one connection; returns how many were taken."""
    import aiosmtplib  # noqa: PLC0415 - only this client needs it, and it is no dependency of the gateway

    context = ssl.create_default_context(cafile=options.ca) if options.ca else None
    body = LINE * max(1, (options.bytes - 200) // len(LINE))
    taken = 0
    async with aiosmtplib.SMTP(
        hostname=HOST, port=options.port, use_tls=context is not None, tls_context=context, start_tls=False
    ) as relay:
        for number in numbers:
            to = f"user{number}@example.net"
            head = f"From: <alert@alerts.example>\r\nTo: <{to}>\r\nMessage-ID: <{number}@alerts.example>\r\n\r\n"
            await relay.sendmail(f"bounce+{number}@alerts.example", [to], head.encode() + body)
            taken += 1
    return taken


async def by_aiosmtplib(options: argparse.Namespace) -> int:
    """All connections at once."""
    numbers = iter(range(options.messages))
    return sum(await asyncio.gather(*(client(numbers, options) for _ in range(options.connections))))


def by_smtp_source(options: argparse.Namespace) -> int:
    """-d keeps the connections."""
    words = [
        "smtp-source", "-d", "-s", str(options.connections), "-m", str(options.messages), "-l", str(options.bytes),
        "-f", "bounce@alerts.example", "-t", "user@example.net", f"{HOST}:{options.port}",
    ]  # fmt: skip
    subprocess.run(words, check=True)
    return int(options.messages)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=["aiosmtplib", "smtp-source"])
    for name in ("port", "messages", "connections", "bytes"):
        parser.add_argument(name, type=int)
    parser.add_argument("--ca")
    parser.add_argument("processes", nargs="*")
    options = parser.parse_intermixed_args()
    pids = {name: int(pid) for name, pid in (word.split("=") for word in options.processes)}
    before, own_before, began = {name: cpu_s(pid) for name, pid in pids.items()}, own_cpu_s(), time.monotonic()
    taken = asyncio.run(by_aiosmtplib(options)) if options.client == "aiosmtplib" else by_smtp_source(options)
    seconds = time.monotonic() - began
    used = {options.client: own_cpu_s() - own_before} | {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    found = {
        "what": options.client + (" TLS" if options.ca else ""),
        "messages": taken,
        "seconds": round(seconds, 3),
        "rate_per_s": round(taken / seconds, 1),
        "cpu_ms_per_1000": {name: round(spent * 1e6 / taken, 2) for name, spent in used.items()},
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
