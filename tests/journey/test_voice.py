"""Calls: whoever is busy or away is called again, and every call ends as it was told to."""

from collections import Counter

import pytest

from gateway import world
from gateway.model import DeliveryState
from gateway.store.embedded import Cluster
from tests.channels.voice_sound import AUDIO
from tests.support.line import HOST, Line, cap, now, people, reference, running, scene, whole_line
from tests.support.waiting import until

RETRY = {"voice": {"first_s": 0.3, "max_s": 0.5, "max_attempts": 2}}
# what happens to a call -> how it ends, after how many calls
ENDS = {
    "answered": (DeliveryState.DELIVERED, 1),
    "confirmed": (DeliveryState.DELIVERED, 1),
    "machine": (DeliveryState.DELIVERED, 1),
    "failed": (DeliveryState.FAILED, 1),
    "refused": (DeliveryState.FAILED, 0),
    "busy": (DeliveryState.FAILED, 2),
    "no-answer": (DeliveryState.FAILED, 2),
    "congestion": (DeliveryState.FAILED, 2),
    "hung-up": (DeliveryState.FAILED, 2),
}


def calls(line: Line) -> Counter[str]:
    """How often each number was called."""
    return Counter(record.to for record in line.received("voice"))


@pytest.mark.parametrize("by", ["polling", "callbacks"])
async def test_every_call_ends_as_told(pg: Cluster, port: int, by: str) -> None:
    """Whether the provider is asked or calls back."""
    listeners = people(len(ENDS), by=("landline",))
    async with whole_line(pg, listeners, port=port if by == "callbacks" else 0, retry=RETRY) as line:
        numbers = {outcome: person.landline or "" for outcome, person in zip(ENDS, listeners, strict=True)}
        for outcome, number in numbers.items():
            line.simulators.outcomes.tell(number, outcome)
        name = await line.post(cap("one", channels="sms voice email"))
        await line.closed(name)
        states, called = await line.states(name), calls(line)
        found = {outcome: (states["voice", number], called[number]) for outcome, number in numbers.items()}
        # the API that is asked does not say why a call failed: it may have been the network
        assert found == ENDS | ({"failed": (DeliveryState.FAILED, 2)} if by == "polling" else {})
        assert bool(line.simulators.voice["live"].callbacks) is (by == "callbacks")
        assert {record.mode for record in line.received("voice")} == {"live"}


async def test_somebody_who_is_busy_first_is_reached_at_the_next_call(pg: Cluster) -> None:
    """And is not called a third time."""
    (person,) = listeners = people(1, by=("landline",))
    async with whole_line(pg, listeners, retry=RETRY) as line:
        number = person.landline or ""
        line.simulators.outcomes.tell(number, "busy")
        name = await line.post(cap("one", channels="voice"))
        await until(lambda: calls(line)[number] == 1)
        line.simulators.outcomes.tell(number, "confirmed")
        assert (await line.closed(name))["channels"]["voice"]["delivered"] == 1
        assert calls(line)[number] == 2


async def test_a_cancel_hangs_up_and_calls_those_who_were_called(pg: Cluster) -> None:
    """Nobody else is called."""
    listeners = people(40, by=("landline",))
    async with whole_line(pg, listeners, time_scale=15.0, retry=RETRY) as line:
        sent = now()
        old = await line.post(cap("one", words="Old words", sent=sent, channels="voice"))
        await until(lambda: len(line.received("voice")) >= 10)
        cancel = cap("two", words="All clear", msg_type="Cancel", references=reference("one", sent), area="")
        new = await line.post(cancel)
        await line.closed(old)
        await line.closed(new, within_s=60)
        before = {record.to for record in line.received("voice") if "Old words" in record.text}
        told = {record.to for record in line.received("voice") if "All clear" in record.text}
        assert before <= told
        assert len(told - before) <= 10
        assert len(before) < 40


async def test_the_gateway_s_own_trunk_is_chosen_by_its_settings(pg: Cluster) -> None:
    """Over SIP, with audio of its own: every call ends as the last digit of its number says."""
    wanted = {
        "0": (DeliveryState.DELIVERED, 1),
        "1": (DeliveryState.DELIVERED, 1),
        "5": (DeliveryState.DELIVERED, 1),
        "6": (DeliveryState.FAILED, 2),
        "8": (DeliveryState.FAILED, 1),
    }
    listeners = [person for person in people(10, by=("landline",)) if (person.landline or "")[-1] in wanted]
    async with scene(pg, listeners) as line:
        document = world.document_for(line.simulators, pg.app_dsn, host=HOST, port=0, more={})
        server = {"host": line.simulators.sip.host, "port": line.simulators.sip.port}
        trunk = {"driver": "sip", "name": "own", "caller_id": "+3225550100", "servers": [server]}
        sound = {"speak": list(AUDIO["speak"]), "convert": []}
        voice = document["voice"] | {
            "trunk": trunk, "audio": sound, "machine": {"detect": False}, "prompts": {}, "repeat": 1, "drain_s": 1.0,
        }  # fmt: skip
        async with running(line, voice=voice, retry=RETRY) as node:
            await until(lambda: node.channel_states()[0].get(f"voice own {server['host']}:{server['port']}/udp"))
            name = await line.post(cap("one", channels="voice"))
            await line.closed(name)
            states, called = await line.states(name), calls(line)
        numbers = {(person.landline or "")[-1]: person.landline or "" for person in listeners}
        assert {digit: (states["voice", number], called[number]) for digit, number in numbers.items()} == wanted
        assert line.simulators.sip.audio_packets > 50
