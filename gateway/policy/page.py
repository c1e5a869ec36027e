"""An alert as an e-mail: subject, plain text, and HTML that reads well aloud, enlarged, and without any remote content.

Knows: the order of what is said, RFC 5646 language tags in HTML, escaping.
Never knows: CAP documents, channels, headers of e-mails, recipients. Every text it is given is already cleaned.
"""

from collections.abc import Iterator
from html import escape
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


def html_text(notice: Notice, title: str) -> str:
    """The text/html body: one page with headings, its language, and no picture, script or remote style."""
    direction = ' dir="rtl"' if notice.language in RIGHT_TO_LEFT else ""
    return "".join((
        f'<!DOCTYPE html>\n<html lang="{escape(notice.tag)}"{direction}>\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<title>{escape(title)}</title>\n</head>\n<body style="{_STYLE}">\n<main>\n',
        *_main(notice),
        "</main>\n</body>\n</html>\n",
    ))  # fmt: skip


def _main(notice: Notice) -> Iterator[str]:
    words = notice.words
    marks = "".join(f"<p><strong>{escape(mark)}</strong></p>\n" for mark in notice.marks)
    yield f"{marks}<h1>{_inline(_heading(notice))}</h1>\n"
    yield _list(notice.facts, words)
    yield _paragraphs(notice.description)
    if notice.instruction:
        yield f"<h2>{escape(words.to_do)}</h2>\n{_paragraphs(notice.instruction)}"
    if notice.until:
        yield f"<p><strong>{escape(notice.until)}</strong></p>\n"
    yield _list(tuple(_ways_on(notice)), words)
    yield marks


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
