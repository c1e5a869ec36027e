"""gateway import addresses."""

from pathlib import Path

import pytest

from tests.commands.conftest import Command
from tests.support.register import REGISTER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "register.csv"
    path.write_text(REGISTER)
    return path


def test_an_edition_is_stored_and_replaced_whole(gateway: Command, file: Path) -> None:
    said = "stored 6 house numbers, 4 streets, 3 municipalities, refused 0\n"
    assert gateway("import", "addresses", str(file), "--dry-run").out == f"would have {said}"
    for _ in range(2):
        assert gateway("import", "addresses", str(file)).out == said


def test_a_broken_file_leaves_the_edition_before(gateway: Command, file: Path, tmp_path: Path) -> None:
    assert gateway("import", "addresses", str(file)).code == 0
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    ran = gateway("import", "addresses", str(broken))
    assert (ran.code, "nothing was changed" in ran.err) == (2, True)
    some = tmp_path / "some.csv"
    some.write_text(REGISTER + "x,4.3,,1,21007,,Forest,Vorst,1190,9,,Rue du Curé,Pastoorstraat,current\n")
    ran = gateway("import", "addresses", str(some))
    assert (ran.code, ran.out[-10:]) == (1, "refused 1\n")
