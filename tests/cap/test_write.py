from datetime import UTC, datetime

from hypothesis import given, settings
from lxml import etree

from gateway.cap.check import check
from gateway.cap.model import CapAlert, CapReference, MsgType, Scope, Status
from gateway.cap.write import write
from tests.cap.made import alerts
from tests.cap.samples import CORPUS, cases, edited, real_alerts

EMPTY = CapAlert(
    identifier="A-1",
    sender="a@b",
    sent=datetime(2026, 3, 1, 9, tzinfo=UTC),
    sent_text="2026-03-01T09:00:00-00:00",
    status=Status.TEST,
    msg_type=MsgType.ALERT,
    scope=Scope.PUBLIC,
)


@settings(deadline=None, max_examples=150)
@given(alerts())
def test_an_alert_written_is_valid_and_read_back_the_same(alert: CapAlert) -> None:
    verdict = check(write(alert))
    assert verdict.errors == ()
    assert verdict.alert == alert


def test_utc_is_written_minus_zero_and_nothing_empty_is_written() -> None:
    text = write(EMPTY).decode()
    assert "<sent>2026-03-01T09:00:00-00:00</sent>" in text
    assert [etree.QName(e).localname for e in etree.fromstring(text.encode())] == [
        "identifier",
        "sender",
        "sent",
        "status",
        "msgType",
        "scope",
    ]


def test_every_alert_we_accept_can_be_published_and_comes_back() -> None:
    written = 0
    for path in [case.path for case in cases(CORPUS)] + list(real_alerts()):
        alert = check(path.read_bytes(), lenient=True).alert
        if alert is None or (alert.version == "1.0" and alert.references):
            continue
        again = check(write(alert), lenient=True)
        assert again.alert is not None, (path.name, again.errors)
        assert write(again.alert) == write(alert), path.name
        assert [i.area for i in again.alert.info] == [i.area for i in alert.info], path.name
        assert [r.sent for r in again.alert.references] == [r.sent for r in alert.references], path.name
        written += 1
    assert written > 35


def test_a_character_that_xml_can_not_hold_becomes_a_space() -> None:
    odd = EMPTY.__class__(**{name: getattr(EMPTY, name) for name in EMPTY.__slots__} | {"note": "a\x00b\ud800c\x1b"})
    verdict = check(write(odd))
    assert verdict.alert is not None
    assert verdict.alert.note == "a b c"


def test_text_that_looks_like_markup_stays_text() -> None:
    alert = check(edited(("Brand in een", "&lt;/description&gt;&lt;event&gt;"))).alert
    assert alert is not None
    again = check(write(alert)).alert
    assert again == alert


def test_a_reference_without_a_time_can_not_be_written() -> None:
    fields = {name: getattr(EMPTY, name) for name in EMPTY.__slots__}
    old = CapAlert(**fields | {"version": "1.0", "references": (CapReference(sender="a", identifier="b"),)})
    assert b"references" not in write(old)


def test_where_1_0_gave_no_scope_the_narrower_one_is_written() -> None:
    fields = {name: getattr(EMPTY, name) for name in EMPTY.__slots__}
    alert = check(write(CapAlert(**fields | {"version": "1.0", "scope": None}))).alert
    assert alert is not None
    assert alert.scope is Scope.RESTRICTED
