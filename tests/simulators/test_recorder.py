"""What the simulators share: records that stay bounded, and outcomes that can be computed beforehand."""

import json
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulators.recorder import Outcomes, Recorder


def filled(n: int, **settings: object) -> Recorder:
    ticks = count(1_700_000_000)
    recorder = Recorder(clock=lambda: float(next(ticks)), **settings)  # type: ignore[arg-type]
    for i in range(n):
        recorder.add("sms", f"+3247000{i:04d}", f"text {i} é€", "test")
    return recorder


def test_a_record_is_one_json_line_with_the_five_keys() -> None:
    lines = list(filled(1).lines())
    assert lines[0].endswith("\n")
    assert json.loads(lines[0]) == {
        "channel": "sms",
        "to": "+32470000000",
        "text": "text 0 é€",
        "at": "2023-11-14T22:13:20.000Z",
        "mode": "test",
    }


def test_a_text_with_line_breaks_stays_one_line() -> None:
    recorder = Recorder()
    recorder.add("email", "a@b.example", "one\ntwo\r\n\u2028three", "live")
    (line,) = recorder.lines()
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == "one\ntwo\r\n\u2028three"


def test_without_a_file_the_oldest_are_dropped_and_the_count_stays_exact() -> None:
    recorder = filled(1_000, keep=100)
    assert recorder.count == 1_000
    assert len(recorder.records()) <= 100
    assert recorder.dropped == 1_000 - len(recorder.records())
    assert json.loads(list(recorder.lines())[-1])["text"] == "text 999 é€"


@pytest.mark.parametrize("since", [0, 1, 37, 949, 950, 999, 1_000, 5_000])
def test_with_a_file_every_line_can_be_read_from_any_point(tmp_path: Path, since: int) -> None:
    recorder = filled(1_000, keep=100, spill=tmp_path / "received.jsonl")
    texts = [json.loads(line)["text"] for line in recorder.lines(since)]
    assert texts == [f"text {i} é€" for i in range(since, 1_000)]
    assert recorder.dropped == 0


def test_a_new_recorder_does_not_show_what_an_older_one_spilled(tmp_path: Path) -> None:
    spill = tmp_path / "received.jsonl"
    filled(300, keep=10, spill=spill)
    assert list(filled(0, keep=10, spill=spill).lines()) == []


def test_shares_come_out_as_asked() -> None:
    outcomes = Outcomes(shares={"failed": 0.03, "expired": 0.01, "silent": 0.01})
    words = [outcomes.decide(f"+3247{i:07d}") for i in range(20_000)]
    assert abs(words.count("failed") - 600) < 120
    assert abs(words.count("expired") - 200) < 70
    assert abs(words.count("silent") - 200) < 70
    assert words.count("delivered") > 18_700


@given(st.text(min_size=1))
def test_an_address_always_gets_the_same_outcome_and_delay(address: str) -> None:
    one = Outcomes(shares={"failed": 0.5}, delay_s=1.0, spread_s=2.0)
    other = Outcomes(shares={"failed": 0.5}, delay_s=1.0, spread_s=2.0)
    assert one.decide(address) == other.decide(address)
    assert one.delay_of(address) == other.delay_of(address)
    assert 1.0 <= one.delay_of(address) < 3.0


def test_plus_and_case_do_not_change_the_outcome() -> None:
    outcomes = Outcomes(shares={"failed": 0.5})
    for i in range(50):
        assert outcomes.decide(f"+3247{i:07d}") == outcomes.decide(f"3247{i:07d}")
        assert outcomes.decide(f"A{i}@Example.org") == outcomes.decide(f"a{i}@example.org")


def test_a_told_outcome_wins_over_the_shares() -> None:
    outcomes = Outcomes(shares={"failed": 1.0})
    outcomes.tell("+32470000001", "delivered")
    assert outcomes.decide("32470000001") == "delivered"
    assert outcomes.decide("32470000002") == "failed"


def test_another_salt_gives_another_choice() -> None:
    a, b = Outcomes(shares={"failed": 0.5}, salt="a"), Outcomes(shares={"failed": 0.5}, salt="b")
    addresses = [f"+3247{i:07d}" for i in range(100)]
    assert [a.decide(x) for x in addresses] != [b.decide(x) for x in addresses]


@pytest.mark.parametrize("shares", [{"failed": 0.7, "expired": 0.4}, {"failed": -0.1}])
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        Outcomes(shares=shares)


def test_what_comes_to_the_senders_own_telephone_is_not_recorded() -> None:
    recorder = Recorder(unheard={"+32455000001"})
    recorder.add("sms", "+32455000001", "Canary", "live")
    recorder.add("sms", "+32470000001", "Fire", "live")
    assert (recorder.count, [record.text for record in recorder.records()]) == (1, ["Fire"])
