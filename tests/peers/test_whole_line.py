"""The whole line between foreign programs: an alert over HTTP to a gateway of its own process, SMS through node-smpp,
mail through smtp-sink; everybody is reached once, and the report counts what those programs did."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.store.embedded import Cluster
from tests.support import peers
from tests.support.line import Line, Process, cap, now, people, provider, reference, register, scene
from tests.support.ports import free_port

pytestmark = [pytest.mark.peer("node-smpp"), pytest.mark.peer("smtp-sink")]

# what the last digit of a number makes node-smpp do; the others are delivered
ENDS = {"9": "failed", "7": "failed", "6": "expired", "4": "submitted"}
WORDS = "Évacuez vers l'école, fenêtres fermées. Ontruim. €"


class Peers:
    """The two foreign programs and what they took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.smsc, self.relay = free_port(), free_port()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both, until the block ends."""
        with ExitStack() as stack:
            node, sink = self.folder / "node", self.folder / "sink"
            ids = {"IDS": "hexdec"}
            stack.enter_context(peers.running("nodesmsc.sh", node, self.smsc, "text", environment=ids))
            kept = ("-d", f"{sink}/dump/%M.")
            stack.enter_context(peers.running("smtpsink.sh", sink, self.relay, *kept))
            yield

    def submits(self) -> list[dict[str, Any]]:
        """The SMS parts that node-smpp took."""
        told = (json.loads(line) for line in (self.folder / "node" / "smsc.out").read_text().splitlines())
        return [event for event in told if "submit" in event]

    def mails(self) -> list[str]:
        """The mails that smtp-sink took."""
        return [file.read_text() for file in sorted((self.folder / "sink" / "dump").iterdir())]

    def settings(self, line: Line) -> dict[str, dict[str, Any]]:
        """The live transports of a gateway that uses them."""
        sms = provider(line, port=self.smsc, name="node", message_id_rule="hex->decimal", announce_mode=False)
        relay = {"name": "sink", "host": "127.0.0.1", "port": self.relay, "security": "none", "connections": 3}
        return {
            "sms": {"providers": [sms]},
            "email": {"relays": [relay]},
            "retry": {"sms": {"first_s": 0.2, "max_s": 1, "max_attempts": 8}},
            "dispatch": {"receipt_window_s": 3, "unknown_grace_s": 3},
        }


@pytest.fixture
def foreign(public_path: Path) -> Iterator[Peers]:
    try:
        peers.run("nodesmsc.sh", "install")
    except AssertionError as missing:
        if os.environ.get("GATEWAY_FORBID_SKIP") == "1":
            raise
        pytest.skip(str(missing))
    found = Peers(public_path)
    with found.running():
        yield found


async def test_an_alert_over_http_reaches_everybody_once_through_foreign_programs_and_is_counted_right(
    pg: Cluster, foreign: Peers, tmp_path: Path
) -> None:
    """70 people with a mobile, 30 with a mailbox, 20 with both; then an all-clear to those who were told."""
    everybody = [*people(70), *people(30, first=100, by=("email",)), *people(20, first=200, by=("mobile", "email"))]
    mobiles = {person.mobile for person in everybody if person.mobile}
    mailboxes = {person.email for person in everybody if person.email}
    async with scene(pg) as line:
        await register(pg, everybody)
        gateway = Process(line, tmp_path, free_port(), **foreign.settings(line))
        await gateway.start()
        try:
            await gateway.ready()
            sent = now()
            name = await line.post(cap("foreign-line", words=WORDS, sent=sent))
            seen = await line.closed(name)
            assert_once(foreign, {str(mobile) for mobile in mobiles}, {str(box) for box in mailboxes})
            ends = Counter(ENDS.get(str(mobile)[-1], "delivered") for mobile in mobiles)
            await assert_report(line, name, seen, {"sms": ends, "email": Counter(submitted=len(mailboxes))})
            await assert_all_clear(line, foreign, reference("foreign-line", sent))
            assert line.received("sms") == line.received("email") == []
        finally:
            assert await gateway.end() == 0


def assert_once(foreign: Peers, mobiles: set[str], mailboxes: set[str]) -> None:
    """Nobody twice, nobody left out, the words as they were written."""
    taken = foreign.submits()
    assert Counter("+" + event["to"] for event in taken) == dict.fromkeys(
        (mobile for mobile in mobiles if mobile[-1] != "9"), 1
    )
    assert {event["text"] for event in taken} == {WORDS}
    assert {(event["from"], event["priority"], bool(event["validity"])) for event in taken} == {("BE-Alert", 1, True)}
    mails = foreign.mails()
    named = Counter(box for mail in mails for box in re.findall(r"^X-Rcpt-Args: <([^>]+)>", mail, re.M))
    assert named == dict.fromkeys(mailboxes, 1)


async def assert_report(line: Line, name: str, seen: dict[str, Any], counts: dict[str, Counter[str]]) -> None:
    """Progress and final report say what became of everybody."""
    status, report = await line.ask("GET", f"/v1/campaigns/{name}/report")
    assert (status, report["final"], report["closure"]) == (200, True, "complete")
    for channel, ends in counts.items():
        for told in (seen["channels"][channel], report["channels"][channel]):
            assert {end: told[end] for end in ends} == ends, channel
            assert told["planned"] == ends.total()
            assert told["unknown"] == told["cancelled"] == 0
        assert report["channels"][channel]["sent_again"] == 0


async def assert_all_clear(line: Line, foreign: Peers, told: str) -> None:
    """Those who were reached or may have been are told of the end; those who certainly were not are left in peace."""
    before = len(foreign.submits())
    name = await line.post(cap("foreign-line-end", words="All clear", msg_type="Cancel", references=told))
    await line.closed(name)
    after = foreign.submits()[before:]
    assert {event["text"] for event in after} == {"End of alert. All clear"}
    assert not [event for event in after if event["to"][-1] in "976"]
    assert {"+" + event["to"] for event in after if event["to"][-1] == "4"}
