"""What an invitation says, in four languages."""

from datetime import UTC, datetime
from string import Formatter

import pytest

from gateway.policy.invitation import WORDS, Words, mail_of, words_in

LINK = "https://gateway.example/invitations/gw_invite_x"


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_mail_says_who_invites_where_to_and_until_when(language: str) -> None:
    subject, body = mail_of(
        language, entity="Stad\r\nBrugge", service="Alerts", link=LINK, until=datetime(2026, 5, 7, tzinfo=UTC)
    )
    assert "Stad Brugge" in subject
    assert "\n" not in subject
    for word in ("Stad Brugge", "Alerts", LINK, "07.05.2026"):
        assert word in body
    assert "{" not in subject + body


def test_every_language_says_everything_with_its_own_places() -> None:
    places = [
        [{name for _, name, _, _ in Formatter().parse(words) if name} for words in said] for said in WORDS.values()
    ]
    assert all(one == places[0] for one in places)
    assert all(all(said) for said in WORDS.values())
    for field in Words._fields:
        assert len({getattr(said, field) for said in WORDS.values()}) == len(WORDS), field


def test_who_speaks_another_language_gets_english() -> None:
    assert words_in("tr") is WORDS["en"]
    assert words_in("nl-BE") is WORDS["nl"]
