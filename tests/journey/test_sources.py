"""A feed of somebody else: read, in quarantine, trusted, made a campaign in one step, released, on phones."""

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Any

from gateway.__main__ import main
from gateway.store.embedded import Cluster
from tests.flows.feed_server import FeedServer, a_feed_server, atom, holding, linked
from tests.support.line import Line, cap, people, whole_line
from tests.support.waiting import until

HERE = {"allowed_networks": ["127.0.0.0/8"], "least_s": 1, "http_hubs": True}
UPSTREAM = "kmi@upstream.example"
EDXL = "urn:oasis:names:tc:emergency:EDXL:DE:1.0"


class Operator:
    """Who types `gateway ...` on the node."""

    def __init__(self, line: Line, folder: Path) -> None:
        self._config = folder / "gateway.toml"
        self._config.write_text(f'[database]\ndsn = "{line.cluster.app_dsn}"\n')

    async def types(self, capsys: Any, *words: str) -> str:
        """Run it; what it prints."""
        assert await asyncio.to_thread(main, [*words, "--config", str(self._config)]) == 0
        return str(capsys.readouterr().out).strip()


async def brought(line: Line, source: str, wanted: int = 1) -> list[dict[str, Any]]:
    """What a source brought, as soon as there is so much of it."""
    for _ in range(1000):
        status, body = await line.ask("GET", f"/v1/sources/{source}/alerts")
        assert status == 200
        if len(body["alerts"]) >= wanted:
            return list(body["alerts"])
        await asyncio.sleep(0.02)
    raise AssertionError(f"the source brought {len(body['alerts'])} alerts")


def upstream(identifier: str, words: str = "Storm from the west") -> bytes:
    return cap(identifier, words=words, sender=UPSTREAM)


async def test_an_alert_of_a_trusted_feed_is_on_phones_after_one_step_and_a_release(
    pg: Cluster, tmp_path: Path, capsys: Any
) -> None:
    async with a_feed_server() as (server, _), whole_line(pg, people(5), sources=HERE) as line:
        server.put("/feed", atom(linked(1)), etag='"1"')
        server.put("/alerts/1.xml", upstream("up-1"))
        operator = Operator(line, tmp_path)
        source = await operator.types(capsys, "source", "add", f"{server.url}/feed", "--entity", "demo-commune")
        (alert,) = await brought(line, source)
        assert alert["held"] == ["source-not-trusted"]
        status, body = await line.ask("POST", alert["links"]["campaign"])
        assert (status, body["reason"]) == (409, "held-source-not-trusted")
        await operator.types(capsys, "source", "trust", source)
        status, body = await line.ask("POST", alert["links"]["campaign"])
        assert (status, body["state"]) == (201, "held"), body
        second = await operator.types(capsys, "token", "create", "--entity", "demo-commune", "--note", "colleague")
        await asyncio.sleep(0.3)
        assert line.received("sms") == []
        await approved(line, body["campaign"], second)
        await line.closed(body["campaign"])
        assert {record.to for record in line.received("sms")} == {person.mobile for person in people(5)}
        assert all("Storm from the west" in record.text for record in line.received("sms"))
        await until(lambda: server.unchanged["/feed"] >= 1)
        assert server.asked["/alerts/1.xml"] == 1


async def approved(line: Line, campaign: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with line.session.post(f"{line.url}/v1/campaigns/{campaign}/approve", headers=headers) as answer:
        assert answer.status == 200, await answer.text()


def in_every_format(server: FeedServer) -> dict[str, str]:
    """The same kind of alert in each format of feeds; the addresses by the identifiers that they bring."""
    inside = upstream("by-edxl").decode().partition("?>")[2]
    server.put("/atom", atom(holding(upstream("by-atom"))))
    link = f"<item><title>T</title><guid>1</guid><link>{server.url}/rss.xml</link></item>"
    server.put("/rss", f"<rss version='2.0'><channel><title>T</title>{link}</channel></rss>")
    server.put("/rss.xml", upstream("by-rss"))
    held = f"<xmlContent><embeddedXMLContent>{inside}</embeddedXMLContent></xmlContent>"
    status = "<distributionStatus>Actual</distributionStatus>"
    body = f"{status}<contentObject>{held}</contentObject>"
    server.put("/edxl", f"<EDXLDistribution xmlns='{EDXL}'>{body}</EDXLDistribution>")
    return {f"by-{name}": f"{server.url}/{name}" for name in ("atom", "rss", "edxl")}


async def test_every_format_is_read_and_none_from_an_address_that_is_not_allowed(
    pg: Cluster, tmp_path: Path, capsys: Any
) -> None:
    async with a_feed_server() as (server, _), whole_line(pg, sources=HERE) as line:
        operator = Operator(line, tmp_path)
        for identifier, url in in_every_format(server).items():
            source = await operator.types(capsys, "source", "add", url, "--entity", "demo-commune", "--trusted")
            (alert,) = await brought(line, source)
            assert (alert["identifier"], alert["sender"], alert["held"]) == (identifier, UPSTREAM, [])
            status, body = await line.ask("POST", alert["links"]["campaign"])
            assert (status, body["state"]) == (201, "held"), body
        refused = [f"http://{host}/feed" for host in ("10.0.0.1", "[::1]", "169.254.169.254")]
        for url in refused:
            await operator.types(capsys, "source", "add", url, "--entity", "demo-commune")
        problems: dict[str, str] = {}
        while not all(problems.get(url) for url in refused):
            _, body = await line.ask("GET", "/v1/sources")
            problems = {one["url"]: one["problem"] for one in body["sources"]}
            await asyncio.sleep(0.02)
        assert {problems[url] for url in refused} == {"it is not an address of the public internet"}


async def test_a_hub_brings_news_without_a_poll(pg: Cluster, tmp_path: Path, capsys: Any) -> None:
    """Subscribed with a secret, verified, signed; what is not signed as agreed is not kept."""
    async with a_feed_server() as (server, _), whole_line(pg, sources=HERE | {"least_s": 60}) as line:
        head = f"<link rel='hub' href='{server.url}/hub'/><link rel='self' href='{server.url}/feed'/>"
        server.put("/feed", atom(head=head))
        operator = Operator(line, tmp_path)
        source = await operator.types(
            capsys, "source", "add", f"{server.url}/feed", "--entity", "demo-commune", "--trusted"
        )
        await until(lambda: server.forms)
        (form,) = server.forms
        assert (form["hub.mode"], form["hub.topic"]) == ("subscribe", f"{server.url}/feed")
        assert form["hub.callback"].startswith(f"{line.url}/cap/incoming/")
        question = {"hub.mode": "subscribe", "hub.topic": form["hub.topic"], "hub.challenge": "c" * 20}
        async with line.session.get(form["hub.callback"], params=question | {"hub.lease_seconds": "3600"}) as answer:
            assert (answer.status, await answer.text()) == (200, "c" * 20)
        for identifier, secret in (("forged", "another"), ("pushed", form["hub.secret"])):
            document = atom(holding(upstream(identifier)), head=head).encode()
            signature = "sha256=" + hmac.new(secret.encode(), document, hashlib.sha256).hexdigest()
            headers = {"X-Hub-Signature": signature, "Content-Type": "application/atom+xml"}
            async with line.session.post(form["hub.callback"], data=document, headers=headers) as answer:
                assert answer.status == 202
        assert [alert["identifier"] for alert in await brought(line, source)] == ["pushed"]
        assert server.asked["/feed"] == 1
