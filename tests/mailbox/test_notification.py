"""Bounces, complaints and unsubscriptions: read from mails that Python's own email package writes, and from garbage."""

from email import message_from_string
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mailbox.mime import Limits, Unreadable
from gateway.mailbox.notification import Notification, Said, read_notification, tags_in

OURS = "bounce@alerts.example"
TAG = "12.345.abcdefgh"
LIMITS = Limits()


def report(
    kind: str, body: str, *, to: str = f"bounce+{TAG}@alerts.example", returned: str | EmailMessage = ""
) -> bytes:
    whole = MIMEMultipart("report", report_type=kind, policy=SMTP)
    whole["From"], whole["To"], whole["Subject"] = "MAILER-DAEMON@mx.example", to, "Undelivered"
    whole["Auto-Submitted"] = "auto-replied"
    whole.attach(MIMEText("I am sorry."))
    machine = MIMEBase("message", kind)
    blocks: list[Message[str, str] | str] = [message_from_string(block) for block in body.split("\n\n")]
    machine.set_payload(blocks if kind == "delivery-status" else body)
    whole.attach(machine)
    if isinstance(returned, EmailMessage):
        whole.attach(MIMEMessage(returned))
    elif returned:
        header = MIMEBase("text", "rfc822-headers")
        header.set_payload(returned)
        whole.attach(header)
    return whole.as_bytes()


def status(action: str, code: str, *, envid: str = "") -> str:
    whole = "Reporting-MTA: dns; mx.example\n" + (f"Original-Envelope-Id: {envid}\n" if envid else "")
    return f"{whole}\nFinal-Recipient: rfc822; jan@x.example\nAction: {action}\nStatus: {code} (no such user)\n"


def read(raw: bytes) -> Notification | Unreadable:
    return read_notification(raw, OURS, LIMITS)


@pytest.mark.parametrize(
    ("action", "said"),
    [("failed", Said.BOUNCED), ("Delayed", Said.DELAYED), ("delivered", Said.ARRIVED), ("relayed", Said.ARRIVED)],
)
def test_a_delivery_status_says_what_became_of_a_mail(action: str, said: Said) -> None:
    raw = report("delivery-status", status(action, "5.1.1"))
    assert read(raw) == Notification(said, (TAG,), "5.1.1")


def test_the_gravest_of_several_recipients_counts() -> None:
    body = status("delivered", "2.0.0") + "\nFinal-Recipient: rfc822; a@x.example\nAction: failed\nStatus: 5.2.2\n"
    assert read(report("delivery-status", body)) == Notification(Said.BOUNCED, (TAG,), "5.2.2")


def test_a_folded_field_and_an_unknown_action_are_read_as_they_are() -> None:
    folded = status("failed", "5.1.1").replace("Action: failed", "Action:\n failed")
    assert read(report("delivery-status", folded)) == Notification(Said.BOUNCED, (TAG,), "5.1.1")
    assert isinstance(read(report("delivery-status", status("exploded", "5.1.1"))), Unreadable)


def test_the_envelope_id_names_the_mail_when_the_address_does_not() -> None:
    body = status("failed", "5.1.1", envid="12.345+2Eabcdefgh")
    raw = report("delivery-status", body, to="postmaster@alerts.example")
    assert read(raw) == Notification(Said.BOUNCED, (TAG,), "5.1.1")


@pytest.mark.parametrize("field", [f"X-Alert-Delivery: {TAG}", f"Return-Path: <bounce+{TAG}@alerts.example>"])
def test_the_returned_header_names_the_mail_when_nothing_else_does(field: str) -> None:
    raw = report("delivery-status", status("failed", "5.1.1"), to="x@y.example", returned=f"Subject: x\n{field}\n")
    assert read(raw) == Notification(Said.BOUNCED, (TAG,), "5.1.1")


def test_the_address_is_believed_before_the_envelope_id_and_that_before_the_returned_header() -> None:
    """What relays forward and rewrite may disagree: the tag that came the shortest way is tried first."""
    returned = "X-Alert-Delivery: 12.3.abcdefgh\nReturn-Path: <bounce+12.4.abcdefgh@alerts.example>\n"
    body = status("failed", "5.1.1", envid="12.2.abcdefgh")
    raw = report("delivery-status", body, to="bounce+12.1.abcdefgh@alerts.example", returned=returned)
    assert read(raw) == Notification(Said.BOUNCED, tuple(f"12.{n}.abcdefgh" for n in (1, 2, 3, 4)), "5.1.1")


def test_a_complaint_names_the_mail_by_the_whole_message_that_it_returns() -> None:
    """It goes to whoever registered for complaints, not to the envelope sender.  # RFC 5965 §2"""
    ours = EmailMessage(policy=SMTP)
    ours["X-Alert-Delivery"], ours["Subject"] = TAG, "Feedback-Type: not-spam"
    ours.set_content("Sluit ramen en deuren.")
    complaint = "Feedback-Type: abuse\nVersion: 1\n"
    raw = report("feedback-report", complaint, to="fbl@alerts.example", returned=ours)
    assert read(raw) == Notification(Said.COMPLAINED, (TAG,), "")


def test_a_complaint_counts_and_other_feedback_does_not() -> None:
    complaint = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
    assert read(report("feedback-report", complaint)) == Notification(Said.COMPLAINED, (TAG,), "")
    assert isinstance(read(report("feedback-report", complaint.replace("abuse", "not-spam"))), Unreadable)


def test_one_word_as_the_subject_unsubscribes_unless_a_machine_wrote_it() -> None:
    mail = EmailMessage(policy=SMTP)
    mail["To"], mail["Subject"] = f"Bounce+{TAG}@alerts.example", " Unsubscribe "
    mail.set_content("please")
    assert read(bytes(mail)) == Notification(Said.UNSUBSCRIBED, (TAG,), "")
    mail["Auto-Submitted"] = "auto-replied"
    assert isinstance(read(bytes(mail)), Unreadable)


def test_an_out_of_office_note_says_nothing() -> None:
    mail = EmailMessage(policy=SMTP)
    mail["To"], mail["Subject"], mail["Auto-Submitted"] = f"bounce+{TAG}@alerts.example", "Away", "auto-replied"
    mail.set_content("550 5.1.1 user unknown, haha")
    assert isinstance(read(bytes(mail)), Unreadable)


def test_what_names_no_mail_of_ours_is_none() -> None:
    raw = report("delivery-status", status("failed", "5.1.1"), to=f"bounce+{TAG}@elsewhere.example")
    assert isinstance(read(raw), Unreadable)


def test_tags_are_read_from_whole_addresses_only() -> None:
    assert tags_in(f'"x" <BOUNCE+{TAG}@Alerts.Example>, b@c.example', OURS) == [TAG]
    for wrong in (f"xbounce+{TAG}@alerts.example", f"bounce+{TAG}@alerts.example.evil", "bounce+@alerts.example"):
        assert tags_in(wrong, OURS) == []


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    complaint = report("feedback-report", "Feedback-Type: abuse")
    for raw in (noise, report("delivery-status", "x") + noise, complaint[:150] + noise + complaint[150:]):
        assert isinstance(read(raw), Notification | Unreadable)


def test_a_report_of_many_groups_is_read_in_bounded_time() -> None:
    body = status("delayed", "4.0.0") + "\nAction: delayed\n" * 20_000
    found = read(report("delivery-status", body))
    assert isinstance(found, Notification)
    assert found.said is Said.DELAYED
