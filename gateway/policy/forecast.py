"""What a dispatch would reach, take and cost, before anything is sent.

Knows: counts by channel and language, parts per text, rates, the tariff. Never knows: SQL, clocks.
Small counts are blurred, so that nobody learns from a trial run whether one household is registered.
"""

from collections.abc import Mapping, Sequence
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
    are counted with the first wording of the channel, which is what they will get."""
    lines: dict[tuple[ChannelName, str], int] = {}
    units = {(w.channel, w.language): w.units for w in wordings}
    first = {w.channel: w.language for w in reversed(wordings)}
    for (channel, language), messages in reached.items():
        if channel in first:
            said_in = language if (channel, language) in units else first[channel]
            lines[channel, said_in] = lines.get((channel, said_in), 0) + messages
    channels = [_channel(c, {k[1]: n for k, n in lines.items() if k[0] is c}, units, rate_per_s[c]) for c in first]
    small = any(0 < n < BLUR_BELOW for n in lines.values())
    cost = sum((Decimal(str(c["cost_eur_exact"])) for c in channels), Decimal(0))
    return {
        "recipients": _blurred(sum(lines.values()), small=small),
        "cost_eur": "<1" if small else f"{cost:.3f}",
        "channels": [{k: v for k, v in c.items() if k != "cost_eur_exact"} for c in channels],
    }


def _channel(
    channel: ChannelName, by_language: Mapping[str, int], units: Mapping[tuple[ChannelName, str], int], rate: float
) -> dict[str, object]:
    total_units = sum(n * units[channel, language] for language, n in by_language.items())
    messages = sum(by_language.values())
    small = any(0 < n < BLUR_BELOW for n in by_language.values())
    cost = total_units * PRICE_EUR[channel]
    paced = total_units if channel is ChannelName.SMS else messages
    return {
        "channel": channel.value,
        "messages": _blurred(messages, small=small),
        "units": _blurred(total_units, small=small),
        "seconds": round(paced / rate, 1) if rate and not small else None,
        "cost_eur": "<1" if small else f"{cost:.3f}",
        "cost_eur_exact": str(cost),
        "languages": [
            {"language": language, "messages": _blurred(n, small=False), "units_each": units[channel, language]}
            for language, n in sorted(by_language.items())
        ],
    }


def _blurred(number: int, *, small: bool) -> int | str:
    """'<5' below five; a total over such a number is rounded down to ten, so that it does not give it away."""
    if 0 < number < BLUR_BELOW:
        return f"<{BLUR_BELOW}"
    return number // 10 * 10 if small else number
