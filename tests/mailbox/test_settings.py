"""Settings of mailboxes."""

import pytest
from pydantic import ValidationError

from gateway.channels.email_settings import EmailSettings
from gateway.mailbox.settings import BoxSettings, MailboxSection
from tests.mailbox.stand import box_settings


def test_a_password_goes_in_the_clear_to_this_machine_only() -> None:
    assert box_settings(host="localhost").tls_context() is None
    assert box_settings(host="::1").security == "none"
    for host in ("imap.example", "192.0.2.1"):
        with pytest.raises(ValidationError, match="clear"):
            box_settings(host=host)
        assert box_settings(host=host, security="tls").tls_context() is not None


@pytest.mark.parametrize(
    "change",
    [{"addresses": ("no address",)}, {"name": "Has Space"}, {"look_s": 0}, {"folder": "a\r\nb"}, {"unknown": 1}],
)
def test_what_can_not_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        box_settings(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"sender": "with space"}, {"sender": "a,b"}, {"nameservers": ("dns.example",)}, {"max_parts": 0}]
)
def test_what_a_section_can_not_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MailboxSection(**change)


def test_two_boxes_of_one_name_are_refused_and_limits_are_handed_on() -> None:
    box = box_settings(addresses=("Alerts@Gateway.example",))
    assert isinstance(box, BoxSettings)
    assert box.addresses == ("alerts@gateway.example",)
    with pytest.raises(ValidationError, match="same name"):
        MailboxSection(boxes=(box, box))
    section = MailboxSection(boxes=(box,), max_parts=7, max_mail_bytes=100_000)
    assert (section.limits().parts, section.limits().decoded_bytes) == (7, 100_000)


def test_answers_need_a_relay_and_returns_a_secret() -> None:
    plain = {"from_address": "a@x.example", "envelope_address": "b@x.example", "message_id_domain": "x.example"}
    without = EmailSettings.model_validate(plain)
    whole = EmailSettings.model_validate(plain | {"relays": [{"name": "r", "host": "h"}], "verp_secret": "s" * 16})
    box = {"name": "alerts", "host": "h", "username": "u", "password": "p"}
    answering = MailboxSection.model_validate({"boxes": [box], "sender": "gateway@x.example"})
    returning = MailboxSection.model_validate({"boxes": [box | {"takes": "returns"}]})
    assert "email.relays" in answering.problem(without) and "email.relays" in answering.problem(None)
    assert "email.verp_secret" in returning.problem(without)
    assert answering.problem(whole) == returning.problem(whole) == MailboxSection().problem(None) == ""
