"""A terminal for the commands: they run in this process, on a database of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.__main__ import main
from gateway.store.embedded import Cluster


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run `gateway WORDS...` in an empty folder; wrong arguments give their exit code, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)

    def run(*words: str) -> Ran:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ran(int(code), *capsys.readouterr())

    return run


@pytest.fixture
def gateway(command: Command, pg: Cluster, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The same with a migrated database behind it."""
    monkeypatch.setenv("GATEWAY_DATABASE_DSN", pg.app_dsn)
    return command
