"""gateway citizen."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command


@pytest.fixture
def anna(gateway: Command, tmp_path: Path) -> Command:
    file = tmp_path / "people.csv"
    file.write_text("key,name,mobile,email,lon,lat\n1,Anna,0470123456,anna@b.example,4.3,50.8\n")
    ran = gateway("import", "contacts", str(file), "--entity", "platform", "--consent-source", "paper")
    assert ran.code == 0, ran.err
    return gateway


def test_a_citizen_who_calls_is_shown_and_the_look_is_written_down(anna: Command) -> None:
    shown = json.loads(anna("citizen", "show", "0470/12.34.56").out)
    assert (shown["name"], shown["consent_source"]) == ("Anna", "paper")
    assert json.loads(anna("citizen", "show", "anna@B.example").out)["id"] == shown["id"]
    acts = anna("audit", "list", "--entity", "platform", "--act", "citizen.", "--json").out.splitlines()
    assert [json.loads(line)["act"] for line in acts] == ["citizen.seen"] * 2


def test_a_citizen_is_erased(anna: Command) -> None:
    assert anna("citizen", "erase", "+32470123456").code == 0
    assert anna("citizen", "erase", "+32470123456").code == 1
    assert anna("citizen", "show", "anna@b.example").code == 1
    assert anna("citizen", "show", "nonsense").code == 2


def test_an_entity_is_told_how_many_registered(anna: Command) -> None:
    anna("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    assert anna("citizen", "statistics", "--entity", "brugge").code == 1
    file = Path("brugge.geojson")
    ring = [[4.0, 50.0], [5.0, 50.0], [5.0, 51.0], [4.0, 51.0], [4.0, 50.0]]
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert anna("import", "territory", str(file), "--entity", "brugge").code == 0
    shown = json.loads(anna("citizen", "statistics", "--entity", "brugge").out)
    assert (shown["registered"], shown["languages"]) == (0, {"nl": 0}), "one person is not seen"
