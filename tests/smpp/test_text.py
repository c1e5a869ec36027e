"""The text of an SMS: alphabets, cuts, counts, advice. smpplib's encoder is the oracle where it is right.

Known faults of smpplib 2.2.4's gsm module, and therefore not compared: the backtick becomes a section sign; section
sign and form feed are not found; a cut may fall inside an escape pair or a surrogate pair.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import gsm as oracle

from gateway.smpp import text
from gateway.smpp.text import Encoding

gsm_text = st.text(sorted(text.GSM_CHARACTERS), max_size=1_000)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)


def whole(parts: tuple[text.Part, ...]) -> str:
    """The parts as a telephone shows them."""
    bodies = [text.split_header(part.payload, part.esm_class)[1] for part in parts]
    return "".join(text.decode(body, parts[0].data_coding) for body in bodies)


@given(st.text(sorted(text.GSM_CHARACTERS - {"§", "\f"}), min_size=1, max_size=160))
def test_gsm_bytes_are_those_of_smpplib(words: str) -> None:
    encoded = oracle.gsm_encode(words)
    if len(encoded) <= 160:
        assert text.encode(words) == (text.Part(0, 0, encoded),)


def test_the_alphabet_has_127_characters_and_10_in_the_extension() -> None:
    assert len(text.GSM_CHARACTERS) == 127 + 10
    assert "\x1b" not in text.GSM_CHARACTERS


@pytest.mark.parametrize(
    ("char", "code"),
    [("@", b"\x00"), ("§", b"\x5f"), ("à", b"\x7f"), ("Ç", b"\x09"), ("\f", b"\x1b\x0a"), ("€", b"\x1b\x65")],
)
def test_characters_stand_where_the_standard_puts_them(char: str, code: bytes) -> None:
    assert text.encode(char)[0] == text.Part(0, 0, code)


@pytest.mark.parametrize("char", ["`", "ç", "ê", "“", "\x1b", "\x00", "中", "😀"])
def test_characters_outside_the_alphabet_need_ucs2(char: str) -> None:
    assert text.encoding_of(char) is Encoding.UCS2
    assert text.encode(char)[0] == text.Part(8, 0, char.encode("utf-16-be"))


@given(gsm_text | any_text, st.integers(0, 0xFFFF), st.booleans())
def test_what_is_cut_is_joined_again_without_loss(words: str, reference: int, wide: bool) -> None:
    parts = text.encode(words, reference, wide_reference=wide)
    assert whole(parts) == words


@given(gsm_text | any_text, st.booleans())
def test_the_count_is_what_encode_does(words: str, wide: bool) -> None:
    counted = text.count(words, wide_reference=wide)
    parts = text.encode(words, wide_reference=wide)
    assert counted.parts == len(parts)
    assert {part.data_coding for part in parts} == {counted.encoding.value}


@given(gsm_text | any_text, st.booleans())
def test_no_part_is_longer_than_140_octets_on_the_air_and_none_opens_a_pair(words: str, wide: bool) -> None:
    for part in text.encode(words, wide_reference=wide):
        head, body = text.split_header(part.payload, part.esm_class)
        header_octets = len(part.payload) - len(body)
        if part.data_coding == 8:
            assert header_octets + len(body) <= 140
            body.decode("utf-16-be")  # a lone surrogate would raise
        else:
            assert (header_octets * 8 + 6) // 7 + len(body) <= 160
            assert not body.endswith(b"\x1b")
        assert (head is None) == (part.esm_class == 0)


@given(gsm_text | any_text)
def test_no_part_could_have_taken_another_character(words: str) -> None:
    parts = text.encode(words)
    room = 153 if parts[0].data_coding == 0 else 134
    rest = words
    for part in parts[:-1]:
        _, body = text.split_header(part.payload, part.esm_class)
        rest = rest[len(text.decode(body, part.data_coding)) :]
        assert len(body) + len(text.encode(rest[0])[0].payload) > room


@given(st.integers(0, 0xFFFF), st.booleans())
def test_parts_carry_reference_total_and_number(reference: int, wide: bool) -> None:
    parts = text.encode("x" * 400, reference, wide_reference=wide)
    heads = [text.split_header(part.payload, part.esm_class)[0] for part in parts]
    kept = reference if wide else reference & 0xFF
    assert heads == [(kept, 3, 1), (kept, 3, 2), (kept, 3, 3)]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3), ("€" * 80, 1), ("€" * 81, 2),
        ("ê" * 70, 1), ("ê" * 71, 2), ("ê" * 134, 2), ("ê" * 135, 3), ("😀" * 35, 1), ("😀" * 36, 2),
    ],
)  # fmt: skip
def test_parts_are_counted_as_operators_do(words: str, parts: int) -> None:
    assert text.count(words).parts == parts


def test_an_escape_pair_at_the_edge_goes_into_the_next_part() -> None:
    parts = text.encode("a" * 152 + "€" + "b" * 100)
    assert [len(part.payload) - 6 for part in parts] == [152, 102]


def test_a_surrogate_pair_at_the_edge_goes_into_the_next_part() -> None:
    parts = text.encode("ê" * 66 + "😀" + "b" * 20)
    assert [len(part.payload) - 6 for part in parts] == [132, 44]


def test_lone_surrogates_do_not_break_anything() -> None:
    assert whole(text.encode("a\ud83d")) == "a?"


def test_a_text_of_more_than_255_parts_is_refused() -> None:
    assert text.count("a" * (153 * 255)).parts == 255
    with pytest.raises(ValueError, match="255"):
        text.encode("a" * (153 * 255 + 1))


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_any_payload_can_be_shown(payload: bytes, data_coding: int, esm_class: int) -> None:
    _, body = text.split_header(payload, esm_class)
    assert isinstance(text.decode(body, data_coding), str)


def test_control_characters_are_removed_and_line_ends_are_one() -> None:
    assert text.clean("a\x00b\x1bc\r\nd\re\u2028f\tg\x9b") == "abc\nd\ne\nf g"


@given(any_text)
def test_a_cleaned_text_has_no_control_character_and_is_clean(words: str) -> None:
    cleaned = text.clean(words)
    assert text.clean(cleaned) == cleaned
    assert not any(ord(char) < 32 and char != "\n" for char in cleaned)


def test_advice_names_what_forces_ucs2_and_what_would_be_saved() -> None:
    words = "Fermez vos fenêtres et vos portes, restez à l’intérieur et suivez les consignes des autorités. " * 2
    advice = text.advice(words)
    assert advice.forcing == ("ê", "’")
    assert advice.needs.encoding is Encoding.UCS2
    assert advice.suggested.encoding is Encoding.GSM
    assert (advice.needs.parts, advice.suggested.parts, advice.saves_parts) == (3, 2, 1)
    assert "fenetres" in advice.suggestion
    assert "à l'intérieur" in advice.suggestion


def test_advice_saves_nothing_where_nothing_can_be_replaced() -> None:
    advice = text.advice("避難してください")
    assert advice.suggestion == "避難してください"
    assert advice.saves_parts == 0


@given(any_text)
def test_transliteration_keeps_what_needs_no_change(words: str) -> None:
    again = text.transliterate(text.transliterate(words))
    assert again == text.transliterate(words)


@given(gsm_text.filter(lambda words: "\x1b" not in words))
def test_a_gsm_text_needs_no_advice(words: str) -> None:
    assert text.transliterate(words) == words
    assert text.advice(words).forcing == ()
