"""The result of a bench: one record, as JSON and as text.

Knows: the shape that other programs read, what people want to see first. Never knows: how it was measured.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Number = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`cpu_s` has gateway, postgres and peer (None: not ours to measure); `latency_ms` has p50 and p99; `more` holds
    what only some benches have, by the names of the JSON."""

    bench: str
    messages: int
    seconds: float
    cpu_s: Mapping[str, Number] = field(default_factory=dict)
    latency_ms: Mapping[str, Number] = field(default_factory=dict)
    rss_mb: Number = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate_per_s(self) -> float:
        """Messages a second over the whole run."""
        return self.messages / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "bench": self.bench,
            "messages": self.messages,
            "seconds": round(self.seconds, 3),
            "rate_per_s": round(self.rate_per_s, 1),
            "cpu_ms_per_1000": {name: self._per_1000(self.cpu_s.get(name)) for name in ("gateway", "postgres", "peer")},
            "latency_ms": {name: self.latency_ms.get(name) for name in ("p50", "p99")},
            "rss_mb": self.rss_mb,
            "settings": dict(self.settings),
            **self.more,
        }

    def _per_1000(self, cpu_s: Number) -> Number:
        return None if cpu_s is None or not self.messages else round(cpu_s * 1e6 / self.messages, 2)


def as_json(found: Mapping[str, Any]) -> str:
    """One object on one line."""
    return json.dumps(found, ensure_ascii=False)


def as_text(found: Mapping[str, Any]) -> str:
    """The same for people: the machine first, then a line for each figure."""
    lines = [*_flat("", found.get("machine", {})), ""]
    channels = found.get("channels", {})
    rest = {name: value for name, value in found.items() if name not in ("machine", "channels")}
    lines += _flat("", rest)
    for name, channel in channels.items():
        lines += ["", f"[{name}]", *_flat("", channel)]
    return "\n".join(lines) + "\n"


def _flat(above: str, found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        label = f"{above}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(f"{label} ", value)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                yield f"{label}: " + ", ".join(f"{key.replace('_', ' ')} {shown(of)}" for key, of in item.items())
        else:
            yield f"{label:<34} {shown(value)}"


def shown(value: object) -> str:
    """A figure as people read it: thousands apart, no figure as a dash."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float() if abs(value) >= 100:
            return f"{value:,.0f}"
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(map(shown, value))
        case _:
            return str(value)
