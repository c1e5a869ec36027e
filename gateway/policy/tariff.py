"""What a message costs: units, prices with their dates, units paid ahead and the order in which they are used.

Knows: SMS parts, started minutes, tariffs, packs. Never knows: SQL, clocks (days are arguments), whether a message may
be sent: nothing here ever stops one.
Amounts are Decimal and ex VAT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from gateway.model import ChannelName

CHARACTERS_PER_MINUTE = 720  # spoken at 12 characters a second
READINGS = 2
FREE = frozenset({ChannelName.EMAIL})
"""Never paid with prepaid units."""
WARN_DAYS = 14  # order forms are sent two weeks before the delivery
RATE_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The price of one unit to numbers that begin with `prefix` ("": all others), from a day on; `valid_until` is the
    last day for which it was agreed (None: no end)."""

    channel: ChannelName
    prefix: str
    eur: Decimal
    valid_from: date
    valid_until: date | None


class Price(NamedTuple):
    """Of one unit on a day; `lapsed`: it was agreed until an earlier day, and nobody has agreed on another."""

    eur: Decimal
    lapsed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a campaign used on one channel to numbers with one prefix."""

    channel: ChannelName
    prefix: str
    messages: int
    units: int


class Usage(NamedTuple):
    """Messages of one text to numbers with one prefix: how many, of them those sent twice; of calls those whose length
    is known (`timed`, each once) and what these came to."""

    channel: ChannelName
    text: int
    prefix: str
    messages: int
    twice: int = 0
    timed: int = 0
    minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Units paid ahead: how many are left, and the last day on which they can be used."""

    id: int
    left: int
    bought_on: date
    valid_until: date


class Draw(NamedTuple):
    """Units taken from a pack."""

    pack: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the ledger; what `draws` do not cover is post-paid."""

    used: Used
    price: Price
    draws: tuple[Draw, ...] = ()

    @property
    def prepaid(self) -> int:
        """Units drawn from packs."""
        return sum(draw.units for draw in self.draws)

    @property
    def amount_eur(self) -> Decimal:
        """What is post-paid."""
        return (self.used.units - self.prepaid) * self.price.eur


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How long units paid ahead last at `per_day`; `empty_on` is the first day without any (None: later than anybody
    can say); `expiring` units end unused on the way. `low`: order now, for an order takes two weeks."""

    left: int
    per_day: Decimal
    empty_on: date | None
    expiring: int
    low: bool


def units_of(channel: ChannelName, body: str, parts: int, repeat: int = READINGS) -> int:
    """Billable units of one message: SMS parts, started minutes of all readings, one for an e-mail."""
    if channel is ChannelName.VOICE:
        return max(1, -(-len(body) * repeat // CHARACTERS_PER_MINUTE))
    return parts if channel is ChannelName.SMS else 1


def eur(amount: Decimal) -> str:
    """An amount with three decimals, or with as many more as it has."""
    text = f"{amount:.5f}"
    return text[:-2] + text[-2:].rstrip("0")


def price_at(tariffs: Sequence[Tariff], channel: ChannelName, prefix: str, day: date) -> Price:
    """The price of the newest tariff that has begun, for this prefix or for all numbers.

    Where none has begun, the earliest that ever will: what is sent costs something, and is sent all the same.
    """
    of_channel = [one for one in tariffs if one.channel is channel and one.prefix in ("", prefix)]
    known = [one for one in of_channel if one.prefix == prefix and one.valid_from <= day] or [
        one for one in of_channel if not one.prefix
    ]
    if not known:
        return Price(Decimal(0), True)
    begun = [one for one in known if one.valid_from <= day]
    found = max(begun, key=lambda one: one.valid_from) if begun else min(known, key=lambda one: one.valid_from)
    return Price(found.eur, not begun or (found.valid_until is not None and found.valid_until < day))


def settle(used: Sequence[Used], tariffs: Sequence[Tariff], packs: Sequence[Pack], day: date) -> list[Line]:
    """The lines of the ledger for what was used on this day: packs first, the one that ends soonest before the others
    (of two that end together the one bought first), the rest post-paid."""
    left = [pack for pack in in_order(packs) if pack.valid_until >= day and pack.left > 0]
    lines = []
    for one in used:
        line = Line(used=one, price=price_at(tariffs, one.channel, one.prefix, day))
        if one.channel not in FREE:
            draws, left = _drawn(left, one.units)
            line = replace(line, draws=draws)
        lines.append(line)
    return lines


def in_order(packs: Sequence[Pack]) -> list[Pack]:
    """Packs in the order in which they are used."""
    return sorted(packs, key=lambda pack: (pack.valid_until, pack.bought_on, pack.id))


def _drawn(packs: Sequence[Pack], units: int) -> tuple[tuple[Draw, ...], list[Pack]]:
    """What `units` take from packs in their order, and what is left of these."""
    draws, left = [], []
    for pack in packs:
        taken = min(units, pack.left)
        units -= taken
        if taken:
            draws.append(Draw(pack.id, taken))
        if taken < pack.left:
            left.append(replace(pack, left=pack.left - taken))
    return tuple(draws), left


def outlook(packs: Sequence[Pack], used_lately: int, today: date, days: int = RATE_DAYS) -> Outlook:
    """How long packs last when every day takes what the last `days` took on average. Units whose last day comes before
    their turn are lost on the way."""
    valid = [pack for pack in in_order(packs) if pack.valid_until >= today and pack.left > 0]
    per_day = Decimal(used_lately) / days
    day, expiring = Decimal(0), 0  # counted from today; whole days are rounded down: rather too early
    for pack in valid:
        lasts = Decimal((pack.valid_until - today).days + 1)
        usable = int(min(Decimal(pack.left), max(Decimal(0), lasts - day) * per_day)) if per_day else 0
        expiring += pack.left - usable
        day = max(day, lasts) if usable < pack.left else day + usable / per_day
    empty_on = _day_after(today, day) if valid else today
    low = bool(packs) and (empty_on is not None and empty_on <= today + timedelta(days=WARN_DAYS))
    return Outlook(
        left=sum(pack.left for pack in valid), per_day=per_day, empty_on=empty_on, expiring=expiring, low=low
    )


def _day_after(today: date, days: Decimal) -> date | None:
    try:
        return today + timedelta(days=int(days))
    except OverflowError:
        return None


def by_unit(texts: Mapping[int, int], rows: Sequence[Usage]) -> list[Used]:
    """What was used; `texts` maps a text to the units of one message, which count where nobody said how long it was."""
    found: dict[tuple[ChannelName, str], tuple[int, int]] = {}
    for channel, text, prefix, messages, twice, timed, minutes in rows:
        before = found.get((channel, prefix), (0, 0))
        units = (messages - timed + twice) * texts[text] + minutes
        found[channel, prefix] = (before[0] + messages, before[1] + units)
    return [Used(channel=key[0], prefix=key[1], messages=n, units=units) for key, (n, units) in found.items()]
