"""Sound for the tests of the voice drivers: a command that needs no speech synthesis, and settings that use it."""

import sys
import wave
from pathlib import Path

from gateway.channels.voice_settings import VoiceSettings
from gateway.channels.voice_trunks import SipTrunk

BEEP = """
import struct, sys, wave
text = open(sys.argv[1], encoding="utf-8").read().strip()
with wave.open(sys.argv[2], "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(8000)
    out.writeframes(b"".join(struct.pack("<h", 3000 if n // 10 % 2 else -3000) for n in range(80 * len(text))))
"""
"""A tenth of a second for ten letters."""

AUDIO = {"speak": (sys.executable, "-c", BEEP, "{text}", "{wav}"), "convert": ()}


def sounding(**changes: object) -> VoiceSettings:
    """Settings whose texts become beeps; no prompt unless asked for."""
    return VoiceSettings.model_validate({
        "drain_s": 2.0, "repeat": 1, "key_timeout_s": 1, "prompts": {}, "machine": {"detect": False}, "audio": AUDIO,
        **changes,
    })  # fmt: skip


def sip_trunk(*ports: int, **changes: object) -> SipTrunk:
    """A trunk whose servers are ports of this machine."""
    return SipTrunk.model_validate({
        "driver": "sip", "name": "sip", "caller_id": "+3221234567",
        "servers": tuple({"host": "127.0.0.1", "port": port} for port in ports), **changes,
    })  # fmt: skip


def wav(file: Path, samples: bytes, *, rate: int = 8000) -> Path:
    """A WAV file."""
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples)
    return file
