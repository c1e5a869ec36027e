"""The verdict of the XML schema, and on refusal what is wrong in words.

Knows: two engines. lxml (libxml2) gives the verdict; xmlschema finds the values at fault, because it goes on where
libxml2 stops; what is wrong with the structure is said by structure.py.
Never knows: the rules that no schema can express.
Standard: CAP 1.2 §3.4; XML Schema 1.0. Rules X1-X15.
"""

import copy
import importlib
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib import resources
from itertools import islice
from threading import get_ident
from typing import Any, NamedTuple, cast

from lxml import etree

from gateway.cap import structure
from gateway.cap.findings import Finding, error, quoted
from gateway.cap.model import Version
from gateway.cap.structure import is_text, row_of
from gateway.cap.tree import line_of, local_name, path_of
from gateway.cap.vocabulary import NAMESPACE_OF, SIGNATURE_NAMESPACE, TABLES, Kind, Row, clause
from gateway.cap.words import EXAMPLE_DATE

_EXPLAINED_ELEMENTS = 1_500
"""Up to this size the slow engine explains (about 20 us per element); above it, libxml2's own log has to do."""

_COMPILED = 32  # schemas in memory: three versions in as many threads as check at once
_NO_VALUE = (ArithmeticError, ValueError, TypeError)
"""What xmlschema raises beside its own errors for values that no type can hold, such as the year 10^20."""

_SIGNED = f"{{{SIGNATURE_NAMESPACE}}}"
_NAMED = re.compile(r"Element '(?:\{[^}]*\})?([A-Za-z]+)'")


class Judgement(NamedTuple):
    """Whether the schema accepts a tree, and what libxml2 noted when it does not."""

    valid: bool
    log: tuple[etree._LogEntry, ...] = ()


def judge(root: etree._Element, version: Version) -> Judgement:
    """Whether the finished tree obeys the schema of its version."""
    schema = _compiled(version, get_ident())
    try:
        valid = schema.validate(root)
    except etree.LxmlError:  # libxml2 gives up on some trees with an internal error: not valid
        return Judgement(False)
    if valid:
        return Judgement(_signatures_come_last(root))
    return Judgement(False, tuple(cast("Iterable[etree._LogEntry]", schema.error_log)))


def _signatures_come_last(root: etree._Element) -> bool:
    """What the schema says and libxml2 does not see: no info follows the wildcard for signatures."""
    # CAP 1.2 §3.4
    first = next(root.iterchildren(f"{_SIGNED}*"), None)
    return first is None or all(str(child.tag).startswith(_SIGNED) for child in first.itersiblings())


def explain(root: etree._Element, version: Version, judgement: Judgement, *, most: int) -> tuple[Finding, ...]:
    """What is wrong with a refused tree, at most `most` findings and at least one."""
    found = list(islice(structure.departures(root, version), most))
    if len(found) < most:
        found.extend(islice(_values(root, version, judgement), most - len(found)))
    if not found:  # the engines differ on few values, such as a URI with %%
        found.extend(islice(_values_by_libxml2(root, version, judgement), most))
    return tuple(dict.fromkeys(found)) or (_unexplained(version, judgement),)


def _values(root: etree._Element, version: Version, judgement: Judgement) -> list[Finding]:
    small = sum(1 for _ in islice(root.iter(), _EXPLAINED_ELEMENTS + 1)) <= _EXPLAINED_ELEMENTS
    try:
        return list(_values_by_xmlschema(root, version) if small else _values_by_libxml2(root, version, judgement))
    except (_second_engine().XMLSchemaException, *_NO_VALUE):
        return list(_values_by_libxml2(root, version, judgement))


def _values_by_xmlschema(root: etree._Element, version: Version) -> Iterator[Finding]:
    """Every value that its type refuses."""
    of_structure = _second_engine().XMLSchemaChildrenValidationError
    for fault in _explaining(version).iter_errors(_without_what_is_said(root)):
        element = cast("etree._Element | None", fault.elem)
        if element is not None and not isinstance(fault, of_structure):
            yield from _value(element, version)


