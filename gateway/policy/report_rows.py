"""What a report is made from: one record for each query, field for column.

Knows: the columns of store/queries/progress.sql, alerts.sql (campaign_events), registry.sql (texts_of_campaign)
and costs.sql (usage_of_campaign). `channel` and `state` are the small numbers that the database holds.
Never knows: SQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsRow:
    """Live counts of one channel (query counts); `awaiting` are submitted ones whose receipt has not come."""

    campaign_id: int
    channel: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneRow:
    """When a share of a channel's planned deliveries had left (query milestones)."""

    channel: int
    percent: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """Deliveries that share channel, transport (1: live), language, state and reason (query report_rows)."""

    channel: int
    transport: int
    language: str
    state: int
    code: int | None
    detail: str | None
    deliveries: int
    resent: int
    retried: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesRow:
    """Seconds from acceptance until 50, 90 and 99 % had left, and had arrived (query report_times)."""

    channel: int
    submit_s: Sequence[Any] | None
    deliver_s: Sequence[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One change of the campaign's state (query campaign_events)."""

    at: datetime
    event: str
    state: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """One text of the campaign (query texts_of_campaign)."""

    key: int
    channel: int
    language: str
    body: str
    subject: str = ""
    html: str = ""
    parts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One line of the campaign's ledger (query usage_of_campaign); `lapsed`: its price was agreed until an earlier day
    than `priced_on`."""

    channel: int
    prefix: str
    messages: int
    units: int
    prepaid: int
    eur: Decimal
    amount: Decimal
    lapsed: bool
    priced_on: date
    settled_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFacts:
    """The alert and its campaign (query campaign_facts), plan and findings decoded."""

    id: int
    public_id: str
    mode: str
    message_class: str
    purpose: str | None
    channels: Sequence[str]
    state: str
    closure: str | None
    plan: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    first_submit_at: datetime | None
    last_submit_at: datetime | None
    closed_at: datetime | None
    alert: str
    identifier: str | None
    sender: str | None
    sent: str | None
    msg_type: str | None
    status: str | None
    scope: str | None
    findings: Sequence[Mapping[str, Any]]
    entity: str
    entity_name: str
    entity_id: int
