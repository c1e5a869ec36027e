from datetime import UTC, datetime, timedelta

import pytest

from gateway.cap.check import check
from gateway.cap.parse import Limits
from tests.cap.samples import INFO, before, edited, findings, found, in_version, update

SENT = datetime(2026, 3, 1, 9, tzinfo=UTC)
EARLIER = "ops@crisis.example.be,A-1,2026-03-01T09:00:00+01:00"
SIGNED = (
    '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><Reference URI="{}"/></SignedInfo>'
    "<SignatureValue>eA==</SignatureValue></Signature>"
)


def test_a_good_alert_has_no_finding() -> None:
    assert found() == set()


@pytest.mark.parametrize("text", ["", " ", "A B", "A,B", "A&amp;B", "A&lt;B", "\nA"])
def test_an_identifier_that_is_not_one_plain_word_is_refused(text: str) -> None:
    assert found(("BE-GW-2026-000001", text)) == {("S1", "error")}


@pytest.mark.parametrize("text", ["", "  ", "a b", "a,b", "a\u00a0b"])
def test_a_sender_that_is_not_one_plain_word_is_refused(text: str) -> None:
    assert found(("ops@crisis.example.be", text)) == {("S2", "error")}


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), set()),
        (timedelta(hours=3), set()),
        (timedelta(minutes=-4), set()),
        (timedelta(minutes=-6), {("S3", "policy")}),
        (timedelta(days=2), {("S3", "policy"), ("S22", "warning")}),
    ],
)
def test_a_time_of_sending_far_from_receipt_is_said(age: timedelta, expected: set[tuple[str, str]]) -> None:
    assert findings(check(edited(), received_at=SENT + age)) == expected


def test_how_far_the_clocks_may_differ_is_a_limit() -> None:
    limits = Limits(clock_ahead_s=60, replay_s=600)
    assert findings(check(edited(), received_at=SENT - timedelta(seconds=61), limits=limits)) == {("S3", "policy")}
    assert findings(check(edited(), received_at=SENT + timedelta(seconds=601), limits=limits)) == {("S3", "policy")}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("text", ["2026-03-01T09:00:00Z", "2026-03-01T09:00:00", "2026-03-01T10:00:00.770+01:00"])
def test_what_the_older_schemas_let_pass_the_older_texts_do_not(version: str, text: str) -> None:
    raw = edited(("2026-03-01T10:00:00+01:00", text), text=in_version(version))
    assert findings(check(raw)) == {("S4", "error")}
    assert check(raw, lenient=True).valid
    assert ("S4", "warning") in findings(check(raw, lenient=True))


def test_a_time_that_utc_can_not_hold_is_refused() -> None:
    assert found(("2026-03-01T14:00:00+01:00", "9999-12-31T23:59:59-05:00")) == {("X4", "error")}


def test_utc_written_plus_zero_is_said_once() -> None:
    raw = edited(("T10:00:00+01:00", "T09:00:00+00:00"), ("T14:00:00+01:00", "T13:00:00+00:00"))
    (finding,) = check(raw).findings
    assert (finding.id, finding.severity) == ("S5", "warning")
    assert "1 more place" in finding.message


def test_an_exercise_wants_its_name_in_note() -> None:
    assert found(("Actual", "Exercise")) == {("S6", "warning")}
    assert found(("Actual", "Exercise"), before("info", "<note>WINTER-26</note>")) == set()


def test_an_error_wants_its_reason_in_note() -> None:
    raw = edited(("<msgType>Alert", "<msgType>Error"), (INFO, f"<references>{EARLIER}</references>"))
    assert findings(check(raw)) == {("S7", "warning")}


@pytest.mark.parametrize("kind", ["Update", "Cancel", "Ack", "Error"])
@pytest.mark.parametrize("references", ["", "<references/>", "<references> \n</references>"])
def test_an_answer_without_references_is_refused(kind: str, references: str) -> None:
    said = found(("<msgType>Alert", f"<msgType>{kind}"), (INFO, references or "<!-- -->"))
    assert ("S8", "error") in said


