"""What stopped campaigns left at their providers, on the whole line: a Cancel recalls what has not rung yet."""

from gateway.store.embedded import Cluster
from tests.support.line import cap, now, people, provider, reference, running, scene, until


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
