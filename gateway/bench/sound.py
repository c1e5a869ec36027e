"""Sound for benches, so that no program that speaks is needed.

Knows: WAV. Never knows: texts, who hears it.
"""

import os
import wave
from pathlib import Path

from gateway.sip.g711 import RATE_PER_S

SAMPLE_BYTES = 2


def noise(file: Path, seconds: float) -> None:
    """A file with a second of noise, again and again: a sound that no compression and no silence detection helps."""
    second = os.urandom(SAMPLE_BYTES * RATE_PER_S)
    samples = int(seconds * RATE_PER_S)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(SAMPLE_BYTES)
        out.setframerate(RATE_PER_S)
        out.writeframes((second * (samples // RATE_PER_S + 1))[: SAMPLE_BYTES * samples])
