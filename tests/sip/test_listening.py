"""Who answered: the rules, on greetings made of loud and quiet frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.listening import FRAME_MS, AnsweredBy, Detector, Quiet, Rules

LOUD, SOFT = 2000, 20


def frames(*parts_ms: int) -> list[int]:
    """Levels: silence, speech, silence, speech... in milliseconds."""
    levels: list[int] = []
    for number, part_ms in enumerate(parts_ms):
        levels += [LOUD if number % 2 else SOFT] * (part_ms // FRAME_MS)
    return levels


def guessed(levels: list[int], rules: Rules | None = None) -> tuple[AnsweredBy | None, int]:
    """The guess, and after how many milliseconds."""
    detector = Detector(rules)
    for number, level in enumerate(levels, start=1):
        if (guess := detector.heard(level)) is not None:
            return guess, number * FRAME_MS
    return None, len(levels) * FRAME_MS


@pytest.mark.parametrize(("parts_ms", "guess"), [
    ((400, 500, 3000), AnsweredBy.HUMAN),  # hello?
    ((200, 300, 200, 400, 3000), AnsweredBy.HUMAN),  # two words
    ((300, 4000, 1000), AnsweredBy.MACHINE),  # a greeting
    ((300, 300, 200, 300, 200, 300, 200, 300), AnsweredBy.MACHINE),  # many words
    ((3000, 500, 1000), AnsweredBy.MACHINE),  # silence first
    ((300, 60, 200, 60, 3000), AnsweredBy.MACHINE),  # clicks are no words, then silence
])  # fmt: skip
def test_greetings(parts_ms: tuple[int, ...], guess: AnsweredBy) -> None:
    assert guessed(frames(*parts_ms))[0] is guess


def test_a_person_is_kept_waiting_for_less_than_a_second_after_the_word() -> None:
    guess, after_ms = guessed(frames(400, 500, 3000))
    assert guess is AnsweredBy.HUMAN
    assert after_ms <= 400 + 500 + 800


@given(st.lists(st.sampled_from([SOFT, LOUD]), max_size=400))
def test_it_always_ends_in_time(levels: list[int]) -> None:
    guess, after_ms = guessed(levels + [SOFT] * 300)
    assert guess is not None and after_ms <= Rules().total_ms


def test_rules_can_be_changed() -> None:
    assert guessed(frames(3000, 500, 1000), Rules(initial_silence_ms=4000))[0] is AnsweredBy.HUMAN


def test_a_machine_is_waited_for_until_it_is_quiet_but_not_for_ever() -> None:
    quiet = Quiet(silence_ms=1000, longest_ms=20_000)
    heard = [quiet.heard(level) for level in frames(0, 3000, 1500)]
    assert heard.index(True) * FRAME_MS == 3000 + 1000 - FRAME_MS
    endless = Quiet(longest_ms=2000)
    assert [endless.heard(LOUD) for _ in range(100)].index(True) == 99
