"""`gateway campaign forecast`: what an alert would reach, take and cost, asked of a running gateway.

Knows: how the question is put over HTTP, how the answer reads in a terminal. Never knows: how it is reckoned.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.commands import remote
from gateway.commands.console import Exit, complain, say, table
from gateway.errors import SettingsError

HEADS = ("channel", "language", "messages", "units each", "encoding", "EUR")
PATH = "/v1/alerts?dry_run=true"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the action takes."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the CAP alert")
    remote.url_argument(parser)
    parser.add_argument("--json", action="store_true", help="the whole answer")
    parser.add_argument(
        "--demo",
        type=Path,
        nargs="?",
        const=Path(".gateway"),
        metavar="DIR",
        help="ask the demo that runs on this folder",
    )
    parser.add_argument("--entity", default="demo-commune", metavar="SLUG", help="whose token of the demo is used")


def run(options: argparse.Namespace) -> int:
    """Ask, and print the answer; 1 when the alert would be refused. The token is in $GATEWAY_TOKEN."""
    url, token = remote.door(*_demo(options)) if options.demo is not None else remote.door(options.url)
    try:
        status, body = remote.asked(url, token, PATH, options.file.read_bytes(), "application/cap+xml")
    except (OSError, ValueError) as error:
        complain(f"no forecast: {error}")
        return Exit.UNREADABLE
    if options.json:
        say(json.dumps(body, ensure_ascii=False, indent=2))
    elif status == 200:
        say(*_lines(body))
    else:
        complain(str(body.get("detail", status)), *(str(found.get("message")) for found in body.get("findings", ())))
    return Exit.DONE if status == 200 else Exit.NO


def _demo(options: argparse.Namespace) -> tuple[str, str]:
    try:
        told = json.loads((options.demo / "demo.json").read_text(encoding="utf-8"))
        return str(told["url"]), str(told["tokens"][options.entity]["live"])
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError([f"no demo runs on the folder {options.demo} ({type(error).__name__})"]) from error


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (c["channel"], one["language"], str(one["messages"]), one["units_each"], one["encoding"], one["cost_eur"])
        for c in body["channels"]
        for one in c["languages"]
    ]
    yield from table(HEADS, rows)
    yield ""
    for channel in body["channels"]:
        ends = channel["finish"] or "never: no link is up"
        late = f", {channel['share_too_late']:.1%} too late" if channel["share_too_late"] else ""
        yield f"{channel['channel']}: the last one starts {ends}{late}"
        for one in channel["languages"]:
            if cheaper := one.get("cheaper"):
                saved = f"{cheaper['units_each']} parts, saves {cheaper['saves_eur']} EUR"
                yield f"  cheaper in {one['language']} ({saved}): {cheaper['text']}"
    units = body["prepaid_units_left"]
    yield f"{body['recipients']} messages, {body['cost_eur']} EUR ex VAT; {units} prepaid units left"
    for other in body["overlap"]:
        yield f"overlaps with {other['identifier']} of {other['sender']} until {other['expires']}: {other['messages']}"
    for found in body["findings"]:
        yield f"{found['id']} {found['severity']}: {found['message']}"
