"""The ceiling holds for every sequence of calls, and the backlog is served."""

from bisect import bisect_left, bisect_right
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.pacing import (
    CeilingPacer,
    GatePlan,
    GateState,
    Grid,
    SlidingLog,
    reserve,
    usable,
)


def most_in_any(starts: list[float], window_s: float) -> int:
    """The fullest closed window: counted by an independent way, at every start as its beginning."""
    return max((bisect_right(starts, at + window_s) - i for i, at in enumerate(starts)), default=0)


def fewest_in_any(starts: list[float], window_s: float) -> int:
    """The emptiest half-open window that lies wholly between the first and the last start."""
    inner = [at for at in starts if at + window_s <= starts[-1]]
    return min(bisect_left(starts, at + window_s) - bisect_right(starts, at) for at in inner)


def drive(pacer: CeilingPacer, lateness: list[float], begin: float = 0.0) -> list[float]:
    """A backlog: whoever waits wakes `lateness` after the time that the pacer named."""
    now, starts = begin, []
    for late in lateness:
        now = max(now, pacer.next_at(now)) + late
        if pacer.start(now):
            starts.append(now)
    return starts


gaps = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 20)), min_size=1, max_size=300)


@given(gaps=gaps, limit=st.integers(1, 12))
def test_no_window_ever_holds_more_than_the_limit_however_starts_are_asked_for(gaps: list[float], limit: int) -> None:
    pacer, now, starts = CeilingPacer(limit, limit * 0.1), 0.0, []
    for gap in gaps:
        now += gap
        if pacer.start(now):
            starts.append(now)
    assert most_in_any(starts, limit * 0.1) <= limit


@given(lives=st.lists(gaps, min_size=2, max_size=5), limit=st.integers(1, 12))
def test_no_window_holds_more_than_the_limit_across_restarts(lives: list[list[float]], limit: int) -> None:
    now = 0.0
    starts: list[float] = []
    for gaps in lives:
        pacer = CeilingPacer(limit, limit * 0.1, history=starts)
        for gap in gaps:
            now += gap
            if pacer.start(now):
                starts.append(now)
    assert most_in_any(starts, limit * 0.1) <= limit


@given(seed=st.integers(0, 2**32), worst_s=st.sampled_from([0.0, 0.002, 0.05, 0.1003]))
@settings(max_examples=20, deadline=None)
def test_a_backlog_gets_597_to_600_starts_in_every_minute_with_wake_ups_late_by_up_to_a_period(
    seed: int, worst_s: float
) -> None:
    random = Random(seed)
    starts = drive(CeilingPacer(), [random.uniform(0, worst_s) for _ in range(2000)])
    assert fewest_in_any(starts, 60.0) >= 597 - 1  # an open window loses its first start
    assert most_in_any(starts, 60.0) <= 600
    minutes = [bisect_left(starts, m + 60) - bisect_left(starts, m) for m in (10.0, 33.333, 77.7)]
    assert min(minutes) >= 597


def test_a_start_late_by_more_than_a_period_is_forfeited_and_never_caught_up() -> None:
    pacer = CeilingPacer()
    assert pacer.start(0.0)
    starts = [now / 1000 for now in range(5000, 7000) if pacer.start(now / 1000)]
    assert most_in_any(starts, 0.09) <= 2  # one late slot and the next one on time, not fifty
    assert most_in_any(starts, 1.0) <= 11


def test_a_limit_for_one_second_holds_beside_the_limit_for_the_minute() -> None:
    random = Random(1)
    starts = drive(CeilingPacer(per_second=11), [random.uniform(0, 0.1) for _ in range(1500)])
    assert most_in_any(starts, 1.0) <= 11
    assert bisect_left(starts, 100.0) - bisect_left(starts, 40.0) >= 597


def test_a_lower_ceiling_counts_what_was_started_under_the_higher_one() -> None:
    before = drive(CeilingPacer(600), [0.0] * 300)
    after = CeilingPacer(100, history=before)
    assert after.next_at(before[-1]) >= before[-100] + 60


