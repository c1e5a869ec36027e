"""Columns: cut in two, a batch still says the same of every row, and of no chunk that it is done."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ChannelName, DeliveryState
from gateway.store.columns import AcceptedColumns, OutcomeColumns


def a_batch(ids: list[int]) -> OutcomeColumns:
    """One row for each number of message ids."""
    batch = OutcomeColumns(campaign=1, channel=ChannelName.SMS, chunks={(1, 1): True})
    for seq, many in enumerate(ids, 1):
        batch.seq.append(seq)
        batch.lo.append(1)
        batch.due.append(None)
        batch.state.append(2)
        batch.flag.append(0)
        batch.code.append(seq)
        batch.detail.append(str(seq))
        for part in range(many):
            batch.ids_provider.append("a")
            batch.ids_mask.append(1 << part)
            batch.ids_seq.append(seq)
            batch.ids_parts.append(many)
            batch.ids_text.append(f"{seq}-{part}")
    return batch


@given(st.lists(st.integers(0, 3), min_size=2, max_size=9))
def test_two_halves_hold_every_row_with_its_ids(ids: list[int]) -> None:
    whole = a_batch(ids)
    one, two = whole.halves()
    for name in ("seq", "lo", "due", "state", "flag", "code", "detail", "ids_mask", "ids_seq", "ids_text"):
        assert getattr(one, name) + getattr(two, name) == getattr(whole, name)
    assert set(one.ids_seq) <= set(one.seq) and set(two.ids_seq) <= set(two.seq)
    assert one.seq and two.seq
    assert one.chunks == two.chunks == {(1, 1): False}


@given(st.integers(0, 5), st.booleans(), st.booleans())
def test_what_was_accepted_is_the_same_row_by_row(rows: int, settled: bool, named: bool) -> None:
    accepted = AcceptedColumns(
        campaign=1, channel=ChannelName.SMS, provider="a", code=0, detail="ok", settled=settled, chunks={(1, 1): True},
        seq=list(range(rows)), lo=[1] * rows, ids=[f"m{n}" for n in range(rows)] if named else [],
    )  # fmt: skip
    by_row = accepted.one_by_one()
    assert by_row.seq == accepted.seq and by_row.chunks == accepted.chunks
    assert by_row.state == [DeliveryState.SUBMITTED] * rows
    assert set(by_row.flag) <= {4 if settled else 0}
    assert list(zip(by_row.ids_seq, by_row.ids_text, strict=True)) == [(n, f"m{n}") for n in range(rows) if named]
