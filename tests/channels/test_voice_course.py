"""What people hear, frame by frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.voice_course import PAUSE_FRAMES, Course, Script
from gateway.channels.voice_talk import Part
from gateway.sip.listening import AnsweredBy, Rules

SILENCE = b"-"
TEXT, PROMPT, THANKS, MACHINE = [b"t"] * 100, [b"p"] * 30, [b"k"] * 20, [b"m"] * 40
SCRIPT = Script(text=TEXT, silence=SILENCE, repeat=2, prompt=PROMPT, thanks=THANKS, machine=MACHINE, key_frames=50)
LISTENING = Script(
    text=TEXT, silence=SILENCE, repeat=2, prompt=PROMPT, thanks=THANKS, machine=MACHINE, key_frames=50, listen=Rules()
)


def heard(course: Course, *, level: int = 0, most: int = 10_000) -> str:
    """Everything that is said from here on, with runs as one letter."""
    said = ""
    for _ in range(most):
        course.heard(level)
        frame = course.frame()
        if frame is None:
            return said
        if not said.endswith(frame.decode()):
            said += frame.decode()
    return said


def frames(course: Course) -> int:
    count = 0
    while course.frame() is not None:
        count += 1
    return count


def test_the_text_is_read_as_often_as_wanted_then_the_key_is_asked_for() -> None:
    course = Course(SCRIPT)
    assert heard(course) == "t-tp-"
    assert (course.talk.readings, course.talk.digits, course.talk.part) == (2, "", Part.OVER)
    assert frames(Course(SCRIPT)) == 2 * len(TEXT) + PAUSE_FRAMES + len(PROMPT) + 50


def test_without_a_prompt_no_key_is_waited_for() -> None:
    assert heard(Course(Script(text=TEXT, silence=SILENCE))) == "t"


@pytest.mark.parametrize("after", [1, 50, 120, 170, 260, 300])
def test_the_key_is_thanked_for_at_any_moment(after: int) -> None:
    course = Course(SCRIPT)
    heard(course, most=after)
    course.talk.pressed("1")
    assert heard(course) == "k"
    assert (course.talk.digits, course.talk.answered_by) == ("1", AnsweredBy.HUMAN)


def test_another_key_is_noted_and_the_text_goes_on() -> None:
    course = Course(SCRIPT)
    heard(course, most=10)
    course.talk.pressed("5")
    assert heard(course) == "t-tp-"
    assert course.talk.digits == "5"


def test_a_person_hears_the_text_after_the_first_word() -> None:
    course = Course(LISTENING)
    assert heard(course, level=2000, most=20) == "-"
    assert course.talk.listening
    assert heard(course) == "-t-tp-"
    assert course.talk.answered_by is AnsweredBy.HUMAN


def test_a_machine_is_heard_out_and_gets_its_own_text_and_the_text_once() -> None:
    course = Course(LISTENING)
    assert heard(course, level=2000, most=200) == "-"
    assert course.talk.part is Part.WAITING
    assert heard(course) == "-mt"
    assert (course.talk.answered_by, course.talk.readings) == (AnsweredBy.MACHINE, 1)


def test_a_key_while_listening_is_a_person() -> None:
    course = Course(LISTENING)
    heard(course, level=2000, most=200)
    course.talk.pressed("5")
    assert heard(course) == "t-tp-"
    assert course.talk.answered_by is AnsweredBy.HUMAN


@given(st.lists(st.one_of(st.sampled_from("0159#"), st.integers(0, 4000)), max_size=600), st.booleans())
def test_whatever_comes_it_ends_and_counts_whole_readings_only(script: list[str | int], listens: bool) -> None:
    course = Course(LISTENING if listens else SCRIPT)
    text = 0
    for step in script:
        if isinstance(step, str):
            course.talk.pressed(step)
        else:
            course.heard(step)
        text += course.frame() == b"t"
    while (frame := course.frame()) is not None:
        text += frame == b"t"
    assert course.talk.part is Part.OVER
    assert course.talk.readings * len(TEXT) <= text
    assert course.frame() is None
