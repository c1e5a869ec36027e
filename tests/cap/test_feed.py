"""What a feed lists: entries from alerts, the language asked for, honest titles, whole pages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap.feed import (
    FeedEntry,
    FeedText,
    best_language,
    clean,
    entry_of,
    heading,
    newest_first,
    one_line,
    page_url,
    paged,
    web_url,
)
from gateway.cap.model import (
    CapAlert,
    CapArea,
    CapInfo,
    Category,
    Certainty,
    Circle,
    MsgType,
    NameValue,
    Scope,
    Severity,
    Status,
    Urgency,
)

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TRIANGLE = ((50.8, 4.3), (50.9, 4.3), (50.9, 4.4), (50.8, 4.3))


def info(language: str, headline: str = "", *, area: tuple[CapArea, ...] = ()) -> CapInfo:
    return CapInfo(
        language=language,
        event="Fire",
        urgency=Urgency.IMMEDIATE,
        severity=Severity.SEVERE,
        certainty=Certainty.OBSERVED,
        category=(Category.FIRE,),
        headline=headline,
        description=f"description in {language}",
        expires=NOON + timedelta(hours=len(language)),
        area=area,
    )


def alert(*infos: CapInfo, note: str = "") -> CapAlert:
    return CapAlert(
        identifier="A-1",
        sender="alert@example.org",
        sent=NOON,
        sent_text="2026-11-21T12:00:00+00:00",
        status=Status.ACTUAL,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC,
        note=note,
        info=infos,
    )


def text(language: str, title: str = "Fire") -> FeedText:
    return FeedText(
        language=language,
        title=title,
        summary="Close the windows.",
        event="Fire",
        urgency="Immediate",
        severity="Severe",
        certainty="Observed",
    )


def entry(number: int = 1, *texts: FeedText) -> FeedEntry:
    return FeedEntry(
        id=f"urn:example:{number}",
        identifier=f"A-{number}",
        sender="alert@example.org",
        sent=NOON,
        published=NOON + timedelta(minutes=number),
        updated=NOON + timedelta(minutes=number),
        status="Actual",
        msg_type="Alert",
        scope="Public",
        cap_url=f"https://example.org/cap/alerts/{number}.xml",
        texts=texts or (text("nl"), text("fr")),
    )


def test_an_entry_has_one_text_a_language_and_the_places_of_all_its_infos() -> None:
    north = CapArea(area_desc="North", polygon=(TRIANGLE,), geocode=(NameValue("NIS", "21007"),))
    south = CapArea(area_desc="South", circle=(Circle(50.8, 4.3, 2.0),), polygon=(TRIANGLE,))
    made = entry_of(
        alert(
            info("nl-BE", "Brand", area=(north,)), info("fr-BE", area=(north,)), info("NL-be", "Later", area=(south,))
        ),
        entry_id="urn:x:1",
        cap_url="https://example.org/1.xml",
        published=NOON,
    )
    assert [one.language for one in made.texts] == ["nl-BE", "fr-BE"]
    dutch, french = made.texts
    assert dutch.title == "Brand"
    assert french.title == "Fire"
    assert dutch.area_descs == ("North", "South")
    assert dutch.polygons == (TRIANGLE,)
    assert dutch.circles == (Circle(50.8, 4.3, 2.0),)
    assert dutch.geocodes == (NameValue("NIS", "21007"),)
    assert made.expires == NOON + timedelta(hours=5)
    assert made.sent_text == "2026-11-21T12:00:00+00:00"


def test_an_alert_without_info_still_has_a_title() -> None:
    made = entry_of(alert(note="sent in error"), entry_id="urn:x:1", cap_url="https://example.org/1", published=NOON)
    assert made.texts[0].title == "Alert: sent in error"
    assert made.expires is None


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (["nl", "fr", "de"], "fr", "fr"),
        (["nl", "fr", "de"], "FR", "fr"),
        (["nl-BE", "fr-BE"], "fr", "fr-BE"),
        (["nl", "fr"], "fr-BE", "fr"),
        (["fr-FR", "fr-BE"], "fr-BE", "fr-BE"),
        (["nl", "fr-FR", "fr-CA"], "fr-BE", "fr-FR"),
        (["nl", "fr"], "it", "nl"),
        (["nl", "fr"], None, "nl"),
        (["nl", "fr"], "", "nl"),
        (["nl", "fr"], "-", "nl"),
    ],
)
def test_the_language_nearest_to_the_one_wanted_is_chosen(offered: list[str], wanted: str | None, chosen: str) -> None:
    assert offered[best_language(offered, wanted)] == chosen


def test_an_exercise_says_so_before_anything_else() -> None:
    exercise = replace(entry(), status="Exercise")
    assert heading(exercise, text("fr-BE", "Incendie")) == "EXERCICE - Incendie"
    assert heading(exercise, text("nl", "Oefening: brand")) == "Oefening: brand"
    assert heading(exercise, text("en", "Fire")) == "EXERCISE - Fire"
    assert heading(replace(entry(), status="Test"), text("de", "Brand")) == "TEST - Brand"
    assert heading(entry(), text("de", "Brand\n in  Vorst ")) == "Brand in Vorst"
    assert heading(entry(), text("de", "\x07")) == "Fire"


def test_controls_and_turned_text_are_taken_out_and_letters_stay() -> None:
    assert clean("a\x00b\x1fc\x85d\u202ee\u2066f\ufffeg\ud800h") == "abcdefgh"
    assert clean("Überflutung\tin\nLüttich \U0001f525") == "Überflutung\tin\nLüttich \U0001f525"
    assert one_line(" a\r\n\tb ") == "a b"


@given(st.text())
def test_clean_text_is_what_xml_can_carry(raw: str) -> None:
    kept = clean(raw)
    assert all(c in "\t\n\r" or 0x20 <= ord(c) <= 0xD7FF or 0xE000 <= ord(c) <= 0xFFFD or ord(c) > 0xFFFF for c in kept)
    assert clean(kept) == kept


def test_only_web_addresses_are_linked() -> None:
    assert web_url(replace(text("nl"), web=" https://example.org/a ")) == "https://example.org/a"
    assert web_url(replace(text("nl"), web="javascript:alert(1)")) == ""
    assert web_url(replace(text("nl"), web="https://example.org/a b")) == ""


def test_the_newest_entry_comes_first() -> None:
    assert [one.id[-1] for one in newest_first([entry(2), entry(9), entry(4)])] == ["9", "4", "2"]


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 100))
def test_pages_hold_every_entry_once_and_fit(sizes: list[int], max_bytes: int) -> None:
    seen: list[int] = []
    page: int | None = 1
    pages = 0
    while page:
        part = paged(sizes, page, max_bytes)
        held = list(range(part.first, part.last))
        assert sum(sizes[i] for i in held) <= max_bytes or len(held) == 1
        seen += held
        pages += 1
        assert part.following in (None, page + 1)
        page = part.following
    assert seen == list(range(len(sizes)))
    assert pages == part.pages


@pytest.mark.parametrize("page", [0, -1, 3])
def test_a_page_that_is_not_there_is_empty(page: int) -> None:
    part = paged([10, 10], page, 10)
    assert (part.first, part.last, part.following, part.pages) == (0, 0, None, 2)


def test_pages_have_addresses() -> None:
    assert page_url("https://x/feed.atom", 1) == "https://x/feed.atom"
    assert page_url("https://x/feed.atom", 2) == "https://x/feed.atom?page=2"
    assert page_url("https://x/feed.atom?lang=fr", 3) == "https://x/feed.atom?lang=fr&page=3"
