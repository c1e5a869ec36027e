"""Where a tree departs from the element tables: unknown, missing, repeated, misplaced elements, and attributes.

Knows: the tables of vocabulary.py and how to say each departure in words. Never knows: engines, values.
Standard: CAP 1.2 §3.2 and §3.4 (rules X1-X3, X6, X7, X10, X12-X15).
"""

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from gateway.cap.findings import Finding, error, quoted
from gateway.cap.model import Version
from gateway.cap.tree import line_of, local_name, namespace_of, path_of
from gateway.cap.vocabulary import (
    NAMESPACE_OF,
    SIGNATURE_NAMESPACE,
    TABLES,
    Kind,
    Row,
    Table,
    clause,
)

_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_ORDER_RULES = {"eventCode": ("X12",), "parameter": ("X12",), "geocode": ("X12",), "area": ("X2", "X14")}


def departures(root: etree._Element, version: Version) -> Iterator[Finding]:
    """One finding per departure, in document order. Linear in the size of the tree."""
    table, prefix = TABLES[version], f"{{{NAMESPACE_OF[version]}}}"
    waiting = [(root, "alert")]
    while waiting:
        element, name = waiting.pop()
        yield from _attributes(element, version)
        rows = table.get(name)
        if rows is None:
            yield from _children_of_text(element, version)
            continue
        yield from _Children(element, name, rows, version).departures()
        known = [(child, local_name(child)) for child in element if str(child.tag).startswith(prefix)]
        waiting.extend(reversed([pair for pair in known if _is_row(table, name, pair[1])]))


def _is_row(table: Table, parent: str, name: str) -> bool:
    return any(row.name == name for row in table[parent])


def _at(element: etree._Element, rule: str, message: str, version: Version, parent: str = "alert") -> Finding:
    return error(rule, message, clause(parent, version), line=line_of(element), element=path_of(element))


def _attributes(element: etree._Element, version: Version) -> Iterator[Finding]:
    if not element.attrib:
        return
    foreign = [str(name) for name in element.attrib if not str(name).startswith(_INSTANCE)]
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        yield _at(element, "X1", f"the attribute {quoted(foreign[0])}{more} is not part of CAP; remove it", version)


def _children_of_text(element: etree._Element, version: Version) -> Iterator[Finding]:
    for child in element:
        message = f"{quoted(local_name(child))} stands inside {local_name(element)}, which holds text only"
        yield _at(child, "X15", message, version)
        return


class _Children:
    """The children of one element, held against its rows."""

    def __init__(self, parent: etree._Element, name: str, rows: tuple[Row, ...], version: Version) -> None:
        self._parent = parent
        self._name = name
        self._rows = {row.name: row for row in rows}
        self._rank = {row.name: rank for rank, row in enumerate(rows)}
        self._version = version
        self._seen: Counter[str] = Counter()
        self._highest = -1
        self._last_own = -1

    def departures(self) -> Iterator[Finding]:
        """Departures of each child, then what is missing, then stray text."""
        own = [number for number, child in enumerate(self._parent) if namespace_of(child) != SIGNATURE_NAMESPACE]
        self._last_own = own[-1] if own else -1
        for number, child in enumerate(self._parent):
            yield from self._child(child, number)
        yield from self._missing()
        if self._has_text():
            yield self._finding(self._parent, "X15", f"text stands between the elements of {self._name}; remove it")

    def _child(self, child: etree._Element, number: int) -> Iterator[Finding]:
        name, namespace = local_name(child), namespace_of(child)
        if namespace == SIGNATURE_NAMESPACE and self._name == "alert":
            yield from self._signature(child, is_last=number > self._last_own)
        elif namespace != NAMESPACE_OF[self._version]:
            yield self._foreign(child, name, namespace)
        elif name not in self._rows:
            yield self._unknown(child, name)
        else:
            yield from self._known(child, name)

    def _known(self, child: etree._Element, name: str) -> Iterator[Finding]:
        self._seen[name] += 1
        row, rank = self._rows[name], self._rank[name]
        if self._seen[name] == row.most + 1:
            for rule in row.surplus_rules:
                yield self._finding(child, rule, f"{name} stands here more than once; keep one")
        elif rank < self._highest:
            message = f"{name} stands too late; the order is {', '.join(self._order_names())}"
            for rule in _ORDER_RULES.get(self._name, ("X2",)):
                yield self._finding(child, rule, message)
        self._highest = max(self._highest, rank)

    def _signature(self, child: etree._Element, *, is_last: bool) -> Iterator[Finding]:
        # CAP 1.2 §3.3.4.1; the schemas before 1.2 have no place for a signature
        if self._version != "1.2":
            yield self._finding(child, "X15", f"the schema of CAP {self._version} has no place for a signature")
        elif not is_last:
            yield self._finding(child, "X15", "a signature stands before other elements; it comes last in the alert")

    def _foreign(self, child: etree._Element, name: str, namespace: str) -> Finding:
        if name in self._rows:
            wanted = NAMESPACE_OF[self._version]
            return self._finding(child, "X1", f"{name} is in the namespace {quoted(namespace)}; it belongs in {wanted}")
        message = f"{quoted(name)} of the namespace {quoted(namespace)} is not part of CAP; remove it"
        return self._finding(child, "X15", message)

    def _unknown(self, child: etree._Element, name: str) -> Finding:
        near = next((known for known in self._rows if known.lower() == name.lower()), "")
        hint = f"it is spelled {near}" if near else "use a parameter for what CAP does not have"
        message = f"{quoted(name)} is not an element of {self._name} in CAP {self._version}; {hint}"
        return self._finding(child, "X15", message)

    def _missing(self) -> Iterator[Finding]:
        for row in self._rows.values():
            if self._seen[row.name] < row.least:
                often = "exactly one" if row.most == 1 else "at least one"
                message = f"{row.name} is missing; {self._name} has {often}{self._place(row.name)}"
                yield self._finding(self._parent, row.missing_rule, message)

    def _place(self, name: str) -> str:
        before = [known for known in self._order_names() if self._rank[known] < self._rank[name]]
        return f", after {before[-1]}" if before else ", as its first element"

    def _order_names(self) -> list[str]:
        return [name for name in self._rows if self._seen[name] or self._rows[name].least]

    def _has_text(self) -> bool:
        texts = [self._parent.text, *(child.tail for child in self._parent)]
        return any(text and text.strip(" \t\r\n") for text in texts)

    def _finding(self, element: etree._Element, rule: str, message: str) -> Finding:
        return _at(element, rule, message, self._version, self._name)


def row_of(element: etree._Element, version: Version) -> Row | None:
    """The table row of this element, None where the tables have none."""
    parent = element.getparent()
    rows = TABLES[version].get(local_name(parent), ()) if parent is not None else ()
    return next((row for row in rows if row.name == local_name(element)), None)


def is_text(row: Row | None) -> bool:
    """Whether the row holds a value and not elements."""
    return row is not None and row.kind is not Kind.BLOCK
