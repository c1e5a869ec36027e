"""Carriers: budgets of a bind, queues, routes between carriers. Sockets are the channel's tests' matter."""

from collections.abc import Sequence

import pytest

from gateway.channels.sms_carrier import TRIES_IN_PLACE, Carrier, Carriers
from gateway.channels.sms_provider import LongMessage, PartTicket
from gateway.channels.sms_settings import SmsProviderSettings
from gateway.policy.allowance import Allowance
from gateway.smpp.events import Event
from gateway.smpp.link import Link
from tests.channels.sms_world import deliveries, provider, words


class Now:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def told(link: Link, events: Sequence[Event]) -> None:
    """Nobody listens."""


def carrier(now: Now, allowance: Allowance | None = None, **more: object) -> Carrier:
    return Carrier(provider(1, **more), told, now=now, allowance=allowance)


def carriers(*settings: SmsProviderSettings) -> Carriers:
    made = Carriers(settings, told, now=Now(), allowances={})
    for one in made:
        for bind in one.binds:
            bind.link.bound = True
    return made


def test_a_budget_is_the_least_of_pace_breaker_and_account() -> None:
    now = Now()
    (bind,) = carrier(now, Allowance(100), breaker_failures=1).binds
    assert bind.budget(50) == 1  # the account's first slot
    now.at = 1.0
    assert bind.budget(50) == 6
    assert bind.budget(3) == 3
    bind.carrier.breaker.failed(1.0)
    assert bind.budget(50) == 0
    assert bind.pause_s() == pytest.approx(5.0)


def test_without_a_grant_it_waits_for_one() -> None:
    (bind,) = carrier(Now(), Allowance(100, shared=True)).binds
    assert (bind.budget(5), bind.pause_s()) == (0, 60.0)


def test_what_is_refused_for_its_speed_keeps_its_place_some_times() -> None:
    one = carrier(Now())
    (delivery,) = deliveries(words(), 1)
    assert [one.too_fast(delivery) for _ in range(TRIES_IN_PLACE + 1)] == [True] * TRIES_IN_PLACE + [False]
    assert list(one.again) == [delivery] * TRIES_IN_PLACE
    assert one.too_fast(PartTicket(LongMessage(delivery, 2), 1))


def test_everything_that_waits_comes_out_whole_messages_first_refused_ones_before_the_others() -> None:
    one = carrier(Now())
    first, second, third = deliveries(words(), 3)
    part = PartTicket(LongMessage(third, 2), 1)
    one.queue.append(second)
    one.again.extend([part, first])
    assert one.clear() == ([first, second], [part])
    assert one.clear() == ([], [])


def test_a_carrier_is_full_when_its_windows_would_be() -> None:
    one = carrier(Now(), window=4, bind_as="transmitter+receiver", binds=2)
    assert one.most_waiting == 8
    one.queue.extend(deliveries(words(), 8))
    assert one.full


def test_numbers_are_routed_into_queues_held_back_or_refused() -> None:
    made = carriers(provider(1, name="home", prefixes=["+32"]), provider(1, name="france", prefixes=["+33"]))
    home, france = made
    for bind in france.binds:
        bind.link.bound = False
    given = [one._replace(address=to) for one, to in zip(deliveries(words(), 3), ("+321", "+331", "+491"), strict=True)]
    routed = made.route(given)
    assert (list(home.queue), list(france.queue)) == (given[:1], [])
    assert (routed.waiting, routed.refused) == (given[1:2], given[2:])
    assert made.waiting
    assert made.bind_up() == {"home/1": True, "france/1": False}


def test_one_provider_for_all_numbers_needs_no_looking_up() -> None:
    assert carriers(provider(1)).only is not None
    assert carriers(provider(1, prefixes=["+32"])).only is None
    assert carriers(provider(1), provider(1, name="other")).only is None


def test_providers_of_one_account_share_one_allowance() -> None:
    one, other, alone = carriers(
        provider(1, name="a", account="us", max_rate_per_s=10),
        provider(1, name="b", account="us", max_rate_per_s=5),
        provider(1, name="c"),
    )
    assert one.allowance is other.allowance
    assert one.allowance is not None
    assert one.allowance.rate_per_s == 5
    assert alone.allowance is None
