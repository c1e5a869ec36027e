"""The voice settings: every mistake is refused, secrets are hidden, phrases are found."""

import pytest
from pydantic import ValidationError

from gateway.channels.voice_settings import PROMPTS, THANKS, VoiceSettings, phrase
from gateway.channels.voice_trunks import VOICES, RestTrunk
from tests.channels.voice_line import trunk


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_url", "ftp://x"),
        ("base_url", "http://api.example.com"),
        ("base_url", "api.example.com"),
        ("base_url", "https://api.example.com?x=1"),
        ("public_url", "alerts.example"),
        ("caller_id", "022345678"),
        ("caller_id", "+0221234567"),
        ("name", "My Trunk"),
        ("account_sid", "AC/../x"),
        ("connections", 1),
        ("calller_id", "+3221234567"),
    ],
)
def test_a_mistake_is_refused_by_its_name(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        RestTrunk.model_validate({**trunk("http://127.0.0.1:1").model_dump(), key: value})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "https://api.example.com/api/laml"]
)
def test_a_password_travels_in_clear_only_inside_this_machine(url: str) -> None:
    assert trunk(url).base_url == url
    assert trunk("http://pbx.example", plaintext=True).plaintext


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_starts_per_minute", 601),
        ("max_starts_per_minute", 0),
        ("max_concurrent_calls", 0),
        ("ring_timeout_s", 1),
        ("repeat", 9),
        ("unknown", 1),
    ],
)
def test_a_channel_setting_out_of_bounds_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        VoiceSettings.model_validate({key: value})


def test_the_ceiling_is_600_a_minute_unless_told() -> None:
    assert VoiceSettings().max_starts_per_minute == 600


def test_settings_are_frozen_and_hide_the_token() -> None:
    line = trunk("http://127.0.0.1:1")
    assert "simulated" not in repr(line).replace("ACsimulated", "")
    with pytest.raises(ValidationError, match="frozen"):
        line.caller_id = "+3220000000"  # type: ignore[misc]


@pytest.mark.parametrize("phrases", [PROMPTS, THANKS, VOICES])
@pytest.mark.parametrize("language", ["nl", "fr", "de", "en", "nl-BE", "FR", "de-AT"])
def test_every_language_of_the_country_has_its_phrases(phrases: dict[str, str], language: str) -> None:
    assert phrase(phrases, language)


def test_an_unknown_language_has_none() -> None:
    assert phrase(PROMPTS, "xx") == ""


def test_the_estimate_of_a_reading_grows_with_the_text_and_the_longest_call_is_bounded() -> None:
    settings = VoiceSettings(max_call_s=120)
    assert settings.reading_s("x" * 120) == 10.0
    assert settings.longest_s("x" * 120) == 85
    assert VoiceSettings(machine={"detect": False}).longest_s("x" * 120) == 55
    assert settings.longest_s("x" * 3000) == 120


def test_a_trunk_can_be_given_as_plain_data() -> None:
    settings = VoiceSettings.model_validate({"trunk": trunk("https://api.example.com").model_dump()})
    assert isinstance(settings.trunk, RestTrunk)


def test_words_are_pronounced_as_told_whole_and_whatever_their_case() -> None:
    said = {"fr": {"BE-Alert": "bi alerte", "SEVESO": "sévéso", "BE": "bé"}}
    settings = VoiceSettings.model_validate({"pronunciations": said})
    assert settings.spoken("be-alert : site Seveso (BE). BELGIQUE", "fr-BE") == (
        "bi alerte : site sévéso (bé). BELGIQUE"
    )
    assert settings.spoken("BE-Alert", "nl") == "BE-Alert"
