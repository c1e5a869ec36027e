"""Beats are the same on every node, valid CAP, and never Actual."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.check import check
from gateway.cap.write import write
from gateway.policy.heartbeat import REMEMBERED, Pulse

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PULSE = Pulse(period_s=300, sender="alerts.example")
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def test_a_beat_is_a_valid_alert_of_status_system() -> None:
    verdict = check(write(PULSE.alert(PULSE.number(NOON))), received_at=NOON)
    assert verdict.alert is not None and verdict.errors == ()
    assert verdict.alert.status == "System" and verdict.alert.scope == "Public"
    assert verdict.alert.sent == NOON


@given(TIMES)
def test_a_beat_is_a_function_of_time_alone(now: datetime) -> None:
    number = PULSE.number(now)
    assert PULSE.at(number) <= now < PULSE.at(number + 1)
    assert write(PULSE.alert(number)) == write(Pulse(period_s=300, sender="alerts.example").alert(number))


def test_beats_follow_each_other_with_names_of_their_own() -> None:
    first, second = PULSE.number(NOON), PULSE.number(NOON + timedelta(seconds=300))
    assert second == first + 1
    assert PULSE.alert(first).identifier != PULSE.alert(second).identifier
    expires = PULSE.alert(first).info[0].expires
    assert expires is not None and expires > PULSE.at(second + 1)


def test_a_beat_is_found_by_its_name_for_a_while() -> None:
    number = PULSE.number(NOON)
    assert PULSE.named(f"heartbeat-{number}", NOON) == number
    assert PULSE.named(f"heartbeat-{number - REMEMBERED}", NOON) == number - REMEMBERED
    for name in (f"heartbeat-{number + 1}", f"heartbeat-{number - REMEMBERED - 1}", "heartbeat-", "heartbeat-x", "abc"):
        assert PULSE.named(name, NOON) is None


@given(st.text())
def test_no_name_breaks_the_reading(name: str) -> None:
    assert PULSE.named(name, NOON) is None or name.startswith("heartbeat-")
