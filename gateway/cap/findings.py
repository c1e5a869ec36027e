"""What a check has to say: one finding is one sentence about one place in a document.

Knows: how a finding is written down and which three weights there are.
Never knows: the rules themselves.
"""

from typing import Literal, NamedTuple

Weight = Literal["error", "warning", "policy"]
"""error: the document is refused; warning: accepted, and said; policy: the standard leaves it to who receives."""


class Finding(NamedTuple):
    """`element` is a path such as alert/info[2]/area[1]; `message` says what is wrong and what would be right."""

    id: str
    severity: Weight
    line: int | None
    element: str
    message: str
    clause: str


def error(rule: str, message: str, clause: str, *, line: int | None = None, element: str = "alert") -> Finding:
    """A finding that refuses the document."""
    return Finding(rule, "error", line, element, message, clause)


def warning(rule: str, message: str, clause: str, *, line: int | None = None, element: str = "alert") -> Finding:
    """A finding that is said and lets the document pass."""
    return Finding(rule, "warning", line, element, message, clause)


def quoted(text: str, length: int = 60) -> str:
    """The text as it may stand inside a message: one line, no control characters, no longer than `length`."""
    line = "".join(c if c.isprintable() else " " for c in text[: length + 1])
    return f'"{line}"' if len(text) <= length else f'"{line[:length]}..."'
