"""gateway terms."""

from pathlib import Path

from tests.commands.conftest import Command


def test_terms_are_published_listed_and_answered(gateway: Command, tmp_path: Path) -> None:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1")
    file = tmp_path / "terms.md"
    file.write_text("Be kind.")
    assert gateway("terms", "publish", str(file)).out == "1\n"
    assert gateway("terms", "answer", "1", "--entity", "brugge", "--refuse").err == "brugge refused terms 1\n"
    assert gateway("terms", "list", "--entity", "brugge").out.splitlines()[1].split()[0] == "1"
    assert gateway("terms", "answer", "2", "--entity", "brugge").code == 1
    assert gateway("terms", "answer", "1", "--entity", "nowhere").code == 1
    assert gateway("terms", "publish", str(tmp_path / "none")).code == 2
    assert gateway("person", "create", "an@b.example", "--entity", "brugge", "--name", "An").code == 0
    ran = gateway("terms", "notice", "Hello.")
    assert (ran.code, ran.out[:3]) == (0, "an_")
    readers = gateway("terms", "readers", ran.out.strip())
    assert readers.code == 0 and "brugge" in readers.out
    assert gateway("terms", "readers", "an_none").code == 1
