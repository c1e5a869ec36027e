"""gateway audit."""

import json
from pathlib import Path

from tests.commands.conftest import Command


def test_a_whole_record_is_said_to_be_whole(gateway: Command) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    ran = gateway("audit", "verify")
    assert (ran.code, ran.out, ran.err) == (0, "", "1 events in 1 chains: whole\n")


def test_heads_that_were_written_down_must_be_there_still(gateway: Command, tmp_path: Path) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    heads = gateway("audit", "heads").out
    file = tmp_path / "heads.txt"
    file.write_text(heads)
    gateway("entity", "change", "brugge", "--name", "Stad Brugge")
    assert gateway("audit", "verify", "--against", str(file)).code == 0
    name, seq, digest = heads.splitlines()[0].split()
    file.write_text(f"{name} {seq} {'0' * len(digest)}\nlost 3 {digest}\n")
    ran = gateway("audit", "verify", "--against", str(file))
    assert ran.code == 1
    assert ran.out.splitlines() == [
        f"{name} {seq}: the hash is not the one that was written down", "lost 0: the chain is gone",
    ]  # fmt: skip
    file.write_text("nonsense")
    assert gateway("audit", "verify", "--against", str(file)).code == 2


def test_an_entity_s_events_are_listed_newest_first(gateway: Command) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    gateway("entity", "change", "brugge", "--name", "Stad Brugge")
    lines = gateway("audit", "list", "--entity", "brugge", "--json").out.splitlines()
    newest = json.loads(lines[0])
    assert (newest["act"], newest["detail"], newest["seq"]) == ("entity.update", {"changed": ["name"]}, 2)
    assert gateway("audit", "list", "--entity", "brugge", "--act", "entity.insert").out.count("entity.insert") == 1
    assert gateway("audit", "list", "--entity", "nowhere").code == 1
