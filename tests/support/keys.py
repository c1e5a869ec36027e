"""Keys of authorities for tests of the whole line: certificates that are valid whenever a test runs."""

from datetime import UTC, datetime
from functools import cache

from gateway.cap import trust
from gateway.cap.trust import Trust
from gateway.store import identity
from gateway.store.pool import Connection
from tests.cap.signed import PrivateKey, Signer, ec_key, issued

SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 1, 1, tzinfo=UTC)


@cache
def signer(name: str = "Commune", key: PrivateKey | None = None, **more: object) -> Signer:
    """Somebody with a key and a certificate for it, by itself unless `by` says who issued it."""
    return issued(name, key or ec_key(11), **({"since": SINCE, "until": UNTIL} | more))  # type: ignore[arg-type]


async def pin(connection: Connection, entity_id: int, *signers: Signer) -> None:
    """Their signatures count for this entity from now on."""
    der = Trust.from_pem(*(one.pem for one in signers)).pinned
    read = [found for one in der if (found := trust.read(one)) is not None]
    await identity.pin(connection, entity_id, read, der)
