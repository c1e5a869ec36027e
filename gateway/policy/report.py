"""How far a campaign is, and what became of it: counts, times, reasons, texts and a ledger, as plain data.

Knows: the columns of the queries it is fed with, what each state means to people.
Never knows: SQL, clocks, who was alerted. Nothing is rounded up: unknown stays unknown, and what may have arrived
twice is said. gateway.policy.report_text makes text and CSV of a report.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.model import ChannelName, DeliveryState
from gateway.policy.custody import approved_by, custody
from gateway.policy.reasons import ACCEPTED, reason
from gateway.policy.report_rows import (
    CampaignFacts,
    CostRow,
    CountsRow,
    EventRow,
    MilestoneRow,
    ReportRow,
    TextRow,
    TimesRow,
)  # fmt: skip
from gateway.policy.report_text import LATE_ENDS, as_csv, as_text
from gateway.policy.tariff import eur

__all__ = [
    "CampaignFacts", "ChannelProgress", "CostRow", "CountsRow", "EventRow", "MilestoneRow", "Progress", "ReportRow",
    "TextRow", "TimesRow", "as_csv", "as_json", "as_text", "build_report", "progress",
]  # fmt: skip

FORMAT = 1
LIVE = 1  # of delivery.transport
CHANNELS: Mapping[int, ChannelName] = {1: ChannelName.SMS, 2: ChannelName.VOICE, 3: ChannelName.EMAIL}
PERCENTS = (50, 90, 99)
COUNTS = ("planned", "queued", "in_flight", "submitted", "delivered", "failed", "expired", "cancelled", "unknown")
OPEN = ("queued", "in_flight")
STATE_COUNT: Mapping[DeliveryState, str] = {
    DeliveryState.QUEUED: "queued",
    DeliveryState.RETRY_WAIT: "queued",
    DeliveryState.SUBMITTING: "in_flight",
    DeliveryState.SUBMITTED: "submitted",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.FAILED: "failed",
    DeliveryState.CANCELLED: "cancelled",
    DeliveryState.EXPIRED: "expired",
    DeliveryState.UNKNOWN: "unknown",
}
_LEFT = frozenset({DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProgress:
    """One channel now. `awaiting` of `submitted` may still get a receipt; `left_s` maps 50, 90 and 99 to the seconds
    from acceptance until that share had left; `percent` have left; `eta_s` estimates when the last one will have."""

    planned: int
    queued: int
    in_flight: int
    submitted: int
    delivered: int
    failed: int
    expired: int
    cancelled: int
    unknown: int
    awaiting: int
    left_s: Mapping[str, float | None]
    percent: float
    eta_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A campaign now, by channel. `planned` tells whether all deliveries are known already."""

    campaign: str
    state: str
    planned: bool
    age_s: float
    channels: Mapping[str, ChannelProgress]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)


def progress(
    *,
    campaign: str,
    state: str,
    planned: bool,
    created_at: datetime,
    now: datetime,
    counts: Sequence[CountsRow],
    milestones: Sequence[MilestoneRow] = (),
    first_submit_at: datetime | None = None,
) -> Progress:
    """How far a campaign is at `now`. The estimate goes by the speed since the first submission."""
    sending_s = (now - first_submit_at).total_seconds() if first_submit_at and planned else 0.0
    left_s = _milestones(milestones, created_at)
    return Progress(
        campaign=campaign,
        state=state,
        planned=planned,
        age_s=max(0.0, (now - created_at).total_seconds()),
        channels={
            CHANNELS[row.channel].value: _channel_progress(row, left_s[row.channel], sending_s) for row in counts
        },
    )


def _channel_progress(row: CountsRow, left_s: Mapping[str, float], sending_s: float) -> ChannelProgress:
    waiting = row.queued + row.in_flight
    gone = row.planned - waiting
    return ChannelProgress(
        **{name: getattr(row, name) for name in (*COUNTS, "awaiting")},
        left_s={str(percent): left_s.get(str(percent)) for percent in PERCENTS},
        percent=_percent(gone, row.planned),
        eta_s=0.0 if not waiting else round(waiting * sending_s / gone, 1) if gone > 0 and sending_s > 0 else None,
    )


def _percent(part: int, whole: int) -> float:
    """Cut, not rounded: 100 means all of them."""
    return int(1000 * part / whole) / 10 if whole else 100.0


def _milestones(rows: Iterable[MilestoneRow], since: datetime) -> defaultdict[int, dict[str, float]]:
    found: defaultdict[int, dict[str, float]] = defaultdict(dict)
    for row in rows:
        found[row.channel][str(row.percent)] = round((row.at - since).total_seconds(), 3)
    return found


