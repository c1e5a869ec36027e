"""Text of an SMS: GSM 03.38 or UCS-2, cut into parts, counted before it is sent, with advice how to need fewer.

Knows: the default alphabet with its extension, UCS-2, concatenation headers.
Never knows: languages, prices, recipients.
3GPP TS 23.038 (GSM 03.38) §6.2.1 and §6.2.3; 3GPP TS 23.040 §9.2.3.24 for concatenation.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from gateway.smpp import pdu

MAX_PARTS = 255
_ESCAPE = 0x1B

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
_TO_GSM: dict[str, bytes] = {
    **{char: bytes((code,)) for code, char in enumerate(_DEFAULT) if code != _ESCAPE},
    **{char: bytes((_ESCAPE, code)) for char, code in _EXTENSION.items()},
}
_FROM_EXTENSION = {code: char for char, code in _EXTENSION.items()}
GSM_CHARACTERS = frozenset(_TO_GSM)

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")

# What a reader takes as the same, where Unicode's decomposition gives no answer
_SAME = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "´": "'", "`": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
    "…": "...", "•": "-", "·": ".", "œ": "oe", "Œ": "OE", "ç": "c", "ẞ": "ß",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\t": " ", "\u200b": "", "\u00ad": "",
    "×": "x", "°": "o", "→": "->", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
}  # fmt: skip


class Encoding(Enum):
    """The alphabet of a text; the value is its data_coding. SMPP 3.4 §5.2.19."""

    GSM = 0x00
    UCS2 = 0x08


class Count(NamedTuple):
    """How a text will travel: alphabet, parts, and units used (septets or 16-bit units, without headers)."""

    encoding: Encoding
    parts: int
    units: int


class Part(NamedTuple):
    """One short_message ready for a template."""

    data_coding: int
    esm_class: int
    payload: bytes


class Advice(NamedTuple):
    """What a text costs as it is, which characters force UCS-2, and what the suggested spelling would cost."""

    needs: Count
    forcing: tuple[str, ...]
    suggestion: str
    suggested: Count

    @property
    def saves_parts(self) -> int:
        """Parts saved for each recipient by taking the suggestion."""
        return self.needs.parts - self.suggested.parts


class _Sizes(NamedTuple):
    """Units in a message of one part, and in a part with an 8-bit or a 16-bit reference."""

    single: int
    narrow: int
    wide: int


# 3GPP TS 23.040 §9.2.3.24.1 and §9.2.3.24.8: 140 octets less a header of 6 or 7
_SIZES = {Encoding.GSM: _Sizes(160, 153, 152), Encoding.UCS2: _Sizes(70, 67, 66)}


def clean(text: str) -> str:
    """The text without control characters; every kind of line end becomes a line feed."""
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " "))


def encoding_of(text: str) -> Encoding:
    """GSM when every character is in the default alphabet or its extension, else UCS-2."""
    return Encoding.GSM if GSM_CHARACTERS.issuperset(text) else Encoding.UCS2


def count(text: str, *, wide_reference: bool = False) -> Count:
    """Alphabet, parts and units of a text, exactly as `encode` will cut it."""
    encoding = encoding_of(text)
    cut = _pieces(text, encoding, wide_reference)
    return Count(encoding, len(cut), sum(len(piece) for piece in cut) // _unit_bytes(encoding))


def encode(text: str, reference: int = 0, *, wide_reference: bool = False) -> tuple[Part, ...]:
    """The parts of a text. `reference` is the same in all parts of one message and should differ between messages
    to one phone. More than 255 parts raise ValueError."""
    encoding = encoding_of(text)
    cut = _pieces(text, encoding, wide_reference)
    if len(cut) > MAX_PARTS:
        raise ValueError("the text needs more than 255 parts")
    if len(cut) == 1:
        return (Part(encoding.value, 0, cut[0]),)
    heads = (_header(reference, len(cut), number, wide=wide_reference) for number in range(1, len(cut) + 1))
    return tuple(Part(encoding.value, pdu.ESM_UDHI, head + piece) for head, piece in zip(heads, cut, strict=True))


def decode(payload: bytes, data_coding: int) -> str:
    """Text of a payload without header; what can not be read becomes U+FFFD. For receipts, replies and simulators."""
    match data_coding & 0x0C if data_coding < 0x10 else data_coding:
        case 0x08:
            return payload.decode("utf-16-be", "replace")
        case 0x00 if data_coding in {0x00, 0x10}:
            return "".join(_gsm_characters(payload))
        case _:
            return payload.decode("latin-1")


def split_header(payload: bytes, esm_class: int) -> tuple[tuple[int, int, int] | None, bytes]:
    """(reference, total, number) of a part, or None when it is no part, and the payload behind the header."""
    if not esm_class & pdu.ESM_UDHI or not payload:
        return None, payload
    end = 1 + payload[0]
    header, body = payload[1:end], payload[end:]
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if kind == 0x00 and len(value) == 3:  # 3GPP TS 23.040 §9.2.3.24.1
            return (value[0], value[1], value[2]), body
        if kind == 0x08 and len(value) == 4:  # 3GPP TS 23.040 §9.2.3.24.8
            return (value[0] << 8 | value[1], value[2], value[3]), body
        at += 2 + length
    return None, body


def transliterate(text: str) -> str:
    """The text with every character that forces UCS-2 replaced by what a reader takes as the same, if any."""
    return "".join(char if char in GSM_CHARACTERS else _plain(char) for char in unicodedata.normalize("NFC", text))


def advice(text: str) -> Advice:
    """What this text costs, why, and what a spelling in the GSM alphabet would cost."""
    forcing = tuple(dict.fromkeys(char for char in text if char not in GSM_CHARACTERS))
    suggestion = transliterate(text)
    return Advice(count(text), forcing, suggestion, count(suggestion))


def _unit_bytes(encoding: Encoding) -> int:
    return 1 if encoding is Encoding.GSM else 2


def _pieces(text: str, encoding: Encoding, wide: bool) -> list[bytes]:
    """Encoded text, cut where a cut is allowed: never inside an escape pair or a surrogate pair."""
    sizes = _SIZES[encoding]
    unit = _unit_bytes(encoding)
    encoded = _to_bytes(text, encoding)
    if len(encoded) <= sizes.single * unit:
        return [encoded]
    room = (sizes.wide if wide else sizes.narrow) * unit
    cut: list[bytes] = []
    at = 0
    while at < len(encoded):
        end = min(at + room, len(encoded))
        if end < len(encoded) and _opens_pair(encoded, end - unit, encoding):
            end -= unit
        cut.append(encoded[at:end])
        at = end
    return cut


def _to_bytes(text: str, encoding: Encoding) -> bytes:
    if encoding is Encoding.GSM:
        return b"".join([_TO_GSM[char] for char in text])
    return text.encode("utf-16-be", "replace")


def _opens_pair(encoded: bytes, at: int, encoding: Encoding) -> bool:
    """True when the unit at `at` belongs together with the next one."""
    if encoding is Encoding.GSM:
        return encoded[at] == _ESCAPE
    return 0xD8 <= encoded[at] <= 0xDB


def _header(reference: int, total: int, number: int, *, wide: bool) -> bytes:
    """The concatenation header with its length octet."""
    if wide:  # 3GPP TS 23.040 §9.2.3.24.8
        return bytes((6, 8, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number))
    return bytes((5, 0, 3, reference & 0xFF, total, number))  # 3GPP TS 23.040 §9.2.3.24.1


def _gsm_characters(payload: bytes) -> Iterator[str]:
    escaped = False
    for octet in payload:
        if escaped:
            # 3GPP TS 23.038 §6.2.1.1: what the extension does not know is shown from the default alphabet
            yield _FROM_EXTENSION.get(octet) or _default_character(octet)
            escaped = False
        elif octet == _ESCAPE:
            escaped = True
        else:
            yield _default_character(octet)


def _default_character(octet: int) -> str:
    return _DEFAULT[octet] if octet < len(_DEFAULT) and octet != _ESCAPE else "\ufffd"


def _plain(char: str) -> str:
    """A spelling of one character in the GSM alphabet, or the character itself when there is none."""
    for candidate in (_SAME.get(char), _without_marks(char)):
        if candidate is not None and GSM_CHARACTERS.issuperset(candidate):
            return candidate
    return char


def _without_marks(char: str) -> str | None:
    kept = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return kept or None
