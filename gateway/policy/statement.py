"""The monthly statement of an entity: what its campaigns used, what packs paid, what is post-paid.

Knows: the lines of the ledger, months. Never knows: SQL, clocks, files. Amounts are ex VAT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.model import ChannelName
from gateway.policy.paper import Paper, Table
from gateway.policy.tariff import eur

HEADS = (
    "settled", "campaign", "alert", "mode", "class", "channel", "numbers", "messages", "units", "prepaid units",
    "post-paid units", "EUR a unit", "EUR",
)  # fmt: skip
PACK_HEADS = ("pack", "order form", "bought", "last day", "units", "used this month", "used", "left")
NOTES = (
    "All amounts are ex VAT. A unit is an SMS part or a started minute of a call; abroad costs the same unless a line "
    "names other numbers. E-mails and the public CAP feed are free.",
    "Prepaid units are used first, those that end soonest before the others; the rest is post-paid.",
    "Activation and subscription are not part of this statement.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One month of one entity; `lines` and `packs` are rows of the store."""

    entity: str
    name: str
    month: date
    channels: Mapping[int, ChannelName]
    lines: Sequence[Mapping[str, Any]]
    packs: Sequence[Mapping[str, Any]]

    @property
    def amount(self) -> Decimal:
        """What is post-paid."""
        return sum((line["amount"] for line in self.lines), Decimal(0))

    def totals(self) -> dict[str, Any]:
        """The sums, as plain data."""
        return {
            "units": sum(
                line["units"] for line in self.lines if self.channels[line["channel"]] is not ChannelName.EMAIL
            ),
            "prepaid_units": sum(line["prepaid"] for line in self.lines),
            "emails": sum(
                line["messages"] for line in self.lines if self.channels[line["channel"]] is ChannelName.EMAIL
            ),
            "amount_eur": eur(self.amount),
        }


def month_of(text: str) -> tuple[date, date]:
    """The first day of "2026-11" and of the month after it. Raises ValueError."""
    year, dash, month = text.partition("-")
    if not (dash and len(text) == 7 and text.isascii() and year.isdigit() and month.isdigit()):
        raise ValueError("a month is written like 2026-11")
    first = date(int(year), int(month), 1)
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


def paper_of(statement: Statement) -> Paper:
    """The statement, to be printed or written as tables."""
    totals = statement.totals()
    summed = (
        "total", "", "", "", "", "", "", "", totals["units"], totals["prepaid_units"],
        totals["units"] - totals["prepaid_units"], "", Decimal(totals["amount_eur"]),
    )  # fmt: skip
    lapsed = any(line["lapsed"] for line in statement.lines)
    notes = NOTES + (("A price marked * was agreed until an earlier day; no other is on record.",) if lapsed else ())
    tables = [Table(title="Messages", heads=HEADS, rows=(*map(_Row(statement), statement.lines), summed))]
    if statement.packs:
        tables.append(Table(title="Prepaid units", heads=PACK_HEADS, rows=tuple(map(_pack, statement.packs))))
    return Paper(
        title=f"Statement {statement.month:%Y-%m}",
        about=(("Entity", f"{statement.name} ({statement.entity})"), ("To pay, ex VAT", f"{totals['amount_eur']} EUR")),
        tables=tuple(tables),
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    statement: Statement

    def __call__(self, line: Mapping[str, Any]) -> tuple[object, ...]:
        """One line of the ledger."""
        channel = self.statement.channels[line["channel"]]
        paid = 0 if channel is ChannelName.EMAIL else line["units"] - line["prepaid"]
        price = f"{eur(line['eur'])}*" if line["lapsed"] else line["eur"]
        return (
            line["settled_on"], line["campaign"], line["alert"], line["mode"], line["message_class"], channel.value,
            line["prefix"], line["messages"], line["units"], line["prepaid"], paid, price, line["amount"],
        )  # fmt: skip


def _pack(row: Mapping[str, Any]) -> tuple[object, ...]:
    left = row["units"] - row["used"]
    return (
        row["id"], row["reference"], row["bought_on"], row["valid_until"], row["units"], row["drawn"], row["used"],
        left,
    )  # fmt: skip
