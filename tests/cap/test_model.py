import pickle

import pytest
from hypothesis import given, settings

from gateway.cap.model import CapAlert, CapInfo, Certainty, NameValue, Severity, Status, Urgency
from gateway.cap.vocabulary import TABLES
from tests.cap.made import alerts


@settings(max_examples=20)
@given(alerts())
def test_an_alert_crosses_a_process_border(alert: CapAlert) -> None:
    assert pickle.loads(pickle.dumps(alert)) == alert


def test_parameters_are_found_by_name_in_order() -> None:
    pairs = (NameValue("gateway:class", "urgent"), NameValue("x", "1"), NameValue("gateway:class", "news"))
    info = CapInfo(
        event="x",
        urgency=Urgency.PAST,
        severity=Severity.MINOR,
        certainty=Certainty.LIKELY,
        parameter=pairs,
    )
    assert info.parameters("gateway:class") == ("urgent", "news")
    assert info.parameters("none") == ()


@given(alerts())
@settings(max_examples=5)
def test_the_identity_is_what_references_name(alert: CapAlert) -> None:
    assert alert.identity == (alert.sender, alert.identifier, alert.sent_text)


@pytest.mark.parametrize("enumeration", [Status, Urgency, Severity, Certainty])
def test_the_codes_are_those_of_the_tables(enumeration: type[Status]) -> None:
    name = enumeration.__name__.lower()
    rows = [row for rows in TABLES["1.2"].values() for row in rows if row.name == name]
    assert [tuple(enumeration)] == [row.codes for row in rows]
