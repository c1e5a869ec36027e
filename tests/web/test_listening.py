"""The listening socket."""

import pytest

from gateway.web.listening import listen


async def test_port_zero_takes_a_free_port() -> None:
    with await listen("127.0.0.1", 0) as listening:
        assert listening.getsockname()[1] > 0


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    with await listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 is taken"):
            await listen("127.0.0.1", port)
