"""gateway group."""

import json
from pathlib import Path

import pytest

from gateway.store import filtered
from tests.commands.conftest import Command


@pytest.fixture
def brugge(gateway: Command, tmp_path: Path) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    file = tmp_path / "people.csv"
    file.write_text("key,mobile,email\n1,0470000001,\n2,,Jan@b.example\n")
    gateway("import", "contacts", str(file), "--entity", "brugge")
    return gateway


def test_a_group_is_created_filled_and_listed(brugge: Command) -> None:
    assert brugge("group", "create", "key actors", "--entity", "brugge", "--name", "Key actors").code == 0
    added = brugge("group", "add", "key actors", "--entity", "brugge", "+32470000001", "jan@b.example", "1")
    assert (added.code, added.err) == (0, "2 added to key actors, 0 were in it\n")
    assert (
        brugge("group", "add", "key actors", "--entity", "brugge", "1").err == "0 added to key actors, 1 were in it\n"
    )
    record = json.loads(brugge("group", "list", "--json").out)
    assert (record["slug"], record["members"], record["exercises"]) == ("key actors", 2, False)
    assert brugge("group", "list", "--entity", "brugge").out.splitlines()[1].split() == [
        "brugge", "key", "actors", "2", "no", "Key", "actors",
    ]  # fmt: skip


def test_contacts_leave_a_group_and_it_ends_without_them(brugge: Command) -> None:
    brugge("group", "create", "plp", "--entity", "brugge")
    brugge("group", "add", "plp", "--entity", "brugge", "1")
    left = brugge("group", "leave", "plp", "--entity", "brugge", "1", "jan@b.example")
    assert (left.code, left.err) == (0, "1 left plp, 1 were not in it\n")
    assert brugge("group", "leave", "plp", "--entity", "brugge", "nobody").code == 1
    assert json.loads(brugge("group", "list", "--json").out)["members"] == 0
    assert brugge("group", "end", "plp", "--entity", "brugge").code == 0
    assert brugge("group", "end", "plp", "--entity", "brugge").code == 1
    assert brugge("group", "list", "--json").out == ""
    assert brugge("contact", "find", "+32470000001", "--entity", "brugge").code == 0


def test_a_group_gets_another_name_and_another_filter(brugge: Command) -> None:
    brugge("group", "create", "north", "--entity", "brugge", "--language", "fr", "--exercises")
    changed = brugge("group", "change", "north", "--entity", "brugge", "--name", "The north", "--language", "nl")
    assert (changed.code, changed.err) == (0, "changed north of brugge\n")
    shown = json.loads(brugge("group", "show", "north", "--entity", "brugge").out)
    assert (shown["name"], shown["languages"], shown["members"], shown["exercises"]) == ("The north", ["nl"], 2, True)
    assert brugge("group", "change", "north", "--entity", "brugge", "--no-exercises").code == 0
    shown = json.loads(brugge("group", "show", "north", "--entity", "brugge").out)
    assert (shown["name"], shown["languages"], shown["exercises"]) == ("The north", ["nl"], False)
    assert brugge("group", "change", "south", "--entity", "brugge", "--name", "The south").code == 1


def test_a_group_filled_by_hand_gets_no_filter(brugge: Command) -> None:
    brugge("group", "create", "plp", "--entity", "brugge")
    brugge("group", "add", "plp", "--entity", "brugge", "1")
    refused = brugge("group", "change", "plp", "--entity", "brugge", "--name", "New", "--tag", "boat")
    assert (refused.code, "by hand" in refused.err) == (1, True)
    shown = json.loads(brugge("group", "show", "plp", "--entity", "brugge").out)
    assert (shown["name"], shown["filtered"], shown["members"]) == ("plp", False, 1)


def test_one_unknown_contact_changes_nothing(brugge: Command) -> None:
    brugge("group", "create", "plp", "--entity", "brugge")
    ran = brugge("group", "add", "plp", "--entity", "brugge", "1", "+32499999999")
    assert (ran.code, "  +32499999999" in ran.err) == (1, True)
    assert json.loads(brugge("group", "list", "--json").out)["members"] == 0


def test_a_group_that_is_not_there_and_one_that_is_are_said(brugge: Command) -> None:
    assert "gateway group create plp --entity brugge" in brugge("group", "add", "plp", "--entity", "brugge", "1").err
    brugge("group", "create", "plp", "--entity", "brugge")
    assert brugge("group", "create", "plp", "--entity", "brugge").code == 1
    assert brugge("group", "create", "plp", "--entity", "nowhere").code == 1


@pytest.mark.parametrize("slug", ["", 'a"b', " a", "x" * 101, "a\nb"])
def test_a_slug_that_an_alert_could_not_name_is_refused(slug: str, command: Command) -> None:
    assert command("group", "create", slug, "--entity", "brugge").code == 2


def test_a_filter_fills_a_group_and_nobody_is_added_by_hand(
    brugge: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline = tmp_path / "quay.geojson"
    ring = [[3.2, 51.2], [3.3, 51.2], [3.3, 51.3], [3.2, 51.3], [3.2, 51.2]]
    outline.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    people = tmp_path / "quay.csv"
    people.write_text("key,mobile,tags,lon,lat\nq1,0470000091,boat,3.25,51.25\nq2,0470000092,boat,4,51\n")
    assert brugge("import", "contacts", str(people), "--entity", "brugge").code == 0
    words = (
        "group",
        "create",
        "quay",
        "--entity",
        "brugge",
        "--tag",
        "Boat",
        "--area",
        str(outline),
        "--channel",
        "sms",
    )
    assert brugge(*words).code == 0
    shown = json.loads(brugge("group", "show", "quay", "--entity", "brugge").out)
    assert (shown["filtered"], shown["members"], shown["tags"], shown["channels"]) == (True, 1, ["boat"], ["sms"])
    assert brugge("group", "add", "quay", "--entity", "brugge", "q2").code == 1
    assert brugge("group", "show", "none", "--entity", "brugge").code == 1
    monkeypatch.setattr(filtered, "COUNTED", 0)
    again = json.loads(brugge("group", "show", "quay", "--entity", "brugge").out)
    assert (again["members"], again["exact"]) == (1, True), "at a terminal a group is always counted through"
    outline.write_text("{}")
    assert brugge(*words[:2], "other", *words[3:]).code == 2
    assert brugge(*words[:2], "other", "--entity", "brugge", "--area", "absent").code == 2
