"""What the commands share: exit codes, words on stdout and stderr, tables, a progress bar.

Knows: terminals. Never knows: what is shown.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TextIO

BAR_WIDTH = 30
SHOW_AFTER_S = 1.0
REDRAW_S = 0.2


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    NO = 1  # the answer is no: errors found, rows refused, no such thing
    UNREADABLE = 2  # arguments, configuration, files; argparse uses it, too
    NO_DATABASE = 3
    INTERRUPTED = 130


def say(*lines: str) -> None:
    """Lines of the answer, on stdout, at once: somebody may be reading them through a pipe."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def deliver(made: bytes, file: Path | None) -> None:
    """A document: into a file, else on stdout as it is."""
    if file is not None:
        file.write_bytes(made)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()


def complain(*lines: str) -> None:
    """Lines about the answer, on stderr; the first one carries the program's name."""
    sys.stderr.write("".join(f"{'gateway: ' if n == 0 else ''}{line}\n" for n, line in enumerate(lines)))


def note(*lines: str) -> None:
    """What a person wants to know beside the answer, on stderr."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def read_file(name: str, most_bytes: int) -> bytes | None:
    """The file (- is stdin), one byte more of it than `most_bytes` when it is longer; None: can not be read, said."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(most_bytes + 1)
        with open(name, "rb") as file:  # noqa: PTH123 - a name may be /dev/stdin or <(...)
            return file.read(most_bytes + 1)
    except OSError as error:
        complain(f"{name}: {error.strerror}")
        return None


def as_json(record: Mapping[str, object]) -> str:
    """One object on one line; times as RFC 3339."""
    return json.dumps(record, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table: numbers to the right, everything else to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(head), *(len(row[n]) for row in cells)) if cells else len(head) for n, head in enumerate(heads)]
    right = [bool(rows) and all(_is_number(row[n]) for row in rows) for n in range(len(heads))]
    lines = [list(heads), *cells]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case str() | int():
            return str(value)
        case [*words]:
            return ",".join(map(str, words))
        case _:
            return str(value)


class Progress:
    """A bar on a terminal's stderr for work that lasts longer than a second; elsewhere, or without a total, nothing."""

    def __init__(
        self, label: str, total: int, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._label, self._total, self._done = label, total, 0
        self._stream = stream or sys.stderr
        self._clock = clock
        self._next = clock() + SHOW_AFTER_S
        self._shown = False

    def add(self, amount: int) -> None:
        """So much more is done."""
        self._done += amount
        now = self._clock()
        if self._total and now >= self._next and self._stream.isatty():
            self._next = now + REDRAW_S
            self._draw()

    def end(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self) -> None:
        share = min(self._done / self._total, 1.0)
        bar = "#" * round(share * BAR_WIDTH)
        self._stream.write(f"\r{self._label} [{bar:<{BAR_WIDTH}}] {share:4.0%}")
        self._stream.flush()
        self._shown = True
