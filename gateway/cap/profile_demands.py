"""What profiles demand, as checks that take the particulars: this code, these elements, that form.

Knows: drafts. Never knows: which profile asks, and how much it matters there.
Each function here returns a check in the sense of rules.py.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from gateway.cap.area import MAX_VERTICES, Ring, validate
from gateway.cap.draft import Block, Draft, InfoDraft
from gateway.cap.findings import quoted
from gateway.cap.model import Circle
from gateway.cap.rules_message import Context, Mark

Check = Callable[[Draft, Context], Iterable[Mark]]


def carries_code(pattern: str, example: str) -> Check:
    """A code element of this form."""
    form = re.compile(pattern)

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        if not any(form.fullmatch(leaf.value) for leaf in draft.all("code")):
            yield draft, f"the profile's code is absent; add <code>{example}</code>"

    return check


def has_info(*, kinds: tuple[str, ...] = ()) -> Check:
    """At least one info, for these msgTypes or for all."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        if not draft.infos and (not kinds or draft.text("msgType") in kinds):
            yield draft, "info is absent; the profile wants at least one"

    return check


def gives(*names: str) -> Check:
    """These elements, not blank, in every info."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            for name in names:
                if not (info.areas if name == "area" else info.text(name)):
                    yield info, f"{name} is absent or blank; the profile asks for it in every info"

    return check


def has_shapes() -> Check:
    """A polygon or circle in every area."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for area in (area for info in draft.infos for area in info.areas):
            if not area.shapes:
                yield area, "the area has neither polygon nor circle; the profile asks for one"

    return check


def has_event_code(name: str, form: str, example: str, *, exactly: bool = False) -> Check:
    """An eventCode of this system in every info, its value in this form; with `exactly`, no second one."""
    names, values = re.compile(name), re.compile(form)

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            own = [pair for pair in info.pairs.get("eventCode", []) if names.fullmatch(pair.value_name)]
            if not own:
                yield info, f"the profile's eventCode is absent; add {example}"
            elif exactly and len(own) > 1:
                yield own[1], "there is more than one eventCode of the profile; keep one"
            for pair in own:
                if not values.fullmatch(pair.value):
                    yield pair, f"{quoted(pair.value)} is not a value of this eventCode; write for example {example}"

    return check


def has_geocode(name: str, form: str, example: str) -> Check:
    """A geocode of this system in every area, its value in this form."""
    names, values = re.compile(name), re.compile(form)

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for area in (area for info in draft.infos for area in info.areas):
            own = [pair for pair in area.pairs.get("geocode", []) if names.fullmatch(pair.value_name)]
            if not own:
                yield area, f"the profile's geocode is absent; add {example}"
            for pair in own:
                if not values.fullmatch(pair.value):
                    yield pair, f"{quoted(pair.value)} is not a value of this geocode; write for example {example}"

    return check


def has_parameter(name: str, form: str, example: str) -> Check:
    """A parameter of this name in every info, its value in this form."""
    values = re.compile(form)

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            own = [pair for pair in info.pairs.get("parameter", []) if pair.value_name == name]
            if not own:
                yield info, f"the parameter {name} is absent; write for example {example}"
            for pair in own:
                if not values.fullmatch(pair.value):
                    yield pair, f"{quoted(pair.value)} is not a value of {name}; write for example {example}"

    return check


def same_in_every_info(name: str) -> Check:
    """The same values of an element in every info, whatever the language."""

    def values(info: InfoDraft) -> frozenset[str]:
        return frozenset(
            [leaf.value for leaf in info.all(name)] + [f"{p.value_name}={p.value}" for p in info.pairs.get(name, [])]
        )

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos[1:]:
            if values(info) != values(draft.infos[0]):
                yield info, f"{name} is not the same as in {draft.infos[0].path}; the profile wants one event"

    return check


def in_languages(*languages: str) -> Check:
    """An info in each of these languages."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        missing = [language for language in languages if language.lower() not in {i.language for i in draft.infos}]
        if draft.infos and missing:
            yield draft.infos[0], f"there is no info in {' and '.join(missing)}; the profile encourages it"

    return check


def not_unknown(*names: str) -> Check:
    """No Unknown in these elements."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            for name in names:
                leaf = info.leaf(name)
                if leaf and leaf.value == "Unknown":
                    yield leaf, f"{name} is Unknown; the profile discourages it, estimate it"

    return check


