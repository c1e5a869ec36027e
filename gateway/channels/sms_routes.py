"""Which provider an SMS goes to: the longest matching prefix, then the order of preference, then shares by weight.

Knows: prefixes, preferences, weights, what each was given so far. Never knows: sockets, texts, why a provider is out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_MOST_KNOWN = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one provider is for: numbers that begin like this ("" = all), before those of a higher `preference`, and its
    share among equals."""

    prefixes: tuple[str, ...] = ("",)
    preference: int = 0
    weight: float = 1.0


class Routes(Generic[T]):
    """Routes to things of any kind, one rule for each."""

    def __init__(self, rules: Sequence[tuple[T, Rule]]) -> None:
        self._weight = {to: rule.weight for to, rule in rules}
        self._given: dict[T, float] = dict.fromkeys(self._weight, 0.0)
        self._out: set[T] = set()
        self._by_prefix: dict[str, list[tuple[int, T]]] = {}
        for to, rule in rules:
            for prefix in rule.prefixes:
                self._by_prefix.setdefault(prefix, []).append((rule.preference, to))
        self._longest = max(map(len, self._by_prefix), default=0)
        self._known: dict[str, tuple[tuple[T, ...], ...]] = {}

    def tiers(self, address: str) -> tuple[tuple[T, ...], ...]:
        """Groups of equals, the best first; () when nobody takes such numbers."""
        key = address[: self._longest]
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = self._tiers(key)
        return found

    def choose(self, address: str, able: Collection[T], parts: int = 1) -> T | None:
        """Whoever of the best group that has somebody in `able` was given the least for its weight."""
        for tier in self.tiers(address):
            alive = [to for to in tier if to in able]
            if alive:
                to = min(alive, key=self._given.__getitem__) if len(alive) > 1 else alive[0]
                self._given[to] += parts / self._weight[to]
                return to
        return None

    def present(self, able: Collection[T]) -> None:
        """Who can send now. One that comes back makes up for nothing that it missed."""
        back = self._out & set(able)
        if back:
            level = min((given for to, given in self._given.items() if to in able and to not in back), default=0.0)
            for to in back:
                self._given[to] = max(self._given[to], level)
        self._out = self._given.keys() - set(able)

    def _tiers(self, key: str) -> tuple[tuple[T, ...], ...]:
        tiers: list[tuple[T, ...]] = []
        seen: set[T] = set()
        for length in range(len(key), -1, -1):
            found = self._by_prefix.get(key[:length], ())
            for preference in sorted({rank for rank, _ in found}):
                equals = tuple(to for rank, to in found if rank == preference and to not in seen)
                seen.update(equals)
                tiers += [equals] if equals else []
        return tuple(tiers)
