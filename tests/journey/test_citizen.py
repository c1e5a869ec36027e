"""A citizen's whole life with the gateway: the code comes by SMPP and the link by SMTP, alerts reach them as they
chose, and when they leave nothing in the database names them any more."""

import re
from typing import Any

from gateway.app import Gateway
from gateway.channels.email_writer import Tag
from gateway.store.embedded import Cluster
from tests.support.citizens import code_in
from tests.support.line import Line, cap, running, scene
from tests.support.waiting import until

SECRET = "a secret of the tests"
NUMBER, EMAIL, NAME = "+32479415263", "berenike@zonneschijn.example", "Berenike Zonneschijn"
HERE = {"label": "Kwikstaartplein 3", "lon": 4.3165, "lat": 50.8105}
WISH = {"name": NAME, "mobile": "0479 41 52 63", "email": EMAIL, "language": "fr", "consent": True, "places": [HERE]}
SETTINGS: dict[str, Any] = {"email": {"verp_secret": SECRET}, "dispatch": {"receipt_window_s": 1}}
LANGUAGES = ("fr", "nl")


async def call(line: Line, path: str, body: Any = None, session: str = "") -> Any:
    """One POST that has to be taken; its JSON."""
    headers = {"Authorization": f"Bearer {session}"} if session else {}
    async with line.session.post(f"{line.url}/v1/citizens{path}", json=body or {}, headers=headers) as answer:
        told = await answer.json()
        assert answer.status in (200, 202), told
        return told


def said(line: Line, channel: str, to: str) -> str:
    """What came to an address last, by the protocol of its channel."""
    return [record.text for record in line.received(channel) if record.to == to][-1]


async def told(line: Line, identifier: str, message_class: str) -> tuple[str, list[tuple[str, str]]]:
    """Post an alert in two languages by both channels; its campaign, and who got it by which channel."""
    before = {channel: len(line.received(channel)) for channel in ("sms", "email")}
    raw = cap(identifier, words=f"Words of {identifier}", message_class=message_class, languages=LANGUAGES)
    name = await line.post(raw)
    await line.closed(name)
    return name, [(c, one.to) for c in ("sms", "email") for one in line.received(c)[before[c] :]]


async def registers(line: Line) -> str:
    """A code by SMS and a link by mail, each brought back; the session of the self-service."""
    begun = await call(line, "", WISH)
    assert {one["by"] for one in begun["proofs"]} == {"sms", "email"}
    await until(lambda: line.received("sms") and line.received("email"))
    assert await line.fetch("SELECT FROM contact WHERE registered") == [], "nothing before a proof"
    code, mail = code_in(said(line, "sms", NUMBER)), said(line, "email", EMAIL)
    assert "votre code" in said(line, "sms", NUMBER)
    proof = next(one["proof"] for one in begun["proofs"] if one["by"] == "sms")
    session = (await call(line, "/confirm", {"proof": proof, "code": code}))["session"]
    link = re.search(r"http://\S+/citizens/confirm/\S+", mail)
    assert link is not None
    async with line.session.get(link[0]) as page:
        assert "<button" in await page.text()
    async with line.session.post(link[0]) as page:
        assert page.status == 200
    return str(session)


async def unsubscribes(line: Line, name: str) -> None:
    """One click on the link of a mail that was not urgent."""
    (row,) = await line.fetch(
        "SELECT d.campaign_id, d.seq FROM delivery d JOIN campaign c ON c.id = d.campaign_id "
        "WHERE c.public_id = $1 AND d.channel = 3", name,
    )  # fmt: skip
    tag = Tag(SECRET.encode()).make(row["campaign_id"], row["seq"])
    async with line.session.post(f"{line.url}/unsubscribe/{tag}", data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200


async def named_in(line: Line) -> set[str]:
    """The tables in which any row names the citizen."""
    tables = await line.fetch(
        "SELECT format('%I', c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public'"
    )
    words = f"{NUMBER[3:]}|zonneschijn|kwikstaart"
    return {
        row["name"]
        for row in tables
        if await line.fetch(f"SELECT FROM {row['name']} t WHERE t::text ~* $1 LIMIT 1", words)
    }


async def leaves(line: Line, node: Gateway, session: str) -> None:
    """Erased at once; what was sent, with the next look of the node."""
    assert {"contact", "address", "delivery"} <= await named_in(line)
    await call(line, "/me/erase", session=session)
    await node.forgetter.once()
    assert await named_in(line) == set()
    (row,) = await line.fetch("SELECT count(*) AS n FROM delivery WHERE address LIKE 'erased:%'")
    assert row["n"] == 6, "and every message still counts"


async def test_a_citizen_registers_is_told_chooses_and_leaves(pg: Cluster) -> None:
    both = [("sms", NUMBER), ("email", EMAIL)]
    async with scene(pg) as line, running(line, 0, **SETTINGS) as node:
        await until(lambda: any(up for name, up in node.channel_states()[0].items() if name.startswith("smsc-live")))
        session = await registers(line)
        (row,) = await line.fetch("SELECT name, mobile, email, language FROM contact WHERE registered")
        assert tuple(row) == (NAME, NUMBER, EMAIL, "fr")
        assert (await told(line, "one", "urgent"))[1] == both
        # they choose another language, and no more prevention
        changed = await call(line, "/me", {"language": "nl", "opt_out": ["prevention"]}, session)
        assert (changed["language"], changed["opt_out"]) == ("nl", ["prevention"])
        assert (await told(line, "two", "prevention"))[1] == []
        name, reached = await told(line, "three", "news")
        assert reached == both
        languages = await line.fetch(
            "SELECT DISTINCT t.language FROM delivery d JOIN campaign c ON c.id = d.campaign_id "
            "JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key WHERE c.public_id = $1", name,
        )  # fmt: skip
        assert [row["language"] for row in languages] == ["nl"]
        # one click ends news; urgent still comes
        await unsubscribes(line, name)
        assert (await told(line, "four", "news"))[1] == []
        assert (await told(line, "five", "urgent"))[1] == both
        await leaves(line, node, session)
        assert (await told(line, "six", "urgent"))[1] == []
