"""Deliveries into mails: stable identities, tags that can not be made up, headers that an alert must carry."""

import email
import email.policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.area import Disc
from gateway.channels.email_writer import Identity, Tag, Writer
from gateway.model import Delivery, MessageClass, Mode
from gateway.policy.compose import content_id
from tests.channels.email_help import lease, text

NOW_S = 1_795_000_000
BIG = st.integers(0, 2**62)


def writer(**changes: Any) -> Writer:
    """A writer with a usual identity."""
    values: dict[str, Any] = {
        "from_address": "no-reply@alerts.example",
        "from_name": "Ville de Liège",
        "envelope_address": "bounce@alerts.example",
        "message_id_domain": "alerts.example",
        "secret": b"key",
    }
    return Writer(Identity(**{**values, **changes}))


def mail(by: Writer, seq: int = 3, address: str = "user@example.net", **changes: Any) -> EmailMessage:
    """One mail as its receiver reads it."""
    envelope = by.envelope(Delivery(lease(), seq, address, text(**changes)), NOW_S)
    assert envelope is not None
    message = email.message_from_bytes(b"".join(envelope.content)[:-3], policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_an_alert_says_who_for_whom_when_and_that_a_machine_sent_it() -> None:
    message = mail(writer(), mode=Mode.EXERCISE)
    assert message["From"] == "Ville de Liège <no-reply@alerts.example>"
    assert message["To"] == "user@example.net"
    assert message["Subject"] == "Alerte: incendie à Gand"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Alert-Mode"] == "exercise"
    assert message["Content-Language"] == "fr"
    assert parsedate_to_datetime(message["Date"]).timestamp() == NOW_S


def test_the_alert_itself_goes_along_when_there_is_one() -> None:
    parts = list(mail(writer(), attachment=b"<alert/>").iter_attachments())
    assert [(part.get_content_type(), part.get_payload(decode=True)) for part in parts] == [
        ("application/cap+xml", b"<alert/>")
    ]


def test_the_page_finds_the_map_that_it_shows() -> None:
    name = content_id((Disc(4.0, 51.0, 1.0),), ())
    html = f'<p><img src="cid:{name}" alt="Map: Ghent"></p>'
    (page,) = [
        part for part in mail(writer(), html=html, picture=b"PNG").walk() if part.get_content_maintype() == "image"
    ]
    assert (page["Content-ID"], page.get_payload(decode=True)) == (f"<{name}>", b"PNG")
    assert "image" not in {part.get_content_maintype() for part in mail(writer(), html=html).walk()}


@pytest.mark.parametrize(
    "reference", ["cmp-4f", "9b2f0c1e-55aa-4d20-8a7e-000000000001", "", "a b\r\nX: y", "é" * 99, "-x"]
)
def test_the_message_id_is_the_same_for_every_attempt_and_another_for_every_recipient(reference: str) -> None:
    first = mail(writer(), 1, reference=reference)["Message-ID"]
    assert mail(writer(), 1, reference=reference, body="other words")["Message-ID"] == first
    assert mail(writer(), 2, reference=reference)["Message-ID"] != first
    assert mail(writer(), 1, reference=reference, key=2)["Message-ID"] != first
    assert first.endswith("@alerts.example>")
    assert mail(writer(), 1, reference=reference)["X"] is None


def test_the_envelope_sender_names_the_delivery() -> None:
    by = writer()
    envelope = by.envelope(Delivery(lease(), 3, "user@example.net", text()), NOW_S)
    assert envelope is not None
    local, _, domain = envelope.sender.decode().rpartition("@")
    assert (local.split("+")[0], domain) == ("bounce", "alerts.example")
    assert Tag(b"key").read(local.split("+")[1]) == (7, 3)
    assert envelope.envid.decode() == local.split("+")[1]
    assert len(local) <= 64


def test_a_percent_sign_in_the_bounce_address_is_only_a_percent_sign() -> None:
    by = writer(envelope_address="b%bounce@alerts.example", secret=b"")
    envelope = by.envelope(Delivery(lease(), 3, "user@example.net", text()), NOW_S)
    assert envelope is not None
    assert envelope.sender == b"b%bounce+7.3@alerts.example"


def test_unsubscribing_is_one_click_and_never_offered_for_urgent_messages() -> None:
    by = writer(unsubscribe_url="https://alerts.example/u%20/{tag}?x=1")
    message = mail(by, key=2, message_class=MessageClass.NEWS)
    tag = Tag(b"key").make(7, 3)
    assert message["List-Unsubscribe"] == f"<https://alerts.example/u%20/{tag}?x=1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail(by)["List-Unsubscribe"] is None
    assert mail(writer(), key=2, message_class=MessageClass.NEWS)["List-Unsubscribe"] is None


def test_an_address_that_is_none_gives_no_envelope() -> None:
    assert writer().envelope(Delivery(lease(), 1, "no address", text()), NOW_S) is None


def test_texts_beyond_the_bound_are_rendered_again() -> None:
    by = writer()
    for key in range(200):
        assert mail(by, key=key, subject=f"number {key}")["Subject"] == f"number {key}"
    assert len(by._pages) <= 64
    assert mail(by, key=0, subject="number 0")["Subject"] == "number 0"


@given(BIG, BIG, st.binary(max_size=80))
def test_a_tag_is_read_back_in_any_case(campaign: int, seq: int, secret: bytes) -> None:
    tag = Tag(secret)
    assert tag.read(tag.make(campaign, seq).upper()) == (campaign, seq)


@given(BIG, BIG, BIG)
def test_a_tag_of_another_delivery_or_another_secret_is_not_ours(campaign: int, seq: int, other: int) -> None:
    ours = Tag(b"ours")
    mac = ours.make(campaign, seq).rpartition(".")[2]
    if other != seq:
        assert ours.read(f"{campaign}.{other}.{mac}") is None
    assert ours.read(Tag(b"theirs").make(campaign, seq)) is None
    assert ours.read(f"{campaign}.{seq}") is None
    assert Tag(b"").read(ours.make(campaign, seq)) is None


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_of_tags_raise(tag: str) -> None:
    assert Tag(b"ours").read(tag) is None
