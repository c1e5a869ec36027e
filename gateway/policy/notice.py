"""What one alert says in one language, cleaned, with the gateway's words around it: the matter that texts are made of.

Knows: which elements of an info are told, how an exercise, an Update and a Cancel are marked, dates in local time.
Never knows: how long a text may be, channels, recipients. CAP 1.2 §3.2.2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from gateway.cap.model import CapAlert, CapInfo, MsgType
from gateway.policy.clean import INVISIBLE, cleaned, language_of, one_line, tag_of
from gateway.policy.words import Words, stamp_of, words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One info. `tag` is its RFC 5646 tag; `stamp` and `mark` ("" if none) say exercise and Update or end of alert;
    `core` is what to do in one line; `facts` are labels and values, `area` is where; `until` is a sentence,
    `until_short` the same for an SMS; `sms` and `voice` are the author's own texts; `hidden` counts invisible
    characters that were left out."""

    index: int | None
    language: str
    tag: str
    words: Words
    stamp: str = ""
    mark: str = ""
    sender: str = ""
    headline: str = ""
    event: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    area: str = ""
    description: str = ""
    instruction: str = ""
    core: str = ""
    until: str = ""
    until_short: str = ""
    web: str = ""
    contact: str = ""
    sms: str = ""
    voice: str = ""
    hidden: int = 0

    @property
    def marks(self) -> tuple[str, ...]:
        """What every text has to open with."""
        return tuple(word for word in (self.stamp, self.mark) if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all notices of one alert share: `risky` texts say how urgent, severe and certain the event is."""

    alert: CapAlert
    exercise: bool
    risky: bool
    zone: tzinfo
    entity_name: str = ""

    def of_info(self, index: int, info: CapInfo) -> Notice:
        """The notice of one info."""
        language = language_of(info.language)
        words = words_of(language)
        until = info.expires if self.alert.msg_type is not MsgType.CANCEL else None
        return Notice(
            index=index,
            language=language,
            tag=tag_of(info.language),
            words=words,
            stamp=self._stamp(language),
            mark=self._mark(words),
            sender=one_line(info.sender_name) or one_line(self.entity_name),
            headline=one_line(info.headline) or one_line(info.event),
            event=one_line(info.event),
            facts=tuple(self._facts(info, words)),
            area=_areas(info),
            description=cleaned(info.description),
            instruction=cleaned(info.instruction),
            core=one_line(info.instruction),
            until=self._until(until, words, words.long, zone=True),
            until_short=self._until(until, words, words.short if self._same_year(until) else words.long),
            web=one_line(info.web),
            contact=one_line(info.contact),
            sms=cleaned(next(iter(info.parameters("gateway:sms")), "")),
            voice=cleaned(next(iter(info.parameters("gateway:voice")), "")),
            hidden=sum(len(INVISIBLE.findall(text)) for text in _texts(info)),
        )

    def of_all_clear(self, language: str, headline: str, all_clear: Mapping[str, str]) -> Notice:
        """A Cancel may come without info: the old headline and the all-clear then speak for it."""
        words = words_of(language)
        text = cleaned(all_clear.get(language, "")) or words.all_clear
        return Notice(
            index=None,
            language=language,
            tag=language,
            words=words,
            stamp=self._stamp(language),
            mark=self._mark(words),
            sender=one_line(self.entity_name),
            headline=one_line(headline),
            description=text,
            core=one_line(text),
        )

    def _stamp(self, language: str) -> str:
        return stamp_of(language) if self.exercise else ""

    def _mark(self, words: Words) -> str:
        match self.alert.msg_type:
            case MsgType.UPDATE:
                return words.update
            case MsgType.CANCEL:
                return words.end
            case _:
                return ""

    def _facts(self, info: CapInfo, words: Words) -> Iterable[tuple[str, str]]:
        yield words.event, one_line(info.event)
        if areas := _areas(info):
            yield words.area, areas
        if self.risky:
            urgency, severity, certainty = words.risk
            yield urgency, words.urgency[info.urgency]
            yield severity, words.severity[info.severity]
            yield certainty, words.certainty[info.certainty]

    def _same_year(self, until: datetime | None) -> bool:
        return until is not None and until.astimezone(self.zone).year == self.alert.sent.astimezone(self.zone).year

    def _until(self, until: datetime | None, words: Words, form: str, *, zone: bool = False) -> str:
        if until is None:
            return ""
        local = until.astimezone(self.zone)
        when = form.format(
            day=words.first if local.day == 1 and "{name}" in form else local.day,
            month=local.month,
            name=words.months[local.month - 1],
            year=local.year,
            hour=local.hour,
            minute=local.minute,
        )
        return words.until.format(when=f"{when} ({local:%Z})" if zone else when)


def _areas(info: CapInfo) -> str:
    return "; ".join(dict.fromkeys(one_line(area.area_desc) for area in info.area))


def _texts(info: CapInfo) -> Iterable[str]:
    yield from (info.sender_name, info.headline, info.event, info.description, info.instruction, info.web, info.contact)
    yield from (area.area_desc for area in info.area)
    yield from (pair.value for pair in info.parameter if pair.value_name.startswith("gateway:"))
