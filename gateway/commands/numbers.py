"""Numbers and dates among a command's arguments, with the reason when one can not be used.

Knows: argparse's way to say no. Never knows: what the values are for.
"""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number between two bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


port = whole(0, 65535)


def end_date(text: str) -> datetime:
    """The end of a life: a number of days from now (90d), a date (its last second, UTC) or a full date-time."""
    now = datetime.now(UTC)
    if re.fullmatch(r"[0-9]{1,5}d", text):
        return now + timedelta(days=int(text[:-1]))
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 90d, 2030-12-31 or 2030-12-31T18:00+01:00") from None
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        end = datetime.combine(date.fromisoformat(text), time(23, 59, 59))
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now:
        raise argparse.ArgumentTypeError(f"{text} has passed")
    return end
