"""An Asterisk that knows just enough ARI for tests: channels whose fate is in the last digit of the number."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from aiohttp import BasicAuth, web

from tests.channels.voice_line import listening

CAUSES = {"6": 17, "8": 1, "9": 34}
PLAY_S = 0.05


class AriServer:
    """`asked` is every request; `started` the channels that were originated."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.started: list[str] = []
        self.channels: dict[str, str] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.url = ""
        self.mute = False  # it takes a call and never says so
        self._tasks: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/ari/events", self.events),
                web.get("/ari/channels/{id}", self.known),
                web.post("/ari/channels/{id}", self.originate),
                web.delete("/ari/channels/{id}", self.delete),
                web.post("/ari/channels/{id}/play/{playback}", self.play),
                web.post("/ari/channels/{id}/variable", self.variable),
                web.delete("/ari/playbacks/{id}", self.stop),
            ]
        )
        return app

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["AriServer"]:
        server = cls()
        async with listening(server.app()) as url:
            server.url = f"{url}/ari"
            yield server
            for socket in server.sockets:
                await socket.close()
            for task in server._tasks:
                task.cancel()

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            pass
        return socket

    async def known(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["id"] in self.channels else 404)

    async def originate(self, request: web.Request) -> web.Response:
        assert BasicAuth.decode(request.headers["Authorization"]).login == "gw"
        channel = request.match_info["id"]
        number = request.query["endpoint"].removeprefix("PJSIP/").partition("@")[0]
        if channel in self.channels:
            return web.Response(status=409)
        self.channels[channel] = number
        self.started.append(number)
        if self.mute:
            await asyncio.sleep(60)
        self._later(0.01, partial(self.run, channel, number[-1]))
        return web.json_response({"id": channel})

    async def run(self, channel: str, fate: str) -> None:
        if fate in CAUSES:
            await self.gone(channel, CAUSES[fate])
            return
        await self.say({"type": "Dial", "dialstatus": "RINGING", "peer": {"id": channel}})
        if fate != "7":
            await asyncio.sleep(0.01)
            await self.say({"type": "StasisStart", "channel": {"id": channel}})
        if fate == "1":
            await asyncio.sleep(PLAY_S / 2)
            await self.say({"type": "ChannelDtmfReceived", "digit": "1", "channel": {"id": channel}})

    async def play(self, request: web.Request) -> web.Response:
        channel, playback = request.match_info["id"], request.match_info["playback"]
        self.asked.append(request.query["media"])
        if self.channels[channel].endswith("3"):
            self._later(0.01, partial(self.gone, channel, 16))
            return web.Response(status=201)
        ended = {"type": "PlaybackFinished", "playback": {"id": playback, "target_uri": f"channel:{channel}"}}
        self._later(PLAY_S, partial(self.say, ended))
        return web.Response(status=201)

    async def variable(self, request: web.Request) -> web.Response:
        """Talk detection: whoever answers here says nothing."""
        self.asked.append(f"{request.query['variable']} {request.query['value']}".strip())
        return web.Response(status=204)

    async def stop(self, request: web.Request) -> web.Response:
        self.asked.append(f"stop {request.match_info['id']}")
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        channel = request.match_info["id"]
        if channel not in self.channels:
            return web.Response(status=404)
        self._later(0.01, partial(self.gone, channel, 0))
        return web.Response(status=204)

    async def gone(self, channel: str, cause: int) -> None:
        if self.channels.pop(channel, None) is not None:
            await self.say({"type": "ChannelDestroyed", "cause": cause, "channel": {"id": channel}})

    async def say(self, event: object) -> None:
        for socket in self.sockets:
            with suppress(ConnectionError):
                await socket.send_str(json.dumps(event))

    def _later(self, after_s: float, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await asyncio.sleep(after_s)
            await work()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
