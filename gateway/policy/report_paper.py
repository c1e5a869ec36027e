"""A report as a document of tables, to be printed or opened as a spreadsheet.

Knows: the shape of the data that gateway.policy.report builds. Never knows: how it was counted, files.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.policy.paper import Paper, Table
from gateway.policy.report_text import COLUMNS, LATE_ENDS

COST_HEADS = ("channel", "numbers", "messages", "units", "prepaid", "unit", "EUR")
Report = Mapping[str, Any]
Rows = Iterator[Sequence[object]]


def paper_of(report: Report) -> Paper:
    """Everything that the report says; what it says nothing about has no table."""
    whole = "Report" if report["final"] else "Report so far"
    alert, entity = report["alert"], report["entity"]
    sent = f"{alert['identifier']} from {alert['sender']}, sent {alert['sent']}"
    purpose = f", {report['purpose']}" if report["purpose"] else ""
    about = (
        ("Authority", f"{entity['name']} ({entity['slug']})"),
        ("Alert", sent),
        ("Kind", f"{report['mode']}, {report['message_class']}{purpose}"),
        ("State", f"{report['state']} ({report['closure']})" if report["closure"] else str(report["state"])),
        ("Accepted", str(report["times"]["accepted_at"])),
        ("Closed", str(report["times"]["closed_at"] or "-")),
        ("Approved by", ", ".join(report.get("approved_by", ())) or "-"),
    )
    tables = (
        _table("Deliveries", ("channel", "language", *(name.replace("_", " ") for name in COLUMNS)), _counts(report)),
        _table("Seconds from acceptance", ("channel", "what", "50 %", "90 %", "99 %"), _times(report)),
        _table("Outcomes and reasons", ("channel", "state", "code", "deliveries", "words"), _reasons(report)),
        _table(
            "Cost, EUR ex VAT", ("channel", "numbers", "messages", "units", "prepaid", "unit", "EUR"), _cost(report)
        ),
        _table("Who had it, and how long", ("at", "what", "by", "state", "seconds"), _custody(report)),
        _table("Minute by minute", ("at (UTC)", "what"), _ledger(report)),
        _table("Texts", ("channel", "language", "parts", "text"), _texts(report)),
        _table("Remarks", ("about", "words"), _remarks(report)),
        _table("Returned e-mails", ("said", "status", "mails"), _returned(report)),
        _table("Receipts after this report", ("channel", *LATE_ENDS), _late(report)),
    )
    return Paper(title=f"{whole} {report['campaign']}", about=about, tables=tuple(t for t in tables if t.rows))


def _table(title: str, heads: tuple[str, ...], rows: Rows) -> Table:
    return Table(title=title, heads=heads, rows=tuple(rows))


def _counts(report: Report) -> Rows:
    for name, channel in report["channels"].items():
        yield name, "all", *(channel[column] for column in COLUMNS)
        for language, counts in channel["languages"].items():
            yield name, language, *(counts[column] for column in COLUMNS)
    yield "all", "all", *(report["totals"][column] for column in COLUMNS)


def _times(report: Report) -> Rows:
    for name, channel in report["channels"].items():
        for kind, words in (("left_s", "had left"), ("arrived_s", "had arrived")):
            yield name, words, *(channel[kind][percent] for percent in ("50", "90", "99"))


def _reasons(report: Report) -> Rows:
    for name, channel in report["channels"].items():
        for found in channel["reasons"]:
            yield name, found["state"], found["code"], found["deliveries"], found["words"]


def _cost(report: Report) -> Rows:
    cost = report.get("cost") or {"lines": ()}  # a report of an earlier release has none
    for line in cost["lines"]:
        yield (
            line["channel"], line["prefix"], line["messages"], line["units"], line["prepaid_units"],
            Decimal(line["unit_eur"]), Decimal(line["amount_eur"]),
        )  # fmt: skip
    if cost["lines"]:
        yield "all", "", None, None, cost["prepaid_units"], None, Decimal(cost["amount_eur"])


def _custody(report: Report) -> Rows:
    for entry in report.get("custody", ()):
        yield entry["at"], entry["what"], entry["by"], entry["state"], entry["seconds"]


def _ledger(report: Report) -> Rows:
    for minute in report["ledger"]:
        for entry in minute["entries"]:
            yield entry["at"], entry["what"]


def _texts(report: Report) -> Rows:
    for text in report["texts"]:
        body = "\n".join(part for part in (text.get("subject", ""), text["body"]) if part)
        yield text["channel"], text["language"], text["parts"], body


def _remarks(report: Report) -> Rows:
    for name, channel in report["channels"].items():
        yield name, channel["unknown_in_words"]
    for words in report["area_left_out"]:
        yield "area left out", words
    for words in report["remarks"]:
        yield "this report", words
    for found in report["findings"]:
        yield f"finding {found.get('id')}", found.get("message", "")


def _returned(report: Report) -> Rows:
    for said in report.get("addendum", {}).get("returned_mail", ()):
        yield said["said"], said["status"], said["mails"]


def _late(report: Report) -> Rows:
    for said in report.get("addendum", {}).get("late_receipts", ()):
        yield said["channel"], *(said[end] for end in LATE_ENDS)
