import copy
import random
import threading
from collections.abc import Iterator
from importlib import resources

import pytest
import xmlschema
from lxml import etree

from gateway.cap import schema
from gateway.cap.model import Version
from gateway.cap.parse import Limits, parse, version_of
from gateway.cap.vocabulary import NAMESPACE_OF, SIGNATURE_NAMESPACE, TABLES
from tests.cap.mutations import mutate_tree
from tests.cap.samples import (
    BASIC,
    CORPUS,
    INFO,
    OTHER_SCHEMAS,
    RESOURCE,
    before,
    cases,
    edited,
    in_version,
    real_alerts,
)

needs_other_schemas = pytest.mark.skipif(
    not OTHER_SCHEMAS.is_dir(), reason="the published schemas are not on this machine"
)


def tree(raw: bytes) -> tuple[etree._Element, Version]:
    parsed = parse(raw, Limits())
    assert parsed.root is not None
    assert parsed.version is not None
    return parsed.root, parsed.version


def explained(raw: bytes) -> list[tuple[str, str]]:
    root, version = tree(raw)
    judgement = schema.judge(root, version)
    assert not judgement.valid
    return [(f.id, f.element) for f in schema.explain(root, version, judgement, most=50)]


def every_tree() -> Iterator[tuple[str, etree._Element, Version]]:
    paths = [case.path for case in cases(CORPUS)] + list(real_alerts())
    for path in paths:
        parsed = parse(path.read_bytes(), Limits())
        if parsed.root is not None and parsed.version is not None:
            yield path.name, parsed.root, parsed.version


@pytest.mark.parametrize(
    ("change", "rule", "element"),
    [
        (("10:00:00+01:00", "10:00:00Z"), "X4", "alert/sent"),
        (("10:00:00+01:00", "10:00:00.5+01:00"), "X4", "alert/sent"),
        (("T10:", "T25:"), "X4", "alert/sent"),
        (("2026-03-01T14", "2026-02-30T14"), "X4", "alert/info[1]/expires"),
        (("Actual", "actual"), "X5", "alert/status"),
        (("Immediate", "Now"), "X8", "alert/info[1]/urgency"),
        (("Shelter", ""), "X8", "alert/info[1]/responseType[1]"),
        (("nl-BE", "nl_BE"), "X9", "alert/info[1]/language"),
        (before("area", RESOURCE.format("<size>1.5</size>")), "X13", "alert/info[1]/resource[1]/size"),
        (("</area>", "<altitude>1e3</altitude></area>"), "X14", "alert/info[1]/area[1]/altitude"),
    ],
)
def test_a_value_that_its_type_refuses_is_named(change: tuple[str, str], rule: str, element: str) -> None:
    assert explained(edited(change)) == [(rule, element)]


def test_values_and_structure_are_said_together() -> None:
    raw = edited(("Actual", "Live"), ("<event>Brand</event>", ""), ("Severe", "Bad"), ("<area>", "<area a='1'>"))
    assert {rule for rule, _ in explained(raw)} == {"X5", "X7", "X8", "X1"}


def test_the_message_offers_what_would_be_right() -> None:
    root, version = tree(edited(("Actual", "actual")))
    (finding,) = schema.explain(root, version, schema.judge(root, version), most=9)
    assert finding.message == '"actual" is not a value of status; write Actual'
    assert finding.clause == "CAP 1.2 §3.2.1"
    assert finding.line == 6


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_older_versions_have_schemas_of_their_own(version: str) -> None:
    root, known = tree(in_version(version).encode())
    assert known == version
    assert schema.judge(root, known).valid


@pytest.mark.parametrize(
    ("version", "change"),
    [
        ("1.0", ("Actual", "Draft")),
        ("1.0", ("Fire", "CBRNE")),
        ("1.0", before("urgency", "<responseType>Shelter</responseType>")),
        ("1.1", ("Shelter", "Avoid")),
        ("1.1", ("Shelter", "AllClear")),
    ],
)
def test_what_came_later_is_not_yet_in_older_versions(version: str, change: tuple[str, str]) -> None:
    root, known = tree(edited(change, text=in_version(version)))
    assert not schema.judge(root, known).valid


def test_a_large_document_is_explained_by_the_log_of_the_fast_engine() -> None:
    raw = edited(before("info", "<code/>" * 2_000), ("nl-BE", "nl_BE"), ("Severe", "Bad"))
    assert set(explained(raw)) == {("X9", "alert/info[1]/language"), ("X8", "alert/info[1]/severity")}


def test_there_is_always_a_reason() -> None:
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
    assert explained(edited(("<status>", f"<status {nil}>"))) != []


def test_no_type_of_the_schema_can_be_called_by_an_alert() -> None:
    cast_ = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="urn:oasis:names:tc:emergency:cap:1.2"'
    for name in ("Info", "info", "Alert", "DateTime"):
        root, version = tree(edited(("<info>", f'<info {cast_} xsi:type="c:{name}">')))
        assert not schema.judge(root, version).valid


def test_a_value_that_upsets_the_slow_engine_is_explained_by_the_fast_one() -> None:
    assert explained(edited(("2026-03-01T10", "2" * 30 + "-03-01T10"))) == [("X4", "alert/sent")]


