"""gateway entity export and import."""

import json
from pathlib import Path

from tests.commands.conftest import Command


def test_an_authority_goes_into_a_file_and_comes_back(gateway: Command, tmp_path: Path) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1", "--live")
    people = tmp_path / "people.csv"
    people.write_text("key,mobile\n1,0470000001\n")
    assert gateway("import", "contacts", str(people), "--entity", "brugge").code == 0
    file = tmp_path / "brugge.zip"
    assert gateway("entity", "export", "brugge", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert gateway("entity", "export", "brugge", str(file)).code == 2, "no file is written over"
    assert gateway("entity", "export", "nowhere", str(tmp_path / "x")).code == 1
    assert gateway("entity", "import", str(file)).code == 1
    assert gateway("entity", "import", str(file), "--slug", "gent").code == 0
    shown = json.loads(gateway("entity", "show", "gent", "--json").out)
    assert (shown["contacts"], shown["live"], shown["name"]) == (1, False, "Brugge")
    assert gateway("entity", "import", str(people)).code == 2
    assert gateway("entity", "import", str(tmp_path / "absent")).code == 2
    assert gateway("entity", "import", str(file), "--slug", "A b").code == 2
