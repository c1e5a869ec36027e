import os
import pickle
import random
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.cap.check import Verdict, check
from gateway.cap.parse import Limits
from tests.cap.mutations import mutate_bytes, mutate_tree
from tests.cap.samples import (
    BASIC,
    CORPUS,
    INFO,
    POLYGON,
    REAL,
    RESOURCE,
    ROOT,
    Case,
    before,
    cases,
    edited,
    real_alerts,
)

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)  # the made alerts were sent at 09:00 and end at 13:00
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the corpus of real alerts is not on this machine")


def checked(case: Case, *, lenient: bool = False) -> Verdict:
    return check(case.path.read_bytes(), lenient=lenient, received_at=NOW)


@pytest.mark.parametrize("case", [c for c in cases(CORPUS) if c.expected == "accept"], ids=lambda c: c.name)
def test_a_valid_alert_is_accepted_without_a_word(case: Case) -> None:
    verdict = checked(case)
    assert verdict.valid
    assert verdict.alert is not None
    assert {f for f in verdict.findings if f.severity != "policy"} == set()
    assert checked(case, lenient=True).alert == verdict.alert


@pytest.mark.parametrize("case", [c for c in cases(CORPUS) if c.expected == "reject"], ids=lambda c: c.name)
def test_an_invalid_alert_is_refused_for_the_rule_it_breaks(case: Case) -> None:
    verdict = checked(case)
    assert not verdict.valid
    assert verdict.alert is None
    assert set(case.rules) <= {finding.id for finding in verdict.errors}
    for finding in verdict.findings:
        assert finding.message
        assert finding.clause


@pytest.mark.parametrize(
    "case", [c for c in cases(CORPUS) if c.expected == "accept with warning"], ids=lambda c: c.name
)
def test_a_doubtful_alert_is_accepted_and_the_doubt_is_said(case: Case) -> None:
    verdict = checked(case)
    assert verdict.valid
    assert set(case.rules) <= {finding.id for finding in verdict.findings if finding.severity == "warning"}


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("case", [c for c in cases(CORPUS) if c.name.startswith("hostile/")], ids=lambda c: c.name)
def test_a_hostile_document_is_refused_or_harmless(case: Case, lenient: bool) -> None:
    verdict = checked(case, lenient=lenient)
    if case.expected == "refuse" and not (lenient and "xinclude" in case.name):
        assert not verdict.valid
    else:
        assert "S41" in {finding.id for finding in verdict.findings} or not verdict.valid


