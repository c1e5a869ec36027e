"""How a text may be spelt so that it needs fewer parts: marks and signs that a reader does not miss are left out.

Knows: what a reader takes as the same, what either spelling costs. Never knows: languages, prices, recipients.
3GPP TS 23.038 (GSM 03.38) §6.2.1 for the alphabet to be reached.
"""

import unicodedata
from typing import NamedTuple

from gateway.smpp.text import GSM_CHARACTERS, PLAIN, Count, Way, count

# What a reader takes as the same, where Unicode's decomposition gives no answer
_SAME = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "´": "'", "`": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
    "…": "...", "•": "-", "·": ".", "œ": "oe", "Œ": "OE", "ç": "c", "ẞ": "ß",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\t": " ", "\u200b": "", "\u00ad": "",
    "×": "x", "°": "o", "→": "->", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
}  # fmt: skip


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


def transliterate(text: str) -> str:
    """The text with every character that forces UCS-2 replaced by what a reader takes as the same, if any."""
    return "".join(char if char in GSM_CHARACTERS else _plain(char) for char in unicodedata.normalize("NFC", text))


def advice(text: str, way: Way = PLAIN) -> Advice:
    """What this text costs, why, and what a spelling in the GSM alphabet would cost."""
    forcing = tuple(dict.fromkeys(char for char in text if char not in GSM_CHARACTERS))
    suggestion = transliterate(text)
    return Advice(count(text, way), forcing, suggestion, count(suggestion, way))


def _plain(char: str) -> str:
    """A spelling of one character in the GSM alphabet, or the character itself when there is none."""
    for candidate in (_SAME.get(char), _without_marks(char)):
        if candidate is not None and GSM_CHARACTERS.issuperset(candidate):
            return candidate
    return char


def _without_marks(char: str) -> str | None:
    kept = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    return kept or None
