"""Settings of an SMS provider: what fits together, and parts counted as they are sent."""

import pytest
from pydantic import ValidationError

from gateway.channels.sms_settings import SmsProviderSettings, sms_counter
from gateway.smpp.national import Language
from gateway.smpp.text import Carriage, Way


def settings(**more: object) -> SmsProviderSettings:
    given = {"name": "one", "host": "smsc.example", "system_id": "me", "password": "secret", "source_addr": "BE-Alert"}
    return SmsProviderSettings.model_validate({**given, **more})


@pytest.mark.parametrize(
    ("words", "expected"),
    [("short", ("gsm7", 1)), ("x" * 161, ("gsm7", 2)), ("Ж" * 71, ("ucs2", 2)), ("ş" * 140, ("ucs2", 3))],
)
def test_sms_are_counted_as_they_are_sent(words: str, expected: tuple[str, int]) -> None:
    """In the words of the API."""
    assert sms_counter([])(words) == sms_counter([settings()])(words) == expected


def test_parts_are_those_of_the_provider_that_needs_the_most() -> None:
    turkish, wide = settings(national_tables=["turkish"]), settings(wide_reference=True)
    assert sms_counter([turkish])("ş" * 140) == ("gsm7", 1)
    assert sms_counter([turkish, settings()])("ş" * 140) == ("ucs2", 3)
    assert [sms_counter(some)("x" * 153 * 2)[1] for some in ([settings()], [settings(), wide])] == [2, 3]


def test_settings_say_how_texts_travel() -> None:
    assert settings().way() == Way()
    assert settings(long_messages="sar", wide_reference=True).way() == Way(Carriage.SAR, True)
    assert settings(national_tables=["urdu"]).way().languages == (Language.URDU,)


@pytest.mark.parametrize("carriage", ["sar", "payload"])
def test_national_tables_need_a_header_that_names_them(carriage: str) -> None:
    with pytest.raises(ValidationError, match="national_tables needs long_messages 'header'"):
        settings(national_tables=["turkish"], long_messages=carriage)


def test_only_ids_that_are_kept_as_given_can_be_cancelled() -> None:
    assert settings(cancel_sm=True).cancel_sm
    with pytest.raises(ValidationError, match="message_id_rule 'raw'"):
        settings(cancel_sm=True, message_id_rule="hex->decimal")
