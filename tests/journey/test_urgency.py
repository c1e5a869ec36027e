"""The order in which people are told: urgent before newsletters, near before far, nobody after the end."""

import asyncio
import time
from collections import Counter
from datetime import timedelta

import pytest

from gateway.model import DeliveryState, EntityKind, Realm
from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.support.line import CENTRE, Line, cap, now, people, provider, running, scene, whole_line
from tests.support.waiting import stretched, until, watching_stalls


async def test_an_urgent_alert_overtakes_a_newsletter(pg: Cluster) -> None:
    """Its first SMS leaves at once, and none of the newsletter in between its own."""
    readers, endangered = people(3000), people(300, first=4000, at=(CENTRE[0], CENTRE[1] - 0.006))
    there = f"<circle>{CENTRE[1] - 0.006},{CENTRE[0]} 0.1</circle>"
    async with whole_line(pg, [*readers, *endangered], sms={"rate_per_s": 250}) as line:
        news = await line.post(cap("news", words="Market on Sunday", message_class="news", channels="sms"))
        await until(lambda: len(line.said("sms", "Market")) > 200)
        urgent = await line.post(cap("fire", words="Fire", channels="sms", area=there))
        accepted = time.time()
        async with watching_stalls() as stalls:
            await until(lambda: len(line.said("sms", "Fire")) == 300)
        order = [record.text for record in line.received("sms")]
        first, last = order.index("Fire"), len(order) - 1 - order[::-1].index("Fire")
        overtaken = sum(words != "Fire" for words in order[first:last])
        assert line.received("sms")[first].at - accepted <= stretched(5.0) + stalls.total_s
        assert overtaken <= 130  # half a second of the rate was marked ahead for the newsletter
        assert (await line.campaign(news))["channels"]["sms"]["queued"] > 1000
        await line.closed(urgent)
        await until(lambda: len(line.received("sms")) > len(order) + 100)  # the newsletter goes on
        await line.act(news, "stop")
        await line.closed(news)


async def test_campaigns_of_one_class_share_the_rate(pg: Cluster) -> None:
    """The second of two equal campaigns does not wait for the end of the first."""
    async with whole_line(pg, people(400), sms={"rate_per_s": 250}) as line:
        one = await line.post(cap("one", words="First", channels="sms"))
        two = await line.post(cap("two", words="Second", channels="sms"))
        await line.closed(one)
        await line.closed(two)
        order = [record.text for record in line.received("sms")]
        middle = order[200:600]
        assert 130 <= middle.count("First") <= 270


async def test_those_near_the_hazard_are_told_before_those_far_from_it(pg: Cluster) -> None:
    """By slices: the order inside one is free."""
    near = people(150, spread=0.0003)
    far = [p for i, (x, y) in enumerate([(0.006, 0), (-0.006, 0), (0, 0.004), (0, -0.004)])
           for p in people(150, first=1000 * (i + 1), at=(CENTRE[0] + x, CENTRE[1] + y), spread=0.0003)]  # fmt: skip
    async with whole_line(pg, [*far, *near], sms={"rate_per_s": 400}) as line:
        await line.closed(await line.post(cap("one", channels="sms")))
        order = [record.to for record in line.received("sms")]
        close = {citizen.mobile for citizen in near}
        assert len(order) == 750
        assert all(number in close for number in order[:100])
        assert max(order.index(number or "") for number in close) <= 150 + 200  # two windows may answer out of order


async def test_nothing_starts_after_the_alert_has_expired(pg: Cluster) -> None:
    """The rest is expired, and the campaign closes as expired."""
    sent, lasts = now(), timedelta(seconds=4)
    async with whole_line(pg, people(900), sms={"rate_per_s": 100}) as line:
        name = await line.post(cap("one", sent=now(), lasts=lasts, channels="sms"))
        sent = now()
        async with watching_stalls() as stalls:
            seen = await line.closed(name)
        records = line.received("sms")
        assert seen["closure"] == "expired"
        assert records[-1].at <= (sent + lasts).timestamp() + stretched(0.5) + stalls.total_s
        counts = seen["channels"]["sms"]
        assert counts["expired"] == 900 - len(records) > 0
        assert counts["delivered"] + counts["submitted"] == len(records)
        assert counts["unknown"] == counts["cancelled"] == 0


