"""The gateway's own words around an alert, by language: stamps, labels, dates, what the code values mean to people.

Knows: Dutch, French, German and English; every other language gets the English words.
Never knows: any alert's own words, which it neither holds nor translates. A table: add a language by adding a row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.cap.model import Certainty, Severity, Urgency

RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"})

TWO_LETTERS: Mapping[str, str] = {
    "nld": "nl", "dut": "nl", "fra": "fr", "fre": "fr", "deu": "de", "ger": "de", "eng": "en", "spa": "es",
    "ita": "it", "por": "pt", "pol": "pl", "ron": "ro", "rum": "ro", "tur": "tr", "ara": "ar", "ukr": "uk", "rus": "ru",
}  # fmt: skip
"""ISO 639-2 codes that senders write where RFC 5646 asks for the shorter ISO 639-1 code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language.

    `stamp` marks an exercise, `update` and `end` say what the message does to those before it; `until`, `short` and
    `long` take {when} and {day} {month} {name} {year} {hour} {minute}; `first` is how the first of a month is written;
    `told_by` introduces the sender in speech, `dot` is a dot read aloud, `website` stands for an address not read.
    """

    stamp: str
    update: str
    end: str
    all_clear: str
    until: str
    short: str
    long: str
    first: str = "1"
    months: tuple[str, ...]
    told_by: str
    dot: str
    website: str
    event: str
    area: str
    map: str
    risk: tuple[str, str, str]
    to_do: str
    web: str
    contact: str
    sender: str
    colon: str = ":"
    urgency: Mapping[Urgency, str]
    severity: Mapping[Severity, str]
    certainty: Mapping[Certainty, str]


# The order of the code values in CAP 1.2 §3.2.2.
def _urgency(*words: str) -> Mapping[Urgency, str]:
    return dict(zip(Urgency, words, strict=True))


def _severity(*words: str) -> Mapping[Severity, str]:
    return dict(zip(Severity, words, strict=True))


def _certainty(*words: str) -> Mapping[Certainty, str]:
    return dict(zip(Certainty, words, strict=True))


DUTCH = Words(
    stamp="OEFENING",
    update="Bijwerking",
    end="Einde van de waarschuwing",
    all_clear="Deze waarschuwing is niet meer van kracht.",
    until="Geldig tot {when}.",
    short="{day:02}/{month:02} om {hour:02}:{minute:02}",
    long="{day} {name} {year} om {hour:02}.{minute:02} uur",
    months=(
        "januari", "februari", "maart", "april", "mei", "juni",
        "juli", "augustus", "september", "oktober", "november", "december",
    ),
    told_by="Bericht van {sender}.",
    dot="punt",
    website="de website",
    event="Gebeurtenis",
    area="Gebied",
    map="Kaart",
    risk=("Urgentie", "Ernst", "Zekerheid"),
    to_do="Wat u moet doen",
    web="Meer informatie",
    contact="Contact",
    sender="Afzender",
    urgency=_urgency("onmiddellijk", "binnenkort", "later", "voorbij", "onbekend"),
    severity=_severity("extreem", "ernstig", "matig", "gering", "onbekend"),
    certainty=_certainty("vastgesteld", "waarschijnlijk", "mogelijk", "onwaarschijnlijk", "onbekend"),
)  # fmt: skip

FRENCH = Words(
    stamp="EXERCICE",
    update="Mise à jour",
    end="Fin de l'alerte",
    all_clear="Cette alerte n'est plus en vigueur.",
    until="Valable jusqu'au {when}.",
    short="{day:02}/{month:02} à {hour:02}:{minute:02}",
    long="{day} {name} {year} à {hour:02}h{minute:02}",
    first="1er",
    months=(
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    told_by="Message de {sender}.",
    dot="point",
    website="le site internet",
    event="Événement",
    area="Zone",
    map="Carte",
    risk=("Urgence", "Gravité", "Certitude"),
    to_do="Ce que vous devez faire",
    web="Plus d'informations",
    contact="Contact",
    sender="Émetteur",
    colon=" :",
    urgency=_urgency("immédiate", "prochaine", "future", "passée", "inconnue"),
    severity=_severity("extrême", "grave", "modérée", "mineure", "inconnue"),
    certainty=_certainty("observée", "probable", "possible", "improbable", "inconnue"),
)  # fmt: skip

GERMAN = Words(
    stamp="ÜBUNG",
    update="Aktualisierung",
    end="Ende der Warnung",
    all_clear="Diese Warnung gilt nicht mehr.",
    until="Gültig bis {when}.",
    short="{day:02}.{month:02}. um {hour:02}:{minute:02}",
    long="{day}. {name} {year} um {hour:02}:{minute:02} Uhr",
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    told_by="Nachricht von {sender}.",
    dot="Punkt",
    website="die Website",
    event="Ereignis",
    area="Gebiet",
    map="Karte",
    risk=("Dringlichkeit", "Schwere", "Gewissheit"),
    to_do="Was Sie tun sollen",
    web="Weitere Informationen",
    contact="Kontakt",
    sender="Absender",
    urgency=_urgency("sofort", "demnächst", "später", "vorbei", "unbekannt"),
    severity=_severity("extrem", "schwer", "mäßig", "gering", "unbekannt"),
    certainty=_certainty("beobachtet", "wahrscheinlich", "möglich", "unwahrscheinlich", "unbekannt"),
)  # fmt: skip

ENGLISH = Words(
    stamp="EXERCISE",
    update="Update",
    end="End of alert",
    all_clear="This alert is no longer in force.",
    until="Valid until {when}.",
    short="{day} {name:.3} {hour:02}:{minute:02}",
    long="{day} {name} {year} at {hour:02}:{minute:02}",
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    told_by="Message from {sender}.",
    dot="dot",
    website="the website",
    event="Event",
    area="Area",
    map="Map",
    risk=("Urgency", "Severity", "Certainty"),
    to_do="What to do",
    web="More information",
    contact="Contact",
    sender="Sender",
    urgency=_urgency("immediate", "soon", "later", "past", "unknown"),
    severity=_severity("extreme", "severe", "moderate", "minor", "unknown"),
    certainty=_certainty("observed", "likely", "possible", "unlikely", "unknown"),
)  # fmt: skip

BY_LANGUAGE: Mapping[str, Words] = {"nl": DUTCH, "fr": FRENCH, "de": GERMAN, "en": ENGLISH}

EVERY_STAMP = " / ".join(words.stamp for words in (ENGLISH, FRENCH, DUTCH, GERMAN))
"""Marks an exercise in a language that has no row: somebody will know one of these."""


def words_of(language: str) -> Words:
    """The row of a language, else the English one."""
    return BY_LANGUAGE.get(language, ENGLISH)


def stamp_of(language: str) -> str:
    """What marks an exercise in this language."""
    return BY_LANGUAGE[language].stamp if language in BY_LANGUAGE else EVERY_STAMP
