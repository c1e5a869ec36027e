"""Which of two forms a client wants: CAP or JSON.

Knows: the header Accept. Never knows: what is answered.
Standard: RFC 9110 §12.5.1.
"""

from gateway.cap.feed import CAP_MEDIA_TYPE

_JSON = frozenset({"application/json", "application/problem+json"})
_MOST_RANGES = 50


def prefers_cap(accept: str, *, usually: bool) -> bool:
    """Whether the answer is to be CAP: when it is named and nothing is wanted more; `usually` when neither is named."""
    weights = dict(_weighed(part) for part in accept.lower().split(",")[:_MOST_RANGES])
    cap = weights.get(CAP_MEDIA_TYPE, 0.0)
    json = max((weight for name, weight in weights.items() if name in _JSON), default=0.0)
    if cap or json:
        return cap >= json
    return usually and CAP_MEDIA_TYPE not in weights


def _weighed(part: str) -> tuple[str, float]:
    """A media range and its weight; one that can not be read weighs nothing."""
    name, *parameters = (word.strip() for word in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            digits = value.strip()
            return name, float(digits) if digits.replace(".", "", 1).isdigit() and len(digits) <= 5 else 0.0
    return name, 1.0
