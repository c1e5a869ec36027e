"""Personal data of a run, and whether something that was written names any of it.

What a database holds of people is read from it, so that nothing that a scene seeds can be forgotten here.
"""

import io
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gateway.log import setup
from tests.support.line import Line

LAST_DIGITS = 8
LEAST_CHARACTERS = 8
"""A shorter value ("home", "An") is found in every path and says nothing of anybody."""
HELD = (
    "SELECT unnest(ARRAY[name, mobile, landline, email]) FROM contact",
    "SELECT label FROM address",
    "SELECT unnest(ARRAY[name, email]) FROM person UNION SELECT name FROM membership",
    "SELECT address FROM delivery",
    "SELECT endpoint FROM citizen_proof",
    "SELECT unnest(ARRAY[body, subject, html]) FROM text",
)


class Personal:
    """Values and rare words of people and messages; a number counts without its +, and by its last digits alone."""

    def __init__(self, values: Iterable[str | None], rare: Iterable[str]) -> None:
        found = {word.casefold() for word in rare}
        for value in filter(None, values):
            digits = re.sub(r"[^0-9]", "", value)
            if re.fullmatch(r"\+?[0-9 ./()-]{8,}", value):
                found.add(digits[-LAST_DIGITS:])
            elif len(value) >= LEAST_CHARACTERS:
                found.add(value.casefold())
        self.words = frozenset(found)

    def leaks(self, said: str) -> list[str]:
        """Which of them this names, whatever stands between the digits of a number."""
        plain = said.casefold()
        digits = re.sub(r"(?<=\d)[ ./()-]{1,2}(?=\d)", "", plain)
        return sorted(word for word in self.words if word in plain or (word.isdigit() and word in digits))


async def personal(line: Line, rare: Iterable[str]) -> Personal:
    """Everything that the database of a line holds of people and messages, and these words."""
    rows = [row[0] for statement in HELD for row in await line.fetch(statement)]
    return Personal(rows, rare)


class Written:
    """What a process wrote in its log at INFO and above; times are left out, for they are digits of everybody."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, object]]:
        """The lines, each as its facts."""
        found = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [{key: value for key, value in one.items() if key != "at"} for one in found]

    @property
    def text(self) -> str:
        """All of it, with letters as they are read."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in self.lines())

    @property
    def events(self) -> set[str]:
        """What it told of."""
        return {str(line["event"]) for line in self.lines()}


@contextmanager
def written() -> Iterator[Written]:
    """The log of this process as `gateway serve` writes it, while the block runs."""
    root = logging.getLogger()
    handlers, level, found = list(root.handlers), root.level, Written()
    try:
        setup("INFO", "json", found.stream)
        yield found
    finally:
        logging.captureWarnings(False)
        root.handlers = handlers
        root.setLevel(level)
