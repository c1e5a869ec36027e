"""An alert as an e-mail: subject, plain text, and HTML that reads well aloud, enlarged, and without any remote content.

Knows: the order of what is said, RFC 5646 language tags in HTML, escaping.
Never knows: CAP documents, channels, headers of e-mails, recipients. Every text it is given is already cleaned.
"""

from collections.abc import Iterator
from html import escape
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.policy.notice import Notice
from gateway.policy.words import RIGHT_TO_LEFT, Words

_STYLE = "font-family:sans-serif;font-size:1.1em;line-height:1.5;max-width:40em;margin:1em auto;padding:0 1em"


def plain_text(notice: Notice) -> str:
    """The text/plain body; the marks stand at both ends."""
    words = notice.words
    marks = "\n".join(notice.marks)
    blocks = [marks, _heading(notice), _labelled(notice.facts, words), notice.description]
    if notice.instruction:
        blocks.append(f"{words.to_do}{words.colon}\n{notice.instruction}")
    blocks += [notice.until, _labelled(tuple(_ways_on(notice)), words), marks]
    return "\n\n".join(block for block in blocks if block) + "\n"


class Map(NamedTuple):
    """A picture that goes with the page: how the page names it, its size in pixels."""

    content_id: str
    width: int
    height: int


def html_text(notice: Notice, title: str, picture: Map | None = None) -> str:
    """The text/html body: one page with headings, its language, and no script or remote content."""
    direction = ' dir="rtl"' if notice.language in RIGHT_TO_LEFT else ""
    return "".join((
        f'<!DOCTYPE html>\n<html lang="{escape(notice.tag)}"{direction}>\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<title>{escape(title)}</title>\n</head>\n<body style="{_STYLE}">\n<main>\n',
        *_main(notice, picture),
        "</main>\n</body>\n</html>\n",
    ))  # fmt: skip


def _main(notice: Notice, picture: Map | None) -> Iterator[str]:
    words = notice.words
    marks = "".join(f"<p><strong>{escape(mark)}</strong></p>\n" for mark in notice.marks)
    yield f"{marks}<h1>{_inline(_heading(notice))}</h1>\n"
    yield _list(notice.facts, words)
    yield _picture(notice, picture) if picture is not None else ""
    yield _paragraphs(notice.description)
    if notice.instruction:
        yield f"<h2>{escape(words.to_do)}</h2>\n{_paragraphs(notice.instruction)}"
    if notice.until:
        yield f"<p><strong>{escape(notice.until)}</strong></p>\n"
    yield _list(tuple(_ways_on(notice)), words)
    yield marks


def _picture(notice: Notice, picture: Map) -> str:
    """A part of the same mail (RFC 2392), and what it shows in words."""
    shows = f"{notice.words.map}{notice.words.colon} {notice.area}" if notice.area else notice.words.map
    return (
        f'<p><img src="cid:{escape(picture.content_id)}" alt="{escape(shows)}" width="{picture.width}" '
        f'height="{picture.height}" style="max-width:100%;height:auto"></p>\n'
    )


def _ways_on(notice: Notice) -> Iterator[tuple[str, str]]:
    """Where to learn more, and who says it."""
    words = notice.words
    found = ((words.web, notice.web), (words.contact, notice.contact), (words.sender, notice.sender))
    return ((label, value) for label, value in found if value)


def _heading(notice: Notice) -> str:
    return notice.headline or notice.mark


def _labelled(facts: tuple[tuple[str, str], ...], words: Words) -> str:
    return "\n".join(f"{label}{words.colon} {value}" for label, value in facts)


def _list(facts: tuple[tuple[str, str], ...], words: Words) -> str:
    rows = (f"<dt><strong>{escape(label)}{words.colon}</strong></dt><dd>{_value(value)}</dd>" for label, value in facts)
    return "<dl>\n" + "\n".join(rows) + "\n</dl>\n" if facts else ""


def _value(value: str) -> str:
    """A web address becomes a link that is not followed by itself; anything else stays text."""
    if is_web_address(value):
        return f'<a href="{escape(value)}">{escape(value)}</a>'
    return _inline(value)


def is_web_address(value: str) -> bool:
    """True for an http(s) URL with a host and without spaces."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not any(map(str.isspace, value))
    except ValueError:
        return False


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(paragraph)}</p>\n" for paragraph in text.split("\n\n") if paragraph)


def _inline(text: str) -> str:
    return escape(text).replace("\n", "<br>\n")
