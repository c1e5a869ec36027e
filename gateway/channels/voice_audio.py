"""Texts made into audio for telephones: spoken by any command, once for each text and language, or your own files.

Knows: the commands' arguments, the files and their names (a hash of everything that makes the sound).
Never knows: calls, packets, which driver plays it.
"""

import asyncio
import contextlib
import hashlib
import shutil
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

from gateway.channels.voice_settings import AudioSettings, VoiceSettings, phrase
from gateway.ending import before
from gateway.errors import GatewayError
from gateway.sip import g711
from gateway.sip.sdp import PCMA, PCMU

SUFFIXES = {PCMA: ".al", PCMU: ".ul"}
AT_ONCE = 2
LONGEST_S = 1800


class NoAudio(GatewayError):
    """A text can not be made into audio here; the message says why, without the text."""


class NoVoice(NoAudio):
    """There is no voice for its language: the others can be spoken all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A text as audio: `stem` with .wav, .al and .ul beside it (8 kHz), and how long it lasts."""

    stem: Path
    seconds: float

    def raw(self, law: int) -> Path:
        """The file of G.711 bytes."""
        return self.stem.with_suffix(SUFFIXES[law])

    @property
    def wav(self) -> Path:
        """The file for people and for other machines."""
        return self.stem.with_suffix(".wav")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The audio of one call, each part for itself."""

    text: Announcement
    prompt: Announcement | None = None
    thanks: Announcement | None = None
    machine: Announcement | None = None


class Announcer:
    """Makes each text once; whoever asks for it meanwhile waits for the same work."""

    def __init__(self, settings: VoiceSettings, folder: Path | None = None) -> None:
        self._settings = settings
        self._audio: AudioSettings = settings.audio
        self._given = folder or (Path(settings.audio.folder) if settings.audio.folder else None)
        self._folder: Path | None = None
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._made: dict[str, asyncio.Task[Announcement]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def open(self) -> None:
        """Make the folder. Raises NoAudio."""
        try:
            if self._given is None:
                self._own = tempfile.TemporaryDirectory(prefix="gateway-voice-")
                self._folder = Path(self._own.name)
            else:
                self._given.mkdir(parents=True, exist_ok=True)
                self._folder = self._given.resolve()
        except OSError as error:
            raise NoAudio(f"the folder for audio can not be made: {error.strerror}") from error

    async def close(self) -> None:
        """End what is being made, and delete what was made only for this time."""
        for task in self._made.values():
            task.cancel()
        await asyncio.gather(*self._made.values(), return_exceptions=True)
        self._made.clear()
        if self._own is not None:
            self._own.cleanup()
            self._own = None

    async def ready(self, text: str, language: str) -> Announcement:
        """The audio of a text. Raises NoAudio."""
        name = self._name(text, language)
        task = self._made.get(name)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            self._made[name] = task = asyncio.create_task(self._make(name, text, language))
        return await asyncio.shield(task)

    async def spoken(self, text: str, language: str) -> Spoken:
        """Everything that a call with this text may play. Raises NoAudio."""
        settings = self._settings
        machine = phrase(settings.machine.texts, language) if settings.machine.detect else ""
        phrases = (phrase(settings.prompts, language), phrase(settings.thanks, language), machine)
        first = await self.ready(text, language)
        prompt, thanks, for_machines = [await self.ready(words, language) if words else None for words in phrases]
        return Spoken(text=first, prompt=prompt, thanks=thanks, machine=for_machines)

    def _name(self, text: str, language: str) -> str:
        """A hash of everything that makes the sound: the same text with another voice is another file."""
        audio = self._audio
        own = self._recording(text, language)
        spoken = self._settings.spoken(text, language)
        parts = (spoken, phrase(audio.voices, language), *audio.speak, *audio.convert, own, _age(own))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def _recording(self, text: str, language: str) -> str:
        short = language.partition("-")[0].lower()
        for one in self._audio.recordings:
            if one.text.strip() == text.strip() and one.language.lower() in (language.lower(), short):
                return one.file
        return ""

    async def _make(self, name: str, text: str, language: str) -> Announcement:
        if self._folder is None:
            raise NoAudio("the announcer is not open")
        stem = self._folder / name
        if all(stem.with_suffix(suffix).exists() for suffix in (".wav", *SUFFIXES.values())):
            return await asyncio.to_thread(_measured, stem)
        own = self._recording(text, language)
        async with self._turns:
            with tempfile.TemporaryDirectory(prefix="making-", dir=self._folder) as work:
                source = Path(own) if own else await self._speak(Path(work), text, language)
                return await asyncio.to_thread(_finished, source, stem)

    async def _speak(self, work: Path, text: str, language: str) -> Path:
        voice = phrase(self._audio.voices, language)
        if not voice:
            raise NoVoice(f"no voice for the language {language[:20]}: voice.audio.voices")
        file, wav, out = work / "text", work / "spoken.wav", work / "telephone.wav"
        file.write_text(self._settings.spoken(text, language) + "\n", encoding="utf-8")
        names = {"voice": voice, "text": str(file), "wav": str(wav), "out": str(out)}
        await self._command(self._audio.speak, names)
        if not self._audio.convert:
            return wav
        await self._command(self._audio.convert, names)
        return out

    async def _command(self, words: tuple[str, ...], names: dict[str, str]) -> None:
        program = shutil.which(words[0])
        if program is None:
            raise NoAudio(f"the program {words[0]} is not on this machine: voice.audio")
        arguments = [word.format_map(names) for word in words[1:]]
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            code = await before(self._audio.timeout_s, process.wait())
        except TimeoutError:
            code = -1
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if code != 0:
            raise NoAudio(f"{words[0]} ended with {code}")


def _age(file: str) -> str:
    """Changes when a file does."""
    try:
        found = Path(file).stat() if file else None
    except OSError:
        return "missing"
    return f"{found.st_mtime_ns} {found.st_size}" if found else ""


def read_wav(file: Path) -> bytes:
    """The samples of a WAV file of 8 kHz, 16 bit, mono. Raises NoAudio."""
    try:
        with wave.open(str(file), "rb") as opened:
            form = (opened.getframerate(), opened.getsampwidth(), opened.getnchannels())
            if form != (g711.RATE_PER_S, 2, 1):
                raise NoAudio(f"{file.name} is {form[0]} Hz, {8 * form[1]} bit, {form[2]} channels; not 8000, 16, 1")
            if not 0 < opened.getnframes() <= LONGEST_S * g711.RATE_PER_S:
                raise NoAudio(f"{file.name} is empty or longer than {LONGEST_S} s")
            return opened.readframes(opened.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise NoAudio(f"{file.name} can not be read as WAV") from error


def _finished(source: Path, stem: Path) -> Announcement:
    samples = read_wav(source)
    for law, suffix in SUFFIXES.items():
        _put(stem.with_suffix(suffix), g711.encode(samples, law))
    # the WAV comes last: where it is, the others are
    _put(stem.with_suffix(".wav"), source.read_bytes())
    return Announcement(stem=stem, seconds=len(samples) / 2 / g711.RATE_PER_S)


def _measured(stem: Path) -> Announcement:
    return Announcement(stem=stem, seconds=stem.with_suffix(".al").stat().st_size / g711.RATE_PER_S)


def _put(file: Path, data: bytes) -> None:
    """The file appears whole or not at all."""
    half = file.with_name(f"{file.name}.half")
    half.write_bytes(data)
    half.replace(file)
