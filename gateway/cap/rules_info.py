"""Rules about info blocks: language, times, texts, and what blocks say beside each other.

Knows: the second level of an alert. Never knows: areas' shapes, other alerts.
Standard: CAP 1.2 §3.2.2, §3.3.2 (rules S17-S24, S36, S43).
"""

import re
from collections.abc import Callable, Iterator
from itertools import combinations

from gateway.cap import uri
from gateway.cap.draft import Block, Draft, InfoDraft
from gateway.cap.findings import quoted
from gateway.cap.languages import language_doubt, language_problem
from gateway.cap.rules_message import Context, Mark

HEADLINE_CHARACTERS = 160  # CAP 1.2 §3.2.2: what some devices can show
_FACTS = ("urgency", "severity", "certainty")
_TRANSLATED = ("description", "headline")
_DOTTED = re.compile(r"(?:[A-Za-z]\.){2,}[A-Za-z]?")
_ACRONYMS = frozenset(
    {
        "SAME",
        "FIPS",
        "FIPS5",
        "FIPS6",
        "UGC",
        "NUTS",
        "NUTS2",
        "NUTS3",
        "EMMA_ID",
        "VTEC",
        "NIS",
        "ISO3166-1",
        "ISO3166-2",
    }
)


def language_is_well_formed(draft: Draft, _: Context) -> Iterator[Mark]:
    """S17."""
    for info in draft.infos:
        leaf = info.leaf("language")
        if leaf and leaf.value and (problem := language_problem(leaf.value)):
            yield leaf, problem


def language_is_registered(draft: Draft, _: Context) -> Iterator[Mark]:
    """S17, the lesser part: well-formed, and still no language that anybody registered."""
    for info in draft.infos:
        leaf = info.leaf("language")
        if leaf and (doubt := language_doubt(leaf.value)) and not language_problem(leaf.value):
            yield leaf, doubt


def event_is_named(draft: Draft, _: Context) -> Iterator[Mark]:
    """S20."""
    for info in draft.infos:
        leaf = info.leaf("event")
        if leaf and not leaf.value:
            yield leaf, "event is blank; name what happens, such as Fire"


def value_names_are_given(draft: Draft, _: Context) -> Iterator[Mark]:
    """S20; in CAP 1.0 there are no value names to miss."""
    for pair in draft.named if draft.version != "1.0" else ():
        if not pair.value_name:
            yield pair, "valueName is blank; say what the value is a value of"


def values_are_given(draft: Draft, _: Context) -> Iterator[Mark]:
    """S20, the lesser part."""
    for pair in draft.named:
        if not pair.value:
            yield pair, f"the value of {quoted(pair.value_name)} is blank; give it, or leave the element out"


def value_names_are_spelled_as_acronyms(draft: Draft, _: Context) -> Iterator[Mark]:
    """S36, said once for each name."""
    for name, pair in {pair.value_name: pair for pair in reversed(draft.named)}.items():
        if "." in name and _DOTTED.fullmatch(name):
            yield pair, f"valueName {quoted(name)} is an acronym with periods; write {name.replace('.', '').upper()}"
        elif name.upper() in _ACRONYMS and not name.isupper():
            yield pair, f"valueName {quoted(name)} is an acronym; write {name.upper()}"


def alert_ends_after_it_begins(draft: Draft, _: Context) -> Iterator[Mark]:
    """S21: compared as moments, never as texts."""
    for info in draft.infos:
        ends = info.dates.get("expires")
        if ends is None or ends.at is None:
            continue
        begins = info.instant("effective") or draft.sent_at
        name = "effective" if info.instant("effective") else "sent, from which it is in effect"
        if begins and ends.at <= begins:
            yield ends.leaf, f"expires is not later than {name}; offsets count: compare both in UTC"
        onset = info.instant("onset")
        if onset and ends.at <= onset:
            yield ends.leaf, "expires is not later than onset; the alert would end before the event begins"


