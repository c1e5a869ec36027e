"""Backlog: what is put in comes out once, in its order, in batches; nobody waits for company longer than a moment."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.backlog import Backlog, Entry

LONG_S = 600.0  # nobody waits for it


def backlog(*sizes: int, batch_rows: int = 10, linger_s: float = LONG_S) -> Backlog[int]:
    """With entries of these sizes; the events are the places of their entries."""
    made: Backlog[int] = Backlog(batch_rows=batch_rows, linger_s=linger_s)
    for place, size in enumerate(sizes):
        made.put(Entry([place] * size, None, after=place))
    return made


def places(entries: list[Entry[int]]) -> list[int]:
    return [entry.after for entry in entries]


async def test_a_full_batch_waits_for_nobody() -> None:
    waiting = backlog(4, 6)
    await waiting.gather()
    assert places(waiting.take()) == [0, 1]


async def test_less_than_a_batch_waits_for_a_moment() -> None:
    waiting = backlog(4, linger_s=0.01)
    await waiting.gather()
    assert places(waiting.take()) == [0]


async def test_an_empty_one_waits_until_something_comes() -> None:
    waiting = backlog(linger_s=0.0)
    gathering = asyncio.ensure_future(waiting.gather())
    await asyncio.sleep(0.01)
    assert not gathering.done()
    waiting.put(Entry([1], None))
    await gathering
    assert len(waiting.take()) == 1


async def test_what_makes_a_batch_full_ends_the_wait() -> None:
    waiting = backlog(9)
    gathering = asyncio.ensure_future(waiting.gather())
    await asyncio.sleep(0.01)
    assert not gathering.done()
    waiting.put(Entry([1], None))
    await gathering


async def test_what_was_taken_fills_no_batch_any_more() -> None:
    waiting = backlog(10, 3)
    waiting.take()
    gathering = asyncio.ensure_future(waiting.gather())
    await asyncio.sleep(0.01)
    assert not gathering.done()
    gathering.cancel()


async def test_up_to_the_first_that_is_not_ready() -> None:
    waiting = backlog(1, 1, 1, 1)
    assert waiting.first_after() == 0
    assert places(waiting.take(lambda entry: entry.after < 2)) == [0, 1]
    assert waiting.first_after() == 2
    assert waiting.take(lambda entry: entry.after < 2) == []
    assert places(waiting.take()) == [2, 3]
    assert waiting.first_after() == 0


async def test_at_its_end_nothing_is_waited_for() -> None:
    waiting = backlog(4)
    over = [waiting.over]
    waiting.finish()
    await waiting.gather()
    over.append(waiting.over)
    waiting.take()
    await waiting.gather()
    assert [*over, waiting.over] == [False, False, True]
    assert waiting.take() == []


@given(st.lists(st.integers(1, 30)), st.integers(1, 40))
def test_batches_are_all_entries_in_their_order_and_no_larger_than_they_have_to_be(
    sizes: list[int], batch_rows: int
) -> None:
    waiting = backlog(*sizes, batch_rows=batch_rows)
    assert waiting.put_in == len(sizes)
    seen: list[int] = []
    while batch := waiting.take():
        seen += places(batch)
        assert sum(len(entry.events) for entry in batch[:-1]) < batch_rows
    assert seen == list(range(len(sizes)))
