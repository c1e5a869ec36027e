"""The text of an SMS: alphabets, cuts, counts, advice. smpplib's encoder is the oracle where it is right.

Known faults of smpplib 2.2.4's gsm module, and therefore not compared: the backtick becomes a section sign; section
sign and form feed are not found; a cut may fall inside an escape pair or a surrogate pair.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import gsm as oracle

from gateway.smpp import alphabet, header, text, tlv
from gateway.smpp.national import Language
from gateway.smpp.text import Carriage, Encoding, Way

gsm_text = st.text(sorted(text.GSM_CHARACTERS), max_size=1_000)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)


def whole(parts: tuple[text.Part, ...]) -> str:
    """The parts as a telephone shows them."""
    bodies = [header.split(part.payload, part.esm_class)[1] for part in parts]
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
    parts = text.encode(words, reference, Way(wide_reference=wide))
    assert whole(parts) == words


@given(gsm_text | any_text, st.booleans())
def test_the_count_is_what_encode_does(words: str, wide: bool) -> None:
    counted = text.count(words, Way(wide_reference=wide))
    parts = text.encode(words, way=Way(wide_reference=wide))
    assert counted.parts == len(parts)
    assert {part.data_coding for part in parts} == {counted.encoding.value}


@given(gsm_text | any_text, st.booleans())
def test_no_part_is_longer_than_140_octets_on_the_air_and_none_opens_a_pair(words: str, wide: bool) -> None:
    for part in text.encode(words, way=Way(wide_reference=wide)):
        head, body = header.split(part.payload, part.esm_class)
        header_octets = len(part.payload) - len(body)
        if part.data_coding == 8:
            assert header_octets + len(body) <= 140
            body.decode("utf-16-be")  # a lone surrogate would raise
        else:
            assert (header_octets * 8 + 6) // 7 + len(body) <= 160
            assert not body.endswith(b"\x1b")
        assert (head.part is None) == (part.esm_class == 0)


@given(gsm_text | any_text)
def test_no_part_could_have_taken_another_character(words: str) -> None:
    parts = text.encode(words)
    room = 153 if parts[0].data_coding == 0 else 134
    rest = words
    for part in parts[:-1]:
        _, body = header.split(part.payload, part.esm_class)
        rest = rest[len(text.decode(body, part.data_coding)) :]
        assert len(body) + len(text.encode(rest[0])[0].payload) > room


@given(st.integers(0, 0xFFFF), st.booleans())
def test_parts_carry_reference_total_and_number(reference: int, wide: bool) -> None:
    parts = text.encode("x" * 400, reference, Way(wide_reference=wide))
    heads = [header.split(part.payload, part.esm_class)[0].part for part in parts]
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
    _, body = header.split(payload, esm_class)
    assert isinstance(text.decode(body, data_coding), str)


def test_control_characters_are_removed_and_line_ends_are_one() -> None:
    assert text.clean("a\x00b\x1bc\r\nd\re\u2028f\tg\x9b") == "abc\nd\ne\nf g"


@given(any_text)
def test_a_cleaned_text_has_no_control_character_and_is_clean(words: str) -> None:
    cleaned = text.clean(words)
    assert text.clean(cleaned) == cleaned
    assert not any(ord(char) < 32 and char != "\n" for char in cleaned)


# national tables, sar_* parameters, message_payload

LANGUAGES = [*Language]
national_text = st.sampled_from(LANGUAGES).flatmap(
    lambda language: st.text(sorted(alphabet.NATIONAL[language][-1].codes), max_size=500)
)


@given(national_text, st.integers(0, 0xFFFF), st.booleans())
def test_a_national_text_is_joined_again_and_counted_as_it_is_cut(words: str, reference: int, wide: bool) -> None:
    way = Way(wide_reference=wide, languages=tuple(LANGUAGES))
    parts = text.encode(words, reference, way)
    assert len(parts) == text.count(words, way).parts <= text.count(words).parts
    split = [header.split(part.payload, part.esm_class) for part in parts]
    assert "".join(text.decode(body, parts[0].data_coding, head) for head, body in split) == words
    for part, (_, body) in zip(parts, split, strict=True):
        if part.data_coding == 0:
            assert ((len(part.payload) - len(body)) * 8 + 6) // 7 + len(body) <= 160
            assert not body.endswith(b"\x1b")


@pytest.mark.parametrize(
    ("words", "languages", "parts", "coding"),
    [
        ("ş" * 77, (Language.TURKISH,), 1, 0),  # by single shift: 2 septets each, 155 in all
        ("ş" * 152, (Language.TURKISH,), 1, 0),  # by locking shift: 1 septet each
        ("ş" * 156, (Language.TURKISH,), 2, 0),
        ("ş" * 70, (Language.TURKISH,), 1, 8),  # UCS-2 is enough: every phone can show it
        ("ş" * 77, (Language.SPANISH,), 2, 8),
        ("ã" * 300, (Language.TURKISH, Language.PORTUGUESE), 3, 0),
        ("a" * 160, (Language.TURKISH,), 1, 0),
        ("मौसम " * 25, (Language.HINDI,), 1, 0),
    ],
)
def test_a_national_table_is_used_where_it_saves_parts_and_nowhere_else(
    words: str, languages: tuple[Language, ...], parts: int, coding: int
) -> None:
    made = text.encode(words, way=Way(languages=languages))
    assert (len(made), made[0].data_coding) == (parts, coding)


@given(gsm_text | any_text, st.integers(0, 0xFFFF), st.booleans())
def test_with_sar_the_text_is_whole_without_any_header(words: str, reference: int, wide: bool) -> None:
    way = Way(Carriage.SAR, wide)
    parts = text.encode(words, reference, way)
    assert len(parts) == text.count(words, way).parts
    assert {part.esm_class for part in parts} == {0}
    assert "".join(text.decode(part.payload, part.data_coding) for part in parts) == words
    if len(parts) > 1:
        kept = reference & (0xFFFF if wide else 0xFF)
        for number, part in enumerate(parts, 1):
            assert dict(part.tlvs) == {
                tlv.SAR_MSG_REF_NUM: kept.to_bytes(2),
                tlv.SAR_TOTAL_SEGMENTS: bytes((len(parts),)),
                tlv.SAR_SEGMENT_SEQNUM: bytes((number,)),
            }


@given(gsm_text | any_text)
def test_with_message_payload_one_message_carries_all_and_counts_as_the_parts_it_becomes(words: str) -> None:
    way = Way(Carriage.PAYLOAD)
    (part,) = text.encode(words, way=way)
    counted = text.count(words, way)
    carried = dict(part.tlvs).get(tlv.MESSAGE_PAYLOAD, part.payload)
    assert text.decode(carried, part.data_coding) == words
    assert counted == text.count(words)
    assert (part.payload == b"") == (counted.parts > 1 or words == "")
