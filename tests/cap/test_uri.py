import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap import uri


@pytest.mark.parametrize(
    "text",
    [
        "https://example.be",
        "http://example.be:8080/a?b=c#d",
        "HTTPS://EXAMPLE.BE/",
        "mailto:ops@example.be",
        "tel:+3212345678",
        "urn:oid:2.49.0.1.56",
        "https://exämple.be/größe",
        "ftp://example.be/a",
        "https://[2001:db8::1]/",
    ],
)
def test_a_full_uri_has_no_problem(text: str) -> None:
    assert uri.problem(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("", "w", "www.example.be", "www.example.be:80/a", "/a", "//a", "a/b", "https:", "https://", "https:///a"),
        *("http:a", "https://a b", "https://a\n", "https://a<b", 'https://a"b', "https://a\\b", "https://a\x00"),
        *("1a:b", "urn:"),
    ],
)
def test_what_is_no_full_uri_says_why(text: str) -> None:
    assert uri.problem(text)


def test_only_http_and_https_are_addresses_for_a_browser() -> None:
    assert uri.is_web("https://a")
    assert uri.is_web("HTTP://a")
    assert not uri.is_web("javascript:alert(1)")
    assert not uri.is_web("file:///etc/passwd")


@given(st.text())
def test_no_text_upsets_the_question(text: str) -> None:
    assert isinstance(uri.problem(text), str)
