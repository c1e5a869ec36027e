import pytest

from gateway.cap.languages import language_doubt, language_problem

GOOD = [
    "nl",
    "nl-BE",
    "de-BE",
    "fr-CA",
    "zh-Hans",
    "zh-Hant-TW",
    "es-419",
    "sr-Latn-RS",
    "am",
    "my",
    "dv",
    "tlh",
    "x-own",
]


@pytest.mark.parametrize(
    "text", [*GOOD, "i-klingon", "en-GB-oed", "sgn-BE-FR", "sl-rozaj-biske", "de-1996", "en-a-bbb-x-c"]
)
def test_a_language_tag_has_no_problem(text: str) -> None:
    assert language_problem(text) == ""
    assert language_problem(text.upper()) == ""
    assert language_doubt(text) == ""


@pytest.mark.parametrize(
    "text", ["", "n", "nl_BE", "nl-", "-nl", "nl BE", "nl-B", "en-a", "a-DE", "nl-BE-" + "x" * 200, "n1"]
)
def test_what_is_no_language_tag_says_so(text: str) -> None:
    assert language_problem(text)


@pytest.mark.parametrize(
    ("text", "said"), [("english", "en for English"), ("xx", "registered"), ("jp-JP", "ja is prob")]
)
def test_a_tag_that_nobody_registered_is_doubted(text: str, said: str) -> None:
    assert language_problem(text) == ""
    assert said in language_doubt(text)
