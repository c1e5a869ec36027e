"""Makes a text into sound without any program that speaks: `python -m gateway.bench.sound TEXT WAV`.

Knows: how long a text takes to be spoken. Never knows: languages, what is heard.
"""

import random
import sys
import wave
from pathlib import Path

from gateway.bench.alert import SPOKEN_PER_S
from gateway.sip.g711 import RATE_PER_S


def main(text: str, wav: str) -> None:
    """Noise, a second of it again and again, for as long as the text lasts."""
    second = random.Random(1).randbytes(2 * RATE_PER_S)
    samples = int(len(Path(text).read_text(encoding="utf-8").strip()) / SPOKEN_PER_S * RATE_PER_S)
    with wave.open(wav, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_PER_S)
        out.writeframes((second * (samples // RATE_PER_S + 1))[: 2 * samples])


if __name__ == "__main__":
    main(*sys.argv[1:3])
