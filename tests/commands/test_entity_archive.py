"""gateway entity export and import."""

import json
from pathlib import Path

from gateway.store.embedded import Cluster
from tests.commands.conftest import Command, agreed


def test_an_authority_goes_into_a_file_and_comes_back(gateway: Command, tmp_path: Path, pg: Cluster) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    people = tmp_path / "people.csv"
    people.write_text("key,mobile\n1,0470000001\n")
    assert gateway("import", "contacts", str(people), "--entity", "brugge").code == 0
    file = tmp_path / "brugge.zip"
    assert gateway("entity", "export", "nowhere", "--reason", "it moves away").code == 1
    take = ("entity", "export", "brugge", str(file), "--request")
    first, second = (gateway("entity", "export", "brugge", "--reason", "it moves away").out.strip() for _ in "12")
    assert gateway(*take, first).code == 1, "nobody agreed"
    agreed(pg, first)
    agreed(pg, second)
    assert gateway("entity", "export", "brugge", "--request", first).code == 2, "into which file?"
    assert gateway(*take, first).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert gateway(*take, first).code == 1, "it is taken once"
    assert gateway(*take, second).code == 2, "no file is written over"
    assert gateway("entity", "export", "brugge", f"{file}.2", "--request", second).code == 0, "nothing was taken then"
    assert gateway("entity", "import", str(file)).code == 1
    assert gateway("entity", "import", str(file), "--slug", "gent").code == 0
    shown = json.loads(gateway("entity", "show", "gent", "--json").out)
    assert (shown["contacts"], shown["live"], shown["name"]) == (1, False, "Brugge")
    assert gateway("entity", "import", str(people)).code == 2
    assert gateway("entity", "import", str(tmp_path / "absent")).code == 2
    assert gateway("entity", "import", str(file), "--slug", "A b").code == 2
