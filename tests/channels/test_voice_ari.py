"""The Asterisk driver against a stand-in: every outcome, ids of our own, keys, breaks of the websocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gateway.channels.voice_ari import AriDriver
from gateway.channels.voice_driver import Call, Placed
from gateway.channels.voice_outcomes import CallEnd, judge
from gateway.channels.voice_trunks import AriTrunk
from gateway.model import Mode, OutcomeKind, Transport
from tests.channels.ari_server import AriServer
from tests.channels.voice_sound import sounding
from tests.support.waiting import until


def ari_trunk(url: str, folder: Path, **changes: object) -> AriTrunk:
    return AriTrunk.model_validate(
        {
            "driver": "ari", "name": "ari", "caller_id": "+3221234567", "base_url": url, "username": "gw",
            "password": "secret", "sounds_folder": str(folder), **changes,
        }
    )  # fmt: skip


def call(digit: str) -> Call:
    return Call(
        to=f"+3222000000{digit}", text="x" * 20, language="nl", reference="7-0-1-1", mode=Mode.TEST,
        transport=Transport.SIMULATED, needed_s=1.0,
    )  # fmt: skip


async def leave() -> bool:
    return True


class Rig:
    def __init__(self, server: AriServer, driver: AriDriver) -> None:
        self.server = server
        self.driver = driver
        self.ends: dict[str, CallEnd] = {}

    async def report(self, end: CallEnd) -> None:
        assert end.call_id not in self.ends, "an end is told once"
        self.ends[end.call_id] = end

    async def word(self, placed: Placed) -> str:
        await until(lambda: placed.call_id in self.ends)
        verdict = judge(self.ends[placed.call_id])
        return verdict.detail if verdict else ""


@asynccontextmanager
async def rig(folder: Path, **settings: object) -> AsyncIterator[Rig]:
    async with AriServer.running() as server:
        driver = AriDriver(ari_trunk(server.url, folder), sounding(**settings))
        await driver.open()
        on = Rig(server, driver)
        watching = asyncio.create_task(driver.watch(on.report))
        await until(driver.connected.is_set)
        try:
            yield on
        finally:
            watching.cancel()
            await driver.close()


async def test_every_outcome_has_its_word(tmp_path: Path) -> None:
    async with rig(tmp_path, prompts={"nl": "Druk op 1."}, repeat=2) as on:
        placed = dict(zip("013689", await asyncio.gather(
            *(on.driver.place(call(digit), leave) for digit in "013689")
        ), strict=True))  # fmt: skip
        assert [(placed[d].kind, placed[d].code, placed[d].detail) for d in "689"] == [
            (OutcomeKind.RETRY, 486, "busy"),
            (OutcomeKind.FAILED, 404, "invalid number"),
            (OutcomeKind.RETRY, 503, "congestion"),
        ]
        assert placed["9"].trunk and not placed["6"].trunk
        words = [await on.word(placed[digit]) for digit in "013"]
        assert words == ["played", "confirmed", "hung up early"]
        assert on.server.channels == {}


async def test_the_ring_time_is_kept_here(tmp_path: Path) -> None:
    async with rig(tmp_path) as on:
        on.driver._settings = on.driver._settings.model_copy(update={"ring_timeout_s": 0.2})
        placed = await on.driver.place(call("7"), leave)
        assert placed.kind is OutcomeKind.ACCEPTED
        assert await on.word(placed) == "no answer"  # though Asterisk said cause 0


async def test_the_text_is_played_as_often_as_wanted_from_the_folder_that_both_know(tmp_path: Path) -> None:
    async with rig(tmp_path, repeat=3) as on:
        on.driver._trunk = on.driver._trunk.model_copy(update={"sounds_prefix": "/srv/sounds/"})
        placed = await on.driver.place(call("0"), leave)
        assert await on.word(placed) == "played"
        kept = {f"sound:/srv/sounds/{file.stem}" for file in tmp_path.glob("*.wav")}  # the text, and the thanks
        assert len(on.server.asked) == 3
        assert len(set(on.server.asked)) == 1 and set(on.server.asked) < kept


async def test_the_key_stops_the_text_and_is_thanked_for(tmp_path: Path) -> None:
    async with rig(tmp_path) as on:
        placed = await on.driver.place(call("1"), leave)
        assert await on.word(placed) == "confirmed"
        text, stop, thanks = on.server.asked
        assert stop.startswith("stop gw-7-0-1-1-")
        assert text.startswith("sound:") and thanks.startswith("sound:") and text != thanks


async def test_without_the_websocket_no_call_is_started_and_after_a_break_lost_calls_have_ended(tmp_path: Path) -> None:
    async with rig(tmp_path) as on:
        placed = await on.driver.place(call("7"), leave)
        on.server.channels.clear()  # it ends while nobody listens
        await on.server.sockets.pop().close()
        await until(lambda: not on.driver.connected.is_set())
        unsent = await on.driver.place(call("0"), leave)
        assert (unsent.kind, unsent.trunk) == (OutcomeKind.UNSENT, True)
        await until(lambda: placed.call_id in on.ends)
        assert on.driver.up() == {"voice ari": True}


async def test_a_call_that_was_taken_without_an_answer_does_not_ring_on_for_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path) as on:
        on.server.mute = True
        on.driver._http._timeout = aiohttp.ClientTimeout(sock_read=0.3)  # from when all of the request is written
        placed = await on.driver.place(call("0"), leave)
        assert (placed.kind, placed.trunk) == (OutcomeKind.UNKNOWN, True)
        await until(lambda: on.server.started == ["+32220000000"] and on.server.channels == {})
        assert on.ends == {}


async def test_a_node_that_stops_hangs_up_and_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path) as on:
        placed = await on.driver.place(call("7"), leave)
        await on.driver.close()
        assert await on.word(placed) == "interrupted"
        await until(lambda: on.server.channels == {})


@pytest.mark.parametrize("data", ["", "[]", "{", '{"type": 1}', '{"channel": 5}', '{"type": "PlaybackFinished"}', "7"])
async def test_no_event_raises(data: str, tmp_path: Path) -> None:
    driver = AriDriver(ari_trunk("http://127.0.0.1:1/ari", tmp_path), sounding())
    driver._event(data)
