"""What the platform asks of everybody for the protection of the system: an entity may only be stricter.

Knows: which keys of a policy are guarded, and which of two values is the tighter one. Never knows: SQL, HTTP, clocks;
how long sessions and tokens last is kept by the store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, NamedTuple

from gateway.model import SecondWay
from gateway.policy.registration import is_within
from gateway.policy.rights import Authority, Refusal

Network = IPv4Network | IPv6Network
PASSKEY, CODE = "passkey", "+code"
"""How a session's way is spelled: by a passkey; by a provider and then a code (`oidc:ministry+code`)."""
_SCALE = tuple(SecondWay)


def networks_of(words: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network."""
    return tuple(ip_network(word) for word in words)


def _both(own: Sequence[str], platform: Sequence[str]) -> list[str]:
    """The networks that lie in both, own spelling and order."""
    return list(dict.fromkeys(word for one in own for other in platform for word in _shared(one, other)))


def _shared(one: str, other: str) -> Iterator[str]:
    a, b = ip_network(one), ip_network(other)
    if a.version == b.version and a.overlaps(b):  # of two that overlap one lies in the other
        yield one if a.prefixlen >= b.prefixlen else other


def _stronger(own: str, platform: str) -> str:
    return max(own, platform, key=lambda word: _SCALE.index(SecondWay(word)))


def _joined(own: Sequence[str], platform: Sequence[str]) -> list[str]:
    return [*own, *(word for word in platform if word not in own)]


TIGHTER: Mapping[str, Callable[[Any, Any], Any]] = {
    "session_idle_minutes": min,
    "session_hours": min,
    "token_days": min,
    "second_way": _stronger,
    "networks": _both,
    "training_required": lambda own, platform: own or platform,
    "approval": _joined,
    "declaration": _joined,
    "approval_above": min,
}
"""What is guarded, and which of two values holds. `approval_above` is one value for each class."""
WITHIN = ("session_idle_minutes", "session_hours", "token_days", "second_way", "networks")
"""Those that stand in the policy's `security`."""
PLAIN = ("training_required", "approval", "declaration")
"""Those that stand in the policy itself, as `approval_above` does."""


class Looser(NamedTuple):
    """A value that the platform does not leave to an entity."""

    key: str
    own: Any
    platform: Any

    @property
    def sentence(self) -> str:
        """For people."""
        own, platform = (", ".join(map(str, v)) if isinstance(v, list) else v for v in (self.own, self.platform))
        return f"{self.key}: {own or 'none'} is looser than the platform's {platform or 'none'}"


def guarded(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The guarded values that a stored policy says, by key; `approval_above.urgent` for one class."""
    found = dict(policy.get("security") or {}) | {key: policy.get(key) for key in PLAIN}
    found |= {f"approval_above.{word}": most for word, most in (policy.get("approval_above") or {}).items()}
    return {key: value for key, value in found.items() if value is not None}


def looser(own: Mapping[str, Any], platform: Mapping[str, Any]) -> list[Looser]:
    """What an entity's policy says that is looser than what the platform's says."""
    floor = guarded(platform)
    return [
        Looser(key, value, floor[key])
        for key, value in guarded(own).items()
        if key in floor and _tighter(key, value, floor[key]) != value
    ]


def in_force(own: Mapping[str, Any], platform: Mapping[str, Any]) -> dict[str, Any]:
    """The policy as it holds: of each guarded key the tighter one of both."""
    mine, floor = guarded(own), guarded(platform)
    values = {key: _tighter(key, mine.get(key, floor.get(key)), floor.get(key, mine.get(key))) for key in mine | floor}
    above = {key.partition(".")[2]: value for key, value in values.items() if key.startswith("approval_above.")}
    plain = {key: value for key, value in values.items() if key in PLAIN}
    security = {key: values[key] for key in WITHIN if key in values}
    return dict(own) | plain | {"approval_above": above, "security": security}


def may_come(authority: Authority, way: str, address: str) -> Refusal | None:
    """Whether who asks came as the policy in force has it: by which `way` they signed in ("" for a token), and from
    which network address."""
    policy = authority.policy
    if policy.second_way is not None and authority.person_id is not None and not _is_enough(way, policy.second_way):
        return Refusal(
            reason="second-way",
            message="Who acts for this entity signs in " + _WORDS[policy.second_way] + "; a token of one's own is not "
            "enough.",
        )
    if policy.networks is not None and not is_within(address, policy.networks):
        return Refusal(reason="wrong-network", message="This entity is not acted for from your network address.")
    return None


_WORDS = {
    SecondWay.PROVIDER: "by a passkey or a provider",
    SecondWay.CODES: "by a passkey, or by a provider and a code",
    SecondWay.PASSKEY: "by a passkey",
}


def _is_enough(way: str, wanted: SecondWay) -> bool:
    reached = SecondWay.PASSKEY if way == PASSKEY else SecondWay.CODES if way.endswith(CODE) else SecondWay.PROVIDER
    return bool(way) and _SCALE.index(reached) >= _SCALE.index(wanted)


def _tighter(key: str, own: Any, platform: Any) -> Any:
    return TIGHTER[key.partition(".")[0]](own, platform)
