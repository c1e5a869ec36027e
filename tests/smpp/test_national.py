"""The national language tables, with gsmcodecs (made from the standard's own tables) as the independent oracle."""

import gsmcodecs
import pytest

from gateway.smpp.national import LOCKING, SINGLE, VOID, Language

ESCAPE = b"\x1b"


def theirs(language: int, code: int, *, shifted: bool) -> str:
    """gsmcodecs' character, VOID where it has none."""
    assert gsmcodecs is not None  # importing it makes the codecs known
    name = f"gsm23.038-0-{language}" if shifted else f"gsm23.038-{language}-0"
    octets = ESCAPE + bytes((code,)) if shifted else bytes((code,))
    try:
        return octets.decode(name)
    except UnicodeDecodeError:
        return VOID


@pytest.mark.parametrize("language", LOCKING)
def test_a_locking_table_has_the_standards_character_at_every_code(language: Language) -> None:
    table = LOCKING[language]
    assert len(table) == 128
    codes = [code for code in range(128) if code != 0x1B]
    assert [table[code] for code in codes] == [theirs(language, code, shifted=False) for code in codes]


@pytest.mark.parametrize("language", Language)
def test_a_single_shift_table_has_the_standards_character_at_every_code(language: Language) -> None:
    table = SINGLE[language].ljust(128, VOID)
    codes = [code for code in range(128) if code != 0x1B]
    assert [table[code] for code in codes] == [theirs(language, code, shifted=True) for code in codes]


def test_spanish_alone_has_no_locking_table() -> None:
    assert set(Language) - set(LOCKING) == {Language.SPANISH}


@pytest.mark.parametrize(
    ("language", "code", "char"),
    [
        (Language.TURKISH, 0x47, "Ğ"), (Language.TURKISH, 0x69, "ı"), (Language.TURKISH, 0x73, "ş"),
        (Language.SPANISH, 0x09, "ç"), (Language.SPANISH, 0x69, "í"), (Language.SPANISH, 0x65, "€"),
        (Language.PORTUGUESE, 0x05, "ê"), (Language.PORTUGUESE, 0x7B, "ã"), (Language.PORTUGUESE, 0x65, "€"),
        (Language.HINDI, 0x1C, "०"), (Language.URDU, 0x1C, "۰"),
    ],
)  # fmt: skip
def test_characters_stand_behind_the_escape_where_the_standard_puts_them(
    language: Language, code: int, char: str
) -> None:
    assert SINGLE[language][code] == char
