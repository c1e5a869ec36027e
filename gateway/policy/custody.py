"""Who had a campaign, in which state, for how long: the part of the record that a report carries.

Knows: the events of a campaign. Never knows: SQL, clocks, the names of people.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.policy.report_rows import EventRow

AGREED, VOID = "agreed", "agreement void"
LETS_GO = frozenset({AGREED, "approved", "broken glass"})


def custody(events: Sequence[EventRow], until: datetime | None) -> list[dict[str, Any]]:
    """One entry for every event: what was done, by whom, and how long the state that it led to lasted. `until` is
    when the campaign closed; the last state of one that is open has no end yet."""
    ordered = sorted(events, key=lambda event: event.at)
    ends = [*(event.at for event in ordered[1:]), until][: len(ordered)]
    return [
        {
            "at": _at(event.at),
            "what": event.event,
            "by": event.actor,
            "state": event.state,
            "seconds": None if end is None else round(max(0.0, (end - event.at).total_seconds()), 3),
        }
        for event, end in zip(ordered, ends, strict=True)
    ]


def approved_by(events: Sequence[EventRow]) -> list[str]:
    """Who let the campaign go, in order: all who agreed to what it was then; nobody where the rule asks for nobody."""
    found: list[str] = []
    for event in sorted(events, key=lambda event: event.at):
        if event.event == VOID:
            found.clear()
        elif event.event in LETS_GO:
            found.append(event.actor)
    return found


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
