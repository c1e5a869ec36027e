"""CPU time and memory of whole families of processes, as the kernel counts them.

Knows: /proc (proc(5)). Never knows: what the processes are for. Where there is no /proc, everything is None.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Status(NamedTuple):
    """One process: its parent, the CPU time of it and of its children that have ended, its resident memory."""

    parent: int
    cpu_s: float
    rss_bytes: int


class Usage(NamedTuple):
    """A family: CPU seconds since its start, resident bytes now (shared pages count in each process)."""

    cpu_s: float
    rss_bytes: int


def read_status(text: str) -> Status:
    """The fields of one /proc/PID/stat; its name may hold spaces and parentheses."""
    fields = text.rpartition(")")[2].split()
    # proc(5): ppid is field 4, utime to cstime 14 to 17, rss 24; the first one here is field 3
    return Status(
        parent=int(fields[1]),
        cpu_s=sum(map(int, fields[11:15])) / TICKS_PER_S,
        rss_bytes=int(fields[21]) * PAGE_BYTES,
    )


def processes(proc: Path = PROC) -> dict[int, Status]:
    """Every process that lives now."""
    return dict(_statuses(proc))


def _statuses(proc: Path) -> Iterator[tuple[int, Status]]:
    for file in proc.glob("[0-9]*/stat"):
        try:
            yield int(file.parent.name), read_status(file.read_text())
        except OSError:  # it ended meanwhile
            continue


def family(root: int, known: Mapping[int, Status], but: Container[int | None] = ()) -> set[int]:
    """`root` and everything below it; `but` these, which are counted apart with all that is below them."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, status in known.items():
        children[status.parent].append(pid)
    found, todo = set(), [root]
    while todo:
        pid = todo.pop()
        if pid in known and pid not in found and (pid == root or pid not in but):
            found.add(pid)
            todo += children[pid]
    return found


def usage(root: int, known: Mapping[int, Status], but: Container[int | None] = ()) -> Usage | None:
    """What a family uses; None when it is not there."""
    members = [known[pid] for pid in family(root, known, but)]
    if not members:
        return None
    return Usage(sum(m.cpu_s for m in members), sum(m.rss_bytes for m in members))


def child_that_runs(module: str, parent: int, proc: Path = PROC) -> int | None:
    """The process below `parent` that runs `python -m module`."""
    for pid in family(parent, processes(proc)):
        try:
            words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if module.encode() in words:
            return pid
    return None


class Meter:
    """CPU used between `start` and `stop` by named families, and the most memory that one of them had.

    A family whose process number is None is somebody else's: nothing is known of it. One that is below another is
    counted for itself only.
    """

    def __init__(
        self,
        roots: Mapping[str, int | None],
        read: Callable[[], dict[int, Status]] = processes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._read = read
        self._clock = clock
        self._started_at = 0.0
        self.seconds = 0.0  # between `start` and the last `look`
        self._began: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._peaks: defaultdict[str, int] = defaultdict(int)

    def start(self) -> None:
        """Count from here."""
        self._started_at = self._clock()
        self._began = {name: used.cpu_s for name, used in self._now()}
        self._spent = {}

    def look(self) -> None:
        """Note CPU and memory so far; call it now and then, so that a peak of memory is seen."""
        self.seconds = self._clock() - self._started_at
        for name, used in self._now():
            self._spent[name] = used.cpu_s - self._began.get(name, 0.0)
            self._peaks[name] = max(self._peaks[name], used.rss_bytes)

    def cpu_s(self, name: str) -> float | None:
        """CPU seconds of a family between `start` and the last `look`."""
        return self._spent.get(name)

    def rss_mb(self, name: str) -> float | None:
        """The most resident memory seen, in MB (1,000,000 bytes)."""
        return round(self._peaks[name] / 1e6, 1) if name in self._peaks else None

    def _now(self) -> Iterator[tuple[str, Usage]]:
        known = self._read()
        for name, root in self._roots.items():
            used = usage(root, known, but=self._roots.values()) if root is not None else None
            if used is not None:
                yield name, used
