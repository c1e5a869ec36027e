"""What a called person hears, frame by frame. No I/O, no clock.

Knows: frames of 20 ms, the part that is being played (voice_talk). Never knows: sockets, packets, SIP.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.channels.voice_talk import PAUSE_S, Part, Talk
from gateway.sip.listening import Rules
from gateway.sip.rtp import FRAME_S

PAUSE_FRAMES = round(PAUSE_S / FRAME_S)

Frames = Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything that may be played, cut into frames of one law. `prompt`, `thanks` and `machine` may be empty."""

    text: Frames
    silence: bytes
    repeat: int = 1
    prompt: Frames = ()
    thanks: Frames = ()
    machine: Frames = ()
    key_frames: int = 250
    listen: Rules | None = None


class Course:
    """`frame` is asked every 20 ms; `heard` and `pressed` tell what comes from the other side."""

    def __init__(self, script: Script) -> None:
        self._silence = script.silence
        self._sounds: dict[Part, Frames] = {
            Part.MACHINE: script.machine,
            Part.TEXT: script.text,
            Part.PAUSE: [script.silence] * PAUSE_FRAMES,
            Part.PROMPT: script.prompt,
            Part.KEY: [script.silence] * script.key_frames,
            Part.THANKS: script.thanks,
        }
        has = {part for part, frames in self._sounds.items() if frames}
        self.talk = Talk(has=has, repeat=script.repeat, listen=script.listen)
        self._level = 0
        self._playing: Part | None = None
        self._frames: Frames = ()
        self._at = 0
        self.spoken_frames = 0

    @property
    def duration_s(self) -> float:
        """How long it has lasted."""
        return self.spoken_frames * FRAME_S

    def heard(self, level: int) -> None:
        """A frame came, this loud."""
        self._level = max(self._level, level)

    def frame(self) -> bytes | None:
        """What to send now; None when all is said."""
        self.spoken_frames += 1
        if self._playing is not self.talk.part or self._at >= len(self._frames):
            if self.talk.listening:
                level, self._level = self._level, 0
                self.talk.heard(level)
            if not self._found():
                return self._silence if self.talk.listening else None
        self._at += 1
        return self._frames[self._at - 1]

    def _found(self) -> bool:
        """Whether there is a frame to play, of this part or of one that follows."""
        talk = self.talk
        while True:
            if self._playing is not talk.part:
                self._playing, self._frames, self._at = talk.part, self._sounds.get(talk.part, ()), 0
            if self._at < len(self._frames):
                return True
            if talk.listening or talk.part is Part.OVER:
                return False
            talk.over()
