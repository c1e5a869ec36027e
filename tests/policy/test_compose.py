"""What is said: wording, stamps, shortening, in four languages and in others, on three channels."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cap.area import Disc
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
from gateway.model import ChannelName, MessageClass, Mode
from gateway.policy.compose import Composed, ComposeRules, compose, content_id, headlines
from gateway.smpp import text as sms_text
from gateway.smpp.spelling import transliterate

SMS, VOICE, EMAIL = ChannelName.SMS, ChannelName.VOICE, ChannelName.EMAIL
SENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EXPIRES = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)  # 18:30 in Brussels
FIRE = {
    "fr": ("fr-BE", "Commune d'Exemple", "Incendie industriel", "Fermez portes et fenêtres."),
    "nl": ("nl-BE", "Gemeente Voorbeeld", "Industriebrand", "Sluit ramen en deuren."),
    "de": ("de-BE", "Gemeinde Beispiel", "Industriebrand", "Schließen Sie Türen und Fenster."),
    "en": ("en-GB", "Municipality of Example", "Industrial fire", "Close doors and windows."),
}


def count_sms(text: str) -> tuple[str, int]:
    counted = sms_text.count(text)
    return counted.encoding.name.lower(), counted.parts


RULES = ComposeRules(count_sms=count_sms)


def info(of: str = "en", /, **changes: Any) -> CapInfo:
    tag, sender, headline, instruction = FIRE[of]
    facts: dict[str, Any] = {
        "language": tag,
        "event": headline,
        "urgency": Urgency.IMMEDIATE,
        "severity": Severity.SEVERE,
        "certainty": Certainty.OBSERVED,
        "sender_name": sender,
        "headline": headline,
        "instruction": instruction,
        "expires": EXPIRES,
        "area": (CapArea(area_desc="Zone 1"),),
    }
    return CapInfo(**facts | changes)


def alert(*infos: CapInfo, **changes: Any) -> CapAlert:
    facts: dict[str, Any] = {
        "identifier": "exercise-1",
        "sender": "crisis@example.be",
        "sent": SENT,
        "sent_text": "2026-11-21T13:00:00+01:00",
        "status": Status.ACTUAL,
        "msg_type": MsgType.ALERT,
        "scope": Scope.PUBLIC,
        "info": infos,
    }
    return CapAlert(**facts | changes)


def said(
    message: CapAlert,
    *channels: ChannelName,
    mode: Mode = Mode.LIVE,
    message_class: MessageClass = MessageClass.URGENT,
    rules: ComposeRules = RULES,
    languages: tuple[str, ...] = ("fr", "nl", "de", "en"),
    **more: Any,
) -> list[Composed]:
    return compose(
        message,
        channels=channels or (SMS,),
        languages=languages,
        mode=mode,
        message_class=message_class,
        rules=rules,
        **more,
    )


def one(*args: Any, **more: Any) -> Composed:
    (text,) = said(*args, **more)
    return text


class Page(HTMLParser):
    """The tags of a page, checked for balance, and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("language", "body", "encoding"),
    [
        (
            "nl",
            "Gemeente Voorbeeld: Industriebrand. Sluit ramen en deuren. Geldig tot 21/11 om 18:30.",
            "gsm",
        ),
        (
            "fr",
            "Commune d'Exemple: Incendie industriel. Fermez portes et fenêtres. Valable jusqu'au 21/11 à 18:30.",
            "ucs2",
        ),
        (
            "de",
            "Gemeinde Beispiel: Industriebrand. Schließen Sie Türen und Fenster. Gültig bis 21.11. um 18:30.",
            "gsm",
        ),
        (
            "en",
            "Municipality of Example: Industrial fire. Close doors and windows. Valid until 21 Nov 18:30.",
            "gsm",
        ),
    ],
)
def test_an_sms_says_sender_headline_instruction_and_until_when(language: str, body: str, encoding: str) -> None:
    text = one(alert(info(language)))
    assert (text.body, text.encoding, text.language) == (body, encoding, language)
    assert text.parts == count_sms(body)[1]


