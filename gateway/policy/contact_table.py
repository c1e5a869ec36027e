"""Contacts taken out as a table for an office: CSV or XLSX, which `import` reads again.

Knows: the columns and their order. Never knows: SQL, who may take contacts out. No cell is a formula.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.policy.contacts import classes_of
from gateway.policy.paper import Table
from gateway.policy.spreadsheet import as_csv

COLUMNS = ("key", "name", "language", "mobile", "landline", "email", "opt_out", "postcode", "municipality", "tags")


def contact_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of contacts as people read them, lists as words."""
    heads = (*COLUMNS, "partnership")
    return Table(title="Contacts", heads=heads, rows=tuple(_cells(row, heads) for row in rows))


def _cells(row: Mapping[str, Any], heads: Sequence[str]) -> tuple[object, ...]:
    lists = {"opt_out": " ".join(classes_of(row["opt_out"])), "tags": " ".join(row["tags"])}
    return tuple(lists.get(name, row[name]) for name in heads)


def as_csv_file(table: Table, _at: datetime) -> bytes:
    """The table as an office opens it by a click: with a mark in front that says UTF-8."""
    return ("\ufeff" + as_csv(table.heads, table.rows)).encode()
