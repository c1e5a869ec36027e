"""What a dispatch would reach, take and cost, before anything is sent.

Knows: counts by channel and language, parts per text, rates, the tariff. Never knows: SQL, clocks.
Small counts are blurred, so that nobody learns from a trial run whether one household is registered; units, cost and
seconds are those of the numbers that are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.model import ChannelName

BLUR_BELOW = 5
PRICE_EUR = {ChannelName.SMS: Decimal("0.055"), ChannelName.VOICE: Decimal("0.055"), ChannelName.EMAIL: Decimal(0)}
"""Per SMS part of up to 160 characters and per started voice minute, ex VAT; e-mail and CAP are free."""
CHARACTERS_PER_MINUTE = 720  # spoken at 12 characters a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one language and channel costs per message: SMS parts or started voice minutes."""

    channel: ChannelName
    language: str
    units: int


def units_of(channel: ChannelName, body: str, parts: int, repeat: int = 2) -> int:
    """Billable units of one message."""
    if channel is ChannelName.VOICE:
        return max(1, -(-len(body) * repeat // CHARACTERS_PER_MINUTE))
    return parts if channel is ChannelName.SMS else 1


def forecast(
    reached: Mapping[tuple[ChannelName, str], int],
    wordings: Sequence[Wording],
    rate_per_s: Mapping[ChannelName, float],
) -> dict[str, object]:
    """Recipients, units, cost and seconds, by channel and language and in all. Languages without a text of their own
    are counted with the first wording of the channel, which is what they will get. Of several wordings of one language
    the longest is reckoned with."""
    lines: dict[tuple[ChannelName, str], int] = {}
    units: dict[tuple[ChannelName, str], int] = {}
    first: dict[ChannelName, str] = {}
    for wording in wordings:
        key = (wording.channel, wording.language)
        units[key] = max(wording.units, units.get(key, 0))
        first.setdefault(wording.channel, wording.language)
    for (channel, language), messages in reached.items():
        if channel in first:
            said_in = language if (channel, language) in units else first[channel]
            lines[channel, said_in] = lines.get((channel, said_in), 0) + messages
    cost = sum((n * units[key] * PRICE_EUR[key[0]] for key, n in lines.items() if n >= BLUR_BELOW), Decimal(0))
    return {
        "recipients": _total(lines.values()),
        "cost_eur": f"{cost:.3f}",
        "small_left_out": any(0 < n < BLUR_BELOW for n in lines.values()),
        "channels": [
            _channel(channel, {k[1]: n for k, n in lines.items() if k[0] is channel}, units, rate_per_s[channel])
            for channel in first
        ],
    }


def _channel(
    channel: ChannelName, by_language: Mapping[str, int], units: Mapping[tuple[ChannelName, str], int], rate: float
) -> dict[str, object]:
    shown = {language: n for language, n in by_language.items() if n >= BLUR_BELOW}
    total_units = sum(n * units[channel, language] for language, n in shown.items())
    paced = total_units if channel is ChannelName.SMS else sum(shown.values())
    return {
        "channel": channel.value,
        "messages": _total(by_language.values()),
        "units": total_units,
        "seconds": round(paced / rate, 1) if rate else None,
        "cost_eur": f"{total_units * PRICE_EUR[channel]:.3f}",
        "languages": [
            {"language": language, "messages": _total([n]), "units_each": units[channel, language]}
            for language, n in sorted(by_language.items())
        ],
    }


def _total(numbers: Iterable[int]) -> int | str:
    """The sum of what may be shown; '<5' in place of one that may not, '<10' of two.

    A small number is left out of every sum: nobody can subtract it again.
    """
    known = [number for number in numbers if number]
    small = [number for number in known if number < BLUR_BELOW]
    if small and len(small) == len(known):
        return f"<{BLUR_BELOW * len(small)}"
    return sum(number for number in known if number >= BLUR_BELOW)
