"""Cost over HTTP: prices, prepaid units, the ledger, monthly statements.

Knows: routes, JSON, forms of a statement. Never knows: SQL, how units are drawn. See schemas/openapi.yaml.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web
from pydantic import Field, model_validator

from gateway.flows.costing import ZONE, balance, statement_of, today_in, words
from gateway.model import ChannelName, Role
from gateway.policy.forms import FORMS
from gateway.policy.statement import month_of, paper_of
from gateway.policy.tariff import Outlook, Tariff, eur
from gateway.store import costs, entities
from gateway.store.pool import Store
from gateway.store.registry import CHANNELS
from gateway.web import paging
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import Body, taking
from gateway.web.documents import filed
from gateway.web.entities import platform_only
from gateway.web.paging import number
from gateway.web.persons import not_found
from gateway.web.problem import problem

PAGE = 500
LONG_AGO = date(1900, 1, 1)


class NewTariff(Body):
    """A price from a day on."""

    channel: ChannelName
    prefix: str = Field(default="", pattern=r"^(\+[1-9][0-9]{0,6})?$")
    eur: Decimal = Field(ge=0, le=1000, max_digits=10, decimal_places=5)
    valid_from: date = Field(gt=LONG_AGO)
    valid_until: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "NewTariff":
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        return self


class NewPack(Body):
    """Units that an entity paid ahead."""

    units: int = Field(ge=1, le=1_000_000_000)
    bought_on: date = Field(gt=LONG_AGO)
    valid_until: date
    reference: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$")

    @model_validator(mode="after")
    def _in_order(self) -> "NewPack":
        if self.valid_until < self.bought_on:
            raise ValueError("valid_until is before bought_on")
        return self


class CostPages:
    """Handlers of /v1/cost; what is bought and what it costs is the platform's to write down."""

    def __init__(self, store: Store, access: Access, *, utcnow: Callable[[], datetime], zone: str = ZONE) -> None:
        self._store = store
        self._access = access
        self._utcnow = utcnow
        self._zone = zone

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        known, admin = self._access.known, Role.ADMIN
        return [
            web.get("/v1/cost/tariffs", known(self.list_tariffs)),
            web.post("/v1/cost/tariffs", known(platform_only(taking(NewTariff, self.post_tariff)), admin)),
            web.get("/v1/cost/balance", known(self.get_balance)),
            web.get("/v1/cost/ledger", known(self.list_ledger)),
            web.get("/v1/cost/statement", known(self.get_statement)),
            web.post("/v1/entities/{entity}/packs", known(platform_only(taking(NewPack, self.post_pack)), admin)),
        ]

    async def list_tariffs(self, request: web.Request) -> web.Response:
        """Prices, those that were written last first."""
        most, before = paging.limit(request), paging.before(request)
        async with self._store.tenant(request[AUTHORITY].entity_id) as connection:
            rows = await costs.tariff_page(connection, before, most)
        return paging.page("tariffs", rows, most, lambda row: _tariff(costs.tariff_of(row)), lambda row: row["id"])

    async def post_tariff(self, request: web.Request, body: NewTariff) -> web.Response:
        """A price that follows the one before it; none is ever changed."""
        tariff = Tariff(**dict(body))
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            new = await costs.put_tariff(connection, tariff)
        if not new:
            return problem(409, "tariff-already", "There is a price for this channel and prefix from that day on.")
        return web.json_response(_tariff(tariff), status=201)

    async def post_pack(self, request: web.Request, body: NewPack) -> web.Response:
        """Units that an entity bought."""
        async with self._store.acting(request[AUTHORITY].holder) as connection:
            row = await entities.show(connection, request.match_info["entity"])
            if row is None:
                return not_found()
            pack = await costs.put_pack(connection, row["id"], **dict(body))
        return web.json_response({"pack": pack}, status=201)

    async def get_balance(self, request: web.Request) -> web.Response:
        """What is left, how long it lasts, every pack in the order of use."""
        entity_id, today = request[AUTHORITY].entity_id, today_in(self._zone, self._utcnow())
        async with self._store.tenant(entity_id) as connection:
            found, running = await balance(connection, entity_id, today)
            packs = await costs.packs(connection, entity_id)
        return web.json_response(_balance(found, running) | {"packs": [_pack(row, today) for row in packs]})

    async def list_ledger(self, request: web.Request) -> web.Response:
        """A page of the ledger, oldest first; `month` narrows it."""
        try:
            days = month_of(request.query["month"]) if "month" in request.query else costs.EVER
        except ValueError:
            return _no_month()
        entity_id, most = request[AUTHORITY].entity_id, paging.limit(request, PAGE)
        async with self._store.tenant(entity_id) as connection:
            rows = await costs.ledger(connection, entity_id, days, _key(request.query.get("cursor", "")), most)
        return paging.page("lines", rows, most, _line, _cursor)

    async def get_statement(self, request: web.Request) -> web.Response:
        """A month's statement as JSON, CSV, XLSX or PDF."""
        form = request.query.get("format", "json")
        if form not in ("json", *FORMS):
            return problem(400, "unknown-format", f"format is one of json, {', '.join(FORMS)}.")
        try:
            days = month_of(request.query.get("month", ""))
        except ValueError:
            return _no_month()
        authority = request[AUTHORITY]
        async with self._store.tenant(authority.entity_id) as connection:
            found = await statement_of(connection, authority.entity_id, authority.slug, authority.name, days)
        if form == "json":
            body = {"month": f"{days[0]:%Y-%m}", "totals": found.totals(), "lines": [_line(row) for row in found.lines]}
            return web.json_response(body)
        name = f"statement-{authority.slug}-{days[0]:%Y-%m}"
        return await asyncio.to_thread(filed, paper_of(found), form, name, self._utcnow())


