"""How many citizens registered in a territory, in numbers that point at nobody.

Knows: that small numbers and differences between two numbers tell of persons. Never knows: SQL, territories.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

STEP = 5
MONTHS = 12
CHANNELS = ("sms", "email", "voice")


class RegisteredRow(NamedTuple):
    """Citizens of one language who registered in one month (YYYY-MM), and by which channels they can be reached."""

    language: str
    month: str
    citizens: int
    sms: int
    email: int
    voice: int


def coarse(number: int) -> int:
    """Rounded down to fives: what one person adds is not seen."""
    return number // STEP * STEP


def statistics(rows: Sequence[RegisteredRow]) -> dict[str, Any]:
    """The numbers of an entity: all, by channel, by language, and by month for the last twelve that had any."""
    languages, months = Counter[str](), Counter[str]()
    for row in rows:
        languages[row.language] += row.citizens
        months[row.month] += row.citizens
    return {
        "registered": coarse(sum(row.citizens for row in rows)),
        "channels": {name: coarse(sum(getattr(row, name) for row in rows)) for name in CHANNELS},
        "languages": {name: coarse(number) for name, number in sorted(languages.items())},
        "months": {name: coarse(months[name]) for name in sorted(months)[-MONTHS:]},
        "rounded_down_to": STEP,
    }
