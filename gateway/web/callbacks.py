"""Callbacks of voice providers: a signed form becomes a receipt, and is answered when the receipt is durable.

Knows: the Twilio-shaped callback form, its signature, its order; the TwiML that answers the key.
Never knows: SQL, deliveries, how a call was placed. What it needs to know of a call stands in the signed query.
"""

import asyncio
import hmac
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from http import HTTPStatus
from math import inf
from typing import NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from gateway.channels.base import Emit
from gateway.channels.voice_outcomes import (
    BUSY,
    CONFIRM_KEY,
    CONGESTION,
    CallEnd,
    Verdict,
    answered_s,
    judge,
    receipt_of,
)
from gateway.channels.voice_settings import VoiceSettings, phrase
from gateway.channels.voice_trunks import RestTrunk
from gateway.errors import StoreUnavailable
from gateway.model import ReceiptKind

BODY_MAX_BYTES = 16_384
FIELDS_MAX = 100
READ_TIMEOUT_S = 5.0
STORE_TIMEOUT_S = 10.0
CALLS_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSource:
    """One provider account that may call back. `public_url` is how it reaches us, whatever a proxy makes of it."""

    public_url: str
    auth_token: str = field(repr=False)
    thanks: Mapping[str, str] = field(default_factory=dict)
    voices: Mapping[str, str] = field(default_factory=dict)


def callback_source(trunk: RestTrunk, settings: VoiceSettings) -> CallbackSource:
    """What the settings of a trunk say about its callbacks."""
    return CallbackSource(
        public_url=trunk.public_url,
        auth_token=trunk.auth_token.get_secret_value(),
        thanks=settings.thanks,
        voices=trunk.voices,
    )


def signature(auth_token: str, url: str, params: Iterable[tuple[str, str]]) -> str:
    """X-Twilio-Signature: base64 of HMAC-SHA1, keyed with the account's token, over the full URL as the provider
    requested it, followed by each POST parameter's name and value, sorted by name, with nothing in between."""
    signed = url + "".join(name + value for name, value in sorted(set(params)))
    return b64encode(hmac.digest(auth_token.encode(), signed.encode(), sha1)).decode()


class Refusal(NamedTuple):
    """Why a callback is not taken, with the HTTP status that says so."""

    status: HTTPStatus
    reason: str


@dataclass(slots=True)
class Heard:
    """What was durably recorded of one call: the highest sequence number of a final status, the verdict, and whether it
    was said how long it lasted."""

    sequence: int
    verdict: Verdict
    timed: bool


def ignore(_provider: str, _call_id: str, _refused: bool) -> None:
    """The callback of a process that holds no lines."""


async def no_machine(_call_id: str) -> None:
    """The same, of one that speaks to no machine."""


