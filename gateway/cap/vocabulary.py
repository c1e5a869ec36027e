"""The element tables of CAP 1.0, 1.1 and 1.2: which child stands where, how often, and what it may hold.

Knows: names, order, cardinality, code values, and the rule that each breach breaks (X1-X15).
Never knows: XML trees, engines. Standard: CAP 1.2 §3.2, CAP 1.1 §3.2, CAP 1.0 §3.2.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from gateway.cap.model import Version

NAMESPACES: Mapping[str, Version] = MappingProxyType(
    {
        "http://www.incident.com/cap/1.0": "1.0",
        "urn:oasis:names:tc:emergency:cap:1.1": "1.1",
        "urn:oasis:names:tc:emergency:cap:1.2": "1.2",
    }
)
NAMESPACE_OF: Mapping[Version, str] = MappingProxyType({version: uri for uri, version in NAMESPACES.items()})
SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
MANY = 1_000_000_000


class Kind(Enum):
    """What an element holds."""

    TEXT = "text"
    CODE = "one of the code values"
    DATE = "a date and time"
    LANGUAGE = "a language code"
    URI = "a URI"
    WHOLE = "a whole number"
    DECIMAL = "a number"
    BLOCK = "elements"


class Row(NamedTuple):
    """One child of a parent: how often it stands there, what it holds, which rules say so."""

    name: str
    least: int
    most: int
    kind: Kind
    codes: tuple[str, ...]
    value_rule: str
    missing_rule: str
    surplus_rules: tuple[str, ...]


def _row(
    name: str,
    often: str,
    kind: Kind = Kind.TEXT,
    value_rule: str = "X15",
    count_rule: str = "",
    *,
    codes: str = "",
    surplus_rules: str = "",
) -> Row:
    least, most = {"1": (1, 1), "?": (0, 1), "*": (0, MANY), "+": (1, MANY)}[often]
    values = tuple(codes.replace("Very Likely", "Very_Likely").split())
    return Row(
        name=name,
        least=least,
        most=most,
        kind=Kind.CODE if codes else kind,
        codes=tuple(value.replace("_", " ") for value in values),
        value_rule=value_rule,
        missing_rule=count_rule,
        surplus_rules=tuple((surplus_rules or count_rule).split()),
    )


_STATUS = "Actual Exercise System Test Draft"
_CATEGORY = "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other"
_RESPONSE = "Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None"
_CERTAINTY = "Observed Likely Possible Unlikely Unknown"

# CAP 1.2 §3.2.1
_ALERT_12 = (
    _row("identifier", "1", count_rule="X3"),
    _row("sender", "1", count_rule="X3"),
    _row("sent", "1", Kind.DATE, "X4", "X3"),
    _row("status", "1", value_rule="X5", count_rule="X3", codes=_STATUS),
    _row("msgType", "1", value_rule="X5", count_rule="X3", codes="Alert Update Cancel Ack Error"),
    _row("source", "?", count_rule="X6"),
    _row("scope", "1", value_rule="X5", count_rule="X3", codes="Public Restricted Private"),
    _row("restriction", "?", count_rule="X6"),
    _row("addresses", "?", count_rule="X6"),
    _row("code", "*"),
    _row("note", "?", count_rule="X6"),
    _row("references", "?", count_rule="X6"),
    _row("incidents", "?", count_rule="X6"),
    _row("info", "*", Kind.BLOCK),
)
# CAP 1.2 §3.2.2
_INFO_12 = (
    _row("language", "?", Kind.LANGUAGE, "X9", "X10"),
    _row("category", "+", value_rule="X8", count_rule="X7", codes=_CATEGORY),
    _row("event", "1", count_rule="X7", surplus_rules="X7 X10"),
    _row("responseType", "*", value_rule="X8", codes=_RESPONSE),
    _row("urgency", "1", value_rule="X8", count_rule="X7", codes="Immediate Expected Future Past Unknown"),
    _row("severity", "1", value_rule="X8", count_rule="X7", codes="Extreme Severe Moderate Minor Unknown"),
    _row("certainty", "1", value_rule="X8", count_rule="X7", codes=_CERTAINTY),
    _row("audience", "?", count_rule="X10"),
    _row("eventCode", "*", Kind.BLOCK),
    _row("effective", "?", Kind.DATE, "X4", "X10"),
    _row("onset", "?", Kind.DATE, "X4", "X10"),
    _row("expires", "?", Kind.DATE, "X4", "X10"),
    _row("senderName", "?", count_rule="X10"),
    _row("headline", "?", count_rule="X10"),
    _row("description", "?", count_rule="X10"),
    _row("instruction", "?", count_rule="X10"),
    _row("web", "?", Kind.URI, "X11", "X10"),
    _row("contact", "?", count_rule="X10"),
    _row("parameter", "*", Kind.BLOCK),
    _row("resource", "*", Kind.BLOCK),
    _row("area", "*", Kind.BLOCK),
)
# CAP 1.2 §3.2.3
_RESOURCE_12 = (
    _row("resourceDesc", "1", count_rule="X13"),
    _row("mimeType", "1", count_rule="X13"),
    _row("size", "?", Kind.WHOLE, "X13", "X13"),
    _row("uri", "?", Kind.URI, "X11", "X13"),
    _row("derefUri", "?", count_rule="X13"),
    _row("digest", "?", count_rule="X13"),
)
# CAP 1.2 §3.2.4
_AREA_12 = (
    _row("areaDesc", "1", count_rule="X14"),
    _row("polygon", "*"),
    _row("circle", "*"),
    _row("geocode", "*", Kind.BLOCK),
    _row("altitude", "?", Kind.DECIMAL, "X14", "X14"),
    _row("ceiling", "?", Kind.DECIMAL, "X14", "X14"),
)
_NAME_VALUE = (
    _row("valueName", "1", count_rule="X12"),
    _row("value", "1", count_rule="X12"),
)


def _changed(rows: tuple[Row, ...], *changes: Row, without: str = "") -> tuple[Row, ...]:
    """The rows with some replaced by name and some left out."""
    new = {row.name: row for row in changes}
    return tuple(new.get(row.name, row) for row in rows if row.name not in without.split())


# CAP 1.1 §3.2
_INFO_11 = _changed(
    _INFO_12,
    _row("responseType", "*", value_rule="X8", codes="Shelter Evacuate Prepare Execute Monitor Assess None"),
)
_RESOURCE_11 = _changed(_RESOURCE_12, _row("mimeType", "?", count_rule="X13"))
_AREA_11 = _changed(_AREA_12, _row("altitude", "?", count_rule="X14"), _row("ceiling", "?", count_rule="X14"))
# CAP 1.0 §3.2
_ALERT_10 = _changed(
    (*_ALERT_12[:5], _row("password", "?", count_rule="X6"), *_ALERT_12[5:]),
    _row("status", "1", value_rule="X5", count_rule="X3", codes="Actual Exercise System Test"),
    _row("scope", "?", value_rule="X5", count_rule="X3", codes="Public Restricted Private"),
)
_INFO_10 = _changed(
    _INFO_12,
    _row("category", "*", value_rule="X8", count_rule="X7", codes=_CATEGORY.replace("CBRNE ", "")),
    _row("certainty", "1", value_rule="X8", count_rule="X7", codes="Very Likely Likely Possible Unlikely Unknown"),
    _row("eventCode", "*"),
    _row("parameter", "*"),
    without="responseType",
)
_RESOURCE_10 = _changed(_RESOURCE_11, without="derefUri")
_AREA_10 = _changed(_AREA_11, _row("geocode", "*"))

Table = Mapping[str, tuple[Row, ...]]
"""From the name of a parent to its rows, in order."""


def _table(
    alert: tuple[Row, ...], info: tuple[Row, ...], resource: tuple[Row, ...], area: tuple[Row, ...], *, pairs: bool
) -> Table:
    blocks = {"alert": alert, "info": info, "resource": resource, "area": area}
    if pairs:
        blocks |= dict.fromkeys(("eventCode", "parameter", "geocode"), _NAME_VALUE)
    return MappingProxyType(blocks)


TABLES: Mapping[Version, Table] = MappingProxyType(
    {
        "1.0": _table(_ALERT_10, _INFO_10, _RESOURCE_10, _AREA_10, pairs=False),
        "1.1": _table(_ALERT_12, _INFO_11, _RESOURCE_11, _AREA_11, pairs=True),
        "1.2": _table(_ALERT_12, _INFO_12, _RESOURCE_12, _AREA_12, pairs=True),
    }
)

REPEATED = frozenset(
    row.name for table in TABLES.values() for rows in table.values() for row in rows if row.most == MANY
)
"""Elements that carry their number in a path: alert/info[2]."""

CLAUSES: Mapping[str, str] = MappingProxyType(
    {
        "alert": "CAP {} §3.2.1",
        "info": "CAP {} §3.2.2",
        "resource": "CAP {} §3.2.3",
        "area": "CAP {} §3.2.4",
        "eventCode": "CAP {} §3.2.2",
        "parameter": "CAP {} §3.2.2",
        "geocode": "CAP {} §3.2.4",
    }
)


def clause(parent: str, version: Version) -> str:
    """The clause that describes the children of this parent."""
    return CLAUSES.get(parent, "CAP {} §3.4").format(version)
