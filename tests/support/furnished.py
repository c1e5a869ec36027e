"""An entity with something in every table that an archive holds."""

from gateway.model import Role
from gateway.policy.contacts import GroupFilter
from gateway.policy.importing import ImportedContact, Place
from gateway.store import admin, contacts, entities, persons, sources, templates, webhooks
from gateway.store.pool import Connection
from tests.store import made
from tests.support import keys
from tests.support.people import everything, put_person

ROWS = (
    "INSERT INTO alert_reference SELECT a.id, $1, 's@x.example', 'earlier', 'then' FROM alert a WHERE a.entity_id = $1",
    "INSERT INTO milestone SELECT c.id, 1, 50, $1 FROM campaign c WHERE c.entity_id = $1",
    "INSERT INTO report (campaign_id, entity_id, body) "
    "SELECT c.id, $1, '{\"a\": 0.5}' FROM campaign c WHERE c.entity_id = $1",
    "INSERT INTO approval (campaign_id, entity_id, author, approver, need, seal) "
    "SELECT c.id, $1, c.author, 'person:1', 'second', '\\x01' FROM campaign c WHERE c.entity_id = $1",
    "INSERT INTO pack (entity_id, units, used, bought_on, valid_until, reference) "
    "VALUES ($1, 100, 3, '2024-01-01', '2028-07-20', 'order 7')",
    "INSERT INTO usage_line (campaign_id, channel, prefix, entity_id, messages, units, prepaid, eur, lapsed, "
    "priced_on, settled_on) SELECT c.id, 1, '', $1, 4, 5, 3, 0.055, false, '2026-05-01', '2026-05-02' "
    "FROM campaign c WHERE c.entity_id = $1",
    "INSERT INTO pack_draw SELECT p.id, u.campaign_id, u.channel, u.prefix, $1, 3 "
    "FROM pack p JOIN usage_line u USING (entity_id) WHERE p.entity_id = $1",
    "INSERT INTO mail_source (mailbox, address, entity_id, token_id, proof, domain) "
    "SELECT 'alerts', 'on@duty.example', $1, min(t.id), 'dkim', 'duty.example' FROM token t WHERE t.entity_id = $1",
    "INSERT INTO mail (mailbox, uid_validity, uid, sha256, bytes, entity_id, verdict) "
    "VALUES ('alerts', 1, 2, sha256('mail'), 4, $1, 'taken')",
    "INSERT INTO notice (entity_id, person_id, word, subject, body) "
    "SELECT $1, m.person_id, 'platform', 'x', 'On Monday.' FROM membership m WHERE m.entity_id = $1",
    "INSERT INTO export_request (entity_id, reason, asked_by) VALUES ($1, 'the contract ends', 'command')",
    "INSERT INTO import_run (entity_id, kind, dry_run, state, made_by, problems) "
    "VALUES ($1, 'csv', true, 'done', 'command', '[[2, \"mobile\", \"no number\"]]')",
)  # fmt: skip


async def furnish(connection: Connection, slug: str = "brugge") -> int:
    """Its number."""
    entity = await made.entity(connection, slug)
    plp = await persons.put_partnership(connection, entity, "plp", "PLP", "both")
    await _people(connection, entity, plp)
    partner = [(plp, "coordinator")]
    await put_person(
        connection, entity, roles=[Role.ADMIN], mandate=everything(plp), partner=partner, email=f"an@{slug}.example"
    )
    an = await persons.find(connection, entity, f"an@{slug}.example")
    await made.campaign(connection, entity)
    await _settings(connection, entity)
    for body in ({"class": "urgent"}, {"class": "news", "half": 0.5}):
        await templates.put(connection, entity, "storm", body, f"person:{an['id']}")
    storm = await templates.find(connection, entity, "storm")
    await templates.put_launch(
        connection, entity, storm["id"], preview={"texts": []}, document=b"<alert/>", waived=[], reason="",
        launched_by=f"person:{an['id']}",
    )  # fmt: skip
    for statement in ROWS:
        await connection.execute(statement, entity)
    return entity


async def _people(connection: Connection, entity: int, plp: int) -> None:
    people = [
        ImportedContact(
            row=n, key=f"k{n}", name=f"Name {n}", mobile=f"+3247000000{n}", language="fr" if n % 2 else "nl", opt_out=4,
            tags=("a", "b=1"), postcode="8000", place=Place("home", 4.2, 50.8),
        )
        for n in range(5)
    ]  # fmt: skip
    group = await admin.create_group(connection, entity_id=entity, slug="by hand", name="By hand", exercises=True)
    await admin.import_contacts(connection, entity, people[:3], group_id=group)
    await admin.import_contacts(connection, entity, people[3:])
    await connection.execute("UPDATE contact SET partnership_id = $1 WHERE entity_id = $2 AND key = 'k1'", plp, entity)
    filtered = await contacts.put_group(connection, entity, None, "fr", "FR", exercises=False, partnership=None)
    assert filtered is not None
    ring = ((4.0, 50.0), (5.0, 50.0), (5.0, 51.0), (4.0, 50.0))
    await contacts.put_filter(connection, entity, filtered, GroupFilter(languages=("fr",), rings=(ring,)))


async def _settings(connection: Connection, entity: int) -> None:
    await keys.pin(connection, entity, keys.signer())
    await connection.execute(
        "UPDATE entity SET signatures = 'require', allow_sha1 = true, cap_answers = true WHERE id = $1", entity
    )
    await connection.execute(
        "INSERT INTO entity_sender (entity_id, sender) VALUES ($1::int, 's' || $1::int || '@x.example')", entity
    )
    await sources.add(
        connection,
        entity_id=entity,
        url="https://feeds.example/cap",
        title="Others",
        trusted=True,
        now=made.in_an_hour(),
    )
    await webhooks.add(
        connection, entity, realm="live", url="https://hook.example/", events=["campaign.closed"], note="ours",
        secret="whsec_c2VjcmV0",
    )  # fmt: skip
    version = await entities.publish_terms(connection, "Nobody is told what is not so.")
    await entities.answer_terms(connection, entity, version, True, "command")
