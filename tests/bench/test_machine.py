"""What a figure belongs to."""

import platform
import socket
from pathlib import Path

import asyncpg

from gateway.bench.machine import machine, memory_gb, processor


def test_the_machine_says_what_matters_and_not_its_name() -> None:
    found = machine("18.6")
    assert found["python"] == platform.python_version()
    assert found["asyncpg"] == asyncpg.__version__
    assert found["postgresql"] == "18.6"
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1
    assert socket.gethostname() not in map(str, found.values())
    assert "postgresql" not in machine()


def test_processor_and_memory_are_read_from_the_kernel(tmp_path: Path) -> None:
    cpuinfo, meminfo = tmp_path / "cpuinfo", tmp_path / "meminfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Other\n")
    meminfo.write_text("MemTotal:       16000000 kB\nMemFree: 1 kB\n")
    assert processor(cpuinfo) == "Fast CPU @ 3 GHz"
    assert memory_gb(meminfo) == 16.4


def test_a_kernel_that_says_nothing_leaves_a_gap(tmp_path: Path) -> None:
    assert memory_gb(tmp_path / "none") is None
    assert processor(tmp_path / "none") == (platform.processor() or platform.machine())
