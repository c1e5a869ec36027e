"""A mailbox for tests: a registered source, a prover with a zone of its own, the real intake over a store."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.log import unit_logger
from gateway.mailbox.mime import Limits
from gateway.mailbox.proving import ProofRules, Prover, XmlProof
from gateway.mailbox.settings import BoxSettings
from gateway.mailbox.smime import OpenSsl
from gateway.mailbox.taking import Taker, TakeRules
from gateway.mailbox.watching import Connect, Watcher
from gateway.model import Realm
from gateway.policy.mailproof import MailSource, ProofKind
from gateway.store import admin, mailbox
from tests.mailbox.mails import ADDRESS, DOMAIN, Zone, zone
from tests.support.scene import Entity, Scene

BOX_NAME = "alerts"
CAP_SENDER = "gateway@alerts.example"


@dataclass(slots=True, kw_only=True)
class Stand:
    """What tests of the mailbox look at."""

    scene: Scene
    entity: Entity
    taker: Taker
    zone: Zone
    counted: list[tuple[str, str]] = field(default_factory=list)
    monotonic: Callable[[], float] = time.monotonic

    async def source(self, **more: Any) -> MailSource:
        """A registered source: the usual one by DKIM, unless told otherwise."""
        usual: dict[str, Any] = {"address": ADDRESS, "proof": ProofKind.DKIM, "domain": DOMAIN, "answers": True}
        usual |= {"reply_address": ADDRESS}
        realm = more.pop("realm", Realm.LIVE)
        wanted = MailSource(id=0, mailbox=BOX_NAME, entity_id=0, **(usual | more))
        async with self.scene.connected() as connection:
            nobodys = admin.NewToken(text="", digest=secrets.token_bytes(32))
            token = await admin.create_token(connection, entity_id=self.entity.id, realm=realm, token=nobodys)
            assert await mailbox.add_source(connection, wanted, token) is not None
            found = await mailbox.source_of_address(connection, BOX_NAME, wanted.address)
        assert found is not None
        return found

    async def mails(self) -> list[Any]:
        """The verdicts in order of UID."""
        return await self.scene.rows("SELECT * FROM mail ORDER BY uid_validity, uid")

    async def verdicts(self) -> list[tuple[str, str]]:
        """(verdict, reason) in order of UID."""
        return [(row["verdict"], row["reason"]) for row in await self.mails()]

    async def accepted(self) -> list[str]:
        """Identifiers of accepted alerts."""
        rows = await self.scene.rows("SELECT identifier FROM alert WHERE accepted ORDER BY id")
        return [row["identifier"] for row in rows]

    async def answers(self) -> list[Any]:
        """What is owed, in order."""
        return await self.scene.rows("SELECT * FROM mail_answer ORDER BY id")

    def watcher(self, settings: BoxSettings, connect: Connect, **more: Any) -> Watcher[MailSource]:
        """A watcher of one mailbox."""
        usual: dict[str, Any] = {"most_bytes": 33_554_432, "patience_s": 3600.0, "leads": lambda: True}
        return Watcher(
            settings, self.scene.store, self.taker, connect, monotonic=self.monotonic, owed=lambda: None,
            counted=lambda verdict, reason: self.counted.append((verdict, reason)), log=unit_logger("test.mailbox"),
            **(usual | more),
        )  # fmt: skip


def stand(
    scene: Scene,
    entity: Entity,
    *,
    addresses: Sequence[str] = (),
    xml: XmlProof | None = None,
    answers_per_hour: int = 60,
) -> Stand:
    """A stand over a scene."""
    names, limits = zone(), Limits()
    rules = ProofRules(limits=limits, most_alerts=20, addresses={BOX_NAME: frozenset(addresses)})
    prover = Prover(rules, resolver=names, openssl=OpenSsl(), xml=xml, now_s=time.time)
    take_rules = TakeRules(limits=limits, sender=CAP_SENDER, answers_per_hour=answers_per_hour)
    taker = Taker(scene.store, prover, scene.intake.accept, take_rules)
    return Stand(scene=scene, entity=entity, taker=taker, zone=names)


def box_settings(port: int = 1, **more: Any) -> BoxSettings:
    """A mailbox on this machine."""
    usual: dict[str, Any] = {"name": BOX_NAME, "host": "127.0.0.1", "port": port, "security": "none"}
    usual |= {"username": "alerts@test.invalid", "password": "imappass", "backoff_first_s": 0.1, "backoff_max_s": 0.5}
    return BoxSettings(**(usual | more))


@asynccontextmanager
async def running(watcher: Watcher[MailSource]) -> AsyncIterator[Watcher[MailSource]]:
    """The watcher at work."""
    task = asyncio.create_task(watcher.run())
    try:
        yield watcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def nonce() -> str:
    """An identifier nobody used."""
    return secrets.token_hex(6)