@pytest.mark.parametrize("ago_s", [1, 3600])
async def test_an_alert_that_comes_too_late_is_recorded_and_not_sent(pg: Cluster, ago_s: int) -> None:
    """It is answered as accepted, with a finding that says so."""
    async with whole_line(pg, people(3)) as line:
        late = cap("one", sent=now() - timedelta(seconds=ago_s + 10), lasts=timedelta(seconds=10))
        status, body = await line.ask("POST", "/v1/alerts", raw=late)
        assert (status, body["state"]) == (201, "closed")
        assert any("expired" in finding["message"] for finding in body["findings"])
        assert (await line.campaign(body["campaign"]))["closure"] == "expired"
        await asyncio.sleep(0.3)
        assert not line.received("sms") and not line.received("email")


async def test_a_retry_that_would_come_after_the_end_is_not_made(pg: Cluster) -> None:
    """An SMSC that only ever says 'too fast' is asked until the alert expires, and no longer."""
    async with whole_line(pg, people(3), retry={"sms": {"first_s": 0.5, "max_s": 1, "max_attempts": 50}}) as line:
        line.simulators.smsc["live"].behaviour.throttle_per_s = 0
        name = await line.post(cap("one", lasts=timedelta(seconds=4), channels="sms"))
        seen = await line.closed(name)
        assert seen["closure"] in ("expired", "complete")
        assert set((await line.states(name)).values()) == {DeliveryState.EXPIRED}
        assert not line.received("sms")


async def test_a_hundred_campaigns_share_alike_and_an_urgent_one_overtakes_them_all(pg: Cluster) -> None:
    """Of a hundred authorities, each to the same people; then a fire. They are all there before the first SMS leaves:
    what is shared is the rate, whoever came first."""
    many, each = 100, 40
    async with scene(pg, people(each)) as line:
        smsc = line.simulators.smsc["live"]
        smsc.behaviour.bind_status = 0x0D
        sms = {"rate_per_s": 500, "providers": [provider(line, reconnect_refused_s=0.5)]}
        async with running(line, sms=sms, dispatch={"mark_ahead": 30}):
            async with asyncio.TaskGroup() as group:
                for number, token in enumerate(await authorities(pg, many)):
                    raw = cap(f"n{number}", words=f"Notice {number:02}", message_class="prevention", channels="sms")
                    group.create_task(posted(line, raw, token))
            async with asyncio.timeout(60):
                while (await line.fetch("SELECT count(*) AS n FROM campaign WHERE planned"))[0]["n"] < many:
                    await asyncio.sleep(0.05)
            smsc.behaviour.bind_status = 0
            await until(lambda: len(line.received("sms")) > 100, within_s=60)
            urgent = await line.post(cap("fire", words="Fire", channels="sms"))
            accepted = time.time()
            async with watching_stalls() as stalls:
                await line.closed(urgent, within_s=60)
            assert line.said("sms", "Fire")[0].at - accepted <= stretched(5.0) + stalls.total_s
            share = int(0.8 * many * each)
            await until(lambda: len(line.received("sms")) >= share + each, within_s=150)
            order = [record.text for record in line.received("sms") if record.text != "Fire"]
            shares = Counter(order[:share])
            assert len(shares) == many
            assert 0.8 * share / many <= min(shares.values()) <= max(shares.values()) <= 1.2 * share / many


async def authorities(cluster: Cluster, many: int) -> list[str]:
    """As many live authorities with the territory of demo-commune; a live token of each."""
    async with admin.connected(cluster.app_dsn) as connection:
        territory = await connection.fetchval("SELECT territory FROM entity WHERE slug = 'demo-commune'")
        tokens = []
        for number in range(many):
            entity = await admin.create_entity(
                connection, slug=f"a{number}", name=f"A{number}", kind=EntityKind.TYPE1, live=True, languages=["en"]
            )
            await connection.execute("UPDATE entity SET territory = $2::jsonb WHERE id = $1", entity, territory)
            token = admin.new_token(Realm.LIVE)
            await admin.create_token(connection, entity_id=entity or 0, realm=Realm.LIVE, token=token)
            tokens.append(token.text)
    return tokens


async def posted(line: Line, raw: bytes, token: str) -> None:
    """Accepted; who is told to try again does."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cap+xml"}
    for _ in range(5):
        async with line.session.post(line.url + "/v1/alerts", data=raw, headers=headers) as answer:
            if answer.status != 503:
                assert answer.status == 201, await answer.text()
                return
    raise AssertionError("not accepted")
