"""From a draft without objections to the alert record.

Knows: which text becomes which field. Never knows: rules; it is called when they have nothing against the draft.
Standard: CAP 1.2 §3.2.
"""

from gateway.cap import dates
from gateway.cap.draft import AreaDraft, Block, Draft, InfoDraft
from gateway.cap.model import (
    CapAlert,
    CapArea,
    CapInfo,
    CapResource,
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
)
from gateway.cap.places import number_or_none

# asked by text, an enumeration takes ten times as long as a table of its members
_STATUS = {one.value: one for one in Status}
_MSG_TYPE = {one.value: one for one in MsgType}
_SCOPE = {one.value: one for one in Scope}
_CATEGORY = {one.value: one for one in Category}
_RESPONSE_TYPE = {one.value: one for one in ResponseType}
_URGENCY = {one.value: one for one in Urgency}
_SEVERITY = {one.value: one for one in Severity}
# CAP 1.2 §3.2.2: the "Very Likely" of 1.0 is treated as Likely
_CERTAINTY = {one.value: one for one in Certainty} | {"Very Likely": Certainty.LIKELY}


def build(draft: Draft) -> CapAlert | None:
    """The alert; None when a code or the time of sending can not be read after all."""
    if draft.sent_at is None or draft.sent is None:
        return None
    try:
        return _alert(draft)
    except (KeyError, ValueError):  # a code that is in no enumeration
        return None


def _alert(draft: Draft) -> CapAlert:
    sent = draft.sent
    assert sent is not None and sent.at is not None
    scope = draft.text("scope")
    return CapAlert(
        version=draft.version,
        identifier=draft.text("identifier"),
        sender=draft.text("sender"),
        sent=sent.at,
        sent_text=sent.leaf.value if dates.is_strict(sent.leaf.value) else dates.write(sent.at),
        status=_STATUS[draft.text("status")],
        msg_type=_MSG_TYPE[draft.text("msgType")],
        scope=_SCOPE[scope] if scope else None,
        source=draft.text("source"),
        restriction=draft.text("restriction"),
        addresses=draft.addresses.items,
        code=_values(draft, "code"),
        note=draft.text("note"),
        references=tuple(referral.reference for referral in draft.references if referral.reference),
        incidents=draft.incidents.items,
        info=tuple(_info(info) for info in draft.infos),
    )


def _info(info: InfoDraft) -> CapInfo:
    return CapInfo(
        language=info.text("language") or "en-US",  # CAP 1.2 §3.2.2
        category=tuple([_CATEGORY[value] for value in _values(info, "category")]),
        event=info.text("event"),
        response_type=tuple([_RESPONSE_TYPE[value] for value in _values(info, "responseType")]),
        urgency=_URGENCY[info.text("urgency")],
        severity=_SEVERITY[info.text("severity")],
        certainty=_CERTAINTY[info.text("certainty")],
        audience=info.text("audience"),
        event_code=_pairs(info, "eventCode"),
        effective=info.instant("effective"),
        onset=info.instant("onset"),
        expires=info.instant("expires"),
        sender_name=info.text("senderName"),
        headline=info.text("headline"),
        description=info.text("description"),
        instruction=info.text("instruction"),
        web=info.text("web"),
        contact=info.text("contact"),
        parameter=_pairs(info, "parameter"),
        resource=tuple(_resource(resource) for resource in info.resources),
        area=tuple(_area(area) for area in info.areas),
    )


def _resource(resource: Block) -> CapResource:
    size = resource.text("size")
    return CapResource(
        resource_desc=resource.text("resourceDesc"),
        mime_type=resource.text("mimeType"),
        size=int(size) if size and len(size) < 20 else None,
        uri=resource.text("uri"),
        deref_uri=resource.text("derefUri"),
        digest=resource.text("digest"),
    )


def _area(area: AreaDraft) -> CapArea:
    return CapArea(
        area_desc=area.text("areaDesc"),
        polygon=tuple([shape for _, (shape, _) in area.polygons if shape and not isinstance(shape, Circle)]),
        circle=tuple([shape for _, (shape, _) in area.circles if isinstance(shape, Circle)]),
        geocode=_pairs(area, "geocode"),
        altitude=number_or_none(area.text("altitude")),
        ceiling=number_or_none(area.text("ceiling")),
    )


def _values(block: Block, name: str) -> tuple[str, ...]:
    return tuple([leaf.value for leaf in block.leaves.get(name, ()) if leaf.value])


def _pairs(block: Block, name: str) -> tuple[NameValue, ...]:
    return tuple([pair.name_value for pair in block.pairs.get(name, ())])
