"""A tree read tolerantly: texts with the elements that they stand in, and the values in them where they can be read.

Knows: which elements a document has and what their texts mean. Never knows: which of it is allowed.
Standard: CAP 1.2 §3.2.

Rules are asked of a draft, so that a document with one fault still gets all its other findings; the alert
(build.py) is made from it when nothing is left to object to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile
from typing import NamedTuple

from lxml import etree

from gateway.cap import dates, places, words
from gateway.cap.model import Circle, NameValue, Polygon, Version
from gateway.cap.tree import path_of
from gateway.cap.vocabulary import NAMESPACE_OF, SIGNATURE_NAMESPACE, TABLES


class Leaf(NamedTuple):
    """One element with text: the text as it stands, and without white space around it."""

    element: etree._Element
    text: str
    value: str


class Pair(NamedTuple):
    """One eventCode, parameter or geocode."""

    element: etree._Element
    value_name: str
    value: str

    @property
    def name_value(self) -> NameValue:
        """The pair as the alert carries it."""
        return NameValue(self.value_name, self.value)


class DatedLeaf(NamedTuple):
    """A date-time element: its text, the instant if it can be used, and a slip that was understood."""

    leaf: Leaf
    at: datetime | None
    slip: str


class ShapeLeaf(NamedTuple):
    """A polygon or circle element and what could be read of it."""

    leaf: Leaf
    reading: places.Reading


class SignatureDraft(NamedTuple):
    """A ds:Signature: whether it is the alert's own child after all else, and what it covers by its Reference URIs."""

    element: etree._Element
    in_place: bool
    complete: bool
    uris: tuple[str | None, ...]


