"""Batching: every outcome is in exactly one batch, and a chunk is done once, with the last batch that touches it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.batching import Batcher, Batches
from gateway.model import (
    Belated,
    ChannelName,
    Delivery,
    Lease,
    MessageClass,
    Mode,
    Outcome,
    OutcomeKind,
    Text,
    Transport,
)
from gateway.policy.retry import RetryRules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = dict.fromkeys(ChannelName, RetryRules(attempts=3))
TEXT = Text(
    campaign=1, key=0, channel=ChannelName.SMS, language="nl", body="x", mode=Mode.LIVE, reference="ca_1",
    message_class=MessageClass.URGENT, expires_at=NOW + timedelta(hours=1),
)  # fmt: skip


def a_lease(lo: int, rows: int, *, campaign: int = 1) -> Lease:
    return Lease(
        campaign=campaign, channel=ChannelName.SMS, transport=Transport.LIVE, lo=lo, epoch=1, remaining=rows
    )  # fmt: skip


def an_outcome(lease: Lease, seq: int, kind: OutcomeKind, ids: int = 1, provider: str = "a") -> Outcome:
    named = tuple(f"{seq}-{part}" for part in range(ids))
    return Outcome(Delivery(lease, seq, "+32470000000", TEXT), kind, provider, detail="ESME_ROK", message_ids=named)


def sort(*events: Outcome | Belated | Lease) -> Batches:
    return Batcher(RULES, grace_s=1.0).sort(events, NOW)


def test_first_tries_that_one_peer_took_are_one_batch() -> None:
    lease = a_lease(1, 3)
    found = sort(*(an_outcome(lease, seq, OutcomeKind.ACCEPTED) for seq in (1, 2, 3)))
    (batch,) = found.accepted
    assert (batch.seq, batch.lo, batch.ids) == ([1, 2, 3], [1, 1, 1], ["1-0", "2-0", "3-0"])
    assert batch.chunks == {(1, 1): True}
    assert found.decided == []


def test_peers_campaigns_and_answers_are_kept_apart() -> None:
    one, two = a_lease(1, 9), a_lease(1, 9, campaign=2)
    found = sort(
        an_outcome(one, 1, OutcomeKind.ACCEPTED),
        an_outcome(two, 1, OutcomeKind.ACCEPTED),
        an_outcome(one, 2, OutcomeKind.ACCEPTED, provider="b"),
        an_outcome(one, 3, OutcomeKind.ACCEPTED, ids=0),
        an_outcome(one, 4, OutcomeKind.ACCEPTED),
    )
    assert [(b.campaign, b.provider, b.seq, b.ids) for b in found.accepted] == [
        (1, "a", [1, 4], ["1-0", "4-0"]),
        (2, "a", [1], ["1-0"]),
        (1, "b", [2], ["2-0"]),
        (1, "a", [3], []),
    ]


def test_second_tries_long_messages_and_refusals_are_decided_by_row() -> None:
    lease, again = a_lease(1, 3), a_lease(-7, 1)
    found = sort(
        an_outcome(lease, 1, OutcomeKind.ACCEPTED, ids=3),
        an_outcome(lease, 2, OutcomeKind.FAILED, ids=0),
        an_outcome(again, 9, OutcomeKind.ACCEPTED),
    )
    (batch,) = found.decided
    assert found.accepted == []
    assert (batch.seq, batch.state, batch.ids_mask) == ([1, 2, 9], [2, 4, 2], [1, 2, 4, 1])
    assert batch.ids_parts == [3, 3, 3, 1]


def test_a_late_answer_is_written_after_all_others_and_counted_by_no_lease() -> None:
    lease = a_lease(-4, 2)
    lease.attempts = {1: 2}
    late = Belated(an_outcome(lease, 1, OutcomeKind.ACCEPTED, ids=2))
    found = sort(late, an_outcome(lease, 1, OutcomeKind.UNKNOWN))
    assert lease.remaining == 1
    (batch,) = found.belated
    assert found.in_order()[-1] is batch
    assert (batch.belated, batch.seq, batch.tries, batch.chunks) == (True, [1], [3], {})
    assert (batch.ids_text, batch.ids_mask) == (["1-0", "1-1"], [1, 2])
    assert [half.belated for half in batch.halves()] == [True, True]


def test_a_bare_lease_ends_its_chunk() -> None:
    found = sort(a_lease(5, 0))
    assert [batch.chunks for batch in found.decided] == [{(5, 1): True}]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(OutcomeKind), st.integers(0, 2), st.sampled_from("ab")),
        max_size=30,
    )
)
def test_every_outcome_is_in_one_batch_and_every_chunk_is_done_at_most_once(
    given_: list[tuple[int, OutcomeKind, int, str]],
) -> None:
    leases = [a_lease(1 + 100 * n, sum(g[0] == n for g in given_)) for n in range(3)]
    outcomes = [
        an_outcome(leases[n], 1 + 100 * n + at, kind, ids if kind is OutcomeKind.ACCEPTED else 0, provider)
        for at, (n, kind, ids, provider) in enumerate(given_)
    ]
    batches = sort(*outcomes).in_order()
    seqs = [seq for batch in batches for seq in batch.seq]
    assert sorted(seqs) == sorted(outcome.delivery.seq for outcome in outcomes)
    for lease in leases:
        touching = [batch for batch in batches if (lease.lo, 1) in batch.chunks]
        assert [batch.chunks[lease.lo, 1] for batch in touching] == [False] * (len(touching) - 1) + [True] * bool(
            touching
        )
        assert all(set(batch.lo) <= {lo for lo, _ in batch.chunks} for batch in batches)
    named = sum(len(batch.ids_text) for batch in sort(*outcomes).decided)
    assert named == sum(len(o.message_ids) for o in outcomes if len(o.message_ids) > 1)
