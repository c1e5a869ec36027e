from datetime import UTC, datetime
from itertools import islice

from gateway.cap.check import check
from gateway.cap.draft import read
from gateway.cap.parse import Limits, parse
from gateway.cap.rules import MOST_PER_RULE, RULES
from gateway.cap.rules_message import Context
from tests.cap.samples import ROOT, before, edited


def test_every_rule_is_a_sentence_of_its_own_with_a_clause() -> None:
    names = [rule.check.__name__ for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(name.count("_") >= 2 for name in names)
    assert all(rule.clause and rule.check.__doc__ for rule in RULES)


def test_the_docstring_of_a_rule_names_its_id() -> None:
    for rule in RULES:
        assert rule.id in (rule.check.__doc__ or ""), rule


def test_all_rules_that_a_document_can_show_are_in_the_table() -> None:
    elsewhere = {"S11", "S16", "S37", "S40"}  # other alerts; nothing to break; before parsing
    ids = {rule.id for rule in RULES}
    assert ids >= {f"S{number}" for number in range(1, 44)} - elsewhere


def test_no_feed_is_held_to_more_than_an_authority() -> None:
    order = {"error": 2, "warning": 1, "policy": 0}
    assert all(order[rule.lenient] <= order[rule.strict] for rule in RULES)


def test_a_rule_broken_everywhere_is_said_a_number_of_times() -> None:
    pair = "<parameter><valueName>a</valueName><value/></parameter>"
    verdict = check(edited(before("area", pair * 100)))
    assert [finding.id for finding in verdict.findings] == ["S20"] * MOST_PER_RULE


def test_a_document_with_one_fault_still_gets_its_other_findings() -> None:
    raw = edited(("Actual", "Live"), ("ops@", "ops "), ("51.0500,3.7100</p", "51.05,9</p"), ("Rook:", "<i/>"))
    verdict = check(raw, received_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert {"X5", "S2", "S29", "X15", "S22", "S3"} <= {finding.id for finding in verdict.findings}


def test_the_table_of_the_conformance_document_is_this_table() -> None:
    document = (ROOT / "docs" / "cap-conformance.md").read_text()
    told = [
        line for line in document.splitlines() if (line.count("|") == 6 and " CAP 1" in line) or "XML 1.0 §2.2" in line
    ]
    rows = [(r.id, r.check.__name__.replace("_", " "), r.strict, r.lenient, r.clause) for r in RULES]
    assert told == [f"| {' | '.join(row)} |" for row in rows]


def test_a_rule_has_nothing_to_say_where_what_it_is_about_is_absent() -> None:
    documents = [file.read_bytes() for file in sorted((ROOT / "tests" / "corpus" / "cap").glob("[iwv]*/*.xml"))]
    drafts = [
        read(parsed.root, parsed.version)
        for parsed in (parse(raw, Limits()) for raw in documents)
        if parsed.root is not None and parsed.version is not None
    ]
    spoken: set[str] = set()
    for rule in (rule for rule in RULES if rule.about):
        for draft in drafts:
            said = list(islice(rule.check(draft, Context(datetime(2030, 1, 1, tzinfo=UTC))), 1))
            assert not said or rule.about in draft.names, rule
            spoken |= {rule.about} if said else set()
    assert {"references", "polygon", "circle", "expires", "language"} <= spoken
