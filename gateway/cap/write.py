"""From an alert record to CAP 1.2 XML.

Knows: the order of elements and how values are written. Never knows: signatures, files.
Standard: CAP 1.2 §3.2, §3.3.2. Whatever version the alert came in, 1.2 is written.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import cast

from lxml import etree

from gateway.cap import dates
from gateway.cap.model import CapAlert, CapArea, CapInfo, CapReference, CapResource, Circle, NameValue, Polygon
from gateway.cap.vocabulary import NAMESPACE_OF

_NAMESPACE = NAMESPACE_OF["1.2"]
_PREFIXES = cast("dict[str, str]", {None: _NAMESPACE})  # None is lxml's name for the default namespace
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0 §2.2
_SMALLEST = 1e-20
_LIST_BREAKERS = re.compile(r"\s")


# CAP 1.2 §4.3: what a producer sends is a conforming message
def write(alert: CapAlert) -> bytes:
    """The alert as an XML document in UTF-8, elements in the schema's order, UTC written -00:00.

    References of CAP 1.0, which give no time, can not be written in 1.2 and are left out.
    """
    root = etree.Element(f"{{{_NAMESPACE}}}alert", nsmap=_PREFIXES)
    _texts(root, ("identifier", alert.identifier), ("sender", alert.sender), ("sent", dates.write(alert.sent)))
    _texts(root, ("status", alert.status), ("msgType", alert.msg_type), ("source", alert.source))
    # CAP 1.2 §3.2.1: scope is obligatory; where 1.0 left it out, the narrower one with a reason is written
    _texts(root, ("scope", alert.scope or "Restricted"))
    _texts(root, ("restriction", alert.restriction or ("" if alert.scope else "scope was not given")))
    _texts(root, ("addresses", _quoted_list(alert.addresses)), *(("code", code) for code in alert.code))
    references = " ".join(_reference(reference, reference.sent) for reference in alert.references if reference.sent)
    _texts(root, ("note", alert.note), ("references", references))
    _texts(root, ("incidents", _quoted_list(alert.incidents)))
    for info in alert.info:
        _info(etree.SubElement(root, f"{{{_NAMESPACE}}}info"), info)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _info(element: etree._Element, info: CapInfo) -> None:
    _texts(element, ("language", info.language), *(("category", category) for category in info.category or ("Other",)))
    _texts(element, ("event", info.event), *(("responseType", kind) for kind in info.response_type))
    _texts(element, ("urgency", info.urgency), ("severity", info.severity), ("certainty", info.certainty))
    _texts(element, ("audience", info.audience))
    _pairs(element, "eventCode", info.event_code)
    for name, at in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        _texts(element, (name, _moment(at)))
    _texts(element, ("senderName", info.sender_name), ("headline", info.headline))
    _texts(element, ("description", info.description), ("instruction", info.instruction))
    _texts(element, ("web", info.web), ("contact", info.contact))
    _pairs(element, "parameter", info.parameter)
    for resource in info.resource:
        _resource(etree.SubElement(element, f"{{{_NAMESPACE}}}resource"), resource)
    for area in info.area:
        _area(etree.SubElement(element, f"{{{_NAMESPACE}}}area"), area)


def _resource(element: etree._Element, resource: CapResource) -> None:
    _texts(element, ("resourceDesc", resource.resource_desc))
    _texts(element, ("mimeType", resource.mime_type or "application/octet-stream"))  # CAP 1.2 §3.2.3: obligatory
    _texts(element, ("size", "" if resource.size is None else str(resource.size)), ("uri", resource.uri))
    _texts(element, ("derefUri", resource.deref_uri), ("digest", resource.digest))


def _area(element: etree._Element, area: CapArea) -> None:
    _texts(element, ("areaDesc", area.area_desc))
    _texts(element, *(("polygon", _polygon(polygon)) for polygon in area.polygon))
    _texts(element, *(("circle", _circle(circle)) for circle in area.circle))
    _pairs(element, "geocode", area.geocode)
    _texts(element, ("altitude", _height(area.altitude)), ("ceiling", _height(area.ceiling)))


def _texts(parent: etree._Element, *texts: tuple[str, str]) -> None:
    """One child per text that is not empty; characters that XML can not hold become spaces."""
    for name, text in texts:
        if text:
            etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}").text = _FORBIDDEN.sub(" ", text)


def _pairs(parent: etree._Element, name: str, pairs: Iterable[NameValue]) -> None:
    for pair in pairs:
        element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
        for part, text in (("valueName", pair.value_name), ("value", pair.value)):
            etree.SubElement(element, f"{{{_NAMESPACE}}}{part}").text = _FORBIDDEN.sub(" ", text)


def _moment(at: datetime | None) -> str:
    return "" if at is None else dates.write(at)


def _quoted_list(items: Iterable[str]) -> str:
    # CAP 1.2 §3.2.1: items with white space stand in double quotes
    return " ".join(f'"{item}"' if _LIST_BREAKERS.search(item) else item for item in items)


def _reference(reference: CapReference, sent: datetime) -> str:
    """The time as the message referred to wrote it, so that it is found again by its text, too."""
    text = reference.sent_text if dates.is_strict(reference.sent_text) else dates.write(sent)
    return f"{reference.sender},{reference.identifier},{text}"


def _polygon(polygon: Polygon) -> str:
    return " ".join(f"{_degrees(lat)},{_degrees(lon)}" for lat, lon in polygon)


def _circle(circle: Circle) -> str:
    return f"{_degrees(circle.lat)},{_degrees(circle.lon)} {_degrees(circle.radius_km)}"


def _height(feet: float | None) -> str:
    return "" if feet is None else _degrees(feet)


def _degrees(value: float) -> str:
    """The shortest decimal that reads back as the same number, never with an exponent."""
    if abs(value) < _SMALLEST:
        return "0"
    return format(Decimal(repr(value)), "f").removesuffix(".0")
