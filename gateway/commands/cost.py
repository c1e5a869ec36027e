"""`gateway cost`: prices, prepaid units, what an entity used, monthly statements.

Knows: the options. Never knows: SQL, how units are drawn.
"""

import argparse
import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from gateway.commands.console import Exit, as_json, complain, deliver, note, say, table
from gateway.commands.database import database_arguments, session
from gateway.commands.entity import no_entity
from gateway.commands.numbers import whole
from gateway.flows.costing import ZONE, balance, statement_of, today_in, words
from gateway.model import ChannelName
from gateway.policy.forms import FORMS
from gateway.policy.statement import Statement, month_of, paper_of
from gateway.policy.tariff import Tariff, eur
from gateway.store import admin, costs
from gateway.store.pool import Connection
from gateway.store.registry import CHANNELS

EXAMPLES = """\
Prices are ex VAT, for one SMS part or one started minute; none is changed, another follows it from a day on. Packs are
used in the order of their last days; what they do not cover is post-paid, and nothing is ever held back.

examples:
  gateway cost tariffs
  gateway cost tariff sms 0.058 --from 2028-07-21
  gateway cost pack --entity brugge --units 20000 --bought 2026-11-02 --until 2028-07-20 --reference 3P-2026-117
  gateway cost balance --entity brugge
  gateway cost statement --entity brugge --month 2026-11 --format pdf --output november.pdf
"""
PREFIX = re.compile(r"\+[1-9][0-9]{0,6}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    tariffs = actions.add_parser("tariffs", help="every price, newest first")
    tariffs.add_argument("--json", action="store_true", help="one JSON object a line")
    tariff = actions.add_parser("tariff", help="a price from a day on")
    tariff.add_argument("channel", type=ChannelName, choices=list(ChannelName), metavar="sms|voice|email")
    tariff.add_argument("eur", type=_price, metavar="EUR", help="of one unit, ex VAT")
    tariff.add_argument("--from", dest="begins", type=date.fromisoformat, required=True, metavar="DAY")
    tariff.add_argument("--until", type=date.fromisoformat, metavar="DAY", help="the last day it is agreed for")
    tariff.add_argument("--prefix", type=_prefix, default="", metavar="+33", help="only numbers that begin so")
    pack = actions.add_parser("pack", help="units that an entity paid ahead")
    pack.add_argument("--units", type=whole(1, 1_000_000_000), required=True, metavar="N")
    pack.add_argument("--bought", type=date.fromisoformat, required=True, metavar="DAY")
    pack.add_argument("--until", type=date.fromisoformat, required=True, metavar="DAY", help="the last day to use them")
    pack.add_argument("--reference", default="", help="of the order form")
    shown = actions.add_parser("balance", help="units left, and how long they last")
    statement = actions.add_parser("statement", help="what a month came to")
    statement.add_argument("--month", type=_month, required=True, metavar="2026-11")
    statement.add_argument("--format", choices=["text", *FORMS], default="text", help="default: text")
    statement.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")
    for below in (pack, shown, statement):
        below.add_argument("--entity", required=True, metavar="SLUG")
    for below in (tariffs, tariff, pack, shown, statement):
        database_arguments(below)


def run(options: argparse.Namespace) -> int:
    """Do it."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with session(options) as connection:
        if options.action in _OF_ALL:
            return await _OF_ALL[options.action](connection, options)
        entity = await admin.entity(connection, options.entity)
        if entity is None:
            return no_entity(options.entity)
        return await _OF_ONE[options.action](connection, entity, options)


async def _tariffs(connection: Connection, options: argparse.Namespace) -> int:
    found = await costs.tariffs(connection)
    rows = [(t.channel.value, t.prefix or "all", eur(t.eur), t.valid_from, t.valid_until) for t in found]
    heads = ("channel", "numbers", "eur", "from", "until")
    if options.json:
        say(*(as_json(dict(zip(heads, row, strict=True))) for row in rows))
    else:
        say(*table(heads, rows))
    return Exit.DONE


async def _tariff(connection: Connection, options: argparse.Namespace) -> int:
    if options.until is not None and options.until < options.begins:
        complain("--until is before --from")
        return Exit.UNREADABLE
    tariff = Tariff(
        channel=options.channel, prefix=options.prefix, eur=options.eur, valid_from=options.begins,
        valid_until=options.until,
    )  # fmt: skip
    if await costs.put_tariff(connection, tariff):
        note(f"{options.channel.value} costs {eur(options.eur)} EUR from {options.begins} on")
        return Exit.DONE
    complain(f"there is a price from {options.begins} on: gateway cost tariffs shows it")
    return Exit.NO


async def _pack(connection: Connection, entity: admin.EntityRow, options: argparse.Namespace) -> int:
    if options.until < options.bought:
        complain("--until is before --bought")
        return Exit.UNREADABLE
    number = await costs.put_pack(
        connection, entity.id, units=options.units, bought_on=options.bought, valid_until=options.until,
        reference=options.reference,
    )  # fmt: skip
    say(str(number))
    return Exit.DONE


async def _balance(connection: Connection, entity: admin.EntityRow, _options: argparse.Namespace) -> int:
    """Exit 1 when it is time to order."""
    found, running = await balance(connection, entity.id, today_in(ZONE, datetime.now(UTC)))
    rows = [
        (r["id"], r["reference"], r["bought_on"], r["valid_until"], r["units"], r["units"] - r["used"])
        for r in await costs.packs(connection, entity.id)
    ]
    say(*table(("pack", "order form", "bought", "last day", "units", "left"), rows), "")
    lasts = f"until {found.empty_on}" if found.empty_on else "for ever"
    say(f"{found.left} units are left, {running} of them at most used by open campaigns; they last {lasts}.")
    if found.low:
        complain(words(found))
    return Exit.NO if found.low else Exit.DONE


async def _statement(connection: Connection, entity: admin.EntityRow, options: argparse.Namespace) -> int:
    found = await statement_of(connection, entity.id, entity.slug, entity.name, options.month)
    if options.format == "text":
        made = "".join(f"{line}\n" for line in _lines(found)).encode()
    else:
        made = FORMS[options.format].make(paper_of(found), datetime.now(UTC))
    deliver(made, options.output)
    return Exit.DONE


def _lines(found: Statement) -> list[str]:
    heads = ("settled", "campaign", "channel", "messages", "units", "prepaid", "EUR")
    rows = [
        (r["settled_on"], r["campaign"], CHANNELS[r["channel"]].value, *_numbers(r), eur(r["amount"]))
        for r in found.lines
    ]
    totals = found.totals()
    return [*table(heads, rows), "", f"{totals['units']} units, {totals['amount_eur']} EUR ex VAT to pay"]


def _numbers(row: Mapping[str, Any]) -> list[int]:
    return [row[name] for name in ("messages", "units", "prepaid")]


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
        if price.is_finite() and 0 <= price <= 1000 and price == round(price, 5):
            return price
    except InvalidOperation:
        pass
    raise argparse.ArgumentTypeError("a price is written like 0.055, with at most five decimals")


def _prefix(text: str) -> str:
    if PREFIX.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError("numbers are named by how they begin: +33")


def _month(text: str) -> tuple[date, date]:
    try:
        return month_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_OF_ALL: Mapping[str, Callable[[Connection, argparse.Namespace], Awaitable[int]]] = {
    "tariffs": _tariffs,
    "tariff": _tariff,
}
_OF_ONE: Mapping[str, Callable[[Connection, admin.EntityRow, argparse.Namespace], Awaitable[int]]] = {
    "pack": _pack,
    "balance": _balance,
    "statement": _statement,
}