def alert_begins_in_order(draft: Draft, _: Context) -> Iterator[Mark]:
    """S21, the lesser part."""
    for info in draft.infos:
        effective, onset = info.dates.get("effective"), info.dates.get("onset")
        if effective and effective.at and draft.sent_at and effective.at < draft.sent_at:
            yield effective.leaf, "effective is earlier than sent; an alert is not in effect before it is sent"
        begins = info.instant("effective")
        if onset and onset.at and begins and onset.at < begins:
            yield onset.leaf, "onset is earlier than effective"


def end_is_given(draft: Draft, _: Context) -> Iterator[Mark]:
    """S22: without expires the recipient decides."""
    if draft.text("msgType") in ("Ack", "Error"):
        return
    for info in draft.infos:
        if info.leaf("expires") is None:
            yield info, "expires is absent; the gateway's default will end the alert. Give expires to decide it"


def alert_is_not_over(draft: Draft, context: Context) -> Iterator[Mark]:
    """S22: what is over is recorded and sent to nobody."""
    for info in draft.infos if context.received_at else ():
        ends = info.dates.get("expires")
        if ends and ends.at and context.received_at and ends.at <= context.received_at:
            yield ends.leaf, "the alert had expired when it came; it is recorded and not sent"


def headline_is_short(draft: Draft, _: Context) -> Iterator[Mark]:
    """S23."""
    for info in draft.infos:
        leaf = info.leaf("headline")
        if leaf and len(leaf.value) > HEADLINE_CHARACTERS:
            length = len(leaf.value)
            yield leaf, f"headline has {length} characters; {HEADLINE_CHARACTERS} fit on a small screen, say it shorter"


def web_is_absolute(draft: Draft, _: Context) -> Iterator[Mark]:
    """S24."""
    for info in draft.infos:
        leaf = info.leaf("web")
        if leaf and leaf.value and (problem := uri.problem(leaf.value)):
            yield leaf, f"web {problem}"


def web_can_be_opened(draft: Draft, _: Context) -> Iterator[Mark]:
    """S24: schemes other than http and https are not passed on as links."""
    for info in draft.infos:
        leaf = info.leaf("web")
        if leaf and leaf.value and not uri.is_web(leaf.value) and not uri.problem(leaf.value):
            yield leaf, f"web {quoted(leaf.value)} is no http or https address; it is not shown as a link"


def very_likely_is_likely(draft: Draft, _: Context) -> Iterator[Mark]:
    """S43."""
    for info in draft.infos:
        leaf = info.leaf("certainty")
        if leaf and leaf.value == "Very Likely":
            yield leaf, 'certainty "Very Likely" is of CAP 1.0; it is read as Likely'


def blocks_of_one_language_do_not_override(draft: Draft, _: Context) -> Iterator[Mark]:
    """S18: in the same place and time, a later block may add and not contradict."""
    if len({info.language for info in draft.infos}) == len(draft.infos):
        return
    first_of: dict[tuple[str, str], InfoDraft] = {}
    for info in draft.infos:
        for place in _places(info) or ("everywhere",):
            first = first_of.setdefault((info.language, place), info)
            if first is not info and not _apart(first, info) and (other := _different(first, info, ("event", *_FACTS))):
                yield info.leaf(other) or info, _override_message(first, info, other)
                break


def _override_message(first: InfoDraft, info: InfoDraft, name: str) -> str:
    said, says = quoted(first.text(name), 30), quoted(info.text(name), 30)
    return f"in the same language and place {first.path} has {name} {said} and this one {says}; use one, or two alerts"


def _places(info: InfoDraft) -> frozenset[str]:
    """What names the areas of an info, as texts that can be compared."""
    names = {
        f"{name} {leaf.value}"
        for area in info.areas
        for name in ("areaDesc", "polygon", "circle")
        for leaf in area.all(name)
    }
    return frozenset(
        names | {f"{pair.value_name}={pair.value}" for area in info.areas for pair in area.pairs.get("geocode", [])}
    )