class VoiceCallbacks:
    """POST /callbacks/voice/{provider}/{kind}, kind `status` (the life of a call), `played` (all is said, perhaps with
    a key) or `heard` (who answered).

    Repeated, late and out-of-order callbacks are answered like the first and change nothing: a status that is not
    final gives no receipt, and neither does a final one after another with a higher SequenceNumber. `played` wins over
    a status that said less. This memory is one process's; tracking, where all receipts end, is idempotent as well.
    """

    def __init__(
        self,
        sources: Mapping[str, CallbackSource],
        emit: Emit,
        settled: Callable[[str, str, bool], None] = ignore,
        machine: Callable[[str], Awaitable[None]] = no_machine,
    ) -> None:
        self._sources = sources
        self._emit = emit
        self._settled = settled
        self._machine = machine
        self._heard: OrderedDict[tuple[str, str], Heard] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to the application."""
        return [
            web.post("/callbacks/voice/{provider}/status", self.status),
            web.post("/callbacks/voice/{provider}/played", self.played),
            web.post("/callbacks/voice/{provider}/heard", self.heard),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """A change in the life of a call; 204 once what it means is durable."""
        form = await self._signed_form(request)
        if isinstance(form, Refusal):
            return _refuse(form)
        answered_by = form.get("AnsweredBy", "")
        # a machine hears its own text first: that a call lasted long enough is no proof, the request at the end is
        needed_s = inf if answered_by.startswith("machine") else _number(request.query.get("need", ""))
        word, duration_s = form.get("CallStatus", "").lower(), _number(form.get("CallDuration", ""))
        end = CallEnd(
            call_id=form["CallSid"],
            word=word,
            needed_s=needed_s,
            sip_code=int(_number(form.get("SipResponseCode", ""))),
            duration_s=duration_s,
            answered_s=answered_s(word, duration_s),
            answered_by=answered_by,
        )
        provider = request.match_info["provider"]
        if (refusal := await self._record(provider, end, int(_number(form.get("SequenceNumber", ""))))) is not None:
            return _refuse(refusal)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def played(self, request: web.Request) -> web.Response:
        """The playout reached its end, perhaps with a key; the answer is what the provider says next."""
        form = await self._signed_form(request)
        if isinstance(form, Refusal):
            return _refuse(form)
        answered_by = form.get("AnsweredBy", "") or request.query.get("by", "")
        end = CallEnd(
            form["CallSid"], "in-progress", played=True, digits=form.get("Digits", ""), answered_by=answered_by
        )  # fmt: skip
        provider = request.match_info["provider"]
        if (refusal := await self._record(provider, end, -1)) is not None:
            return _refuse(refusal)
        twiml = self._thanks(provider, request.query.get("lang", "")) if end.digits == CONFIRM_KEY else ""
        return web.Response(text=f"<Response>{twiml}<Hangup/></Response>", content_type="application/xml")

    async def heard(self, request: web.Request) -> web.Response:
        """Who answered. A machine that has stopped talking hears what is for machines; there is nothing to record."""
        form = await self._signed_form(request)
        if isinstance(form, Refusal):
            return _refuse(form)
        if form.get("AnsweredBy", "").startswith("machine_end"):
            await self._machine(form["CallSid"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _signed_form(self, request: web.Request) -> dict[str, str] | Refusal:
        source = self._sources.get(request.match_info["provider"])
        if source is None or not source.public_url:
            return Refusal(HTTPStatus.NOT_FOUND, "No provider of this name calls back here.")
        params = await _read_form(request)
        if isinstance(params, Refusal):
            return params
        expected = signature(source.auth_token, source.public_url.rstrip("/") + request.raw_path, params)
        given = request.headers.get("X-Twilio-Signature", "")
        if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "backslashreplace")):
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "X-Twilio-Signature does not fit this URL, these parameters and the token of this account. "
                "The URL that counts is the public one in the settings of the trunk.",
            )
        form = dict(params)
        if not 0 < len(form.get("CallSid", "")) <= 64:
            return Refusal(HTTPStatus.BAD_REQUEST, "CallSid is missing.")
        return form

    async def _record(self, provider: str, end: CallEnd, sequence: int) -> Refusal | None:
        """Emit the receipt, if this says anything new; None when all is durable."""
        verdict = judge(end)
        key = (provider, end.call_id)
        heard = self._heard.get(key)
        if verdict is None:
            return None
        told = _news(heard, end, verdict, sequence)
        if told is not None:
            receipt = receipt_of(provider, end, told)
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    await self._emit([receipt])
            except (StoreUnavailable, TimeoutError):
                return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Not recorded. Please send this callback again.")
            before = heard or Heard(-1, told, False)
            timed = before.timed or end.answered_s > 0
            self._remember(key, Heard(max(sequence, before.sequence), told, timed))
        if not end.played:
            self._settled(provider, end.call_id, verdict in (BUSY, CONGESTION))
        return None

    def _remember(self, key: tuple[str, str], heard: Heard) -> None:
        self._heard[key] = heard
        self._heard.move_to_end(key)
        if len(self._heard) > CALLS_REMEMBERED:
            self._heard.popitem(last=False)

    def _thanks(self, provider: str, language: str) -> str:
        source = self._sources[provider]
        thanks = phrase(source.thanks, language)
        voice = phrase(source.voices, language) or language
        return f"<Say language={quoteattr(voice)}>{escape(thanks)}</Say>" if thanks else ""


def _news(heard: Heard | None, end: CallEnd, verdict: Verdict, sequence: int) -> Verdict | None:
    """What to record; None when all of it is."""
    if heard is None or _is_other(heard, end, verdict.kind, sequence):
        return verdict
    # that it was played is said before it ends: only then it is known how long it lasted
    return heard.verdict if end.answered_s > 0 and not heard.timed else None


def _is_other(heard: Heard, end: CallEnd, kind: ReceiptKind, sequence: int) -> bool:
    if heard.verdict.kind is ReceiptKind.DELIVERED:
        return False
    if end.played:
        return True
    return sequence > heard.sequence and kind is not heard.verdict.kind


async def _read_form(request: web.Request) -> list[tuple[str, str]] | Refusal:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.content.iter_chunked(4096):
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A callback has at most 16 kB.")
    except TimeoutError:
        return Refusal(HTTPStatus.REQUEST_TIMEOUT, "The callback did not arrive in time.")
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        return Refusal(HTTPStatus.BAD_REQUEST, "The body is not a form (application/x-www-form-urlencoded).")


def _number(value: str) -> float:
    """A plain decimal number up to nine characters; 0 for anything else."""
    plain = value.isascii() and value.replace(".", "", 1).isdigit() and len(value) <= 9
    return float(value) if plain else 0.0


def _refuse(refusal: Refusal) -> web.Response:
    headers = {"Retry-After": "5"} if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return web.Response(status=refusal.status, text=refusal.reason + "\n", headers=headers)
