"""Filters, tried on the kernel's own sockets."""

import socket
from collections.abc import Iterable

import pytest

from gateway.sip.rtp import pack_header
from gateway.sip.sieve import Program, attach, one_call_in, only_keys


def passed(program: Program, packets: Iterable[bytes]) -> list[bytes]:
    """What comes through on loopback, where sending is receiving."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.bind(("127.0.0.1", 0))
        there.setblocking(False)
        attach(there.setsockopt, program)
        for packet in packets:
            here.sendto(packet, there.getsockname())
        found = []
        while True:
            try:
                found.append(there.recv(100))
            except BlockingIOError:
                return found


def packet(kind: int, source: int = 0) -> bytes:
    return pack_header(0x80, kind, 7, 160, source) + bytes(20)


@pytest.mark.parametrize(("event", "kinds"), [(101, [101, 0x80 | 101]), (96, [96]), (None, [])])
def test_keys_pass_and_audio_does_not(event: int | None, kinds: list[int]) -> None:
    sent = [packet(kind) for kind in (0, 8, 101, 0x80 | 101, 96)]
    assert [data[1] for data in passed(only_keys(event), sent)] == kinds


def test_one_call_in_many_passes_with_all_of_its_packets() -> None:
    sent = [packet(8, source) for source in range(64) for _ in range(2)]
    found = [int.from_bytes(data[8:12]) for data in passed(one_call_in(16), sent)]
    assert found == [0, 0, 16, 16, 32, 32, 48, 48]
    assert len(passed(one_call_in(1), sent)) == len(sent)


def test_a_system_without_filters_says_so() -> None:
    def refuse(*_: object) -> None:
        raise OSError("no filters here")

    with pytest.raises(OSError, match="no filters"):
        attach(refuse, only_keys(101))
