"""The GSM alphabet in septets, one octet each: the default one with its extension, and its national variants.

Knows: which character is which code, with or without an escape. Never knows: parts, headers, providers.
3GPP TS 23.038 (GSM 03.38) §6.2.1 and Annex A.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.smpp.national import LOCKING, SINGLE, VOID, Language

ESCAPE = 0x1B

# 3GPP TS 23.038 §6.2.1: the default alphabet in the order of its codes; 0x1B (escape) is no character
_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
# 3GPP TS 23.038 §6.2.1.1: what follows an escape
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_EXTENSION_ROW = "".join({code: char for char, code in _EXTENSION.items()}.get(code, VOID) for code in range(128))


class Alphabet(NamedTuple):
    """One way of writing: which tables take the place of the default ones, and both directions of the writing."""

    locking: Language | None
    single: Language | None
    codes: Mapping[str, bytes]
    plain: str
    escaped: str

    def write(self, text: str) -> bytes:
        """One octet per septet. A character that is not in the alphabet raises KeyError."""
        codes = self.codes
        return b"".join([codes[char] for char in text])

    def read(self, septets: bytes) -> str:
        """What the octets say; U+FFFD for what no table knows."""
        return "".join(self._characters(septets))

    def _characters(self, septets: bytes) -> Iterator[str]:
        escaped = False
        for octet in septets:
            if escaped:
                # 3GPP TS 23.038 §6.2.1.1: what the extension does not know is shown from the main table
                yield _at(self.escaped, octet) or _at(self.plain, octet) or "\ufffd"
                escaped = False
            elif octet == ESCAPE:
                escaped = True
            else:
                yield _at(self.plain, octet) or "\ufffd"


def _at(table: str, code: int) -> str:
    """The character of a code, or nothing."""
    char = table[code] if code < len(table) and code != ESCAPE else VOID
    return "" if char == VOID else char


def _alphabet(locking: Language | None, single: Language | None) -> Alphabet:
    plain = _DEFAULT if locking is None else LOCKING[locking]
    escaped = _EXTENSION_ROW if single is None else SINGLE[single]
    codes = {_at(escaped, code): bytes((ESCAPE, code)) for code in range(128)}
    codes |= {_at(plain, code): bytes((code,)) for code in range(128)}  # one septet where there is a choice
    codes.pop("", None)
    return Alphabet(locking, single, codes, plain, escaped)


DEFAULT = _alphabet(None, None)
# 3GPP TS 23.038 §6.2.1.2: by single shift, by locking shift, or by both
NATIONAL: Mapping[Language, tuple[Alphabet, ...]] = {
    language: (
        _alphabet(None, language),
        *((_alphabet(language, None), _alphabet(language, language)) if language in LOCKING else ()),
    )
    for language in Language
}


def of(locking: int, single: int) -> Alphabet:
    """The alphabet that a header's identifiers name; one that nobody knows counts as the default."""
    # 3GPP TS 23.040 §9.2.3.24.15: a receiver without the table uses the default one
    return _alphabet(_language(locking, LOCKING), _language(single, SINGLE)) if locking or single else DEFAULT


def _language(identifier: int, tables: Mapping[Language, str]) -> Language | None:
    return next((language for language in tables if language == identifier), None)
