from importlib import resources

import pytest
from lxml import etree

from gateway.cap.model import Version
from gateway.cap.vocabulary import MANY, NAMESPACE_OF, REPEATED, TABLES, Kind, clause

XS = "{http://www.w3.org/2001/XMLSchema}"
BUILT_IN = {
    "xs:string": Kind.TEXT,
    "xs:language": Kind.LANGUAGE,
    "xs:anyURI": Kind.URI,
    "xs:integer": Kind.WHOLE,
    "xs:decimal": Kind.DECIMAL,
    "xs:dateTime": Kind.DATE,
}
Declared = tuple[str, int, int, Kind, tuple[str, ...]]


def declared(element: etree._Element) -> Declared:
    """Name, least, most, kind and codes of an element as the schema has them."""
    most = element.get("maxOccurs", "1")
    kind = BUILT_IN.get(element.get("type", ""), Kind.TEXT if element.get("ref") else Kind.BLOCK)
    codes = tuple(
        found.get("value", "") for found in element.findall(f"{XS}simpleType/{XS}restriction/{XS}enumeration")
    )
    if element.find(f"{XS}simpleType") is not None:
        kind = Kind.CODE if codes else Kind.DATE
    name = element.get("name") or element.get("ref", "").removeprefix("cap:")
    return name, int(element.get("minOccurs", "1")), MANY if most == "unbounded" else int(most), kind, codes


def schema_tables(version: Version) -> dict[str, list[Declared]]:
    text = resources.files("gateway.schemas").joinpath(f"cap-{version}.xsd").read_bytes()
    root = etree.fromstring(text)
    assert root.get("targetNamespace") == NAMESPACE_OF[version]
    tables = {}
    for element in root.iter(f"{XS}element"):
        inner = element.find(f"{XS}complexType")
        if inner is not None:
            sequence = inner.find(f"{XS}sequence")
            group = root.find(f"{XS}group/{XS}sequence")
            rows = sequence if sequence is not None else group
            assert rows is not None
            tables[element.get("name", "")] = [declared(row) for row in rows.findall(f"{XS}element")]
    return tables


@pytest.mark.parametrize("version", TABLES)
def test_the_tables_and_the_schema_say_the_same(version: Version) -> None:
    ours = {
        parent: [(row.name, row.least, row.most, row.kind, row.codes) for row in rows]
        for parent, rows in TABLES[version].items()
    }
    assert ours == schema_tables(version)


@pytest.mark.parametrize("version", TABLES)
def test_every_breach_of_a_row_has_a_rule(version: Version) -> None:
    for rows in TABLES[version].values():
        for row in rows:
            assert row.value_rule.startswith("X")
            assert row.least == 0 or row.missing_rule
            assert row.most == MANY or row.surplus_rules


def test_what_may_repeat_is_numbered_in_paths() -> None:
    assert {"info", "area", "polygon", "circle", "code", "category", "geocode"} <= REPEATED
    assert "headline" not in REPEATED


def test_a_clause_names_the_version() -> None:
    assert clause("area", "1.1") == "CAP 1.1 §3.2.4"
    assert clause("elsewhere", "1.2") == "CAP 1.2 §3.4"
