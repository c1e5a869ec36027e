"""Correlation: an id is found once, by the row that it was given for, or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.correlation import LEAST_ROWS, Correlation
from gateway.model import ChannelName, DeliveryState, Receipt, ReceiptKind
from gateway.store.columns import AcceptedColumns


def a_batch(
    ids: list[str], *, campaign: int = 1, channel: ChannelName = ChannelName.SMS, settled: bool = False
) -> AcceptedColumns:
    """A recorded batch whose rows are numbered from 1."""
    return AcceptedColumns(
        campaign=campaign, channel=channel, provider="a", code=0, detail="", settled=settled, ids=ids,
        seq=list(range(1, len(ids) + 1)), lo=[1] * len(ids),
    )  # fmt: skip


def receipts(ids: list[str], kind: ReceiptKind = ReceiptKind.DELIVERED, code: int = 0) -> list[Receipt]:
    return [Receipt("a", message_id, kind, code) for message_id in ids]


MANY = [f"m{n}" for n in range(LEAST_ROWS)]


def test_receipts_that_say_the_same_of_known_rows_are_one_group() -> None:
    known = Correlation()
    known.learn(a_batch(MANY, campaign=7))
    (group,), others = known.sort(receipts(MANY))
    assert (group.campaign, group.state, group.code) == (7, DeliveryState.DELIVERED, 0)
    assert [receipt.message_id for receipt in group.receipts.values()] == MANY
    assert list(group.receipts) == list(range(1, LEAST_ROWS + 1))
    assert others == []
    assert len(known) == 0


def test_an_id_is_found_once() -> None:
    known = Correlation()
    known.learn(a_batch(MANY))
    known.sort(receipts(MANY))
    groups, others = known.sort(receipts(MANY))
    assert (groups, len(others)) == ([], LEAST_ROWS)


def test_a_few_of_a_kind_and_what_asks_for_another_try_are_left_to_the_store() -> None:
    known = Correlation()
    known.learn(a_batch(MANY))
    groups, others = known.sort([*receipts(MANY[:3]), *receipts(MANY[3:], ReceiptKind.RETRY)])
    assert groups == []
    assert sorted(receipt.message_id for receipt in others) == sorted(MANY)


def test_only_sms_that_wait_for_a_receipt_are_remembered() -> None:
    known = Correlation()
    known.learn(a_batch(MANY, settled=True))
    known.learn(a_batch(MANY, channel=ChannelName.VOICE))
    known.learn(a_batch([]))
    assert len(known) == 0


def test_an_id_given_twice_is_left_to_the_store() -> None:
    known = Correlation()
    known.learn(a_batch(MANY))
    known.learn(a_batch([MANY[0], "new", "new"], campaign=2))
    groups, others = known.sort(receipts([*MANY, "new"]))
    assert groups == []
    assert {receipt.message_id for receipt in others} >= {MANY[0], "new"}


@given(st.lists(st.integers(1, 60), max_size=20), st.integers(2, 200))
def test_memory_is_bounded_and_the_newest_are_kept(sizes: list[int], most: int) -> None:
    known = Correlation(most)
    for number, size in enumerate(sizes):
        known.learn(a_batch([f"{number}-{n}" for n in range(size)]))
        assert len(known) <= 2 * max(most // 2, *sizes)
    if sizes:
        before = len(known)
        known.sort(receipts([f"{len(sizes) - 1}-{n}" for n in range(sizes[-1])]))
        assert len(known) == before - sizes[-1]
