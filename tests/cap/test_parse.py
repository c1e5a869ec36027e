from pathlib import Path

import pytest
from lxml import etree

from gateway.cap.parse import Limits, is_signed, parse, parse_tree, version_of
from tests.cap.samples import BASIC, INFO, POLYGON, RESOURCE, before, edited, in_version


def refused_for(raw: bytes, limits: Limits | None = None) -> str:
    parsed = parse(raw, limits or Limits())
    assert parsed.root is None
    assert len({finding.id for finding in parsed.findings}) == 1
    return parsed.findings[0].id


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_namespace_gives_the_version(version: str) -> None:
    assert parse(in_version(version).encode(), Limits()).version == version
    assert parse(edited(), Limits()).version == "1.2"


@pytest.mark.parametrize(
    "raw",
    [b"<alert", b"alert", b"<a/><b/>", b"<a>&e;</a>", b"<a>&#0;</a>", b"<a>\x00</a>", b"<a b='1' b='2'/>", b"{}"],
)
def test_what_is_not_xml_is_said_to_be_so(raw: bytes) -> None:
    assert refused_for(raw) == "XML"
    assert not parse(raw, Limits()).well_formed


@pytest.mark.parametrize(
    "raw",
    [
        b"<feed xmlns='http://www.w3.org/2005/Atom'/>",
        b"<alert/>",
        b"<alert xmlns='urn:oasis:names:tc:emergency:cap:1.3'/>",
        b"<Alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>",
        b"<info xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>",
    ],
)
def test_another_root_is_no_alert(raw: bytes) -> None:
    assert refused_for(raw) == "X1"
    assert parse(raw, Limits()).well_formed


def test_a_doctype_is_refused_before_parsing() -> None:
    assert refused_for(BASIC.replace("<alert", "<!DOCTYPE alert><alert", 1).encode()) == "S40"


def test_nothing_hides_behind_a_comment_or_an_instruction() -> None:
    root = parse(edited(("Rook: sluit", "Rook<!-- x -->: <?x y?>sluit")), Limits()).root
    assert root is not None
    assert root.findtext(".//{*}headline") == "Rook: sluit ramen en deuren"


def test_character_data_sections_are_text() -> None:
    root = parse(edited(("Rook: sluit ramen", "<![CDATA[Rook: <sluit>]]> ramen")), Limits()).root
    assert root is not None
    assert root.findtext(".//{*}headline") == "Rook: <sluit> ramen en deuren"


@pytest.mark.parametrize(
    ("limits", "raw"),
    [
        (Limits(max_bytes=500), edited()),
        (Limits(infos=2), edited((INFO, INFO * 3))),
        (Limits(areas=2), edited(("<area>", "<area><areaDesc>x</areaDesc></area>" * 2 + "<area>"))),
        (Limits(polygons=2), edited(before("polygon", f"<polygon>{POLYGON}</polygon>" * 2))),
        (Limits(circles=1), edited(("</polygon>", "</polygon><circle>1,1 1</circle><circle>1,1 1</circle>"))),
        (Limits(points=4), edited()),
        (Limits(parameters=1), edited(before("area", "<parameter/>" * 2))),
        (Limits(resources=1), edited(before("area", RESOURCE.format("") * 2))),
        (Limits(elements=20), edited()),
        (Limits(children=50), edited(before("info", "<code/>" * 50))),
        (Limits(), edited((POLYGON, "," * 500_000))),
        (Limits(), edited(before("info", "<code/>" * 100_000))),
    ],
)
def test_more_than_the_limit_is_refused_before_it_is_read(limits: Limits, raw: bytes) -> None:
    assert refused_for(raw, limits) == "SIZE"


def test_deep_nesting_is_refused() -> None:
    assert refused_for(edited(("</alert>", "<a>" * 100_000))) == "XML"


def test_a_signature_is_seen_and_not_judged() -> None:
    signed = edited(("</alert>", '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></alert>'))
    root, unsigned = parse(signed, Limits()).root, parse(edited(), Limits()).root
    assert root is not None
    assert unsigned is not None
    assert is_signed(root)
    assert not is_signed(unsigned)


def test_a_tree_of_any_kind_can_be_had_within_the_limits() -> None:
    root = parse_tree(b"<feed/>", Limits()).root
    assert root is not None
    assert version_of(root) is None


def test_an_include_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    include = f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    root = parse(edited(("Brand in een", include)), Limits()).root
    assert root is not None
    assert b"hunter2" not in etree.tostring(root)
