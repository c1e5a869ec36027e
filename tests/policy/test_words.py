"""The tables of words are complete, and every language may be added to."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from gateway.cap.model import Certainty, Severity, Urgency
from gateway.policy.words import BY_LANGUAGE, ENGLISH, EVERY_STAMP, TWO_LETTERS, Words, stamp_of, words_of
from gateway.smpp.text import Encoding, encoding_of

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("words", BY_LANGUAGE.values(), ids=BY_LANGUAGE)
def test_a_language_has_every_word(words: Words) -> None:
    assert all(getattr(words, field.name) for field in fields(words))
    assert len(words.months) == len(set(words.months)) == 12
    for table, values in ((words.urgency, Urgency), (words.severity, Severity), (words.certainty, Certainty)):
        assert set(table) == set(values)
        assert len(set(table.values())) == len(table)


@pytest.mark.parametrize("words", BY_LANGUAGE.values(), ids=BY_LANGUAGE)
def test_dates_name_day_month_hour_and_minute(words: Words) -> None:
    for form in (words.short, words.long):
        said = form.format(day=2, month=1, name=words.months[0], year=2026, hour=3, minute=4)
        assert "2" in said
        assert "03" in said
        assert "04" in said
        assert words.months[0][:3] in said or "01" in said
        assert said in words.until.format(when=said)


@pytest.mark.parametrize("words", BY_LANGUAGE.values(), ids=BY_LANGUAGE)
def test_the_words_that_stand_in_every_sms_do_not_force_ucs2(words: Words) -> None:
    said = words.stamp + words.update + words.end + words.until + words.short + words.all_clear
    assert encoding_of(said) is Encoding.GSM


def test_other_languages_get_english_words_and_every_stamp() -> None:
    assert words_of("pl") is ENGLISH
    assert stamp_of("pl") == EVERY_STAMP == "EXERCISE / EXERCICE / OEFENING / ÜBUNG"
    assert stamp_of("nl") == "OEFENING"


def test_longer_codes_lead_to_two_letters() -> None:
    assert all(len(long) == 3 and len(short) == 2 for long, short in TWO_LETTERS.items())
    assert set(BY_LANGUAGE) <= set(TWO_LETTERS.values())
