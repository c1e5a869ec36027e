"""The front of the command: names, help, version, exit codes."""

import importlib
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway import __main__ as front
from gateway.errors import SchemaError, SettingsError, StoreUnavailable


def failing(error: BaseException) -> object:
    def run(options: object) -> int:
        raise error

    return run


@pytest.mark.parametrize("name", list(front.COMMANDS))
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        front.main([name, "--help"])
    assert ended.value.code == 0
    assert f"gateway {name}" in capsys.readouterr().out.partition("examples:")[2]


def test_the_general_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        front.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {command.summary}" in shown for name, command in front.COMMANDS.items())
    assert "exit codes:" in shown


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        front.main(["--version"])
    assert capsys.readouterr().out == f"gateway {version('cap-alert-gateway')}\n"


def test_a_mistyped_command_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        front.main(["valdate", "x.xml"])
    assert ended.value.code == 2
    assert "did you mean validate?" in capsys.readouterr().err


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        front.main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError(["a is wrong", "b is wrong"]), 2, "  a is wrong\n  b is wrong\n"),
        (StoreUnavailable("no answer"), 3, "gateway: no answer\n"),
        (SchemaError("too old"), 3, "gateway: too old\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_becomes_a_sentence_and_an_exit_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("gateway.commands.validate"), "run", failing(error))
    assert front.main(["validate", "x"]) == code
    assert capsys.readouterr().err.endswith(said)


def test_a_check_loads_nothing_of_the_server(repository: Path) -> None:
    file = repository / "tests/corpus/cap/valid/minimal.xml"
    program = (
        "import sys, json; from gateway.__main__ import main; code = main(sys.argv[1:]);"
        "print(json.dumps([code, sorted(m for m in sys.modules if m.split('.')[0] in ('aiohttp', 'asyncpg'))]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "validate", str(file)], capture_output=True, text=True, check=True, timeout=300
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == [0, []]


def test_a_node_starts_without_libraries_that_its_workers_need_or_one_request_in_a_month() -> None:
    program = "import sys, gateway.app; print(sorted({'xmlschema', 'xlsxwriter', 'reportlab'} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert ran.stdout == "[]\n"


def test_a_reader_that_leaves_early_is_no_traceback(repository: Path) -> None:
    file = repository / "tests/corpus/cap/valid/minimal.xml"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ran = subprocess.run(
            [sys.executable, "-m", "gateway", "validate", str(file)],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
            timeout=300,
        )
    assert (ran.returncode, ran.stderr) == (1, b"")