def _apart(first: InfoDraft, other: InfoDraft) -> bool:
    """Whether two blocks are about times that do not meet."""
    for one, two in ((first, other), (other, first)):
        ends, begins = one.instant("expires"), two.instant("onset") or two.instant("effective")
        if ends and begins and ends <= begins:
            return True
    return False


def _different(first: Block, other: Block, names: tuple[str, ...]) -> str:
    return next((name for name in names if first.text(name) != other.text(name)), "")


def languages_say_the_same(draft: Draft, _: Context) -> Iterator[Mark]:
    """S19: the k-th block of each language is the same block, translated."""
    groups = _by_language(draft)
    if len(groups) < 2:
        return
    main, *others = groups.values()
    spelled = [_spelled(info) for info in main]
    facts: dict[int, dict[str, object]] = {}
    for group in others:
        if len(group) != len(main):
            message = (
                f"{group[0].language} has {len(group)} blocks and {main[0].language} {len(main)}; give each in both"
            )
            yield group[0], message
            continue
        for place, (first, other) in enumerate(zip(main, group, strict=True)):
            if spelled[place] == _spelled(other):  # nearly always
                continue
            if place not in facts:
                facts[place] = {name: fact(first) for name, fact in _FACTS_OF.items()}
            said = facts[place]
            if wrong := next((name for name, fact in _FACTS_OF.items() if said[name] != fact(other)), ""):
                where = other.leaf(wrong) or other
                yield where, f"{wrong} is not the same as in {first.path}; languages differ in words, not in facts"


def _spelled(info: InfoDraft) -> list[object]:
    """The facts as they are written: where two infos have them in the same order, there is nothing to compare."""
    leaves, pairs = info.leaves, info.pairs
    said: list[object] = [[leaf.value for leaf in leaves.get(name, ())] for name in ("category", *_FACTS)]
    said += [info.instant("onset"), info.instant("expires"), [pair[1:] for pair in pairs.get("eventCode", ())]]
    for area in info.areas:
        said += [[leaf.text for leaf, _ in area.polygons], [leaf.text for leaf, _ in area.circles]]
        said.append([pair[1:] for pair in area.pairs.get("geocode", ())])
    return said


def languages_are_translated(draft: Draft, _: Context) -> Iterator[Mark]:
    """S19: the same words under two languages."""
    firsts = [group[0] for group in _by_language(draft).values()]
    if all(_all_differ([info.text(name) for info in firsts]) for name in _TRANSLATED):
        return
    for first, other in combinations(firsts, 2):
        if first.language.split("-")[0] == other.language.split("-")[0]:
            continue
        name = next((n for n in _TRANSLATED if first.text(n) and first.text(n) == other.text(n)), "")
        if name:
            where = other.leaf(name) or other
            yield where, f"{name} is the same text as in {first.path}, which is in another language; translate it"


def _all_differ(texts: list[str]) -> bool:
    return len(set(texts)) == len(texts)


def _by_language(draft: Draft) -> dict[str, list[InfoDraft]]:
    groups: dict[str, list[InfoDraft]] = {}
    for info in draft.infos:
        groups.setdefault(info.language, []).append(info)
    return groups


def _shapes(info: InfoDraft) -> frozenset[str]:
    """The places of an info without their names, which are translated."""
    return frozenset(name for name in _places(info) if not name.startswith("areaDesc "))


def _leaf_set(name: str) -> Callable[[InfoDraft], object]:
    return lambda info: frozenset(leaf.value for leaf in info.all(name))


def _moment(name: str) -> Callable[[InfoDraft], object]:
    return lambda info: info.instant(name)


_FACTS_OF: dict[str, Callable[[InfoDraft], object]] = {
    "category": _leaf_set("category"),
    "eventCode": lambda info: frozenset((p.value_name, p.value) for p in info.pairs.get("eventCode", [])),
    **{name: _leaf_set(name) for name in _FACTS},
    "onset": _moment("onset"),
    "expires": _moment("expires"),
    "area": _shapes,
}
