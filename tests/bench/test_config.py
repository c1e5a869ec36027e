"""The configuration that is measured."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.bench import config
from gateway.bench.peers import Other
from gateway.bench.wanted import Wanted
from gateway.channels.voice_trunks import RestTrunk, SipTrunk
from gateway.settings import parse

OTHER = Other("sink", "127.0.0.1", 2775)
PLAIN = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=20),
)  # fmt: skip
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
TABLE = st.dictionaries(NAMES, PLAIN, max_size=4)


def whole(wanted: Wanted) -> dict[str, object]:
    return config.base("postgresql://x@/y", 8080) | {
        "sms": config.sms(OTHER, wanted, wanted.rate_per_s),
        "email": config.email(OTHER, wanted, wanted.rate_per_s),
        "voice": config.voice(OTHER, 8080),
    }


def test_the_gateway_takes_it_and_what_was_wanted_is_in_it() -> None:
    document = whole(Wanted(binds=3, window=77, connections=9, rate_per_s=123))
    settings = parse(tomllib.loads(config.as_toml(document)))
    provider = settings.sms.providers[0]
    assert (provider.binds, provider.window, provider.port) == (3, 77, 2775)
    assert settings.email is not None
    assert settings.email.relays[0].connections == 9
    assert (settings.sms.rate_per_s, settings.email.rate_per_s) == (123, 123)
    assert settings.voice.max_starts_per_minute == 600
    assert isinstance(settings.voice.trunk, RestTrunk)
    assert settings.voice.trunk.public_url == "http://127.0.0.1:8080"


def test_calls_of_our_own_go_to_the_sip_server_and_sound_without_a_program_that_speaks() -> None:
    document = whole(Wanted()) | {"voice": config.sip(OTHER, Path("/some/sound.wav"))}
    voice = parse(tomllib.loads(config.as_toml(document))).voice
    assert isinstance(voice.trunk, SipTrunk)
    assert [(server.host, server.port) for server in voice.trunk.servers] == [(OTHER.host, OTHER.port)]
    assert voice.audio.speak == ("cp", "/some/sound.wav", "{wav}")
    assert (voice.audio.convert, voice.prompts, voice.machine.detect) == ((), {}, False)


def test_without_a_rate_it_is_as_fast_as_the_settings_allow() -> None:
    settings = parse(tomllib.loads(config.as_toml(whole(Wanted()))))
    assert settings.email is not None
    assert (settings.sms.rate_per_s, settings.email.rate_per_s) == (100_000, 1_000_000)


@given(
    st.dictionaries(
        NAMES, st.one_of(PLAIN, st.lists(PLAIN, max_size=3), TABLE, st.lists(TABLE, min_size=1, max_size=3))
    )
)
def test_what_is_written_is_read_again(document: dict[str, object]) -> None:
    assert tomllib.loads(config.as_toml(document)) == document


def test_a_relay_over_tls_has_to_prove_itself(tmp_path: Path) -> None:
    relay = config.email(OTHER, Wanted(tls_ca=tmp_path / "ca.pem"), None)["relays"][0]
    assert (relay["security"], relay["ca_file"]) == ("tls", str(tmp_path / "ca.pem"))
    assert config.email(OTHER, Wanted(), None)["relays"][0]["security"] == "none"
