"""The SIP driver against programs of others: sipp, baresip, and Asterisk as a trunk with digest.

What was sent is compared with what they recorded; their own statistics say whether anything had to be repeated.
"""

import asyncio
import csv
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.channels.voice_ari import AriDriver
from gateway.channels.voice_audio import Announcer
from gateway.channels.voice_driver import Call, Placed
from gateway.channels.voice_outcomes import CallEnd, judge
from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_sip import SipDriver
from gateway.channels.voice_trunks import AriTrunk
from gateway.model import Mode, OutcomeKind, Transport
from gateway.sip.transaction import T1_S
from tests.channels.voice_sound import sip_trunk, sounding
from tests.support import peers
from tests.support.ports import free_port
from tests.support.sound import Likeness, likeness
from tests.support.waiting import PATIENCE_S, until, watching_stalls

RTP_PORTS = 200  # of tests/peers/asterisk.sh and baresip.sh
MEDIA_PORTS = 4  # of sipp: sound, video, and what is said about them
SENTENCE = "Attention. This is a test of the alert line. Close doors and windows, and stay inside."
EXPECTED = {
    "0": "played", "1": "confirmed", "2": "confirmed", "3": "played", "4": "played", "5": "played", "6": "busy",
    "7": "no answer", "8": "invalid number", "9": "congestion",
}  # fmt: skip
"""By the last digit of the number; the third hangs up after two seconds, when the text was read."""


def call(number: str, text: str = "x" * 60) -> Call:
    return Call(
        to=number, text=text, language="en", reference="1", mode=Mode.TEST, transport=Transport.SIMULATED, needed_s=1.0
    )


async def leave() -> bool:
    return True


class Calls:
    """An open driver; `words` tells what became of each number."""

    def __init__(self, driver: SipDriver | AriDriver) -> None:
        self.driver = driver
        self.words: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self._open: dict[str, str] = {}
        self._ended: dict[str, CallEnd] = {}

    async def report(self, end: CallEnd) -> None:
        self._ended[end.call_id] = end
        if end.call_id in self._open:
            self._note(self._open[end.call_id], end)

    async def place(self, number: str, text: str = "x" * 60) -> Placed:
        placed = await self.driver.place(call(number, text), leave)
        self.codes[number] = placed.code
        if placed.kind is not OutcomeKind.ACCEPTED:
            self.words[number] = placed.detail
        elif placed.call_id in self._ended:
            self._note(number, self._ended[placed.call_id])
        self._open[placed.call_id] = number
        return placed

    async def paced(self, numbers: Sequence[str], per_s: float) -> None:
        """Place them at a rate, and wait for all ends."""
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                for way in getattr(self.driver, "_ways", ()):
                    way.rest_until = 0.0  # every tenth number is refused with Retry-After; the others are wanted, too
                group.create_task(self.place(number))
                await asyncio.sleep(1 / per_s)
        await self.all(len(numbers))

    async def all(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.words) < count:
                await asyncio.sleep(0.05)

    def _note(self, number: str, end: CallEnd) -> None:
        verdict = judge(end)
        self.words[number] = verdict.detail if verdict else end.word


@asynccontextmanager
async def calling(
    *ports: int, settings: VoiceSettings | None = None, folder: Path | None = None, **trunk: object
) -> AsyncIterator[Calls]:
    used = settings or sounding()
    driver = SipDriver(sip_trunk(*ports, **trunk), used, announcer=Announcer(used, folder))
    await driver.open()
    calls = Calls(driver)
    watching = asyncio.create_task(driver.watch(calls.report))
    try:
        async with asyncio.timeout(60):
            while not all(driver.up().values()):
                await asyncio.sleep(0.02)
        yield calls
    finally:
        watching.cancel()
        await driver.close()


def short_ring(calls: Calls) -> None:
    """Four seconds: shorter than the settings allow, for a test; early media lasts for one of them."""
    calls.driver._settings = calls.driver._settings.model_copy(update={"ring_timeout_s": 4})


# sipp ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sipp(public_path: Path) -> Iterator[tuple[Path, int]]:
    """A sipp that answers as the last digit says: its folder and port."""
    port = free_port()
    with peers.running("sipp.sh", public_path / "sipp", port, free_port(MEDIA_PORTS)) as folder:
        yield folder, port


def statistics(folder: Path) -> dict[str, int]:
    """sipp's own counts."""
    whole, _, _half = (folder / "uas_stat.csv").read_text().rpartition("\n")
    rows = list(csv.DictReader(whole.splitlines(), delimiter=";"))
    return {name: int(rows[-1][f"{name}(C)"]) for name in ("SuccessfulCall", "FailedCall", "Retransmissions")}


def stood_still(folder: Path) -> bool:
    """Whether sipp says that it did, for a quarter of T1 and more."""
    errors = folder / "uas_err.log"
    return errors.exists() and "watchdog timer" in errors.read_text(errors="replace")


