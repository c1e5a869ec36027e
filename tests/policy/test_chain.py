"""The chain: whole ones pass; whatever is changed, taken out, put in or cut off is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.chain import START, Link, Walk, link_hash

WORDS = st.text("abcé€😀 |", max_size=5)


def chain(words: list[str]) -> list[Link]:
    links: list[Link] = []
    for seq, word in enumerate(words, 1):
        bare = Link(
            entity_id=1, seq=seq, event=seq, at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seq), actor=word,
            act="a.b", subject="c:1", detail="{}", hash=b"",
        )  # fmt: skip
        links.append(replace(bare, hash=link_hash(links[-1].hash if links else START, bare)))
    return links


def reasons(links: list[Link], known: dict[int, bytes] | None = None) -> list[str]:
    walk = Walk(known or {})
    return [found.reason for found in (*walk.along(links), *walk.end())]


@given(words=st.lists(WORDS, max_size=6))
def test_a_chain_that_nobody_touched_is_whole(words: list[str]) -> None:
    links = chain(words)
    assert reasons(links, {link.seq: link.hash for link in links}) == []


@given(words=st.lists(WORDS, min_size=2, max_size=6), at=st.integers(0, 5), to=WORDS)
def test_a_changed_event_is_found(words: list[str], at: int, to: str) -> None:
    links, at = chain(words), at % len(words)
    links[at] = replace(links[at], actor=to + "!" if to == words[at] else to)
    assert reasons(links) == ["this event, or the one before it, was changed"]


def test_an_event_that_is_gone_a_link_that_is_gone_and_a_cut_end_are_found() -> None:
    links = chain(["a", "b", "c"])
    assert reasons([links[0], replace(links[1], event=None), links[2]]) == ["the event of this link is gone"]
    assert reasons([links[0], links[2]]) == ["1 link(s) are gone"]
    assert reasons(links[:2], {3: links[2].hash}) == ["the chain ends before this link, which was written down"]


def test_a_chain_written_anew_is_found_by_what_was_written_down() -> None:
    old, new = chain(["a", "b", "c"]), chain(["a", "x", "c"])
    assert reasons(new) == []
    assert reasons(new, {3: old[2].hash}) == ["the hash is not the one that was written down"]
