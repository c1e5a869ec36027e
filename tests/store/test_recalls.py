"""What stopped campaigns left at their providers, on the whole line: a Cancel recalls what has not rung yet."""

from gateway.store.embedded import Cluster
from tests.support.line import cap, now, people, provider, reference, running, scene
from tests.support.waiting import until


async def test_a_cancel_recalls_what_the_provider_still_holds_and_everybody_is_told(
    pg: Cluster,
) -> None:
    async with scene(pg, people(40)) as line:
        line.simulators.outcomes.delay_s = 60  # telephones are far away
        settings = {"providers": [provider(line, cancel_sm=True)]}
        async with running(line, sms=settings, dispatch={"receipt_window_s": 3}) as node:
            await until(lambda: all(up for name, up in node.channel_states()[0].items() if name.startswith("smsc")))
            sent, smsc = now(), line.simulators.smsc["live"]
            name = await line.post(cap("recalled", words="Stay inside", sent=sent, channels="sms"))
            await until(lambda: smsc.submits == 40)
            told = cap(
                "recalled-end", words="All clear", msg_type="Cancel", references=reference("recalled", sent),
                channels="sms",
            )  # fmt: skip
            await line.post(told)
            await until(lambda: smsc.cancelled == 40)
            seen = await line.closed(name)
            assert seen["channels"]["sms"]["failed"] == 40
            assert seen["channels"]["sms"]["unknown"] == 0
            assert len(line.said("sms", "All clear")) == 40


async def test_an_update_takes_the_place_of_what_the_provider_still_holds(pg: Cluster) -> None:
    """One message instead of two, and its receipt is the Update's."""
    async with scene(pg, people(40)) as line:
        line.simulators.outcomes.delay_s = 4.0
        settings = {"providers": [provider(line, replace_sm=True, cancel_sm=True)]}
        async with running(line, sms=settings, dispatch={"receipt_window_s": 30}) as node:
            await until(lambda: all(up for name, up in node.channel_states()[0].items() if name.startswith("smsc")))
            sent, smsc = now(), line.simulators.smsc["live"]
            old = await line.post(cap("first", words="Old words", sent=sent, channels="sms"))
            counts: dict[str, int] = {}
            while counts.get("submitted") != 40:
                counts = (await line.campaign(old))["channels"].get("sms", {})
            update = cap(
                "second", words="New words", msg_type="Update", references=reference("first", sent), channels="sms"
            )
            new = await line.post(update)
            await until(lambda: smsc.replaced == 40)
            ended = (await line.closed(old))["channels"]["sms"]
            assert (ended["cancelled"], ended["submitted"], ended["delivered"]) == (40, 0, 0)
            told = (await line.closed(new))["channels"]["sms"]
            assert (told["planned"], told["delivered"]) == (40, 40)
            assert (smsc.submits, smsc.cancelled) == (40, 0)
            details = await line.fetch("SELECT DISTINCT state, detail FROM delivery WHERE state <> 3")
            assert [tuple(row) for row in details] == [(5, "replaced")]
