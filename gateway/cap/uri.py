"""Is a text an absolute URI, and one that a browser may be sent to?

Knows: the general form of URIs. Never knows: the network. Standard: RFC 3986 §3, §4.3; CAP 1.2 §3.2.2, §3.2.3.
"""

import re

from gateway.cap.findings import quoted

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]*):(.*)", re.ASCII | re.DOTALL)  # no dot: www.example.be:80 is no scheme
_FORBIDDEN = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f\x7f]")
_HOST = re.compile(r"//[^/?#]+")
_USUAL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~:/?#&=%+,;@!$()*'-]*")  # nothing below has a word against it
_WITH_HOST = frozenset({"http", "https", "ftp", "ftps"})


def problem(text: str) -> str:
    """Why the text is no absolute URI, as the end of a sentence; "" when it is one."""
    if _USUAL.fullmatch(text):
        return ""
    found = _FORBIDDEN.search(text)
    if found:
        return f"{quoted(text)} has a character that no URI may have ({quoted(found.group())}); write it as %XX"
    parts = _SCHEME.fullmatch(text)
    if parts is None:
        return f"{quoted(text)} is not a full URI; write all of it, such as https://example.be/alerts"
    scheme, rest = parts.groups()
    if scheme.lower() in _WITH_HOST and not _HOST.match(rest):
        return f"{quoted(text)} names no host; write all of it, such as https://example.be/alerts"
    return "" if rest else f"{quoted(text)} ends after its scheme"


def is_web(text: str) -> bool:
    """Whether this is an http or https address."""
    return text.lower().startswith(("http://", "https://"))
