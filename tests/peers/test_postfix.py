"""The e-mail channel through real relays: Postfix on loopback, and smtp-sink, which takes or refuses everything."""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from gateway.channels.email import Security, Tag
from gateway.model import MessageClass, OutcomeKind
from tests.channels.email_help import BODY, Ledger, Queue, deliveries, email_settings, people, relay, running
from tests.support import peers
from tests.support.ports import free_port
from tests.support.waiting import until

ALERT = b"<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>"


class Postfix:
    """A running Postfix and what it left in its folder."""

    def __init__(self, folder: Path, port: int, smtps: int) -> None:
        self.folder = folder
        self.port = port
        self.smtps = smtps

    def mails(self, user: str) -> list[EmailMessage]:
        """What was delivered to a mailbox."""
        found = []
        for file in sorted((self.folder / "mail" / user / "new").glob("*")):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found


@pytest.fixture
def postfix(public_path: Path) -> Iterator[Postfix]:
    """Postfix with TLS; what it relays goes nowhere."""
    port, smtps, sink = free_port(), free_port(), free_port()
    with peers.running("smtpsink.sh", public_path / "sink", sink):
        folder = public_path / "postfix"
        with peers.running("postfix.sh", folder, port, f"smtps={smtps}", f"sink={sink}"):
            yield Postfix(folder, port, smtps)


@pytest.mark.peer("postfix")
@pytest.mark.peer("smtp-sink")
@pytest.mark.peer("openssl")
async def test_postfix_takes_refuses_and_bounces_as_its_recipients_say(postfix: Postfix) -> None:
    """One Postfix for all of it, as it takes seconds to start."""
    wanted = {
        "alerts@test.invalid": OutcomeKind.ACCEPTED,
        "somebody@far.invalid": OutcomeKind.ACCEPTED,
        "unknown1@far.invalid": OutcomeKind.ACCEPTED,  # bounced later
        "nobody@test.invalid": OutcomeKind.FAILED,
        "gone1@far.invalid": OutcomeKind.FAILED,
        "busy1@far.invalid": OutcomeKind.RETRY,
        "anybody@elsewhere.invalid": OutcomeKind.FAILED,
    }
    secret = "tags"
    changes = {"message_id_domain": "test.invalid", "verp_secret": secret}
    trusted = postfix.folder / "tls.crt"
    for port, security in (
        (postfix.port, Security.STARTTLS),
        (postfix.smtps, Security.TLS),
        (postfix.port, Security.NONE),
    ):
        queue = Queue(deliveries(wanted, attachment=ALERT, message_class=MessageClass.URGENT))
        ledger = Ledger(queue)
        settings = email_settings(
            relay(port, security=security, ca_file=trusted),
            from_address="no-reply@test.invalid",
            envelope_address="bounce@test.invalid",
            **changes,
        )
        async with running(settings, queue, ledger):
            await until(lambda ledger=ledger: len(ledger.outcomes) == len(wanted))
        assert ledger.by_address == {address: [kind] for address, kind in wanted.items()}
        details = {one.delivery.address: one.detail for one in ledger.outcomes}
        assert details["nobody@test.invalid"] == "5.1.1 bad destination mailbox address"
        assert details["busy1@far.invalid"] == "4.2.2 mailbox full"
    await until(lambda: len(postfix.mails("alerts")) == 3 and len(postfix.mails("bounce")) == 3)
    arrived = postfix.mails("alerts")
    assert len({mail["Message-ID"] for mail in arrived}) == 1  # so that a receiver can drop the second and third
    body = arrived[0].get_body(("plain",))
    assert body is not None
    assert body.get_content() == BODY
    assert [part.get_payload(decode=True) for part in arrived[0].iter_attachments()] == [ALERT]
    seq = list(wanted).index("unknown1@far.invalid") + 1
    for bounce in postfix.mails("bounce"):
        tag = re.fullmatch(r"bounce\+(.+)@test\.invalid", str(bounce["To"]))
        assert tag is not None
        assert Tag(secret.encode()).read(tag[1]) == (7, seq)
        report = bounce.as_string()
        assert f"Original-Envelope-Id: {tag[1]}" in report
        assert "Original-Recipient: rfc822;unknown1@far.invalid" in report
        assert "Status: 5.1.1" in report


@pytest.mark.peer("smtp-sink")
async def test_smtp_sink_takes_every_mail_over_many_connections(public_path: Path, port: int) -> None:
    count = 2000
    with peers.running("smtpsink.sh", public_path, port, "-d", f"{public_path}/dump/%M."):
        queue = Queue(deliveries(people(count)))
        ledger = Ledger(queue)
        async with running(email_settings(relay(port, connections=20)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == count)
        kept = [file.read_text() for file in (public_path / "dump").iterdir()]
    assert {one.kind for one in ledger.outcomes} == {OutcomeKind.ACCEPTED}
    named = sorted(name for text in kept for name in re.findall(r"^X-Rcpt-Args: <([^>]+)>", text, re.M))
    assert named == sorted(people(count))


@pytest.mark.peer("smtp-sink")
@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (["-f", "RCPT"], {OutcomeKind.FAILED}),
        (["-r", "RCPT"], {OutcomeKind.RETRY}),
        (["-r", "MAIL"], {OutcomeKind.RETRY}),
        (["-f", "."], {OutcomeKind.FAILED}),
        (["-r", "DATA"], {OutcomeKind.RETRY}),
        (["-q", "."], {OutcomeKind.UNKNOWN}),
        (["-p"], {OutcomeKind.ACCEPTED}),
    ],
)
async def test_smtp_sink_refuses_hangs_up_and_goes_step_by_step(
    public_path: Path, port: int, options: list[str], kinds: set[OutcomeKind]
) -> None:
    with peers.running("smtpsink.sh", public_path, port, *options):
        queue = Queue(deliveries(people(20)))
        ledger = Ledger(queue, again=True)
        async with running(email_settings(relay(port)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == 20)
    assert {one.kind for one in ledger.outcomes} == kinds
    assert sorted(ledger.by_address) == sorted(people(20))


@pytest.mark.peer("smtp-sink")
async def test_a_sink_that_leaves_before_data_makes_nothing_unknown(public_path: Path, port: int) -> None:
    with peers.running("smtpsink.sh", public_path, port, "-q", "DATA"):
        queue = Queue(deliveries(people(3)))
        ledger = Ledger(queue)
        async with running(email_settings(relay(port)), queue, ledger):
            await until(lambda: len(ledger.outcomes) == 3)
    assert {one.kind for one in ledger.outcomes} == {OutcomeKind.UNSENT}