def _no_month() -> web.Response:
    return problem(400, "unknown-month", "month is written like 2026-11.")


def _cursor(row: Any) -> str:
    return f"{row['campaign_id']}.{row['channel']}.{row['prefix'].lstrip('+')}"


def _key(cursor: str) -> costs.Key:
    """Where a page goes on; from the start when the cursor is none of ours."""
    campaign, _, rest = cursor.partition(".")
    channel, _, prefix = rest.partition(".")
    digits = prefix if prefix.isascii() and prefix.isdigit() and len(prefix) < 8 else ""
    return costs.Key(number(campaign, 0), min(9, number(channel, 0)), f"+{digits}" if digits else "")


def _tariff(tariff: Tariff) -> dict[str, Any]:
    return {
        "channel": tariff.channel.value,
        "prefix": tariff.prefix,
        "eur": eur(tariff.eur),
        "valid_from": tariff.valid_from.isoformat(),
        "valid_until": _day(tariff.valid_until),
    }


def _balance(found: Outlook, running: int) -> dict[str, Any]:
    return {
        "units_left": found.left,
        "units_running": running,
        "units_per_day": str(round(found.per_day, 2)),
        "empty_on": _day(found.empty_on),
        "units_expiring": found.expiring,
        "low": found.low,
        "words": words(found) if found.low else "",
    }


def _pack(row: Any, today: date) -> dict[str, Any]:
    return {
        "pack": row["id"],
        "reference": row["reference"],
        "bought_on": row["bought_on"].isoformat(),
        "valid_until": row["valid_until"].isoformat(),
        "units": row["units"],
        "used": row["used"],
        "left": row["units"] - row["used"] if row["valid_until"] >= today else 0,
    }


def _line(row: Any) -> dict[str, Any]:
    return {
        "campaign": row["campaign"],
        "alert": row["alert"],
        "mode": row["mode"],
        "class": row["message_class"],
        "channel": CHANNELS[row["channel"]].value,
        "prefix": row["prefix"],
        "messages": row["messages"],
        "units": row["units"],
        "prepaid_units": row["prepaid"],
        "unit_eur": eur(row["eur"]),
        "price_lapsed": row["lapsed"],
        "amount_eur": eur(row["amount"]),
        "priced_on": row["priced_on"].isoformat(),
        "settled_on": row["settled_on"].isoformat(),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