def test_the_hour_is_local_also_in_summer_and_another_year_is_named() -> None:
    summer = info("en", expires=datetime(2026, 7, 1, 16, 5, tzinfo=UTC))
    assert one(alert(summer)).body.endswith("Valid until 1 Jul 18:05.")
    late = info("fr", expires=datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    assert one(alert(late)).body.endswith("Valable jusqu'au 1er janvier 2027 à 00h30.")
    elsewhere = ComposeRules(count_sms=count_sms, time_zone="Europe/Lisbon")
    assert one(alert(summer), rules=elsewhere).body.endswith("17:05.")


def test_without_headline_the_event_is_said_and_without_a_sender_name_the_entity_speaks() -> None:
    bare = info("en", headline=" ", event="Flood", sender_name="", instruction="", expires=None)
    assert one(alert(bare), entity_name="Police zone 1").body == "Police zone 1: Flood."
    assert one(alert(bare)).body == "Flood."


def test_the_authors_own_sms_and_spoken_text_are_used_as_they_are() -> None:
    own = info("fr", parameter=(NameValue("gateway:sms", "Texte court"), NameValue("gateway:voice", "Texte parlé")))
    sms, voice = said(alert(own), SMS, VOICE)
    assert (sms.body, voice.body) == ("Texte court", "Texte parlé")
    assert (sms.notes, voice.notes) == ((), ())


@pytest.mark.parametrize(
    ("language", "stamp"), [("fr", "EXERCICE"), ("nl", "OEFENING"), ("de", "ÜBUNG"), ("en", "EXERCISE")]
)
def test_an_exercise_is_stamped_in_every_text_of_every_channel(language: str, stamp: str) -> None:
    for parameter in ((), (NameValue("gateway:sms", "x"), NameValue("gateway:voice", "x"))):
        texts = said(alert(info(language, parameter=parameter)), SMS, VOICE, EMAIL, mode=Mode.EXERCISE)
        assert len(texts) == 3
        for text in texts:
            assert text.body.startswith(stamp)
            assert stamp in (text.subject or stamp)
            assert stamp in html.unescape(text.html or stamp)
        assert texts[1].body.endswith(f"{stamp}.")


def test_an_exercise_rehearsed_with_a_test_token_is_stamped_too_and_an_actual_alert_is_not() -> None:
    exercise = alert(info("fr"), status=Status.EXERCISE)
    assert one(exercise, mode=Mode.TEST).body.startswith("EXERCICE. ")
    assert "EXERCICE" not in one(alert(info("fr")), mode=Mode.TEST).body


def test_an_exercise_in_another_language_carries_every_stamp() -> None:
    polish = info("en", language="pl", headline="Pożar")
    sms, voice, mail = said(alert(polish), SMS, VOICE, EMAIL, mode=Mode.EXERCISE)
    for word in ("EXERCISE", "EXERCICE", "OEFENING", "ÜBUNG"):
        assert word in sms.body
        assert word in voice.body
        assert word in mail.subject
    assert sms.language == "pl"
    assert "/" not in voice.body


@pytest.mark.parametrize(
    ("language", "update", "cancel"),
    [
        ("fr", "Mise à jour", "Fin de l'alerte"),
        ("nl", "Bijwerking", "Einde van de waarschuwing"),
        ("de", "Aktualisierung", "Ende der Warnung"),
        ("en", "Update", "End of alert"),
    ],
)
def test_updates_and_cancels_say_so_in_every_channel(language: str, update: str, cancel: str) -> None:
    for kind, word in ((MsgType.UPDATE, update), (MsgType.CANCEL, cancel)):
        sms, voice, mail = said(alert(info(language), msg_type=kind), SMS, VOICE, EMAIL)
        assert sms.body.startswith(f"{word}. ")
        assert voice.body.startswith(f"{word}. ")
        assert mail.subject.startswith(word)
        assert word in mail.body
        assert word in html.unescape(mail.html)


def test_a_cancel_does_not_say_until_when() -> None:
    texts = said(alert(info("en"), msg_type=MsgType.CANCEL), SMS, VOICE, EMAIL)
    assert not any("until" in text.body for text in texts)


def test_a_cancel_without_info_says_the_all_clear_and_the_old_headline_in_every_language_used() -> None:
    rules = ComposeRules(count_sms=count_sms, all_clear={"nl": "Alles is weer veilig."})
    old = headlines(alert(info("nl"), info("fr"), info("nl", headline="Another")))
    assert old == {"nl": "Industriebrand", "fr": "Incendie industriel"}
    cancel = alert(msg_type=MsgType.CANCEL)
    texts = said(cancel, SMS, EMAIL, rules=rules, previous_headlines=old, entity_name="Exemple")
    assert [(text.channel, text.language) for text in texts] == [
        (SMS, "fr"), (SMS, "nl"), (EMAIL, "fr"), (EMAIL, "nl"),
    ]  # fmt: skip
    assert texts[0].body == ("Fin de l'alerte. Exemple: Incendie industriel. Cette alerte n'est plus en vigueur.")
    assert texts[1].body == "Einde van de waarschuwing. Exemple: Industriebrand. Alles is weer veilig."
    assert texts[3].subject == "Einde van de waarschuwing: Industriebrand"
    assert "Alles is weer veilig." in texts[3].html
    assert {text.info_indexes for text in texts} == {()}


def test_a_cancel_without_info_and_without_known_headlines_speaks_the_entitys_languages() -> None:
    texts = said(alert(msg_type=MsgType.CANCEL), SMS, EMAIL, languages=("de", "en"))
    assert [text.language for text in texts] == ["de", "en", "de", "en"]
    assert texts[0].body == "Ende der Warnung. Diese Warnung gilt nicht mehr."
    assert texts[3].subject == "End of alert"
    assert "<h1>End of alert</h1>" in texts[3].html


def test_an_alert_without_info_says_nothing() -> None:
    assert said(alert()) == []


def test_texts_come_by_channel_then_the_entitys_order_then_the_documents() -> None:
    message = alert(info("en"), info("en", language="pl"), info("nl"), info("en", headline="Second"), info("fr"))
    texts = said(message, EMAIL, SMS, EMAIL, languages=("nl", "en"))
    assert [(text.channel, text.language, text.info_indexes) for text in texts] == [
        (channel, language, indexes)
        for channel in (EMAIL, SMS)
        for language, indexes in (("nl", (2,)), ("en", (0,)), ("en", (3,)), ("pl", (1,)), ("fr", (4,)))
    ]


def test_infos_of_one_language_that_say_the_same_share_a_text() -> None:
    south = info("en", area=(CapArea(area_desc="Zone 2"),))
    texts = said(alert(info("en"), info("nl"), south), SMS, EMAIL, languages=("en", "nl"))
    assert [(text.channel, text.info_indexes) for text in texts] == [
        (SMS, (0, 2)), (SMS, (1,)), (EMAIL, (0,)), (EMAIL, (2,)), (EMAIL, (1,)),
    ]  # fmt: skip


def test_a_long_sms_is_cut_at_a_word_and_says_so_and_keeps_until_when() -> None:
    words = " ".join(f"word{number:04}" for number in range(200))
    text = one(alert(info("en", instruction=words)))
    assert text.parts == 3
    assert text.body.endswith("... Valid until 21 Nov 18:30.")
    kept = text.body.removesuffix("... Valid until 21 Nov 18:30.")
    whole = "Municipality of Example: Industrial fire. " + words + "."
    assert whole.startswith(kept)
    assert whole[len(kept)] == " "
    (note,) = text.notes
    assert note == f"cut to fit 3 SMS parts: the last {len(whole) - len(kept)} characters of the text are not said"
    # one word more would not have fitted
    longer = whole[: whole.index(" ", len(kept) + 1)] + "... Valid until 21 Nov 18:30."
    assert count_sms(longer)[1] == 4


def test_the_authors_own_sms_is_bounded_too() -> None:
    own = info("en", parameter=(NameValue("gateway:sms", "word " * 300),))
    text = one(alert(own), rules=ComposeRules(count_sms=count_sms, sms_max_parts=1))
    assert text.parts == 1
    assert text.body.endswith("word...")
    assert text.notes


def test_a_text_without_spaces_is_cut_between_characters() -> None:
    text = one(alert(info("en", headline="洪" * 400, sender_name="", instruction="")))
    assert text.parts == 3
    assert text.body.startswith("洪" * 100)
    assert len(text.notes) == 2


def test_characters_that_force_ucs2_are_named() -> None:
    text = one(alert(info("fr")))
    assert text.notes == ("ê: outside the SMS alphabet, so the text needs ucs2 and 2 parts",)
    many = info("en", headline="ĀāĂăĄąĆćĈĉĊċČč")
    assert one(alert(many)).notes[0].startswith("Ā ā Ă ă Ą ą Ć ć Ĉ ĉ and others: ")


def test_a_voice_message_names_sender_event_and_instruction_and_spells_no_address() -> None:
    message = info(
        "fr",
        headline="Restez chez vous",
        instruction="Plus d'infos: https://www.crisis-centre.be/fr/alerte?id=1. Ou www.x9.example!",
    )
    text = one(alert(message), VOICE)
    assert text.body == (
        "Message de Commune d'Exemple. Incendie industriel. Restez chez vous. "
        "Plus d'infos: crisis-centre point be. Ou x9 point example! Valable jusqu'au 21/11 à 18:30."
    )


def test_the_event_is_not_said_twice_when_the_headline_names_it() -> None:
    text = one(alert(info("en", event="industrial FIRE")), VOICE)
    assert text.body == (
        "Message from Municipality of Example. Industrial fire. Close doors and windows. Valid until 21 Nov 18:30."
    )


def test_a_long_announcement_is_cut_and_says_so() -> None:
    text = one(alert(info("en", instruction="Stay inside. " * 400)), VOICE, mode=Mode.EXERCISE)
    assert len(text.body) <= 1500
    assert re.search(r"(Stay|inside)\.\.\. Valid until 21 Nov 18:30\. EXERCISE\.$", text.body)
    assert "cut to fit 1500 characters" in text.notes[0]


MAIL = {
    "description": "Smoke <b>over</b> the centre.\n\nSchools & crèches closed.",
    "web": "https://example.be/a?b=1&c=2",
    "contact": "112",
    "area": (CapArea(area_desc="Centre"), CapArea(area_desc="Port")),
}


def test_an_email_says_all_of_the_info_in_plain_text() -> None:
    text = one(alert(info("fr", **MAIL)), EMAIL)
    assert text.subject == "Incendie industriel"
    assert text.body == (
        "Incendie industriel\n\n"
        "Événement : Incendie industriel\nZone : Centre; Port\nUrgence : immédiate\nGravité : grave\n"
        "Certitude : observée\n\n"
        "Smoke <b>over</b> the centre.\n\nSchools & crèches closed.\n\n"
        "Ce que vous devez faire :\nFermez portes et fenêtres.\n\n"
        "Valable jusqu'au 21 novembre 2026 à 18h30 (CET).\n\n"
        "Plus d'informations : https://example.be/a?b=1&c=2\nContact : 112\nÉmetteur : Commune d'Exemple\n"
    )
    assert (text.parts, text.encoding) == (1, "utf-8")


def test_an_email_is_a_page_with_its_language_headings_and_nothing_from_elsewhere() -> None:
    text = one(alert(info("fr", **MAIL)), EMAIL)
    page = Page(text.html)
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "fr-BE"}) in page.tags
    assert (tags.count("h1"), tags.count("h2"), tags.count("main")) == (1, 1, 1)
    assert not {"img", "script", "link", "style", "iframe", "object", "b"} & set(tags)
    assert [attrs for tag, attrs in page.tags if tag == "a"] == [{"href": "https://example.be/a?b=1&c=2"}]
    assert not any(name in {"src", "background"} or "url(" in (value or "")
                   for _, attrs in page.tags for name, value in attrs.items())  # fmt: skip
    assert "Smoke <b>over</b> the centre." in page.text


