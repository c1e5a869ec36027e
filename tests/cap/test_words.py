import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cap import words


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("plp-centre", ("plp-centre",)),
        ('plp-centre "key actors"', ("plp-centre", "key actors")),
        ('"a"\n\t"b c"  d', ("a", "b c", "d")),
    ],
)
def test_items_stand_between_white_space_or_in_quotes(text: str, items: tuple[str, ...]) -> None:
    assert words.quoted_words(text) == words.Words(items)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"a b', "not closed"),
        ('a "b" "', "not closed"),
        ('""', "empty"),
        ('a "  " b', "empty"),
        ('"a""b"', "white space is missing"),
        ('a"b"', "white space is missing"),
        ("a " * (words.MOST_ITEMS + 1), "more than"),
    ],
)
def test_a_list_that_can_not_be_divided_says_why(text: str, said: str) -> None:
    assert said in words.quoted_words(text).problem


@given(st.lists(st.text(st.characters(exclude_characters='"', codec="utf-8"), min_size=1).filter(str.strip)))
def test_quoted_items_come_back_whatever_is_in_them(items: list[str]) -> None:
    assert words.quoted_words(" ".join(f'"{item}"' for item in items)).items == tuple(items)


@given(st.text())
def test_no_text_upsets_the_division(text: str) -> None:
    read = words.quoted_words(text)
    assert read.problem or all(item.strip() for item in read.items)


def test_a_reference_is_sender_identifier_and_time() -> None:
    (referral,) = words.references(" a@b,X-1,2026-03-01T10:00:00+01:00\n", "1.2")
    assert referral.reference is not None
    assert referral.reference.sender == "a@b"
    assert referral.reference.identifier == "X-1"
    assert referral.reference.sent_text == "2026-03-01T10:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("X-1", "not sender,identifier,sent"),
        ("a@b,X-1", "not sender,identifier,sent"),
        ("a@b,,2026-03-01T10:00:00+01:00", "not sender,identifier,sent"),
        ("a@b,X-1,yesterday", "not a date"),
        ("a@b,X-1,2026-03-01T10:00:00Z", "not a date"),
        ("a@b,X<1,2026-03-01T10:00:00+01:00", "identifier has a <"),
        ("a&b,X-1,2026-03-01T10:00:00+01:00", "sender has a &"),
    ],
)
def test_a_reference_that_can_not_be_read_says_why(text: str, said: str) -> None:
    (referral,) = words.references(text, "1.2")
    assert referral.reference is None
    assert said in referral.problem


def test_cap_1_0_names_identifier_and_sender() -> None:
    (referral,) = words.references("a/b-1/ops@x.example", "1.0")
    assert referral.reference is not None
    assert (referral.reference.identifier, referral.reference.sender) == ("a/b-1", "ops@x.example")
    assert referral.reference.sent is None
    assert words.references("only", "1.0")[0].problem
    assert words.references("a@b,X-1,2026-03-01T10:00:00+01:00", "1.0")[0].reference is not None


def test_lenient_reading_understands_a_slip_of_the_time_and_names_it() -> None:
    (referral,) = words.references("a@b,X-1,2026-03-01T10:00:00Z", "1.2", lenient=True)
    assert referral.reference is not None
    assert "Z" in referral.slip


def test_references_without_end_are_not_read() -> None:
    read = words.references("a,b,c " * 100_000, "1.2")
    assert len(read) == 1
    assert "100000" in read[0].problem


@pytest.mark.parametrize("text", ["", "  ", "a b", "a\u00a0b", "a,b", "a<b", "a&b", "a\n"])
def test_identifier_and_sender_are_one_plain_word(text: str) -> None:
    assert words.token_problem(text)


@pytest.mark.parametrize("text", ["BE-GW-2026-000001", "urn:oid:2.49.0.1.56.0", "ops@crisis.example.be", "é/ä_1"])
def test_a_plain_word_has_no_problem(text: str) -> None:
    assert words.token_problem(text) == ""
