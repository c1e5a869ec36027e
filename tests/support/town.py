"""A gateway that runs, with people in every role: for tests that ask everything of its whole API."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.model import Role
from gateway.store import admin, contacts, entities, persons
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection
from tests.support.line import Line, cap, people, running, scene
from tests.support.people import everything, put_person
from tests.support.scene import put_group

COMMUNE = "demo-commune"
EVERYTHING = {"email": {"verp_secret": "a secret of tests"}, "citizens": {"secret": "s" * 32}}
"""What has to be configured for a node to serve every route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """`tokens`: of a person by the role that openapi.yaml names, `nobody` has none, `all but x` every other one.
    `names`: something that is there, by the parameter of a path."""

    line: Line
    tokens: Mapping[str, str]
    names: Mapping[str, str]

    async def mend(self) -> None:
        """Take back what would keep the next one from asking: suspensions, tokens and roles that were ended."""
        async with admin.connected(self.line.cluster.admin_dsn) as connection:
            await connection.execute("UPDATE entity SET suspended_at = NULL, policy = '{}'")
            await connection.execute("UPDATE token SET revoked_at = NULL, expires_at = NULL")
            await connection.execute("UPDATE membership SET suspended_at = NULL")
            await connection.execute("UPDATE person SET suspended_at = NULL")


@asynccontextmanager
async def a_town(pg: Cluster, **more: Mapping[str, Any]) -> AsyncIterator[Town]:
    """It runs while the block runs."""
    async with scene(pg, people(5)) as line, running(line, 0, **EVERYTHING, **more):
        async with admin.connected(pg.app_dsn) as connection:
            tokens, names = await _people(connection)
        name = await line.post(cap("town"))
        status, body = await line.ask("GET", f"/v1/campaigns/{name}")
        assert status == 200
        yield Town(line=line, tokens=tokens, names=names | {"campaign": name, "alert": body["alert"]})


async def _people(connection: Connection) -> tuple[dict[str, str], dict[str, str]]:
    commune, platform = await admin.entity(connection, COMMUNE), await admin.entity(connection, "platform")
    assert commune is not None and platform is not None
    place = await persons.put_partnership(connection, commune.id, "plp-north", "PLP North", "none")
    await put_group(connection, commune.id, "neighbours", 3)
    await persons.give_group(connection, commune.id, "neighbours", place)
    await contacts.ask_export(connection, commune.id, "To look at it.", "person:0")
    version = await entities.publish_terms(connection, "Be kind.")
    tokens = {"nobody": await put_person(connection, commune.id)}
    for role in Role:
        others = [one for one in Role if one is not role]
        tokens[role.value] = await put_person(connection, commune.id, roles=[role], mandate=everything())
        tokens[f"all but {role.value}"] = await put_person(connection, commune.id, roles=others)
    tokens["coordinator"] = await put_person(connection, commune.id, partner=[(place, "coordinator")])
    tokens["platform-admin"] = await put_person(connection, platform.id, roles=[Role.ADMIN])
    email = f"{secrets.token_hex(4)}@people.example"
    await put_person(connection, commune.id, email=email)
    person = await persons.find(connection, commune.id, email)
    names = {
        "person": person["public_id"], "partnership": "plp-north", "group": "neighbours", "contact": "neighbours-1",
        "entity": COMMUNE, "authority": COMMUNE, "version": str(version), "mandate": "1", "token": "1", "export": "1",
        "invitation": "1", "notice": "1",
    }  # fmt: skip
    return tokens, names
