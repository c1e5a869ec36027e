"""Recorded audio held against what was sent: where it lies, how like it is, and the worst fifth of a second of it."""

import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 8000
PIECE = RATE // 5
LOUD = 300


class Likeness(NamedTuple):
    """Correlation of the whole, of the worst loud piece (a lost or late stretch shows here), loud pieces, the share
    of what was sent that the recording holds."""

    whole: float
    worst: float
    pieces: int
    cover: float


def samples(file: Path) -> NDArray[np.float64]:
    """The samples of a WAV file of 8 kHz, 16 bit, mono."""
    with wave.open(str(file)) as opened:
        assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (RATE, 1, 2), file
        return np.frombuffer(opened.readframes(opened.getnframes()), np.int16).astype(np.float64)


def likeness(sent: Path, recorded: Path) -> Likeness:
    """How like the sent sound is to the place of the recording where it fits best."""
    a, b = samples(sent), samples(recorded)
    size = 1 << (len(a) + len(b)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    lag = int(np.argmax(np.abs(crossed)))
    lag -= size if lag > size // 2 else 0
    a, b = a[max(0, -lag) :], b[max(0, lag) :]
    length = min(len(a), len(b))
    cover = length / max(1, len(samples(sent)))
    a, b = a[:length], b[:length]
    loud = [n for n in range(0, length - PIECE, PIECE) if np.sqrt(np.mean(a[n : n + PIECE] ** 2)) > LOUD]
    worst = min((_alike(a[n : n + PIECE], b[n : n + PIECE]) for n in loud), default=0.0)
    return Likeness(_alike(a, b), worst, len(loud), cover)


def _alike(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0))