def counted_calls(folder: Path) -> int:
    """How many calls sipp has brought to an end."""
    counted = statistics(folder)
    return counted["SuccessfulCall"] + counted["FailedCall"]


async def every_outcome(sipp: tuple[Path, int], *, calls_per_s: float, count: int) -> None:
    folder, port = sipp
    numbers = [f"+32470{n:06d}" for n in range(count)]
    settings = sounding(key_timeout_s=3, prompts={"en": "Press one."})
    async with calling(port, settings=settings) as calls, watching_stalls() as stalls:
        short_ring(calls)
        await calls.paced(numbers, calls_per_s)
        assert Counter((n[-1], calls.words[n]) for n in numbers) == Counter((n[-1], EXPECTED[n[-1]]) for n in numbers)
        assert isinstance(calls.driver, SipDriver)
        # whoever is not answered in time is right to ask again
        in_time = stalls.worst_s < T1_S / 4 and not stood_still(folder)
        assert calls.driver.retransmissions == 0 or not in_time
        await until(lambda: counted_calls(folder) == count)  # written once a second
        counted = statistics(folder)
        assert counted["FailedCall"] == 0
        assert counted["Retransmissions"] == 0 or not in_time


@pytest.mark.peer("sipp")
async def test_sipp_sees_every_outcome_at_10_calls_a_second_and_nothing_is_repeated(sipp: tuple[Path, int]) -> None:
    await every_outcome(sipp, calls_per_s=10, count=40)


@pytest.mark.long
@pytest.mark.peer("sipp")
async def test_sipp_sees_every_outcome_at_100_calls_a_second_and_nothing_is_repeated(sipp: tuple[Path, int]) -> None:
    await every_outcome(sipp, calls_per_s=100, count=1000)


# baresip ------------------------------------------------------------------------------------------------------------


async def recorded(folder: Path, pattern: str) -> Path:
    """The one recording, once it is whole."""
    sizes = [0]

    def found() -> list[Path]:
        return [file for file in folder.glob(pattern) if file.stat().st_size > 44]

    def whole() -> bool:
        """Grown no more for half a second, whenever it began."""
        sizes.append(sum(file.stat().st_size for file in found()))
        return sizes[-1] > 0 and len(sizes) > 10 and len(set(sizes[-10:])) == 1

    await until(whole, every_s=0.05)
    return max(found(), key=lambda file: file.stat().st_mtime)


