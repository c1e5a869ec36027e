"""The settings of SIP trunks and Asterisk: mistakes are refused, secrets hidden, the page's example is whole."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.channels.voice_trunks import AriTrunk, SipServer, SipTrunk
from gateway.errors import SettingsError
from gateway.settings import parse
from tests.channels.voice_sound import sip_trunk

PAGE = Path(__file__).parents[2] / "docs" / "voice.md"


def examples() -> dict[str, dict[str, Any]]:
    """The trunks that docs/voice.md shows, by driver."""
    blocks = re.findall(r"(?s)```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"))
    trunks = [tomllib.loads(block)["voice"]["trunk"] for block in blocks]
    return {trunk["driver"]: trunk for trunk in trunks}


def parsed(trunk: dict[str, Any]) -> Any:
    return parse({"database": {"dsn": "postgresql:///gateway"}, "voice": {"trunk": trunk}}).voice.trunk


def test_the_example_of_a_sip_trunk_loads_and_shows_every_key() -> None:
    example = examples()["sip"]
    trunk = parsed(example)
    assert isinstance(trunk, SipTrunk)
    assert SipTrunk.model_fields.keys() == example.keys()
    assert SipServer.model_fields.keys() == example["servers"][0].keys()
    shown = {name for name, field in SipTrunk.model_fields.items() if not field.is_required()}
    changed = {"servers", "username", "password", "max_starts_per_minute", "max_concurrent_calls"}
    for name in shown - changed:
        assert getattr(trunk, name) == SipTrunk.model_fields[name].get_default(call_default_factory=True), name


def test_the_example_of_an_asterisk_loads_and_shows_every_key() -> None:
    example = examples()["ari"]
    assert isinstance(parsed(example), AriTrunk)
    assert AriTrunk.model_fields.keys() == example.keys()


@pytest.mark.parametrize(
    ("key", "value"), [("endpoint", "PJSIP/x@trunk"), ("base_url", "http://pbx.example/ari"), ("app", "a b")]
)
def test_a_mistake_about_asterisk_is_refused(key: str, value: str) -> None:
    with pytest.raises(ValidationError, match=key):
        AriTrunk.model_validate({**examples()["ari"], key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("servers", ()),
        ("rtp_ports", (2000, 1000)),
        ("rtp_ports", (80, 1000)),
        ("media_networks", ("10.0.0.0/99",)),
        ("username", "alone"),
        ("laws", ("opus",)),
        ("asserted_id", "022345678"),
        ("max_starts_per_minute", 601),
        ("domaine", "x"),
    ],
)
def test_a_mistake_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key.partition("_")[0]):
        SipTrunk.model_validate({**sip_trunk(5060).model_dump(), key: value})


def test_mistakes_are_told_by_the_keys_place_in_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        parsed({"driver": "sip", "name": "a", "servers": [{"host": "h", "prot": 5}]})
    assert (
        caught.value.mistakes
        == (
            "voice.trunk.caller_id is missing",
            "voice.trunk.servers[1].prot is not a known key; did you mean port?",
        )
        or "voice.trunk.caller_id is missing" in caught.value.mistakes
    )
    with pytest.raises(SettingsError, match="sap"):
        parsed({"driver": "sap"})


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    example = {k: v for k, v in examples()["sip"].items() if k != "password"}
    trunk = parsed(example | {"password_file": str(tmp_path / "secret")})
    assert trunk.password.get_secret_value() == "geheim"
    assert "geheim" not in repr(trunk)
