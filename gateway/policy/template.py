"""A prepared alert: its places are filled, its warnings are told, and it becomes a CAP alert like any other.

Knows: texts with named places in braces, what an entity put on its list, what the first 160 characters owe a reader.
Never knows: SQL, clocks (`now` is an argument), rights: the intake judges the alert that is made here. CAP 1.2 §3.2.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.cap.model import (
    CapAlert,
    CapArea,
    CapInfo,
    Category,
    Certainty,
    Circle,
    MsgType,
    NameValue,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)  # fmt: skip
from gateway.cap.places import read_circle, read_polygon
from gateway.model import ChannelName, MessageClass, Purpose

PLACE = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}")
FIRST_CHARACTERS = 160
PARTS = ("headline", "description", "instruction", "sms", "voice")
_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+"
    r"|\b[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,5}\.(?:be|brussels|com|eu|gov|info|net|org|vlaanderen)\b[^\s<>\"]*",
    re.I,
)
_DATE = re.compile(r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4})\b")
_PHONE = re.compile(r"(?<![\w.,])(?:\+?\d[\d /.()-]{5,18}\d|1\d{2,3})(?![\w]|[.,]\d)")
_WORD = re.compile(r"\w{4,}")
_LAST_DIGITS = 8


class Warned(NamedTuple):
    """One doubt: what kind, where in the template, a sentence. `waivable` ones need a waiver; None: only told."""

    id: str
    where: str
    message: str
    waivable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """What a template says in one language; `sms` and `voice` are for those channels alone."""

    headline: str
    description: str = ""
    instruction: str = ""
    sms: str = ""
    voice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A prepared alert; `lasts` is how long what it says holds."""

    event: str
    category: Category
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    response: tuple[ResponseType, ...]
    message_class: MessageClass
    purpose: Purpose | None
    channels: tuple[ChannelName, ...]
    groups: tuple[str, ...]
    areas: tuple[CapArea, ...]
    lasts: timedelta
    texts: Mapping[str, TemplateText]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Who launches it, with which words in its places: by name, or by name and language ("place@nl")."""

    sender: str
    name: str
    identifier: str
    now: datetime
    exercise: bool = False
    declares: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def places(template: Template) -> list[str]:
    """The names of all places, in the order in which they stand."""
    found = (name for text in template.texts.values() for part in PARTS for name in PLACE.findall(getattr(text, part)))
    return list(dict.fromkeys(found))


def filled(text: str, values: Mapping[str, str], language: str) -> str:
    """The text with its places filled; what a value says in braces is no place, and a place without a value stays."""
    return PLACE.sub(lambda found: values.get(f"{found[1]}@{language}") or values.get(found[1]) or found[0], text)


def alert_of(template: Template, launch: Launch) -> CapAlert:
    """The alert: Public with areas, else Restricted to its groups."""
    now = launch.now.replace(microsecond=0)
    by_place = bool(template.areas)
    return CapAlert(
        identifier=launch.identifier,
        sender=launch.sender,
        sent=now,
        sent_text="",
        status=Status.EXERCISE if launch.exercise else Status.ACTUAL,
        msg_type=MsgType.ALERT,
        scope=Scope.PUBLIC if by_place else Scope.RESTRICTED,
        restriction="" if by_place else "members of the groups",
        addresses=template.groups,
        info=tuple(_info(template, launch, language, now) for language in template.texts),
    )


def _info(template: Template, launch: Launch, language: str, now: datetime) -> CapInfo:
    said = {part: filled(getattr(template.texts[language], part), launch.values, language) for part in PARTS}
    wishes = {
        "channels": " ".join(template.channels), "class": template.message_class.value,
        "purpose": template.purpose.value if template.purpose else "", "sms": said["sms"], "voice": said["voice"],
        "declares": "" if launch.declares is None else str(launch.declares),
    }  # fmt: skip
    return CapInfo(
        language=language,
        category=(template.category,),
        event=template.event,
        response_type=template.response,
        urgency=template.urgency,
        severity=template.severity,
        certainty=template.certainty,
        expires=now + template.lasts,
        sender_name=launch.name,
        headline=said["headline"],
        description=said["description"],
        instruction=said["instruction"],
        parameter=tuple(NameValue(f"gateway:{name}", value) for name, value in wishes.items() if value),
        area=template.areas,
    )


def warnings(
    template: Template, values: Mapping[str, str], languages: Sequence[str], listed: Iterable[str]
) -> list[Warned]:
    """What is wrong with the texts as filled: empty places, languages of the entity that are missing, and numbers,
    links and dates that are not on its list."""
    known = list(listed)
    found = [
        Warned("missing-language", f"texts/{language}", f"there is no text in {language}", True)
        for language in languages
        if language not in {tag.partition("-")[0].lower() for tag in template.texts}
    ]
    for language, text in template.texts.items():
        for part in PARTS:
            said = filled(getattr(text, part), values, language)
            found += _of_text(said, f"texts/{language}/{part}", known)
    return found


def _of_text(said: str, where: str, listed: Sequence[str]) -> Iterator[Warned]:
    for name in dict.fromkeys(PLACE.findall(said)):
        yield Warned("unfilled-place", where, f"the place {{{name}}} is not filled", False)
    links = [link.rstrip(".,;:!?)") for link in _LINK.findall(said)]
    plain = _LINK.sub(" ", said)
    dates = _DATE.findall(plain)
    for kind, words, known in (
        ("unlisted-link", links, [_bare(one) for one in listed]),
        ("unlisted-date", dates, list(listed)),
        ("unlisted-number", _PHONE.findall(_DATE.sub(" ", plain)), [_digits(one) for one in listed]),
    ):
        for word in dict.fromkeys(words):
            if not _is_known(kind, word, known):
                yield Warned(kind, where, f"{word.strip()} is not on the entity's list")


def _is_known(kind: str, word: str, known: Sequence[str]) -> bool:
    if kind == "unlisted-link":
        return any(one and (_bare(word) == one or _bare(word).startswith(f"{one}/")) for one in known)
    return (_digits(word) if kind == "unlisted-number" else word) in known


def _bare(link: str) -> str:
    return link.lower().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")


def _digits(number: str) -> str:
    """The end of a number, the same with and without its country."""
    return re.sub(r"\D", "", number)[-_LAST_DIGITS:]


def unclear(sms: str, info: CapInfo) -> list[str]:
    """What the first 160 characters of an SMS do not say of who, what, where and what to do. A word of the sender's
    name, the headline or event, an area's name, and the instruction has to be among them."""
    first = set(_WORD.findall(sms[:FIRST_CHARACTERS].casefold()))
    what = _words(info.headline, info.event)
    owed = {
        "who": _words(info.sender_name),
        "what": what,
        "where": _words(*(area.area_desc for area in info.area)),
        "what to do": _words(info.instruction) - what or _words(info.instruction),
    }
    return [name for name, words in owed.items() if (name != "where" or info.area) and not words & first]


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text.casefold())}


