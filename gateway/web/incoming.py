"""Where hubs call us: they ask whether we meant to subscribe, and bring what is new.

Knows: HTTP, the size of a delivery. Never knows: feeds, secrets, what is done with a delivery.
Standard: W3C WebSub (23 January 2018), §5.3 (verification of intent), §7 (content distribution).
"""

from aiohttp import web

from gateway.flows.sources import Heard, Sources
from gateway.web.bodies import body_of

PATH = "/cap/incoming"
KEY_CHARACTERS = 64
_STATUS = {
    Heard.KEPT: 202,
    Heard.UNREADABLE: 202,
    # WebSub §7.1: what is not signed as agreed is ignored, and its sender learns nothing
    Heard.IGNORED: 202,
    # WebSub §7: 410 tells the hub that it may forget us
    Heard.UNKNOWN: 410,
}


class Incoming:
    """GET and POST /cap/incoming/{key}; the key, which only we and the hub know, names the subscription."""

    def __init__(self, sources: Sources, *, max_bytes: int) -> None:
        self._sources = sources
        self._max_bytes = max_bytes

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [
            web.get("/cap/incoming/{key}", self.verify, allow_head=False),
            web.post("/cap/incoming/{key}", self.deliver),
        ]

    async def verify(self, request: web.Request) -> web.Response:
        """Say yes to what we asked for, and to nothing else."""
        key = request.match_info["key"]
        pairs = list(request.query.items())
        challenge = None
        if len(key) <= KEY_CHARACTERS and len({name for name, _ in pairs}) == len(pairs):
            challenge = await self._sources.confirm(key, pairs)
        if challenge is None:
            return web.Response(status=404)
        # plain text that no browser takes for a page: the hub chose these words
        return web.Response(text=challenge, content_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})

    async def deliver(self, request: web.Request) -> web.Response:
        """Take a delivery; the answer is given when everything in it is stored."""
        key = request.match_info["key"]
        if len(key) > KEY_CHARACTERS:
            return web.Response(status=410)
        body = await body_of(request, self._max_bytes)
        if body is None:
            return web.Response(status=413)
        heard = await self._sources.pushed(key, body, request.headers.get("X-Hub-Signature", ""))
        return web.Response(status=_STATUS[heard])
