"""Invitations leave by mail, in the person's language, a few times at most, and no link is written anywhere else."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

from gateway.flows.inviting import MOST_ATTEMPTS, Inviter
from gateway.log import unit_logger
from gateway.model import Realm
from gateway.store import invitations, persons
from gateway.store.persons import Grant
from tests.support.people import put_person
from tests.support.personal import written
from tests.support.scene import Scene

AN = "an@people.example"


class Relay:
    """Keeps what it takes; `broken` says how it fails."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, str]] = []
        self.broken: Exception | bool = False

    async def send(self, address: str, subject: str, body: str) -> bool:
        if isinstance(self.broken, Exception):
            raise self.broken
        if not self.broken:
            self.mails.append((address, subject, body))
        return not self.broken


def inviter(scene: Scene, relay: Relay) -> Inviter:
    return Inviter(
        scene.store, relay.send, link="https://gateway.example/invitations/{invitation}", service="Alerts",
        local=lambda moment: moment, log=unit_logger("test.inviter"),
    )  # fmt: skip


async def invited(scene: Scene) -> None:
    commune = await scene.entity()
    async with scene.store.acting("test") as connection:
        await put_person(connection, commune.id, email=AN)
        an = await persons.find(connection, commune.id, AN)
        until = datetime.now(UTC) + timedelta(days=7)
        await invitations.ask(connection, commune.id, an["id"], Realm.TEST, until, Grant(), anew=False)


async def test_a_link_goes_to_who_is_invited_and_works_once(scene: Scene) -> None:
    relay = Relay()
    with written() as log:
        await invited(scene)
        working = inviter(scene, relay)
        running = asyncio.create_task(working.run())
        async with asyncio.timeout(30):
            while not await scene.rows("SELECT FROM invitation WHERE mailed_at IS NOT NULL"):
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait([running])
        ((address, subject, body),) = relay.mails
        link = re.search(r"https://gateway\.example/invitations/(\S+)", body)
        assert link is not None
        assert (address, subject) == (AN, "Authority commune nodigt u uit")
        async with scene.store.acting("test") as connection:
            assert await persons.redeem(connection, link[1], "", None) is not None
            assert await persons.redeem(connection, link[1], "", None) is None
    assert link[1] not in log.text


async def test_a_mail_that_does_not_leave_is_tried_again_and_then_the_record_says_so(scene: Scene) -> None:
    relay = Relay()
    with written() as log:
        await invited(scene)
        for attempt in range(MOST_ATTEMPTS):
            relay.broken = ValueError(AN) if attempt % 2 else True
            assert await inviter(scene, relay).turn() == 1, attempt
            assert await inviter(scene, relay).turn() == 0, "not at once"
            left = await scene.rows(
                "UPDATE invitation SET mail_due_at = now() WHERE mail_due_at < 'infinity' RETURNING 1"
            )
        assert left == [], "given up"
        assert relay.mails == []
        acts = await scene.rows("SELECT act FROM audit_event WHERE act LIKE 'invitation.%mailed'")
        assert [row["act"] for row in acts] == ["invitation.not-mailed"]
    assert {"invitation_not_sent", "invitation_broken"} <= log.events
    assert AN not in log.text
