"""What a called person hears, frame by frame: listening, the text, the prompt, the key, thanks. No I/O, no clock.

Knows: frames of 20 ms, the guess about machines, keys. Never knows: sockets, packets, SIP, the outcome table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.sip.listening import AnsweredBy, Detector, Quiet, Rules
from gateway.sip.rtp import FRAME_S

PAUSE_FRAMES = 50
CONFIRM = "1"

Frames = Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything that may be played, cut into frames of one law. `prompt` and `thanks` may be empty: then no key is
    waited for. `machine` is said before the text to answering machines."""

    text: Frames
    silence: bytes
    repeat: int = 1
    prompt: Frames = ()
    thanks: Frames = ()
    machine: Frames = ()
    key_frames: int = 250
    listen: Rules | None = None


class Part(Enum):
    """Where a call stands."""

    LISTENING = "listening"
    WAITING = "waiting for a machine"
    TEXT = "text"
    PAUSE = "pause"
    PROMPT = "prompt"
    KEY = "key"
    THANKS = "thanks"
    OVER = "over"


class Course:
    """`frame` is asked every 20 ms; `heard` and `pressed` tell what comes from the other side."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._detector = Detector(script.listen) if script.listen else None
        self._quiet = Quiet()
        self._level = 0
        self._frames: Frames = ()
        self._at = 0
        self.part = Part.LISTENING
        self.readings = 0
        self.digits = ""
        self.answered_by = AnsweredBy.UNSURE
        self.spoken_frames = 0
        if self._detector is None:
            self._play(Part.TEXT, script.text)

    @property
    def listening(self) -> bool:
        """Whether the other side's audio still matters."""
        return self.part in (Part.LISTENING, Part.WAITING)

    @property
    def duration_s(self) -> float:
        """How long it has lasted."""
        return self.spoken_frames * FRAME_S

    def heard(self, level: int) -> None:
        """A frame came, this loud."""
        self._level = max(self._level, level)

    def pressed(self, key: str) -> None:
        """A key: only people press keys. The confirming one ends the message with thanks."""
        if self.part in (Part.OVER, Part.THANKS):
            return
        self.digits = key
        self.answered_by = AnsweredBy.HUMAN
        if key == CONFIRM:
            self._play(Part.THANKS, self._script.thanks)
        elif self.listening:
            self._play(Part.TEXT, self._script.text)

    def frame(self) -> bytes | None:
        """What to send now; None when all is said."""
        self.spoken_frames += 1
        if self.part in (Part.LISTENING, Part.WAITING):
            self._listen()
        while self._at >= len(self._frames):
            if self.part in (Part.LISTENING, Part.WAITING):
                return self._script.silence
            if self.part is Part.OVER:
                return None
            self._next()
        self._at += 1
        return self._frames[self._at - 1]

    def _listen(self) -> None:
        level, self._level = self._level, 0
        if self.part is Part.WAITING:
            if self._quiet.heard(level):
                self._play(Part.TEXT, [*self._script.machine, *self._script.text])
            return
        assert self._detector is not None
        guess = self._detector.heard(level)
        if guess is AnsweredBy.MACHINE:
            self.answered_by, self.part = guess, Part.WAITING
        elif guess is not None:
            self.answered_by = guess
            self._play(Part.TEXT, self._script.text)

    def _next(self) -> None:
        """One part is over: what follows."""
        script = self._script
        match self.part:
            case Part.TEXT:
                self.readings += 1
                again = self.readings < script.repeat and self.answered_by is not AnsweredBy.MACHINE
                if again:
                    self._play(Part.PAUSE, [script.silence] * PAUSE_FRAMES)
                elif script.prompt and self.answered_by is not AnsweredBy.MACHINE:
                    self._play(Part.PROMPT, script.prompt)
                else:
                    self._play(Part.OVER, ())
            case Part.PAUSE:
                self._play(Part.TEXT, script.text)
            case Part.PROMPT:
                self._play(Part.KEY, [script.silence] * script.key_frames)
            case _:
                self._play(Part.OVER, ())

    def _play(self, part: Part, frames: Frames) -> None:
        self.part, self._frames, self._at = part, frames, 0
