"""gateway partnership."""

import json

import pytest

from tests.commands.conftest import Command


@pytest.fixture
def zone(gateway: Command) -> Command:
    gateway("entity", "create", "zone", "--name", "Zone", "--kind", "type2")
    gateway("person", "create", "jan@plp.example", "--entity", "zone", "--name", "Jan")
    gateway("group", "create", "members", "--entity", "zone")
    gateway("partnership", "put", "plp", "--entity", "zone", "--name", "PLP")
    return gateway


def test_a_partnership_is_made_filled_changed_and_listed(zone: Command) -> None:
    assert zone("partnership", "enrol", "plp", "jan@plp.example", "coordinator", "--entity", "zone").code == 0
    assert zone("partnership", "group", "plp", "members", "--entity", "zone").code == 0
    assert zone("partnership", "put", "plp", "--entity", "zone", "--name", "PLP", "--agreement", "both").code == 0
    row = json.loads(zone("partnership", "list", "--entity", "zone", "--json").out)
    assert (row["agreement"], row["groups"], len(row["people"])) == ("both", ["members"], 1)
    assert zone("partnership", "release", "plp", "jan@plp.example", "coordinator", "--entity", "zone").code == 0
    assert zone("partnership", "list", "--entity", "zone").out.splitlines()[1].split()[:3] == ["plp", "both", "0"]


def test_what_is_not_there_is_said(zone: Command) -> None:
    assert zone("partnership", "enrol", "none", "jan@plp.example", "police", "--entity", "zone").code == 1
    assert zone("partnership", "enrol", "plp", "x@y", "police", "--entity", "zone").code == 1
    assert zone("partnership", "group", "plp", "none", "--entity", "zone").code == 1
    assert zone("partnership", "list", "--entity", "none").code == 1
