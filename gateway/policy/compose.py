"""From a CAP alert to what each channel says in each language: once per language and channel, never per person.

Knows: how an SMS, a spoken message and an e-mail are worded, stamped and shortened; the parameters gateway:sms and
gateway:voice. Never knows: who receives a text, how it travels, what time it is.
Whatever is cut, left out or costs more is told in `notes`, never kept silent. CAP 1.2 §3.2.2.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple
from unicodedata import combining
from zoneinfo import ZoneInfo

from gateway.cap.area import Ring, Shape
from gateway.cap.model import CapAlert, MsgType, Status
from gateway.cap.picture import HEIGHT, WIDTH, name_of
from gateway.model import ChannelName, MessageClass, Mode
from gateway.policy.clean import language_of, one_line, spoken
from gateway.policy.notice import Frame, Notice
from gateway.policy.page import Map, html_text, plain_text

CountSms = Callable[[str], tuple[str, int]]
"""A text -> (the name of its encoding, the number of its parts)."""

ELLIPSIS = "..."  # three full stops: the one character would force UCS-2
MAX_SUBJECT_CHARACTERS = 150
MAX_PART_CHARACTERS = 160  # 3GPP TS 23.038: no SMS part holds more
_NOTED_CHARACTERS = 10
_NOTED_WORDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeRules:
    """What the operator decides about texts; `all_clear` is by two-letter language, else the gateway's own sentence.
    `respell` gives a spelling that readers take as the same and that may need fewer SMS parts; `email_map`: mails show
    the area as a picture."""

    count_sms: CountSms
    respell: Callable[[str], str] = str
    sms_max_parts: int = 3
    voice_max_characters: int = 1500
    time_zone: str = "Europe/Brussels"
    all_clear: Mapping[str, str] = field(default_factory=dict)
    email_map: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """What one channel says in one language for these infos of the alert (none: a Cancel without info).

    `parts` counts SMS parts (1 elsewhere), `encoding` names the SMS alphabet ("utf-8" elsewhere), `notes` are sentences
    for the author: what was cut, what costs more, what was left out.
    `respelt` reads the same and needs only `respelt_parts`; "" when no spelling needs less.
    """

    channel: ChannelName
    language: str
    info_indexes: tuple[int, ...]
    body: str
    subject: str = ""
    html: str = ""
    parts: int = 1
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()
    respelt: str = ""
    respelt_parts: int = 0


class _Cut(NamedTuple):
    """A text that fits, and how many characters of it are not said."""

    text: str
    lost: int = 0


class _Maps:
    """The pictures of an alert's areas: named here, drawn when mails are sent (flows.texts)."""

    def __init__(self, shapes: Mapping[int, Sequence[Shape]], land: Sequence[Ring]) -> None:
        self._shapes = shapes
        self._land = land

    def of(self, notice: Notice) -> Map | None:
        """What the page shows; None when the notice has no place that could be drawn."""
        places = self._shapes.get(notice.index, ()) if notice.index is not None else ()
        return Map(content_id(places, self._land), WIDTH, HEIGHT) if name_of(places) else None


def content_id(places: Sequence[Shape], land: Sequence[Ring]) -> str:
    """How the page names the picture: by what it shows, so no other picture is ever named so.  # RFC 2392 §2"""
    return f"{name_of(places, land=land)}@map.invalid"


def compose(
    alert: CapAlert,
    *,
    channels: Sequence[ChannelName],
    languages: Sequence[str],
    mode: Mode,
    message_class: MessageClass,
    rules: ComposeRules,
    entity_name: str = "",
    previous_headlines: Mapping[str, str] | None = None,
    shapes: Mapping[int, Sequence[Shape]] | None = None,
    land: Sequence[Ring] = (),
) -> list[Composed]:
    """Every text of a campaign: by channel as given, then by the entity's order of languages, then as in the document.

    `entity_name` speaks where the alert has no senderName. `previous_headlines` (see `headlines`) are those of the
    message that a Cancel without info ends; any other alert without info says nothing: []. `shapes` are the areas of
    the infos, by their places, `land` what lies behind them: both for the map in mails.
    """
    frame = Frame(
        alert=alert,
        exercise=mode is Mode.EXERCISE or alert.status is Status.EXERCISE,
        risky=message_class in {MessageClass.URGENT, MessageClass.PREVENTION},
        zone=ZoneInfo(rules.time_zone),
        entity_name=entity_name,
    )
    notices = _notices(frame, languages, rules, previous_headlines or {})
    rank = {language: place for place, language in reversed(list(enumerate(languages)))}
    notices.sort(key=lambda notice: rank.get(notice.language, len(languages)))
    maps = _Maps(shapes or {}, land) if rules.email_map else _Maps({}, ())
    return _merged(_WAYS[channel](notice, rules, maps) for channel in dict.fromkeys(channels) for notice in notices)


