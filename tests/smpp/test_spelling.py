"""Spellings that need fewer parts, with what they would save."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.smpp import spelling, text
from gateway.smpp.national import Language
from gateway.smpp.text import Encoding, Way

gsm_text = st.text(sorted(text.GSM_CHARACTERS), max_size=1_000)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)


def test_one_circumflex_costs_two_parts_for_everybody() -> None:
    words = "Restez chez vous et fermez chaque fenêtre. " + "Suivez les consignes des services de secours. " * 2
    advice = spelling.advice(words)
    assert advice.forcing == ("ê",)
    assert (advice.needs.parts, advice.suggested.parts, advice.saves_parts) == (3, 1, 2)
    assert advice.suggestion == words.replace("fenêtre", "fenetre")


def test_advice_names_what_forces_ucs2_and_what_would_be_saved() -> None:
    words = "Fermez vos fenêtres et vos portes, restez à l’intérieur et suivez les consignes des autorités. " * 2
    advice = spelling.advice(words)
    assert advice.forcing == ("ê", "’")
    assert advice.needs.encoding is Encoding.UCS2
    assert advice.suggested.encoding is Encoding.GSM
    assert (advice.needs.parts, advice.suggested.parts, advice.saves_parts) == (3, 2, 1)
    assert "fenetres" in advice.suggestion
    assert "à l'intérieur" in advice.suggestion


def test_advice_saves_nothing_where_nothing_can_be_replaced() -> None:
    advice = spelling.advice("避難してください")
    assert advice.suggestion == "避難してください"
    assert advice.saves_parts == 0


@given(any_text)
def test_transliteration_keeps_what_needs_no_change(words: str) -> None:
    again = spelling.transliterate(spelling.transliterate(words))
    assert again == spelling.transliterate(words)


@given(gsm_text.filter(lambda words: "\x1b" not in words))
def test_a_gsm_text_needs_no_advice(words: str) -> None:
    assert spelling.transliterate(words) == words
    assert spelling.advice(words).forcing == ()


def test_where_the_provider_has_the_table_nothing_is_saved() -> None:
    words = "Şehir merkezinden uzak durun, ışıkları kapatın ve içeride kalın. " * 2
    assert spelling.advice(words).saves_parts == 1
    assert spelling.advice(words, Way(languages=(Language.TURKISH,))).saves_parts == 0