# What is refused though its source took it: each is argued in docs/cap-conformance.md.
REFUSED_THOUGH_TAKEN = {
    "AT-backbone_12.31.23.1.2.AT.123123.123123.cap": {"S2", "S21", "S24"},
    "AT-backbone_2.0.0.1.AT.1482847571.132AT003.cap.xml": {"S24"},
    "AT-backbone_2.49.0.20.0.AT.151002172344.91.cap": {"S32"},
    "AT-backbone_2.49.0.20.0.AT.151005121527.91-40f045.cap": {"S13", "S21", "S24", "S32"},
    "alphagov_VALID_AREA_POLYGON.xml": {"S29"},
    "alphagov_WAINFLEET_CANCEL_WITH_WINDMERE_REFERENCES.xml": {"S9"},
    "alphagov_WINDEMERE.xml": {"S10"},
    "farrel_canada.xml": {"S10"},
    "filtered-alert-hub_msg_actual-public_en_noof_hp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_actual-public_en_of_hp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_actual-public_fr_of_nohp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_private-actual_en_of_hp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_public-actual_en_of_nohp.xml": {"S4", "S32"},
    "filtered-alert-hub_msg_test-public_en_noof_nohp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_test-public_en_of_nohp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_test-public_fr_of_nohp.xml": {"S4", "S9", "S32"},
    "filtered-alert-hub_msg_test_public_fr_of_hp.xml": {"S4", "S9", "S32"},
    "kelvinn_mexico.atom.embedded1.xml": {"S20"},
    "kelvinn_mexico.atom.embedded2.xml": {"S20"},
    "kelvinn_weather-1ea849.cap": {"S29"},
    "kelvinn_weather.cap": {"S29"},
    "openbroadcaster_1example_CAPCP_No_Attachment-bcb65b.xml": {"S2"},
    "openbroadcaster_2016_03_01T07_54_04_04_00IC0B0D06C_882E_1195_7170_24D9BF99FAD9-3a5680.xml": {"S26"},
    "openbroadcaster_2016_03_01T07_54_04_04_00IC0B0D06C_882E_1195_7170_24D9BF99FAD9-48f733.xml": {"S26"},
    "openbroadcaster_2016_03_01T07_54_04_04_00IC0B0D06C_882E_1195_7170_24D9BF99FAD9-d9f489.xml": {"S2", "S21", "S26"},
    "openbroadcaster_2016_03_01T07_54_04_04_00IC0B0D06C_882E_1195_7170_24D9BF99FAD9.xml": {"S26"},
    "openbroadcaster_2019-01-01T00_04_07_02Iurn3oid32.49.0.1.124.0322195743.2019_001-0f8602.xml": {"S2"},
    "openbroadcaster_2example_CAPCP_with_Embedded_Large_Audio_File-9063ab.xml": {"S2", "S26"},
    "openbroadcaster_2example_CAPCP_with_Embedded_Large_Audio_File-a5be00.xml": {"S26"},
    "openbroadcaster_2example_CAPCP_with_Embedded_Large_Audio_File-c7c828.xml": {"S26"},
    "openbroadcaster_2example_CAPCP_with_Embedded_Large_Audio_File.xml": {"S26"},
    "openbroadcaster_4example_CAPCP_with_External_Large_Audio_File-92257a.xml": {"S2"},
    "sahana_Flood.xml": {"S21"},
    "sahana_Myanmar_Flood_Multiple_Area.xml": {"S21"},
    "sahana_landslide.xml": {"S21"},
    "sahana_tsunami.xml": {"S21"},
}
TAKEN_THOUGH_REFUSED = {  # that service's own policy; CAP allows them
    "alphagov_INVALID_AREA_WITH_DUPLICATED_VERTEX.xml",
    "alphagov_INVALID_AREA_WITH_HOLE.xml",
    "alphagov_INVALID_AREA_WITH_INTERSECTIONS.xml",
    "alphagov_LONG_GSM7.xml",
    "alphagov_LONG_UCS2.xml",
}
REFUSED_IN_FEEDS_TOO = {
    "AT-backbone_12.31.23.1.2.AT.123123.123123.cap": {"S2"},
    "AT-backbone_2.49.0.20.0.AT.151002172344.91.cap": {"S32"},
    "AT-backbone_2.49.0.20.0.AT.151005121527.91-40f045.cap": {"S13", "S32"},
    "alphagov_WAINFLEET_CANCEL_WITH_WINDMERE_REFERENCES.xml": {"S9"},
    "kelvinn_oregon_nws.atom.embedded0.xml": {"X3"},
    "openbroadcaster_1example_CAPCP_No_Attachment-bcb65b.xml": {"S2"},
    "openbroadcaster_2016_03_01T07_54_04_04_00IC0B0D06C_882E_1195_7170_24D9BF99FAD9-d9f489.xml": {"S2"},
    "openbroadcaster_2019-01-01T00_04_07_02Iurn3oid32.49.0.1.124.0322195743.2019_001-0f8602.xml": {"S2"},
    "openbroadcaster_2example_CAPCP_with_Embedded_Large_Audio_File-9063ab.xml": {"S2"},
    "openbroadcaster_4example_CAPCP_with_External_Large_Audio_File-92257a.xml": {"S2"},
}
TAKEN_FROM_FEEDS_ONLY = {"alphagov_MISSING_AREA_NAMES.xml", "alphagov_UPDATE.xml"}


def test_every_known_difference_is_argued_in_the_document() -> None:
    document = (ROOT / "docs" / "cap-conformance.md").read_text()
    for name in (*REFUSED_THOUGH_TAKEN, *TAKEN_THOUGH_REFUSED, *TAKEN_FROM_FEEDS_ONLY, *REFUSED_IN_FEEDS_TOO):
        assert f"`{name}`" in document


def argued() -> dict[str, set[str]]:
    """What the document says of real alerts: the rules that stand beside each file."""
    document = (ROOT / "docs" / "cap-conformance.md").read_text().partition("## Real alerts")[2]
    rows = [line.split("|") for line in document.splitlines() if line.startswith("| `")]
    return {name: set(row[2].split()) for row in rows for name in row[1].strip().replace("`", "").split(", ")}


def test_the_document_argues_nothing_but_the_known_differences() -> None:
    said = argued()
    assert set(said) == {*REFUSED_THOUGH_TAKEN, *TAKEN_THOUGH_REFUSED, *TAKEN_FROM_FEEDS_ONLY}
    for name, rules in REFUSED_THOUGH_TAKEN.items():
        assert rules <= said[name], name


