"""A page is escaped, balanced and has headings; the plain text says the same."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.notice import Notice
from gateway.policy.page import Map, html_text, is_web_address, plain_text
from gateway.policy.words import ENGLISH, stamp_of


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def notice(**changes: str) -> Notice:
    said: dict[str, str] = {"headline": "Fire", "event": "Fire", "description": "A\nB\n\nC", "until": "Until noon."}
    return Notice(index=0, language="en", tag="en-GB", words=ENGLISH, **said | changes)  # type: ignore[arg-type]


def test_paragraphs_and_lines_are_kept() -> None:
    page = html_text(notice(), "Fire")
    assert "<p>A<br>\nB</p>\n<p>C</p>\n" in page
    assert page.startswith('<!DOCTYPE html>\n<html lang="en-GB">')
    assert plain_text(notice()) == "Fire\n\nA\nB\n\nC\n\nUntil noon.\n"


def test_marks_open_and_close_both_forms() -> None:
    marked = notice(stamp=stamp_of("en"), mark="Update")
    assert plain_text(marked).startswith("EXERCISE\nUpdate\n\nFire")
    assert plain_text(marked).endswith("EXERCISE\nUpdate\n")
    assert html_text(marked, "x").count("<strong>EXERCISE</strong>") == 2


def test_sections_without_content_leave_no_trace() -> None:
    page = html_text(notice(description="", until=""), "Fire")
    assert "<h2>" not in page
    assert "<dl>" not in page
    assert "What to do" not in plain_text(notice())


@given(st.text(min_size=1, max_size=100), st.text(max_size=100), st.text(max_size=60))
def test_no_text_can_add_a_tag(headline: str, description: str, web: str) -> None:
    usual = Reader(html_text(notice(web="x"), "t"))
    tricky = Reader(
        html_text(notice(headline=f"<i>{headline}</i>", description=f"<p>{description}", web=web), headline)
    )
    assert set(tricky.tags) <= {*usual.tags, "a"}
    assert "<i>" in tricky.text


def test_a_web_address_has_a_scheme_a_host_and_no_space() -> None:
    assert is_web_address("https://example.be/x?y#z")
    for other in ("ftp://example.be", "https:///x", "https://a b", "https://[", "example.be", ""):
        assert not is_web_address(other)


def test_the_map_is_a_part_of_the_mail_and_says_in_words_what_it_shows() -> None:
    page = html_text(notice(area='Ghent "north"'), "Fire", Map("x@map.invalid", 48, 36))
    assert '<img src="cid:x@map.invalid" alt="Map: Ghent &quot;north&quot;" width="48" height="36"' in page
    assert "cid:" not in html_text(notice(), "Fire")


def test_the_page_can_be_read_aloud_and_enlarged() -> None:
    """What an accessible page needs (WCAG 2.2: 1.1.1, 1.3.1, 1.4.3, 1.4.10, 2.4.2, 3.1.1)."""
    page = html_text(notice(instruction="Go inside."), "Fire", Map("x@map.invalid", 48, 36))
    tags = Reader(page).tags
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert not {"table", "font", "center", "script", "link", "style"} & set(tags)
    assert [tag for tag in tags if tag in {"h1", "h2", "h3"}] == ["h1", "h2"]
    assert '<html lang="en-GB">' in page
    assert "color" not in page  # the reader's own colours: any contrast that he has set
    assert page.count("<img ") == page.count(' alt="')
    assert "max-width:100%" in page
