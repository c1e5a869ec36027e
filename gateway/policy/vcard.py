"""The cards of a vCard file as rows of a table, as telephones and address books write them.

Knows: vCard 2.1, 3.0 (RFC 2426) and 4.0 (RFC 6350), as far as it says how to reach somebody. Never knows: files, which
of two numbers is the better one beyond what the card says, contacts. Pictures, notes and the unknown are passed over.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.policy.tabular import BadFile, BadRow, Row, cleaned

HEADER = (
    "key", "name", "mobile", "landline", "phone", "email", "language", "label", "postcode", "municipality", "lon",
    "lat", "tags",
)  # fmt: skip
PROPERTIES = frozenset({"BEGIN", "END", "UID", "FN", "N", "TEL", "EMAIL", "LANG", "ADR", "GEO", "CATEGORIES"})
NUMBERS_OF_MACHINES = frozenset({"fax", "pager", "modem", "bbs", "isdn"})
DEFAULT_PREF = 101  # RFC 6350 §5.3: 1 is the most preferred, 100 the least

_LINE = re.compile(r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)((?:;[^;:\"]*(?:\"[^\"]*\"[^;:\"]*)*)*):(.*)", re.DOTALL)
_PARAMETER = re.compile(r";([^;=\"]*)(?:=((?:[^;\"]|\"[^\"]*\")*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardLimits:
    """What a file may cost."""

    file_bytes: int = 100 * 2**20
    cards: int = 200_000
    value_characters: int = 4_096  # longer properties are pictures and notes: passed over
    properties: int = 500  # of one card


class Property(NamedTuple):
    """One content line: its name in capitals, its types in lower case, its other parameters, its value as written."""

    name: str
    types: frozenset[str]
    parameters: dict[str, str]
    value: str

    @property
    def pref(self) -> int:
        """The smaller, the more preferred."""
        said = self.parameters.get("PREF", "")
        if said.isascii() and said.isdigit() and len(said) <= 3:
            return int(said)
        return 1 if "pref" in self.types else DEFAULT_PREF  # RFC 2426 §3.3.1


@dataclass(slots=True, kw_only=True)
class _Card:
    """A card while it is read."""

    found: list[Property] = field(default_factory=list)
    depth: int = 1
    wrong: str = ""


def read_cards(data: bytes, limits: CardLimits = CardLimits()) -> Iterator[Row | BadRow | BadFile]:
    """The header HEADER, then a row for every card, numbered from 2 as in a table."""
    if len(data) > limits.file_bytes:
        yield BadFile(f"the file is larger than {limits.file_bytes // 2**20} MiB: split it")
        return
    yield Row(1, HEADER)
    card, number = None, 1
    for line in _content_lines(data, limits):
        name = line.partition(":")[0].upper()
        if card is None:
            if name == "BEGIN":
                card, number = _Card(), number + 1
                if number > limits.cards + 1:
                    yield BadFile(f"the file has more than {limits.cards:,} cards: split it")
                    return
            elif line.strip():
                yield BadFile("something stands between the cards: this is no vCard file")
                return
        elif _within(card, name, line, limits):
            yield _row(card, number)
            card = None
    if card is not None:
        yield BadRow(number, "the card does not end (END:VCARD)")


def _within(card: _Card, name: str, line: str, limits: CardLimits) -> bool:
    """Take a line of a card; whether the card ends with it."""
    if name in ("BEGIN", "END"):  # a card inside a card: AGENT of vCard 2.1
        card.depth += 1 if name == "BEGIN" else -1
        return card.depth == 0
    if card.depth > 1:
        return False
    found = _property(line, limits)
    if found is not None and len(card.found) < limits.properties:
        card.found.append(found)
    return False


def _content_lines(data: bytes, limits: CardLimits) -> Iterator[str]:
    """Lines put together again (RFC 6350 §3.2); a quoted-printable one goes on after its = (vCard 2.1 §2.1.3)."""
    held: list[str] = []
    size, soft = 0, False
    for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = _text(raw.removesuffix(b"\r"))
        folded = bool(held) and (soft or line[:1] in (" ", "\t"))
        if not folded:
            if held:
                yield "".join(held)
            held, size = [], 0
        size += len(line)
        if size <= 2 * limits.value_characters:  # the head of a picture is enough to pass it over
            held.append(line if soft or not folded else line[1:])
        soft = line.endswith("=") and "QUOTED-PRINTABLE" in held[0].partition(":")[0].upper()
        if soft and held[-1].endswith("="):
            held[-1] = held[-1][:-1]
    if held:
        yield "".join(held)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()  # RFC 6350 §3.1
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _property(line: str, limits: CardLimits) -> Property | None:
    """RFC 6350 §3.3; None for a property that says nothing of use here, or a line that is none."""
    name = re.split("[;:]", line, maxsplit=1)[0].rpartition(".")[2].strip().upper()
    if name not in PROPERTIES or len(line) > limits.value_characters:
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    types, parameters = set[str](), dict[str, str]()
    for given, value in _PARAMETER.findall(found[2]):
        word, said = given.strip().upper(), value.strip().strip('"')
        if not said:  # vCard 2.1 writes TEL;CELL: for TEL;TYPE=CELL:
            types.add(word.lower())
        elif word == "TYPE":
            types |= {one.strip().strip('"').lower() for one in said.split(",")}
        else:
            parameters[word] = said
    return Property(name, frozenset(types), parameters, _decoded(found[3], types, parameters))


def _decoded(value: str, types: set[str], parameters: dict[str, str]) -> str:
    """The value behind ENCODING=QUOTED-PRINTABLE, which vCard 2.1 has."""
    said = parameters.get("ENCODING", "").upper()
    if said != "QUOTED-PRINTABLE" and "quoted-printable" not in types:
        return value
    try:
        return _text(quopri.decodestring(value.encode()))
    except (binascii.Error, ValueError):
        return value


def _row(card: _Card, number: int) -> Row:
    by_name: dict[str, list[Property]] = {}
    for one in card.found:
        by_name.setdefault(one.name, []).append(one)
    for several in by_name.values():
        several.sort(key=lambda one: one.pref)  # stable: among equals the first one written
    cells = _numbers(by_name.get("TEL", [])) | _address(by_name.get("ADR", [])) | _point(by_name.get("GEO", []))
    cells |= {
        "key": _first(by_name, "UID").removeprefix("urn:uuid:"),
        "name": _first(by_name, "FN") or _structured_name(by_name.get("N", [])),
        "email": _first(by_name, "EMAIL"),
        "language": _first(by_name, "LANG"),
        "tags": " ".join(_categories(by_name.get("CATEGORIES", []))),
    }
    return Row(number, tuple(cleaned(cells.get(name, "")) for name in HEADER))


def _first(by_name: dict[str, list[Property]], name: str) -> str:
    return unescaped(by_name[name][0].value).strip() if name in by_name else ""


def _numbers(numbers: list[Property]) -> dict[str, str]:
    """The first mobile number, and the first other one of a person. RFC 6350 §6.4.1"""
    cells: dict[str, str] = {}
    for one in numbers:
        if one.types & NUMBERS_OF_MACHINES:
            continue
        column = "mobile" if "cell" in one.types else "phone"
        # a tel: URI may carry parameters, of which ext is one that matters: it is refused where numbers are read
        number = unescaped(one.value).strip()
        cells.setdefault(column, number[4:].replace(";ext=", " ext. ") if number[:4].lower() == "tel:" else number)
    return cells


def _address(addresses: list[Property]) -> dict[str, str]:
    """RFC 6350 §6.3.1: box; extended; street; locality; region; code; country."""
    if not addresses:
        return {}
    parts = [unescaped(part).strip() for part in split_unescaped(addresses[0].value, ";")] + [""] * 7
    label = " ".join(part for part in (parts[2], parts[1]) if part)
    return {"label": label, "municipality": parts[3], "postcode": parts[5]}


def _point(places: list[Property]) -> dict[str, str]:
    """geo:50.85,4.35 (RFC 6350 §6.5.2, RFC 5870) or 50.85;4.35 (RFC 2426 §3.4.2): the latitude comes first."""
    if not places:
        return {}
    value = places[0].value.strip()
    value = value[4:].partition(";")[0] if value[:4].lower() == "geo:" else value
    lat, _, rest = value.replace("\\", "").replace(";", ",").partition(",")
    lon = rest.partition(",")[0]
    return {"lat": lat.strip(), "lon": lon.strip()} if lat and lon else {}


def _structured_name(names: list[Property]) -> str:
    """RFC 6350 §6.2.2: family; given; additional; prefixes; suffixes."""
    if not names:
        return ""
    parts = [unescaped(part).strip() for part in split_unescaped(names[0].value, ";")] + ["", ""]
    return f"{parts[1]} {parts[0]}".strip()


def _categories(properties: list[Property]) -> list[str]:
    """RFC 6350 §6.7.1; a tag is one word."""
    words = (unescaped(word) for one in properties for word in split_unescaped(one.value, ","))
    return [tag for word in words if (tag := re.sub(r"[\s,;]+", "-", word.strip()))]


def split_unescaped(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash stands before. RFC 6350 §3.4"""
    parts, held = [""], False
    for character in text:
        if character == separator and not held:
            parts.append("")
        else:
            parts[-1] += character
        held = character == "\\" and not held
    return parts


def unescaped(text: str) -> str:
    """RFC 6350 §3.4; a line end in a name is a blank."""
    return re.sub(r"\\(.)", lambda match: " " if match[1] in "nN" else match[1], text, flags=re.DOTALL)
