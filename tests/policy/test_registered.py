"""Registration statistics point at nobody."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.registered import STEP, RegisteredRow, coarse, statistics

MONTHS = ["2025-12", *(f"2026-{n:02}" for n in range(1, 13))]
ROWS = st.lists(
    st.builds(
        RegisteredRow, st.sampled_from(["nl", "fr"]), st.sampled_from(MONTHS),
        st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40),
    ),
    max_size=20,
)  # fmt: skip


@given(rows=ROWS)
def test_every_number_is_a_multiple_of_five_and_never_too_large(rows: list[RegisteredRow]) -> None:
    found = statistics(rows)
    parts = [found["registered"], *found["channels"].values(), *found["languages"].values(), *found["months"].values()]
    assert all(number % STEP == 0 for number in parts)
    assert found["registered"] <= sum(row.citizens for row in rows)
    assert len(found["months"]) <= 12


@given(number=st.integers(0, 10_000))
def test_fewer_than_five_are_nobody(number: int) -> None:
    assert number - STEP < coarse(number) <= number
    assert coarse(min(number, 4)) == 0
