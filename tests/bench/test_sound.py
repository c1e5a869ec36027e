"""Sound for benches."""

from pathlib import Path

import pytest

from gateway.bench.sound import noise
from gateway.channels.voice_audio import read_wav
from gateway.sip import g711


@pytest.mark.parametrize("seconds", [0.5, 1, 7.4, 60])
def test_the_file_lasts_as_long_as_told_can_be_played_and_is_no_silence(seconds: float, tmp_path: Path) -> None:
    noise(tmp_path / "wav", seconds)
    samples = read_wav(tmp_path / "wav")
    assert len(samples) / 2 / g711.RATE_PER_S == seconds
    assert len(set(samples)) == 256
