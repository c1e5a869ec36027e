"""One step from an alert of somebody else to a draft of the entity's own, which a person reads, changes and posts.

Knows: what of an alert may be taken over, what must not, the small templates of its texts. Never knows: clocks (`now`
is an argument), the store, whether the source is trusted (polling.py says which alerts are held).
Standard: CAP 1.2 §3.2. The draft is a message of its own: own sender, own identifier; where it comes from stands in
`source` and `note`, and `references` name only alerts of the entity's own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.cap.feed import best_language, clean, one_line
from gateway.cap.model import CapAlert, CapInfo, CapReference, MsgType, Scope

PLACES = (
    "headline", "description", "instruction", "event", "areas", "sender_name", "source", "expires", "contact", "web",
)  # fmt: skip
"""What a template may name in braces."""

_PLACE = re.compile(r"\{([^{}\s]{1,40})\}")
_HEADLINE_CHARACTERS = 160  # CAP 1.2 §3.2.2: what small devices show
_TEXT_CHARACTERS = 4_000
_NOTE_CHARACTERS = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTexts:
    """The texts of a draft in one language; words of PLACES in braces stand for what the alert says."""

    headline: str = "{headline}"
    description: str = "{description}"
    instruction: str = "{instruction}"


OWN_TEXTS: Mapping[str, RelayTexts] = {
    "nl": RelayTexts(description="{description}\nBron: {sender_name}."),
    "fr": RelayTexts(description="{description}\nSource : {sender_name}."),
    "de": RelayTexts(description="{description}\nQuelle: {sender_name}."),
    "en": RelayTexts(description="{description}\nSource: {sender_name}."),
}
"""The gateway's own templates; other languages are taken over without a word of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayer:
    """Who makes the draft: the CAP sender and identifier it gets, the name that people know, and its templates."""

    sender: str
    identifier: str
    name: str
    texts: Mapping[str, RelayTexts]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoDraft:
    """Why there is no draft, as a sentence."""

    message: str


def unknown_places(template: str) -> list[str]:
    """The words in braces that no alert can fill."""
    return [word for word in _PLACE.findall(template) if word not in PLACES]


def draft_of(
    alert: CapAlert, relayer: Relayer, *, source: str, earlier: Sequence[CapReference], now: datetime
) -> CapAlert | NoDraft:
    """The entity's own version of an alert that came from `source` (its title or address).

    `earlier` are the entity's own accepted alerts made from those that this one follows up. An Update of something that
    was never relayed is a first Alert; a Cancel of it is nothing to say. What has expired is left out. Parameters,
    addresses, codes and resources stay behind: they could steer this gateway, name its groups, or claim a profile and
    files that nobody here has seen.
    """
    if alert.msg_type is MsgType.CANCEL and not earlier:
        return NoDraft(message="It cancels what was never relayed: there is nothing of yours to cancel.")
    if alert.msg_type not in {MsgType.ALERT, MsgType.UPDATE, MsgType.CANCEL}:
        return NoDraft(message="It is a message between systems and says nothing to people.")
    now = now.replace(microsecond=0)
    lasting = [info for info in alert.info if info.expires is None or info.expires > now]
    if alert.info and not lasting:
        return NoDraft(message="All of it has expired.")
    return CapAlert(
        version="1.2",
        sender=relayer.sender,
        identifier=relayer.identifier,
        sent=now,
        sent_text="",
        status=alert.status,
        msg_type=alert.msg_type if earlier else MsgType.ALERT,
        scope=Scope.PUBLIC,
        source=one_line(f"{alert.sender} ({source})")[:200],
        restriction="",
        addresses=(),
        code=(),
        note=_note(alert),
        references=tuple(earlier),
        incidents=alert.incidents,
        info=tuple(_info(info, relayer, source) for info in lasting),
    )


def _note(alert: CapAlert) -> str:
    """Where the draft comes from, by the identities that others know."""
    said = f"Made from {alert.msg_type} {alert.sender},{alert.identifier},{alert.sent_text}"
    if alert.references:
        names = " ".join(f"{one.sender},{one.identifier},{one.sent_text}" for one in alert.references)
        said += f", which refers to {names}"
    return one_line(said)[:_NOTE_CHARACTERS]


def _info(info: CapInfo, relayer: Relayer, source: str) -> CapInfo:
    facts = {
        "headline": info.headline or info.event,
        "description": info.description,
        "instruction": info.instruction,
        "event": info.event,
        "areas": ", ".join(dict.fromkeys(area.area_desc for area in info.area)),
        "sender_name": info.sender_name or source,
        "source": source,
        "expires": f"{info.expires:%Y-%m-%d %H:%M UTC%z}" if info.expires else "",
        "contact": info.contact,
        "web": info.web,
    }
    texts = texts_for(info.language, relayer.texts)
    return replace(
        info,
        event=one_line(info.event),
        audience=one_line(info.audience),
        effective=None,
        sender_name=relayer.name,
        headline=_cut(one_line(filled(texts.headline, facts)), _HEADLINE_CHARACTERS),
        description=_cut(filled(texts.description, facts), _TEXT_CHARACTERS),
        instruction=_cut(filled(texts.instruction, facts), _TEXT_CHARACTERS),
        contact="",
        parameter=(),
        resource=(),
    )


def texts_for(language: str, texts: Mapping[str, RelayTexts]) -> RelayTexts:
    """The templates of a language: the operator's, else the gateway's own, else the plain ones."""
    known = {**OWN_TEXTS, **texts}
    names = list(known)
    found = names[best_language(names, language)]
    same = found.partition("-")[0] == language.lower().partition("-")[0]
    return known[found] if same else RelayTexts()


def filled(template: str, facts: Mapping[str, str]) -> str:
    """The template with its places filled; what a fact says in braces is not a place. A line whose only places are
    empty is left out, so that no label stands alone."""
    lines = []
    for line in template.splitlines():
        words = _PLACE.findall(line)
        if words and not any(facts.get(word) for word in words):
            continue
        lines.append(_PLACE.sub(lambda found: clean(facts.get(found[1], "")), line))
    return "\n".join(lines).strip()


def _cut(text: str, most: int) -> str:
    """The text, cut at a word when it is too long, and seen to be cut."""
    if len(text) <= most:
        return text
    return text[: most - 3].rsplit(None, 1)[0] + "..."
