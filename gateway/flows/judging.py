"""Judging: may this valid alert be dispatched, for whom, by what; everything that is decided before anything is stored.

The order is the one of docs/: lineage, wishes, right, audience. Geometry of some size is worked out in a process of its
own, away from the binds. Knows: what the store has to be asked. Never knows: HTTP, transactions, texts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.cap.area import Ring
from gateway.cap.check import Verdict
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert
from gateway.flows import lineage
from gateway.flows.checking import Checker
from gateway.model import ChannelName, Mode
from gateway.policy import audience, target
from gateway.policy.audience import Variant, Wishes
from gateway.policy.declaration import is_asked, undeclared
from gateway.policy.rights import Authority, Refusal
from gateway.policy.timing import ANY_TIME, Timing
from gateway.policy.weighing import Case, unsafe, weigh
from gateway.store import declarations, registry
from gateway.store.pool import Store

MOST_NAME_BYTES = 500
"""Of a sender or an identifier: an index of the store must hold both."""
MOST_REFERENCES = 100
FEW_CORNERS = 300
"""What takes some milliseconds at most is worked out at once: the way to another process costs more than it spares."""
GEOCODES_AT_ONCE = 10
"""Outlines are read from the store in small helpings, so that none of them keeps the loop for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An alert that may be sent, with everything that its campaign needs; `needs` are the agreements that it
    has to wait for, `messages` its size, counted where that matters."""

    alert: CapAlert
    mode: Mode
    wishes: Wishes
    channels: tuple[ChannelName, ...]
    variants: tuple[Variant, ...]
    groups: tuple[registry.Group, ...]
    findings: tuple[Finding, ...]
    expires_at: datetime
    timing: Timing = ANY_TIME
    needs: tuple[str, ...] = ()
    messages: int = 0


async def judge(
    store: Store, checker: Checker, verdict: Verdict, authority: Authority, now: datetime, default_expiry: timedelta
) -> Draft | Refusal:
    """Wishes, right and audience of a valid alert. Raises StoreUnavailable."""
    alert = verdict.alert
    assert alert is not None
    if problems := list(_unwieldy(alert)):
        return unsafe((*verdict.findings, *problems))
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
    case = Case(
        alert, tuple(verdict.findings), authority, past.message_class, past.channels, geocodes,
        tuple(group.slug for group in groups), {group.slug: group.partnership for group in groups},
        tuple(row["author"] for row in past.campaigns),
    )  # fmt: skip
    # ten thousand polygons take seconds
    weighed = weigh(case) if case.corners() <= FEW_CORNERS else await checker.apart(_broken, weigh, case)
    if isinstance(weighed, Refusal):
        return weighed
    if is_asked(weighed.wishes, authority, alert):
        async with store.connection() as connection:
            refusal = undeclared(weighed.wishes, await declarations.newest(connection))
        if refusal is not None:
            return replace(refusal, findings=weighed.findings)
    return Draft(
        alert=alert, mode=weighed.mode, wishes=weighed.wishes, channels=weighed.channels, variants=weighed.variants,
        groups=tuple(group for group in groups if group.slug in weighed.groups), findings=weighed.findings,
        expires_at=target.expiry(alert, now, default_expiry),
    )  # fmt: skip


def _broken(message: str) -> Refusal:
    return Refusal(reason="invalid", message=f"The areas are too much to work out: {message}", status=422)


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
