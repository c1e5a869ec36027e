"""A tree read tolerantly: texts with their lines and paths, and the values in them where they can be read.

Knows: which elements a document has and what their texts mean. Never knows: which of it is allowed.
Standard: CAP 1.2 §3.2.

Rules are asked of a draft, so that a document with one fault still gets all its other findings; the alert
(build.py) is made from it when nothing is left to object to.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice, takewhile
from typing import NamedTuple

from lxml import etree

from gateway.cap import dates, places, words
from gateway.cap.model import NameValue, Version
from gateway.cap.tree import line_of
from gateway.cap.vocabulary import NAMESPACE_OF, REPEATED, SIGNATURE_NAMESPACE


class Leaf(NamedTuple):
    """One element with text: the text as it stands, its line and its path, the text without white space around it."""

    text: str
    line: int | None
    path: str
    value: str


class Place(NamedTuple):
    """Where something stands that is no single text."""

    line: int | None
    path: str


class Pair(NamedTuple):
    """One eventCode, parameter or geocode and where it stands."""

    line: int | None
    path: str
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

    line: int | None
    path: str
    in_place: bool
    complete: bool
    uris: tuple[str | None, ...]


Where = Leaf | Pair | Place | SignatureDraft
"""What a finding can point at: it has a line and a path."""


@dataclass(slots=True)
class Block:
    """One element with children, by name."""

    line: int | None
    path: str
    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    pairs: dict[str, list[Pair]] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where the block stands."""
        return Place(self.line, self.path)

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


@dataclass
class Draft(Block):
    """The whole alert."""

    version: Version = "1.2"
    lenient: bool = False
    sent: DatedLeaf | None = None
    infos: list[InfoDraft] = field(default_factory=list)
    signatures: list[SignatureDraft] = field(default_factory=list)

    @cached_property
    def references(self) -> list[words.Referral]:
        """The items of references."""
        return words.references(self.text("references"), self.version, lenient=self.lenient)

    @cached_property
    def addresses(self) -> words.Words:
        """The items of addresses."""
        return words.quoted_words(self.text("addresses"))

    @cached_property
    def incidents(self) -> words.Words:
        """The items of incidents."""
        return words.quoted_words(self.text("incidents"))

    @property
    def sent_at(self) -> datetime | None:
        """The instant of sent, when it can be read."""
        return self.sent.at if self.sent else None

    @cached_property
    def blocks(self) -> list[Block]:
        """The alert and every info, resource and area in it."""
        inner = [[info, *info.resources, *info.areas] for info in self.infos]
        return [self, *(block for group in inner for block in group)]

    @cached_property
    def areas(self) -> list[AreaDraft]:
        """Every area of every info."""
        return [area for info in self.infos for area in info.areas]

    @cached_property
    def shapes(self) -> list[ShapeLeaf]:
        """Every polygon and circle."""
        return [shape for area in self.areas for shape in area.shapes]

    @cached_property
    def shown(self) -> list[Leaf]:
        """Every text that people may read."""
        return [leaf for block in self.blocks for name in SHOWN for leaf in block.leaves.get(name, ())]


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
_DATED = ("effective", "onset", "expires")
_SIGNED = f"{{{SIGNATURE_NAMESPACE}}}"
_SIGNATURE = f"{_SIGNED}Signature"
MOST_SIGNATURES = 20


def read(root: etree._Element, version: Version, *, lenient: bool = False) -> Draft:
    """The draft of an alert's tree; elements of other namespaces are left out."""
    reader = _Reader(f"{{{NAMESPACE_OF[version]}}}", lenient=lenient)
    draft = Draft(line_of(root), "alert", version=version, lenient=lenient)
    draft.infos = [reader.info(*found) for found in reader.fill(draft, root, "info")["info"]]
    sent = draft.leaf("sent")
    draft.sent = reader.dated(sent) if sent else None
    draft.signatures = _signatures(root)
    return draft