@pytest.mark.parametrize("text", ["A-1", "a@b,A-1", "a@b,A-1,yesterday", f"{EARLIER} A-2", "a,b,c,d"])
def test_a_reference_that_is_no_triple_is_refused(text: str) -> None:
    assert findings(check(update(text))) == {("S9", "error")}


@pytest.mark.parametrize(
    "text",
    [
        "ops@crisis.example.be,BE-GW-2026-000001,2026-03-01T10:00:00+01:00",
        "ops@crisis.example.be,BE-GW-2026-000001,2026-03-01T08:00:00+01:00",
        "a@b,A-1,2026-03-01T10:00:01+01:00",
        "a@b,A-1,2026-03-01T04:30:00-05:00",
    ],
)
def test_a_reference_to_itself_or_to_later_is_refused(text: str) -> None:
    assert findings(check(update(text))) == {("S10", "error")}
    assert findings(check(update(text), lenient=True)) == {("S10", "warning")}


def test_a_reference_of_the_same_moment_passes() -> None:
    assert findings(check(update("a@b,A-1,2026-03-01T04:00:00-05:00"))) == set()


def test_a_message_named_twice_is_said() -> None:
    assert findings(check(update(f"{EARLIER}\n{EARLIER}"))) == {("S10", "warning")}


def test_lenient_reading_names_the_slip_of_a_reference() -> None:
    raw = update("a@b,A-1,2026-03-01T08:00:00Z")
    assert findings(check(raw)) == {("S9", "error")}
    verdict = check(raw, lenient=True)
    assert findings(verdict) == {("S4", "warning")}
    assert verdict.alert is not None
    assert verdict.alert.references[0].sent == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_restricted_wants_a_restriction_and_nothing_else_does() -> None:
    assert found(("Public", "Restricted")) == {("S12", "error")}
    assert found(("Public", "Restricted"), before("info", "<restriction>fire services</restriction>")) == set()
    assert found(before("info", "<restriction>fire services</restriction>")) == {("S12", "warning")}


@pytest.mark.parametrize("addresses", ["", "<addresses/>", "<addresses> </addresses>"])
def test_private_wants_addresses(addresses: str) -> None:
    assert found(("Public", "Private"), before("info", addresses)) == {("S13", "error")}


@pytest.mark.parametrize("text", ['"a b', '""', 'a "" b', 'a"b"'])
def test_addresses_that_can_not_be_divided_are_refused(text: str) -> None:
    for scope in ("Public", "Private"):
        assert found(("Public", scope), before("info", f"<addresses>{text}</addresses>")) == {("S14", "error")}


def test_incidents_that_can_not_be_divided_are_refused() -> None:
    assert found(before("info", '<incidents>"a b</incidents>')) == {("S15", "error")}
    assert found(before("info", '<incidents>"a b" c</incidents>')) == set()


def test_a_signature_that_can_not_be_verified_is_no_reason_to_refuse() -> None:
    empty = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
    assert found(("</alert>", f"{empty}</alert>")) == {("S39", "warning")}


def test_a_whole_signature_over_the_alert_is_not_remarked_on() -> None:
    verdict = check(edited(("</alert>", SIGNED.format("") * 2 + "</alert>")))
    assert findings(verdict) == set()
    assert verdict.signed


def test_a_signature_over_something_else_is_refused() -> None:
    assert found(("</alert>", SIGNED.format("#x") + "</alert>")) == {("S39", "error")}


def test_a_signature_in_another_place_is_refused() -> None:
    assert found(("<info>", SIGNED.format("") + "<info>")) == {("X15", "error"), ("S39", "error")}
    assert {("X15", "error"), ("S39", "error")} <= found(("<area>", SIGNED.format("") + "<area>"))


def test_what_machines_tell_each_other_is_not_for_people() -> None:
    assert findings(check(update(EARLIER, "Ack"))) == {("S42", "policy")}
