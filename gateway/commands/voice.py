"""`gateway voice preview`: what people will hear, as a file, and on your own telephone.

Knows: the voice settings, a driver, the start gates (a preview is a start like any other).
Never knows: alerts, recipients, how audio is made or played.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.channels.voice import E164
from gateway.channels.voice_audio import Announcer, NoAudio
from gateway.channels.voice_driver import Call
from gateway.channels.voice_drivers import driver_for
from gateway.channels.voice_outcomes import CallEnd, judge
from gateway.commands.console import Exit, complain, say
from gateway.commands.database import config_argument, settings_of
from gateway.errors import SettingsError
from gateway.flows.gate import Gates
from gateway.model import Mode, OutcomeKind, Transport
from gateway.settings import Settings
from gateway.store.opening import opened
from gateway.store.pool import Store

EXAMPLES = """\
Writes the WAV that would be played (8 kHz, 16 bit, mono). With --call it is also played to that number over the live
trunk: prompt, key and thanks as in an alert. The call takes its place under voice.max_starts_per_minute.

examples:
  gateway voice preview --language fr --output preview.wav "Incendie industriel. Fermez portes et fenêtres."
  gateway voice preview --language nl --call +3225550100 - < text.txt
"""
TEXT_MAX_CHARACTERS = 10_000
CONNECT_S = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("action", choices=["preview"])
    config_argument(parser)
    parser.add_argument("--language", required=True, metavar="CODE", help="as in an alert: nl, fr-BE")
    parser.add_argument("--output", type=Path, default=Path("preview.wav"), metavar="FILE", help="(preview.wav)")
    parser.add_argument("--call", metavar="NUMBER", help="your own number, like +3225550100")
    parser.add_argument("text", help="what is said; - reads it from standard input")


def run(options: argparse.Namespace) -> int:
    """Write the file, then call."""
    text = (sys.stdin.read(TEXT_MAX_CHARACTERS + 1) if options.text == "-" else options.text).strip()
    if not 0 < len(text) <= TEXT_MAX_CHARACTERS:
        complain(f"the text needs 1 to {TEXT_MAX_CHARACTERS} characters")
        return Exit.UNREADABLE
    if options.call is not None and not E164.fullmatch(options.call):
        complain(f"{options.call!r} is no number like +3225550100")
        return Exit.UNREADABLE
    settings = settings_of(options.config)
    if options.call is not None and settings.voice.trunk is None:
        raise SettingsError(["voice.trunk is missing: there is nothing to call over"])
    try:
        seconds = asyncio.run(_written(settings, text, options.language, options.output))
    except (NoAudio, OSError) as error:
        complain(f"no audio: {error}")
        return Exit.NO
    say(f"{options.output}: {seconds:.1f} s")
    return asyncio.run(_called(settings, text, options.language, options.call)) if options.call else Exit.DONE


async def _written(settings: Settings, text: str, language: str, output: Path) -> float:
    announcer = Announcer(settings.voice)
    announcer.open()
    try:
        made = await announcer.ready(text, language)
        shutil.copyfile(made.wav, output)
        return made.seconds
    finally:
        await announcer.close()


async def _called(settings: Settings, text: str, language: str, number: str) -> int:
    trunk, voice = settings.voice.trunk, settings.voice
    assert trunk is not None
    async with opened(settings.database) as dsn:
        store = await Store.open(dsn, name="gateway voice preview")
        gates = Gates(
            store, max_starts_per_minute=voice.max_starts_per_minute, prefixes=voice.prefix_starts_per_minute,
            trunks=settings.trunk_ceilings(), monotonic=time.monotonic,
        )  # fmt: skip
        await gates.open()
        gate = gates.of_trunk(trunk.name)

        async def leave() -> bool:
            return await gate.permit(number) is not None

        call = Call(
            to=number, text=text, language=language, reference="preview", mode=Mode.TEST, transport=Transport.LIVE,
            needed_s=voice.reading_s(text),
        )  # fmt: skip
        driver = driver_for(trunk, voice)
        try:
            await driver.open()
            await _there(driver.up)
            ends: asyncio.Queue[CallEnd] = asyncio.Queue()
            watching = asyncio.create_task(driver.watch(ends.put))
            placed = await driver.place(call, leave)
            end = await ends.get() if placed.kind is OutcomeKind.ACCEPTED else None
            watching.cancel()
        finally:
            await driver.close()
            await store.close()
    verdict = judge(end) if end is not None else None
    word = verdict.detail if verdict is not None else placed.detail or "unknown"
    say(f"{trunk.name}: {word}")
    return Exit.DONE if word in ("played", "confirmed", "machine") else Exit.NO


async def _there(up: Callable[[], Mapping[str, bool]]) -> None:
    """Wait a little for a link that has to be made first; a call over none says so by itself."""
    deadline = time.monotonic() + CONNECT_S
    while (ways := up()) and not any(ways.values()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
