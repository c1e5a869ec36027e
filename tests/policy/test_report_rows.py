"""The records of a report have the columns of the queries that fill them, name for name."""

from dataclasses import fields
from typing import Any

import asyncpg
import pytest

from gateway.policy import report_rows
from gateway.store.embedded import Cluster
from gateway.store.sql import Queries


@pytest.mark.parametrize(
    ("record", "file", "query"),
    [
        (report_rows.CountsRow, "progress", "counts"),
        (report_rows.MilestoneRow, "progress", "milestones"),
        (report_rows.ReportRow, "progress", "report_rows"),
        (report_rows.TimesRow, "progress", "report_times"),
        (report_rows.EventRow, "alerts", "campaign_events"),
        (report_rows.TextRow, "registry", "texts_of_campaign"),
        (report_rows.CampaignFacts, "progress", "campaign_facts"),
    ],
)
async def test_a_record_has_the_columns_of_its_query(pg: Cluster, record: Any, file: str, query: str) -> None:
    connection = await asyncpg.connect(pg.app_dsn)
    try:
        prepared = await connection.prepare(Queries.load(file)[query])
        columns = {attribute.name for attribute in prepared.get_attributes()}
    finally:
        await connection.close()
    assert columns == {field.name for field in fields(record)}
