"""What is made from the code: written when stale, left alone when fresh, only named with --check."""

from pathlib import Path

import pytest

from tools import pages


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pages, "REPOSITORY", tmp_path)
    monkeypatch.setattr(pages, "PAGES", {"fresh.md": lambda: "same\n", "stale.md": lambda: "new\n"})
    (tmp_path / "fresh.md").write_text("same\n")
    (tmp_path / "stale.md").write_text("old\n")
    return tmp_path


def test_check_names_the_stale_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pages", "--check"])
    assert pages.main() == 1
    assert capsys.readouterr().out == "stale.md is stale: make docs\n"
    assert (folder / "stale.md").read_text() == "old\n"


def test_without_check_the_stale_are_written_and_then_nothing_is_left_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pages"])
    assert pages.main() == 0
    assert capsys.readouterr().out == "stale.md written\n"
    assert (folder / "stale.md").read_text() == "new\n"
    assert pages.stale() == []


def test_a_page_that_is_missing_is_stale(folder: Path) -> None:
    (folder / "fresh.md").unlink()
    assert pages.stale() == ["fresh.md", "stale.md"]
