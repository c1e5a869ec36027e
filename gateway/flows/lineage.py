"""Lineage: what an alert does to those before it, and whether it starts a campaign at all.

Knows: references of Update and Cancel, modes that stay silent, who must approve. Never knows: texts, audience.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.cap.check import check
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType
from gateway.model import CampaignState, ChannelName, Closure, MessageClass, Mode
from gateway.policy import rights
from gateway.policy.audience import PRIORITY, PROFILE
from gateway.policy.compose import headlines
from gateway.policy.rights import Authority, Refusal
from gateway.policy.states import CampaignEvent, campaign_after
from gateway.store import alerts, deliveries, restoring
from gateway.store.pool import Connection

_WORDS = {
    CampaignEvent.APPROVE: "approved", CampaignEvent.STOP: "stopped", CampaignEvent.PAUSE: "paused",
    CampaignEvent.RESUME: "resumed",
}  # fmt: skip
REPLACES = (MsgType.UPDATE, MsgType.CANCEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The earlier campaigns that an alert speaks to, with the most urgent class among them; `overtaken`: an Update or
    Cancel of this very alert came first; `waiting`: those of them that are held for a second person; `missing`:
    referenced alerts that are not known (yet); `apart`: those of another mode, which stay as they are; `restored`: the
    database came back from a backup after this alert was sent, so that it may have been known once."""

    campaigns: tuple[Any, ...] = ()
    message_class: MessageClass | None = None
    channels: tuple[ChannelName, ...] = ()
    headlines: Mapping[str, str] = field(default_factory=dict)
    overtaken: bool = False
    waiting: tuple[Any, ...] = ()
    missing: int = 0
    apart: int = 0
    restored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How the campaign begins, and what it does to those before it: STOP, PAUSE or nothing."""

    state: CampaignState
    closure: Closure | None = None
    findings: tuple[Finding, ...] = ()
    before: CampaignEvent | None = None

    @property
    def in_force(self) -> bool:
        """Whether the public may know of it now: it starts, or it ends something although nobody is told any more."""
        return self.state in (CampaignState.PLANNED, CampaignState.PAUSED) or self.before is CampaignEvent.STOP


async def resolve(connection: Connection, alert: CapAlert, authority: Authority) -> Past | Refusal:
    """Find the alerts that this one refers to, and those that already refer to it."""
    mode = rights.mode_of(authority.realm, alert.status)
    later = await alerts.later_alerts(connection, authority.entity_id, alert.sender, alert.identifier, authority.realm)
    later = [row for row in later if row["mode"] == mode]  # a rehearsed Cancel cancels nothing real
    overtaken, waiting = any(not row["held"] for row in later), tuple(row for row in later if row["held"])
    restored = await restoring.restored_after(connection, alert.sent)
    if alert.msg_type not in REPLACES:
        return Past(overtaken=overtaken, waiting=waiting, restored=restored)
    names = list(dict.fromkeys((r.sender, r.identifier, "") for r in alert.references))
    found = await alerts.referenced_alerts(connection, authority.realm, names)
    mine = [row for row in found if row["entity_id"] == authority.entity_id]
    known = {(row["sender"], row["identifier"]) for row in mine}
    if {(row["sender"], row["identifier"]) for row in found} - known:
        return Refusal(
            reason="not-yours",
            message=f"The {alert.msg_type.value} refers to an alert of another authority, which alone may change it.",
        )
    same = [row for row in mine if row["mode"] == mode]
    if mode is Mode.EXERCISE and any(row["mode"] == Mode.LIVE for row in mine):
        return Refusal(
            reason="other-mode",
            message=f"The {alert.msg_type.value} is an exercise and refers to an alert that was sent in earnest: "
            "send it with status Actual.",
            status=422,
        )
    return Past(
        campaigns=tuple(same),
        message_class=_most_urgent(same),
        channels=_channels(same),
        headlines=await _headlines(alert, same),
        overtaken=overtaken,
        waiting=waiting,
        missing=len(names) - len(known),
        apart=len(mine) - len(same),
        restored=restored,
    )


def _most_urgent(rows: Sequence[Any]) -> MessageClass | None:
    classes = [MessageClass(row["message_class"]) for row in rows]
    return min(classes, key=lambda of: PRIORITY[of], default=None)


def _channels(rows: Sequence[Any]) -> tuple[ChannelName, ...]:
    used = {ChannelName(name) for row in rows for name in row["channels"]}
    return tuple(channel for channel in ChannelName if channel in used)


async def _headlines(alert: CapAlert, rows: Sequence[Any]) -> Mapping[str, str]:
    """What a Cancel without info says that it ends, by language; others say it themselves."""
    if alert.info:
        return {}
    # reading an alert again may take a second: not on the loop that serves the binds
    return await asyncio.to_thread(_read_headlines, [row["raw"] for row in rows])


def _read_headlines(documents: Sequence[bytes]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for raw in documents:
        old = check(raw).alert  # accepted once: these bytes are known to be harmless
        if old is not None:
            found |= headlines(old)
    return found


def fate(alert: CapAlert, past: Past, expires_at: datetime, now: datetime, *, held: bool) -> Fate:
    """Whether and how the campaign starts: closed at once with nobody told, held for a second person, or planned."""
    if alert.status in rights.SILENT or alert.msg_type in rights.TECHNICAL:
        return Fate(state=CampaignState.CLOSED, closure=Closure.COMPLETE)
    late = expires_at <= now
    before = _done_to_those_before(alert.msg_type, held=held, late=late)
    if late:
        message = "the alert had already expired when it arrived: recorded, nobody is told"
        return _closed("G6", message, Closure.EXPIRED, before)
    if past.overtaken:
        message = "an Update or Cancel of this alert arrived before it: recorded, nobody is told"
        return _closed("G7", message, Closure.STOPPED, before)
    state = CampaignState.PAUSED if past.restored else CampaignState.PLANNED
    if held:
        state = CampaignState.HELD
    return Fate(state=state, findings=tuple(_left_alone(past)), before=before)


def _done_to_those_before(kind: MsgType, *, held: bool, late: bool) -> CampaignEvent | None:
    """A Cancel ends what it names even when nobody can be told any more; one that a second person must see pauses it.
    An Update that comes too late or is held leaves the old text running: it is better than none."""
    if kind is MsgType.CANCEL:
        return CampaignEvent.PAUSE if held else CampaignEvent.STOP
    return CampaignEvent.STOP if kind is MsgType.UPDATE and not held and not late else None


def _left_alone(past: Past) -> Iterator[Finding]:
    if past.missing:
        message = f"{past.missing} referenced alert(s) are not known here (yet); the reference is kept"
        yield Finding("S11", "policy", None, "alert/references", message, "CAP 1.2 §3.2.1")
    if past.restored:
        message = "sent before the database came back from a backup: paused, because it may have been sent then"
        yield Finding("G7", "policy", None, "alert/sent", message, PROFILE)
    if past.waiting:
        paused = any(row["msg_type"] == MsgType.CANCEL for row in past.waiting)
        message = "an Update or Cancel of this alert came before it and waits for a second person"
        yield Finding("G7", "policy", None, "alert", f"{message}{'; until then it is paused' * paused}", PROFILE)
    if past.apart:
        message = f"{past.apart} referenced alert(s) were sent in another mode and stay as they are"
        yield Finding("S11", "policy", None, "alert/references", message, "CAP 1.2 §3.2.1")


def _closed(rule: str, message: str, closure: Closure, before: CampaignEvent | None) -> Fate:
    finding = Finding(rule, "policy", None, "alert", message, PROFILE)
    return Fate(state=CampaignState.CLOSED, closure=closure, findings=(finding,), before=before)


async def act_on_previous(connection: Connection, fate: Fate, past: Past, actor: str) -> None:
    """Stop or pause the campaigns before this one, as its fate says."""
    for row in past.campaigns:
        if fate.before is CampaignEvent.STOP:
            await stop(connection, row["campaign_id"], row["entity_id"], actor)
        elif fate.before is CampaignEvent.PAUSE:
            await pause(connection, row["campaign_id"], row["entity_id"], actor)


async def join_waiting(connection: Connection, past: Past, campaign: int, entity_id: int, actor: str) -> None:
    """What waits for a second person will tell the new campaign's people and end it; a Cancel pauses it until then."""
    for row in past.waiting:
        state = await alerts.lock_state(connection, row["campaign_id"])
        if state is CampaignState.HELD:
            await alerts.tell_also(connection, row["campaign_id"], campaign)
        elif state not in (CampaignState.CLOSING, CampaignState.CLOSED):  # approved at this moment
            await stop(connection, campaign, entity_id, actor)
        if row["msg_type"] == MsgType.CANCEL and state is CampaignState.HELD:
            await pause(connection, campaign, entity_id, actor)


