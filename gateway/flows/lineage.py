"""Lineage: what an alert does to those before it, and whether it starts a campaign at all.

Knows: references of Update and Cancel, modes that stay silent, who must approve. Never knows: texts, audience.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.cap.check import check
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType
from gateway.model import CampaignState, ChannelName, Closure, MessageClass, Mode, Realm
from gateway.policy import rights
from gateway.policy.compose import headlines
from gateway.policy.rights import Authority, Refusal
from gateway.policy.states import CampaignEvent, campaign_after
from gateway.store import alerts, deliveries
from gateway.store.pool import Connection

_WORDS = {CampaignEvent.PAUSE: "paused", CampaignEvent.RESUME: "resumed"}
REPLACES = (MsgType.UPDATE, MsgType.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The earlier campaigns that an alert speaks to; `overtaken`: an Update or Cancel of this very alert came first;
    `missing`: referenced alerts that are not known (yet)."""

    campaigns: tuple[Any, ...] = ()
    channels: tuple[ChannelName, ...] = ()
    headlines: Mapping[str, str] = field(default_factory=dict)
    overtaken: bool = False
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How the campaign begins."""

    state: CampaignState
    closure: Closure | None = None
    findings: tuple[Finding, ...] = ()


async def resolve(connection: Connection, alert: CapAlert, authority: Authority) -> Past | Refusal:
    """Find the alerts that this one refers to, and those that already refer to it."""
    later = await alerts.later_alerts(connection, authority.entity_id, alert.sender, alert.identifier, authority.realm)
    if alert.msg_type not in REPLACES:
        return Past(overtaken=bool(later))
    references = [(r.sender, r.identifier, r.sent_text) for r in alert.references]
    found = await alerts.referenced_alerts(connection, authority.realm, references)
    mine = [row for row in found if row["entity_id"] == authority.entity_id]
    foreign = {(r["sender"], r["identifier"]) for r in found} - {(r["sender"], r["identifier"]) for r in mine}
    if foreign:
        return Refusal(
            reason="not-yours",
            message=f"The {alert.msg_type.value} refers to an alert of another authority, which alone may change it.",
        )
    channels = {ChannelName(c) for row in mine for c in row["channels"] or ()}
    return Past(
        campaigns=tuple(row for row in mine if row["campaign_id"] is not None),
        channels=tuple(c for c in ChannelName if c in channels),
        headlines=_headlines(mine),
        overtaken=bool(later),
        missing=len(references) - len(mine),
    )


def _headlines(rows: Sequence[Any]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        old = check(row["raw"]).alert  # accepted once: these bytes are known to be harmless
        if old is not None:
            found |= headlines(old)
    return found


def fate(
    alert: CapAlert,
    mode: Mode,
    authority: Authority,
    message_class: MessageClass,
    past: Past,
    expires_at: datetime,
    now: datetime,
) -> Fate:
    """Whether and how the campaign starts: closed at once with nobody told, held for a second person, or planned."""
    if alert.status in rights.SILENT or alert.msg_type in rights.TECHNICAL:
        return Fate(state=CampaignState.CLOSED, closure=Closure.COMPLETE)
    if expires_at <= now:
        return _closed("G6", "the alert had already expired when it arrived: recorded, nobody is told", Closure.EXPIRED)
    if past.overtaken:
        return _closed(
            "G7", "an Update or Cancel of this alert arrived before it: recorded, nobody is told", Closure.STOPPED
        )
    findings: tuple[Finding, ...] = ()
    if past.missing:
        message = f"{past.missing} referenced alert(s) are not known here (yet); the reference is kept"
        findings = (Finding("S11", "policy", None, "alert/references", message, "CAP 1.2 §3.2.1"),)
    held = mode is Mode.LIVE and authority.realm is Realm.LIVE and message_class in authority.policy.approval
    return Fate(state=CampaignState.HELD if held else CampaignState.PLANNED, findings=findings)


def _closed(rule: str, message: str, closure: Closure) -> Fate:
    finding = Finding(rule, "policy", None, "alert", message, "gateway CAP profile")
    return Fate(state=CampaignState.CLOSED, closure=closure, findings=(finding,))


async def stop_previous(
    connection: Connection, alert: CapAlert, fate: Fate, past: Past, actor: str
) -> list[tuple[int, int]]:
    """Stop what the earlier campaigns still have queued; (campaign, rows) of those whose people are to be told.

    A held Update leaves them running; a held Cancel pauses them at once.
    """
    if alert.msg_type not in REPLACES or fate.state is CampaignState.CLOSED:
        return []
    for row in past.campaigns:
        if fate.state is not CampaignState.HELD:
            await stop(connection, row["campaign_id"], row["entity_id"], CampaignState(row["state"]), actor)
        elif alert.msg_type is MsgType.CANCEL:
            await pause(connection, row["campaign_id"], row["entity_id"], CampaignState(row["state"]), actor)
    return [(row["campaign_id"], row["next_seq"]) for row in past.campaigns]


async def stop(
    connection: Connection, campaign: int, entity_id: int, state: CampaignState, actor: str
) -> CampaignState | None:
    """Stop a campaign: from this commit on none of its deliveries can be marked. None: too late."""
    becomes = campaign_after(state, CampaignEvent.STOP)
    if becomes is None or not await alerts.set_state(connection, campaign, state, becomes, closure=Closure.STOPPED):
        return None
    await deliveries.withdraw_chunks(connection, campaign, expired=False)
    await alerts.insert_event(connection, campaign, entity_id, "stopped", becomes, actor)
    return becomes


async def stop_told(connection: Connection, campaign: int, actor: str) -> None:
    """When a held Update or Cancel is approved: stop the campaigns whose people it tells."""
    for row in await alerts.told_campaigns(connection, campaign):
        await stop(connection, row["id"], row["entity_id"], CampaignState(row["state"]), actor)


async def pause(
    connection: Connection, campaign: int, entity_id: int, state: CampaignState, actor: str
) -> CampaignState | None:
    """Pause a campaign; None when it can not be paused."""
    return await _move(connection, campaign, entity_id, state, CampaignEvent.PAUSE, actor)


async def resume(
    connection: Connection, campaign: int, entity_id: int, state: CampaignState, actor: str
) -> CampaignState | None:
    """Let a paused campaign go on; None when it is not paused."""
    return await _move(connection, campaign, entity_id, state, CampaignEvent.RESUME, actor)


async def _move(
    connection: Connection, campaign: int, entity_id: int, state: CampaignState, event: CampaignEvent, actor: str
) -> CampaignState | None:
    becomes = campaign_after(state, event)
    if becomes is None or not await alerts.set_state(connection, campaign, state, becomes):
        return None
    await alerts.insert_event(connection, campaign, entity_id, _WORDS[event], becomes, actor)
    return becomes