def test_the_gauge_counts_the_last_window_only() -> None:
    pacer = CeilingPacer()
    drive(pacer, [0.0] * 100)
    assert pacer.last_window(10.0) == 100
    assert pacer.last_window(60.0 + 5.0) == sum(1 for start in pacer.starts if start > 5.0)
    assert pacer.last_window(1000.0) == 0


def test_a_grid_forfeits_missed_slots_and_keeps_its_phase() -> None:
    grid = Grid(1.0)
    grid.use(10.0)
    assert grid.due(10.0) == 11.0
    assert grid.due(11.9) == 11.0
    assert grid.due(15.5) == 15.0


def test_a_log_that_is_not_full_never_holds_anybody_back() -> None:
    log = SlidingLog(2, 60.0)
    log.add(1.0)
    assert log.due() == -inf
    log.add(2.0)
    assert log.due() > 61.0


nodes = st.lists(
    st.tuples(st.floats(0, 0.4), st.integers(1, 5), st.floats(0, 0.3)), min_size=1, max_size=120
)  # idle before, slots asked for, lateness of each start


@given(requests=nodes, limit=st.integers(5, 12))
def test_starts_on_shared_slots_never_exceed_the_ceiling_on_any_number_of_nodes(
    requests: list[tuple[float, int, float]], limit: int
) -> None:
    plan, state, now, starts = GatePlan(limit=limit, window_s=limit * 0.1), GateState(), 0.0, []
    for idle, n, late in requests:
        now += idle
        slots, state = reserve(plan, state, now, n)
        starts += [slot + late for slot in slots if usable(plan, slot, slot + late)]
    # On a small grid the slack of 3 per mille is smaller than a period, so that lateness is counted apart.
    slack = plan.period_s
    assert most_in_any(sorted(starts), plan.window_s - slack) <= limit


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_two_nodes_in_one_minute_keep_600_with_lateness_up_to_a_period_and_clocks_70_ms_apart(seed: int) -> None:
    random, plan, state, starts = Random(seed), GatePlan(), GateState(), []
    now = [0.0, 0.0]
    for _ in range(400):
        node = 0 if now[0] <= now[1] else 1
        slots, state = reserve(plan, state, now[node], random.randint(1, 10))
        starts += [slot + random.uniform(0, plan.period_s) + 0.07 * node for slot in slots]
        now[node] = slots[-1]
    starts.sort()
    assert most_in_any(starts, 60.0) <= 600
    assert min(bisect_left(starts, m + 60) - bisect_left(starts, m) for m in (5.0, 33.3, 80.0)) >= 597 - 1


@given(requests=nodes)
def test_the_closed_form_gives_what_one_slot_after_another_gives(requests: list[tuple[float, int, float]]) -> None:
    plan, batch, single, now = GatePlan(limit=7, window_s=0.7), GateState(), GateState(), 0.0
    for idle, n, _ in requests:
        now += idle
        slots, batch = reserve(plan, batch, now, n)
        for slot in slots:
            (alone,), single = reserve(plan, single, now, 1)
            assert alone == pytest.approx(slot, abs=1e-9)


def test_the_shared_log_counts_slots_given_out_under_a_higher_ceiling() -> None:
    slots, state = reserve(GatePlan(limit=600), GateState(), 0.0, 300)
    (first,), _ = reserve(GatePlan(limit=100), state, slots[-1], 1)
    assert first > slots[-100] + 60


@pytest.mark.parametrize("n", [0, 601, -1])
def test_a_reservation_of_nothing_or_of_more_than_the_limit_is_a_bug(n: int) -> None:
    with pytest.raises(ValueError, match="reservation"):
        reserve(GatePlan(), GateState(), 0.0, n)


def test_a_shared_slot_is_good_from_its_time_until_one_period_later() -> None:
    plan = GatePlan()
    assert [usable(plan, 10.0, now) for now in (9.99, 10.0, 10.1, 10.11)] == [False, True, True, False]
