import pytest

from gateway.cap.build import build
from gateway.cap.check import check
from gateway.cap.draft import Draft, read
from gateway.cap.model import CapAlert, Category, Circle, MsgType, NameValue, ResponseType, Scope
from gateway.cap.parse import Limits, parse
from tests.cap.samples import RESOURCE, before, edited, in_version


def draft_of(raw: bytes) -> Draft:
    parsed = parse(raw, Limits())
    assert parsed.root is not None
    assert parsed.version is not None
    return read(parsed.root, parsed.version)


def alert_of(*changes: tuple[str, str]) -> CapAlert:
    alert = build(draft_of(edited(*changes)))
    assert alert is not None
    return alert


def test_every_element_becomes_its_field() -> None:
    alert = alert_of(
        before(
            "info", '<addresses>plp "key actors"</addresses><code>c</code><note> n </note><incidents>i j</incidents>'
        ),
        (
            "</polygon>",
            "</polygon><circle>50,4 2.5</circle><geocode><valueName>NIS</valueName><value>44021</value></geocode>",
        ),
        before("area", RESOURCE.format("<size>5</size><uri>https://x.example/a</uri>")),
    )
    assert alert.addresses == ("plp", "key actors")
    assert (alert.code, alert.note, alert.incidents) == (("c",), "n", ("i", "j"))
    assert (alert.msg_type, alert.scope, alert.version) == (MsgType.ALERT, Scope.PUBLIC, "1.2")
    (info,) = alert.info
    assert (info.category, info.response_type) == ((Category.FIRE,), (ResponseType.SHELTER,))
    assert info.headline == "Rook: sluit ramen en deuren"
    assert info.resource[0].size == 5
    (area,) = info.area
    assert area.circle == (Circle(50.0, 4.0, 2.5),)
    assert area.geocode == (NameValue("NIS", "44021"),)
    assert area.polygon[0][0] == (51.05, 3.71)


def test_what_is_absent_is_empty() -> None:
    alert = alert_of()
    assert (alert.source, alert.references, alert.addresses) == ("", (), ())
    assert alert.info[0].onset is None
    assert alert.info[0].area[0].altitude is None


def test_a_blank_language_is_the_default() -> None:
    assert alert_of(("nl-BE", "")).info[0].language == "en-US"


def test_scope_may_be_absent_in_1_0_only_and_is_then_not_public() -> None:
    alert = build(draft_of(edited(("<scope>Public</scope>", ""), text=in_version("1.0"))))
    assert alert is not None
    assert alert.scope is None


@pytest.mark.parametrize("change", [("Actual", "Live"), ("Severe", "Bad"), ("T10:00:00+01:00", "T10")])
def test_what_has_no_code_or_no_time_becomes_no_alert(change: tuple[str, str]) -> None:
    assert build(draft_of(edited(change))) is None


def test_the_time_of_sending_is_kept_as_it_was_written() -> None:
    assert alert_of(("T10:00:00+01:00", "T09:00:00+00:00")).identity[2] == "2026-03-01T09:00:00+00:00"
    lenient = check(edited(("T10:00:00+01:00", "T09:00:00Z")), lenient=True).alert
    assert lenient is not None
    assert lenient.sent_text == "2026-03-01T09:00:00-00:00"
