"""Which part of an announcement follows which: listening, the text, the prompt, the key, thanks. No I/O, no clock.

Knows: the order of the parts, the guess about machines, keys. Never knows: how a part is played, the outcome table.
The same for whoever plays: our own process frame by frame, an Asterisk file by file.
"""

from collections.abc import Container
from enum import Enum

from gateway.channels.voice_outcomes import CONFIRM_KEY
from gateway.sip.listening import AnsweredBy, Detector, Quiet, Rules

PAUSE_S = 1.0


class Part(Enum):
    """Where a call stands."""

    LISTENING = "listening"
    WAITING = "waiting for a machine"
    MACHINE = "for machines"
    TEXT = "text"
    PAUSE = "pause"
    PROMPT = "prompt"
    KEY = "key"
    THANKS = "thanks"
    OVER = "over"


class Talk:
    """`has` are the parts that have a sound; MACHINE, PROMPT and THANKS may be left out, and without a prompt no key is
    waited for. With `listen` it begins by listening."""

    def __init__(self, *, has: Container[Part], repeat: int = 1, listen: Rules | None = None) -> None:
        self._has = has
        self._repeat = repeat
        self._detector = Detector(listen) if listen else None
        self._quiet = Quiet(speech_level=listen.speech_level) if listen else Quiet()
        self.part = Part.LISTENING if listen else Part.TEXT
        self.readings = 0
        self.digits = ""
        self.answered_by = AnsweredBy.UNSURE

    @property
    def listening(self) -> bool:
        """Whether the other side's audio still matters."""
        return self.part in (Part.LISTENING, Part.WAITING)

    def heard(self, level: int) -> None:
        """While listening: a frame came, this loud; 0 when none did."""
        if self.part is Part.WAITING:
            if self._quiet.heard(level):
                self.part = Part.MACHINE if Part.MACHINE in self._has else Part.TEXT
        elif self._detector is not None and (guess := self._detector.heard(level)) is not None:
            self.answered_by = guess
            self.part = Part.WAITING if guess is AnsweredBy.MACHINE else Part.TEXT

    def deaf(self) -> None:
        """Nothing can be heard: begin."""
        if self.listening:
            self.part = Part.TEXT

    def pressed(self, key: str) -> bool:
        """A key: only people press keys. The confirming one ends the message with thanks. True: another part begins."""
        if self.part in (Part.OVER, Part.THANKS):
            return False
        self.digits = key
        self.answered_by = AnsweredBy.HUMAN
        if key == CONFIRM_KEY:
            self.part = Part.THANKS if Part.THANKS in self._has else Part.OVER
            return True
        begins = self.listening
        self.deaf()
        return begins

    def over(self) -> None:
        """The part was played to its end: the next one begins."""
        match self.part:
            case Part.TEXT:
                self.readings += 1
                self.part = self._after_reading()
            case Part.PAUSE | Part.MACHINE:
                self.part = Part.TEXT
            case Part.PROMPT:
                self.part = Part.KEY
            case _:
                self.part = Part.OVER

    def _after_reading(self) -> Part:
        if self.answered_by is AnsweredBy.MACHINE:
            return Part.OVER
        if self.readings < self._repeat:
            return Part.PAUSE
        return Part.PROMPT if Part.PROMPT in self._has else Part.OVER
