"""Quiet hours, and the call to those whose SMS did not arrive."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.model import DeliveryState
from gateway.store import admin
from gateway.store.embedded import Cluster
from tests.support.line import cap, people, whole_line
from tests.support.waiting import until

ZONE = ZoneInfo("Europe/Brussels")


async def choose(cluster: Cluster, **policy: Any) -> None:
    """The policy of demo-commune."""
    async with admin.connected(cluster.app_dsn) as connection:
        assert await admin.change_entity(connection, "demo-commune", policy=policy)


def around_now() -> list[str]:
    """Hours of the day that began an hour ago and end in an hour."""
    now = datetime.now(ZONE)
    return [f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=1):%H:%M}"]


async def test_who_has_no_delivered_sms_is_called(pg: Cluster) -> None:
    """On the landline if there is one, once; who has it is left in peace, and a mail changes nothing."""
    citizens = people(8) + people(4, first=100, by=("mobile", "landline", "email"))
    failed, expired, silent = (person.mobile or "" for person in citizens[:3])
    async with whole_line(pg, citizens, dispatch={"lease_s": 2, "heartbeat_s": 0.5, "receipt_window_s": 4}) as line:
        await choose(pg, escalation_minutes={"urgent": 1 / 60})
        for number, outcome in ((failed, "failed"), (expired, "expired"), (silent, "silent")):
            line.simulators.outcomes.tell(number, outcome)
        with_landline = citizens[8]
        line.simulators.outcomes.tell(with_landline.mobile or "", "failed")
        name = await line.post(cap("one", channels="sms email"))
        await until(lambda: len(line.received("sms")) == 12)
        for person in citizens:  # whom no SMS reaches answers the telephone
            for number in filter(None, (person.mobile, person.landline)):
                line.simulators.outcomes.tell(number, "answered")
        seen = await line.closed(name)
        called = [record.to for record in line.received("voice")]
        assert sorted(called) == sorted([failed, expired, silent, with_landline.landline or ""])
        assert (seen["channels"]["sms"]["planned"], seen["channels"]["sms"]["delivered"]) == (12, 8)
        assert (seen["channels"]["voice"]["planned"], seen["channels"]["voice"]["delivered"]) == (4, 4)
        events = await line.fetch("SELECT event FROM campaign_event WHERE event = 'escalated'")
        assert len(events) == 1
        page = (await line.ask("GET", f"/v1/campaigns/{name}/deliveries"))[1]["deliveries"]
        assert [d["escalated"] for d in page] == [d["channel"] == "voice" for d in page]


async def test_other_classes_and_stopped_campaigns_call_nobody(pg: Cluster) -> None:
    """Only the classes that the entity named."""
    async with whole_line(pg, people(2), dispatch={"lease_s": 2, "heartbeat_s": 0.5, "receipt_window_s": 1}) as line:
        await choose(pg, escalation_minutes={"prevention": 0})
        for person in people(2):
            line.simulators.outcomes.tell(person.mobile or "", "failed")
        await line.closed(await line.post(cap("one", channels="sms")))
        assert not line.received("voice")


async def test_what_is_not_urgent_waits_for_the_morning(pg: Cluster) -> None:
    """Mail leaves; SMS leaves when the hours are over; hours that begin in between stop the rest."""
    async with whole_line(pg, people(60, by=("mobile", "email")), sms={"rate_per_s": 30}) as line:
        await choose(pg, quiet_hours=around_now())
        status, body = await line.ask("POST", "/v1/alerts", raw=cap("one", words="Market", message_class="news"))
        assert (status, [f["id"] for f in body["findings"] if f["id"] == "G21"]) == (201, ["G21"])
        await line.closed(await line.post(cap("two", words="Fire", channels="email")))
        await until(lambda: len(line.received("email")) == 120)
        assert not line.received("sms")
        await line.fetch("UPDATE campaign SET quiet_to = quiet_from WHERE quiet_from IS NOT NULL")
        await until(lambda: len(line.received("sms")) > 5)
        begins = around_now()
        await line.fetch(
            "UPDATE campaign SET quiet_from = $1::text::time, quiet_to = $2::text::time WHERE quiet_from IS NOT NULL",
            *begins,
        )
        await asyncio.sleep(2)
        waiting = len(line.received("sms"))
        await asyncio.sleep(0.7)
        assert len(line.received("sms")) == waiting < 60
        await line.fetch("UPDATE campaign SET quiet_to = quiet_from WHERE quiet_from IS NOT NULL")
        await line.closed(body["campaign"])
        states = await line.states(body["campaign"])
        assert {state for (channel, _), state in states.items() if channel == "sms"} == {DeliveryState.DELIVERED}
        assert len(line.received("sms")) == 60
