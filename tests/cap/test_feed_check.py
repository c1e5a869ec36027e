"""What is said of documents that are handed in: our feeds are without fault, each fault has its rule."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.check import check
from gateway.cap.feed import FeedInfo, entry_of
from gateway.cap.feed_check import examine
from gateway.cap.feed_xml import atom, rss
from tests.cap.mutations import mutate_bytes
from tests.cap.samples import BASIC, REAL

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALERT = BASIC[BASIC.index("<alert") :]
INFO = FeedInfo(
    id="https://alerts.example/cap/feed.atom", title="Alerts", self_url="https://alerts.example/cap/feed.atom",
    updated=NOON, author="Centre", language="en", home_url="https://alerts.example",
)  # fmt: skip


def ours(write: object) -> str:
    alert = check(BASIC.encode()).alert
    assert alert is not None
    entries = [
        entry_of(
            alert, entry_id=f"https://alerts.example/{n}", cap_url=f"https://alerts.example/{n}.xml",
            published=NOON + timedelta(seconds=n),
        )
        for n in range(3)
    ]  # fmt: skip
    return write(INFO, entries).body.decode()  # type: ignore[operator, no-any-return]


def rules(document: str | bytes) -> set[str]:
    found = examine(document if isinstance(document, bytes) else document.encode())
    return {finding.id for finding in found.findings}


@pytest.mark.parametrize(("write", "kind"), [(atom, "atom"), (rss, "rss")])
def test_the_feeds_of_the_gateway_are_without_fault(write: object, kind: str) -> None:
    found = examine(ours(write).encode())
    assert (found.kind, found.entries, found.findings, found.valid) == (kind, 3, (), True)


def test_an_alert_is_checked_as_an_alert() -> None:
    found = examine(BASIC.encode())
    assert (found.kind, found.valid, len(found.alerts)) == ("alert", True, 1)
    bad = examine(BASIC.replace("<status>Actual", "<status>Real").encode())
    assert not bad.valid and {finding.id for finding in bad.alerts[0].verdict.findings} >= {"X5"}


def test_alerts_inside_a_feed_have_verdicts_of_their_own() -> None:
    bad = ALERT.replace("<status>Actual", "<status>Real")
    common = "<title>t</title><updated>2026-01-01T00:00:00Z</updated><author><name>a</name></author>"
    entries = (
        f'<entry><id>urn:{number}</id>{common}<content type="text/xml">{alert}</content></entry>\n'
        for number, alert in enumerate((ALERT, bad))
    )
    feed = (
        f'<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id>{common}'
        f'<link rel="self" href="https://a.example/"/>\n{"".join(entries)}</feed>'
    )
    found = examine(feed.encode())
    assert found.findings == () and not found.valid
    assert [embedded.verdict.valid for embedded in found.alerts] == [True, False]
    assert found.alerts[0].line == 2


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("<id>https://alerts.example/cap/feed.atom</id>", "", "F1"),
        ("<title>Alerts</title>", "<title/>", "F1"),
        ("<title>Alerts</title>", "<title>a</title><title>b</title>", "F1"),
        ('rel="self"', 'rel="other"', "F2"),
        ("<id>https://alerts.example/1</id>", "", "F3"),
        ("<updated>2026-11-21T12:00:00.000Z</updated>", "<updated>today</updated>", "F4"),
        ("<updated>2026-11-21T12:00:00.000Z</updated>", "<updated>Sat, 21 Nov 2026 12:00:00 GMT</updated>", "F4"),
        ('href="https://alerts.example/1.xml"', 'href=""', "F8"),
        ("<id>https://alerts.example/1</id>", "<id>https://alerts.example/2</id>", "F10"),
    ],
)
def test_each_fault_of_an_atom_feed_has_its_rule(old: str, new: str, rule: str) -> None:
    text = ours(atom)
    assert old in text
    assert rules(text.replace(old, new, 1)) == {rule}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("<title>Alerts</title>", "", "F5"),
        ("<description>Alerts (Centre)</description>", "", "F5"),
        ('<guid isPermaLink="false">https://alerts.example/1</guid>', "", "F7"),
        ("<pubDate>Sat, 21 Nov 2026 12:00:01 GMT</pubDate>", "<pubDate>2026-11-21T12:00:00Z</pubDate>", "F4"),
        (">https://alerts.example/1</guid>", ">https://alerts.example/2</guid>", "F10"),
    ],
)
def test_each_fault_of_an_rss_feed_has_its_rule(old: str, new: str, rule: str) -> None:
    text = ours(rss)
    assert old in text
    assert rules(text.replace(old, new, 1)) == {rule}


def test_an_rss_document_without_channel_and_an_item_without_words_are_refused() -> None:
    assert rules("<rss/>") == {"F5"}
    channel = "<title>t</title><link>l</link><description>d</description>"
    assert "F6" in rules(f"<rss><channel>{channel}<item/></channel></rss>")


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"<html/>", b"<feed/>", b"<!DOCTYPE rss><rss/>", b"<a>" * 100_000, b"\xff\xfe<"]
)
def test_what_is_neither_is_said_to_be_neither(raw: bytes) -> None:
    found = examine(raw)
    assert found.kind == "unknown" and not found.valid and found.alerts == ()


def test_a_document_that_is_too_large_says_so() -> None:
    assert rules(b"<feed>" + b" " * 3_000_000 + b"</feed>") == {"SIZE"}
    long = ours(atom).replace("</feed>", " " * 900_000 + "</feed>")
    assert rules(long) == {"F9"}


def test_no_mutant_of_a_feed_breaks_the_check() -> None:
    chance = random.Random(20261121)
    for write in (atom, rss):
        raw = ours(write).encode()
        for _ in range(300):
            examine(mutate_bytes(raw, chance))


@given(st.text(max_size=200))
def test_no_text_breaks_the_check(text: str) -> None:
    examine(f"<rss><channel><item>{text}</item></channel></rss>".encode())
    examine(text.encode())


def test_real_feeds_are_known_for_what_they_are() -> None:
    if not REAL.is_dir():
        pytest.skip("the real feeds are not here")
    kinds = {path.name: examine(path.read_bytes()).kind for path in sorted((REAL / "feeds").glob("*.xml"))}
    assert kinds["kelvinn_us_nws_weather.atom.xml"] == "atom" and kinds["google_weather.atom.xml"] == "atom"
    assert {kind for name, kind in kinds.items() if ".atom" in name} == {"atom"}
