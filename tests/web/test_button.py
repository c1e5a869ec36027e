"""A page with one button."""

from aiohttp.test_utils import make_mocked_request

from gateway.web.button import button_page, language_of, said_page


def test_words_are_escaped_and_nothing_foreign_is_loaded() -> None:
    for page in (button_page("en", "<b>", "a & b"), said_page("en", "<b>", "a & b", 403)):
        assert page.text is not None
        assert "<b>" not in page.text
        assert "a &amp; b" in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert said_page("en", "t", "w", 403).status == 403


def test_the_language_is_the_readers_or_english() -> None:
    for said, language in (("nl-BE, fr;q=0.5", "nl"), ("xx", "en"), ("", "en")):
        request = make_mocked_request("GET", "/", headers={"Accept-Language": said})
        assert language_of(request, {"nl", "fr", "en"}) == language
