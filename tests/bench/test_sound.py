"""Sound for benches."""

from pathlib import Path

import pytest

from gateway.bench.alert import SPOKEN_PER_S, text_of
from gateway.bench.sound import main
from gateway.channels.voice_audio import read_wav
from gateway.sip import g711


@pytest.mark.parametrize("seconds", [1, 7.4, 60])
def test_a_text_sounds_as_long_as_it_is_spoken_and_is_no_silence(seconds: float, tmp_path: Path) -> None:
    text, wav = tmp_path / "text", tmp_path / "wav"
    text.write_text(text_of(int(seconds * SPOKEN_PER_S)) + "\n")
    main(str(text), str(wav))
    samples = read_wav(wav)
    assert len(samples) / 2 / g711.RATE_PER_S == pytest.approx(int(seconds * SPOKEN_PER_S) / SPOKEN_PER_S, abs=0.001)
    assert len(set(samples)) == 256
