"""gateway entity."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command


def test_an_entity_is_created_shown_changed_and_listed(gateway: Command) -> None:
    made = gateway("entity", "create", "brugge", "--name", "Stad Brugge", "--kind", "type1", "--languages", "nl,FR,nl")
    assert made.code == 0
    assert "gateway token create --entity brugge" in made.err
    shown = gateway("entity", "show", "brugge")
    assert shown.code == 0
    assert "Stad Brugge" in shown.out
    assert "no place can be targeted" in shown.out
    assert gateway("entity", "change", "brugge", "--live", "--without-papers", "--suspended").code == 0
    record = json.loads(gateway("entity", "show", "brugge", "--json").out)
    assert (record["live"], record["suspended"], record["languages"]) == (True, True, ["nl", "fr"])
    heads, *rows = gateway("entity", "list").out.splitlines()
    assert heads.split()[0] == "entity"
    assert [row.split()[0] for row in rows] == ["brugge", "platform"]
    assert [json.loads(line)["slug"] for line in gateway("entity", "list", "--json").out.splitlines()] == [
        "brugge",
        "platform",
    ]


def test_a_taken_slug_and_an_unknown_parent_change_nothing(gateway: Command) -> None:
    words = ("entity", "create", "platform", "--name", "x", "--kind", "type1")
    assert gateway(*words).code == 1
    child = gateway("entity", "create", "new", "--name", "x", "--kind", "type2", "--parent", "nowhere")
    assert (child.code, "there is no entity nowhere" in child.err) == (1, True)
    assert gateway("entity", "show", "new").code == 1
    assert gateway("entity", "change", "new", "--live").code == 1


@pytest.mark.parametrize(
    "words",
    [
        ("create", "Not A Slug", "--name", "x", "--kind", "type1"),
        ("create", "a", "--name", "x", "--kind", "type3"),
        ("create", "a", "--name", "x", "--kind", "type1", "--languages", "nl,klingon"),
        ("create", "a", "--kind", "type1"),
        ("change", "a", "--contact", ""),
        ("change", "a", "--contact", "An,1,a@b.example,more"),
        (),
    ],
)
def test_wrong_arguments_are_refused_before_the_database_is_asked(words: tuple[str, ...], command: Command) -> None:
    assert command("entity", *words).code == 2


def test_papers_policy_and_live_are_changed_and_what_is_missing_is_said(gateway: Command, tmp_path: Path) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    file = tmp_path / "policy.json"
    file.write_text('{"approval": ["urgent"]}')
    papers = ("--convention", "2026-01-05", "--contact", "An, +32 2, an@b.example", "--contact", "Jan")
    ran = gateway("entity", "change", "brugge", *papers, "--policy", str(file), "--live")
    assert (ran.code, "not live, before that: order-form, accounts;" in ran.err) == (1, True)
    assert json.loads(gateway("entity", "show", "brugge", "--json").out)["live"] is False
    ran = gateway("entity", "change", "brugge", "--live", "--without-papers")
    assert (ran.code, ran.err) == (0, "live on your word; still missing on record: order-form, accounts\n")
    written = gateway("audit", "list", "--entity", "brugge", "--act", "entity.live-without-papers", "--json").out
    assert json.loads(written)["detail"] == {"missing": ["order-form", "accounts"]}
    assert gateway("entity", "change", "brugge", "--no-live").code == 0
    gateway("person", "create", "an@b.example", "--entity", "brugge", "--name", "An", "--roles", "admin")
    ran = gateway("entity", "change", "brugge", "--order-form", "2026-01-05", "--live")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(gateway("entity", "show", "brugge", "--json").out)["live"] is True
    for wrong in ('{"aproval": []}', "[]", "{"):
        file.write_text(wrong)
        assert gateway("entity", "change", "brugge", "--policy", str(file)).code == 2
    assert gateway("entity", "change", "brugge", "--suspended").code == 0
