"""`gateway report`: what became of a campaign, as text, JSON, CSV, XLSX or PDF.

Knows: how a report is asked for. Never knows: what is in it (gateway.policy.report).
"""

import argparse
import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gateway.commands.console import Exit, complain, deliver, note
from gateway.commands.database import database_arguments, session
from gateway.flows.closing import report_of, with_addendum
from gateway.policy import report
from gateway.policy.forms import FORMS
from gateway.policy.report_paper import paper_of
from gateway.store import admin

EXAMPLES = """\
A campaign has its final report when it is closed. Before that the report says how far it is, and the exit code is 1.

examples:
  gateway report ca_0f1e2d3c4b5a6978
  gateway report ca_0f1e2d3c4b5a6978 --format csv > report.csv
  gateway report ca_0f1e2d3c4b5a6978 --format pdf --output report.pdf
  gateway report ca_0f1e2d3c4b5a6978 --demo
"""
WRITERS = {"text": report.as_text, "json": report.as_json, "csv": report.as_csv}
FILES = {name: form for name, form in FORMS.items() if name not in WRITERS}


class Found(NamedTuple):
    """A report, and the campaign's state when it is not the final one."""

    body: Mapping[str, Any]
    open_state: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("campaign", metavar="CAMPAIGN", help="as in the answer to the alert")
    parser.add_argument("--format", choices=list(WRITERS | FILES), default="text", help="default: text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")
    database_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the final report, or what it would say now."""
    found = asyncio.run(_find(options))
    if found is None:
        complain(f"there is no campaign {options.campaign}")
        return Exit.NO
    if options.format in FILES:
        made = FILES[options.format].make(paper_of(found.body), datetime.now(UTC))
    else:
        made = f"{WRITERS[options.format](dict(found.body)).rstrip()}\n".encode()
    deliver(made, options.output)
    if found.open_state:
        note(f"the campaign is {found.open_state}: this is not its final report")
        return Exit.NO
    return Exit.DONE


async def _find(options: argparse.Namespace) -> Found | None:
    async with session(options) as connection:
        campaign = await admin.campaign(connection, options.campaign)
        if campaign is None:
            return None
        body = await report_of(connection, campaign.id) if campaign.report is None else campaign.report
        whole = await with_addendum(connection, campaign.id, body)
        return Found(whole, campaign.state if campaign.report is None else "")