def headlines(alert: CapAlert) -> dict[str, str]:
    """What each language of an alert was headed: its first headline, else event."""
    found: dict[str, str] = {}
    for info in alert.info:
        found.setdefault(language_of(info.language), one_line(info.headline) or one_line(info.event))
    return found


def _notices(frame: Frame, languages: Sequence[str], rules: ComposeRules, old: Mapping[str, str]) -> list[Notice]:
    if frame.alert.info:
        return [frame.of_info(index, info) for index, info in enumerate(frame.alert.info)]
    if frame.alert.msg_type is not MsgType.CANCEL:
        return []
    told = {language_of(tag): headline for tag, headline in old.items()} or dict.fromkeys(languages, "")
    return [frame.of_all_clear(language, headline, rules.all_clear) for language, headline in told.items()]


def _merged(texts: Iterable[Composed]) -> list[Composed]:
    """Infos that say the same in one language share one text."""
    merged: dict[Composed, tuple[int, ...]] = {}
    for text in texts:
        key = replace(text, info_indexes=())
        merged[key] = merged.get(key, ()) + text.info_indexes
    return [replace(text, info_indexes=indexes) for text, indexes in merged.items()]


def _sms(notice: Notice, rules: ComposeRules, _maps: _Maps) -> Composed:
    """senderName, headline, instruction, until when; or the author's own SMS. Stamped, marked, and never too long."""
    opening = "".join(f"{mark}. " for mark in notice.marks)
    told = f"{notice.sender}: {notice.headline}" if notice.sender and notice.headline else _told(notice)
    body = notice.sms or _sentences(told, notice.core)
    tail = "" if notice.sms else notice.until_short
    cut = _shortened(
        opening,
        body,
        tail,
        fits=lambda text: rules.count_sms(text)[1] <= rules.sms_max_parts,
        most=rules.sms_max_parts * MAX_PART_CHARACTERS,
    )
    encoding, parts = rules.count_sms(cut.text)
    respelt, fewer = _cheaper(cut.text, parts, rules)
    notes = (
        *_hidden(notice), *_lost(cut, f"{rules.sms_max_parts} SMS parts"), *_costly(cut.text, rules),
        *_spelling(cut.text, parts, respelt, fewer),
    )  # fmt: skip
    composed = _composed(ChannelName.SMS, notice, cut.text, parts=parts, encoding=encoding, notes=notes)
    return replace(composed, respelt=respelt, respelt_parts=fewer)


def _voice(notice: Notice, rules: ComposeRules, _maps: _Maps) -> Composed:
    """Who speaks, what happens, what to do, until when; or the author's own words. An exercise says so at both ends."""
    marks = " ".join(f"{mark}." for mark in notice.marks).replace(" / ", ". ")
    tail = " ".join(part for part in (notice.until_short if not notice.voice else "", _stamp_aloud(notice)) if part)
    body = spoken(one_line(notice.voice) or _announced(notice), notice.words)
    cut = _shortened(
        f"{marks} " if marks else "",
        body,
        tail,
        fits=lambda text: len(text) <= rules.voice_max_characters,
        most=rules.voice_max_characters,
    )
    notes = (*_hidden(notice), *_lost(cut, f"{rules.voice_max_characters} characters"))
    return _composed(ChannelName.VOICE, notice, cut.text, notes=notes)


def _email(notice: Notice, rules: ComposeRules, maps: _Maps) -> Composed:
    """Everything that the info says, as plain text and as a page."""
    stamp = f"[{notice.stamp}] " if notice.stamp else ""
    mark = f"{notice.mark}{notice.words.colon} " if notice.mark and notice.headline else notice.mark
    cut = _shortened(
        stamp + mark,
        notice.headline,
        "",
        fits=lambda text: len(text) <= MAX_SUBJECT_CHARACTERS,
        most=MAX_SUBJECT_CHARACTERS,
    )
    return _composed(
        ChannelName.EMAIL,
        notice,
        plain_text(notice),
        subject=cut.text,
        html=html_text(notice, cut.text, maps.of(notice)),
        notes=(*_hidden(notice), *_lost(cut, f"a subject of {MAX_SUBJECT_CHARACTERS} characters")),
    )


_WAYS: Mapping[ChannelName, Callable[[Notice, ComposeRules, _Maps], Composed]] = {
    ChannelName.SMS: _sms,
    ChannelName.VOICE: _voice,
    ChannelName.EMAIL: _email,
}


