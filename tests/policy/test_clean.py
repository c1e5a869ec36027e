"""Text is fit to leave: nothing invisible, one kind of line end, languages by two letters, addresses read aloud."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.clean import cleaned, language_of, one_line, spoken, tag_of
from gateway.policy.words import ENGLISH, FRENCH


def test_text_leaves_composed_with_line_feeds_and_single_spaces() -> None:
    assert cleaned("  e\u0301te\u0301 \t chaud\r\nlundi\u2028mardi\r\r\n\n\n\nfin ") == "été chaud\nlundi\nmardi\n\nfin"
    assert one_line("a\n\n b\tc") == "a b c"


@given(st.text())
def test_nothing_invisible_is_left_and_cleaning_again_changes_nothing(text: str) -> None:
    clean = cleaned(text)
    assert not [c for c in clean if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"]
    assert not set(clean) & set(
        "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069\ufeff"
    )
    assert cleaned(clean) == clean


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Po", "So"]), max_size=50))
def test_visible_characters_stay(text: str) -> None:
    assert cleaned(text) == unicodedata.normalize("NFC", " ".join(text.split()))


@pytest.mark.parametrize(
    ("tag", "language"),
    [("fr-BE", "fr"), ("NL", "nl"), ("nld", "nl"), ("ger", "de"), ("en_US", "en"), ("gsw", "gsw"), ("", "en"),
     ("français!", "en"), (" de ", "de"), ("x", "en")],
)  # fmt: skip
def test_a_language_is_found_in_its_tag(tag: str, language: str) -> None:
    assert language_of(tag) == language


def test_a_tag_that_is_none_is_replaced_by_its_language() -> None:
    assert (tag_of("fr-BE"), tag_of('fr"><x'), tag_of("")) == ("fr-BE", "en", "en")


@pytest.mark.parametrize(
    ("text", "aloud"),
    [
        ("Voir https://www.example.be/fr?x=1.", "Voir example point be."),
        ("Voir www.example.be, merci", "Voir example point be, merci"),
        ("(http://centre-112.example.be:8080/)", "(centre-112 point example point be)"),
        ("https://192.168.1.1/x", "le site internet"),
        ("https://xn--80ak6aa92e.x/", "le site internet"),
        ("écrire à a.www.b@example.be ou 112", "écrire à a.www.b@example.be ou 112"),
    ],
)
def test_of_a_web_address_only_the_host_is_read(text: str, aloud: str) -> None:
    assert spoken(text, FRENCH) == aloud


def test_hostile_texts_are_cleaned_in_bounded_time() -> None:
    started = time.process_time()
    for text in (
        "https://" * 50_000,
        "www." * 100_000,
        "\u202e" * 300_000,
        "a\r" * 200_000,
        "https://" + "a-" * 200_000,
    ):
        spoken(cleaned(text), ENGLISH)
    assert time.process_time() - started < 5
