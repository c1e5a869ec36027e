"""gateway contact."""

import csv
import io
import json
from pathlib import Path

import pytest

from gateway.policy.tabular import Row
from gateway.policy.workbook import read_workbook
from gateway.store.embedded import Cluster
from tests.commands.conftest import Command, agreed


@pytest.fixture
def brugge(gateway: Command, tmp_path: Path) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    file = tmp_path / "people.csv"
    file.write_text("key,name,mobile,email\n1,Jan,0470000001,\n2,=1+1,,Jan@b.example\n")
    assert gateway("import", "contacts", str(file), "--entity", "brugge").code == 0
    return gateway


def test_contacts_are_listed_found_and_removed_and_every_look_is_written_down(brugge: Command) -> None:
    lines = brugge("contact", "list", "--entity", "brugge", "--json").out.splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["2", "1"]
    assert "Jan" in brugge("contact", "find", "+32470000001", "--entity", "brugge").out
    assert brugge("contact", "find", "+32470000009", "--entity", "brugge").code == 1
    assert brugge("contact", "remove", "1", "none", "--entity", "brugge").code == 1
    assert brugge("contact", "list", "--entity", "brugge", "--begins", "jan", "--json").out == ""
    listed = brugge("audit", "list", "--entity", "brugge", "--act", "contacts.", "--json").out.splitlines()
    written = [json.loads(line) for line in reversed(listed)]
    assert written[0]["act"] == "contacts.imported"
    assert [one["detail"]["count"] for one in written[1:]] == [2, 1, 0, 1, 0]
    assert brugge("contact", "list", "--entity", "nowhere").code == 1


def test_an_export_has_a_reason_a_second_person_and_no_formula(brugge: Command, pg: Cluster, tmp_path: Path) -> None:
    assert brugge("contact", "export", "--entity", "brugge", "--reason", "so").code == 2
    asked = brugge("contact", "export", "--entity", "brugge", "--reason", "the contract ends")
    assert (asked.code, "gateway contact agree" in asked.err) == (0, True)
    take = ("contact", "export", "--entity", "brugge", "--request", asked.out.strip())
    assert (brugge(*take).code, brugge(*take).out) == (1, "")
    agreed(pg, asked.out)
    ran = brugge(*take)
    assert brugge(*take).code == 1, "it is taken once"
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert {row["name"] for row in rows} == {"Jan", "'=1+1"}
    assert {row["mobile"] for row in rows} == {"+32470000001", ""}
    file = tmp_path / "contacts.xlsx"
    again = brugge("contact", "export", "--entity", "brugge", "--reason", "the contract ends").out.strip()
    agreed(pg, again)
    assert brugge(*take[:-1], again, "--format", "xlsx", "--output", str(file)).code == 0
    assert {row.cells[1] for row in read_workbook(file.read_bytes()) if isinstance(row, Row)} == {"name", "Jan", "=1+1"}


def test_somebody_is_searched_taken_out_and_erased(brugge: Command) -> None:
    assert "Jan" in brugge("contact", "search", "0470 00 00 01", "--entity", "brugge").out
    assert brugge("contact", "search", "nobody", "--entity", "brugge").code == 1
    why = ("--entity", "brugge", "--reason", "their own request")
    assert brugge("contact", "data", "1", "--entity", "brugge", "--reason", "so").code == 2
    held = json.loads(brugge("contact", "data", "1", *why).out)
    assert (held["contact"]["mobile"], held["messages"]) == ("+32470000001", [])
    assert brugge("contact", "erase", "1", "--entity", "brugge").code == 0
    assert brugge("contact", "erase", "1", "--entity", "brugge").code == 1
    assert brugge("contact", "data", "1", *why).code == 1