def build_report(
    facts: CampaignFacts,
    *,
    rows: Sequence[ReportRow],
    times: Sequence[TimesRow],
    texts: Sequence[TextRow],
    events: Sequence[EventRow],
    counts: Sequence[CountsRow],
    findings: Sequence[Mapping[str, Any]] | None = None,
    milestones: Sequence[MilestoneRow] = (),
    costs: Sequence[CostRow] = (),
) -> dict[str, Any]:
    """The report, as data that JSON can hold. `findings` defaults to the alert's own. Late receipts are not in it:
    they come as an addendum beside it."""
    said = list(facts.findings if findings is None else findings)
    channels = _channels(facts, rows, times, counts)
    return {
        "format": FORMAT,
        "campaign": facts.public_id,
        "alert": {
            "id": facts.alert, "identifier": facts.identifier, "sender": facts.sender, "sent": facts.sent,
            "msg_type": facts.msg_type, "status": facts.status, "scope": facts.scope,
        },
        "entity": {"slug": facts.entity, "name": facts.entity_name},
        "mode": facts.mode,
        "transports": _transports(rows),
        "message_class": facts.message_class,
        "purpose": facts.purpose,
        "state": facts.state,
        "closure": facts.closure,
        "final": facts.state == "closed",
        "times": _times(facts),
        "totals": {name: sum(channel[name] for channel in channels.values()) for name in (*COUNTS, "sent_again")},
        "channels": channels,
        "texts": [_text(row) for row in sorted(texts, key=lambda row: (row.channel, row.key))],
        "ledger": _ledger(facts, events, milestones),
        "custody": custody(events, facts.closed_at),
        "approved_by": approved_by(events),
        "cost": cost_of(costs),
        "area_left_out": [str(one.get("message", "")) for one in said if _is_left_out(one)],
        "findings": said,
        "remarks": _remarks(channels, counts),
    }  # fmt: skip


def late_receipts(report: Mapping[str, Any], counts: Mapping[ChannelName, Mapping[str, int]]) -> list[dict[str, Any]]:
    """What networks said after the final report was written: by channel, how many more arrived or did not."""
    found = []
    for name, channel in report["channels"].items():
        now = counts.get(ChannelName(name), {})
        more = {end: now.get(end, 0) - channel[end] for end in LATE_ENDS}
        if any(late > 0 for late in more.values()):
            found.append({"channel": name} | more)
    return found


def cost_of(rows: Sequence[CostRow]) -> dict[str, Any]:
    """What the campaign cost, ex VAT; nothing is here until it is closed, nor for what reached simulators only."""
    return {
        "amount_eur": eur(sum((row.amount for row in rows), Decimal(0))),
        "prepaid_units": sum(row.prepaid for row in rows),
        "lines": [
            {
                "channel": CHANNELS[row.channel].value, "prefix": row.prefix, "messages": row.messages,
                "units": row.units, "prepaid_units": row.prepaid, "unit_eur": eur(row.eur),
                "amount_eur": eur(row.amount), "priced_on": row.priced_on.isoformat(), "price_lapsed": row.lapsed,
            }
            for row in rows
        ],
    }  # fmt: skip


def as_json(report: Mapping[str, Any]) -> str:
    """The report as indented JSON."""
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def _channels(
    facts: CampaignFacts, rows: Sequence[ReportRow], times: Sequence[TimesRow], counts: Sequence[CountsRow]
) -> dict[str, dict[str, Any]]:
    """By the rows themselves, which are the truth; the live counts say only how many receipts are missing."""
    used = {CHANNELS[code] for code in {row.channel for row in rows} | {row.channel for row in counts}}
    used |= {ChannelName(name) for name in facts.channels}
    awaiting = {CHANNELS[row.channel]: row.awaiting for row in counts}
    seconds = {CHANNELS[row.channel]: row for row in times}
    return {
        channel.value: _channel(
            channel, [row for row in rows if CHANNELS[row.channel] is channel], seconds.get(channel), awaiting
        )
        for channel in ChannelName
        if channel in used
    }


def _channel(
    channel: ChannelName, rows: Sequence[ReportRow], times: TimesRow | None, awaiting: Mapping[ChannelName, int]
) -> dict[str, Any]:
    counted, languages = _counted(rows), sorted({row.language for row in rows})
    resent = sum(row.resent for row in rows)
    return {
        **counted,
        "no_receipt": min(awaiting.get(channel, 0), counted["submitted"]),
        "sent_again": resent,
        "retried": sum(row.retried for row in rows),
        "parts_planned": sum(row.parts for row in rows),
        "parts_submitted": sum(row.parts for row in rows if _was_submitted(row)),
        "unknown_in_words": f"unknown: {counted['unknown']}; sent again: {resent} (possible duplicates)",
        "left_s": _quantiles(times.submit_s if times else None),
        "arrived_s": _quantiles(times.deliver_s if times else None),
        "reasons": _reasons(channel, rows),
        "languages": {of: _counted([row for row in rows if row.language == of]) for of in languages},
    }


