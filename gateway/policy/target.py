"""Whether an alert's target can be reached safely: somebody to tell, inside the territory, until when, in which feed.

Knows: cells, scopes, the authority's territory. Never knows: SQL, HTTP. A target that says nothing certain is refused,
never widened.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from gateway.cap.area import Point, Ring, Shape
from gateway.cap.cells import Cell, Land, contains, intersect, narrowed, quad_of, share_outside
from gateway.cap.cover import cover_union, first_quads
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType, Scope
from gateway.model import Mode, Realm
from gateway.policy import rights
from gateway.policy.audience import PROFILE, Geocodes, Variant, Wishes, variants
from gateway.policy.rights import Authority, Refusal

MOST_LOOKS = 2_000
MOST_TERRITORIES = 32
FINEST_LEVEL = 24  # quads of some metres


def expiry(alert: CapAlert, now: datetime, default: timedelta) -> datetime:
    """Until when the alert may be sent: its latest expires; without one, from now for the default time."""
    ends = [info.expires for info in alert.info if info.expires is not None]
    return max(ends) if ends else now + default


def unknown_groups(wishes: Wishes, known: Sequence[str]) -> list[Finding]:
    """A finding for each group that the alert names and the entity does not have."""
    return [
        Finding("G3", "error", None, "alert/addresses", f"no group of yours is named {slug!r}", PROFILE)
        for slug in wishes.groups
        if slug not in known
    ]


def without_places(alert: CapAlert, geocodes: Geocodes) -> tuple[Variant, ...]:
    """The variants of an alert that reaches nobody by place."""
    return tuple(replace(v, shapes=()) for v in variants(alert, geocodes))


def nobody(alert: CapAlert, wishes: Wishes, found: Sequence[Variant]) -> Refusal | None:
    """Nothing to say, or no usable area and no group: refused, never widened. A Cancel needs none of it: it tells those
    reached before."""
    if alert.msg_type in (MsgType.CANCEL, *rights.TECHNICAL):
        return None
    if not alert.info:
        return Refusal(
            reason="no-text", message=f"The {alert.msg_type} has no info: there is nothing to say.", status=422
        )
    if wishes.groups or any(v.shapes for v in found):
        return None
    if alert.scope is Scope.PUBLIC:
        message = (
            "The alert has no usable area and names no group: nobody can be told. Give a polygon, circle or geocode."
        )
    else:
        message = f"A {alert.scope or 'non-public'} alert reaches groups only: name at least one in addresses."
    return Refusal(reason="nobody", message=message, status=422)


def inside_territory(found: Sequence[Variant], authority: Authority) -> list[Finding] | Refusal:
    """The target inside the territory: wholly outside is refused, partly outside is said (or refused by policy)."""
    land = land_of(authority.rings)
    shapes: list[Shape] = list(dict.fromkeys(shape for variant in found for shape in variant.shapes))
    if all(_surely_inside(shape, authority, land) for shape in shapes):
        return []
    territory, cells = land.cells, cover_union(shapes)
    if not _hold_a_place(intersect(cells, territory)):
        return Refusal(
            reason="outside-territory", message=f"The area lies wholly outside the territory of {authority.name}."
        )
    left_out = share_outside(cells, territory)
    if not left_out:
        return []
    if not authority.policy.clip:
        return Refusal(
            reason="partly-outside",
            message=f"Part of the area lies outside the territory of {authority.name}, whose policy is to refuse that.",
        )
    share = f"{left_out:.0%}" if left_out >= 0.01 else "less than 1 %"
    message = f"{share} of the area lies outside the territory of {authority.name}: nobody is alerted there"
    return [Finding("G4", "policy", None, "alert/info/area", message, PROFILE)]


@lru_cache(maxsize=MOST_TERRITORIES)
def land_of(rings: tuple[tuple[Point, ...], ...]) -> Land:
    """A territory as cells. Those of the authorities that post most are kept; a changed territory is another one."""
    return Land(cover_union([Ring(ring) for ring in rings]))


def _surely_inside(shape: Shape, authority: Authority, land: Land) -> bool:
    """Whether it is certain without much looking; the rest is looked at closely."""
    return (isinstance(shape, Ring) and shape.points in authority.rings) or land.surely_holds(shape, first_quads(shape))


def _hold_a_place(cells: Sequence[Cell]) -> bool:
    """Whether any place lies in the cells; a border that both sides share, or a sliver of some metres, is none.

    Cells at two borders carry both as tests, and may hold no point of both: they are quartered until one is found.
    """
    if any(not cell.tests for cell in cells):
        return True
    waiting = deque(cells)
    looks = len(cells) + MOST_LOOKS
    while waiting and looks:
        looks -= 1
        quad, tests = quad_of(waiting[0]), waiting.popleft().tests
        box = quad.box()
        if contains([quad.cell(tests)], (box.west + box.east) / 2, (box.south + box.north) / 2):
            return True
        for child in quad.children() if quad.level < FINEST_LEVEL else ():
            left = [narrowed(test, child.box()) for test in tests]
            if None not in left:
                waiting.append(child.cell(tuple(test for some in left for test in some or ())))
    return False


def in_feed(alert: CapAlert, mode: Mode, authority: Authority) -> bool:
    """Only what was posted with a live right, Actual or Exercise, scope Public."""
    return (
        authority.realm is Realm.LIVE
        and mode in (Mode.LIVE, Mode.EXERCISE)
        and alert.scope is Scope.PUBLIC
        and alert.msg_type not in rights.TECHNICAL
    )
