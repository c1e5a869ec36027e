"""Ack and Error: the CAP message that tells a sender what became of his.

Knows: how a message answers another one. Never knows: mail, HTTP, who may be answered.
Standard: CAP 1.2 §3.2.1 (msgType, references, note), §2.3.

An answer is Private, to the sender of what it answers, and never answers an answer: two machines would not stop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.cap import dates
from gateway.cap.findings import Finding, quoted
from gateway.cap.model import CapAlert, CapReference, MsgType, Scope, Status
from gateway.cap.words import token_problem
from gateway.cap.write import write

MOST_NOTED = 20
LONGEST_NOTE = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What is answered, as far as it could be read: its three parts of identity as written, its status and msgType."""

    sender: str | None
    identifier: str | None
    sent: str | None
    status: str | None = None
    msg_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Who answers and when: the gateway's own CAP sender, an identifier nobody used before, the moment."""

    sender: str
    identifier: str
    now: datetime


def acknowledge(answered: Answered, by: Answerer, note: str) -> bytes | None:
    """A CAP Ack whose note says what was accepted (the campaign), None when this may or can not be answered."""
    return _answer(answered, by, MsgType.ACK, note)


def object_to(answered: Answered, by: Answerer, note: str, findings: Sequence[Finding]) -> bytes | None:
    """A CAP Error whose note says why and lists the findings, errors first; None as above. # CAP 1.2 §3.2.1, note"""
    return _answer(answered, by, MsgType.ERROR, note_of(note, findings))


def note_of(note: str, findings: Sequence[Finding]) -> str:
    """The sentence and a line for each finding, at most MOST_NOTED and LONGEST_NOTE, with what was left out counted."""
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    lines = [note, *(_line(finding) for finding in ordered[:MOST_NOTED])]
    left = len(ordered) - MOST_NOTED
    while len(lines) > 1 and sum(len(line) + 1 for line in lines) > LONGEST_NOTE - 40:
        lines.pop()
        left = len(ordered) - len(lines) + 1
    return "\n".join([*lines, f"... and {left} more"] if left > 0 else lines)[:LONGEST_NOTE]


def _line(finding: Finding) -> str:
    where = finding.element if finding.line is None else f"line {finding.line}, {finding.element}"
    said = quoted(finding.message, 400)[1:-1] if len(finding.message) <= 400 else quoted(finding.message, 400)
    return f"{finding.id} {finding.severity} ({where}): {said}"


def _answer(answered: Answered, by: Answerer, kind: MsgType, note: str) -> bytes | None:
    reference = _reference(answered)
    if reference is None or answered.msg_type in (MsgType.ACK.value, MsgType.ERROR.value):
        return None
    assert reference.sent is not None
    # a message can not refer to a later one: a sender whose clock is ahead is answered in his time
    sent = max(by.now, reference.sent)
    alert = CapAlert(
        identifier=by.identifier,
        sender=by.sender,
        sent=sent,
        sent_text=dates.write(sent),
        status=_status(answered.status),
        msg_type=kind,
        scope=Scope.PRIVATE,
        addresses=(reference.sender,),
        note=note,
        references=(reference,),
    )
    return write(alert)


def _status(status: str | None) -> Status:
    """That of what is answered; of what can not be read, that of messages between systems. # CAP 1.2 §3.2.1, status"""
    return Status(status) if status in set(Status) else Status.SYSTEM


def _reference(answered: Answered) -> CapReference | None:
    """None when a part is missing, or can not stand in references or addresses."""
    sender, identifier = (answered.sender or "").strip(), (answered.identifier or "").strip()
    sent = (answered.sent or "").strip()
    if token_problem(sender) or token_problem(identifier) or '"' in sender or not (sender + identifier).isprintable():
        return None
    at = dates.read_leniently(sent).at
    return None if at is None else CapReference(sender=sender, identifier=identifier, sent=at, sent_text=sent)