def at_most_characters(name: str, most: int) -> Check:
    """No longer text than this in an element of info."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            leaf = info.leaf(name)
            if leaf and len(leaf.value) > most:
                yield leaf, f"{name} has {len(leaf.value)} characters; the profile takes {most}"

    return check


def at_most_vertices(most: int) -> Check:
    """No polygon of more vertices than this."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for area in (area for info in draft.infos for area in info.areas):
            for leaf, reading in area.polygons:
                if reading.shape is not None and len(reading.shape) - 1 > most:
                    yield leaf, f"the polygon has {len(reading.shape) - 1} vertices; the profile takes {most}"

    return check


def texts_differ(*names: str) -> Check:
    """No two of these elements with the same text."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for info in draft.infos:
            said: dict[str, str] = {}
            for name in names:
                text, leaf = info.text(name), info.leaf(name)
                if leaf and text and text in said:
                    yield leaf, f"{name} says the same as {said[text]}; let each add something"
                said.setdefault(text, name)

    return check


def radius_above_zero() -> Check:
    """No circle of radius 0."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        for area in (area for info in draft.infos for area in info.areas):
            for leaf, reading in area.circles:
                if isinstance(reading.shape, Circle) and reading.shape.radius_km == 0:
                    yield leaf, "the radius is 0; the profile wants more"

    return check


def without(name: str, reason: str, *, kinds: tuple[str, ...] = ()) -> Check:
    """An element that is not to be there, in the alert or its infos, for these msgTypes or for all."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        if kinds and draft.text("msgType") not in kinds:
            return
        blocks: list[Block] = [draft, *draft.infos]
        for leaf in (leaf for block in blocks if (leaf := block.leaf(name)) and leaf.value):
            yield leaf, f"{name} is given; {reason}"

    return check


def offset_is_local() -> Check:
    """Times with the offset of the place and not of UTC."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        sent = draft.sent
        if sent and sent.leaf.value.endswith(("+00:00", "-00:00")):
            yield sent.leaf, "sent is in UTC; the profile wants the offset of the place alerted"

    return check


def value_matches(name: str, pattern: str, example: str) -> Check:
    """An element of the alert in this form."""
    form = re.compile(pattern)

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        leaf = draft.leaf(name)
        if leaf and not form.fullmatch(leaf.value):
            yield leaf, f"{name} {quoted(leaf.value)} does not have the profile's form; write for example {example}"

    return check


def is_signed() -> Check:
    """A signature; whether it is good is asked elsewhere."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        if not draft.signatures:
            yield draft, "the alert is not signed; the profile wants an enveloped XML signature"

    return check


def is_test_only() -> Check:
    """A word on status Test."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        status = draft.leaf("status")
        if status and status.value == "Test":
            yield status, "status is Test; it is logged and shown to nobody"

    return check


def parameter_says(name: str, *words: str, several: bool = False) -> Check:
    """A parameter, if it is there, with these words only: one, the same in every info, or `several` in any order."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        own = [pair for info in draft.infos for pair in info.pairs.get("parameter", []) if pair.value_name == name]
        for pair in own:
            said = pair.value.split() if several else [pair.value]
            wrong = next((word for word in said if word not in words), "" if said else pair.value)
            if wrong or not said:
                yield pair, f"{name} says {quoted(wrong)}; the profile knows {', '.join(words)}"
        if not several and len({pair.value for pair in own}) > 1:
            yield own[-1], f"{name} has more than one value; say it once, or the same in every info"

    return check


def reaches_somebody() -> Check:
    """Somebody to tell: a place for a Public alert, or groups in addresses. A Cancel tells those told before."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        if draft.text("msgType") not in ("Alert", "Update") or draft.addresses.items:
            return
        places = any(area.shapes or area.pairs.get("geocode") for area in draft.areas)
        if not (places and draft.text("scope") == "Public"):
            where = draft.leaf("scope") or draft
            yield where, "nobody would be told: give a place (scope Public), or name groups in addresses"

    return check


def polygons_are_simple() -> Check:
    """Polygons that say for every place whether it is inside."""

    def check(draft: Draft, _: Context) -> Iterator[Mark]:
        shapes = {leaf.text: (leaf, reading.shape) for area in draft.areas for leaf, reading in area.polygons}
        for leaf, shape in shapes.values():
            if shape is None or isinstance(shape, Circle) or len(shape) > MAX_VERTICES:
                continue
            for problem in validate(Ring(tuple((lon, lat) for lat, lon in shape))):
                yield leaf, f"{problem}; people can not be sought in it"

    return check
