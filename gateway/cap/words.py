"""The lists that CAP packs into one element: references, addresses, incidents.

Knows: how each list is divided and quoted in each version. Never knows: XML, who is meant.
Standard: CAP 1.2 §3.2.1 (addresses, references, incidents); CAP 1.0 §3.2.1 (references).
"""

import re
from typing import NamedTuple

from gateway.cap import dates
from gateway.cap.findings import quoted
from gateway.cap.model import CapReference, Version

_TOKEN = re.compile(r'"([^"]*)"|([^\s"]+)')
MOST_ITEMS = 1_000
"""How many items one list may hold."""

_FORBIDDEN = re.compile(r"[\s,<&]")


class Words(NamedTuple):
    """The items of a list, and in `problem` the first reason why it can not be divided, or ""."""

    items: tuple[str, ...]
    problem: str = ""


NONE = Words(())


def quoted_words(text: str) -> Words:
    """Items between white space; an item with white space inside stands in double quotes."""
    if not text:
        return NONE
    # CAP 1.2 §3.2.1
    if text.count('"') % 2:
        return Words((), 'a double quote is opened and not closed; write "name with spaces" in two quotes')
    if len(text.split()) > MOST_ITEMS:
        return Words((), f"there are more than {MOST_ITEMS} items")
    items: list[str] = []
    last = 0
    for found in _TOKEN.finditer(text):
        if found.start() and found.start() == last:
            return Words(tuple(items), f"white space is missing before {quoted(found.group())}")
        item = found.group(1) if found.group(2) is None else found.group(2)
        if not item.strip():
            return Words(tuple(items), 'an item is empty (""); leave it out or name it')
        items.append(item)
        last = found.end()
    return Words(tuple(items))


class Referral(NamedTuple):
    """One item of references as written, with what it names or the reason why it names nothing."""

    text: str
    reference: CapReference | None
    problem: str = ""
    slip: str = ""


def references(text: str, version: Version, *, lenient: bool = False) -> list[Referral]:
    """The items of a references element, divided by any white space."""
    read = _old_reference if version == "1.0" else _triple
    items = text.split()
    if len(items) > MOST_ITEMS:
        return [Referral("", None, f"there are {len(items)} of them, more than the {MOST_ITEMS} that are read")]
    return [read(item, lenient=lenient) for item in items]


def token_problem(text: str) -> str:
    """Why the text can not be an identifier or a sender, or ""."""
    # CAP 1.2 §3.2.1: no spaces, commas or restricted characters (< and &)
    if not text.strip():
        return "is empty; give it a value"
    found = _FORBIDDEN.search(text)
    if found is None:
        return ""
    name = {",": "a comma", "<": "a <", "&": "a &"}.get(found.group(), "white space")
    return f"has {name} in it: {quoted(text)}; use letters, digits and . - _ : @ / only"


def _triple(item: str, *, lenient: bool) -> Referral:
    parts = item.split(",")
    if len(parts) != 3 or not all(parts):
        return Referral(item, None, f"{quoted(item)} is not sender,identifier,sent")
    sender, identifier, sent = parts
    for name, part in (("sender", sender), ("identifier", identifier)):
        if problem := token_problem(part):
            return Referral(item, None, f"the {name} {problem}")
    at, slip = dates.read_leniently(sent) if lenient else (dates.read(sent), "")
    if at is None:
        return Referral(item, None, f"{quoted(sent)} in {quoted(item)} is not a date and time like {EXAMPLE_DATE}")
    return Referral(item, CapReference(sender=sender, identifier=identifier, sent=at, sent_text=sent), "", slip)


def _old_reference(item: str, *, lenient: bool) -> Referral:
    """CAP 1.0 wrote identifier/sender; the later form is understood, too."""
    # CAP 1.0 §3.2.1
    if item.count(",") == 2:
        return _triple(item, lenient=lenient)
    identifier, _, sender = item.rpartition("/")
    if not identifier or not sender or "," in item:
        return Referral(item, None, f"{quoted(item)} is not identifier/sender")
    return Referral(item, CapReference(sender=sender, identifier=identifier))


EXAMPLE_DATE = "2026-03-01T10:00:00+01:00"
