"""Rules about text that people will read: no markup, no invisible characters that turn it round.

Knows: texts. Never knows: how they are shown. Standard: CAP 1.2 §3.3.3; Unicode UAX 9 (rules S38, S41).
"""

import re
import unicodedata
from collections.abc import Iterator

from gateway.cap.draft import Draft
from gateway.cap.findings import quoted
from gateway.cap.rules_message import Context, Mark

_MARKUP = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>|&(?:[A-Za-z]{2,8}|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides, isolates
# all but what most of Europe writes, where nothing is turned, controls, or can be put together
_UNUSUAL = re.compile("[^\u00a0-\u02ff\u2010-\u2027]")
_ASCII = bytes(range(128))
_CONTROL = re.compile("[\u0080-\u0084\u0086-\u009f\ufffe\uffff]")  # C1 but NEL; C0 can not stand in XML


def text_is_plain(draft: Draft, _: Context) -> Iterator[Mark]:
    """S38."""
    for leaf in draft.shown if "<" in draft.told or "&" in draft.told else ():
        if ("<" in leaf.text or "&" in leaf.text) and (found := _MARKUP.search(leaf.text)):
            yield (
                leaf,
                f"the text has {quoted(found.group())} in it, which people would read as it stands; write plain text",
            )


def text_reads_as_it_is_written(draft: Draft, _: Context) -> Iterator[Mark]:
    """S41: such characters are kept in the record and taken out of what is sent."""
    beyond_ascii = draft.told.encode().translate(None, _ASCII).decode()  # little is left of most texts to be looked at
    for leaf in draft.shown if _UNUSUAL.search(beyond_ascii) else ():
        if leaf.text.isascii():
            continue
        plain = leaf.text.isprintable()  # without any of them; quicker asked than found
        if not plain and _TURNING.search(leaf.text):
            yield leaf, "the text has characters that turn the direction of writing; they are taken out when it is sent"
        elif not plain and _CONTROL.search(leaf.text):
            yield leaf, "the text has control characters; they are taken out when it is sent"
        elif not unicodedata.is_normalized("NFC", leaf.text):
            yield leaf, "the text has letters and accents apart (not NFC); they are put together when it is sent"
