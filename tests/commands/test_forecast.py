"""`gateway forecast`: a table for people, JSON for programs, and what each channel is held by."""

import json
from math import inf

import pytest

from gateway.__main__ import main
from gateway.commands.forecast import in_words


def test_eleven_million_people_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--recipients", "11000000", "--binds", "8", "--rate", "3000", "--email", "0"]) == 0
    head, sms, voice = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["channel", "messages"]
    assert sms.split()[:2] == ["sms", "11000000"]
    assert "61 min" in sms
    assert voice.split()[:2] == ["voice", "110000"]
    assert sms.endswith("the agreed rate")


def test_json_has_seconds_and_null_for_never(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "forecast",
        "--recipients",
        "7200000",
        "--rate",
        "1000",
        "--hours",
        "1",
        "--email",
        "0",
        "--voice",
        "0",
        "--json",
    ]
    assert main(words) == 0
    (sms,) = json.loads(capsys.readouterr().out).values()
    assert (sms["messages"], sms["half_s"]) == (7_200_000, pytest.approx(3600, rel=0.01))
    assert (sms["all_s"], sms["too_late"]) == (None, pytest.approx(3_600_000, rel=0.01))


def test_what_can_not_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["forecast", "--recipients", "0"])
    assert "recipients" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(12.44, "12.4 s"), (2220, "37 min"), (22_320, "6 h 12 min"), (201_600, "2 d 8 h"), (inf, "never")],
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