def template_of(body: Mapping[str, Any]) -> Template:
    """A template from the data that the store keeps. Raises ValueError for what is in no vocabulary, or no place."""
    return Template(
        event=body["event"],
        category=Category(body["category"]),
        urgency=Urgency(body["urgency"]),
        severity=Severity(body["severity"]),
        certainty=Certainty(body["certainty"]),
        response=tuple(ResponseType(word) for word in body["response"]),
        message_class=MessageClass(body["class"]),
        purpose=Purpose(body["purpose"]) if body["purpose"] else None,
        channels=tuple(ChannelName(word) for word in body["channels"]),
        groups=tuple(body["groups"]),
        areas=tuple(map(_area, body["areas"])),
        lasts=timedelta(minutes=body["minutes"]),
        texts={language: TemplateText(**text) for language, text in body["texts"].items()},
    )


def _area(body: Mapping[str, Any]) -> CapArea:
    polygons = [read_polygon(text).shape for text in body["polygons"]]
    circles = [read_circle(text).shape for text in body["circles"]]
    if None in polygons or None in circles:
        raise ValueError('a polygon is written "lat,lon lat,lon ...", closed; a circle "lat,lon km"')
    return CapArea(
        area_desc=body["description"],
        polygon=tuple(shape for shape in polygons if shape is not None and not isinstance(shape, Circle)),
        circle=tuple(shape for shape in circles if isinstance(shape, Circle)),
        geocode=tuple(NameValue(name, value) for name, value in body["geocodes"]),
    )
