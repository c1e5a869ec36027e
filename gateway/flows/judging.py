"""Judging: may this valid alert be dispatched, for whom, by what; everything that is decided before anything is stored.

The order is the one of docs/: lineage, wishes, right, audience. Geometry of any size is worked out beside the loop that
serves the binds. Knows: every decision's name. Never knows: HTTP, transactions, texts.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.cap.area import Ring
from gateway.cap.check import Verdict
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType
from gateway.flows import lineage
from gateway.flows.lineage import Past
from gateway.model import ChannelName, Mode
from gateway.policy import audience, rights, target
from gateway.policy.audience import Geocodes, Variant, Wishes
from gateway.policy.figures import Figures, figures_of
from gateway.policy.rights import Authority, Refusal
from gateway.policy.timing import ANY_TIME, Timing
from gateway.store import registry
from gateway.store.pool import Store

MOST_NAME_BYTES = 500
"""Of a sender or an identifier: an index of the store must hold both."""
MOST_REFERENCES = 100
FEW_CORNERS = 300
"""What takes some milliseconds at most is worked out at once: a thread would cost more than it spares."""
GEOCODES_AT_ONCE = 10
"""Outlines are read from the store in small helpings, so that none of them keeps the loop for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An alert that may be sent, with everything that its campaign needs."""

    alert: CapAlert
    mode: Mode
    wishes: Wishes
    channels: tuple[ChannelName, ...]
    variants: tuple[Variant, ...]
    groups: tuple[registry.Group, ...]
    findings: tuple[Finding, ...]
    expires_at: datetime
    timing: Timing = ANY_TIME


class _Case(NamedTuple):
    """One alert, with what the store says about it."""

    alert: CapAlert
    findings: tuple[Finding, ...]
    authority: Authority
    past: Past
    geocodes: Geocodes
    groups: Sequence[registry.Group]
    expires_at: datetime


async def judge(
    store: Store, verdict: Verdict, authority: Authority, now: datetime, default_expiry: timedelta
) -> Draft | Refusal:
    """Wishes, right and audience of a valid alert. Raises StoreUnavailable."""
    alert = verdict.alert
    assert alert is not None
    if problems := list(_unwieldy(alert)):
        return _invalid((*verdict.findings, *problems))
    async with store.connection() as connection:
        past = await lineage.resolve(connection, alert, authority)
        if isinstance(past, Refusal):
            return replace(past, findings=verdict.findings)
        codes, geocodes = audience.geocodes_of(alert), dict[tuple[str, str], tuple[Ring, ...]]()
        for at in range(0, len(codes), GEOCODES_AT_ONCE):
            geocodes |= await registry.geocode_rings(connection, codes[at : at + GEOCODES_AT_ONCE])
    groups: Sequence[registry.Group] = ()
    if alert.addresses:
        async with store.tenant(authority.entity_id) as connection:
            groups = await registry.groups_by_slug(connection, authority.entity_id, alert.addresses)
    expires_at = target.expiry(alert, now, default_expiry)
    case = _Case(alert, tuple(verdict.findings), authority, past, geocodes, groups, expires_at)
    if _corners(case) <= FEW_CORNERS:
        return _weigh(case)
    # ten thousand polygons take seconds
    return await asyncio.to_thread(_weigh, case)


def _corners(case: _Case) -> int:
    """How much there is to work out about places, each figure once."""
    drawn = {polygon for info in case.alert.info for area in info.area for polygon in area.polygon}
    return sum(map(len, drawn)) + sum(len(ring.points) for rings in case.geocodes.values() for ring in rings)


def _unwieldy(alert: CapAlert) -> Iterator[Finding]:
    """Names longer than any that is in use, and more references than any Update needs."""
    own = (("alert/sender", alert.sender), ("alert/identifier", alert.identifier))
    theirs = [("alert/references", name) for r in alert.references for name in (r.sender, r.identifier)]
    for element, name in (*own, *theirs):
        if len(name.encode()) > MOST_NAME_BYTES:
            message = f"a name of {len(name.encode())} bytes; at most {MOST_NAME_BYTES} are kept"
            yield Finding("G8", "error", None, element, message, audience.PROFILE)
    if len(alert.references) > MOST_REFERENCES:
        message = f"{len(alert.references)} references; at most {MOST_REFERENCES} are read"
        yield Finding("G8", "error", None, "alert/references", message, audience.PROFILE)


def _invalid(findings: tuple[Finding, ...]) -> Refusal:
    return Refusal(reason="invalid", message="The alert can not be dispatched safely.", findings=findings, status=422)


def _weigh(case: _Case) -> Draft | Refusal:
    """What is sent to nobody (Test, System, Draft; Ack, Error) is only recorded: it has to be understood, no more."""
    alert, authority = case.alert, case.authority
    wishes, problems = audience.read_wishes(alert)
    wishes = _as_before(wishes, alert, case.past)
    recorded = alert.status in rights.SILENT or alert.msg_type in rights.TECHNICAL
    figures = figures_of(alert) if wishes.by_place and not recorded else {}
    if not recorded:
        problems += audience.area_problems(alert, case.geocodes, figures) if wishes.by_place else []
        problems += target.unknown_groups(wishes, [group.slug for group in case.groups])
    found = (*case.findings, *problems)
    if any(finding.severity == "error" for finding in problems):
        return _invalid(found)
    draft = Draft(
        alert=alert, mode=rights.mode_of(authority.realm, alert.status), wishes=wishes, variants=(), groups=(),
        channels=wishes.channels or authority.policy.channels_for(wishes.message_class), findings=found,
        expires_at=case.expires_at,
    )  # fmt: skip
    refusal = rights.may_act(authority)
    if refusal:
        return replace(refusal, findings=found)
    return draft if recorded else _aimed(draft, case, figures)


def _aimed(draft: Draft, case: _Case, figures: Figures) -> Draft | Refusal:
    """The draft with the people it is for."""
    alert, wishes, authority = draft.alert, draft.wishes, case.authority
    variants = (
        audience.variants(alert, case.geocodes, figures)
        if wishes.by_place
        else target.without_places(alert, case.geocodes)
    )
    refusal = rights.may_send(
        authority, wishes.message_class, draft.channels, by_place=wishes.by_place
    ) or target.nobody(alert, wishes, variants)
    if refusal:
        return replace(refusal, findings=draft.findings)
    left_out = target.inside_territory(variants, authority) if wishes.by_place else []
    if isinstance(left_out, Refusal):
        return replace(left_out, findings=draft.findings)
    groups = tuple(group for group in case.groups if group.slug in wishes.groups)
    return replace(draft, variants=variants, groups=groups, findings=(*draft.findings, *left_out))


def _as_before(wishes: Wishes, alert: CapAlert, past: Past) -> Wishes:
    """A Cancel is of the class of what it ends, unless it says otherwise, and goes by the channels used before."""
    if alert.msg_type is not MsgType.CANCEL:
        return wishes
    message_class = wishes.message_class if wishes.class_said else past.message_class or wishes.message_class
    return replace(wishes, message_class=message_class, channels=past.channels or wishes.channels)
