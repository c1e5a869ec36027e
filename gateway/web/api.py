"""The authority's API: post alerts, watch and steer their campaigns.

Knows: HTTP, bearer tokens, JSON. Never knows: XML, SQL, channels; every act is a flow's. See schemas/openapi.yaml.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from aiohttp import web

from gateway.cap.feed import CAP_MEDIA_TYPE
from gateway.errors import StoreUnavailable
from gateway.flows.acknowledging import CapAnswers
from gateway.flows.answers import Answer
from gateway.flows.campaigns import PAGE, Campaigns
from gateway.flows.forecasting import Forecasting
from gateway.flows.intake import Intake
from gateway.policy import report as reports
from gateway.policy.forms import FORMS
from gateway.policy.report_paper import paper_of
from gateway.policy.rights import Authority, Refusal
from gateway.store.pool import Store
from gateway.web import paging
from gateway.web.accept import prefers_cap
from gateway.web.access import AUTHORITY, Access
from gateway.web.bodies import body_of
from gateway.web.documents import filed
from gateway.web.problem import as_response, problem

CAP_TYPES = frozenset(
    {"application/cap+xml", "application/common-alerting-protocol+xml", "application/xml", "text/xml"}
)
EVENT_INTERVAL_S = 0.5


class ReportType(NamedTuple):
    """A form of reports that is text."""

    kind: str
    write: Callable[[Mapping[str, Any]], str]


REPORT_TYPES = {
    "json": ReportType("application/json", reports.as_json),
    "text": ReportType("text/plain", reports.as_text),
    "csv": ReportType("text/csv", reports.as_csv),
}
FILES = {name: form for name, form in FORMS.items() if name not in REPORT_TYPES}


class Api:
    """Handlers of /v1; every one acts in the name of the token's entity, and of no other."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        campaigns: Campaigns,
        forecasting: Forecasting,
        *,
        access: Access | None = None,
        max_bytes: int,
        utcnow: Callable[[], datetime],
        sender: str = "gateway",
    ) -> None:
        self._answers = CapAnswers(store, sender=sender)
        self.known = (access or Access(store)).known
        self._intake = intake
        self._campaigns = campaigns
        self._forecasting = forecasting
        self._max_bytes = max_bytes
        self._utcnow = utcnow
        self._watchers: set[asyncio.Event] = set()

    def routes(self) -> list[web.RouteDef]:
        """What the API answers to."""
        known = self.known
        return [
            web.post("/v1/alerts", known(self.post_alert)),
            web.get("/v1/alerts/{alert}", known(self.get_alert)),
            web.get("/v1/alerts/{alert}/cap", known(self.get_cap)),
            web.get("/v1/campaigns", known(self.list_campaigns)),
            web.get("/v1/campaigns/{campaign}", known(self.get_campaign)),
            web.get("/v1/campaigns/{campaign}/events", known(self.get_events), allow_head=False),
            web.get("/v1/campaigns/{campaign}/report", known(self.get_report)),
            web.get("/v1/campaigns/{campaign}/deliveries", known(self.get_deliveries)),
            web.post("/v1/campaigns/{campaign}/{act:pause|resume|stop}", known(self.post_act)),
        ]

    def close_streams(self) -> None:
        """End every event stream, so that a server can stop."""
        for closing in self._watchers:
            closing.set()

    async def post_alert(self, request: web.Request) -> web.Response:
        """Take a CAP alert, or forecast what it would do (`?dry_run=true`)."""
        authority = request[AUTHORITY]
        source = authority.source
        raw = await self._readable(request)
        if isinstance(raw, Refusal):
            answer = await self._intake.refuse_unread(raw, authority, source)
        elif request.query.get("dry_run", "").lower() in ("1", "true", "yes"):
            answer = await self._forecasting.forecast(raw, authority)
        else:
            answer = await self._intake.accept(raw, authority, source)
            if prefers_cap(request.headers.get("Accept", ""), usually=authority.cap_answers):
                return await self._in_cap(raw, answer, authority)
        return answered(answer)

    async def _in_cap(self, raw: bytes, answer: Answer, authority: Authority) -> web.Response:
        """The answer as a CAP Ack or Error; as usual, when CAP can not say it."""
        worded = await self._answers.worded(raw, answer, authority.entity_id)
        if worded is None or worded.document is None:
            return answered(answer)
        return web.Response(
            status=answer.status, body=worded.document, content_type=CAP_MEDIA_TYPE, headers={"Vary": "Accept"}
        )

    async def _readable(self, request: web.Request) -> bytes | Refusal:
        """The body, or why it is not even read."""
        if request.content_type not in CAP_TYPES:
            return Refusal(
                reason="wrong-type", message="Send the alert as Content-Type: application/cap+xml.", status=415
            )
        raw = await body_of(request, self._max_bytes)
        if raw is None:
            detail = f"An alert may have {self._max_bytes} bytes; this body has more."
            return Refusal(reason="too-large", message=detail, status=413)
        return raw

    async def get_alert(self, request: web.Request) -> web.Response:
        """One alert: what it is, what was found, what became of it."""
        found = await self._campaigns.alert(request.match_info["alert"], request[AUTHORITY])
        return _or_404(found)

    async def get_cap(self, request: web.Request) -> web.Response:
        """The bytes as received."""
        raw = await self._campaigns.alert_bytes(request.match_info["alert"], request[AUTHORITY])
        if raw is None:
            return _or_404(None)
        return web.Response(body=raw, content_type="application/cap+xml")

    async def list_campaigns(self, request: web.Request) -> web.Response:
        """The entity's campaigns, newest first, 50 a page."""
        before, most = paging.before(request), paging.limit(request, PAGE)
        return web.json_response(await self._campaigns.page(request[AUTHORITY], before, most))

    async def get_campaign(self, request: web.Request) -> web.Response:
        """The live counts of one campaign."""
        return _or_404(await self._campaigns.progress(request.match_info["campaign"], request[AUTHORITY]))

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """The same as server-sent events: one at once, then at every change, until the campaign is closed."""
        public_id, authority = request.match_info["campaign"], request[AUTHORITY]
        found = await self._campaigns.progress(public_id, authority)
        if found is None:
            return _or_404(None)
        stream = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        stream.content_type = "text/event-stream"
        await stream.prepare(request)
        closing = asyncio.Event()
        self._watchers.add(closing)
        try:
            await self._stream(stream, found, closing, public_id, authority)
        finally:
            self._watchers.discard(closing)
        return stream

    async def _stream(
        self, stream: web.StreamResponse, found: Any, closing: asyncio.Event, public_id: str, authority: Authority
    ) -> None:
        number, last, quiet = 0, None, 0
        while found is not None and not closing.is_set():
            changing = {k: v for k, v in found.items() if k != "now"}
            quiet += 1
            if changing != last or quiet >= 20:
                number, last, quiet = number + 1, changing, 0
                await stream.write(f"id: {number}\nevent: progress\ndata: {json.dumps(found)}\n\n".encode())
            if found["state"] == "closed":
                await stream.write(b"event: closed\ndata: {}\n\n")
                return
            try:
                async with asyncio.timeout(EVENT_INTERVAL_S):
                    await closing.wait()
            except TimeoutError:
                # while the store is away there is nothing new to say, and the stream goes on
                with contextlib.suppress(StoreUnavailable):
                    found = await self._campaigns.progress(public_id, authority)

    async def get_report(self, request: web.Request) -> web.Response:
        """The final report (as it stands, while the campaign is open), as json, text, csv, xlsx or pdf."""
        form, name = request.query.get("format", "json"), request.match_info["campaign"]
        if form not in REPORT_TYPES.keys() | FILES.keys():
            return problem(400, "unknown-format", f"format is one of {', '.join([*REPORT_TYPES, *FILES])}.")
        body = await self._campaigns.report(name, request[AUTHORITY])
        if body is None:
            return _or_404(None)
        if form in FILES:
            return await asyncio.to_thread(filed, paper_of(body), form, f"report-{name}", self._utcnow())
        return web.Response(text=REPORT_TYPES[form].write(body), content_type=REPORT_TYPES[form].kind, charset="utf-8")

    async def get_deliveries(self, request: web.Request) -> web.Response:
        """A page of deliveries; addresses of registered citizens are masked."""
        after, most = paging.after(request), paging.limit(request)
        found = await self._campaigns.deliveries(request.match_info["campaign"], request[AUTHORITY], after, most)
        return _or_404(found)

    async def post_act(self, request: web.Request) -> web.Response:
        """Pause, resume or stop a campaign."""
        act, public_id = request.match_info["act"], request.match_info["campaign"]
        return answered(await self._campaigns.act(act, public_id, request[AUTHORITY]))


def answered(answer: Answer) -> web.Response:
    """An answer of the intake as HTTP."""
    if answer.status >= 400:
        return as_response(answer.status, answer.body)
    return web.json_response(answer.body, status=answer.status)


def _or_404(found: Any) -> web.Response:
    if found is None:
        return problem(404, "not-found", "Nothing of yours has this name.")
    return web.json_response(found)
