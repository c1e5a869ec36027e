"""Whether a person or a machine answered, from how loud the first seconds are.

Knows: a person says one or two short words and waits; a machine talks, or is silent first. The numbers are those that
Asterisk's AMD has as defaults. Never knows: audio, clocks (time is counted in frames of 20 ms), what is played then.
"""

from dataclasses import dataclass
from enum import Enum

FRAME_MS = 20


class AnsweredBy(Enum):
    """The guess."""

    HUMAN = "human"
    MACHINE = "machine"
    UNSURE = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Milliseconds, and the mean size of samples from which a frame counts as speech."""

    initial_silence_ms: int = 2500
    greeting_ms: int = 1500
    after_greeting_ms: int = 800
    total_ms: int = 5000
    least_word_ms: int = 100
    between_words_ms: int = 50
    words: int = 2
    speech_level: int = 256


class Detector:
    """Feed it the level of every frame, 0 where none came, until it says something."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._total_ms = self._silence_ms = self._voice_ms = self._speech_ms = 0
        self._words = 0
        self._in_word = False

    def heard(self, level: int) -> AnsweredBy | None:
        """One more frame; the guess, or None to go on listening."""
        rules = self._rules
        self._total_ms += FRAME_MS
        if level >= rules.speech_level:
            self._voice()
        else:
            self._silence()
        if self._words > rules.words or self._speech_ms >= rules.greeting_ms:
            return AnsweredBy.MACHINE
        if not self._words and self._silence_ms >= rules.initial_silence_ms:
            return AnsweredBy.MACHINE
        if self._words and self._silence_ms >= rules.after_greeting_ms:
            return AnsweredBy.HUMAN
        return AnsweredBy.UNSURE if self._total_ms >= rules.total_ms else None

    def _voice(self) -> None:
        self._voice_ms += FRAME_MS
        self._silence_ms = 0
        if not self._in_word and self._voice_ms >= self._rules.least_word_ms:
            self._in_word = True
            self._words += 1
            self._speech_ms += self._voice_ms
        elif self._in_word:
            self._speech_ms += FRAME_MS

    def _silence(self) -> None:
        self._silence_ms += FRAME_MS
        if self._silence_ms >= self._rules.between_words_ms:
            self._in_word = False
            self._voice_ms = 0


class Quiet:
    """Waits until a machine has stopped talking, so that its recording begins with our first word."""

    def __init__(self, *, silence_ms: int = 1000, longest_ms: int = 20_000, speech_level: int = 256) -> None:
        self._left_ms = longest_ms
        self._silence_ms = 0
        self._wanted_ms = silence_ms
        self._speech_level = speech_level

    def heard(self, level: int) -> bool:
        """One more frame; True when it is quiet, or has gone on for too long."""
        self._left_ms -= FRAME_MS
        self._silence_ms = 0 if level >= self._speech_level else self._silence_ms + FRAME_MS
        return self._silence_ms >= self._wanted_ms or self._left_ms <= 0
