from datetime import UTC, datetime

import pytest

from gateway.cap.check import check
from gateway.cap.model import Certainty
from tests.cap.samples import INFO, before, edited, findings, found, in_version

FRENCH = INFO.replace("nl-BE", "fr-BE").replace("Rook: sluit ramen en deuren", "Fermez portes et fenêtres")
FRENCH = FRENCH.replace("Brand in een loods met rookontwikkeling.", "Incendie avec fumée.")
PAIR = "<{0}><valueName>{1}</valueName><value>{2}</value></{0}>"


def test_a_language_that_is_no_language_tag_is_refused() -> None:
    assert found(("nl-BE", "nl-BE-VLG-x")) == {("S17", "error")}
    assert found(("nl-BE", "a")) == {("S17", "error")}


@pytest.mark.parametrize("text", ["english", "xx", "jp-JP"])
def test_a_language_that_nobody_registered_is_said(text: str) -> None:
    assert found(("nl-BE", text)) == {("S17", "warning")}


def test_blank_required_text_is_refused() -> None:
    assert found(("<event>Brand", "<event> ")) == {("S20", "error")}
    assert found(before("effective" if False else "expires", PAIR.format("eventCode", "", "1"))) == {("S20", "error")}


def test_a_blank_value_is_said() -> None:
    assert found(before("area", PAIR.format("parameter", "VTEC", ""))) == {("S20", "warning")}


def test_cap_1_0_has_no_value_names_to_miss() -> None:
    raw = edited(before("area", "<parameter>SAME</parameter><parameter>a=b=c</parameter>"), text=in_version("1.0"))
    verdict = check(raw)
    assert verdict.valid
    assert verdict.alert is not None
    assert verdict.alert.info[0].parameter == (("", "SAME"), ("a", "b=c"))


@pytest.mark.parametrize("name", ["S.A.M.E.", "same", "emma_id"])
def test_an_acronym_is_written_in_capitals_without_periods(name: str) -> None:
    assert found(before("area", PAIR.format("parameter", name, "1") * 3)) == {("S36", "warning")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([("T14:00:00+01:00", "T10:00:00+01:00")], "error"),
        ([("T14:00:00+01:00", "T09:59:59+01:00")], "error"),
        ([("T14:00:00+01:00", "T09:00:00-00:00")], "error"),
        ([("2026-03-01T14:00:00+01:00", "2026-03-01T14:00:00+14:00")], "error"),
        ([before("expires", "<effective>2026-03-01T14:00:00+01:00</effective>")], "error"),
        ([before("expires", "<onset>2026-03-01T15:00:00+01:00</onset>")], "error"),
        ([before("expires", "<effective>2026-03-01T09:00:00+01:00</effective>")], "warning"),
        (
            [
                before("expires", "<effective>2026-03-01T11:00:00+01:00</effective>"),
                before("expires", "<onset>2026-03-01T10:30:00+01:00</onset>"),
            ],
            "warning",
        ),
        ([before("expires", "<onset>2026-03-01T09:00:00+01:00</onset>")], None),
    ],
)
def test_times_are_compared_as_moments(changes: list[tuple[str, str]], expected: str | None) -> None:
    assert found(*changes) == ({("S21", expected)} if expected else set())


def test_an_end_that_is_earlier_only_as_a_text_passes() -> None:
    assert found(("10:00:00+01:00", "23:30:00+14:00"), ("14:00:00+01:00", "12:00:00-05:00")) == set()


def test_an_alert_without_an_end_gets_the_default() -> None:
    assert found(("<expires>2026-03-01T14:00:00+01:00</expires>", "")) == {("S22", "policy")}


def test_an_alert_that_is_over_is_said_to_be() -> None:
    end = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert findings(check(edited(), received_at=end)) == {("S22", "warning")}
    assert findings(check(edited(), received_at=end.replace(hour=12, minute=59))) == set()


def test_a_long_headline_is_said() -> None:
    assert found(("Rook: sluit ramen en deuren", "x" * 161)) == {("S23", "warning")}
    assert found(("Rook: sluit ramen en deuren", "x" * 160)) == set()


@pytest.mark.parametrize("text", ["www.example.be", "alerts/1", "//example.be", "https://", "https://exa mple.be", "w"])
def test_web_is_a_full_address(text: str) -> None:
    assert found(before("area", f"<web>{text}</web>")) == {("S24", "error")}


def test_web_that_no_browser_opens_is_said() -> None:
    assert found(before("area", "<web>ftp://example.be/a</web>")) == {("S24", "policy")}
    assert found(before("area", "<web>https://example.be/a?b=c#d</web>")) == set()
    assert found(before("area", "<web/>")) == set()


def test_very_likely_of_1_0_is_read_as_likely() -> None:
    verdict = check(edited((">Likely<", ">Very Likely<"), text=in_version("1.0")))
    assert findings(verdict) == {("S43", "warning")}
    assert verdict.alert is not None
    assert verdict.alert.info[0].certainty is Certainty.LIKELY


@pytest.mark.parametrize("change", [(">Brand<", ">Overstroming<"), ("Severe", "Minor"), ("Immediate", "Future")])
def test_a_later_block_of_the_language_does_not_override_in_the_same_place(change: tuple[str, str]) -> None:
    assert found((INFO, INFO + INFO.replace(*change))) == {("S18", "warning")}


def test_a_later_block_may_add_or_be_about_another_place_or_time() -> None:
    elsewhere = INFO.replace("Gent centrum", "Aalst").replace("51.0", "50.9").replace("Severe", "Minor")
    later = INFO.replace("<expires>", "<onset>2026-03-01T14:00:00+01:00</onset><expires>").replace(
        "T14:00:00+01:00</e", "T18:00:00+01:00</e"
    )
    assert found((INFO, INFO + elsewhere)) == set()
    assert found((INFO, INFO + later.replace("Severe", "Minor"))) == set()
    assert found((INFO, INFO + INFO.replace("Blijf binnen", "Bel 112 niet"))) == set()


@pytest.mark.parametrize(
    "change",
    [
        ("Severe", "Minor"),
        ("Immediate", "Future"),
        ("Observed", "Likely"),
        ("Fire", "Met"),
        ("T14:00:00+01:00", "T15:00:00+01:00"),
        ("51.0600,3.7300", "51.0700,3.7300"),
        ("<expires>", PAIR.format("eventCode", "OET", "OET-1") + "<expires>"),
        ("<expires>", "<onset>2026-03-01T11:00:00+01:00</onset><expires>"),
    ],
)
def test_languages_differ_in_words_and_not_in_facts(change: tuple[str, str]) -> None:
    assert change[0] in FRENCH
    assert found((INFO, INFO + FRENCH.replace(change[0], change[1], 1))) == {("S19", "warning")}


def test_good_translations_are_not_remarked_on() -> None:
    moment = FRENCH.replace("T14:00:00+01:00", "T13:00:00-00:00")
    assert found((INFO, INFO + FRENCH)) == set()
    assert found((INFO, INFO + moment.replace("Gent centrum", "Gand centre"))) == set()


def test_the_same_words_in_two_languages_are_said() -> None:
    assert found((INFO, INFO + INFO.replace("nl-BE", "de-BE"))) == {("S19", "warning")}
    assert found((INFO, INFO + INFO.replace("nl-BE", "nl-NL"))) == set()


def test_a_language_that_lacks_a_block_is_said() -> None:
    second = INFO.replace("Gent centrum", "Aalst").replace("51.0", "50.9")
    assert found((INFO, INFO + second + FRENCH)) == {("S19", "warning")}
