"""The feed's keys: dates of certificates, and what can not sign."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from gateway.errors import SettingsError
from gateway.flows.feed_settings import FeedSettings, SigningSettings
from gateway.settings import parse
from tests.cap.signed import issued, rsa_key
from tests.support.keys import SINCE, UNTIL, signer

BASE = {"database": {"dsn": "postgresql://x@localhost/x"}}


def test_without_keys_nothing_is_signed() -> None:
    assert FeedSettings().pairs() == []


def test_a_key_and_its_certificate_are_read_from_files_beside_the_configuration(tmp_path: Path) -> None:
    own = signer()
    (tmp_path / "a.key").write_bytes(own.key_pem)
    (tmp_path / "a.pem").write_bytes(own.pem)
    table = {"key_file": "a.key", "certificate_file": "a.pem"}
    (pair,) = parse({**BASE, "feed": {"signing": [table]}}, folder=tmp_path).feed.pairs()
    assert (pair.fingerprint, pair.not_before, pair.not_after) == (own.fingerprint, SINCE, UNTIL)


def test_a_certificate_of_another_key_is_said_when_the_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.key").write_bytes(signer().key_pem)
    (tmp_path / "b.pem").write_bytes(signer("B", rsa_key(14)).pem)
    table = {"key_file": "a.key", "certificate_file": "b.pem"}
    with pytest.raises(SettingsError, match="certificate is not that of the key"):
        parse({**BASE, "feed": {"signing": [table]}}, folder=tmp_path)


@pytest.mark.parametrize("key", ["", "nonsense", issued("Weak", rsa_key(0, 1024)).key_pem.decode()])
def test_what_can_not_sign_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValidationError) as found:
        SigningSettings(key=SecretStr(key), certificate=SecretStr(signer().pem.decode()))
    assert "PRIVATE KEY-----" not in str(found.value)
