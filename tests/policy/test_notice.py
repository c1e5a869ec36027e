"""A notice holds one info cleaned, with marks and dates in its language."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.cap.model import (
    CapAlert,
    CapArea,
    CapInfo,
    Certainty,
    MsgType,
    NameValue,
    Scope,
    Severity,
    Status,
    Urgency,
)
from gateway.policy.notice import Frame

INFO = CapInfo(
    language="fr-BE",
    event="Inondation",
    urgency=Urgency.EXPECTED,
    severity=Severity.EXTREME,
    certainty=Certainty.LIKELY,
    headline=" La\nMeuse ",
    instruction="Montez.\n\nAttendez.",
    expires=datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    area=(CapArea(area_desc="Nord"), CapArea(area_desc="Sud"), CapArea(area_desc="Nord")),
    parameter=(NameValue("gateway:sms", " "), NameValue("gateway:sms", "second"), NameValue("other", "\u202e")),
)
ALERT = CapAlert(
    identifier="a", sender="s@example.be", sent=datetime(2026, 3, 28, tzinfo=UTC), sent_text="", status=Status.ACTUAL,
    msg_type=MsgType.ALERT, scope=Scope.PUBLIC, info=(INFO,),
)  # fmt: skip
FRAME = Frame(alert=ALERT, exercise=False, risky=True, zone=ZoneInfo("Europe/Brussels"), entity_name="Ville")


def test_a_notice_is_the_info_in_its_own_words() -> None:
    notice = FRAME.of_info(0, INFO)
    assert (notice.language, notice.tag, notice.sender) == ("fr", "fr-BE", "Ville")
    assert (notice.headline, notice.core, notice.instruction) == (
        "La Meuse",
        "Montez. Attendez.",
        "Montez.\n\nAttendez.",
    )
    assert dict(notice.facts) == {
        "Événement": "Inondation", "Zone": "Nord; Sud", "Urgence": "prochaine", "Gravité": "extrême",
        "Certitude": "probable",
    }  # fmt: skip
    assert notice.marks == ()


def test_hours_are_those_of_the_clock_on_the_day_that_it_changes() -> None:
    notice = FRAME.of_info(0, INFO)
    assert notice.until == "Valable jusqu'au 29 mars 2026 à 03h30 (CEST)."
    assert notice.until_short == "Valable jusqu'au 29/03 à 03:30."


def test_a_blank_text_of_the_author_counts_as_none() -> None:
    assert FRAME.of_info(0, INFO).sms == ""


def test_hidden_characters_are_counted_where_people_would_have_read_them() -> None:
    assert FRAME.of_info(0, INFO).hidden == 0
    assert FRAME.of_info(0, replace(INFO, contact="1\u200b12", area=(CapArea(area_desc="\u2066x"),))).hidden == 2


def test_marks_are_the_stamp_and_then_what_becomes_of_earlier_messages() -> None:
    frame = replace(FRAME, exercise=True, alert=replace(ALERT, msg_type=MsgType.UPDATE))
    assert frame.of_info(0, INFO).marks == ("EXERCICE", "Mise à jour")


def test_without_risk_there_are_no_words_about_it() -> None:
    assert set(dict(replace(FRAME, risky=False).of_info(0, INFO).facts)) == {"Événement", "Zone"}


def test_the_all_clear_stands_in_for_an_info() -> None:
    frame = replace(FRAME, alert=replace(ALERT, msg_type=MsgType.CANCEL))
    notice = frame.of_all_clear("nl", "Brand", {"nl": "Klaar.\x00"})
    assert (notice.index, notice.marks, notice.core) == (None, ("Einde van de waarschuwing",), "Klaar.")
    assert frame.of_all_clear("xx", "Fire", {}).core == "This alert is no longer in force."
