"""What a dispatch would reach, take and cost, before anything is sent.

Knows: counts by channel and language, parts per text, what a channel can take now, the tariff, when the alert ends.
Never knows: SQL, clocks.
Small counts are blurred, so that nobody learns from a trial run whether one household is registered; units, cost and
times are those of the numbers that are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.model import ChannelName
from gateway.policy.tariff import eur

BLUR_BELOW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one language and channel costs per message: SMS parts or started voice minutes; `cheaper` is a spelling
    that readers take as the same and that costs `cheaper_units`."""

    channel: ChannelName
    language: str
    units: int
    encoding: str = ""
    cheaper: str = ""
    cheaper_units: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one channel has at this moment: units (SMS parts, e-mails, call starts) a second, 0 when no link is up; how
    many of others leave before; the price of a unit."""

    per_s: float
    before: int = 0
    eur: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when until when messages may start."""

    opens: datetime
    ends: datetime


def forecast(
    reached: Mapping[tuple[ChannelName, str], int],
    wordings: Sequence[Wording],
    means: Mapping[ChannelName, Means],
    window: Window,
) -> dict[str, object]:
    """Recipients, units, cost and times, by channel and language and in all. Languages without a text of their own
    are counted with the first wording of the channel, which is what they will get. Of several wordings of one language
    the longest is reckoned with."""
    lines: dict[tuple[ChannelName, str], int] = {}
    longest: dict[tuple[ChannelName, str], Wording] = {}
    first: dict[ChannelName, str] = {}
    for wording in wordings:
        key = (wording.channel, wording.language)
        longest[key] = max(longest.get(key, wording), wording, key=lambda one: one.units)
        first.setdefault(wording.channel, wording.language)
    for (channel, language), messages in reached.items():
        if channel in first:
            said_in = language if (channel, language) in longest else first[channel]
            lines[channel, said_in] = lines.get((channel, said_in), 0) + messages
    cost = sum((n * longest[key].units * means[key[0]].eur for key, n in lines.items() if n >= BLUR_BELOW), Decimal(0))
    return {
        "recipients": _total(lines.values()),
        "cost_eur": eur(cost),
        "small_left_out": any(0 < n < BLUR_BELOW for n in lines.values()),
        "channels": [
            _channel(
                channel, [(longest[key], n) for key, n in sorted(lines.items()) if key[0] is channel], means[channel],
                window,
            )
            for channel in first
        ],
    }  # fmt: skip


def _channel(
    channel: ChannelName, lines: Sequence[tuple[Wording, int]], means: Means, window: Window
) -> dict[str, object]:
    shown = [(wording, n) for wording, n in lines if n >= BLUR_BELOW]
    units = sum(n * wording.units for wording, n in shown)
    paced = units if channel is ChannelName.SMS else sum(n for _, n in shown)
    return {
        "channel": channel.value,
        "messages": _total(n for _, n in lines),
        "units": units,
        "seconds": round(paced / means.per_s, 1) if means.per_s else None,
        "per_second": round(means.per_s, 2),
        **_times(paced, means, window),
        "unit_eur": eur(means.eur),
        "cost_eur": eur(units * means.eur),
        "languages": [_language(wording, n, means.eur) for wording, n in lines],
    }


def _times(paced: int, means: Means, window: Window) -> dict[str, object]:
    """When the last message would have started, and the share that would not start in time: nothing starts later."""
    if not means.per_s:
        return {"finish": None, "share_too_late": 1.0 if paced else 0.0}
    try:
        finish = window.opens + timedelta(seconds=(means.before + paced) / means.per_s)
    except OverflowError:
        return {"finish": None, "share_too_late": 1.0}
    room = max(0.0, (window.ends - window.opens).total_seconds()) * means.per_s - means.before
    late = min(1.0, max(0.0, 1 - room / paced)) if paced else 0.0
    return {"finish": finish.replace(microsecond=0).isoformat(), "share_too_late": round(late, 3)}


def _language(wording: Wording, messages: int, price: Decimal) -> dict[str, object]:
    counted = messages if messages >= BLUR_BELOW else 0
    saved = wording.units - wording.cheaper_units
    told: dict[str, object] = {
        "language": wording.language,
        "messages": _total([messages]),
        "units_each": wording.units,
        "encoding": wording.encoding,
        "cost_eur": eur(counted * wording.units * price),
    }
    if wording.cheaper:
        told["cheaper"] = {
            "text": wording.cheaper, "units_each": wording.cheaper_units, "saves_eur": eur(counted * saved * price),
        }  # fmt: skip
    return told


def blurred(number: int) -> int | str:
    """A number that may be shown."""
    return _total([number])


def _total(numbers: Iterable[int]) -> int | str:
    """The sum of what may be shown; '<5' in place of one that may not, '<10' of two.

    A small number is left out of every sum: nobody can subtract it again.
    """
    known = [number for number in numbers if number]
    small = [number for number in known if number < BLUR_BELOW]
    if small and len(small) == len(known):
        return f"<{BLUR_BELOW * len(small)}"
    return sum(number for number in known if number >= BLUR_BELOW)
