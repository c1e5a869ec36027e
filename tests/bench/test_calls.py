"""Call starts in sliding minutes."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.calls import Starts, least_in_window, most_in_window, sliding
from gateway.simulators.recorder import Recorder

TIMES = st.lists(st.integers(0, 3000), min_size=1, max_size=60).map(lambda tenths: sorted(t / 10 for t in tenths))


def test_starts_are_read_from_the_simulators_own_record() -> None:
    now = iter([1_700_000_002.5, 1_700_000_001.25])
    recorder = Recorder(clock=lambda: next(now))
    recorder.add("voice", "+3222345678", "Fire", "live")
    recorder.add("voice", "+3222345679", "Fire", "live")
    assert Starts.read("".join(recorder.lines())).at == (1_700_000_001.25, 1_700_000_002.5)
    assert Starts.read("").at == ()


@given(TIMES)
def test_no_window_holds_more_than_the_most(at: list[float]) -> None:
    most = most_in_window(at)
    counts = [sum(begin <= t < begin + 60 for t in at) for begin in (x / 10 for x in range(-10, 3010))]
    assert max(counts) == most


@given(TIMES, st.integers(600, 3000))
def test_no_window_with_a_backlog_holds_fewer_than_the_least(at: list[float], until_tenths: int) -> None:
    until = until_tenths / 10
    least = least_in_window(at, until)
    # windows that open just after a tenth of a second: between starts, which lie on tenths
    begins = [x / 10 + 0.05 for x in range(round(at[0] * 10), until_tenths - 600)]
    counts = [sum(begin < t <= begin + 60 for t in at) for begin in begins]
    if least is None:
        assert at[0] + 60 > until
    elif counts:
        assert least <= min(counts)
    assert least is None or least <= most_in_window([*at, 9999.0]) + 1


def test_a_steady_grid_has_the_same_most_and_least() -> None:
    at = [number * 0.1003 for number in range(1400)]
    assert most_in_window(at) == 599
    assert least_in_window(at, at[-1]) == 598


def test_a_hole_shows_in_the_least_and_a_burst_in_the_most() -> None:
    at = [number * 0.125 for number in range(960) if not 400 <= number < 430]
    assert least_in_window(at, 119.875) == 480 - 30
    assert most_in_window(at) == 480
    assert most_in_window(sorted([*at, *[80.0] * 50])) == 480 + 50


def test_starts_after_the_backlog_do_not_count_for_the_least() -> None:
    at = (*map(float, range(100)), 500.0)
    found = sliding(Starts(at), backlog_s=90)
    assert (found["starts"], found["seconds"], found["least"]) == (91, 90.0, 60)
    assert found["most"] == bisect_left(at, at[0] + 60)


def test_without_starts_nothing_is_claimed() -> None:
    assert sliding(Starts(()), backlog_s=60) == {"starts": 0, "seconds": 0.0, "most": 0, "least": None}
    assert least_in_window([1.0, 2.0], 30.0) is None
