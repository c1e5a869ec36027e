"""Words, tables and bars on a terminal."""

import io
import json
from datetime import UTC, datetime

import pytest

from gateway.commands.console import Progress, as_json, complain, say, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_answer_goes_to_stdout_and_what_is_wrong_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("one", "two")
    complain("no", "  because")
    shown = capsys.readouterr()
    assert shown.out == "one\ntwo\n"
    assert shown.err == "gateway: no\n  because\n"


def test_a_table_puts_numbers_to_the_right() -> None:
    rows = [("a", 5, True, None, ["x", "y"]), ("long", 1000, False, datetime(2026, 3, 1, 9, tzinfo=UTC), [])]
    assert table(("name", "n", "live", "at", "words"), rows) == [
        "name     n  live  at                words",
        "a        5  yes   -                 x,y",
        "long  1000  no    2026-03-01 09:00",
    ]


def test_a_table_without_rows_is_its_heads() -> None:
    assert table(("a", "b"), []) == ["a  b"]


def test_a_record_is_one_line_of_json_with_rfc_3339_times() -> None:
    line = as_json({"a": "é\n", "at": datetime(2026, 3, 1, 9, tzinfo=UTC)})
    assert json.loads(line) == {"a": "é\n", "at": "2026-03-01T09:00:00+00:00"}
    assert "\n" not in line


def test_a_bar_shows_after_a_second_and_goes_away_at_the_end() -> None:
    terminal, clock = Terminal(), Clock()
    bar = Progress("reading", 100, stream=terminal, clock=clock)
    clock.now = 0.9
    bar.add(25)
    assert terminal.getvalue() == ""
    clock.now = 1.1
    bar.add(25)
    assert terminal.getvalue() == f"\rreading [{'#' * 15}{' ' * 15}]  50%"
    clock.now = 1.2
    bar.add(1)
    bar.end()
    assert terminal.getvalue().endswith("50%\r\x1b[K")


@pytest.mark.parametrize(("total", "stream"), [(100, io.StringIO()), (0, Terminal())])
def test_a_bar_is_shown_on_a_terminal_only_and_with_a_total_only(total: int, stream: io.StringIO) -> None:
    clock = Clock()
    bar = Progress("reading", total, stream=stream, clock=clock)
    clock.now = 5.0
    bar.add(50)
    bar.end()
    assert stream.getvalue() == ""
