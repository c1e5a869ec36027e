"""Mends the slips of feeds that have one possible meaning, so that the schema can accept the tree.

Knows: order, namespaces, dates, code values and what may be left out. Never knows: how a slip is said (schema.py
explains the tree as it came). Nothing is ever mended that would reach more people, say another thing, or need a guess.
Standard: CAP 1.2 §3.2.
"""

import re

from lxml import etree

from gateway.cap import dates
from gateway.cap.model import Version
from gateway.cap.tree import local_name, namespace_of
from gateway.cap.vocabulary import (
    NAMESPACE_OF,
    NAMESPACES,
    SIGNATURE_NAMESPACE,
    TABLES,
    Kind,
    Row,
    Table,
)

_SLOPPY = re.compile(r"(?i)(?:.*\bcap[:/](?P<version>1\.[012]).*|)")
_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_MAY_BE_EMPTY = frozenset({"areaDesc", "resourceDesc", "mimeType"})


def adopt_root(root: etree._Element) -> Version | None:
    """The version of an alert whose root is in a namespace that only looks like CAP's, or in none; renames the root."""
    sloppy = _SLOPPY.fullmatch(namespace_of(root))
    if local_name(root) != "alert" or sloppy is None:
        return None
    written = sloppy.group("version")
    version: Version = next((known for known in NAMESPACES.values() if known == written), "1.2")
    root.tag = f"{{{NAMESPACE_OF[version]}}}alert"
    return version


def mend(root: etree._Element, version: Version) -> None:
    """Mend the tree in place, as far as that goes."""
    _Mender(TABLES[version], NAMESPACE_OF[version], version).block(root, "alert")


class _Mender:
    def __init__(self, table: Table, namespace: str, version: Version) -> None:
        self._table = table
        self._namespace = namespace
        self._version = version

    def block(self, element: etree._Element, name: str) -> None:
        """Mend an element with children, and all below it."""
        rows = {row.name: row for row in self._table[name]}
        rank = {row.name: number for number, row in enumerate(rows.values())}
        _clean(element)
        kept, signatures = [], []
        for child in element:
            if name == "alert" and namespace_of(child) == SIGNATURE_NAMESPACE:
                signatures.append(child)
            elif (row := rows.get(local_name(child))) and self._adopt(child) and not self._says_nothing(child, row):
                self._child(child, row)
                kept.append(child)
        kept += [self._empty(row) for row in rows.values() if self._may_be_filled(row, kept)]
        kept.sort(key=lambda child: rank[local_name(child)])
        # the schemas before 1.2 have no place for signatures, which stand in the bytes as received anyway
        element[:] = kept + (signatures if self._version == "1.2" else [])

    def _child(self, child: etree._Element, row: Row) -> None:
        if row.kind is Kind.BLOCK:
            self.block(child, row.name)
            return
        _clean(child, text=False)
        if len(child) == 0:
            child.text = _mended_value(child.text or "", row)

    def _adopt(self, child: etree._Element) -> bool:
        """Whether the child is CAP's, if need be after it is put into the alert's namespace."""
        namespace = namespace_of(child)
        if namespace == self._namespace:
            return True
        if _SLOPPY.fullmatch(namespace) is None:
            return False
        child.tag = f"{{{self._namespace}}}{local_name(child)}"
        return True

    def _says_nothing(self, child: etree._Element, row: Row) -> bool:
        """An optional element that is blank where its type wants a value."""
        optional = row.least == 0 and row.kind not in (Kind.TEXT, Kind.LANGUAGE, Kind.BLOCK)
        return optional and len(child) == 0 and not (child.text or "").strip()

    def _may_be_filled(self, row: Row, kept: list[etree._Element]) -> bool:
        return bool(row.least) and row.name in _MAY_BE_EMPTY and all(local_name(child) != row.name for child in kept)

    def _empty(self, row: Row) -> etree._Element:
        return etree.Element(f"{{{self._namespace}}}{row.name}")


def _clean(element: etree._Element, *, text: bool = True) -> None:
    """Take away attributes that CAP does not have and, with `text`, what stands between elements."""
    for name in [str(name) for name in element.attrib if not str(name).startswith(_INSTANCE)]:
        del element.attrib[name]
    if text and len(element):
        element.text = None
        for child in element:
            child.tail = None


def _mended_value(text: str, row: Row) -> str:
    value = text.strip()
    match row.kind:
        case Kind.CODE:
            return _mended_code(value, row)
        case Kind.DATE:
            at = dates.read_leniently(value).at
            return text if at is None or dates.is_strict(value) else dates.write(at)
        case Kind.LANGUAGE:
            return value.replace("_", "-")
        case Kind.WHOLE | Kind.DECIMAL:
            return value
        case _:
            return text


def _mended_code(value: str, row: Row) -> str:
    # CAP 1.2 §3.2.2: "Very Likely" of 1.0 is treated as Likely
    if row.name == "certainty" and value.lower() == "very likely" and "Very Likely" not in row.codes:
        return "Likely"
    return next((code for code in row.codes if code.lower() == value.lower()), value)
