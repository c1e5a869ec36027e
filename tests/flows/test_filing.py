"""What is written down of an alert: rows, plans and answers."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

from gateway.cap.check import check
from gateway.cap.model import MsgType
from gateway.flows.filing import Received, accepted_body, all_channels, notes_of, plan_of
from gateway.flows.intake import UNREAD
from gateway.flows.judging import Draft
from gateway.flows.lineage import Fate, Past
from gateway.model import CampaignState, ChannelName, EntityKind, MessageClass, Mode, Realm
from gateway.policy.audience import Variant, read_wishes, variants
from gateway.policy.compose import Composed
from gateway.policy.rights import Authority, EntityPolicy
from gateway.store import admin
from gateway.store.embedded import Cluster
from gateway.store.registry import Group
from tests.support.scene import HOME, Scene, an_alert, document, follow_up

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALERT = an_alert(at=AT)
COMMUNE = Authority(
    entity_id=7, slug="commune", name="Commune", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.TEST,
    token_id=3, languages=("fr",), rings=(HOME.points,), policy=EntityPolicy(),
    mandates=frozenset(product(MessageClass, ChannelName)),
)  # fmt: skip
DRAFT = Draft(
    alert=ALERT, mode=Mode.LIVE, wishes=read_wishes(ALERT)[0], channels=(ChannelName.SMS, ChannelName.EMAIL),
    variants=variants(ALERT, {}), groups=(Group(5, "g", True),), findings=(), expires_at=AT,
)  # fmt: skip


def text(language: str, *infos: int, channel: ChannelName = ChannelName.SMS, notes: tuple[str, ...] = ()) -> Composed:
    return Composed(channel=channel, language=language, info_indexes=infos, body="x", notes=notes)


def test_a_row_holds_the_bytes_and_what_could_be_read_of_them() -> None:
    raw = document(ALERT)
    received = Received(raw=raw, verdict=check(raw), authority=COMMUNE, source="token:3")
    row = received.row("al_1", [], 201, {"a": 1}, accepted=True)
    assert (row.raw, row.sender, row.identifier, row.sent) == (raw, *ALERT.identity)
    assert (row.status, row.msg_type, row.scope, row.version) == ("Actual", "Alert", "Public", "1.2")
    assert (row.realm, row.token_id, row.entity_id) == (Realm.TEST, 3, 7)


def test_a_row_of_what_could_not_be_read_has_no_identity() -> None:
    row = Received(raw=b"", verdict=UNREAD, authority=COMMUNE, source="token:3").row("al_1", [], 413, {})
    assert (row.sender, row.identifier, row.status, row.accepted) == (None, None, None, False)


def test_names_are_cut_to_what_a_row_holds() -> None:
    verdict = replace(UNREAD, sender="x\0" * 2000)
    row = Received(raw=b"", verdict=verdict, authority=COMMUNE, source="token:3").row("al_1", [], 422, {})
    assert row.sender == "x" * 1000


def test_posts_wait_for_each_other_inside_one_entity_and_realm() -> None:
    received = Received(raw=b"", verdict=UNREAD, authority=COMMUNE, source="token:3")
    live = replace(received, authority=replace(COMMUNE, realm=Realm.LIVE))
    other = replace(received, authority=replace(COMMUNE, entity_id=8))
    assert len({of.identity_key("s", "i") for of in (received, live, other)}) == 3
    assert received.identity_key("s", "i") != received.identity_key("i", "s")
    assert len({of.fingerprint() for of in (received, live, other, replace(received, raw=b"x"))}) == 4
    assert replace(received, source="mailbox").fingerprint() == received.fingerprint()


def test_each_variant_has_the_texts_of_its_infos() -> None:
    draft = replace(DRAFT, variants=(Variant(infos=(1,), shapes=(HOME,)), Variant(infos=(0, 2), shapes=(HOME,))))
    plan = plan_of(draft, [text("fr", 0), text("nl", 1), text("de", 1, 2), text("en")], COMMUNE, [(3, 9)])
    keys = [[key for _, _, key in variant["texts"]] for variant in plan["variants"]]
    assert keys == [[1, 2, 3], [0, 2, 3]]
    assert plan["groups"] == [[5, True]]
    assert plan["told"] == [[3, 9]]
    assert plan["channels"] == ["sms", "email"]
    assert plan["territory"] == [{"ring": HOME.points}]


def test_a_plan_without_a_place_has_its_texts_and_no_territory() -> None:
    plan = plan_of(replace(DRAFT, variants=()), [text("fr", 0)], COMMUNE, [])
    assert plan["variants"] == [{"shapes": [], "texts": [["fr", "sms", 0]]}]
    assert plan["territory"] == []


def test_a_cancel_uses_only_the_channels_used_before() -> None:
    past = Past(channels=(ChannelName.VOICE,))
    assert all_channels(DRAFT, past) == (ChannelName.SMS, ChannelName.EMAIL, ChannelName.VOICE)
    cancel = replace(DRAFT, alert=follow_up(MsgType.CANCEL, ALERT))
    assert all_channels(cancel, past) == (ChannelName.VOICE,)
    assert all_channels(cancel, Past()) == DRAFT.channels


def test_notes_are_said_as_findings() -> None:
    (note,) = notes_of([text("fr", notes=("cut",)), text("nl")])
    assert (note.id, note.severity, note.element, note.message) == ("G5", "warning", "text/sms/fr", "cut")


def test_the_answer_says_where_to_go_on() -> None:
    body = accepted_body("al_1", "ca_2", DRAFT, Fate(state=CampaignState.HELD), [], "https://x.example")
    assert (body["state"], body["mode"], body["channels"]) == ("held", "live", ["sms", "email"])
    assert body["links"]["cap"] == "https://x.example/v1/alerts/al_1/cap"
    assert {"alert", "cap", "campaign", "events", "report"} == set(body["links"])


async def test_an_alert_is_taken_though_the_server_has_undone_it_twice(scene: Scene, pg: Cluster) -> None:
    """A migration may wait for what the transaction holds while this waits for what the migration holds."""
    async with admin.connected(pg.owner_dsn) as owner:
        await owner.execute(
            "CREATE SEQUENCE tries; CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ "
            "BEGIN IF nextval('tries') < 3 THEN RAISE 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$; "
            "CREATE TRIGGER undo BEFORE INSERT ON alert FOR EACH ROW EXECUTE FUNCTION undo()"
        )
        answer = await scene.post(an_alert(), await scene.entity())
        assert answer.status == 201
        assert await owner.fetchval("SELECT last_value FROM tries") == 3
    assert len(await scene.rows("SELECT id FROM alert")) == 1
