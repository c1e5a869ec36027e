"""The heartbeat: an alert of status System that says nothing but that the gateway publishes.

Knows: how a beat is numbered and what it says. Never knows: clocks (`now` is an argument), stores, feeds.
Standard: CAP 1.2 §3.2.1 (status System: for messages that support alert network internal functions).

Beats are a function of time alone, so that every node publishes the same ones.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.cap import dates
from gateway.cap.model import CapAlert, CapInfo, Category, Certainty, MsgType, Scope, Severity, Status, Urgency

PREFIX = "heartbeat-"
REMEMBERED = 300
"""How many beats back one can still be read."""

_NAME = re.compile(rf"{PREFIX}([0-9]{{1,12}})", re.ASCII)
_MISSED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Every how many seconds there is a beat, and who signs it as its CAP sender."""

    period_s: int
    sender: str

    def number(self, now: datetime) -> int:
        """The number of the beat of this moment."""
        return int(now.timestamp()) // self.period_s

    def named(self, name: str, now: datetime) -> int | None:
        """The number in a beat's name; None when there was no such beat, or it is long ago."""
        found = _NAME.fullmatch(name)
        latest = self.number(now)
        number = int(found[1]) if found else -1
        return number if latest - REMEMBERED <= number <= latest else None

    def at(self, number: int) -> datetime:
        """When a beat was due."""
        return datetime.fromtimestamp(number * self.period_s, UTC)

    def alert(self, number: int) -> CapAlert:
        """The beat. A reader that has none younger than its expiry should look after its connection, or call us."""
        sent = self.at(number)
        words = f"The publishing of alerts works. The next heartbeat is due {self.period_s} seconds after this one."
        info = CapInfo(
            event="Heartbeat",
            category=(Category.OTHER,),
            urgency=Urgency.UNKNOWN,
            severity=Severity.MINOR,
            certainty=Certainty.OBSERVED,
            language="en",
            expires=sent + timedelta(seconds=_MISSED * self.period_s),
            headline="Heartbeat",
            description=words,
        )
        return CapAlert(
            identifier=f"{PREFIX}{number}",
            sender=self.sender,
            sent=sent,
            sent_text=dates.write(sent),
            status=Status.SYSTEM,
            msg_type=MsgType.ALERT,
            scope=Scope.PUBLIC,
            note="No alert: ignore this message unless you watch the feed itself.",
            info=(info,),
        )
