"""A rehearsed dispatch keeps every limit, loses nobody, and comes true: on a line of simulators, and in benches."""

import json
import subprocess
import sys
import time
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.rehearsal import Load, Way, rehearse
from gateway.policy.retry import RetryRules
from gateway.store.embedded import Cluster
from tests.support.line import cap, people, whole_line
from tests.support.waiting import stretched, until

BIND = Way(window=100, answer_s=0.1)  # a thousand a second


def test_the_agreed_rate_decides_when_it_is_the_least() -> None:
    course = rehearse(Load(messages=10_000, ways=[BIND] * 4, rate_per_s=500))
    assert course.started_s == pytest.approx((10, 18, 20), abs=0.5)
    assert course.answered_s == pytest.approx(course.started_s[-1] + 0.1, abs=0.05)
    assert (course.held_by, course.too_late, course.given_up) == ("the agreed rate", 0, 0)
    assert course.first_s <= 0.1


def test_windows_decide_when_answers_take_long() -> None:
    """T = binds x window / answer time."""
    slow = rehearse(Load(messages=5_000, ways=[Way(window=1, answer_s=0.05)] * 5, rate_per_s=500))
    assert slow.started_s[-1] == pytest.approx(50, rel=0.02)
    assert slow.held_by == "windows and links"
    lines = rehearse(Load(messages=600, ways=[Way(window=60, answer_s=45)], rate_per_s=10))
    assert lines.started_s[-1] == pytest.approx(450, rel=0.05)


def test_parts_count_and_a_bind_may_have_a_rate_of_its_own() -> None:
    course = rehearse(Load(messages=1_000, ways=[Way(window=100, answer_s=0.01, per_s=50)] * 2, units_each=3))
    assert course.started_s[-1] == pytest.approx(30, rel=0.03)


def test_planning_decides_when_everything_else_is_faster() -> None:
    course = rehearse(Load(messages=50_000, ways=[Way(window=1000, answer_s=0.001)], planned_per_s=10_000))
    assert course.started_s[-1] == pytest.approx(5, rel=0.05)
    assert course.held_by == "planning"


def test_tries_that_are_made_again_take_their_share_and_end() -> None:
    rules = RetryRules(first_s=1.0, factor=1.0, max_s=1.0, attempts=2)
    course = rehearse(Load(messages=10_000, ways=[BIND], rate_per_s=500, again=0.5, rules=rules))
    assert course.answered_s == pytest.approx(30, rel=0.05)
    assert course.given_up == pytest.approx(2_500, rel=0.01)


def test_nothing_starts_after_the_end() -> None:
    course = rehearse(Load(messages=10_000, ways=[BIND], rate_per_s=100, ends_s=60))
    assert course.too_late == pytest.approx(4_000, abs=20)
    assert course.started_s[-1] == inf
    nowhere = rehearse(Load(messages=7, ways=[]))
    assert (nowhere.too_late, nowhere.held_by) == (7, "no way out")
    assert rehearse(Load(messages=0, ways=[BIND])).answered_s == 0


@given(
    st.integers(1, 5_000), st.integers(1, 5), st.integers(1, 200), st.floats(0.001, 2), st.floats(1, 5_000),
    st.integers(1, 4), st.floats(0, 0.9),
)  # fmt: skip
@settings(max_examples=50)
def test_nobody_is_lost_and_no_limit_is_passed(
    messages: int, binds: int, window: int, answer_s: float, rate: float, units: int, again: float
) -> None:
    ways = [Way(window=window, answer_s=answer_s)] * binds
    load = Load(messages=messages, ways=ways, rate_per_s=rate, units_each=units, again=again)
    course = rehearse(load)
    assert (course.too_late, course.started_s[0] <= course.started_s[1] <= course.started_s[2]) == (0, True)
    limit = min(rate, binds * window / answer_s)
    assert course.started_s[-1] >= (messages - 1) * units / limit * 0.999
    assert course == rehearse(load)


@pytest.mark.parametrize(
    ("recipients", "rate", "said_s"),
    [(10**6, 500, 34 * 60), (11 * 10**6, 5_000, 37 * 60), (11 * 10**6, 20_000, 9.2 * 60), (10**8, 5_000, 5.6 * 3600)],
)
def test_the_tables_of_the_manual_come_out(recipients: int, rate: int, said_s: float) -> None:
    course = rehearse(Load(messages=recipients, ways=[BIND] * 50, rate_per_s=rate))
    assert course.started_s[-1] == pytest.approx(said_s, rel=0.03)


async def test_it_comes_true_on_the_line(pg: Cluster) -> None:
    """Never sooner than rehearsed; later only as a busy machine is."""
    rehearsed = rehearse(Load(messages=600, ways=[BIND], rate_per_s=200)).started_s[-1]
    async with whole_line(pg, people(600), sms={"rate_per_s": 200}) as line:
        asked = time.time()
        await line.post(cap("rehearsed", channels="sms"))
        await until(lambda: len(line.received("sms")) == 600)
        times = [record.at for record in line.received("sms")]
        assert 0.85 * rehearsed <= max(times) - asked  # a stall delays the first of them, and some is made up for
        assert max(times) - min(times) <= stretched(1.5 * rehearsed + 5)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "rate", "messages"), [("sms", 500, 10_000), ("sms", 3_000, 60_000), ("email", 2_500, 50_000)]
)
def test_it_comes_true_in_a_bench_within_fifteen_percent(kind: str, rate: int, messages: int) -> None:
    """Paced below what the machine can do."""
    words = (kind, "--rate", str(rate), "--recipients", str(messages), "--json")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "bench", *words], capture_output=True, text=True, timeout=600, check=True
    )
    found = json.loads(done.stdout)
    took_s = found["messages"] / found["submit_rate_per_s"]
    rehearsed = rehearse(Load(messages=messages, ways=[BIND] * 4, rate_per_s=rate)).started_s[-1]
    assert took_s == pytest.approx(rehearsed, rel=0.15)
