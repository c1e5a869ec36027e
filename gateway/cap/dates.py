"""CAP date-times: from text to an instant and back.

Knows: the one form CAP allows, and the three slips that feeds make (Z, fractions, no offset).
Never knows: now. Standard: CAP 1.2 §3.3.2; xs:dateTime of XML Schema Part 2.
"""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import NamedTuple

# CAP 1.2 §3.3.2
_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d", re.ASCII)
_SLIPPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[-+]\d\d:\d\d)?", re.ASCII)
_LONGEST = 64
_DAY = timedelta(days=1)


class Instant(NamedTuple):
    """`at` is None when the text is no date-time that may be used; `slip` names a deviation that was understood."""

    at: datetime | None
    slip: str = ""


def is_strict(text: str) -> bool:
    """Whether the text has CAP's form; the calendar is not asked."""
    return _STRICT.fullmatch(text) is not None


def read(text: str) -> datetime | None:
    """The instant of a date-time in CAP's form; None for any other text and for days that do not exist."""
    return _instant(text) if _STRICT.fullmatch(text) else None


def read_leniently(text: str) -> Instant:
    """As `read`, but Z, a fraction and a missing offset (taken as UTC) are understood and named."""
    if len(text) > _LONGEST:
        return Instant(None)
    found = _SLIPPED.fullmatch(text)
    if found is None:
        return Instant(None)
    day, fraction, offset = found.groups()
    slips = [
        *(["a fraction of a second"] if fraction else []),
        *(["Z instead of -00:00"] if offset == "Z" else []),
        *(["no offset; UTC was assumed"] if offset is None else []),
    ]
    zone = offset if offset and offset != "Z" else "-00:00"
    return Instant(_instant(day + zone), " and ".join(slips))


def write(at: datetime) -> str:
    """The date-time in CAP's form, whole seconds; UTC is written -00:00."""
    # CAP 1.2 §3.3.2
    text = at.replace(microsecond=0).isoformat(timespec="seconds")
    if at.utcoffset() == timedelta(0):
        return text[:19] + "-00:00"
    return text[:25]


def _instant(text: str) -> datetime | None:
    """An aware datetime that also exists in UTC, or None."""
    if text[-2:] > "59" or text[-5:] > "14:00":
        return None
    try:
        if text[11:19] == "24:00:00":  # XML Schema's other way to write the end of a day
            at = datetime.fromisoformat(text[:11] + "00:00:00" + text[19:]) + _DAY
        else:
            at = datetime.fromisoformat(text)
        if not 1 < at.year < MAXYEAR:
            at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at
