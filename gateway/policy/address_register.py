"""An open address register as it is published, row by row, and what people type when they look for an address.

Knows: the columns of BeST (the Belgian address register) and their plain names, normal spelling. Never knows: files,
SQL. Every row becomes a house number with its place, or a reason.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.policy.importing import Problem
from gateway.policy.tabular import BadFile, BadRow, Row

LANGUAGES = ("nl", "fr", "de", "en")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "municipality": ("municipality_id", "municipality", "nis", "nis_code"),
    "postcode": ("postcode", "postal_code", "zip"),
    "street": ("street_id", "streetname_id"),
    "number": ("house_number", "number", "huisnummer", "numero"),
    "lon": ("epsg:4326_lon", "lon", "longitude"),
    "lat": ("epsg:4326_lat", "lat", "latitude"),
    "status": ("status",),
}
"""What a column may be called; names of streets and towns are in streetname_nl, municipality_name_fr and so on."""

NEEDED = ("municipality", "postcode", "number", "lon", "lat")
GONE = frozenset({"retired", "rejected", "reserved", "proposed"})
MOST_NAME_CHARACTERS = 200
_DEGREES = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")
_NUMBER = re.compile(r"[0-9]{1,4}[a-z]?")
_POSTCODE = re.compile(r"[0-9]{4}")
_GAPS = re.compile(r"[^a-z0-9]+")


class RegisterRow(NamedTuple):
    """One house number. `names` and `towns` are by language; `street` tells streets of one postcode apart."""

    municipality: str
    postcode: str
    street: str
    names: Mapping[str, str]
    towns: Mapping[str, str]
    number: str
    lon: float
    lat: float

    @property
    def town(self) -> str:
        """The municipality's name in some language."""
        return next(iter(self.towns.values()), self.municipality)


class Asked(NamedTuple):
    """What was typed, taken apart."""

    words: str
    postcode: str
    number: str


def plain_words(text: str) -> str:
    """Lower case without accents or signs: what is compared."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _GAPS.sub(" ", bare).strip()


def read_asked(text: str) -> Asked:
    """Street, house number, postcode and town in any order that people use."""
    words = plain_words(text[:MOST_NAME_CHARACTERS]).split()
    codes = [word for word in words if _POSTCODE.fullmatch(word)]
    numbers = [word for word in words if _NUMBER.fullmatch(word) and (word not in codes or len(codes) > 1)]
    number = next((word for word in numbers if word not in codes), numbers[0] if numbers else "")
    postcode = next((word for word in reversed(codes) if word != number), "")
    left = [word for word in words if word not in (number, postcode)]
    return Asked(" ".join(left), postcode, number)


def read_register(rows: Iterable[Row | BadRow | BadFile]) -> Iterator[RegisterRow | Problem]:
    """A house or a problem for every row below the header; what the register says is gone gives nothing."""
    source = iter(rows)
    header = next(source, None)
    if not isinstance(header, Row):
        yield Problem(0, "", header.reason if header else "the file is empty", fatal=True)
        return
    heads = [cell.strip().lower() for cell in header.cells]
    columns = {name: heads.index(word) for name, words in COLUMNS.items() for word in words if word in heads}
    names = {of: heads.index(f"streetname_{of}") for of in LANGUAGES if f"streetname_{of}" in heads}
    towns = {of: heads.index(f"municipality_name_{of}") for of in LANGUAGES if f"municipality_name_{of}" in heads}
    missing = [name for name in NEEDED if name not in columns] + ([] if names else ["streetname_nl"])
    if missing:
        yield Problem(1, missing[0], f"no such column; needed are {', '.join(missing)}", fatal=True)
        return
    for row in source:
        match row:
            case BadFile(reason):
                yield Problem(0, "", reason, fatal=True)
            case BadRow(number, reason):
                yield Problem(number, "", reason)
            case Row(number, cells):
                found = _house(number, cells, columns, names, towns)
                if found is not None:
                    yield found


def _house(
    at: int, cells: tuple[str, ...], columns: Mapping[str, int], names: Mapping[str, int], towns: Mapping[str, int]
) -> RegisterRow | Problem | None:
    def cell(index: int | None) -> str:
        return cells[index].strip() if index is not None and index < len(cells) else ""

    said = {name: cell(columns.get(name)) for name in COLUMNS}
    if said["status"].lower() in GONE:
        return None
    called = {of: name for of, index in names.items() if (name := cell(index))}
    short = [name for name in NEEDED if not said[name]]
    if short or not called:
        return Problem(at, short[0] if short else "streetname", "empty")
    if max(map(len, [*said.values(), *called.values()])) > MOST_NAME_CHARACTERS:
        return Problem(at, "", f"a cell is longer than {MOST_NAME_CHARACTERS} characters")
    lon, lat = _degrees(said["lon"], 180), _degrees(said["lat"], 90)
    if lon is None or lat is None:
        return Problem(at, "lon" if lon is None else "lat", "no degrees like 4.35 and 50.85")
    return RegisterRow(
        said["municipality"], said["postcode"], said["street"] or plain_words(next(iter(called.values()))), called,
        {of: town for of, index in towns.items() if (town := cell(index)[:MOST_NAME_CHARACTERS])},
        plain_words(said["number"]).replace(" ", ""), lon, lat,
    )  # fmt: skip


def _degrees(text: str, limit: int) -> float | None:
    if not _DEGREES.fullmatch(text):
        return None
    value = float(text)
    return value if -limit < value < limit else None
