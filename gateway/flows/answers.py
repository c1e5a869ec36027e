"""What a flow answers: an HTTP status and a JSON body, problem+json from 400 on.

Knows: RFC 9457. Never knows: HTTP connections, what is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told: an HTTP status and a JSON body (problem+json from 400 on)."""

    status: int
    body: Mapping[str, Any]


def problem(status: int, reason: str, detail: str, **more: Any) -> Answer:
    """No, and why."""
    body = {
        "type": f"/docs#{reason}",
        "title": reason.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    return Answer(status=status, body=body | {"reason": reason} | more)