def _transports(rows: Sequence[ReportRow]) -> dict[str, int]:
    """Of an exercise, what really left is told apart from what was only played."""
    live = sum(row.deliveries for row in rows if row.transport == LIVE)
    return {"live": live, "simulated": sum(row.deliveries for row in rows) - live}


def _counted(rows: Iterable[ReportRow]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for row in rows:
        found["planned"] += row.deliveries
        found[STATE_COUNT[DeliveryState(row.state)]] += row.deliveries
    return {name: found[name] for name in COUNTS}


def _was_submitted(row: ReportRow) -> bool:
    """A failure after acceptance came from a receipt: its parts were taken, and cost."""
    return DeliveryState(row.state) in _LEFT or row.detail == ACCEPTED


def _reasons(channel: ChannelName, rows: Sequence[ReportRow]) -> list[dict[str, Any]]:
    """Most frequent first; what ended well without more to say is not a reason."""
    found: Counter[tuple[DeliveryState, int | None, str]] = Counter()
    for row in rows:
        state = DeliveryState(row.state)
        found[state, row.code or None, reason(channel, state, row.code, row.detail)] += row.deliveries
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or 0, item[0][2]))
    return [
        {"state": STATE_COUNT[state], "code": code, "words": words, "deliveries": deliveries}
        for (state, code, words), deliveries in ordered
    ]


def _quantiles(values: Sequence[Any] | None) -> dict[str, float | None]:
    """Values may be Decimals, or None where nothing left."""
    given = [None if value is None else round(float(value), 3) for value in (values or ())]
    return dict(zip(map(str, PERCENTS), [*given, None, None, None], strict=False))


def _text(row: TextRow) -> dict[str, Any]:
    channel = CHANNELS[row.channel].value
    told = {"key": row.key, "channel": channel, "language": row.language, "parts": row.parts, "body": row.body}
    return told | ({"subject": row.subject} if row.subject else {})


def _times(facts: CampaignFacts) -> dict[str, Any]:
    since = facts.created_at
    return {
        "accepted_at": _at(since),
        "first_submit_at": _at(facts.first_submit_at),
        "last_submit_at": _at(facts.last_submit_at),
        "closed_at": _at(facts.closed_at),
        "expires_at": _at(facts.expires_at),
        "first_submit_s": _seconds(since, facts.first_submit_at),
        "last_submit_s": _seconds(since, facts.last_submit_at),
    }


def _ledger(
    facts: CampaignFacts, events: Sequence[EventRow], milestones: Sequence[MilestoneRow]
) -> list[dict[str, Any]]:
    """What happened, minute by minute."""
    happened = [(row.at, f"{row.event} ({row.actor}); {row.state}") for row in events]
    happened += [(row.at, f"{CHANNELS[row.channel].value}: {row.percent} % had left") for row in milestones]
    if facts.first_submit_at:
        happened.append((facts.first_submit_at, "the first delivery had left"))
    minutes: defaultdict[str, list[dict[str, str | None]]] = defaultdict(list)
    for at, words in sorted(happened, key=lambda item: item[0]):
        minutes[f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"].append({"at": _at(at), "what": words})
    return [{"minute": minute, "entries": entries} for minute, entries in minutes.items()]


def _is_left_out(finding: Mapping[str, Any]) -> bool:
    """G4 of the gateway's profile; other remarks about areas (too detailed, oddly named) leave nobody out."""
    return finding.get("id") == "G4"


def _remarks(channels: Mapping[str, Mapping[str, Any]], counts: Sequence[CountsRow]) -> list[str]:
    """Doubts about the report itself."""
    remarks = []
    for row in counts:
        name = CHANNELS[row.channel].value
        off = [count for count in COUNTS if getattr(row, count) != channels[name][count]]
        if off:
            remarks.append(f"{name}: the running counts differ from the deliveries counted here in {', '.join(off)}")
    for name, channel in channels.items():
        waiting = sum(channel[count] for count in OPEN)
        if waiting:
            remarks.append(f"{name}: {waiting} deliveries were still open when this was written")
    return remarks


def _at(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(since: datetime, until: datetime | None) -> float | None:
    return round((until - since).total_seconds(), 3) if until else None
