"""What is kept of alerts by mail: sources, how far a mailbox was read, one verdict for each mail, answers owed.

Knows: the tables of migrations/0002. Never knows: IMAP, what proves a source, how answers travel.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.policy.mailproof import MailSource, ProofKind
from gateway.policy.rights import Authority
from gateway.store import registry
from gateway.store.pool import Connection
from gateway.store.sql import Queries

_SQL = Queries.load("mailbox")


class Spot(NamedTuple):
    """One mail in one numbering of one mailbox."""

    mailbox: str
    uid_validity: int
    uid: int


class SettledMail(NamedTuple):
    """A mail's verdict: 'taken', 'refused' or 'repeated', with the reason's word, what exactly, and the alerts."""

    spot: Spot
    sha256: bytes
    size_bytes: int
    source: MailSource | None
    verdict: str
    reason: str = ""
    detail: str = ""
    alerts: Sequence[tuple[str, int]] = ()


class OwedAnswer(NamedTuple):
    """A CAP answer (None: in words only) to what one mail brought."""

    in_reply_to: str
    subject: str
    body: str
    document: bytes | None


class MailRow(NamedTuple):
    """A mail and its verdict as they are shown."""

    settled_at: datetime
    mailbox: str
    uid: int
    entity: str | None
    verdict: str
    reason: str
    detail: str
    alerts: Sequence[Sequence[Any]]


class SourceRow(NamedTuple):
    """A source as it is shown: its entity's slug, its credential's number and realm."""

    id: int
    mailbox: str
    address: str
    entity: str
    realm: str
    token_id: int
    proof: str
    domain: str
    pinned: bool
    reply_address: str


class DueAnswer(NamedTuple):
    """An answer to be sent now. Not `wanted` any more: the source was revoked, or it was tried too often."""

    id: int
    to: str
    in_reply_to: str
    subject: str
    body: str
    document: bytes | None
    wanted: bool


async def add_source(connection: Connection, source: MailSource, token_id: int) -> int | None:
    """Register a source with a credential of its own; None when the mailbox has one of this address.

    `source.id` and `source.entity_id` are not used: the entity is the token's.
    """
    number: int | None = await connection.fetchval(
        _SQL["mailbox_insert_source"],
        source.mailbox,
        source.address,
        token_id,
        source.proof.value,
        source.domain,
        source.certificates,
        source.fingerprint,
        source.answers,
        source.reply_address,
    )
    return number


async def revoke_source(connection: Connection, source_id: int) -> bool:
    """Take nothing more from a source; False when it was revoked before."""
    return await connection.fetchval(_SQL["mailbox_revoke_source"], source_id) is not None


async def listed(connection: Connection, slug: str | None = None) -> list[SourceRow]:
    """The sources in force, of one entity or of all."""
    return [SourceRow(*row) for row in await connection.fetch(_SQL["mailbox_listed"], slug)]


async def last_mails(connection: Connection, mailbox: str | None, most: int) -> list[MailRow]:
    """The mails settled last, newest first, of one mailbox or of all."""
    return [MailRow(*row) for row in await connection.fetch(_SQL["mailbox_last"], mailbox, most)]


async def sources_of_entity(connection: Connection, entity_id: int) -> list[MailSource]:
    """The sources of an entity that are in force."""
    return [_source(row) for row in await connection.fetch(_SQL["mailbox_sources"], entity_id)]


async def source_of_address(connection: Connection, mailbox: str, address: str) -> MailSource | None:
    """The source that an address (lower case) claims to be."""
    row = await connection.fetchrow(_SQL["mailbox_source"], mailbox, address)
    return None if row is None else _source(row)


def _source(row: Any) -> MailSource:
    names = (
        "id",
        "mailbox",
        "address",
        "entity_id",
        "domain",
        "certificates",
        "fingerprint",
        "answers",
        "reply_address",
    )
    return MailSource(proof=ProofKind(row["proof"]), **{name: row[name] for name in names})


async def authority_of_source(connection: Connection, source_id: int) -> Authority | None:
    """The authority behind a source, None when it or its credential is revoked or expired."""
    digest = await connection.fetchval(_SQL["mailbox_credential"], source_id)
    return None if digest is None else await registry.authority_of_digest(connection, digest)


async def enter(connection: Connection, mailbox: str, uid_validity: int) -> int:
    """Up to which UID the mailbox was read in this numbering; 0 when it is a new one."""
    done_to: int = await connection.fetchval(_SQL["mailbox_enter"], mailbox, uid_validity)
    return done_to


async def begin(connection: Connection, spot: Spot) -> int:
    """How often this mail was begun, this time included, without an end."""
    tries: int | None = await connection.fetchval(_SQL["mailbox_begin"], *spot)
    return tries or 1


async def end(connection: Connection, mailbox: str, uid_validity: int) -> None:
    """The mail that was begun last did not end the process."""
    await connection.execute(_SQL["mailbox_end"], mailbox, uid_validity)


async def advance(connection: Connection, mailbox: str, uid_validity: int, done_to: int) -> None:
    """Every mail up to this UID has its verdict, or is gone."""
    await connection.execute(_SQL["mailbox_advance"], mailbox, uid_validity, done_to)


async def settled_behind(connection: Connection, mailbox: str, uid_validity: int, done_to: int) -> set[int]:
    """The UIDs behind this one that have their verdict."""
    rows = await connection.fetch(_SQL["mailbox_settled"], mailbox, uid_validity, done_to)
    return {row["uid"] for row in rows}


async def is_known(connection: Connection, mailbox: str, sha256: bytes) -> bool:
    """Whether this very mail had its verdict before."""
    known: bool = await connection.fetchval(_SQL["mailbox_known"], mailbox, sha256)
    return known


async def settle(
    connection: Connection, mail: SettledMail, answers: Sequence[OwedAnswer] = (), *, answers_per_hour: int = 0
) -> int | None:
    """Store the verdict and, while the source has not had its share of the hour, the answers; how many of these.

    None: the mail had its verdict already, and nothing is stored.
    """
    source = mail.source
    number = await connection.fetchval(
        _SQL["mailbox_settle"],
        *mail.spot,
        mail.sha256,
        mail.size_bytes,
        source.id if source else None,
        source.entity_id if source else None,
        mail.verdict,
        mail.reason,
        mail.detail,
        [list(alert) for alert in mail.alerts],
    )
    if number is None:
        return None
    owed = 0
    for answer in answers if source else ():
        assert source is not None
        row = await connection.fetchval(
            _SQL["mailbox_owe"], number, source.id, source.entity_id, *answer, answers_per_hour
        )
        owed += row is not None
    return owed


async def claim_answers(connection: Connection, most: int, most_attempts: int) -> list[DueAnswer]:
    """Answers to send now; whoever claims one has a minute for it."""
    return [DueAnswer(*row) for row in await connection.fetch(_SQL["mailbox_claim_answers"], most, most_attempts)]


async def answer_sent(connection: Connection, answer_id: int) -> None:
    """The relay took it over."""
    await connection.execute(_SQL["mailbox_answer_sent"], answer_id)
