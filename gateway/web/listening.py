"""A listening socket whose port is known before the first request can come.

Knows: addresses. Never knows: what is served.
"""

import asyncio
import socket


async def listen(host: str, port: int) -> socket.socket:
    """Listen there (port 0: any free one). Raises OSError that names the port when it is taken."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = infos[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"port {port} on {host} is taken: choose another http.port") from error
    listening.listen(1024)
    listening.setblocking(False)
    return listening