@pytest.mark.parametrize("web", ["javascript:alert(1)", "//example.be", "https://", "http://[", 'https://x" onload="y'])
def test_only_web_addresses_become_links(web: str) -> None:
    page = Page(one(alert(info("en", web=web)), EMAIL).html)
    assert "a" not in [tag for tag, _ in page.tags]
    assert web in page.text


def test_news_say_nothing_of_severity() -> None:
    text = one(alert(info("en")), EMAIL, message_class=MessageClass.NEWS)
    assert "Severity" not in text.body + text.html
    assert "Severity: severe" in one(alert(info("en")), EMAIL, message_class=MessageClass.PREVENTION).body


def test_a_long_headline_makes_a_subject_that_is_cut_and_says_so() -> None:
    text = one(alert(info("en", headline="Very long " * 60)), EMAIL)
    assert len(text.subject) <= 150
    assert text.subject.endswith("...")
    assert "subject" in text.notes[0]


def test_right_to_left_pages_say_so() -> None:
    page = Page(one(alert(info("en", language="ar", headline="حريق")), EMAIL).html)
    assert page.tags[0] == ("html", {"lang": "ar", "dir": "rtl"})


def test_invisible_characters_are_left_out_and_counted() -> None:
    tricky = info("en", headline="Fire\u202e at\u200b the\x07 port", sender_name="Exa\u2066mple")
    for text in said(alert(tricky), SMS, VOICE, EMAIL):
        assert not re.search("[\u202a-\u202e\u200b-\u200f\u2066-\u2069\x07]", text.body + text.html + text.subject)
        assert "4 control or invisible characters are left out" in text.notes
        assert "Fire at the port" in text.body


