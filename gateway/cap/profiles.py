"""Profiles: what communities demand of an alert beyond the standard, one table each.

Knows: the demands of IPAWS, CAP-CP, CAP-AU, MeteoAlarm, WMO, Google and this gateway, as one document shows them.
Never knows: the standard's own rules, which are asked in any case.

A demand has the shape of a rule; a profile is a name, what it is called in full, and its demands in order. To add one,
add a table to PROFILES.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from gateway.cap import profile_demands as demand
from gateway.cap.draft import Draft
from gateway.cap.findings import Finding, Weight
from gateway.cap.rules_message import Context
from gateway.cap.tree import line_of, path_of

MOST_PER_DEMAND = 20


class Demand(NamedTuple):
    """One demand: the number in its profile, how much it matters, and how it is asked."""

    number: int
    severity: Weight
    check: demand.Check


class Profile(NamedTuple):
    """A profile: the prefix of its findings' ids, its document, and its demands."""

    prefix: str
    title: str
    demands: tuple[Demand, ...]


_IPAWS = Profile(
    "IPAWS",
    "CAP v1.2 USA IPAWS Profile 1.0",
    (
        Demand(1, "error", demand.carries_code("IPAWSv1.0", "IPAWSv1.0")),
        Demand(2, "error", demand.gives("expires")),
        Demand(3, "error", demand.gives("area")),
        Demand(4, "error", demand.has_event_code("SAME", "[A-Z]{3}", "SAME / CEM", exactly=True)),
        Demand(5, "error", demand.same_in_every_info("eventCode")),
        Demand(6, "error", demand.same_in_every_info("category")),
        Demand(7, "warning", demand.has_geocode("SAME", r"\d{6}", "SAME / 006109")),
        Demand(8, "warning", demand.gives("description", "instruction")),
        Demand(9, "policy", demand.without("effective", "the profile ignores it")),
        Demand(10, "policy", demand.without("onset", "the profile ignores it")),
        Demand(11, "warning", demand.offset_is_local()),
        Demand(12, "warning", demand.has_parameter("EAS-ORG", "PEP|CIV|WXR|EAS", "CIV")),
        Demand(13, "policy", demand.is_signed()),
    ),
)
_CAP_CP = Profile(
    "CAP-CP",
    "Canadian Profile of CAP",
    (
        Demand(1, "error", demand.carries_code(r"profile:CAP-CP:\d\.\d", "profile:CAP-CP:0.4")),
        Demand(2, "error", demand.has_info()),
        Demand(3, "error", demand.gives("area")),
        Demand(
            4,
            "error",
            demand.has_event_code(r"profile:CAP-CP:Event:\d\.\d", "[A-Za-z]+", "profile:CAP-CP:Event:0.4 / flashFlood"),
        ),
        Demand(
            5,
            "error",
            demand.has_geocode(r"profile:CAP-CP:Location:\d\.\d", r"\d{1,7}", "profile:CAP-CP:Location:0.3 / 3506008"),
        ),
        Demand(6, "error", demand.same_in_every_info("eventCode")),
        Demand(7, "warning", demand.in_languages("en-CA", "fr-CA")),
        Demand(8, "warning", demand.gives("expires", "senderName", "responseType", "instruction")),
        Demand(9, "warning", demand.has_shapes()),
        Demand(10, "policy", demand.is_signed()),
    ),
)
_CAP_AU = Profile(
    "CAP-AU",
    "Australian Profile of CAP",
    (
        Demand(
            1,
            "error",
            demand.carries_code(
                r"urn:oasis:names:tc:emergency:cap:1\.2:profile:CAP-AU:1\.0",
                "urn:oasis:names:tc:emergency:cap:1.2:profile:CAP-AU:1.0",
            ),
        ),
        Demand(2, "error", demand.has_info()),
        Demand(3, "error", demand.gives("area")),
        Demand(
            4,
            "error",
            demand.has_event_code(
                r".*CAP-AU:1\.0:AUeventLIST:\d\.\d",
                "[A-Za-z]+",
                "urn:oasis:names:tc:emergency:cap:1.2:profile:CAP-AU:1.0:AUeventLIST:1.0 / bushFire",
                exactly=True,
            ),
        ),
        Demand(5, "error", demand.without("effective", "a Cancel is in effect at once", kinds=("Cancel",))),
        Demand(6, "warning", demand.value_matches("sender", r"[^\s@]+@[^\s@]+\.[^\s@]+", "ops@example.gov.au")),
        Demand(7, "policy", demand.is_test_only()),
    ),
)
_METEOALARM = Profile(
    "EU",
    "MeteoAlarm CAP profile",
    (
        Demand(
            1,
            "error",
            demand.has_parameter(
                "awareness_level",
                r"1; ?green; ?Minor|2; ?yellow; ?Moderate|3; ?orange; ?Severe|4; ?red; ?Extreme",
                "2; yellow; Moderate",
            ),
        ),
        Demand(2, "error", demand.has_parameter("awareness_type", r"\d{1,2}; ?[A-Za-z].*", "1; Wind")),
        Demand(3, "error", demand.has_geocode("(?i:EMMA_ID|NUTS[123]?)", "[A-Z]{2}[A-Z0-9]{0,4}", "EMMA_ID / BE004")),
        Demand(4, "error", demand.gives("onset", "expires")),
        Demand(5, "warning", demand.gives("senderName", "headline", "description", "instruction", "web", "contact")),
        Demand(6, "warning", demand.gives("responseType")),
        Demand(7, "error", demand.without("references", "an Alert stands by itself", kinds=("Alert",))),
        Demand(
            8,
            "warning",
            demand.value_matches("identifier", r"(?:urn:oid:)?2\.49\.0\.[0-9.]+.*", "2.49.0.1.56.0.20260301100000.001"),
        ),
        Demand(9, "error", demand.same_in_every_info("category")),
    ),
)
_WMO = Profile(
    "WMO",
    "practice of the WMO alert hub and its composer",
    (
        Demand(
            1,
            "warning",
            demand.value_matches("identifier", r"(?:urn:oid:)?2\.49\.0\.[0-9.]+.*", "urn:oid:2.49.0.1.56.0.2026.3.1"),
        ),
        Demand(2, "warning", demand.gives("expires")),
        Demand(3, "warning", demand.not_unknown("urgency", "severity", "certainty")),
        Demand(4, "warning", demand.at_most_characters("event", 35)),
        Demand(5, "warning", demand.at_most_vertices(100)),
        Demand(6, "warning", demand.has_shapes()),
        Demand(
            7, "warning", demand.has_event_code("OET(?:_?v?[0-9.]+)?|OET:v?[0-9.]+", "OET-[0-9]+", "OET:v1.2 / OET-190")
        ),
        Demand(8, "policy", demand.is_signed()),
    ),
)
_GOOGLE = Profile(
    "GOOGLE",
    "Google Public Alerts, requirements for CAP",
    (
        Demand(1, "error", demand.has_info()),
        Demand(2, "error", demand.gives("description", "web", "expires")),
        Demand(3, "error", demand.gives("area")),
        Demand(4, "error", demand.radius_above_zero()),
        Demand(5, "warning", demand.has_shapes()),
        Demand(6, "warning", demand.gives("headline", "senderName")),
        Demand(7, "warning", demand.at_most_characters("headline", 140)),
        Demand(8, "warning", demand.not_unknown("urgency", "severity", "certainty")),
        Demand(9, "warning", demand.texts_differ("headline", "description", "instruction")),
    ),
)
_GATEWAY = Profile(
    "GATEWAY",
    "gateway CAP profile",  # docs/cap-profile.md
    (
        Demand(1, "error", demand.has_info(kinds=("Alert", "Update"))),
        Demand(2, "error", demand.reaches_somebody()),
        Demand(3, "error", demand.polygons_are_simple()),
        Demand(4, "error", demand.parameter_says("gateway:channels", "sms", "voice", "email", several=True)),
        Demand(5, "error", demand.parameter_says("gateway:class", "urgent", "prevention", "news", "other")),
        Demand(6, "error", demand.parameter_says("gateway:purpose", "emergency", "risk", "public-interest")),
        Demand(7, "warning", demand.gives("headline", "senderName", "expires")),
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "ipaws": _IPAWS,
        "cap-cp": _CAP_CP,
        "cap-au": _CAP_AU,
        "meteoalarm": _METEOALARM,
        "wmo": _WMO,
        "google": _GOOGLE,
        "gateway": _GATEWAY,
    }
)
"""The profiles by the names that users give."""


def demands_of(profile: str | None) -> tuple[Profile, ...]:
    """The profile of this name, () for None. ValueError naming those there are when there is none of this name."""
    if profile is None:
        return ()
    if profile.lower() not in PROFILES:
        raise ValueError(f"there is no profile {profile!r}; there are {', '.join(PROFILES)}")
    return (PROFILES[profile.lower()],)


def ask(profiles: Iterable[Profile], draft: Draft, context: Context) -> Iterator[Finding]:
    """Every finding of every demand. A feed's alert is held to none of them: errors become warnings."""
    for profile in profiles:
        for number, severity, check in profile.demands:
            weight: Weight = "warning" if draft.lenient and severity == "error" else severity
            for where, text in islice(check(draft, context), MOST_PER_DEMAND):
                yield Finding(
                    f"{profile.prefix}-{number}",
                    weight,
                    line_of(where.element),
                    path_of(where.element),
                    text,
                    profile.title,
                )
