"""The order of an announcement's parts, whoever plays them."""

from collections.abc import Container

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.voice_talk import Part, Talk
from gateway.sip.listening import AnsweredBy, Rules

ALL = frozenset(Part)
LOUD = Rules().speech_level


def rest(talk: Talk) -> list[Part]:
    """Every part from here on, when nobody says anything."""
    parts = [talk.part]
    while talk.part is not Part.OVER:
        talk.over()
        parts.append(talk.part)
    return parts


def told(talk: Talk, *levels: tuple[int, int]) -> Talk:
    """So many frames of each level."""
    for level, frames in levels:
        for _ in range(frames):
            if talk.listening:
                talk.heard(level)
    return talk


@pytest.mark.parametrize(("has", "repeat", "parts"), [
    (ALL, 2, [Part.TEXT, Part.PAUSE, Part.TEXT, Part.PROMPT, Part.KEY, Part.OVER]),
    (ALL, 1, [Part.TEXT, Part.PROMPT, Part.KEY, Part.OVER]),
    ((), 3, [Part.TEXT, Part.PAUSE, Part.TEXT, Part.PAUSE, Part.TEXT, Part.OVER]),
])  # fmt: skip
def test_readings_then_the_prompt_and_the_key(has: Container[Part], repeat: int, parts: list[Part]) -> None:
    talk = Talk(has=has, repeat=repeat)
    assert rest(talk) == parts
    assert talk.readings == repeat


@pytest.mark.parametrize(("has", "parts"), [
    (ALL, [Part.MACHINE, Part.TEXT, Part.OVER]),
    ({Part.PROMPT}, [Part.TEXT, Part.OVER]),
])  # fmt: skip
def test_a_machine_is_heard_out_then_gets_its_own_text_and_one_reading(has: Container[Part], parts: list[Part]) -> None:
    talk = told(Talk(has=has, repeat=3, listen=Rules()), (LOUD, 200))
    assert (talk.part, talk.answered_by) == (Part.WAITING, AnsweredBy.MACHINE)
    assert rest(told(talk, (0, 60))) == parts
    assert talk.readings == 1


def test_a_person_who_says_a_word_hears_the_text() -> None:
    talk = told(Talk(has=ALL, listen=Rules()), (LOUD, 20), (0, 60))
    assert (talk.part, talk.answered_by) == (Part.TEXT, AnsweredBy.HUMAN)


def test_whoever_can_not_be_heard_is_spoken_to_at_once_and_later_changes_nothing() -> None:
    talk = Talk(has=ALL, listen=Rules())
    talk.deaf()
    assert (talk.part, talk.answered_by) == (Part.TEXT, AnsweredBy.UNSURE)
    talk.over()
    part = talk.part
    talk.deaf()
    assert talk.part is part


@pytest.mark.parametrize(("has", "last"), [(ALL, Part.THANKS), ((), Part.OVER)])
def test_the_confirming_key_ends_whatever_is_said(has: Container[Part], last: Part) -> None:
    talk = Talk(has=has)
    assert talk.pressed("1")
    assert (talk.part, talk.digits, talk.answered_by) == (last, "1", AnsweredBy.HUMAN)
    assert not talk.pressed("5")
    assert talk.digits == "1"


def test_another_key_while_listening_is_a_person_and_later_is_only_noted() -> None:
    talk = Talk(has=ALL, listen=Rules())
    assert talk.pressed("5")
    assert (talk.part, talk.answered_by) == (Part.TEXT, AnsweredBy.HUMAN)
    assert not talk.pressed("7")
    assert (talk.part, talk.digits) == (Part.TEXT, "7")


@given(st.lists(st.sampled_from(["over", "1", "5", "loud", "quiet"]), max_size=400), st.booleans())
def test_whatever_happens_it_comes_to_its_end(steps: list[str], listens: bool) -> None:
    talk = Talk(has=ALL, repeat=2, listen=Rules() if listens else None)
    for step in steps:
        if step in ("loud", "quiet"):
            told(talk, (LOUD if step == "loud" else 0, 1))
        elif step == "over":
            talk.over() if not talk.listening else None
        else:
            talk.pressed(step)
    talk.deaf()
    assert rest(talk)[-1] is Part.OVER
    assert talk.readings <= 2