def test_an_unreadable_language_tag_is_english_and_stays_out_of_the_page() -> None:
    text = one(alert(info("en", language='x"><script>')), EMAIL)
    assert text.language == "en"
    assert Page(text.html).tags[0] == ("html", {"lang": "en"})


@given(
    headline=st.text(max_size=400),
    instruction=st.text(max_size=1200),
    own=st.text(max_size=600),
    parts=st.integers(1, 4),
    language=st.sampled_from(["fr", "nl-BE", "de", "en", "pl", "zh-Hant"]),
    kind=st.sampled_from([MsgType.ALERT, MsgType.UPDATE, MsgType.CANCEL]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_the_texts_keep_their_bounds_and_their_stamp(
    headline: str, instruction: str, own: str, parts: int, language: str, kind: MsgType
) -> None:
    rules = ComposeRules(count_sms=count_sms, sms_max_parts=parts, voice_max_characters=300)
    message = info("en", language=language, headline=headline, instruction=instruction, description=own,
                   parameter=(NameValue("gateway:sms", own),))  # fmt: skip
    sms, voice, mail = said(alert(message, msg_type=kind), SMS, VOICE, EMAIL, mode=Mode.EXERCISE, rules=rules)
    stamp = {"fr": "EXERCICE", "nl": "OEFENING", "de": "ÜBUNG", "en": "EXERCISE"}.get(sms.language, "EXERCISE")
    assert count_sms(sms.body) == (sms.encoding, sms.parts)
    assert sms.parts <= parts
    assert len(voice.body) <= 300
    assert len(mail.subject) <= 150
    assert "\n" not in mail.subject
    assert all(stamp in text for text in (sms.body, voice.body, mail.body, mail.subject))
    assert stamp in Page(mail.html).text


def test_a_spelling_that_needs_fewer_parts_is_offered_and_never_taken_by_itself() -> None:
    text = one(alert(info("fr")), rules=replace(RULES, respell=transliterate))
    assert "fenêtres" in text.body
    assert text.notes[1:] == ("spelt fenêtres. -> fenetres.: 2 parts -> 1",)


def test_a_spelling_that_saves_nothing_is_not_offered() -> None:
    text = one(alert(info("fr", headline="Ê" * 20, instruction="Ж" * 40)), rules=replace(RULES, respell=transliterate))
    assert len(text.notes) == 1


AREA = Disc(3.72, 51.05, 5.0)


def test_a_mail_shows_where_it_is_and_says_it_in_words() -> None:
    text = one(alert(info()), EMAIL, shapes={0: (AREA,)})
    (image,) = [attributes for tag, attributes in Page(text.html).tags if tag == "img"]
    assert image["src"] == f"cid:{content_id((AREA,), ())}"
    assert image["alt"] == "Map: Zone 1"
    assert one(alert(info()), SMS, shapes={0: (AREA,)}).html == ""


def test_without_a_shape_or_when_the_operator_does_not_want_it_there_is_no_map() -> None:
    rules = ComposeRules(count_sms=count_sms, email_map=False)
    for text in (one(alert(info()), EMAIL), one(alert(info()), EMAIL, rules=rules, shapes={0: (AREA,)})):
        assert "<img" not in text.html


def test_infos_with_the_same_area_share_one_picture() -> None:
    shapes = {0: (AREA,), 1: (AREA,), 2: (Disc(4.0, 50.0, 1.0),)}
    texts = said(alert(info(), info("nl"), info("fr")), EMAIL, languages=("en", "nl", "fr"), shapes=shapes)
    one_, two, three = ([a["src"] for tag, a in Page(text.html).tags if tag == "img"] for text in texts)
    assert one_ == two != three
    assert 'alt="Kaart: Zone 1"' in texts[1].html
