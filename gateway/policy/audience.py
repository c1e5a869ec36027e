"""Reads from a CAP alert who is to be told and how, and cuts the result into the steps of a fan-out.

Knows: the gateway's CAP profile (docs/cap-profile.md), areas as cells. Never knows: SQL, rights, clocks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.cap.area import Disc, Ring, Shape
from gateway.cap.findings import Finding, Weight
from gateway.cap.geocodes import canonical
from gateway.cap.model import CapAlert, CapArea, CapInfo, Circle, MsgType, Scope, Severity, Urgency
from gateway.model import ChannelName, MessageClass, Purpose
from gateway.policy.clean import language_of
from gateway.policy.figures import Figures, drawn_in, figures_of, marks_of

PROFILE = "gateway CAP profile"
SEVERITIES = (Severity.EXTREME, Severity.SEVERE, Severity.MODERATE, Severity.MINOR, Severity.UNKNOWN)
URGENCIES = (Urgency.IMMEDIATE, Urgency.EXPECTED, Urgency.FUTURE, Urgency.PAST, Urgency.UNKNOWN)
DEFAULT_PURPOSE = {MessageClass.URGENT: Purpose.EMERGENCY, MessageClass.PREVENTION: Purpose.RISK}
MOST_DIGITS = 9
PRIORITY = {MessageClass.URGENT: 0, MessageClass.PREVENTION: 3, MessageClass.OTHER: 6, MessageClass.NEWS: 7}

_MARK = "the circle has no radius: it marks a point, and the other places of its area say who is alerted"

Geocodes = Mapping[tuple[str, str], tuple[Ring, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the alert asks for, before anybody asked whether it may. `channels` None = the entity's policy decides;
    `class_said`: the alert names its class itself; `declares`: the wording about its use that it agrees to."""

    message_class: MessageClass
    class_said: bool
    purpose: Purpose
    channels: tuple[ChannelName, ...] | None
    groups: tuple[str, ...]
    by_place: bool
    declares: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Infos that speak to the same people: their places in the alert, and the shapes of their areas."""

    infos: tuple[int, ...]
    shapes: tuple[Shape, ...]


def read_wishes(alert: CapAlert) -> tuple[Wishes, list[Finding]]:
    """The profile's parameters, addresses and areas; findings name what can not be understood.

    Ack and Error are between systems, and a Cancel tells those who were told before: they ask for nobody.
    """
    findings: list[Finding] = []
    said = _one_of(alert, "gateway:class", MessageClass, findings)
    message_class = said or default_class(alert)
    purpose = _one_of(alert, "gateway:purpose", Purpose, findings)
    channels = _channels(alert, findings)
    asks = alert.msg_type in (MsgType.ALERT, MsgType.UPDATE)
    return Wishes(
        message_class=message_class,
        class_said=said is not None,
        purpose=purpose or DEFAULT_PURPOSE.get(message_class, Purpose.PUBLIC_INTEREST),
        channels=channels,
        groups=tuple(dict.fromkeys(alert.addresses)) if asks else (),
        by_place=asks and alert.scope is Scope.PUBLIC and any(info.area for info in alert.info),
        declares=_declared(alert, findings),
    ), findings


def default_class(alert: CapAlert) -> MessageClass:
    """The class of an alert that names none: severe or immediate is urgent, what is to come is prevention."""
    if any(i.severity in SEVERITIES[:2] or i.urgency is Urgency.IMMEDIATE for i in alert.info):
        return MessageClass.URGENT
    if any(i.urgency in (Urgency.EXPECTED, Urgency.FUTURE) for i in alert.info):
        return MessageClass.PREVENTION
    return MessageClass.OTHER


def variants(alert: CapAlert, geocodes: Geocodes, figures: Figures | None = None) -> tuple[Variant, ...]:
    """Infos grouped by the people they address, the most severe (then most urgent) first.

    One info per language: together they are one message to the union of their areas. Several infos of one language:
    those with the same places are a message of their own, and of two in one language for the same places the more
    severe one comes first.
    """
    usable = figures_of(alert) if figures is None else figures
    order = sorted(range(len(alert.info)), key=lambda index: _rank(alert.info[index]))
    languages = [language_of(info.language) for info in alert.info]
    one_each = len(set(languages)) == len(languages)
    layers: dict[tuple[object, int], list[int]] = {}
    said: Counter[tuple[object, str]] = Counter()
    for index in order:
        places = None if one_each else _places(alert.info[index])
        layers.setdefault((places, said[places, languages[index]]), []).append(index)
        said[places, languages[index]] += 1
    groups = [sorted(group) for group in layers.values()]  # in the order of their most severe info
    return tuple(
        Variant(
            infos=tuple(group),
            shapes=tuple(dict.fromkeys(s for i in group for s in shapes_of(alert.info[i], geocodes, usable))),
        )
        for group in groups
    )


def shapes_of(info: CapInfo, geocodes: Geocodes, figures: Figures) -> list[Shape]:
    """Every polygon, circle and known geocode of an info; usable ones only."""
    shapes: list[Shape] = []
    for area in info.area:
        shapes += [shape for _, one in drawn_in(area) if (shape := figures[one].shape) is not None]
        for code in area.geocode:
            shapes += geocodes.get((canonical(code.value_name), code.value), ())
    return shapes


def area_problems(alert: CapAlert, geocodes: Geocodes, figures: Figures | None = None) -> list[Finding]:
    """Why parts of the areas can not be used, or not as they were drawn: geometry that says nothing certain, geocodes
    nobody knows."""
    usable = figures_of(alert) if figures is None else figures
    findings = []
    for i, info in enumerate(alert.info, 1):
        for j, area in enumerate(info.area, 1):
            where = f"alert/info[{i}]/area[{j}]"
            for name, one in drawn_in(area):
                rule, found = "S32" if isinstance(one, Circle) else "S31", usable[one]
                findings += [_finding(rule, "error", f"{where}/{name}", problem) for problem in found.problems]
                findings += [_finding(rule, "policy", f"{where}/{name}", found.remark)] if found.remark else []
            findings += [_finding("S33", "policy", f"{where}/{name}", _MARK) for name in marks_of(area)]
            findings += _unknown_geocodes(area, geocodes, where)
    return findings


def geocodes_of(alert: CapAlert) -> list[tuple[str, str]]:
    """Every (scheme, value) the areas name, each scheme by the name under which the gateway keeps it."""
    codes = (code for info in alert.info for area in info.area for code in area.geocode)
    return list(dict.fromkeys((canonical(code.value_name), code.value) for code in codes))


def _unknown_geocodes(area: CapArea, geocodes: Geocodes, where: str) -> list[Finding]:
    # other shapes of the same area speak for it; a geocode alone that nobody knows would silently lose people
    severity: Weight = "warning" if area.polygon or area.circle else "error"
    return [
        _finding(
            "S36",
            severity,
            f"{where}/geocode[{k}]",
            f"the geocode {code.value_name}={code.value} is not in the gateway's register: add a polygon or circle, "
            "or load the scheme with `gateway import geocodes`",
        )
        for k, code in enumerate(area.geocode, 1)
        if (canonical(code.value_name), code.value) not in geocodes
    ]


def _rank(info: CapInfo) -> tuple[int, int]:
    return SEVERITIES.index(info.severity), URGENCIES.index(info.urgency)


def _places(info: CapInfo) -> frozenset[object]:
    """What an info says of places, whatever their names and order are in its language."""
    return frozenset(part for area in info.area for part in (*area.polygon, *area.circle, *area.geocode))


def _parameter(alert: CapAlert, name: str) -> list[tuple[int, str]]:
    return [(i, value.strip()) for i, info in enumerate(alert.info, 1) for value in info.parameters(name)]


_Word = TypeVar("_Word", MessageClass, Purpose)


def _one_of(alert: CapAlert, name: str, kind: type[_Word], findings: list[Finding]) -> _Word | None:
    values = _parameter(alert, name)
    known = {member.value: member for member in kind}
    for i, value in values:
        if value not in known:
            where = f"alert/info[{i}]/parameter"
            findings.append(_finding("G1", "error", where, f"{name} is {value!r}; use one of {', '.join(known)}"))
    if len({value for _, value in values}) > 1:
        findings.append(
            _finding("G2", "error", "alert", f"{name} has more than one value; say it once, or the same in every info")
        )
    return known.get(values[0][1]) if values else None


def _channels(alert: CapAlert, findings: list[Finding]) -> tuple[ChannelName, ...] | None:
    wanted = [(i, word) for i, value in _parameter(alert, "gateway:channels") for word in value.split()]
    known = {member.value: member for member in ChannelName}
    for i, word in wanted:
        if word not in known:
            where = f"alert/info[{i}]/parameter"
            findings.append(_finding("G1", "error", where, f"gateway:channels names {word!r}; use {', '.join(known)}"))
    return tuple(dict.fromkeys(known[word] for _, word in wanted if word in known)) or None


def _declared(alert: CapAlert, findings: list[Finding]) -> int | None:
    values = {value for _, value in _parameter(alert, "gateway:declares")}
    numbers = [int(value) for value in values if value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS]
    if values and (len(values) > 1 or not numbers):
        message = "gateway:declares is one number, the version of the wording (GET /v1/wordings)"
        findings.append(_finding("G1", "error", "alert/info/parameter", message))
    return numbers[0] if numbers else None


def _finding(rule: str, severity: Weight, element: str, message: str) -> Finding:
    return Finding(id=rule, severity=severity, line=None, element=element, message=message, clause=PROFILE)


def shape_as_json(shape: Shape) -> dict[str, object]:
    """The durable form of a shape, read back by `shape_from_json`."""
    if isinstance(shape, Ring):
        return {"ring": shape.points}
    return {"disc": [shape.lon, shape.lat, shape.radius_km]}


def shape_from_json(stored: Mapping[str, Sequence[Any]]) -> Shape:
    """The shape that `shape_as_json` wrote."""
    if "ring" in stored:
        return Ring(tuple((lon, lat) for lon, lat in stored["ring"]))
    return Disc(*stored["disc"])
