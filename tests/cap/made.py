"""Alerts made by hypothesis: any that the records can hold and the rules allow."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from gateway.cap.model import (
    CapAlert,
    CapArea,
    CapInfo,
    CapReference,
    CapResource,
    Category,
    Certainty,
    Circle,
    MsgType,
    NameValue,
    Polygon,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)

# what survives XML unchanged: no control characters, no carriage return, no white space around it
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"), include_characters="\n\t")
TEXT = st.text(_CHARACTERS, max_size=30).map(str.strip)
NAMED = st.text(_CHARACTERS, min_size=1, max_size=30).map(str.strip).filter(bool)
WORD = st.text(st.sampled_from("abcXYZ019.-_:@/é"), min_size=1, max_size=20)
ITEM = NAMED.filter(lambda item: '"' not in item)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(microsecond=0))
PAIRS = st.lists(st.builds(NameValue, NAMED, TEXT), max_size=3).map(tuple)
LAT = st.integers(-90_000, 90_000).map(lambda number: number / 1000)
LON = st.integers(-180_000, 180_000).map(lambda number: number / 1000)


@st.composite
def polygons(draw: st.DrawFn) -> Polygon:
    points = draw(st.lists(st.tuples(LAT, LON), min_size=3, max_size=8))
    return (*points, points[0])


@st.composite
def areas(draw: st.DrawFn) -> CapArea:
    altitude = draw(st.none() | st.integers(-1000, 50_000).map(float))
    above = st.integers(0, 1000).map(lambda feet: (altitude or 0) + feet)
    return CapArea(
        area_desc=draw(NAMED),
        polygon=tuple(draw(st.lists(polygons(), max_size=2))),
        circle=tuple(
            draw(st.lists(st.builds(Circle, LAT, LON, st.floats(0, 500).map(lambda km: round(km, 3))), max_size=2))
        ),
        geocode=draw(PAIRS),
        altitude=altitude,
        ceiling=None if altitude is None else draw(st.none() | above),
    )


RESOURCES = st.builds(
    CapResource,
    resource_desc=NAMED,
    mime_type=st.sampled_from(["image/png", "text/plain; charset=utf-8"]),
    size=st.none() | st.integers(0, 10**12),
    uri=st.sampled_from(["", "https://example.be/a?b=1&c=2"]),
    digest=st.sampled_from(["", "0" * 40]),
)


@st.composite
def infos(draw: st.DrawFn, sent: datetime) -> CapInfo:
    effective = draw(st.none() | st.integers(0, 10**6).map(lambda s: sent + timedelta(seconds=s)))
    onset = draw(st.none() | st.integers(0, 10**6).map(lambda s: sent + timedelta(seconds=s)))
    latest = max(at for at in (sent, effective, onset) if at)
    return CapInfo(
        language=draw(st.sampled_from(["en-US", "nl-BE", "fr", "zh-Hans"])),
        category=tuple(draw(st.lists(st.sampled_from(Category), min_size=1, max_size=2))),
        event=draw(NAMED),
        response_type=tuple(draw(st.lists(st.sampled_from(ResponseType), max_size=2))),
        urgency=draw(st.sampled_from(Urgency)),
        severity=draw(st.sampled_from(Severity)),
        certainty=draw(st.sampled_from(Certainty)),
        audience=draw(TEXT),
        event_code=draw(PAIRS),
        effective=effective,
        onset=onset,
        expires=draw(st.none() | st.integers(1, 10**6).map(lambda s: latest + timedelta(seconds=s))),
        sender_name=draw(TEXT),
        headline=draw(TEXT),
        description=draw(TEXT),
        instruction=draw(TEXT),
        web=draw(st.sampled_from(["", "https://example.be/a?b=1&c=2"])),
        contact=draw(TEXT),
        parameter=draw(PAIRS),
        resource=tuple(draw(st.lists(RESOURCES, max_size=2))),
        area=tuple(draw(st.lists(areas(), max_size=2))),
    )


@st.composite
def alerts(draw: st.DrawFn) -> CapAlert:
    sent = draw(MOMENTS).replace(tzinfo=draw(ZONES))
    msg_type = draw(st.sampled_from(MsgType))
    earlier = draw(
        st.lists(st.integers(1, 10**6), min_size=0 if msg_type is MsgType.ALERT else 1, max_size=3, unique=True)
    )
    scope = draw(st.sampled_from(Scope))
    return CapAlert(
        identifier=draw(WORD),
        sender=draw(WORD),
        sent=sent,
        sent_text=_text(sent),
        status=draw(st.sampled_from(Status)),
        msg_type=msg_type,
        scope=scope,
        source=draw(TEXT),
        restriction=draw(NAMED) if scope is Scope.RESTRICTED else "",
        addresses=tuple(draw(st.lists(ITEM, min_size=1 if scope is Scope.PRIVATE else 0, max_size=3))),
        code=tuple(draw(st.lists(NAMED, max_size=2))),
        note=draw(TEXT),
        references=tuple(_reference(number, sent - timedelta(seconds=number)) for number in earlier),
        incidents=tuple(draw(st.lists(ITEM, max_size=3))),
        info=tuple(draw(st.lists(infos(sent), max_size=2))),
    )


def _reference(number: int, sent: datetime) -> CapReference:
    return CapReference(sender="earlier@example.be", identifier=f"E-{number}", sent=sent, sent_text=_text(sent))


def _text(at: datetime) -> str:
    """An oracle of its own for the form of CAP: the parts one by one."""
    offset = at.utcoffset() or timedelta(0)
    minutes = abs(int(offset.total_seconds())) // 60
    sign = "-" if offset <= timedelta(0) else "+"
    naive = at.replace(tzinfo=UTC)
    return f"{naive:%Y-%m-%dT%H:%M:%S}{sign}{minutes // 60:02}:{minutes % 60:02}"