@needs_real
def test_every_file_of_the_real_corpus_has_the_verdict_of_its_manifest_or_is_argued() -> None:
    lines = (REAL / "MANIFEST.tsv").read_text().splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=False)) for line in lines[1:]]
    held, said = 0, argued()
    for row in rows:
        folder, _, name = row["file"].partition("/")
        if folder in ("valid", "invalid"):
            held += 1
            refused = bool(errors(REAL / row["file"]))
            assert (refused == (row["expected"] == "reject")) or name in said, row["file"]
    assert held == len([*(REAL / "valid").iterdir(), *(REAL / "invalid").iterdir()])


def errors(path: Path, *, lenient: bool = False) -> set[str]:
    return {finding.id for finding in check(path.read_bytes(), lenient=lenient).errors}


@needs_real
def test_real_alerts_that_their_sources_take_are_taken_but_for_the_known_ones() -> None:
    refused = {path.name: errors(path) for path in (REAL / "valid").iterdir()}
    assert {name: ids for name, ids in refused.items() if ids} == REFUSED_THOUGH_TAKEN


@needs_real
def test_real_alerts_that_their_sources_refuse_are_refused_but_for_the_known_ones() -> None:
    taken = {path.name for folder in ("invalid", "partial") for path in (REAL / folder).iterdir() if not errors(path)}
    assert taken == TAKEN_THOUGH_REFUSED


@needs_real
def test_real_alerts_of_feeds_are_mended_but_for_the_known_ones() -> None:
    refused = {p.name: errors(p, lenient=True) for f in ("valid", "nonconformant") for p in (REAL / f).iterdir()}
    assert {name: ids for name, ids in refused.items() if ids} == REFUSED_IN_FEEDS_TOO
    taken = {p.name for f in ("invalid", "partial") for p in (REAL / f).iterdir() if not errors(p, lenient=True)}
    assert taken == TAKEN_THOUGH_REFUSED | TAKEN_FROM_FEEDS_ONLY


@needs_real
def test_no_real_alert_takes_long() -> None:
    for path in real_alerts():
        begun = time.process_time()
        check(path.read_bytes(), lenient=True)
        assert time.process_time() - begun < 2, path.name


def test_a_verdict_says_what_was_read_also_when_it_is_a_refusal() -> None:
    verdict = check(edited(("Actual", "Live")))
    assert (verdict.well_formed, verdict.readable, verdict.valid) == (True, True, False)
    assert (verdict.version, verdict.identifier) == ("1.2", "BE-GW-2026-000001")
    assert (verdict.sender, verdict.sent) == ("ops@crisis.example.be", "2026-03-01T10:00:00+01:00")
    assert [finding.id for finding in verdict.errors] == ["X5"]


def test_what_is_no_cap_is_well_formed_and_not_readable() -> None:
    verdict = check(b"<feed/>")
    assert (verdict.well_formed, verdict.readable, verdict.valid) == (True, False, False)
    assert not check(b"{}").well_formed


def test_findings_are_in_the_order_of_the_document() -> None:
    lines = [f.line or 0 for f in check(edited(("Actual", "Live"), ("ops@", "ops "), ("Severe", "Bad"))).findings]
    assert lines == sorted(lines)
    assert len(lines) == 3


def test_findings_are_bounded_and_errors_come_before_the_rest() -> None:
    pair = "<parameter><valueName>a</valueName><value/></parameter>"
    raw = edited(before("area", pair * 30), before("info", "<code a='1'/>" * 30))
    verdict = check(raw, limits=Limits(findings=25))
    assert len(verdict.findings) == 25
    assert len(verdict.errors) == 25


def test_an_unknown_profile_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no profile"):
        check(edited(), profile="NONE")


def test_a_check_runs_in_another_process_and_says_the_same() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(check, BASIC.encode(), lenient=True, received_at=NOW).result(timeout=60)
    assert there == check(BASIC.encode(), lenient=True, received_at=NOW)
    assert pickle.loads(pickle.dumps(there)) == there


def test_a_check_depends_on_its_arguments_only() -> None:
    raws = [case.path.read_bytes() for case in cases(CORPUS) if "polygon-" not in case.name]
    first = [check(raw) for raw in raws]
    assert [check(raw) for raw in reversed(raws)] == first[::-1]


SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
MANY_NAMES = " ".join(f'xmlns:a{n}="u:{n}"' for n in range(20_000))
HOSTILE = {
    "attributes on many elements": edited(before("info", '<code a="1"/>' * 3_900)),
    "too many elements": edited(before("info", "<code/>" * 140_000)),
    "wrong codes in every info": edited(
        (INFO, INFO.replace("<urgency>", "<responseType>x</responseType>" * 3_900 + "<urgency>") * 4)
    ),
    "namespaces": edited(("<alert ", f"<alert {MANY_NAMES} "), before("info", "<code/>" * 3_900)),
    "attributes on one element": edited(("<status>", "<status " + " ".join(f'a{n}="1"' for n in range(60_000)) + ">")),
    "signatures": edited(("</alert>", SIGNATURE * 3_900 + "</alert>")),
    "depth": edited(("</alert>", "<a>" * 100_000)),
    "commas": edited((POLYGON, "," * 500_000)),
    "one long number": edited((POLYGON, "1" * 900_000)),
    "many long numbers": edited((POLYGON, f"0.{'1' * 1000},1 " * 800)),
    "quoted words": edited(before("info", "<addresses>" + '"a" ' * 200_000 + "</addresses>")),
    "quotes": edited(before("info", "<addresses>" + '"' * 900_000 + "</addresses>")),
    "references": edited(before("info", f"<references>{'a,b,2026-01-01T00:00:00+00:00 ' * 30_000}</references>")),
    "comments": b"<!-- -->" * 120_000 + BASIC[39:].encode(),
    "an open comment": b"<!--" + b"-" * 900_000,
    "instructions": b"<?a b?>" * 140_000 + BASIC[39:].encode(),
    "blanks": b" " * 1_000_000,
    "zeros": b"\x00" * 1_000_000,
    "brackets": b"<" * 1_000_000,
    "character references": edited(("Rook", "&#x41;" * 150_000)),
    "escaped tags": edited(("Brand", "&lt;a " * 150_000)),
    "base64": edited(
        before("area", RESOURCE.format(f"<derefUri>{'A' * 1_000_000}</derefUri><digest>{'0' * 40}</digest>"))
    ),
    "a long type": edited(before("area", RESOURCE.format("").replace("image/png", "a/b" + "; " * 100_000))),
    "a long language": edited(("nl-BE", "nl" + "-abcde" * 100_000)),
    "a long time": edited(("T14:00:00+01:00", "T14:00:00." + "1" * 900_000)),
    "a long whole number": edited(before("area", RESOURCE.format(f"<size>{'1' * 900_000}</size>"))),
    "many infos": edited((INFO, INFO * 100)),
    "one language too many": edited((INFO, "".join(INFO.replace("nl-BE", f"nl-{n:03}") for n in range(100)))),
}


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_document_takes_long(name: str, lenient: bool) -> None:
    """The margin is for slow machines: what these guard against took from five seconds to minutes."""
    check(BASIC.encode())
    begun = time.process_time()
    check(HOSTILE[name], lenient=lenient, received_at=NOW)
    assert time.process_time() - begun < 3


def spoil(count: int, seed: int) -> int:
    """Check that many spoiled alerts; how many were still read as CAP."""
    chance = random.Random(seed)
    good = [case.path.read_bytes() for case in cases(CORPUS) if case.name.startswith("valid/")]
    good = [raw for raw in good if len(raw) < 20_000]
    readable = 0
    for number in range(count):
        raw = chance.choice(good)
        if number % 2:
            root = etree.fromstring(raw)
            mutate_tree(root, chance)
            raw = etree.tostring(root)
        else:
            raw = mutate_bytes(raw, chance)
        verdict = check(raw, lenient=chance.random() < 0.5, received_at=NOW)
        assert verdict.valid == (verdict.alert is not None) == (not verdict.errors), raw
        readable += verdict.readable
    return readable


def test_no_spoiled_alert_upsets_the_check() -> None:
    assert spoil(10_000, seed=1) > 10_000 // 3


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 6))
def test_no_spoiled_alert_of_very_many_upsets_the_check(seed: int) -> None:
    count = int(os.environ.get("GATEWAY_MUTATIONS", "10000"))
    assert spoil(count, seed) > count // 3


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_upset_the_check(raw: bytes) -> None:
    assert not check(raw).valid


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["event", "sender", "expires", "polygon", "language", "areaDesc"]), st.text(max_size=40))
def test_no_text_upsets_the_check(name: str, text: str) -> None:
    root = etree.fromstring(BASIC.encode())
    element = root.find(f".//{{*}}{name}")
    assert element is not None
    try:
        element.text = text
    except ValueError:  # not a text that XML can hold
        return
    verdict = check(etree.tostring(root))
    assert verdict.readable