@dataclass(slots=True)
class Block:
    """One element with children, by name."""

    element: etree._Element
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    pairs: dict[str, list[Pair]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the block stands: alert/info[2]."""
        return path_of(self.element)

    def leaf(self, name: str) -> Leaf | None:
        """The first element of this name."""
        found = self.leaves.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        """The first element's text without white space around it; "" when absent or blank."""
        found = self.leaves.get(name)
        return found[0].value if found else ""

    def all(self, name: str) -> list[Leaf]:
        """Every element of this name."""
        return self.leaves.get(name) or []


@dataclass(slots=True)
class AreaDraft(Block):
    """An area and its shapes."""

    polygons: list[ShapeLeaf] = field(default_factory=list)
    circles: list[ShapeLeaf] = field(default_factory=list)
    shapes: list[ShapeLeaf] = field(default_factory=list)
    """Polygons, then circles."""


@dataclass(slots=True)
class InfoDraft(Block):
    """An info, its dates, resources and areas."""

    dates: dict[str, DatedLeaf] = field(default_factory=dict)
    resources: list[Block] = field(default_factory=list)
    areas: list[AreaDraft] = field(default_factory=list)
    language: str = "en-us"
    """The language in lower case; en-us when none is given. # CAP 1.2 §3.2.2"""

    def instant(self, name: str) -> datetime | None:
        """The instant of effective, onset or expires, when there is one that can be read."""
        found = self.dates.get(name)
        return found.at if found else None


@dataclass(slots=True)
class Draft(Block):
    """The whole alert. `names` has every element's name that stands in it, so that what is not there is not looked for;
    `shown` has every text that people may read, `told` all of them in one."""

    version: Version = "1.2"
    lenient: bool = False
    names: frozenset[str] = frozenset()
    sent: DatedLeaf | None = None
    infos: list[InfoDraft] = field(default_factory=list)
    signatures: list[SignatureDraft] = field(default_factory=list)
    references: list[words.Referral] = field(default_factory=list)
    addresses: words.Words = words.NONE
    incidents: words.Words = words.NONE
    blocks: list[Block] = field(default_factory=list)
    """The alert and every info, resource and area in it."""
    areas: list[AreaDraft] = field(default_factory=list)
    shapes: list[ShapeLeaf] = field(default_factory=list)
    flawed: list[ShapeLeaf] = field(default_factory=list)
    """Those shapes with which something is wrong."""
    rings: list[tuple[Leaf, Polygon]] = field(default_factory=list)
    """Every polygon that can be read."""
    drawn: dict[str, Polygon] = field(default_factory=dict)
    """The same by their texts, each once: languages repeat them."""
    named: list[Pair] = field(default_factory=list)
    """Every eventCode, parameter and geocode."""
    dated: list[DatedLeaf] = field(default_factory=list)
    """sent, then the dates of every info."""
    shown: list[Leaf] = field(default_factory=list)
    told: str = ""

    @property
    def sent_at(self) -> datetime | None:
        """The instant of sent, when it can be read."""
        return self.sent.at if self.sent else None


Where = Leaf | Pair | SignatureDraft | Block
"""What a finding can point at: its element has a line and a path."""

SHOWN = (
    "event",
    "senderName",
    "headline",
    "description",
    "instruction",
    "audience",
    "contact",
    "note",
    "areaDesc",
    "resourceDesc",
)
_PAIRED = frozenset({"eventCode", "parameter", "geocode"})
_PARENTS = frozenset({"info", "resource", "area"})
_TEXTS: Mapping[Version, Mapping[str, str]] = {
    version: {
        f"{{{NAMESPACE_OF[version]}}}{row.name}": row.name
        for rows in table.values()
        for row in rows
        if row.name not in _PAIRED | _PARENTS
    }
    for version, table in TABLES.items()
}
"""The names of the elements with texts, by their tags: what most elements are."""
_DATED = ("effective", "onset", "expires")
_SIGNED = f"{{{SIGNATURE_NAMESPACE}}}"
_SIGNATURE = f"{_SIGNED}Signature"
MOST_SIGNATURES = 20


def read(root: etree._Element, version: Version, *, lenient: bool = False) -> Draft:
    """The draft of an alert's tree; elements of other namespaces are left out."""
    reader = _Reader(version, lenient=lenient)
    draft = Draft(root, version=version, lenient=lenient)
    draft.infos = [reader.info(found) for found in reader.fill(draft, "info")["info"]]
    sent = draft.leaf("sent")
    draft.sent = reader.dated(sent) if sent else None
    draft.signatures = _signatures(root)
    draft.references = words.references(draft.text("references"), version, lenient=lenient)
    draft.addresses = words.quoted_words(draft.text("addresses"))
    draft.incidents = words.quoted_words(draft.text("incidents"))
    _gather(draft)
    return draft


def _gather(draft: Draft) -> None:
    """What stands in the infos, side by side."""
    draft.dated = [draft.sent] if draft.sent else []
    draft.blocks = [draft]
    for info in draft.infos:
        draft.dated += info.dates.values()
        draft.areas += info.areas
        draft.blocks += (info, *info.resources, *info.areas)
    draft.names = _names(draft)
    draft.named = [pair for block in draft.blocks for pairs in block.pairs.values() for pair in pairs]
    draft.shapes = [shape for area in draft.areas for shape in area.shapes]
    draft.flawed = [shape for shape in draft.shapes if shape.reading.problem]
    draft.rings = rings_of(draft.shapes)
    draft.drawn = {leaf.text: ring for leaf, ring in draft.rings}
    shown = [name for name in SHOWN if name in draft.names]
    draft.shown = [
        leaf for block in draft.blocks for name in shown if name in block.leaves for leaf in block.leaves[name]
    ]
    draft.told = " ".join([leaf.text for leaf in draft.shown])  # a space neither joins nor separates letters


def _names(draft: Draft) -> frozenset[str]:
    names: set[str] = set().union(*[block.leaves for block in draft.blocks], *[block.pairs for block in draft.blocks])
    if draft.areas:
        names.add("area")
    if any(info.resources for info in draft.infos):
        names.add("resource")
    return frozenset(names)


def _signatures(root: etree._Element) -> list[SignatureDraft]:
    found = list(islice(root.iter(_SIGNATURE), MOST_SIGNATURES))
    if not found:
        return []
    trailing = takewhile(lambda child: str(child.tag).startswith(_SIGNED), reversed(root))
    in_place = {child for child in trailing if child.tag == _SIGNATURE}
    return [_signature(element, in_place=element in in_place) for element in found]


def _signature(element: etree._Element, *, in_place: bool) -> SignatureDraft:
    parts = [element.find(f"{_SIGNED}{name}") for name in ("SignedInfo", "SignatureValue")]
    uris = tuple(reference.get("URI") for reference in element.iterfind(f"{_SIGNED}SignedInfo/{_SIGNED}Reference"))
    complete = all(part is not None for part in parts) and bool(uris)
    return SignatureDraft(element, in_place, complete, uris)


def rings_of(shapes: Iterable[ShapeLeaf]) -> list[tuple[Leaf, Polygon]]:
    """Those of the shapes that are polygons and can be read."""
    return [(leaf, shape) for leaf, (shape, _) in shapes if shape is not None and not isinstance(shape, Circle)]


class _Reader:
    """Reads blocks of one namespace. Languages repeat places and times: each text is read once."""

    def __init__(self, version: Version, *, lenient: bool) -> None:
        self._prefix = f"{{{NAMESPACE_OF[version]}}}"
        self._texts = _TEXTS[version]
        self._lenient = lenient
        self._polygons: dict[str, places.Reading] = {}
        self._circles: dict[str, places.Reading] = {}
        self._dates: dict[str, dates.Instant] = {}

    def fill(self, block: Block, *inner: str) -> dict[str, list[etree._Element]]:
        """Put the texts and pairs of its element into the block; give back the inner blocks' elements."""
        found: dict[str, list[etree._Element]] = {name: [] for name in inner}
        texts, leaves, new = self._texts, block.leaves, tuple.__new__
        for child in block.element:
            name = texts.get(child.tag)
            if name is None:
                name = self._name(child)
                if name in found:
                    found[name].append(child)
                    continue
                if name in _PAIRED:
                    block.pairs.setdefault(name, []).append(self._pair(child))
                    continue
                if not name:
                    continue
            text = child.text or ""
            leaf = new(Leaf, (child, text, text.strip()))  # there are many of them, and the constructor takes as long
            if name in leaves:
                leaves[name].append(leaf)
            else:
                leaves[name] = [leaf]
        return found

    def _name(self, element: etree._Element) -> str:
        tag = element.tag
        return tag[len(self._prefix) :] if tag.startswith(self._prefix) else ""

    def info(self, element: etree._Element) -> InfoDraft:
        """An info with everything in it."""
        info = InfoDraft(element)
        inner = self.fill(info, "resource", "area")
        for name in _DATED:
            leaf = info.leaf(name)
            if leaf:
                info.dates[name] = self.dated(leaf)
        for child in inner["resource"]:
            resource = Block(child)
            self.fill(resource)
            info.resources.append(resource)
        info.areas = [self._area(child) for child in inner["area"]]
        info.language = info.text("language").lower() or "en-us"
        return info

    def dated(self, leaf: Leaf) -> DatedLeaf:
        """A date-time element; in lenient mode slips are understood."""
        text = leaf.value
        if text not in self._dates:
            self._dates[text] = dates.read_leniently(text) if self._lenient else dates.Instant(dates.read(text))
        return tuple.__new__(DatedLeaf, (leaf, *self._dates[text]))

    def _area(self, element: etree._Element) -> AreaDraft:
        area = AreaDraft(element)
        self.fill(area)
        area.polygons = [ShapeLeaf(leaf, self._polygon(leaf.text)) for leaf in area.all("polygon")]
        area.circles = [ShapeLeaf(leaf, self._circle(leaf.text)) for leaf in area.all("circle")]
        area.shapes = area.polygons + area.circles
        return area

    def _polygon(self, text: str) -> places.Reading:
        if text not in self._polygons:
            self._polygons[text] = places.read_polygon(text, close=self._lenient)
        return self._polygons[text]

    def _circle(self, text: str) -> places.Reading:
        if text not in self._circles:
            self._circles[text] = places.read_circle(text)
        return self._circles[text]

    def _pair(self, element: etree._Element) -> Pair:
        """A pair; CAP 1.0 writes NAME=value as text."""
        name = value = ""
        skip, new = len(self._prefix), tuple.__new__
        for child in element:
            part = child.tag[skip:]
            if part == "valueName":
                name = (child.text or "").strip()
            elif part == "value":
                value = (child.text or "").strip()
        if name or value:
            return new(Pair, (element, name, value))
        if not len(element) and element.text and element.text.strip():
            name, equals, value = (part.strip() for part in element.text.partition("="))
            if not equals:
                name, value = "", name
        return Pair(element, name, value)
