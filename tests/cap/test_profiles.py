from pathlib import Path

import pytest

from gateway.cap.check import check
from gateway.cap.profiles import MOST_PER_DEMAND, PROFILES, demands_of
from gateway.model import ChannelName, MessageClass, Purpose
from tests.cap.samples import BASIC, CORPUS, INFO, POLYGON, REAL, before, cases, edited

PAIR = "<{0}><valueName>{1}</valueName><value>{2}</value></{0}>"
AU = "urn:oasis:names:tc:emergency:cap:1.2:profile:CAP-AU:1.0"
SIGNATURE = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'


def said(profile: str, *changes: tuple[str, str], lenient: bool = False) -> set[tuple[str, str]]:
    """What the profile adds, errors and warnings."""
    raw = edited(*changes)
    own = {(f.id, f.severity) for f in check(raw, lenient=lenient).findings}
    all_ = {(f.id, f.severity) for f in check(raw, lenient=lenient, profile=profile).findings}
    assert own <= all_
    return {(rule, severity) for rule, severity in all_ - own if severity != "policy"}


IPAWS = [
    before("info", "<code>IPAWSv1.0</code>"),
    before("expires", PAIR.format("eventCode", "SAME", "CEM")),
    before("area", PAIR.format("parameter", "EAS-ORG", "CIV")),
    ("</area>", PAIR.format("geocode", "SAME", "006109") + "</area>"),
]
CAP_CP = [
    ("nl-BE", "en-CA"),
    before("info", "<code>profile:CAP-CP:0.4</code>"),
    before("expires", PAIR.format("eventCode", "profile:CAP-CP:Event:0.4", "fire")),
    ("</area>", PAIR.format("geocode", "profile:CAP-CP:Location:0.3", "3506008") + "</area>"),
]
CAP_AU = [
    before("info", f"<code>{AU}</code>"),
    before("expires", PAIR.format("eventCode", f"{AU}:AUeventLIST:1.0", "fire")),
]
METEOALARM = [
    ("BE-GW-2026-000001", "2.49.0.1.56.0.20260301100000.001"),
    before("expires", "<onset>2026-03-01T11:00:00+01:00</onset>"),
    before("area", "<web>https://example.be</web><contact>x</contact>"),
    before("area", PAIR.format("parameter", "awareness_level", "3; orange; Severe")),
    before("area", PAIR.format("parameter", "awareness_type", "8; forest-fire")),
    ("</area>", PAIR.format("geocode", "EMMA_ID", "BE004") + "</area>"),
]
WMO = [
    ("BE-GW-2026-000001", "urn:oid:2.49.0.1.56.0.2026.3.1.9.0.0"),
    before("expires", PAIR.format("eventCode", "OET:v1.2", "OET-190")),
]
GOOGLE = [before("area", "<web>https://example.be</web>")]
GOOD = {"ipaws": IPAWS, "cap-au": CAP_AU, "meteoalarm": METEOALARM, "wmo": WMO, "google": GOOGLE}


@pytest.mark.parametrize("profile", GOOD)
def test_an_alert_made_for_a_profile_satisfies_it(profile: str) -> None:
    assert said(profile, *GOOD[profile]) == set()


def test_the_canadian_profile_encourages_both_languages() -> None:
    assert said("cap-cp", *CAP_CP) == {("CAP-CP-7", "warning")}


