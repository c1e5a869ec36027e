import pytest
from lxml import etree

from gateway.cap.findings import Finding
from gateway.cap.model import Version
from gateway.cap.structure import departures
from tests.cap.samples import INFO, POLYGON, RESOURCE, before, edited, in_version

SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'


def said(raw: bytes, version: Version = "1.2") -> list[Finding]:
    return list(departures(etree.fromstring(raw), version))


def test_a_good_alert_departs_from_nothing() -> None:
    assert said(edited(("</alert>", f"{SIGNATURE * 2}</alert>"))) == []
    assert said(in_version("1.1").encode(), "1.1") == []
    assert said(in_version("1.0").encode(), "1.0") == []


@pytest.mark.parametrize(
    ("change", "rule", "element", "words"),
    [
        (("<status>Actual</status>", ""), "X3", "alert", "status is missing"),
        (before("status", "<status>Test</status>"), "X3", "alert/status", "more than once"),
        (before("scope", "<source>a</source><source>b</source>"), "X6", "alert/source", "more than once"),
        (before("scope", "<note>a</note>"), "X2", "alert/scope", "too late"),
        (("<event>Brand</event>", ""), "X7", "alert/info[1]", "event is missing"),
        (before("event", "<event>a</event>"), "X7", "alert/info[1]/event", "more than once"),
        (before("event", "<event>a</event>"), "X10", "alert/info[1]/event", "more than once"),
        (before("urgency", "<urgency>Past</urgency>"), "X7", "alert/info[1]/urgency", "more than once"),
        (before("headline", "<headline>a</headline>"), "X10", "alert/info[1]/headline", "more than once"),
        (before("headline", "<description>a</description>"), "X2", "alert/info[1]/headline", "too late"),
        (
            ("<area>", "<area><geocode><value>1</value></geocode>"),
            "X12",
            "alert/info[1]/area[1]/geocode[1]",
            "valueName",
        ),
        (
            before("area", "<resource><mimeType>a/b</mimeType></resource>"),
            "X13",
            "alert/info[1]/resource[1]",
            "missing",
        ),
        (before("area", RESOURCE.format("<uri/><uri/>")), "X13", "alert/info[1]/resource[1]/uri", "more than once"),
        (before("area", RESOURCE.format("<uri/><size/>")), "X2", "alert/info[1]/resource[1]/size", "too late"),
        (("<areaDesc>Gent centrum</areaDesc>", ""), "X14", "alert/info[1]/area[1]", "areaDesc is missing"),
        (before("polygon", "<circle>1,1 1</circle>"), "X14", "alert/info[1]/area[1]/polygon[1]", "too late"),
        (before("polygon", "<circle>1,1 1</circle>"), "X2", "alert/info[1]/area[1]/polygon[1]", "too late"),
        (("<status>", "<status a='1'>"), "X1", "alert/status", "attribute"),
        (("<info>", "<info a='1' b='2'>"), "X1", "alert/info[1]", "and 1 more"),
        (before("info", "<priority>1</priority>"), "X15", "alert/priority", "not an element of alert"),
        (("msgType>", "msgtype>"), "X15", "alert/msgtype", "spelled msgType"),
        (("<event>Brand", "<event><b/>Brand"), "X15", "alert/info[1]/event/b", "holds text only"),
        (("<info>", "<info>text"), "X15", "alert/info[1]", "text stands between"),
        (before("info", "<x:y xmlns:x='u:x'/>"), "X15", "alert/y", "not part of CAP"),
        (("<info>", SIGNATURE + "<info>"), "X15", "alert/Signature", "comes last"),
        (before("area", SIGNATURE), "X15", "alert/info[1]/Signature", "not part of CAP"),
    ],
)
def test_each_departure_is_named_with_its_rule_and_place(
    change: tuple[str, str], rule: str, element: str, words: str
) -> None:
    raw = edited(change, *([("msgType>\n  <scope", "msgtype>\n  <scope")] if "msgtype>" in change[1] else []))
    matching = [f for f in said(raw) if f.id == rule and f.element == element]
    assert len(matching) == 1
    assert words in matching[0].message
    assert matching[0].severity == "error"
    assert matching[0].line


def test_a_child_in_a_namespace_of_another_version_is_named() -> None:
    found = said(edited(("<scope>", '<scope xmlns="urn:oasis:names:tc:emergency:cap:1.1">')))
    assert [f.id for f in found] == ["X1", "X3"]


def test_the_schemas_before_1_2_have_no_place_for_a_signature() -> None:
    assert [f.id for f in said(in_version("1.1").replace("</alert>", SIGNATURE + "</alert>").encode(), "1.1")] == [
        "X15"
    ]


def test_all_departures_are_said_and_not_only_the_first() -> None:
    found = said(
        edited(("<status>Actual</status>", ""), ("<event>Brand</event>", ""), (f"<polygon>{POLYGON}</polygon>", "x"))
    )
    assert [f.id for f in found] == ["X3", "X7", "X15"]


def test_an_attribute_of_the_schema_instance_passes() -> None:
    hint = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    assert said(edited(("<alert ", f"<alert {hint} "))) == []


def test_what_is_missing_says_where_it_belongs() -> None:
    (found,) = said(edited(("<scope>Public</scope>", "")))
    assert found.message == "scope is missing; alert has exactly one, after msgType"
    assert "at least one" in said(edited(("<category>Fire</category>", "")))[0].message
    assert said(edited((INFO, INFO.replace("Public", "")))) == []
