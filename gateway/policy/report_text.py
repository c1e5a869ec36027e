"""A report for people: as text for a terminal of 80 to 100 columns, and as CSV for a spreadsheet.

Knows: the shape of the data that gateway.policy.report builds. Never knows: how it was counted.
RFC 4180 §2 for CSV; a cell that a spreadsheet would calculate is defused.
"""

import csv
import io
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 96
LATE_ENDS = ("delivered", "failed", "expired")  # what a receipt says
COLUMNS = ("planned", "delivered", "submitted", "failed", "expired", "cancelled", "unknown", "queued", "in_flight")
_FORMULA = re.compile(r"^\s*[=+\-@\t\r|]")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

Report = Mapping[str, Any]


def as_text(report: Report) -> str:
    """The report to read: who and what, counts, times, reasons, texts, what happened when."""
    blocks = (_head, _counts, _times, _reasons, _doubts, _cost, _texts, _custody, _ledger, _addendum)
    return "\n".join(line.rstrip() for block in blocks for line in block(report)) + "\n"


def as_csv(report: Report) -> str:
    """One row per number: section, channel, language, item, code, value, words."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180 §2
    writer.writerow(("section", "channel", "language", "item", "code", "value", "words"))
    for row in _rows(report):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: object) -> object:
    """A text that starts like a formula gets an apostrophe before it; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = _UNSEEN.sub("", str(value))
    return f"'{text}" if _FORMULA.match(text) else text


def _rows(report: Report) -> Iterator[Sequence[object]]:
    for item in ("campaign", "mode", "message_class", "purpose", "state", "closure"):
        yield "campaign", "", "", item, "", report[item], ""
    for transport, deliveries in report.get("transports", {}).items():
        yield "transport", "", "", transport, "", deliveries, ""
    for item, value in (*report["alert"].items(), ("entity", report["entity"]["slug"])):
        yield "alert", "", "", item, "", value, ""
    for item, value in report["times"].items():
        yield "times", "", "", item, "", value, ""
    for name, channel in report["channels"].items():
        yield from _channel_rows(name, channel)
    for message in report["area_left_out"]:
        yield "area left out", "", "", "", "", "", message
    for message in report["remarks"]:
        yield "remark", "", "", "", "", "", message
    for text in report["texts"]:
        yield "text", text["channel"], text["language"], f"text {text['key']}", "", text["parts"], text["body"]
    yield from _cost_rows(report)
    yield from _custody_rows(report)
    for minute in report["ledger"]:
        for entry in minute["entries"]:
            yield "ledger", "", "", entry["at"], "", "", entry["what"]
    yield from _later_rows(report)


def _later_rows(report: Report) -> Iterator[Sequence[object]]:
    for said in _said_later(report, "returned_mail"):
        yield "returned mail", "email", "", said["said"], said["status"], said["mails"], ""
    for said in _said_later(report, "late_receipts"):
        for end in LATE_ENDS:
            yield "late receipts", said["channel"], "", end, "", said[end], ""


