"""Calls without an end: of one node, or forgotten by all."""

import asyncpg

from gateway.store import calls
from gateway.store.calls import OpenCall
from gateway.store.embedded import Cluster
from tests.store.test_escalation import ALERT, CAMPAIGN

ROWS = """
    INSERT INTO chunk (campaign_id, lo, hi, entity_id, channel, transport, state, node) VALUES (1, 1, 4, 1, 2, 1, 2, 7);
    INSERT INTO text (campaign_id, key, entity_id, channel, language, body) VALUES (1, 0, 1, 2, 'en', 'Fire');
    INSERT INTO provider (name) VALUES ('trunk'), ('other');
    INSERT INTO delivery (campaign_id, seq, entity_id, contact_id, channel, transport, state, text_key, address,
        submitted_at)
    SELECT 1, n, 1, n, 2, 1, CASE n WHEN 3 THEN 3 ELSE 2 END, 0, '+3221' || n, now() - CASE n WHEN 2 THEN interval '1 h'
        ELSE interval '1 s' END FROM generate_series(1, 4) n;
    INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id)
    SELECT p.id, mask, 1, seq, 1, msg_id FROM provider p, (VALUES ('trunk', 1, 1, 'first'), ('trunk', 0, 1, 'first'),
        ('trunk', 1, 1, 'again'), ('trunk', 1, 2, 'old'), ('trunk', 1, 3, 'ended'), ('other', 1, 4, 'elsewhere'))
        AS v (name, mask, seq, msg_id) WHERE p.name = v.name ORDER BY msg_id DESC"""


async def test_those_of_a_node_and_those_that_are_forgotten(pg: Cluster) -> None:
    connection = await asyncpg.connect(pg.admin_dsn)
    try:
        await connection.execute("SELECT ensure_delivery_partition(1)")
        for statement in (ALERT, CAMPAIGN, ROWS):
            await connection.execute(statement)
        mine = await calls.without_end(connection, ["trunk"], node=7, forgotten_after_s=600)
        assert [call.call_id for call in mine] == ["again", "old"]
        assert mine[0] == OpenCall("trunk", "again", 1, "Fire")
        assert await calls.without_end(connection, ["trunk"], node=8, forgotten_after_s=600) == []
        forgotten = await calls.without_end(connection, ["trunk"], node=None, forgotten_after_s=600)
        assert [call.call_id for call in forgotten] == ["old"]
        await connection.execute("UPDATE campaign SET state = 'closed', closure = 'complete'")
        assert await calls.without_end(connection, ["trunk"], node=7, forgotten_after_s=600) == []
    finally:
        await connection.close()
