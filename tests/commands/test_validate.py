"""gateway validate."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Command

CORPUS = Path(__file__).parents[1] / "corpus" / "cap"
KEYS = {"id", "severity", "line", "element", "message", "clause"}


def expected() -> list[tuple[str, int]]:
    rows = csv.DictReader((CORPUS / "MANIFEST.tsv").read_text().splitlines(), delimiter="\t")
    codes = {"accept": 0, "accept+warning": 0, "warn": 0, "reject": 1, "refuse": 1}
    return [(row["file"], codes[row["expected"]]) for row in rows if row["expected"] in codes]


@pytest.mark.parametrize(("name", "code"), expected())
def test_the_exit_code_says_what_the_corpus_expects(name: str, code: int, command: Command) -> None:
    ran = command("validate", "--json", str(CORPUS / name))
    record = json.loads(ran.out)
    assert record["valid"] is (code == 0)
    assert ran.code == code or (ran.code == 2 and code == 1 and record["version"] is None)


def test_json_is_one_object_a_line_in_the_order_of_the_files(command: Command) -> None:
    files = [str(CORPUS / "valid/minimal.xml"), str(CORPUS / "invalid/s29-not-closed.xml")]
    ran = command("validate", "--json", *files)
    good, bad = map(json.loads, ran.out.splitlines())
    assert ran.code == 1
    assert list(good) == ["file", "valid", "version", "identifier", "findings"]
    assert (good["file"], good["valid"], good["version"]) == (files[0], True, "1.2")
    assert good["identifier"]
    assert bad["file"] == files[1]
    found = next(finding for finding in bad["findings"] if finding["id"] == "S29")
    assert set(found) == KEYS
    assert found["severity"] == "error"
    assert found["line"] > 1
    assert "polygon" in found["element"]
    assert "CAP" in found["clause"]


def test_text_gives_line_severity_rule_and_what_would_be_right(command: Command) -> None:
    file = str(CORPUS / "invalid/x5-status-Live.xml")
    ran = command("validate", file)
    head, *findings = ran.out.splitlines()
    (found,) = [line for line in findings if " X5 " in line]
    assert ran.code == 1
    assert head.startswith(f"{file}: not valid (CAP 1.2, 1 error")
    assert found.split()[:3] == ["line", "6", "error"]
    assert "alert/status" in found
    assert "Actual" in found


def test_what_is_not_well_formed_is_unreadable(command: Command) -> None:
    ran = command("validate", str(CORPUS / "invalid/xml-truncated.xml"))
    assert ran.code == 2
    assert "not valid" in ran.out


def test_an_absent_file_is_unreadable_and_the_others_are_checked(command: Command, tmp_path: Path) -> None:
    ran = command("validate", str(tmp_path / "absent.xml"), str(CORPUS / "valid/minimal.xml"), str(tmp_path))
    assert ran.code == 2
    assert "absent.xml: No such file" in ran.err
    assert "minimal.xml: valid" in ran.out


def test_a_dash_reads_stdin(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (CORPUS / "valid/minimal.xml").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    ran = command("validate", "--json", "-")
    assert (ran.code, json.loads(ran.out)["file"]) == (0, "-")


def test_a_huge_file_is_refused_for_its_size(command: Command, tmp_path: Path) -> None:
    huge = tmp_path / "huge.xml"
    with huge.open("wb") as file:
        file.truncate(2**32)
    ran = command("validate", "--json", str(huge))
    assert ran.code in (1, 2)
    assert [finding["id"] for finding in json.loads(ran.out)["findings"]] == ["SIZE"]


def test_lenient_accepts_more(command: Command) -> None:
    file = str(CORPUS / "invalid/x2-references-before-scope.xml")
    assert command("validate", file).code == 1
    assert command("validate", "--lenient", file).code == 0


def test_a_profile_that_is_not_there_is_said(command: Command) -> None:
    ran = command("validate", "--profile", "klingon", str(CORPUS / "valid/minimal.xml"))
    assert (ran.code, ran.out) == (2, "")
    assert "klingon" in ran.err