def _without_what_is_said(root: etree._Element) -> etree._Element:
    """A copy without signatures, whose inside is not CAP's to judge, and without attributes.

    The departures have named the attributes, and each of them would cost the engine the length of all of them.
    """
    bare = copy.deepcopy(root)
    for signature in bare.findall(f"{_SIGNED}*"):
        bare.remove(signature)
    for element in bare.iter():
        element.attrib.clear()
    return bare


def _value(element: etree._Element, version: Version) -> Iterator[Finding]:
    row = row_of(element, version)
    parent = element.getparent()
    if row is None or parent is None or not is_text(row) or len(element):
        return
    message = _value_message(row, element.text or "")
    where = clause(local_name(parent), version)
    line, path = line_of(element), path_of(element)
    yield error(row.value_rule, message, where, line=line, element=path)


def _value_message(row: Row, text: str) -> str:
    value = quoted(text)
    match row.kind:
        case Kind.CODE:
            return f"{value} is not a value of {row.name}; {_code_hint(row, text)}"
        case Kind.DATE:
            return f"{value} is not a date and time as CAP writes it; write {EXAMPLE_DATE}, UTC as -00:00"
        case Kind.LANGUAGE:
            return f"{value} is not a language code; write nl-BE, fr or en-US (a hyphen, no underscore)"
        case Kind.WHOLE:
            return f"{value} is not a whole number; write the bytes as digits only"
        case Kind.DECIMAL:
            return f"{value} is not a number; write feet above mean sea level as digits, without a unit"
        case _:
            return f"{value} is not {row.kind.value}"


def _code_hint(row: Row, text: str) -> str:
    near = next((code for code in row.codes if code.lower() == text.strip().lower()), "")
    return f"write {near}" if near else f"it is one of {', '.join(row.codes)}"


def _values_by_libxml2(root: etree._Element, version: Version, judgement: Judgement) -> Iterator[Finding]:
    """As above from libxml2's log, which knows names and lines: several of one name on a line are not told apart."""
    standing: dict[tuple[str, int | None], list[etree._Element]] = {}
    for element in root.iter(etree.Element):
        standing.setdefault((local_name(element), line_of(element)), []).append(element)
    rows = {row.name: (parent, row) for parent, rows in TABLES[version].items() for row in rows}
    for entry in judgement.log:
        named = _NAMED.match(entry.message)
        parent, row = rows.get(named.group(1), ("", None)) if named else ("", None)
        if row is None or not is_text(row) or "not allowed" in entry.message or "expected" in entry.message:
            continue
        found = standing.get((row.name, entry.line), [])
        if len(found) == 1:
            yield from _value(found[0], version)
        else:
            message = f"a value of {row.name} is not {row.kind.value}"
            yield error(row.value_rule, message, clause(parent, version), line=entry.line, element=row.name)


def _unexplained(version: Version, judgement: Judgement) -> Finding:
    entry = next(iter(judgement.log), None)
    reason = quoted(entry.message.replace(f"{{{NAMESPACE_OF[version]}}}", ""), 200) if entry else "no reason given"
    line = entry.line if entry else None
    return error("X15", f"the schema refuses the alert: {reason}", clause("", version), line=line)


@lru_cache(maxsize=_COMPILED)
def _compiled(version: Version, _thread: int) -> etree.XMLSchema:
    """One per thread, because a schema keeps the log of its last judgement."""
    return _compile(version)


def _compile(version: Version) -> etree.XMLSchema:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.XMLSchema(etree.fromstring(_source(version), parser))


@cache
def _second_engine() -> Any:
    """xmlschema: 14 MB that a node goes without, as it has documents checked by its workers, which have read it."""
    return importlib.import_module("xmlschema")


@cache
def _explaining(version: Version) -> Any:
    return _second_engine().XMLSchema(_source(version).decode(), allow="none", defuse="always")


def _source(version: Version) -> bytes:
    return resources.files("gateway.schemas").joinpath(f"cap-{version}.xsd").read_bytes()
