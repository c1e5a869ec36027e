"""Mail that comes back: refused later by a real Postfix, returned to a real Dovecot, read, and taken to heart."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.channels.email_writer import Tag
from gateway.store.embedded import Cluster
from tests.peers.dovecot import Dovecot, started
from tests.support import peers
from tests.support.line import HOST, Line, cap, people, whole_line
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = [pytest.mark.peer("postfix"), pytest.mark.peer("smtp-sink"), pytest.mark.peer("dovecot")]
SECRET = "a secret of the tests"
OURS = "alerts@test.invalid"


class Peers:
    """Postfix between the gateway, a sink that takes everything, and Dovecot, where its bounces go."""

    def __init__(self, folder: Path, server: Dovecot) -> None:
        self.folder, self.server = folder, server
        self.port, self.sink = free_port(), free_port()

    def settings(self) -> dict[str, dict[str, Any]]:
        """The live transport of e-mails, and the mailbox that they come back to."""
        relay = {"name": "postfix", "host": HOST, "port": self.port, "security": "none", "connections": 2}
        box = {"name": "returns", "takes": "returns", "host": HOST, "port": self.server.imap, "security": "none"}
        box |= {"username": OURS, "password": "imappass", "backoff_first_s": 0.1, "backoff_max_s": 0.5}
        mail = {"relays": [relay], "from_address": "no-reply@test.invalid", "envelope_address": OURS}
        return {"email": mail | {"verp_secret": SECRET}, "mailbox": {"boxes": [box]}}

    def sent_to(self) -> list[str]:
        """The recipients of mails that Postfix handed on to the sink."""
        kept = (self.folder / "sink" / "dump").iterdir()
        lines = (line for file in kept for line in file.read_text().splitlines())
        return sorted(line.partition("<")[2].partition(">")[0] for line in lines if line.startswith("X-Rcpt-Args:"))


@pytest.fixture
def foreign(public_path: Path) -> Iterator[Peers]:
    with ExitStack() as stack:
        found = Peers(public_path, stack.enter_context(started(public_path / "dovecot")))
        sink = public_path / "sink"
        stack.enter_context(peers.running("smtpsink.sh", sink, found.sink, "-d", f"{sink}/dump/%M."))
        ways = (f"sink={found.sink}", f"lmtp={found.server.lmtp}")
        stack.enter_context(peers.running("postfix.sh", public_path / "postfix", found.port, *ways))
        yield found


async def test_an_address_whose_mails_come_back_gets_urgent_alerts_only(pg: Cluster, foreign: Peers) -> None:
    names = ("well", "unknown", "full", "tired")
    living = zip(people(4, by=("email",)), names, strict=True)
    citizens = [one._replace(email=f"{name}1@far.invalid") for one, name in living]
    settings: Any = foreign.settings()
    async with whole_line(pg, citizens, **settings) as line:
        first = await told(line, "first", "news")
        await until(lambda: foreign.sent_to() == ["tired1@far.invalid", "well1@far.invalid"])
        await noticed(line, 2)
        rows = await line.fetch(
            "SELECT address, suppressed_at IS NOT NULL AS silent, status FROM suppression ORDER BY 1"
        )
        assert [tuple(row) for row in rows] == [
            ("full1@far.invalid", False, "5.2.2"),
            ("unknown1@far.invalid", True, "5.1.1"),
        ]
        await unsubscribes(line, first, "tired1@far.invalid")
        assert await recipients(line, await told(line, "second", "news")) == ["full1@far.invalid", "well1@far.invalid"]
        assert await recipients(line, await told(line, "third", "urgent")) == sorted(
            f"{name}1@far.invalid" for name in names
        )
        _, report = await line.ask("GET", f"/v1/campaigns/{first}/report")
    assert report["final"]
    assert report["addendum"]["returned_mail"] == [
        {"said": "bounced", "status": "5.1.1", "mails": 1},
        {"said": "bounced", "status": "5.2.2", "mails": 1},
        {"said": "unsubscribed", "status": "", "mails": 1},
    ]


async def told(line: Line, identifier: str, message_class: str) -> str:
    """Post an e-mail alert and wait for its end."""
    name = await line.post(
        cap(identifier, words=f"Words of {identifier}", channels="email", message_class=message_class)
    )
    await line.closed(name)
    return name


async def recipients(line: Line, name: str) -> list[str]:
    return sorted(address for _, address in await line.states(name))


async def noticed(line: Line, wanted: int) -> None:
    """Wait until so many notices were kept."""

    async def kept() -> bool:
        (row,) = await line.fetch("SELECT count(*) AS n FROM mail_notice")
        return bool(row["n"] >= wanted)

    await until(kept, every_s=0.1)


async def unsubscribes(line: Line, name: str, address: str) -> None:
    """Somebody follows the link of a mail."""
    rows = await line.fetch(
        "SELECT d.campaign_id, d.seq FROM delivery d JOIN campaign c ON c.id = d.campaign_id "
        "WHERE c.public_id = $1 AND d.address = $2",
        name,
        address,
    )
    tag = Tag(SECRET.encode()).make(rows[0]["campaign_id"], rows[0]["seq"])
    async with line.session.post(f"{line.url}/unsubscribe/{tag}", data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200
