"""Answers in CAP: what became of an alert, as an Ack or Error to its sender, for every way by which alerts come.

Knows: what was stored of an alert, what the intake said of it. Never knows: HTTP, mail, who asked for an answer.
Standard: CAP 1.2 §3.2.1 (msgType, references, note).

The same alert is always answered by the same bytes: the answer's identity is made of ours for the alert, its time is
that of receipt. Answers are never answered.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from gateway.cap.answer import Answered, Answerer, acknowledge, note_of, object_to
from gateway.cap.findings import Finding
from gateway.cap.model import MsgType
from gateway.store import alerts
from gateway.store.pool import Store

_SAYS_ANSWER = re.compile(rb"<(?:[\w.-]{1,40}:)?msgType>\s{0,100}(Ack|Error)\s{0,100}<")
_TECHNICAL = (MsgType.ACK.value, MsgType.ERROR.value)


class Told(Protocol):
    """What the intake says of one alert."""

    @property
    def status(self) -> int:
        """As for HTTP."""

    @property
    def body(self) -> Mapping[str, Any]:
        """As for HTTP."""


class Worded(NamedTuple):
    """An answer: a line about it, its words, and the CAP document, None when nothing can refer to the alert."""

    subject: str
    note: str
    document: bytes | None


class CapAnswers:
    """Words the gateway's answers. `sender` is its own CAP sender."""

    def __init__(self, store: Store, *, sender: str) -> None:
        self._store = store
        self._sender = sender

    async def worded(self, raw: bytes, told: Told, entity_id: int) -> Worded | None:
        """The answer to these bytes, which the intake has stored; None for what is an answer itself."""
        if _SAYS_ANSWER.search(raw):
            return None
        public_id = str(told.body.get("alert", ""))
        async with self._store.tenant(entity_id) as connection:
            row = await alerts.answered_alert(connection, public_id, entity_id)
        if row is None or row["msg_type"] in _TECHNICAL:
            return None
        names = ("sender", "identifier", "sent", "status", "msg_type")
        answered = Answered(**{name: row[name] for name in names})
        by = Answerer(sender=self._sender, identifier=f"answer-{public_id}", now=row["received_at"])
        findings = [Finding(**found) for found in told.body.get("findings", ())]
        if told.status < 400:
            note = _accepted(told.body)
            subject = f"Accepted: {public_id}, campaign {told.body.get('campaign', '')}"
            return Worded(subject, note, acknowledge(answered, by, note_of(note, findings)))
        note = _refused(told)
        return Worded(f"Refused: {public_id}", note, object_to(answered, by, note, findings))


def _accepted(body: Mapping[str, Any]) -> str:
    return (
        f"Accepted as campaign {body.get('campaign', '')} (alert {body.get('alert', '')}). "
        f"State at acceptance: {body.get('state', '')}."
    )


def _refused(told: Told) -> str:
    help_ = ", ".join(str(word) for word in told.body.get("help", {}).values())
    note = f"Refused ({told.body.get('reason', told.status)}): {told.body.get('detail', '')}"
    return f"{note} Help: {help_}." if help_ else note
