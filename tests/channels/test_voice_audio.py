"""Texts as audio: made once, kept under a hash of everything that sounds, own files in their place."""

import asyncio
import sys
import wave
from pathlib import Path

import pytest

from gateway.channels.voice_audio import Announcer, NoAudio, read_wav
from gateway.sip import g711
from gateway.sip.sdp import PCMA, PCMU
from tests.channels.voice_sound import AUDIO, sounding, wav


@pytest.fixture
def announcer(tmp_path: Path) -> Announcer:
    made = Announcer(sounding(), tmp_path)
    made.open()
    return made


async def test_a_text_becomes_audio_of_both_laws(announcer: Announcer) -> None:
    made = await announcer.ready("x" * 50, "nl")
    assert made.seconds == 0.5
    samples = read_wav(made.wav)
    assert len(samples) == 8000
    for law in (PCMA, PCMU):
        assert made.raw(law).read_bytes() == g711.encode(samples, law)
    await announcer.close()


async def test_whoever_asks_for_the_same_gets_the_same_work(announcer: Announcer, tmp_path: Path) -> None:
    made = await asyncio.gather(*(announcer.ready("text", "nl") for _ in range(20)))
    assert len({one.stem for one in made}) == 1
    assert len(list(tmp_path.glob("*.wav"))) == 1
    assert list(tmp_path.glob("making-*")) == []


async def test_what_was_made_is_found_again_by_another_process(announcer: Announcer, tmp_path: Path) -> None:
    made = await announcer.ready("text", "nl")
    other = Announcer(sounding(audio={**AUDIO, "speak": AUDIO["speak"]}), tmp_path)
    other.open()
    before = made.wav.stat().st_mtime_ns
    assert await other.ready("text", "nl") == made
    assert made.wav.stat().st_mtime_ns == before


async def test_another_voice_text_or_pronunciation_is_another_file(tmp_path: Path) -> None:
    stems = set()
    for changes in (
        {},
        {"pronunciations": {"nl": {"text": "tekst"}}},
        {"audio": {**AUDIO, "voices": {"nl": "mb-nl2"}}},
    ):
        announcer = Announcer(sounding(**changes), tmp_path)
        announcer.open()
        stems |= {(await announcer.ready(text, "nl")).stem for text in ("text", "other")}
    assert len(stems) == 5  # "other" is not pronounced differently


async def test_a_recording_of_ones_own_is_played_for_exactly_its_text(tmp_path: Path) -> None:
    own = wav(tmp_path / "own.wav", b"\1\0" * 800)
    one = {"text": "All clear", "language": "en", "file": str(own)}
    announcer = Announcer(sounding(audio={**AUDIO, "recordings": (one,)}), tmp_path / "made")
    announcer.open()
    assert read_wav((await announcer.ready("All clear", "en-GB")).wav) == b"\1\0" * 800
    assert read_wav((await announcer.ready("All clear!", "en")).wav) != b"\1\0" * 800


@pytest.mark.parametrize(("audio", "reason"), [
    ({"speak": ("no-such-program",)}, "not on this machine"),
    ({"speak": (sys.executable, "-c", "import sys; sys.exit(3)")}, "ended with 3"),
    ({"speak": (sys.executable, "-c", "")}, "can not be read"),
    ({**AUDIO, "voices": {}}, "no voice for the language"),
    ({"speak": (sys.executable, "-c", "import time; time.sleep(60)"), "timeout_s": 0.2}, "ended with -1"),
])  # fmt: skip
async def test_what_can_not_be_made_is_said_without_the_text(
    audio: dict[str, object], reason: str, tmp_path: Path
) -> None:
    announcer = Announcer(sounding(audio={"convert": (), **audio}), tmp_path)
    announcer.open()
    with pytest.raises(NoAudio, match=reason) as caught:
        await announcer.ready("geheim", "nl")
    assert "geheim" not in str(caught.value)


async def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    flag = tmp_path / "works"
    fails = f"import sys, pathlib; sys.exit(0 if pathlib.Path({str(flag)!r}).exists() else 1)"
    announcer = Announcer(sounding(audio={"speak": (sys.executable, "-c", fails), "convert": AUDIO["speak"]}), tmp_path)
    announcer.open()
    with pytest.raises(NoAudio):
        await announcer.ready("text", "nl")
    flag.touch()
    with pytest.raises(NoAudio, match="can not be read"):  # the command works now; it wrote no {out}
        await announcer.ready("text", "nl")


@pytest.mark.parametrize(("rate", "samples"), [(16000, b"\0\0" * 100), (8000, b"")])
def test_a_file_of_another_form_is_refused(rate: int, samples: bytes, tmp_path: Path) -> None:
    with pytest.raises(NoAudio):
        read_wav(wav(tmp_path / "x.wav", samples, rate=rate))


async def test_a_folder_of_its_own_is_gone_at_the_end() -> None:
    announcer = Announcer(sounding())
    announcer.open()
    made = await announcer.ready("text", "nl")
    assert made.wav.exists()
    await announcer.close()
    assert not made.wav.parent.exists()


@pytest.mark.peer("espeak")
@pytest.mark.parametrize("language", ["nl", "fr", "de", "en"])
async def test_the_usual_command_speaks_every_language_of_the_country(language: str, tmp_path: Path) -> None:
    announcer = Announcer(sounding(audio={}), tmp_path)
    announcer.open()
    made = await announcer.ready("Alarm! 1 2 3 4 5.", language)
    with wave.open(str(made.wav)) as opened:
        assert (opened.getframerate(), opened.getsampwidth(), opened.getnchannels()) == (8000, 2, 1)
    assert 1 < made.seconds < 8
    raw = made.raw(PCMA).read_bytes()
    assert max(g711.level(raw[at : at + 160], PCMA) for at in range(0, len(raw) - 160, 160)) > 1000
