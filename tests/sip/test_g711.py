"""G.711 against its own definition, and against sox as an independent second opinion."""

import struct
import subprocess
from pathlib import Path

import pytest

from gateway.sip import g711
from gateway.sip.sdp import PCMA, PCMU


@pytest.mark.parametrize("law", [PCMA, PCMU])
def test_every_code_stands_for_itself(law: int) -> None:
    codes = bytes(range(256))
    again = g711.encode(g711.decode(codes, law), law)
    # the mu-law has two zeros, of which one comes back
    assert [n for n in codes if again[n] != n] == ([0x7F] if law == PCMU else [])


@pytest.mark.parametrize("law", [PCMA, PCMU])
def test_no_sample_is_far_from_its_code(law: int) -> None:
    for sample in range(-32768, 32768, 7):
        (back,) = struct.unpack("<h", g711.decode(g711.encode(struct.pack("<h", sample), law), law))
        assert abs(back - sample) <= max(16, abs(sample) // 16)


@pytest.mark.parametrize(("law", "samples"), [
    (PCMA, {0: 0xD5, -1: 0x55, 32767: 0xAA, -32768: 0x2A, 1000: 0xFA}),
    (PCMU, {0: 0xFF, 32767: 0x80, -32768: 0x00, 1000: 0xCE}),
])  # fmt: skip
def test_known_samples(law: int, samples: dict[int, int]) -> None:
    one = g711.encode_alaw if law == PCMA else g711.encode_ulaw
    assert {sample: one(sample) for sample in samples} == samples


@pytest.mark.peer("sox")
@pytest.mark.parametrize(("law", "name"), [(PCMA, "a-law"), (PCMU, "u-law")])
def test_sox_reads_our_codes_as_the_same_samples(law: int, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)))
    form = ["-t", "raw", "-r", "8000", "-c", "1"]
    out = subprocess.run(
        ["sox", *form, "-e", name, "-b", "8", tmp_path / "in", *form, "-e", "signed", "-b", "16", "-L", "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert out == g711.decode(bytes(range(256)), law)


@pytest.mark.parametrize("law", [PCMA, PCMU])
def test_silence_is_silent_and_speech_is_loud(law: int) -> None:
    assert g711.level(g711.SILENCE[law] * 160, law) < 32
    loud = g711.encode(struct.pack("<160h", *([2000, -2000] * 80)), law)
    assert 1800 < g711.level(loud, law) < 2200
    assert g711.level(b"", law) == 0