def _channel_rows(name: str, channel: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    for item in (*COLUMNS, "no_receipt", "sent_again", "retried", "parts_planned", "parts_submitted"):
        yield "count", name, "", item, "", channel[item], ""
    for kind in ("left_s", "arrived_s"):
        for percent, seconds in channel[kind].items():
            yield kind, name, "", f"{percent} %", "", seconds, ""
    for found in channel["reasons"]:
        yield "reason", name, "", found["state"], found["code"], found["deliveries"], found["words"]
    for language, counts in channel["languages"].items():
        for item in COLUMNS:
            yield "count", name, language, item, "", counts[item], ""


def _cost_rows(report: Report) -> Iterator[Sequence[object]]:
    cost = report.get("cost")
    if cost is None:  # written by an earlier release
        return
    for line in cost["lines"]:
        for item in ("messages", "units", "prepaid_units", "unit_eur", "amount_eur"):
            yield "cost", line["channel"], "", item, line["prefix"], line[item], ""
    yield "cost", "", "", "amount_eur", "", cost["amount_eur"], "ex VAT"


def _custody_rows(report: Report) -> Iterator[Sequence[object]]:
    for entry in report.get("custody", ()):
        yield "custody", "", "", entry["at"], entry["state"], entry["seconds"], f"{entry['what']} by {entry['by']}"
    for holder in report.get("approved_by", ()):
        yield "approved by", "", "", "", "", "", holder


def _head(report: Report) -> Iterator[str]:
    alert, entity = report["alert"], report["entity"]
    ended = {"complete": "complete", "stopped": "stopped by an operator", "expired": "ended at expiry"}
    kind = "REPORT" if report["final"] else "REPORT SO FAR (the campaign is still open)"
    yield f"{kind} of campaign {report['campaign']}"
    yield "=" * WIDTH
    yield from _labelled("Authority", f"{entity['name']} ({entity['slug']})")
    yield from _labelled("Alert", f"{alert['identifier']} from {alert['sender']}, sent {alert['sent']}")
    yield from _labelled("CAP", ", ".join(str(alert[key]) for key in ("status", "msg_type", "scope") if alert[key]))
    purpose = f", purpose {report['purpose']}" if report["purpose"] else ""
    yield from _labelled("Kind", f"{report['mode']}, {report['message_class']}{purpose}")
    if report["mode"] != "live" and "transports" in report:
        live, simulated = report["transports"]["live"], report["transports"]["simulated"]
        yield from _labelled("Rehearsal", f"{simulated} simulated deliveries; {live} to groups marked for exercises")
    yield from _labelled("End", ended.get(str(report["closure"]), str(report["state"])))
    for item, label in (
        ("accepted_at", "Accepted"),
        ("first_submit_at", "First left"),
        ("last_submit_at", "Last left"),
        ("closed_at", "Closed"),
    ):
        after = report["times"].get(item.removesuffix("_at") + "_s")
        yield from _labelled(label, (report["times"][item] or "-") + (f"  (+{_s(after)})" if after is not None else ""))


def _counts(report: Report) -> Iterator[str]:
    yield from _title("Deliveries")
    yield f"{'':10}" + "".join(f"{name.replace('_', ' '):>10}"[:10].rjust(10) for name in COLUMNS[:7])
    for name, channel in (*report["channels"].items(), ("all", report["totals"])):
        yield f"{name:10}" + "".join(f"{channel[column]:>10}" for column in COLUMNS[:7])
        if name != "all":
            for language, counts in channel["languages"].items():
                yield f"  {language:8}" + "".join(f"{counts[column]:>10}" for column in COLUMNS[:7])
    yield ""
    for name, channel in report["channels"].items():
        yield f"{name}: {channel['unknown_in_words']}"
        if channel["no_receipt"]:
            yield f"{name}: submitted, no receipt: {channel['no_receipt']}"
        if name == "sms":
            yield f"{name}: parts submitted: {channel['parts_submitted']} of {channel['parts_planned']} planned"


def _times(report: Report) -> Iterator[str]:
    yield from _title("Time from acceptance until 50 %, 90 %, 99 %")
    for name, channel in report["channels"].items():
        left, arrived = ("  ".join(f"{_s(of):>8}" for of in channel[kind].values()) for kind in ("left_s", "arrived_s"))
        yield f"{name:10}had left {left}    had arrived {arrived}"


def _reasons(report: Report) -> Iterator[str]:
    yield from _title("Outcomes and reasons")
    for name, channel in report["channels"].items():
        for found in channel["reasons"]:
            lead = f"{name:10}{found['deliveries']:>9}  {found['state'].replace('_', ' '):10} "
            yield from _wrapped(lead, found["words"])


def _doubts(report: Report) -> Iterator[str]:
    for title, messages in (
        ("Area left out", report["area_left_out"]),
        ("Findings on the alert", [_finding(found) for found in report["findings"]]),
        ("Remarks", report["remarks"]),
    ):
        if messages:
            yield from _title(title)
            for message in messages:
                yield from _wrapped("- ", message)


def _finding(found: Mapping[str, Any]) -> str:
    where = " ".join(str(found[key]) for key in ("id", "severity", "element") if found.get(key))
    return f"{where}: {found.get('message', '')}"


def _cost(report: Report) -> Iterator[str]:
    """Left out while there is nothing to pay and nothing was used."""
    cost = report.get("cost")
    if not cost or not cost["lines"]:
        return
    yield from _title("Cost, ex VAT")
    for line in cost["lines"]:
        to = f" to {line['prefix']}" if line["prefix"] else ""
        paid = f", {line['prepaid_units']} of them prepaid" if line["prepaid_units"] else ""
        free = "free" if line["unit_eur"] == "0.000" else f"at {line['unit_eur']} EUR: {line['amount_eur']} EUR"
        lapsed = " (a price agreed until an earlier day)" if line["price_lapsed"] else ""
        yield f"{line['channel'] + to:10}{line['messages']:>9} messages, {line['units']} units{paid}, {free}{lapsed}"
    yield f"{'all':10}{cost['amount_eur']:>9} EUR"


def _custody(report: Report) -> Iterator[str]:
    """Who had the campaign, how long, and who let it go."""
    if not report.get("custody"):
        return
    yield from _title("Who had it, and how long")
    for entry in report["custody"]:
        lasted = "" if entry["seconds"] is None else f", for {_s(entry['seconds'])}"
        yield from _wrapped(f"{entry['at']}  ", f"{entry['what']} by {entry['by']}: {entry['state']}{lasted}")
    if report["approved_by"]:
        yield from _labelled("Approved by", ", ".join(report["approved_by"]))


def _texts(report: Report) -> Iterator[str]:
    yield from _title("Texts")
    for text in report["texts"]:
        parts = f", {text['parts']} part(s)" if text["channel"] == "sms" else ""
        yield f"{text['channel']} {text['language']} (text {text['key']}{parts})"
        for line in (text.get("subject", ""), *text["body"].splitlines()):
            if line.strip():
                yield from _wrapped("    ", line)


def _ledger(report: Report) -> Iterator[str]:
    yield from _title("Minute by minute (UTC)")
    for minute in report["ledger"]:
        for entry in minute["entries"]:
            yield from _wrapped(f"{entry['at']}  ", entry["what"])


def _addendum(report: Report) -> Iterator[str]:
    """What came back for mails, and receipts that came after the report was written."""
    if returned := _said_later(report, "returned_mail"):
        yield from _title("Addendum: what came back for e-mails")
        for said in returned:
            yield f"{said['mails']:>9}  {said['said']:12} {said['status']}"
    if late := _said_later(report, "late_receipts"):
        yield from _title("Addendum: receipts that came after this report was written")
        for said in late:
            yield f"{said['channel']:12}" + "".join(f"{said[end]:>9} {end}" for end in LATE_ENDS)


def _said_later(report: Report, what: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = report.get("addendum", {}).get(what, ())
    return found


def _title(title: str) -> Iterator[str]:
    yield ""
    yield title
    yield "-" * WIDTH


def _labelled(label: str, value: str) -> Iterator[str]:
    return _wrapped(f"{label:12}", value)


def _wrapped(lead: str, text: str) -> Iterator[str]:
    """The text behind its lead, in lines of at most WIDTH columns, aligned, without control characters."""
    shown = _UNSEEN.sub("", unicodedata.normalize("NFC", text)).replace("\n", " ")
    lines = textwrap.wrap(shown, WIDTH - len(lead)) or [""]
    yield lead + lines[0]
    for line in lines[1:]:
        yield " " * len(lead) + line


def _s(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.1f} min"
