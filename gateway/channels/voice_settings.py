"""The settings of the voice channel, whatever the trunk.

Knows: every key with its meaning, unit and bounds; the spoken phrases that frame an announcement; pronunciations.
Never knows: how a call is placed, what trunks need (voice_trunks).
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from gateway.channels.voice_trunks import AriTrunk, RestTrunk, SipTrunk
from gateway.sip.listening import Rules

Prefix = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{0,14}$")]

PROMPTS: Mapping[str, str] = {
    "nl": "Druk op 1 om te bevestigen dat u dit bericht hebt gehoord.",
    "fr": "Appuyez sur 1 pour confirmer que vous avez entendu ce message.",
    "de": "Drücken Sie die 1, um zu bestätigen, dass Sie diese Nachricht gehört haben.",
    "en": "Press 1 to confirm that you have heard this message.",
}
THANKS: Mapping[str, str] = {
    "nl": "Dank u. Uw bevestiging is ontvangen.",
    "fr": "Merci. Votre confirmation est reçue.",
    "de": "Danke. Ihre Bestätigung ist angekommen.",
    "en": "Thank you. Your confirmation was received.",
}


MACHINE_TALKS_S = 30


def phrase(phrases: Mapping[str, str], language: str) -> str:
    """The phrase for `fr`, `fr-BE` or `FR`; "" when there is none."""
    return phrases.get(language) or phrases.get(language.partition("-")[0].lower(), "")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _driver(given: object) -> str:
    """Which trunk a table is: `rest` where it does not say."""
    return str(given.get("driver", "rest") if isinstance(given, dict) else getattr(given, "driver", "rest"))


Trunk = Annotated[
    Annotated[RestTrunk, Tag("rest")] | Annotated[SipTrunk, Tag("sip")] | Annotated[AriTrunk, Tag("ari")],
    Discriminator(_driver),
]


class Recording(_Settings):
    """An audio file of your own, played wherever exactly this text would be spoken: WAV, 8 kHz, 16 bit, mono."""

    text: str = Field(min_length=1)
    language: str = Field(min_length=1)
    file: str = Field(min_length=1)


class AudioSettings(_Settings):
    """How texts become audio, for the drivers that play it themselves."""

    speak: tuple[str, ...] = Field(
        default=("espeak-ng", "-v", "{voice}", "-s", "150", "-b", "1", "-f", "{text}", "-w", "{wav}"),
        min_length=1,
        description="Any command that reads {text}, a file, and writes {wav}; {voice} is by language.",
    )
    convert: tuple[str, ...] = Field(
        default=("sox", "{wav}", "-r", "8000", "-c", "1", "-b", "16", "{out}"),
        description="Turns {wav} into {out}, 8 kHz, 16 bit, mono; empty when `speak` writes that itself.",
    )
    voices: dict[str, str] = Field(
        default_factory=lambda: {"nl": "nl", "fr": "fr-be", "de": "de", "en": "en-gb"},
        description="Language of a text -> {voice}.",
    )
    folder: str = Field(default="", description="Where audio is kept between alerts; empty: until the node stops.")
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    recordings: tuple[Recording, ...] = ()


class MachineSettings(_Settings):
    """Answering machines, told from people by how loud the first seconds are (as Asterisk's AMD)."""

    detect: bool = Field(default=True, description="Listen before speaking: up to total_ms, 0.8 s after a greeting.")
    initial_silence_ms: int = Field(default=2500, ge=500, le=10_000)
    greeting_ms: int = Field(default=1500, ge=500, le=10_000)
    after_greeting_ms: int = Field(default=800, ge=200, le=5000)
    total_ms: int = Field(default=5000, ge=1000, le=20_000)
    words: int = Field(default=2, ge=1, le=20)
    speech_level: int = Field(default=256, ge=16, le=4000)
    texts: dict[str, str] = Field(
        default_factory=dict, description="Said to machines before the alert's text, by language."
    )

    def rules(self) -> Rules | None:
        """What the detector goes by; None when nobody listens."""
        return Rules(**self.model_dump(exclude={"detect", "texts"})) if self.detect else None


class VoiceSettings(_Settings):
    """How announcements are made, whatever the trunk."""

    trunk: Trunk | None = None
    max_starts_per_minute: int = Field(default=600, ge=1, le=600, description="In any sliding 60 s, on all nodes.")
    max_concurrent_calls: int = Field(default=600, ge=1, le=10_000)
    prefix_starts_per_minute: dict[Prefix, Annotated[int, Field(ge=1, le=600)]] = Field(
        default_factory=dict, description="Ceilings for numbers that begin so; the longest prefix counts."
    )
    ring_timeout_s: int = Field(default=45, ge=5, le=300)
    repeat: int = Field(default=2, ge=1, le=5, description="How often the text is read.")
    key_timeout_s: int = Field(default=5, ge=1, le=30, description="How long to wait for the key after the prompt.")
    max_call_s: int = Field(default=300, ge=10, le=1800)
    characters_per_s: float = Field(
        default=12.0, ge=5, le=30, description="Speed of speech, to estimate how long a reading takes: rather too low."
    )
    prompts: dict[str, str] = Field(default_factory=lambda: dict(PROMPTS), description="Asks for the key, by language.")
    thanks: dict[str, str] = Field(default_factory=lambda: dict(THANKS), description="Said after the key, by language.")
    pronunciations: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Language -> word -> how it is to be spoken."
    )
    audio: AudioSettings = AudioSettings()
    machine: MachineSettings = MachineSettings()
    drain_s: float = Field(default=5.0, ge=0, le=60, description="How long a stopping node waits for answers.")

    def reading_s(self, text: str) -> float:
        """Estimated seconds that one reading of the text takes: a call at least this long has played it."""
        return round(len(text) / self.characters_per_s, 1)

    def longest_s(self, text: str) -> int:
        """Seconds after which a call is ended by the provider: all readings, the prompt, the key, and some air; a
        machine is heard out."""
        air_s = 20 + (MACHINE_TALKS_S if self.machine.detect else 0)
        return min(self.max_call_s, int(self.repeat * self.reading_s(text) * 1.5) + self.key_timeout_s + air_s)

    def spoken(self, text: str, language: str) -> str:
        """The text with its words as they are to be pronounced; whole words only, longest first."""
        words = self.pronunciations.get(language) or self.pronunciations.get(language.partition("-")[0].lower(), {})
        if not words:
            return text
        either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        lowered = {word.lower(): how for word, how in words.items()}
        return re.sub(rf"(?<!\w)(?:{either})(?!\w)", lambda at: lowered[at[0].lower()], text, flags=re.IGNORECASE)
