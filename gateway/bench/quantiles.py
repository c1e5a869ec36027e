"""Percentiles: of samples, and of the histograms that the gateway exports.

Knows: the Prometheus text format as far as buckets need it. Never knows: what was measured.
"""

import re
from collections.abc import Mapping, Sequence
from math import ceil, inf

Buckets = Mapping[float, float]
"""Upper bound -> how many values are at or below it; the last bound is infinity."""

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def nearest_rank(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of all values do not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def read_buckets(page: str, name: str, labels: Mapping[str, str]) -> dict[float, float]:
    """The buckets of one histogram in a /metrics page, {} when it is not there."""
    found: dict[float, float] = {}
    for line in page.splitlines():
        if line.startswith(f"{name}_bucket{{"):
            inside, _, value = line.partition("{")[2].rpartition("} ")
            told = dict(_LABEL.findall(inside))
            bound = told.pop("le", "")
            if bound and told == dict(labels):
                found[float(bound)] = float(value.split()[0])
    return found


def between(before: Buckets, after: Buckets) -> dict[float, float]:
    """The buckets of what was counted between two readings."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def of_buckets(buckets: Buckets, share: float) -> float | None:
    """The value below which `share` lies, taken as evenly spread inside its bucket; the last finite bound at most."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    wanted, below_bound, below = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            inside = buckets[bound] - below
            if bound == inf or inside <= 0:
                return below_bound
            return below_bound + (bound - below_bound) * (wanted - below) / inside
        below_bound, below = bound, buckets[bound]
    return below_bound


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as milliseconds with one decimal."""
    return None if seconds is None else round(seconds * 1000, 1)