async def heard(calls: Calls, number: str, folder: Path, pattern: str, wanted: Callable[[Likeness], bool]) -> Likeness:
    """What the other side recorded of the sentence: of several calls the first that is as wanted. A machine that stands
    still for a moment is heard in some of them, a fault of ours in all."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        calls.words.pop(number, None)
        await calls.place(number, SENTENCE)
        await until(lambda: number in calls.words)
        sent = (await calls.driver._announcer.ready(SENTENCE, "en")).wav
        if wanted(found := likeness(sent, await recorded(folder, pattern))):
            break
    return found


@pytest.mark.peer("baresip")
@pytest.mark.peer("espeak")
async def test_baresip_records_what_was_said(public_path: Path) -> None:
    port = free_port()
    with peers.running("baresip.sh", public_path / "baresip", port, free_port(), free_port(RTP_PORTS)) as folder:
        settings = sounding(audio={})
        async with calling(port, settings=settings, folder=public_path / "audio") as calls:
            found = await heard(
                calls, "+32470000010", folder / "rec", "dump-*-dec.wav",
                lambda one: one.whole > 0.98 and one.worst > 0.9 and one.cover > 0.95,
            )  # fmt: skip
            assert calls.words == {"+32470000010": "played"}
    assert found.whole > 0.98 and found.worst > 0.9
    assert found.pieces >= 15 and found.cover > 0.95


# Asterisk -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def asterisk(public_path: Path) -> Iterator[tuple[Path, int, int]]:
    """An Asterisk that is a trunk with digest, with sipp behind it: its folder, SIP port and HTTP port."""
    called, sip, http = free_port(), free_port(), free_port()
    try:
        peers.run("asterisk.sh", "fetch")
    except AssertionError as error:
        pytest.skip(f"Asterisk can not be fetched any more: {error}")
    with peers.running("sipp.sh", public_path / "sipp", called, free_port(MEDIA_PORTS)):
        rtp = (free_port(RTP_PORTS + 1) + 1) // 2 * 2
        with peers.running("asterisk.sh", public_path / "asterisk", sip, http, called, rtp) as folder:
            yield folder, sip, http


@pytest.mark.peer("asterisk")
@pytest.mark.peer("sipp")
@pytest.mark.peer("espeak")
async def test_through_asterisk_with_a_password_every_outcome_comes_back_and_the_sound_is_whole(
    asterisk: tuple[Path, int, int], public_path: Path
) -> None:
    """One Asterisk for all of it, as it takes seconds to start."""
    folder, port, _ = asterisk
    numbers = [f"+3247000000{digit}" for digit in "01246789"]
    password: dict[str, Any] = {"username": "gw", "password": "gwpass"}
    settings = sounding(audio={}, key_timeout_s=3, prompts={"en": "Press one."})
    async with calling(port, settings=settings, folder=public_path / "audio", **password) as calls:
        short_ring(calls)
        await calls.paced(numbers, 10)
        assert {number[-1]: word for number, word in calls.words.items()} == {
            number[-1]: EXPECTED[number[-1]] for number in numbers
        }
        # an announcement line that records what it hears
        found = await heard(
            calls, "7001", folder / "rec", "in-*.wav", lambda one: one.whole > 0.9 and one.worst > 0.9
        )  # fmt: skip
        assert found.whole > 0.9 and found.worst > 0.9 and found.pieces >= 15
    async with calling(port, local_host="127.0.0.2") as calls:  # this address needs no password there
        await calls.paced(["+32470000000", "+32470000006"], 10)
        assert calls.words == {"+32470000000": "played", "+32470000006": "busy"}
    async with calling(port, **{**password, "password": "wrong"}) as calls:
        placed = await calls.place("+32470000000")
        assert (placed.kind, placed.detail, placed.trunk) == (OutcomeKind.RETRY, "credentials refused", True)


@asynccontextmanager
async def by_ari(http: int, settings: VoiceSettings, sounds: Path) -> AsyncIterator[tuple[Calls, AriDriver]]:
    """A driver that calls by this Asterisk."""
    trunk = AriTrunk(
        driver="ari", name="ari", caller_id="+3222345678", base_url=f"http://127.0.0.1:{http}/ari", username="gw",
        password=SecretStr("gwpass"), endpoint="PJSIP/{number}@called", sounds_folder=str(sounds),
    )  # fmt: skip
    driver = AriDriver(trunk, settings)
    await driver.open()
    async with asyncio.timeout(60):
        await driver.connected.wait()
    calls = Calls(driver)
    watching = asyncio.create_task(driver.watch(calls.report))
    try:
        yield calls, driver
    finally:
        watching.cancel()
        await driver.close()


def dialled(driver: AriDriver, endpoint: str) -> None:
    """From now on."""
    driver._trunk = driver._trunk.model_copy(update={"endpoint": endpoint})


@pytest.mark.peer("asterisk")
@pytest.mark.peer("sipp")
@pytest.mark.peer("baresip")
@pytest.mark.peer("espeak")
async def test_asterisk_calls_for_us_every_outcome_and_the_sound_is_whole(
    asterisk: tuple[Path, int, int], public_path: Path
) -> None:
    """ARI: sipp behind it for the outcomes, baresip for the sound."""
    _, _, http = asterisk
    port = free_port()
    settings = sounding(audio={}, repeat=1, key_timeout_s=3, prompts={"en": "Press one."})
    async with by_ari(http, settings, public_path / "sounds") as (calls, driver):
        short_ring(calls)
        numbers = [f"+3247000000{digit}" for digit in "01246789"]
        await calls.paced(numbers, 10)
        assert {number[-1]: word for number, word in calls.words.items()} == {
            number[-1]: EXPECTED[number[-1]] for number in numbers
        }
        with peers.running("baresip.sh", public_path / "baresip", port, free_port(), free_port(RTP_PORTS)) as folder:
            dialled(driver, f"PJSIP/called/sip:{{number}}@127.0.0.1:{port}")
            found = await heard(calls, "+32470000010", folder / "rec", "dump-*-dec.wav", lambda one: one.worst > 0.9)
        assert calls.words["+32470000010"] == "played"
        assert found.worst > 0.9 and found.pieces >= 15


@pytest.mark.peer("asterisk")
@pytest.mark.peer("sipp")
@pytest.mark.peer("espeak")
async def test_asterisk_tells_a_machine_from_a_person_and_the_machine_records_its_own_text_and_the_text(
    asterisk: tuple[Path, int, int], public_path: Path
) -> None:
    folder, _, http = asterisk
    own = "This is an automatic call."
    settings = sounding(audio={}, repeat=1, machine={"detect": True, "texts": {"en": own}})
    async with by_ari(http, settings, public_path / "sounds") as (calls, driver):
        verdicts = {"machine": "machine", "person": "played"}
        for who, verdict in verdicts.items():
            dialled(driver, f"Local/{who}@people/n")

            def right(one: Likeness, who: str = who, verdict: str = verdict) -> bool:
                return one.worst > 0.9 and calls.words[who] == verdict

            await heard(calls, who, folder / "rec", f"{who}-*.wav", right)
        assert calls.words == verdicts
        text, first = [(await driver._announcer.ready(words, "en")).wav for words in (SENTENCE, own)]
        records = {who: await recorded(folder / "rec", f"{who}-*.wav") for who in calls.words}
    assert likeness(text, records["person"]).worst > 0.9
    assert likeness(text, records["machine"]).worst > 0.9
    assert likeness(first, records["machine"]).worst > 0.9
    assert likeness(first, records["person"]).worst < 0.9
