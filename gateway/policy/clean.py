"""Foreign text made fit to leave: visible characters only, and speech without web addresses spelt out.

Knows: Unicode's invisible and reordering characters, language tags, what a URL looks like.
Never knows: alerts, channels. RFC 5646 §2.1 for language tags; the archive keeps what was received.
"""

import re
import unicodedata

from gateway.policy.words import TWO_LETTERS, Words

INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
"""Controls, bidirectional controls, characters without width: they may hide or reorder what is read."""

_LINE_ENDS = re.compile(r"\r\n?|[\u0085\u2028\u2029]")
_GAPS = re.compile(r"\n{3,}")
_PRIMARY = re.compile(r"[a-z]{2,8}")
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,6}")
_URL = re.compile(
    r"(?<![\w@.])(?:https?://|www\.)([^\s/?#:<>\"'()\[\]]{1,255})([^\s<>\"()\[\]]{0,2000})", re.IGNORECASE
)
_HOST = re.compile(r"[^\W_]{2,24}(?:[.-][^\W_]{2,24}){1,3}")


def cleaned(text: str) -> str:
    """The text as it may leave: NFC, line feeds only, nothing invisible, no space around lines or doubled."""
    plain = unicodedata.normalize("NFC", INVISIBLE.sub("", _LINE_ENDS.sub("\n", text)))
    lines = "\n".join(" ".join(line.split()) for line in plain.split("\n"))
    return _GAPS.sub("\n\n", lines).strip()


def one_line(text: str) -> str:
    """The same, with every line end a space."""
    return " ".join(cleaned(text).split())


def language_of(tag: str) -> str:
    """The two-letter language of a tag ("fr-BE", "FRA" -> "fr"); what is no tag counts as English."""
    primary = tag.strip().lower().replace("_", "-").split("-")[0]
    if not _PRIMARY.fullmatch(primary):
        return "en"  # CAP 1.2 §3.2.2: an absent language is en-US
    return TWO_LETTERS.get(primary, primary)


def tag_of(tag: str) -> str:
    """The tag as HTML may carry it."""
    return tag if _TAG.fullmatch(tag) else language_of(tag)


def spoken(text: str, words: Words) -> str:
    """The text for a voice: of a web address only its host, dots read as words; none of it when it can not be read."""
    return _URL.sub(lambda found: _read_aloud(found[1], found[2], words), text)


def _read_aloud(host: str, rest: str, words: Words) -> str:
    name = host.rstrip(".,;!?").lower().removeprefix("www.")
    ends = re.search(r"[.,;!?]+$", rest or host)
    said = name.replace(".", f" {words.dot} ") if _HOST.fullmatch(name) else words.website
    return said + (ends[0] if ends else "")