def told(fate: Fate, past: Past) -> list[tuple[int, int]]:
    """(campaign, rows) of those whose people this one tells; `alerts.settle_told` makes them exact."""
    if fate.state is CampaignState.CLOSED:
        return []
    return [(row["campaign_id"], row["next_seq"]) for row in past.campaigns]


async def approve(connection: Connection, campaign: int, entity_id: int, actor: str) -> CampaignState | None:
    """Let a held campaign go, and stop those whose people it tells; None when it is not held."""
    becomes = await _move(connection, campaign, entity_id, CampaignEvent.APPROVE, actor)
    if becomes is not None:
        for row in await alerts.told_campaigns(connection, campaign):
            await stop(connection, row["id"], row["entity_id"], actor)
        await alerts.settle_told(connection, campaign)
    return becomes


async def stop(connection: Connection, campaign: int, entity_id: int, actor: str) -> CampaignState | None:
    """Stop a campaign: from this commit on none of its deliveries can be marked. None: too late."""
    return await _move(connection, campaign, entity_id, CampaignEvent.STOP, actor)


async def pause(connection: Connection, campaign: int, entity_id: int, actor: str) -> CampaignState | None:
    """Pause a campaign; None when it can not be paused."""
    return await _move(connection, campaign, entity_id, CampaignEvent.PAUSE, actor)


async def resume(connection: Connection, campaign: int, entity_id: int, actor: str) -> CampaignState | None:
    """Let a paused campaign go on; None when it is not paused."""
    return await _move(connection, campaign, entity_id, CampaignEvent.RESUME, actor)


async def _move(
    connection: Connection, campaign: int, entity_id: int, event: CampaignEvent, actor: str
) -> CampaignState | None:
    """The state is read under its lock: a planner may be changing it at this moment."""
    state = await alerts.lock_state(connection, campaign)
    becomes = campaign_after(state, event)
    if becomes is None:
        return None
    stops, approves = event is CampaignEvent.STOP, event is CampaignEvent.APPROVE
    closure = Closure.STOPPED if stops else None
    await alerts.set_state(connection, campaign, state, becomes, closure=closure, release=approves)
    if stops:
        await deliveries.withdraw_chunks(connection, campaign, expired=False)
    await alerts.insert_event(connection, campaign, entity_id, _WORDS[event], becomes, actor)
    return becomes