def _signatures(root: etree._Element) -> list[SignatureDraft]:
    trailing = takewhile(lambda child: str(child.tag).startswith(_SIGNED), reversed(root))
    in_place = {child for child in trailing if child.tag == _SIGNATURE}
    found = islice(root.iter(_SIGNATURE), MOST_SIGNATURES)
    return [_signature(element, in_place=element in in_place) for element in found]


def _signature(element: etree._Element, *, in_place: bool) -> SignatureDraft:
    parts = [element.find(f"{_SIGNED}{name}") for name in ("SignedInfo", "SignatureValue")]
    uris = tuple(reference.get("URI") for reference in element.iterfind(f"{_SIGNED}SignedInfo/{_SIGNED}Reference"))
    complete = all(part is not None for part in parts) and bool(uris)
    return SignatureDraft(line_of(element), "alert/Signature", in_place, complete, uris)


class _Reader:
    """Reads blocks of one namespace."""

    def __init__(self, prefix: str, *, lenient: bool) -> None:
        self._prefix = prefix
        self._lenient = lenient
        self._polygons: dict[str, places.Reading] = {}

    def fill(self, block: Block, element: etree._Element, *inner: str) -> dict[str, list[tuple[etree._Element, str]]]:
        """Put the texts and pairs of an element into the block; give back its inner blocks with their paths."""
        found: dict[str, list[tuple[etree._Element, str]]] = {name: [] for name in inner}
        prefix, base, leaves = self._prefix, block.path, block.leaves
        skip, numbers = len(prefix), dict[str, int]()
        for child in element:
            tag = child.tag
            if not tag.startswith(prefix):
                continue
            name = tag[skip:]
            path = f"{base}/{name}"
            if name in REPEATED:
                numbers[name] = number = numbers.get(name, 0) + 1
                path = f"{path}[{number}]"
            if name in found:
                found[name].append((child, path))
            elif name in _PAIRED:
                block.pairs.setdefault(name, []).append(self._pair(child, path))
            else:
                text = child.text or ""
                leaf = Leaf(text, line_of(child), path, text.strip())
                if name in leaves:
                    leaves[name].append(leaf)
                else:
                    leaves[name] = [leaf]
        return found

    def info(self, element: etree._Element, path: str) -> InfoDraft:
        """An info with everything in it."""
        info = InfoDraft(line_of(element), path)
        inner = self.fill(info, element, "resource", "area")
        for name in _DATED:
            leaf = info.leaf(name)
            if leaf:
                info.dates[name] = self.dated(leaf)
        for child, child_path in inner["resource"]:
            resource = Block(line_of(child), child_path)
            self.fill(resource, child)
            info.resources.append(resource)
        info.areas = [self._area(*found) for found in inner["area"]]
        info.language = info.text("language").lower() or "en-us"
        return info

    def dated(self, leaf: Leaf) -> DatedLeaf:
        """A date-time element; in lenient mode slips are understood."""
        at, slip = dates.read_leniently(leaf.value) if self._lenient else (dates.read(leaf.value), "")
        return DatedLeaf(leaf, at, slip)

    def _area(self, element: etree._Element, path: str) -> AreaDraft:
        area = AreaDraft(line_of(element), path)
        self.fill(area, element)
        area.polygons = [ShapeLeaf(leaf, self._polygon(leaf.text)) for leaf in area.all("polygon")]
        area.circles = [ShapeLeaf(leaf, places.read_circle(leaf.text)) for leaf in area.all("circle")]
        area.shapes = area.polygons + area.circles
        return area

    def _polygon(self, text: str) -> places.Reading:
        """One polygon in every language is read once."""
        if text not in self._polygons:
            self._polygons[text] = places.read_polygon(text, close=self._lenient)
        return self._polygons[text]

    def _pair(self, element: etree._Element, path: str) -> Pair:
        """A pair; CAP 1.0 writes NAME=value as text."""
        texts = {str(child.tag)[len(self._prefix) :]: (child.text or "").strip() for child in element}
        if not texts and element.text and element.text.strip():
            name, equals, value = element.text.strip().partition("=")
            return Pair(line_of(element), path, *((name.strip(), value.strip()) if equals else ("", name)))
        return Pair(line_of(element), path, texts.get("valueName", ""), texts.get("value", ""))