@pytest.mark.parametrize("text", ["%%%", "http://["])
def test_a_value_that_only_the_fast_engine_refuses_is_explained(text: str) -> None:
    assert explained(edited(before("area", f"<web>{text}</web>"))) == [("X11", "alert/info[1]/web")]


def test_values_on_one_line_are_not_told_apart_by_the_log() -> None:
    raw = edited(before("info", "<code/>" * 2_000), ("<category>Fire", "<category>Fire</category><category>x"))
    assert explained(raw) == [("X8", "category")]


def test_explaining_stops_at_the_limit() -> None:
    root, version = tree(edited(before("info", "<code a='1'/>" * 500)))
    assert len(schema.explain(root, version, schema.judge(root, version), most=50)) == 50


def test_many_attributes_do_not_make_the_slow_engine_slow() -> None:
    many = " ".join(f'a{n}="{n}"' for n in range(60_000))
    assert explained(edited(("<status>", f"<status {many}>"))) == [("X1", "alert/status")]


def test_threads_do_not_see_each_others_log() -> None:
    found: list[tuple[str, ...]] = []

    def judge_often(change: tuple[str, str]) -> None:
        root, version = tree(edited(change, before("info", "<code/>" * 1_600)))
        for _ in range(30):
            judgement = schema.judge(root, version)
            found.append(tuple(f.id for f in schema.explain(root, version, judgement, most=9)))

    threads = [threading.Thread(target=judge_often, args=(c,)) for c in (("nl-BE", "nl_BE"), ("Severe", "Bad"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(("X9",)) == found.count(("X8",)) == 30


def signature_is_before_info(root: etree._Element) -> bool:
    """The one thing that libxml2 lets pass and the schema does not."""
    names = [etree.QName(child).localname for child in root]
    return "Signature" in names and names[-1] != "Signature"


def test_an_info_after_a_signature_is_refused_though_libxml2_lets_it_pass() -> None:
    raw = edited(before("info", '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'))
    assert explained(raw) == [("X15", "alert/Signature")]
    text = resources.files("gateway.schemas").joinpath("cap-1.2.xsd").read_bytes()
    root, _ = tree(raw)
    assert etree.XMLSchema(etree.fromstring(text)).validate(root)
    assert not xmlschema.XMLSchema(text.decode()).is_valid(root)


def other_schemas() -> dict[Version, etree.XMLSchema]:
    return {version: etree.XMLSchema(etree.parse(OTHER_SCHEMAS / f"cap-{version}.xsd")) for version in TABLES}


@needs_other_schemas
def test_our_schemas_and_the_published_ones_agree_on_every_alert_we_have() -> None:
    others = other_schemas()
    compared = 0
    for name, root, version in every_tree():
        for tried in TABLES:
            renamed = copy.deepcopy(root)
            for element in renamed.iter(f"{{{NAMESPACE_OF[version]}}}*"):
                element.tag = f"{{{NAMESPACE_OF[tried]}}}{etree.QName(element).localname}"
            assert schema.judge(renamed, tried).valid == others[tried].validate(renamed), (name, tried)
            compared += 1
    assert compared > 300


@needs_other_schemas
def test_our_schemas_and_the_published_ones_agree_on_spoiled_alerts() -> None:
    others, chance = other_schemas(), random.Random(12)
    good = [case.path for case in cases(CORPUS) if case.name.startswith("valid/") and "polygon-" not in case.name]
    refused = 0
    for _ in range(400):
        root, version = tree(chance.choice(good).read_bytes())
        mutate_tree(root, chance)
        if version_of(root) is None or signature_is_before_info(root):
            continue
        ours = schema.judge(root, version)
        assert ours.valid == others[version].validate(root), etree.tostring(root)
        refused += not ours.valid
    assert refused > 100


def test_the_second_engine_agrees_where_no_signature_is() -> None:
    """xmlschema applies its own, stricter schema to signatures, which CAP forbids to refuse for."""
    second = {
        version: xmlschema.XMLSchema(resources.files("gateway.schemas").joinpath(f"cap-{version}.xsd").read_text())
        for version in TABLES
    }
    compared = 0
    for name, root, version in every_tree():
        if len(root.findall(".//*")) > 400 or root.find(f".//{{{SIGNATURE_NAMESPACE}}}*") is not None:
            continue
        assert schema.judge(root, version).valid == second[version].is_valid(root), name
        compared += 1
    assert compared > 70


def test_a_refusal_of_the_fast_engine_is_always_explained_by_a_rule() -> None:
    chance = random.Random(7)
    for _ in range(150):
        root, version = tree(edited((INFO, INFO * 2)))
        mutate_tree(root, chance)
        judgement = schema.judge(root, version)
        if not judgement.valid and version_of(root):
            found = schema.explain(root, version, judgement, most=50)
            assert not any("the schema refuses" in finding.message for finding in found), etree.tostring(root)


def test_internal_errors_of_the_library_are_a_refusal_and_no_crash() -> None:
    keeping = etree.XMLParser(resolve_entities=False)
    root = etree.fromstring(
        BASIC.replace("<alert", '<!DOCTYPE alert [<!ENTITY e "x">]><alert', 1).replace("Brand", "&e;", 1).encode(),
        keeping,
    )
    judgement = schema.judge(root, "1.2")
    assert not judgement.valid
    assert schema.explain(root, "1.2", judgement, most=9)