@pytest.mark.parametrize(
    ("profile", "changes", "expected"),
    [
        ("ipaws", IPAWS[1:], ("IPAWS-1", "error")),
        ("ipaws", [*IPAWS, ("<expires>2026-03-01T14:00:00+01:00</expires>", "")], ("IPAWS-2", "error")),
        ("ipaws", [IPAWS[0], *IPAWS[2:]], ("IPAWS-4", "error")),
        ("ipaws", [*IPAWS, ("CEM", "cem")], ("IPAWS-4", "error")),
        ("ipaws", [*IPAWS, before("expires", PAIR.format("eventCode", "SAME", "CEM"))], ("IPAWS-4", "error")),
        ("ipaws", IPAWS[:3], ("IPAWS-7", "warning")),
        ("ipaws", [*IPAWS, ("006109", "6109")], ("IPAWS-7", "warning")),
        (
            "ipaws",
            [*IPAWS, ("<instruction>Sluit ramen en deuren. Blijf binnen.</instruction>", "")],
            ("IPAWS-8", "warning"),
        ),
        ("ipaws", [*IPAWS, ("T10:00:00+01:00", "T09:00:00-00:00")], ("IPAWS-11", "warning")),
        ("ipaws", [IPAWS[0], IPAWS[1], IPAWS[3]], ("IPAWS-12", "warning")),
        ("cap-cp", [CAP_CP[0], *CAP_CP[2:]], ("CAP-CP-1", "error")),
        ("cap-cp", [*CAP_CP[:2], CAP_CP[3]], ("CAP-CP-4", "error")),
        ("cap-cp", CAP_CP[:3], ("CAP-CP-5", "error")),
        ("cap-cp", [*CAP_CP, ("<responseType>Shelter</responseType>", "")], ("CAP-CP-8", "warning")),
        ("cap-au", CAP_AU[1:], ("CAP-AU-1", "error")),
        ("cap-au", CAP_AU[:1], ("CAP-AU-4", "error")),
        ("cap-au", [*CAP_AU, ("ops@crisis.example.be", "ops")], ("CAP-AU-6", "warning")),
        ("meteoalarm", [*METEOALARM, ("3; orange; Severe", "3; orange; Minor")], ("EU-1", "error")),
        ("meteoalarm", [*METEOALARM, ("8; forest-fire", "fire")], ("EU-2", "error")),
        ("meteoalarm", METEOALARM[:-1], ("EU-3", "error")),
        ("meteoalarm", [METEOALARM[0], *METEOALARM[2:]], ("EU-4", "error")),
        ("meteoalarm", [*METEOALARM[:2], *METEOALARM[3:]], ("EU-5", "warning")),
        (
            "meteoalarm",
            [*METEOALARM, before("info", "<references>a,b,2026-01-01T00:00:00-00:00</references>")],
            ("EU-7", "error"),
        ),
        ("meteoalarm", METEOALARM[1:], ("EU-8", "warning")),
        ("wmo", WMO[1:], ("WMO-1", "warning")),
        ("wmo", [*WMO, ("<expires>2026-03-01T14:00:00+01:00</expires>", "")], ("WMO-2", "warning")),
        ("wmo", [*WMO, ("Observed", "Unknown")], ("WMO-3", "warning")),
        ("wmo", [*WMO, (">Brand<", f">{'x' * 36}<")], ("WMO-4", "warning")),
        ("wmo", WMO[:1], ("WMO-7", "warning")),
        ("google", [], ("GOOGLE-2", "error")),
        ("google", [*GOOGLE, ("</polygon>", "</polygon><circle>50,4 0</circle>")], ("GOOGLE-4", "error")),
        ("google", [*GOOGLE, ("Rook: sluit ramen en deuren", "x" * 150)], ("GOOGLE-7", "warning")),
        ("google", [*GOOGLE, ("Immediate", "Unknown")], ("GOOGLE-8", "warning")),
        (
            "google",
            [*GOOGLE, ("Brand in een loods met rookontwikkeling.", "Rook: sluit ramen en deuren")],
            ("GOOGLE-9", "warning"),
        ),
    ],
)
def test_each_demand_is_said_when_it_is_not_met(
    profile: str, changes: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    assert expected in said(profile, *changes)


def test_an_alert_for_one_event_has_one_category_and_event_code() -> None:
    other = INFO.replace("nl-BE", "fr-BE").replace("Fire", "Met")
    assert ("IPAWS-6", "error") in said("ipaws", (INFO, INFO + other), before("info", "<code>IPAWSv1.0</code>"))
    coded = INFO.replace("<expires>", PAIR.format("eventCode", "SAME", "CEM") + "<expires>")
    mixed = INFO.replace("<expires>", PAIR.format("eventCode", "SAME", "FRW") + "<expires>")
    assert ("IPAWS-5", "error") in said("ipaws", (INFO, coded + mixed))


@pytest.mark.parametrize("profile", ["cap-cp", "cap-au", "google"])
def test_a_profile_that_wants_an_info_says_so(profile: str) -> None:
    prefix = PROFILES[profile].prefix
    number = 1 if profile == "google" else 2
    assert (f"{prefix}-{number}", "error") in said(profile, (INFO, ""))


def test_a_cancel_of_australia_is_in_effect_at_once() -> None:
    cancel = [
        *CAP_AU,
        ("<msgType>Alert", "<msgType>Cancel"),
        before("info", "<references>a,b,2026-01-01T00:00:00-00:00</references>"),
        before("expires", "<effective>2026-03-01T10:00:00+01:00</effective>"),
    ]
    assert ("CAP-AU-5", "error") in said("cap-au", *cancel)


def test_what_a_profile_leaves_to_the_receiver_is_policy() -> None:
    unsigned = check(edited(*WMO), profile="wmo")
    signed = check(edited(*WMO, ("</alert>", f"{SIGNATURE}</alert>")), profile="wmo")
    assert ("WMO-8", "policy") in {(f.id, f.severity) for f in unsigned.findings}
    assert "WMO-8" not in {f.id for f in signed.findings}
    assert "CAP-AU-7" in {f.id for f in check(edited(*CAP_AU, ("Actual", "Test")), profile="cap-au").findings}


def test_an_error_of_a_profile_refuses_the_alert_and_in_a_feed_does_not() -> None:
    assert not check(BASIC.encode(), profile="ipaws").valid
    assert check(BASIC.encode(), profile="ipaws", lenient=True).valid


def test_a_profile_is_found_whatever_its_case() -> None:
    assert demands_of("IPAWS") == demands_of("ipaws") == (PROFILES["ipaws"],)
    assert demands_of(None) == ()
    with pytest.raises(ValueError, match="there are ipaws"):
        demands_of("none")


def test_demands_are_numbered_in_order_and_ids_are_unique() -> None:
    for profile in PROFILES.values():
        assert [demand.number for demand in profile.demands] == list(range(1, len(profile.demands) + 1))
    assert len({profile.prefix for profile in PROFILES.values()}) == len(PROFILES)


def test_a_demand_broken_everywhere_is_said_a_number_of_times() -> None:
    verdict = check(edited((INFO, INFO * 40)), profile="google")
    assert sum(finding.id == "GOOGLE-2" for finding in verdict.findings) == MOST_PER_DEMAND


@pytest.mark.parametrize("profile", PROFILES)
def test_no_alert_upsets_a_profile(profile: str) -> None:
    paths = [case.path for case in cases(CORPUS)] + sorted((REAL / "invalid").glob("*"))
    for path in paths:
        check(path.read_bytes(), profile=profile, lenient=True)


# Real alerts that name their profile, and why some miss it: each profile's mark in the document, and the exceptions.
REAL_OF = {
    "ipaws": (
        "IPAWSv1.0",
        {  # Cancels of the weather service, which carry no expires
            "openbroadcaster_NWS-IDP-PROD-3296165-2882593-2cf8d5.xml": {"IPAWS-2"},
            "openbroadcaster_NWS-IDP-PROD-3296165-2882593-4e47f9.xml": {"IPAWS-2"},
            "openbroadcaster_NWS-IDP-PROD-3296165-2882593.xml": {"IPAWS-2"},
        },
    ),
    "cap-cp": (
        "profile:CAP-CP",
        {
            "farrel_canada.cap": {"CAP-CP-5"},  # areas with a polygon and no location code
            "google_canada-df2d1c.cap": {"CAP-CP-5"},
            "kelvinn_sweden.xml": {"CAP-CP-4", "CAP-CP-5"},  # a Swedish test message with the Canadian mark
        },
    ),
    "cap-au": ("CAP-AU:1.0", {"farrel_australia.xml": {"CAP-AU-4"}}),  # an event code of another list
    "meteoalarm": ("awareness_level", {"AT-backbone_2.0.0.1.AT.1483024456.162AT005.cap.xml": {"EU-3"}}),  # no geocode
    "wmo": ("2.49.0.", {}),
}


def own_errors(path: Path, profile: str) -> set[str]:
    prefix = PROFILES[profile].prefix
    found = check(path.read_bytes(), profile=profile).findings
    return {f.id for f in found if f.id.startswith(f"{prefix}-") and f.severity == "error"}


@pytest.mark.skipif(not REAL.is_dir(), reason="the corpus of real alerts is not on this machine")
@pytest.mark.parametrize("profile", REAL_OF)
def test_real_alerts_of_a_community_keep_its_profile_but_for_the_known_ones(profile: str) -> None:
    mark, known = REAL_OF[profile]
    theirs = [path for path in sorted((REAL / "valid").iterdir()) if mark.encode() in path.read_bytes()]
    assert len(theirs) > 10
    missed = {path.name: ids for path in theirs if (ids := own_errors(path, profile))}
    assert missed == known


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ([], ""),
        ([before("area", PAIR.format("parameter", "gateway:class", "urgent"))], ""),
        ([before("area", PAIR.format("parameter", "gateway:class", "wichtig"))], "GATEWAY-5"),
        ([before("area", PAIR.format("parameter", "gateway:channels", "sms  email"))], ""),
        ([before("area", PAIR.format("parameter", "gateway:channels", "sms fax"))], "GATEWAY-4"),
        ([before("area", PAIR.format("parameter", "gateway:purpose", "fun"))], "GATEWAY-6"),
        ([(POLYGON, "50.0,4.0 51.0,5.0 51.0,4.0 50.0,5.0 50.0,4.0")], "GATEWAY-3"),
        ([("<scope>Public", "<scope>Private")], "GATEWAY-2"),
        ([("<scope>Public", "<scope>Private"), before("info", "<addresses>group</addresses>")], ""),
        ([(INFO, "")], "GATEWAY-1"),
    ],
)
def test_the_gateway_s_own_profile_says_what_intake_would_refuse(changes: list[tuple[str, str]], rule: str) -> None:
    findings = check(edited(*changes), profile="gateway").findings
    found = {f.id for f in findings if f.id.startswith("GATEWAY-") and f.severity == "error"}
    assert (rule in found) if rule else not found


def test_two_values_where_one_is_meant_are_an_error() -> None:
    two = PAIR.format("parameter", "gateway:class", "urgent") + PAIR.format("parameter", "gateway:class", "news")
    found = [f for f in check(edited(before("area", two)), profile="gateway").findings if f.id == "GATEWAY-5"]
    assert ["more than one value" in f.message for f in found] == [True]


def test_the_words_of_the_gateway_s_profile_are_those_of_its_model() -> None:
    for name, words in (("class", MessageClass), ("purpose", Purpose), ("channels", ChannelName)):
        for word in words:
            said = before("area", PAIR.format("parameter", f"gateway:{name}", word.value))
            findings = check(edited(said), profile="gateway").findings
            assert not [f for f in findings if f.id in ("GATEWAY-4", "GATEWAY-5", "GATEWAY-6")], word
