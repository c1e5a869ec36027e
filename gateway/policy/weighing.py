"""Weighing: wishes, right and audience of a valid alert, from what the store says about it.

Knows: every decision's name and their order. Never knows: the store, clocks, texts. Everything in and out pickles, so
that large geometry can be worked out in a process of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType
from gateway.model import ChannelName, MessageClass, Mode
from gateway.policy import audience, rights, target
from gateway.policy.audience import Geocodes, Variant, Wishes
from gateway.policy.figures import Figures, figures_of
from gateway.policy.rights import Authority, Refusal


class Case(NamedTuple):
    """One alert, with what the store says about it: class and channels of what it refers to, outlines of its geocodes,
    slugs of the groups that it names and its entity has, and the partnership of each; who sent what it refers to."""

    alert: CapAlert
    findings: tuple[Finding, ...]
    authority: Authority
    class_before: MessageClass | None
    channels_before: tuple[ChannelName, ...]
    geocodes: Geocodes
    groups: tuple[str, ...]
    partnerships: Mapping[str, int | None] = {}
    authors_before: tuple[str, ...] = ()

    def corners(self) -> int:
        """How much there is to work out about places, each figure once."""
        drawn = {polygon for info in self.alert.info for area in info.area for polygon in area.polygon}
        circles = {circle for info in self.alert.info for area in info.area for circle in area.circle}
        outlines = sum(len(ring.points) for rings in self.geocodes.values() for ring in rings)
        return sum(map(len, drawn)) + _CIRCLE * len(circles) + outlines


_CIRCLE = 10  # as much work as so many corners


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What may be sent: in which mode, by what, to whom. `groups` and `variants` are empty when it is only recorded."""

    mode: Mode
    wishes: Wishes
    channels: tuple[ChannelName, ...]
    variants: tuple[Variant, ...]
    groups: tuple[str, ...]
    findings: tuple[Finding, ...]


def unsafe(findings: tuple[Finding, ...]) -> Refusal:
    """The refusal of an alert that is valid CAP and would reach nobody knows whom."""
    return Refusal(reason="invalid", message="The alert can not be dispatched safely.", findings=findings, status=422)


def weigh(case: Case) -> Weighed | Refusal:
    """What is sent to nobody (Test, System, Draft; Ack, Error) is only recorded: it has to be understood, no more."""
    alert, authority = case.alert, case.authority
    wishes, problems = audience.read_wishes(alert)
    wishes = _as_before(wishes, case)
    recorded = alert.status in rights.SILENT or alert.msg_type in rights.TECHNICAL
    figures = figures_of(alert) if wishes.by_place and not recorded else {}
    if not recorded:
        problems += audience.area_problems(alert, case.geocodes, figures) if wishes.by_place else []
        problems += target.unknown_groups(wishes, case.groups)
    found = (*case.findings, *problems)
    if any(finding.severity == "error" for finding in problems):
        return unsafe(found)
    weighed = Weighed(
        mode=rights.mode_of(authority.realm, alert.status), wishes=wishes, variants=(), groups=(), findings=found,
        channels=wishes.channels or authority.policy.channels_for(wishes.message_class),
    )  # fmt: skip
    refusal = rights.may_act(authority)
    if refusal:
        return replace(refusal, findings=found)
    return weighed if recorded else _aimed(weighed, case, figures)


def _aimed(weighed: Weighed, case: Case, figures: Figures) -> Weighed | Refusal:
    """The same with the people it is for."""
    alert, wishes, authority = case.alert, weighed.wishes, case.authority
    variants = (
        audience.variants(alert, case.geocodes, figures)
        if wishes.by_place
        else target.without_places(alert, case.geocodes)
    )
    refusal = rights.may_send(
        authority,
        wishes.message_class,
        weighed.channels,
        by_place=wishes.by_place,
        purpose=wishes.purpose,
        partnerships={case.partnerships.get(slug) for slug in wishes.groups} or _own_before(case),
    ) or target.nobody(alert, wishes, variants)
    if refusal:
        return replace(refusal, findings=weighed.findings)
    left_out = target.inside_territory(variants, authority) if wishes.by_place else []
    if isinstance(left_out, Refusal):
        return replace(left_out, findings=weighed.findings)
    return replace(weighed, variants=variants, groups=wishes.groups, findings=(*weighed.findings, *left_out))


def _own_before(case: Case) -> set[int | None]:
    """Who may send for a partnership only may still cancel what went out by the same hand."""
    own = bool(case.authors_before) and set(case.authors_before) == {case.authority.holder}
    return {place for place, _, _ in case.authority.within} if case.alert.msg_type is MsgType.CANCEL and own else set()


def _as_before(wishes: Wishes, case: Case) -> Wishes:
    """A Cancel is of the class of what it ends, unless it says otherwise, and goes by the channels used before."""
    if case.alert.msg_type is not MsgType.CANCEL:
        return wishes
    message_class = wishes.message_class if wishes.class_said else case.class_before or wishes.message_class
    return replace(wishes, message_class=message_class, channels=case.channels_before or wishes.channels)
