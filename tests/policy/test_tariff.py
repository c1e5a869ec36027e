"""Prices, units and packs: what a message costs on a day, and which units pay for it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName
from gateway.policy.tariff import Pack, Tariff, Usage, Used, by_unit, eur, in_order, outlook, price_at, settle, units_of

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
DAY = date(2026, 11, 22)
LAST = date(2028, 7, 20)
AGREED = Decimal("0.055")


def a_tariff(price: str = "0.055", begins: str = "2016-01-01", until: date | None = LAST, **more: object) -> Tariff:
    values = {"channel": SMS, "prefix": "", "eur": Decimal(price), "valid_from": date.fromisoformat(begins)} | more
    return Tariff(valid_until=until, **values)  # type: ignore[arg-type]


TARIFFS = [a_tariff(), a_tariff(channel=VOICE), a_tariff("0", until=None, channel=EMAIL)]


def a_pack(number: int, left: int, until: date, bought: date = date(2022, 9, 20)) -> Pack:
    return Pack(id=number, left=left, bought_on=bought, valid_until=until)


def used(units: int, channel: ChannelName = SMS, prefix: str = "") -> Used:
    return Used(channel=channel, prefix=prefix, messages=units, units=units)


@pytest.mark.parametrize(("length", "minutes"), [(0, 1), (360, 1), (361, 2), (720, 2), (721, 3)])
def test_a_call_says_its_text_twice_and_costs_started_minutes(length: int, minutes: int) -> None:
    assert units_of(VOICE, "x" * length, 1) == minutes


def test_an_sms_costs_its_parts_and_an_e_mail_is_one() -> None:
    assert units_of(SMS, "x", 3) == 3
    assert units_of(EMAIL, "x" * 5000, 7) == 1


def test_abroad_costs_the_same_until_numbers_get_a_price_of_their_own() -> None:
    assert price_at(TARIFFS, SMS, "+33", DAY) == (AGREED, False)
    france = a_tariff("0.07", "2026-12-01", prefix="+33")
    assert price_at([*TARIFFS, france], SMS, "+33", DAY).eur == AGREED
    assert price_at([*TARIFFS, france], SMS, "+33", date(2026, 12, 1)).eur == Decimal("0.07")
    assert price_at([*TARIFFS, france], SMS, "", date(2026, 12, 1)).eur == AGREED


def test_the_newest_price_that_has_begun_counts() -> None:
    later = [*TARIFFS, a_tariff("0.060", "2028-07-21", None)]
    assert price_at(later, SMS, "", LAST) == (AGREED, False)
    assert price_at(later, SMS, "", LAST + timedelta(days=1)) == (Decimal("0.060"), False)


def test_a_price_that_ended_without_another_goes_on_and_is_marked() -> None:
    assert price_at(TARIFFS, SMS, "", LAST + timedelta(days=1)) == (AGREED, True)
    assert price_at(TARIFFS, SMS, "", date(2000, 1, 1)) == (AGREED, True)
    assert price_at([], SMS, "", DAY) == (Decimal(0), True)


def test_packs_of_both_generations_are_spent_the_one_that_ends_first_before_the_other() -> None:
    early = a_pack(1, 100, date(2027, 3, 1), date(2022, 9, 20))
    late = a_pack(2, 100, LAST, date(2022, 9, 22))
    (line,) = settle([used(150)], TARIFFS, [late, early], DAY)
    assert line.draws == ((1, 100), (2, 50))
    assert (line.prepaid, line.amount_eur) == (150, Decimal(0))


def test_the_last_day_of_a_pack_counts_and_the_day_after_does_not() -> None:
    for bought in (date(2022, 9, 20), date(2022, 9, 22)):
        pack = a_pack(1, 10, LAST, bought)
        assert settle([used(4)], TARIFFS, [pack], LAST)[0].prepaid == 4
        assert settle([used(4)], TARIFFS, [pack], LAST + timedelta(days=1))[0].prepaid == 0


def test_what_packs_do_not_cover_is_post_paid() -> None:
    (line,) = settle([used(150)], TARIFFS, [a_pack(1, 100, LAST)], DAY)
    assert (line.prepaid, line.amount_eur) == (100, 50 * AGREED)
    assert settle([used(150)], TARIFFS, [], DAY)[0].amount_eur == 150 * AGREED


def test_e_mail_is_free_and_takes_no_unit() -> None:
    (mail, call) = settle([used(1000, EMAIL), used(3, VOICE)], TARIFFS, [a_pack(1, 10, LAST)], DAY)
    assert (mail.prepaid, mail.amount_eur, call.prepaid) == (0, Decimal(0), 3)


PACKS = st.lists(
    st.builds(
        Pack, id=st.integers(1, 50), left=st.integers(0, 30), bought_on=st.just(date(2020, 1, 1)),
        valid_until=st.dates(date(2026, 1, 1), date(2029, 1, 1)),
    ), max_size=6, unique_by=lambda pack: pack.id,
)  # fmt: skip


@given(PACKS, st.lists(st.integers(0, 60), max_size=4))
def test_no_pack_gives_more_than_it_has_and_no_unit_is_lost(packs: list[Pack], units: list[int]) -> None:
    lines = settle([used(n) for n in units], TARIFFS, packs, DAY)
    taken = {pack.id: 0 for pack in packs}
    for line in lines:
        assert 0 <= line.prepaid <= line.used.units
        assert line.amount_eur == (line.used.units - line.prepaid) * AGREED
        for draw in line.draws:
            taken[draw.pack] += draw.units
    usable = [pack for pack in in_order(packs) if pack.valid_until >= DAY]
    assert sum(taken.values()) == min(sum(units), sum(pack.left for pack in usable))
    assert all(taken[pack.id] <= pack.left for pack in packs)
    started = [taken[pack.id] for pack in usable if pack.left]
    full = [taken[pack.id] == pack.left for pack in usable if pack.left]
    assert all(full[n] for n in range(len(started) - 1) if any(started[n + 1 :]))


def test_units_last_as_long_as_the_last_ninety_days_say() -> None:
    found = outlook([a_pack(1, 200, LAST)], 900, DAY)
    assert (found.left, found.per_day, found.empty_on) == (200, Decimal(10), DAY + timedelta(days=20))
    assert (found.low, found.expiring) == (False, 0)


@pytest.mark.parametrize(("left", "low"), [(140, True), (149, True), (150, False)])
def test_it_is_time_to_order_fourteen_days_ahead(left: int, low: bool) -> None:
    assert outlook([a_pack(1, left, LAST)], 900, DAY).low is low


def test_units_that_end_before_their_turn_are_lost() -> None:
    soon = a_pack(1, 1000, DAY + timedelta(days=4))
    found = outlook([soon, a_pack(2, 300, LAST)], 900, DAY)
    assert (found.expiring, found.empty_on, found.low) == (950, DAY + timedelta(days=35), False)
    assert outlook([soon], 900, DAY).low
    unused = outlook([a_pack(1, 10, LAST)], 0, DAY)
    assert (unused.expiring, unused.empty_on, unused.low) == (10, LAST + timedelta(days=1), False)


def test_who_never_bought_units_is_not_warned_and_who_has_none_left_is() -> None:
    assert not outlook([], 900, DAY).low
    assert outlook([a_pack(1, 0, LAST)], 900, DAY).low
    assert outlook([a_pack(1, 5, DAY - timedelta(days=1))], 0, DAY).low


@given(PACKS, st.integers(0, 100_000))
def test_an_outlook_never_fails(packs: list[Pack], lately: int) -> None:
    found = outlook(packs, lately, DAY)
    assert 0 <= found.expiring <= found.left


def test_what_was_sent_twice_costs_twice() -> None:
    rows = [Usage(SMS, 0, "", 10), Usage(SMS, 1, "", 5, twice=2), Usage(VOICE, 2, "", 3)]
    assert by_unit({0: 1, 1: 3, 2: 2}, rows) == [
        Used(channel=SMS, prefix="", messages=15, units=31), Used(channel=VOICE, prefix="", messages=3, units=6),
    ]  # fmt: skip


def test_calls_cost_the_minutes_that_they_lasted_where_these_are_known() -> None:
    rows = [Usage(VOICE, 2, "", 5, twice=1, timed=3, minutes=4)]
    assert by_unit({2: 2}, rows) == [Used(channel=VOICE, prefix="", messages=5, units=(5 - 3 + 1) * 2 + 4)]


@pytest.mark.parametrize(
    ("amount", "text"), [("0", "0.000"), ("0.055", "0.055"), ("1.2", "1.200"), ("0.05512", "0.05512")]
)
def test_amounts_have_three_decimals_or_as_many_as_they_need(amount: str, text: str) -> None:
    assert eur(Decimal(amount)) == text
