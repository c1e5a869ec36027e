"""From somebody else's alert to a draft of one's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cap.check import check
from gateway.cap.model import CapAlert, CapReference, CapResource, MsgType, NameValue, Scope, Status
from gateway.cap.write import write
from gateway.policy.relay import (
    PLACES,
    NoDraft,
    Relayer,
    RelayTexts,
    draft_of,
    filled,
    texts_for,
    unknown_places,
)
from tests.cap.made import alerts
from tests.cap.samples import BASIC, REAL, cases

NOW = datetime(2026, 3, 1, 9, 30, 7, 500, tzinfo=UTC)
OURS = Relayer(sender="brugge@alerts.example", identifier="brugge-1", name="Stad Brugge", texts={})
EARLIER = CapReference(
    sender="brugge@alerts.example", identifier="brugge-0", sent=NOW, sent_text="2026-03-01T09:30:07-00:00"
)


def upstream(**changes: object) -> CapAlert:
    found = check(BASIC.encode()).alert
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def made(alert: CapAlert, *earlier: CapReference, relayer: Relayer = OURS) -> CapAlert:
    draft = draft_of(alert, relayer, source="KMI", earlier=earlier, now=NOW)
    assert isinstance(draft, CapAlert)
    return draft


def test_a_draft_is_a_valid_alert_of_the_entitys_own() -> None:
    alert = upstream()
    verdict = check(write(made(alert)))
    assert verdict.errors == ()
    draft = verdict.alert
    assert draft is not None
    assert draft.identity == ("brugge@alerts.example", "brugge-1", "2026-03-01T09:30:07-00:00")
    assert (draft.status, draft.msg_type, draft.scope) == (alert.status, MsgType.ALERT, Scope.PUBLIC)
    assert draft.source == f"{alert.sender} (KMI)"
    assert draft.note == f"Made from Alert {alert.sender},{alert.identifier},{alert.sent_text}"
    assert draft.references == ()
    assert [info.area for info in draft.info] == [info.area for info in alert.info]
    assert {info.sender_name for info in draft.info} == {"Stad Brugge"}


def test_nothing_that_could_steer_the_gateway_is_taken_over() -> None:
    steering = (NameValue("gateway:channels", "sms voice"), NameValue("gateway:sms", "run"))
    file = CapResource(resource_desc="map", mime_type="image/png", uri="https://a.example/", deref_uri="eA==")
    alert = upstream(addresses=("plp-centre",), code=("profile:x",))
    alert = replace(alert, info=tuple(replace(info, parameter=steering, resource=(file,)) for info in alert.info))
    draft = made(alert)
    assert (draft.addresses, draft.code, draft.restriction) == ((), (), "")
    assert all((info.parameter, info.resource, info.contact) == ((), (), "") for info in draft.info)


def test_a_rehearsal_stays_a_rehearsal() -> None:
    assert made(upstream(status=Status.EXERCISE)).status is Status.EXERCISE
    assert made(upstream(status=Status.TEST)).status is Status.TEST


def test_an_update_follows_what_was_relayed_and_is_a_first_alert_otherwise() -> None:
    theirs = CapReference(sender="kmi@a.example", identifier="K-1", sent=NOW, sent_text="2026-11-21T11:00:00-00:00")
    alert = upstream(msg_type=MsgType.UPDATE, references=(theirs,))
    alone, following = made(alert), made(alert, EARLIER)
    assert (alone.msg_type, alone.references) == (MsgType.ALERT, ())
    assert (following.msg_type, following.references) == (MsgType.UPDATE, (EARLIER,))
    assert alone.note.endswith("which refers to kmi@a.example,K-1,2026-11-21T11:00:00-00:00")


def test_a_cancel_needs_something_to_cancel() -> None:
    alert = upstream(msg_type=MsgType.CANCEL, references=(EARLIER,))
    assert isinstance(draft_of(alert, OURS, source="KMI", earlier=(), now=NOW), NoDraft)
    assert made(alert, EARLIER).msg_type is MsgType.CANCEL


def test_what_has_expired_is_left_out() -> None:
    alert = upstream()
    early, late = (
        replace(alert.info[0], event=word, expires=NOW + timedelta(hours=h)) for word, h in (("a", -1), ("b", 1))
    )
    assert [info.event for info in made(replace(alert, info=(early, late))).info] == ["b"]
    assert isinstance(draft_of(replace(alert, info=(early,)), OURS, source="KMI", earlier=(), now=NOW), NoDraft)


@pytest.mark.parametrize("kind", [MsgType.ACK, MsgType.ERROR])
def test_talk_between_systems_is_not_relayed(kind: MsgType) -> None:
    assert isinstance(draft_of(upstream(msg_type=kind), OURS, source="KMI", earlier=(EARLIER,), now=NOW), NoDraft)


def test_texts_come_from_the_template_of_their_language() -> None:
    texts = {"nl": RelayTexts(headline="{event} in {areas}", description="{description}\nMeer: {web}\nTot {expires}")}
    alert = upstream()
    info = replace(
        alert.info[0], language="nl-BE", event="Brand", web="", description="Rook.", expires=NOW + timedelta(hours=1)
    )
    draft = made(replace(alert, info=(info,)), relayer=replace(OURS, texts=texts))
    assert draft.info[0].headline == f"Brand in {info.area[0].area_desc}"
    assert draft.info[0].description == "Rook.\nTot 2026-03-01 10:30 UTC+0000"
    assert texts_for("pl", texts) == RelayTexts()
    assert "Bron" in texts_for("nl-NL", {}).description


def test_what_a_stranger_writes_is_text_and_never_a_template() -> None:
    facts = {"headline": "{sender_name} {unknown}", "sender_name": "x"}
    assert filled("{headline}!", facts) == "{sender_name} {unknown}!"
    assert filled("a {headline.__class__}", {"headline": "x"}) == ""
    assert filled("{headline}", {"headline": "a\u202eb\x00"}) == "ab"


def test_places_that_no_alert_fills_are_named() -> None:
    assert unknown_places("{headline} {x} {y}") == ["x", "y"]
    assert unknown_places(" ".join(f"{{{place}}}" for place in PLACES)) == []


def test_long_texts_are_cut_at_a_word_and_seen_to_be_cut() -> None:
    alert = upstream()
    info = replace(alert.info[0], headline="word " * 100, description="word " * 5_000, instruction="x" * 9_000)
    draft = made(replace(alert, info=(info,)))
    assert draft.info[0].headline.endswith("word...")
    assert [len(draft.info[0].headline) <= 160, len(draft.info[0].description) <= 4_000] == [True, True]
    assert len(draft.info[0].instruction) <= 4_000


@given(alerts())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_alert_gives_a_draft_or_a_reason(alert: CapAlert) -> None:
    draft = draft_of(alert, OURS, source="KMI", earlier=(EARLIER,), now=NOW)
    if isinstance(draft, CapAlert):
        assert check(write(draft), lenient=True).well_formed
        assert not any(info.parameter for info in draft.info)


@given(st.text(max_size=60), st.dictionaries(st.sampled_from(PLACES), st.text(max_size=20)))
def test_any_template_can_be_filled(template: str, facts: dict[str, str]) -> None:
    assert isinstance(filled(template, facts), str)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared corpora are not here")
def test_real_alerts_that_are_strictly_valid_give_drafts_that_are() -> None:
    bad = []
    for case in cases(REAL):
        if not case.name.startswith("valid/"):
            continue
        verdict = check(case.path.read_bytes())
        if verdict.alert is None or verdict.alert.msg_type in {MsgType.ACK, MsgType.ERROR}:
            continue
        at = verdict.alert.sent + timedelta(minutes=1)
        before = CapReference(sender="a@b.example", identifier="x", sent=verdict.alert.sent, sent_text="")
        draft = draft_of(verdict.alert, OURS, source="KMI", earlier=(before,), now=at)
        if isinstance(draft, NoDraft):
            assert draft.message == "All of it has expired."
        elif not check(write(draft)).valid:
            bad.append((case.name, check(write(draft)).errors[0]))
    assert bad == []
