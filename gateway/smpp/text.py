"""Text of an SMS: GSM 03.38 (default or national) or UCS-2, cut into parts as they travel, counted as they are cut.

Knows: how much a part holds, how parts are tied together: header, sar_* parameters or message_payload.
Never knows: languages of people, prices, recipients.
3GPP TS 23.038 (GSM 03.38) §6.2.1 and §6.2.3; 3GPP TS 23.040 §9.2.3.24; SMPP 3.4 §5.3.2.22 to §5.3.2.24 and §5.3.2.32.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from gateway.smpp import alphabet, header, pdu, tlv
from gateway.smpp.alphabet import ESCAPE, Alphabet
from gateway.smpp.header import Header
from gateway.smpp.national import Language

MAX_PARTS = 255
GSM_CHARACTERS = frozenset(alphabet.DEFAULT.codes)

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")


class Encoding(Enum):
    """The alphabet of a text; the value is its data_coding. SMPP 3.4 §5.2.19."""

    GSM = 0x00
    UCS2 = 0x08


class Carriage(Enum):
    """What ties the parts of a long message together, as a provider wants it."""

    HEADER = "header"  # 3GPP TS 23.040 §9.2.3.24: we cut and write the header
    SAR = "sar"  # SMPP 3.4 §5.3.2.22: we cut, the peer writes the header
    PAYLOAD = "payload"  # SMPP 3.4 §5.3.2.32: the peer cuts


class Way(NamedTuple):
    """How one provider takes long texts and which national tables it passes on."""

    carriage: Carriage = Carriage.HEADER
    wide_reference: bool = False
    languages: tuple[Language, ...] = ()


PLAIN = Way()


class Count(NamedTuple):
    """How a text will travel: alphabet, parts, and units used (septets or 16-bit units, without headers)."""

    encoding: Encoding
    parts: int
    units: int


class Part(NamedTuple):
    """One short_message ready for a template; `tlvs` go with it."""

    data_coding: int
    esm_class: int
    payload: bytes
    tlvs: tuple[tuple[int, bytes], ...] = ()


class _Cut(NamedTuple):
    """A text in one alphabet, cut where parts end; `tables` are those that each part has to name."""

    encoding: Encoding
    pieces: tuple[bytes, ...]
    tables: Header

    @property
    def units(self) -> int:
        return sum(map(len, self.pieces)) // _UNIT_BYTES[self.encoding]


# 3GPP TS 23.038 §6.2: 160 septets, or 140 octets
_UNIT_BYTES = {Encoding.GSM: 1, Encoding.UCS2: 2}


def clean(text: str) -> str:
    """The text without control characters; every kind of line end becomes a line feed."""
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " "))


def encoding_of(text: str) -> Encoding:
    """GSM when every character is in the default alphabet or its extension, else UCS-2."""
    return Encoding.GSM if GSM_CHARACTERS.issuperset(text) else Encoding.UCS2


def count(text: str, way: Way = PLAIN) -> Count:
    """Alphabet, parts and units of a text, exactly as `encode` will cut it or as the peer has to."""
    cut = _best(text, way)
    return Count(cut.encoding, len(cut.pieces), cut.units)


def encode(text: str, reference: int = 0, way: Way = PLAIN) -> tuple[Part, ...]:
    """The messages that carry a text. `reference` is the same in all parts of one text and should differ between texts
    to one phone. More than 255 parts raise ValueError."""
    cut = _best(text, way)
    total = len(cut.pieces)
    if total > MAX_PARTS:
        raise ValueError("the text needs more than 255 parts")
    coding = cut.encoding.value
    if total > 1 and way.carriage is Carriage.PAYLOAD:
        # SMPP 3.4 §5.3.2.32: sm_length is 0 then
        return (Part(coding, 0, b"", ((tlv.MESSAGE_PAYLOAD, b"".join(cut.pieces)),)),)
    if total > 1 and way.carriage is Carriage.SAR:
        kept = reference & (0xFFFF if way.wide_reference else 0xFF)
        return tuple(Part(coding, 0, piece, _sar(kept, total, n)) for n, piece in enumerate(cut.pieces, 1))
    return tuple(_headed(cut, n, reference, wide=way.wide_reference) for n in range(total))


def decode(payload: bytes, data_coding: int, head: Header = header.NONE) -> str:
    """Text of a payload without its header; what can not be read becomes U+FFFD. For receipts, replies, simulators."""
    match data_coding & 0x0C if data_coding < 0x10 else data_coding:
        case 0x08:
            return payload.decode("utf-16-be", "replace")
        case 0x00 if data_coding in {0x00, 0x10}:
            return alphabet.of(head.locking, head.single).read(payload)
        case _:
            return payload.decode("latin-1")


def _headed(cut: _Cut, at: int, reference: int, *, wide: bool) -> Part:
    total = len(cut.pieces)
    head = header.write(
        cut.tables._replace(part=(reference, total, at + 1) if total > 1 else None),
        wide=wide,
    )
    return Part(cut.encoding.value, pdu.ESM_UDHI if head else 0, head + cut.pieces[at])


def _sar(reference: int, total: int, number: int) -> tuple[tuple[int, bytes], ...]:
    # SMPP 3.4 §5.3.2.22 to §5.3.2.24
    return (
        (tlv.SAR_MSG_REF_NUM, reference.to_bytes(2)),
        (tlv.SAR_TOTAL_SEGMENTS, bytes((total,))),
        (tlv.SAR_SEGMENT_SEQNUM, bytes((number,))),
    )


def _best(text: str, way: Way) -> _Cut:
    """The default alphabet where it suffices; a national one only where it saves parts over UCS-2, which every phone
    can show."""
    if GSM_CHARACTERS.issuperset(text):
        return _in_gsm(text, alphabet.DEFAULT, way)
    cuts = [_in_ucs2(text, way), *(_in_gsm(text, one, way) for one in _fitting(text, way))]
    return min(cuts, key=lambda cut: (len(cut.pieces), cut.encoding is Encoding.GSM, cut.units))


def _fitting(text: str, way: Way) -> Iterator[Alphabet]:
    """The national alphabets in which this text can be written. Only a header can name them."""
    if way.carriage is Carriage.HEADER:
        characters = set(text)
        for language in way.languages:
            yield from (one for one in alphabet.NATIONAL[language] if characters <= one.codes.keys())


def _in_gsm(text: str, written: Alphabet, way: Way) -> _Cut:
    tables = Header(locking=written.locking or 0, single=written.single or 0)
    named = bool(tables.locking) + bool(tables.single)
    # 3GPP TS 23.040 §9.2.3.24: the header fills up to a whole septet
    alone, part = (
        160 - (header.size(long=long, wide=way.wide_reference, tables=named) * 8 + 6) // 7 for long in (False, True)
    )
    return _Cut(Encoding.GSM, _pieces(written.write(text), alone, part, _opens_escape, 1), tables)


def _in_ucs2(text: str, way: Way) -> _Cut:
    part = (140 - header.size(long=True, wide=way.wide_reference, tables=0)) // 2 * 2
    encoded = text.encode("utf-16-be", "replace")
    return _Cut(Encoding.UCS2, _pieces(encoded, 140, part, _opens_surrogate, 2), header.NONE)


def _opens_escape(encoded: bytes, at: int) -> bool:
    return encoded[at] == ESCAPE


def _opens_surrogate(encoded: bytes, at: int) -> bool:
    return 0xD8 <= encoded[at] <= 0xDB


def _pieces(
    encoded: bytes, alone: int, room: int, opens_pair: Callable[[bytes, int], bool], unit: int
) -> tuple[bytes, ...]:
    """Cut where a cut is allowed: never inside an escape pair or a surrogate pair."""
    if len(encoded) <= alone:
        return (encoded,)
    cut: list[bytes] = []
    at = 0
    while at < len(encoded):
        end = min(at + room, len(encoded))
        if end < len(encoded) and opens_pair(encoded, end - unit):
            end -= unit
        cut.append(encoded[at:end])
        at = end
    return tuple(cut)
