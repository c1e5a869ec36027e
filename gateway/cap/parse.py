"""From hostile bytes to a CAP element tree of bounded size.

Knows: limits, the hardened parser, which roots are CAP. Never knows: schema, rules, records.
Standard: CAP 1.2 §3.2; XML 1.0.

The order is the defence: size, encoding and DOCTYPE are settled on the bytes (xmltext.py) before any parser sees
them; the parser expands and fetches nothing; how many of each thing there are is counted before any number is read;
validation comes later and on the finished tree, because libxml2 can crash when it validates while it parses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from lxml import etree

from gateway.cap import places, xmltext
from gateway.cap.findings import Finding, error, quoted
from gateway.cap.model import Version
from gateway.cap.tree import line_of, local_name, namespace_of
from gateway.cap.vocabulary import NAMESPACES, SIGNATURE_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one document may hold; `children` bounds the children of one element, all others the whole alert.

    `clock_ahead_s` and `replay_s` bound how far `sent` may lie after and before the moment of receipt.
    """

    max_bytes: int = 1_100_000
    elements: int = 20_000
    children: int = 4_000
    infos: int = 100
    areas: int = 2_000
    polygons: int = 2_000
    circles: int = 2_000
    points: int = 75_000
    parameters: int = 2_000
    resources: int = 100
    resource_bytes: int = 1_000_000
    findings: int = 200
    clock_ahead_s: int = 300
    replay_s: int = 86_400


class Parsed(NamedTuple):
    """A CAP root and its version, or the findings that refuse the document; `well_formed` says how far it came."""

    root: etree._Element | None
    version: Version | None
    findings: tuple[Finding, ...]
    well_formed: bool


_COUNTED = (  # element, its limit
    ("info", "infos"),
    ("area", "areas"),
    ("polygon", "polygons"),
    ("circle", "circles"),
    ("parameter", "parameters"),
    ("resource", "resources"),
)
_ROOTS = {f"{{{namespace}}}alert": version for namespace, version in NAMESPACES.items()}
_ENVELOPES = {
    "feed": "an Atom feed; send one alert, not the feed",
    "rss": "an RSS feed; send one alert, not the feed",
    "EDXLDistribution": "an EDXL-DE envelope; send the alert in it",
    "alerts": "a list of alerts; send them one by one",
}


def parse(raw: bytes, limits: Limits) -> Parsed:
    """The tree of one alert, its root in the namespace of a known version."""
    tree = parse_tree(raw, limits)
    if tree.root is None:
        return tree
    refusal = wrong_root(tree.root)
    if refusal is not None:
        return Parsed(None, None, (refusal,), well_formed=True)
    return tree._replace(version=version_of(tree.root))


def parse_tree(raw: bytes, limits: Limits) -> Parsed:
    """The tree of any XML document within the limits; version stays None."""
    decoded = xmltext.decode(raw, max_bytes=limits.max_bytes)
    if decoded.text is None:
        return Parsed(None, None, decoded.refusals, well_formed=False)
    try:
        root = etree.fromstring(decoded.utf8, xmltext.strict_parser())
    except etree.XMLSyntaxError as fault:
        return Parsed(None, None, (_not_well_formed(fault),), well_formed=False)
    if root.getroottree().docinfo.internalDTD is not None:
        return Parsed(
            None, None, (error("S40", "a DOCTYPE is not accepted; remove it", "CAP 1.2 §3.3.3"),), well_formed=True
        )
    refusals = tuple(_too_many(root, limits)) if _may_be_too_many(root, decoded.utf8, limits) else ()
    return Parsed(None if refusals else root, None, refusals, well_formed=True)


def version_of(root: etree._Element) -> Version | None:
    """The CAP version of this root, None when it is no CAP alert."""
    return _ROOTS.get(root.tag)


def is_signed(root: etree._Element) -> bool:
    """Whether a signature stands in the alert; nothing is said of its worth."""
    return next(root.iterchildren(f"{{{SIGNATURE_NAMESPACE}}}Signature"), None) is not None


def _not_well_formed(fault: etree.XMLSyntaxError) -> Finding:
    line = fault.lineno if fault.lineno and fault.lineno > 0 else None
    reason = quoted(str(fault.msg or "not well-formed"), 160).strip('"')
    return error("XML", f"the document is not well-formed XML: {reason}", "XML 1.0 §2.1", line=line, element="")


def wrong_root(root: etree._Element) -> Finding | None:
    """Why this root is not that of a CAP alert; None when it is."""
    if version_of(root) is not None:
        return None
    name = local_name(root)
    if name == "alert":
        known = ", ".join(NAMESPACES)
        message = f"the root's namespace {quoted(namespace_of(root))} is not CAP's; it is one of {known}"
    else:
        what = _ENVELOPES.get(name, "not a CAP alert")
        message = f"the root element is {quoted(name)}: {what}; the root of CAP is alert"
    return error("X1", message, "CAP 1.2 §3.2.1", line=line_of(root), element=name[:60])


def _may_be_too_many(root: etree._Element, document: bytes, limits: Limits) -> bool:
    """Whether any limit could be passed: in a small document, which has few brackets, most of them can not."""
    brackets = document.count(b"<")
    if brackets > min(limits.elements, limits.children):
        return True
    if len(document) > limits.points and document.count(b",") > limits.points:
        return True
    few = [(name, most) for name, limit in _COUNTED if brackets > (most := getattr(limits, limit))]
    return bool(few) and _more_than(min(most for _, most in few), root.iter(*(f"{{*}}{name}" for name, _ in few)))


def _more_than(most: int, elements: Iterable[etree._Element]) -> bool:
    return next(islice(elements, most, None), None) is not None


def _too_many(root: etree._Element, limits: Limits) -> list[Finding]:
    """One finding per limit that is passed; nothing of the content has been read yet."""
    total = widest = points = 0
    counts = dict.fromkeys((name for name, _ in _COUNTED), 0)
    for element in root.iter(etree.Element):
        total += 1
        widest = max(widest, len(element))
        name = local_name(element)
        if name in counts:
            counts[name] += 1
            if name == "polygon":
                points += places.pair_count(element.text or "")
    held = [(f"{name} elements", counts[name], getattr(limits, limit)) for name, limit in _COUNTED]
    held += [
        ("elements", total, limits.elements),
        ("children of one element", widest, limits.children),
        ("polygon points", points, limits.points),
    ]
    return [
        error("SIZE", f"the alert has {count} {what}; at most {most} are read", "", element="alert")
        for what, count, most in held
        if count > most
    ]
