"""The page of standards: what counts as a citation, and how the page is ordered."""

from pathlib import Path

import pytest

from tools.standards import REPOSITORY, Citation, citations, mirror_of, page


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = 1  # SMPP 3.4 §4.4.1", [("SMPP 3.4", "4.4.1")]),
        ("# RFC 5321 §4.2, without the server's own words.", [("RFC 5321", "4.2")]),
        ("# see SMPP 3.4 §4.4.1 and §4.6.1: the two bodies", [("SMPP 3.4", "4.4.1"), ("SMPP 3.4", "4.6.1")]),
        ("# 3GPP TS 23.040 §9.2.3.24.1", [("3GPP TS 23.040", "9.2.3.24.1")]),
        ("# CAP 1.2 §3.2.2; RFC 5646 §2.1", [("CAP 1.2", "3.2.2"), ("RFC 5646", "2.1")]),
        ("# WebSub §5.1", [("WebSub", "5.1")]),
        ("x = 'as RFC 5321 §4.2 says'", []),
        ("x = 'RFC 5321 §4.2'", [("RFC 5321", "4.2")]),
        ("# nothing here", []),
    ],
)
def test_comments_and_texts_that_are_clauses_cite(tmp_path: Path, line: str, found: list[tuple[str, str]]) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"{line}\n")
    assert list(citations(file)) == [Citation(standard, clause, file, 1) for standard, clause in found]


def test_clauses_are_ordered_as_a_reader_counts() -> None:
    _, _, text = page(sorted((REPOSITORY / "gateway" / "smpp").glob("*.py"))).partition("## SMPP 3.4")
    clauses = [
        line.split("|")[1].strip() for line in text.partition("\n## ")[0].splitlines() if line.startswith("| §4.")
    ]
    assert clauses == sorted(clauses, key=lambda clause: [int(part) for part in clause[1:].split(".")])
    assert len(clauses) > 5


def test_a_module_leads_to_its_mirror() -> None:
    assert mirror_of(REPOSITORY / "gateway/store/sql.py") == "[tests/store/test_sql.py](../tests/store/test_sql.py)"
    assert mirror_of(REPOSITORY / "gateway/store/__init__.py") == "-"


BINDING = {  # of CAP 1.2: what a producer and a consumer of messages have to do; the rest explains, or is about ASN.1
    "3.2.1": "alert", "3.2.2": "info", "3.2.3": "resource", "3.2.4": "area",
    "3.3.1": "WGS 84", "3.3.2": "date and time", "3.3.3": "character entities", "3.3.4.1": "digital signatures",
    "3.4": "the schema", "4.2": "a conforming message", "4.3": "a producer", "4.4": "a consumer",
}  # fmt: skip


def test_every_clause_of_cap_that_binds_us_has_its_line_and_its_test() -> None:
    files = sorted((REPOSITORY / "gateway" / "cap").glob("*.py"))
    found = [c for file in files for c in citations(file) if c.standard == "CAP 1.2"]
    assert set(BINDING) <= {citation.clause for citation in found}
    assert {citation.clause for citation in found} <= {*BINDING, "3.2"}
    for citation in found:
        assert mirror_of(citation.file) != "-", citation
