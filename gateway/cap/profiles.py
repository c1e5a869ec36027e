"""Profiles: what communities demand of an alert beyond the standard, one table each.

Knows: the demands of IPAWS, CAP-CP, CAP-AU, MeteoAlarm, WMO and Google. Never knows: the standard's own rules.
"""

from collections.abc import Callable, Iterable

from gateway.cap.draft import Draft
from gateway.cap.findings import Finding

Demands = Callable[[Draft], Iterable[Finding]]


def rules_of(profile: str | None) -> Demands:
    """What the profile demands; nothing for None. ValueError for a name that no profile has."""
    if profile is None:
        return lambda _: ()
    raise ValueError(f"there is no profile {profile!r}")