def _composed(
    channel: ChannelName,
    notice: Notice,
    body: str,
    *,
    subject: str = "",
    html: str = "",
    parts: int = 1,
    encoding: str = "utf-8",
    notes: tuple[str, ...],
) -> Composed:
    return Composed(
        channel=channel,
        language=notice.language,
        info_indexes=() if notice.index is None else (notice.index,),
        body=body,
        subject=subject,
        html=html,
        parts=parts,
        encoding=encoding,
        notes=notes,
    )


def _told(notice: Notice) -> str:
    return notice.sender or notice.headline


def _announced(notice: Notice) -> str:
    """The event is named unless the headline already does."""
    sender = notice.words.told_by.format(sender=notice.sender.rstrip(".")) if notice.sender else ""
    event = "" if notice.event.casefold() in notice.headline.casefold() else notice.event
    return _sentences(sender, event, notice.headline, notice.core)


def _stamp_aloud(notice: Notice) -> str:
    return f"{notice.stamp}.".replace(" / ", ". ") if notice.stamp else ""


def _sentences(*texts: str) -> str:
    """The texts one after the other, each ending like a sentence."""
    return " ".join(text if text[-1] in ".!?:;…。！？" else f"{text}." for text in texts if text)


def _shortened(opening: str, body: str, tail: str, *, fits: Callable[[str], bool], most: int) -> _Cut:
    """The longest text that fits, cut at a word (inside one only where there is none), its opening always whole.

    The tail stays as long as the body keeps a word beside it. `most` is a length that never fits when exceeded.
    """
    whole = f"{opening}{body} {tail}".strip()
    if len(whole) <= most and fits(whole):
        return _Cut(whole)
    for end in ([f"{ELLIPSIS} {tail}"] if tail else []) + [ELLIPSIS]:
        for cuts in (_word_ends(body[:most]), _character_ends(body[:most])):
            kept = _last_fitting(cuts, partial(_fits_between, fits, opening, end), body)
            if kept:
                return _Cut(opening + kept + end, len(body) - len(kept))
    return _Cut(opening.strip(), len(body))


def _last_fitting(cuts: Sequence[int], fits: Callable[[str], bool], body: str) -> str:
    """The longest beginning of the body, among those that end at a cut, that fits; "" when none does."""
    kept = bisect_right(cuts, False, key=lambda at: not fits(_trimmed(body[:at])))
    return _trimmed(body[: cuts[kept - 1]]) if kept else ""


def _fits_between(fits: Callable[[str], bool], opening: str, end: str, said: str) -> bool:
    return fits(opening + said + end)


def _word_ends(text: str) -> list[int]:
    return [at for at in range(1, len(text)) if text[at].isspace() and not text[at - 1].isspace()]


def _character_ends(text: str) -> list[int]:
    return [at for at in range(1, len(text)) if not combining(text[at])]


def _trimmed(text: str) -> str:
    return text.rstrip(" \n,;:.-–—(")


def _lost(cut: _Cut, limit: str) -> tuple[str, ...]:
    return (f"cut to fit {limit}: the last {cut.lost} characters of the text are not said",) if cut.lost else ()


def _hidden(notice: Notice) -> tuple[str, ...]:
    return (f"{notice.hidden} control or invisible characters are left out",) if notice.hidden else ()


def _costly(text: str, rules: ComposeRules) -> tuple[str, ...]:
    """Names the characters that make an SMS hold 70 characters a part in place of 160."""
    count_sms = rules.count_sms
    plain, _ = count_sms("a")
    encoding, parts = count_sms(text)
    if encoding == plain:
        return ()
    costly = [char for char in dict.fromkeys(text) if count_sms(char)[0] != plain]
    more = " and others" if len(costly) > _NOTED_CHARACTERS else ""
    named = " ".join(costly[:_NOTED_CHARACTERS])
    why = f"{named}{more}: outside the SMS alphabet, so the text needs {encoding} and {parts} parts"
    return (why,)


def _cheaper(text: str, parts: int, rules: ComposeRules) -> tuple[str, int]:
    """A spelling that needs fewer parts, and how many; ("", 0) when there is none."""
    if parts == 1:
        return "", 0
    respelt = rules.respell(text)
    fewer = rules.count_sms(respelt)[1]
    return (respelt, fewer) if fewer < parts else ("", 0)


def _spelling(text: str, parts: int, respelt: str, fewer: int) -> tuple[str, ...]:
    """What another spelling would save, with the first words that change."""
    if not respelt:
        return ()
    pairs = dict.fromkeys((a, b) for a, b in zip(text.split(), respelt.split(), strict=False) if a != b)
    shown = ", ".join(f"{a} -> {b}" for a, b in list(pairs)[:_NOTED_WORDS])
    more = " and so on" if len(pairs) > _NOTED_WORDS else ""
    return (f"spelt {shown}{more}: {parts} parts -> {fewer}",)
