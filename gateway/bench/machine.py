"""The machine and the versions that a figure belongs to: without them it says nothing.

Knows: /proc, platform, the versions of the libraries that matter. Never knows: a host's name or address.
"""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("cap-alert-gateway", "asyncpg", "uvloop", "aiohttp", "lxml")


def machine(postgres: str = "") -> dict[str, str | int | float | None]:
    """Processor, cores, memory, kernel, Python, the libraries, and the server's version when it is known."""
    found: dict[str, str | int | float | None] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": memory_gb(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    if postgres:
        found["postgresql"] = postgres
    return found | {name: version(name) for name in LIBRARIES}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        named = None
    return named[1].strip() if named else platform.processor() or platform.machine()


def memory_gb(meminfo: Path = Path("/proc/meminfo")) -> float | None:
    """Memory in units of 1,000,000,000 bytes."""
    try:
        total = re.search(r"^MemTotal:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    except OSError:
        total = None
    return round(int(total[1]) * 1024 / 1e9, 1) if total else None
