"""CPU and memory of families of processes."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.usage import (
    PAGE_BYTES,
    TICKS_PER_S,
    Meter,
    Status,
    child_that_runs,
    family,
    processes,
    read_status,
    usage,
)

LINUX = Path("/proc/self/stat").exists()


def stat(name: str, parent: int, times: tuple[int, int, int, int], pages: int) -> str:
    """A line as the kernel writes it: 52 fields."""
    fields = ["0"] * 53
    fields[1:5] = ["77", f"({name})", "S", str(parent)]
    fields[14:18] = map(str, times)
    fields[24] = str(pages)
    return " ".join(fields[1:]) + "\n"


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=15), st.integers(0, 2**22))
def test_any_name_of_a_process_can_be_read(name: str, parent: int) -> None:
    found = read_status(stat(name, parent, (1, 2, 3, 4), 5))
    assert found == Status(parent, 10 / TICKS_PER_S, 5 * PAGE_BYTES)


def test_a_family_is_everybody_below() -> None:
    known = {pid: Status(parent, 1.0, 10) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5))}
    assert family(2, known) == {2, 3, 4}
    assert usage(2, known) == (3.0, 30)
    assert family(99, known) == set()
    assert usage(99, known) is None


def test_a_family_inside_another_is_counted_once() -> None:
    known = {pid: Status(parent, 1.0, 10) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1))}
    assert family(1, known, but=(1, 2, None)) == {1, 4}
    assert family(2, known, but=(1, 2, None)) == {2, 3}
    meter = Meter({"all": 1, "apart": 2}, lambda: known, lambda: 0.0)
    meter.start()
    known |= {pid: one._replace(cpu_s=3.0) for pid, one in known.items()}
    meter.look()
    assert (meter.cpu_s("all"), meter.cpu_s("apart")) == (4.0, 4.0)


def test_a_circle_of_parents_ends() -> None:
    assert family(1, {1: Status(2, 0, 0), 2: Status(1, 0, 0)}) == {1, 2}


@pytest.mark.skipif(not LINUX, reason="this system has no /proc")
def test_the_kernel_counts_as_getrusage_does() -> None:
    sum(n * n for n in range(300_000))
    own = processes()[os.getpid()]
    told = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent_s = sum(of.ru_utime + of.ru_stime for of in told)
    assert abs(own.cpu_s - spent_s) < 0.5
    assert own.parent == os.getppid()
    assert 1_000_000 < own.rss_bytes < 100_000_000_000


@pytest.mark.skipif(not LINUX, reason="this system has no /proc")
def test_a_child_belongs_to_the_family() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in family(os.getpid(), processes())
        child.communicate(b"\n")


@pytest.mark.skipif(not LINUX, reason="this system has no /proc")
def test_a_child_is_found_by_its_module() -> None:
    words = [sys.executable, "-c", "input()", "some.module"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as child:
        assert child_that_runs("some.module", os.getpid()) == child.pid
        assert child_that_runs("another.module", os.getpid()) is None
        child.communicate(b"\n")


def test_a_place_without_proc_has_no_processes(tmp_path: Path) -> None:
    assert processes(tmp_path) == {}


def test_a_meter_counts_between_start_and_the_last_look_and_keeps_the_peak() -> None:
    readings = [
        {1: Status(0, 5.0, 3_000_000), 2: Status(0, 1.0, 1)},
        {1: Status(0, 6.0, 9_000_000), 2: Status(0, 1.5, 1)},
        {1: Status(0, 8.5, 4_000_000), 2: Status(0, 1.5, 1)},
    ]
    clock = iter([100.0, 101.0, 104.0])
    meter = Meter({"gateway": 1, "peer": 2, "foreign": None}, lambda: readings.pop(0), lambda: next(clock))
    meter.start()
    meter.look()
    meter.look()
    assert (meter.cpu_s("gateway"), meter.cpu_s("peer"), meter.cpu_s("foreign")) == (3.5, 0.5, None)
    assert (meter.rss_mb("gateway"), meter.rss_mb("foreign")) == (9.0, None)
    assert meter.seconds == 4.0
