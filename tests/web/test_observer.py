"""The crisis centre's dispatching (CIC) as observer or approver of several entities, with one account."""

from gateway.model import Realm, Role
from gateway.store import persons
from gateway.store.embedded import Cluster
from tests.support.authority import a_client, ask
from tests.support.people import everything, put_person
from tests.support.scene import a_scene, an_alert, asking, document, with_infos

CAP = {"Content-Type": "application/cap+xml"}
EMAIL = "cic@police.example"


async def test_an_observer_sees_campaigns_and_changes_nothing(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client:
        communes = [await scene.entity(slug, groups={"g": 2}) for slug in ("one", "two")]
        async with scene.connected() as connection:
            tokens = [await put_person(connection, e.id, roles=[Role.OBSERVER], email=EMAIL) for e in communes]
            assert await connection.fetchval("SELECT count(*) FROM person WHERE email = $1", EMAIL) == 1
        for commune, token in zip(communes, tokens, strict=True):
            alert = with_infos(asking(an_alert("A-1", addresses=("g",)), channels="sms"), area=())
            raw = document(alert)
            sent = (await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/alerts", data=raw, headers=CAP))[1]
            await scene.plan()
            here = f"/v1/campaigns/{sent['campaign']}"
            for path in (
                here,
                f"{here}/report?format=json",
                "/v1/campaigns",
                "/v1/persons",
                f"/v1/alerts/{sent['alert']}",
            ):
                assert (await ask(client, token, "GET", path))[0] == 200, path
            _, page = await ask(client, token, "GET", f"{here}/deliveries")
            assert len(page["deliveries"]) == 2
            assert all("*" in one["to"] for one in page["deliveries"]), "no member's number"
            for act in ("pause", "stop"):
                status, body = await ask(client, token, "POST", f"{here}/{act}")
                assert (status, body["reason"]) == (403, "observer")
            for act in ("resume", "approve"):
                assert (await ask(client, token, "POST", f"{here}/{act}", json={}))[0] in (403, 409), act
            assert (await ask(client, token, "GET", here))[1]["state"] == "sending"
            status, body = await ask(client, token, "POST", "/v1/alerts", data=raw.replace(b"A-1", b"A-2"), headers=CAP)
            assert (status, body["reason"]) == (403, "no-mandate")
            for path in ("/v1/contacts", "/v1/tokens"):
                assert (await ask(client, token, "GET", path))[0] == 403, path
        other = f"/v1/campaigns/{sent['campaign']}"
        assert (await ask(client, tokens[0], "GET", other))[0] == 404, "each token is for one entity"


async def test_who_may_see_contacts_sees_whom_it_went_to_and_that_is_written_down(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client:
        commune = await scene.entity(groups={"g": 2})
        async with scene.connected() as connection:
            viewer = await put_person(connection, commune.id, roles=[Role.VIEWER])
            sender = await put_person(connection, commune.id, mandate=everything())
        alert = with_infos(asking(an_alert("A-1", addresses=("g",)), channels="sms"), area=())
        sent = (await ask(client, sender, "POST", "/v1/alerts", data=document(alert), headers=CAP))[1]
        await scene.plan()
        path = f"/v1/campaigns/{sent['campaign']}/deliveries"
        for token, hidden in ((viewer, False), (sender, True), (commune.tokens[Realm.LIVE], False)):
            _, page = await ask(client, token, "GET", path)
            assert {"*" in one["to"] for one in page["deliveries"]} == {hidden}
        looks = await scene.rows("SELECT actor FROM audit_event WHERE act = 'contacts.seen'")
        assert [row["actor"].partition(":")[0] for row in looks] == ["person"]
        status, _ = await ask(client, sender, "POST", f"/v1/campaigns/{sent['campaign']}/pause")
        assert status == 200, "who sends may hold back"


async def test_the_cic_approves_where_it_is_the_second_person(pg: Cluster) -> None:
    async with a_scene(pg) as scene, a_client(scene) as client:
        commune = await scene.entity(groups={"g": 2}, policy={"approval": ["urgent"]})
        async with scene.connected() as connection:
            cic = await put_person(connection, commune.id, roles=[Role.APPROVER], email=EMAIL)
            assert await persons.find(connection, commune.id, EMAIL) is not None
        alert = with_infos(asking(an_alert("A-1", addresses=("g",)), channels="sms", **{"class": "urgent"}), area=())
        sent = (await ask(client, commune.tokens[Realm.LIVE], "POST", "/v1/alerts", data=document(alert), headers=CAP))[
            1
        ]
        assert sent["state"] == "held"
        status, body = await ask(client, cic, "POST", f"/v1/campaigns/{sent['campaign']}/approve", json={})
        assert (status, body["state"]) == (200, "planned")
