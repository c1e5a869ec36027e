"""Domains keep their ceilings, urgent before the rest; one that says "not now" is asked more slowly; nobody is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.channels.email_domains import AHEAD_S, MOST_HELD, PATIENCE_S, Domains, DomainSettings, Later
from gateway.model import Delivery, MessageClass
from gateway.policy.allowance import Allowance
from tests.channels.email_help import deliveries

BIG = DomainSettings(names=("big.example", "big.test"), max_per_s=10.0)


def mails(count: int, domain: str = "big.example", of: MessageClass = MessageClass.NEWS) -> list[Delivery]:
    return deliveries([f"u{number}@{domain}" for number in range(count)], message_class=of)


def sort(domains: Domains, those: list[Delivery], now: float) -> tuple[int, int, list[Later]]:
    """How many go, how many wait here, and who has to come again."""
    verdicts = [domains.admit(one, now) for one in those]
    later = [verdict for verdict in verdicts if isinstance(verdict, Later)]
    return verdicts.count(True), verdicts.count(False), later


def test_a_domain_without_a_ceiling_holds_nobody() -> None:
    domains = Domains((BIG,), None, 0.0)
    assert sort(domains, mails(5000, "small.example"), 0.0) == (5000, 0, [])
    assert domains.next_at(0.0) is None


def test_beyond_the_ceiling_a_second_waits_here_and_the_others_get_a_turn_each() -> None:
    domains = Domains((BIG,), None, 0.0)
    gone, waiting, later = sort(domains, mails(111), 0.0)
    assert (gone, waiting, len(later)) == (1, 10, 100)
    waits = [one.wait_s for one in later]
    assert waits[0] == pytest.approx(AHEAD_S + 0.1)
    assert waits[-1] == pytest.approx(AHEAD_S + 10.0)
    assert domains.next_at(0.0) == pytest.approx(0.1)
    assert len(domains.due(100, 0.1)[0]) == 1
    assert sum(len(domains.due(100, 0.1 + tick * 0.05)[0]) for tick in range(1, 40)) == 9
    assert domains.held == 0


def test_domains_of_one_provider_share_its_ceiling_in_any_case() -> None:
    domains = Domains((BIG,), None, 0.0)
    assert sort(domains, mails(1, "BIG.Example") + mails(3, "big.test"), 0.0)[:2] == (1, 3)


def test_every_other_domain_has_the_common_ceiling_for_itself() -> None:
    domains = Domains((BIG,), 1.0, 0.0)
    for name in ("one.example", "two.example"):
        assert sort(domains, mails(2, name), 0.0)[:2] == (1, 1)


def test_an_urgent_message_overtakes_those_that_wait() -> None:
    domains = Domains((BIG,), None, 0.0)
    sort(domains, mails(50), 0.0)
    fire = mails(3, of=MessageClass.URGENT)
    assert sort(domains, fire, 0.0)[:2] == (0, 3)
    assert domains.due(100, 0.3)[0] == [fire[0]]  # in steps of a tenth of a second's worth, and at least one
    assert domains.due(100, 0.4)[0] == [fire[1]]
    assert domains.due(100, 0.5)[0] == [fire[2]]
    assert domains.due(100, 0.6)[0][0].text.message_class is MessageClass.NEWS


def test_who_is_overtaken_for_too_long_comes_again_later() -> None:
    domains = Domains((BIG,), None, 0.0)
    sort(domains, mails(11), 0.0)
    go, late = domains.due(0, PATIENCE_S + 0.1)
    assert (len(go), len(late), domains.held) == (0, 10, 0)


def test_at_a_crawl_nobody_waits_here() -> None:
    domains = Domains((DomainSettings(names=("big.example",), max_per_s=0.01),), None, 0.0)
    gone, waiting, later = sort(domains, mails(3), 0.0)
    assert (gone, waiting) == (1, 0)
    assert [round(one.wait_s) for one in later] == [101, 201]


def test_what_waits_is_bounded() -> None:
    domains = Domains((DomainSettings(names=("big.example",), max_per_s=100_000.0),), None, 0.0)
    gone, waiting, later = sort(domains, mails(20_000), 0.0)
    assert (gone, waiting, len(later)) == (10_000, MOST_HELD, 20_000 - 10_000 - MOST_HELD)


def test_a_domain_that_says_not_now_is_slowed_and_recovers() -> None:
    domains = Domains((), None, 0.0)
    those = mails(1000, "greedy.example")
    assert sort(domains, those, 0.5)[0] == 1000
    for one in those[:500]:
        domains.refused(one, 0.9)
    assert domains.slowed(0.9) == 1
    gone, waiting, later = sort(domains, those, 1.0)
    assert gone + waiting < 700
    assert later
    assert sort(domains, mails(1000, "other.example"), 1.0)[0] == 1000
    domains.take_back(lambda _: True)
    domains.look(60.0)
    assert domains.slowed(60.0) == 0
    assert sort(domains, those, 60.0)[0] == 1000


def test_what_waits_is_given_back_when_asked_for() -> None:
    domains = Domains((BIG,), None, 0.0)
    those = mails(6)
    sort(domains, those, 0.0)
    assert domains.take_back(lambda one: one.seq % 2 == 0) == [those[1], those[3], those[5]]
    assert domains.held == 2
    assert len(domains.take_back(lambda _: True)) == 2
    assert domains.next_at(0.0) is None


class Grid:
    """The slots of one ceiling, given out to nodes as the store does it, on the clock of the test."""

    def __init__(self, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._next_at = 0.0

    def node(self) -> Domains:
        self.share = Allowance(self._rate_per_s, shared=True, late_s=0.1)
        return Domains((BIG,), None, 0.0, shared={"big.example": self.share})

    def grant(self, share: Allowance, slots: int, now: float) -> None:
        first = max(self._next_at, now - 0.1)
        self._next_at = first + slots / self._rate_per_s
        share.granted(first, slots)


def test_two_nodes_keep_to_one_ceiling_together() -> None:
    grid = Grid(BIG.max_per_s)
    nodes = [(grid.node(), grid.share) for _ in range(2)]
    gone: list[float] = []
    for tick in range(2000):
        now = tick * 0.01
        for domains, share in nodes:
            those = mails(2, "big.test" if tick % 2 else "big.example")
            gone += [now] * (sort(domains, those, now)[0] + len(domains.due(100, now)[0]))
            if share.left == 0:
                grid.grant(share, 1, now)
    assert 190 <= len(gone) <= 202  # 20 s, ten a second
    most = max(sum(at <= one < at + 1.0 for one in gone) for at in gone)
    assert most <= BIG.max_per_s * 1.1 + 1


def test_nodes_that_come_and_go_keep_to_the_common_ceiling_together_without_asking() -> None:
    """Nobody listed this domain: each node takes its part of the ceiling, as many as there are."""
    present = [1]
    nodes = [Domains((), 30.0, 0.0, nodes=lambda: present[0]) for _ in range(3)]
    gone: list[float] = []
    for tick in range(3000):
        now = tick * 0.01
        present[0] = 1 if tick < 1000 else 3
        for domains in nodes[: present[0]]:
            domains.look(now)
            those = mails(5, "anybody.example")
            gone += [now] * (sort(domains, those, now)[0] + len(domains.due(100, now)[0]))
    alone, all_three = sum(at < 10.0 for at in gone), sum(12.0 <= at < 30.0 for at in gone)
    assert 290 <= alone <= 310
    assert 18 * 30 * 0.9 <= all_three <= 18 * 30 + 9


def test_a_listed_domain_that_is_too_slow_for_a_grid_is_divided_among_the_nodes_too() -> None:
    crawl = DomainSettings(names=("big.example",), max_per_s=0.02)
    domains = Domains((crawl,), None, 0.0, nodes=lambda: 2)
    gone, _, later = sort(domains, mails(2), 0.0)
    assert (gone, round(later[0].wait_s)) == (1, 101)  # one in a hundred seconds, of one in fifty


def test_who_waits_for_a_shared_ceiling_looks_again_within_a_second_and_goes_when_it_is_granted() -> None:
    share = Allowance(10.0, shared=True, late_s=0.1)
    asked: list[bool] = []
    share.hungry = lambda: asked.append(True)
    domains = Domains((BIG,), 1.0, 0.0, shared={"big.example": share})
    assert sort(domains, mails(3), 5.0)[:2] == (0, 3)
    assert asked
    assert domains.next_at(5.0) == pytest.approx(5.0 + AHEAD_S)
    share.granted(5.0, 2)
    assert len(domains.due(100, 5.2)[0]) == 1  # the slot of 5.0 s is lost by now
    assert sort(domains, mails(2, "small.example"), 5.2)[:2] == (1, 1)  # every other domain is this node's own
    domains.look(60.0)
    assert domains.held == 3


def test_a_shared_domain_that_says_not_now_is_asked_less_than_its_ceiling_allows() -> None:
    share = Allowance(1000.0, shared=True, late_s=0.1)
    share.granted(0.0, 1_000_000)
    domains = Domains((BIG,), None, 0.0, shared={"big.example": share})
    share.room(0.0)
    before = sum(len(domains.due(100, tick / 50)[0]) + sort(domains, mails(20), tick / 50)[0] for tick in range(50))
    assert 900 <= before <= 1000
    for one in mails(500):
        domains.refused(one, 1.0)
    assert domains.slowed(1.0) == 1
    after = sum(len(domains.due(100, tick / 50)[0]) + sort(domains, mails(20), tick / 50)[0] for tick in range(51, 101))
    assert 0 < after < 0.7 * before


@pytest.mark.parametrize("name", ["", "no domain", "Big.example", "single", "a@b.example"])
def test_what_is_no_domain_in_lower_case_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        DomainSettings(names=(name,), max_per_s=1.0)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 2.0), st.sampled_from(["big.example", "x.example"]), st.integers(0, 30), st.booleans()
        ),
        max_size=25,
    )
)
def test_each_delivery_goes_waits_or_comes_again_exactly_once(course: list[tuple[float, str, int, bool]]) -> None:
    domains, now, count, out = Domains((BIG,), None, 0.0), 0.0, 0, 0
    for passed, name, many, bad in course:
        now += passed
        domains.look(now)
        go, late = domains.due(7, now)
        out += len(go) + len(late)
        those = mails(many, name)
        gone, _, later = sort(domains, those, now)
        count, out = count + many, out + gone + len(later)
        for one in those if bad else []:
            domains.refused(one, now)
    assert count == out + domains.held
    assert len(domains.take_back(lambda _: True)) == count - out
