"""Which RTP packets the kernel hands on: filters for a socket, so that what nobody wants costs nothing.

Knows: the classic packet filter of Linux (bpf(4), socket(7)) over UDP: eight bytes of its header, then RTP.
Never knows: sockets (`attach` is given the socket's setsockopt), calls, why a packet is not wanted.
"""

import ctypes
import struct
from collections.abc import Callable

SOL_SOCKET, SO_ATTACH_FILTER = 1, 26
LOAD_BYTE, AND, EQUAL, RETURN = 0x30, 0x54, 0x15, 0x06
UDP_HEADER_BYTES = 8
NO_EVENT = 255

Program = tuple[tuple[int, int, int, int], ...]
"""Instructions: code, jump if true, jump if false, value."""

_KEEP, _DROP = (RETURN, 0, 0, 0xFFFF), (RETURN, 0, 0, 0)


def only_keys(event: int | None) -> Program:
    """Packets of this payload type; none at all without one."""
    # RFC 3550 §5.1: the payload type is in the second byte, below the marker
    wanted = NO_EVENT if event is None else event
    return ((LOAD_BYTE, 0, 0, UDP_HEADER_BYTES + 1), (AND, 0, 0, 0x7F), (EQUAL, 0, 1, wanted), _KEEP, _DROP)


def one_call_in(count: int) -> Program:
    """All packets of about one call in `count`, a power of two: by the last bits of their source, which is random."""
    # RFC 3550 §8
    return ((LOAD_BYTE, 0, 0, UDP_HEADER_BYTES + 11), (AND, 0, 0, count - 1), (EQUAL, 0, 1, 0), _KEEP, _DROP)


def attach(set_option: Callable[[int, int, bytes], None], program: Program) -> None:
    """From now on the socket gets only what the program keeps. Raises OSError where there are no such filters."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    set_option(SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code)))
