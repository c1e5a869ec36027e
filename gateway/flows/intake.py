"""Intake: bytes from a proven authority become an accepted alert with its campaign, or a stored refusal with reasons.

The order is the one of docs/: read, judge, wishes, right, audience, lineage, texts, ONE transaction, then the answer.
Knows: every decision's name. Never knows: HTTP details, IMAP, channels.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.check import Verdict
from gateway.cap.findings import Finding
from gateway.cap.model import CapAlert, MsgType
from gateway.flows import lineage
from gateway.flows.checking import Checker
from gateway.flows.closing import report_of
from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.model import CampaignState, ChannelName, Mode
from gateway.policy import audience, compose, rights, target
from gateway.policy.audience import Variant, Wishes
from gateway.policy.compose import Composed, ComposeRules
from gateway.policy.rights import Authority, Refusal
from gateway.store import alerts, progress, registry
from gateway.store.pool import Connection, Store

ERROR_STATUS = {"XML": 400, "S40": 400, "S41": 400, "SIZE": 413}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRules:
    """`default_expiry`: how long an alert without expires may be sent; `help`: whom to ask, in every refusal."""

    compose: ComposeRules
    default_expiry: timedelta
    public_url: str
    help: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told: an HTTP status and a JSON body (problem+json from 400 on)."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An alert that may be sent, with everything the transaction needs."""

    alert: CapAlert
    mode: Mode
    wishes: Wishes
    channels: tuple[ChannelName, ...]
    variants: tuple[Variant, ...]
    groups: tuple[registry.Group, ...]
    findings: tuple[Finding, ...]
    expires_at: datetime


class Intake:
    """The one door for alerts, whatever way they came."""

    def __init__(
        self,
        store: Store,
        checker: Checker,
        rules: IntakeRules,
        *,
        metrics: Metrics,
        log: UnitLogger,
        utcnow: Callable[[], datetime],
        accepted: Callable[[], None],
    ) -> None:
        self._store = store
        self._checker = checker
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._utcnow = utcnow
        self._accepted = accepted  # told after each commit: there is something to plan

    async def accept(self, raw: bytes, authority: Authority, source: str) -> Answer:
        """Take one alert; the answer is given only when what it says is committed. Raises StoreUnavailable."""
        now = self._utcnow()
        verdict = await self._checker.check(raw, now)
        async with self._store.transaction() as connection:
            if verdict.alert is not None:
                await alerts.lock_identity(connection, _identity_key(authority, verdict.alert))
                known = await self._known(connection, authority, verdict.alert, raw)
                if isinstance(known, Answer):
                    return known
                draft = known or await self.judge(connection, verdict, authority, now)
            else:
                draft = Refusal(reason="invalid", message=_summary(verdict), status=_status_of(verdict))
            if isinstance(draft, Refusal):
                answer = await self._refuse(connection, raw, verdict, authority, source, draft)
            else:
                answer = await self._store_campaign(connection, raw, draft, verdict, authority, source)
        self._metrics.alert("accepted" if answer.status == 201 else "refused")
        self._log.event("alert_answered", status=answer.status, entity=authority.entity_id, source=source)
        self._accepted()
        return answer

    async def judge_bytes(
        self, raw: bytes, authority: Authority, now: datetime
    ) -> tuple[Draft, list[Composed]] | Answer:
        """The same judgement without a trace: for a forecast."""
        verdict = await self._checker.check(raw, now)
        if verdict.alert is None:
            refusal = Refusal(reason="invalid", message=_summary(verdict), status=_status_of(verdict))
            return Answer(status=refusal.status, body=self._problem(refusal, verdict))
        async with self._store.connection() as connection:
            draft = await self.judge(connection, verdict, authority, now)
            if isinstance(draft, Refusal):
                return Answer(status=draft.status, body=self._problem(draft, verdict))
            past = await lineage.resolve(connection, verdict.alert, authority)
        if isinstance(past, Refusal):
            return Answer(status=past.status, body=self._problem(past, verdict))
        return draft, self._texts(draft, authority, past, empty=False)

    async def _known(
        self, connection: Connection, authority: Authority, alert: CapAlert, raw: bytes
    ) -> Answer | Refusal | None:
        """The stored answer when this content was accepted before; a refusal when the identity has other content."""
        row = await alerts.alert_by_identity(
            connection, authority.realm, authority.entity_id, alert.sender, alert.identifier
        )
        if row is None:
            return None
        if row["sha256"] == hashlib.sha256(raw).digest():
            return Answer(status=200, body=row["answer"])
        return Refusal(
            reason="conflict",
            message=f"Another alert of this sender and identifier was accepted as {row['public_id']}, with other "
            "content. An alert is never changed: send an Update with an identifier of its own.",
            status=409,
        )

    async def judge(
        self, connection: Connection, verdict: Verdict, authority: Authority, now: datetime
    ) -> Draft | Refusal:
        """Wishes, right and audience of a valid alert."""
        alert = verdict.alert
        assert alert is not None
        wishes, problems = audience.read_wishes(alert)
        mode = rights.mode_of(authority.realm, alert.status)
        channels = wishes.channels or authority.policy.channels_for(wishes.message_class)
        geocodes = await registry.geocode_rings(connection, audience.geocodes_of(alert))
        if wishes.by_place:
            problems += audience.area_problems(alert, geocodes)
        groups = await registry.groups_by_slug(connection, authority.entity_id, wishes.groups)
        problems += target.unknown_groups(wishes, [g.slug for g in groups])
        found = tuple(verdict.findings) + tuple(problems)
        if any(f.severity == "error" for f in problems):
            return Refusal(
                reason="invalid", message="The alert can not be dispatched safely.", findings=found, status=422
            )
        variants = audience.variants(alert, geocodes) if wishes.by_place else target.without_places(alert, geocodes)
        refusal = (
            rights.may_act(authority)
            or rights.may_send(authority, wishes.message_class, channels, by_place=wishes.by_place)
            or target.nobody(alert, wishes, variants)
        )
        if refusal:
            return replace(refusal, findings=found)
        if wishes.by_place:
            part = target.inside_territory(variants, authority)
            if isinstance(part, Refusal):
                return replace(part, findings=found)
            found += tuple(part)
        return Draft(
            alert=alert, mode=mode, wishes=wishes, channels=channels, variants=variants, groups=tuple(groups),
            findings=found, expires_at=target.expiry(alert, now, self._rules.default_expiry),
        )  # fmt: skip

    async def _refuse(
        self,
        connection: Connection,
        raw: bytes,
        verdict: Verdict,
        authority: Authority,
        source: str,
        refusal: Refusal,
    ) -> Answer:
        """Store what was refused and why; the identity stays free."""
        public_id = f"al_{secrets.token_hex(8)}"
        body = self._problem(refusal, verdict) | {"alert": public_id}
        stored = _alert_row(public_id, authority, source, raw, verdict, body["findings"], refusal.status, body)
        await alerts.insert_alert(connection, stored)
        return Answer(status=refusal.status, body=body)

    def _problem(self, refusal: Refusal, verdict: Verdict) -> dict[str, Any]:
        """RFC 9457, with every finding and who can help."""
        return {
            "type": f"{self._rules.public_url}/docs#{refusal.reason}",
            "title": refusal.reason.replace("-", " ").capitalize(),
            "status": refusal.status,
            "detail": refusal.message,
            "reason": refusal.reason,
            "findings": [f._asdict() for f in (refusal.findings or verdict.findings)],
            "help": dict(self._rules.help),
        }

    async def _store_campaign(
        self,
        connection: Connection,
        raw: bytes,
        draft: Draft,
        verdict: Verdict,
        authority: Authority,
        source: str,
    ) -> Answer:
        """Alert, lineage, campaign and texts: all of it, or nothing."""
        alert = draft.alert
        past = await lineage.resolve(connection, alert, authority)
        if isinstance(past, Refusal):
            return await self._refuse(connection, raw, verdict, authority, source, past)
        fate = lineage.fate(
            alert, draft.mode, authority, draft.wishes.message_class, past, draft.expires_at, self._utcnow()
        )
        composed = self._texts(draft, authority, past, empty=fate.state is CampaignState.CLOSED)
        number = await alerts.next_campaign_id(connection)
        public_id, campaign = f"al_{secrets.token_hex(8)}", f"ca_{secrets.token_hex(8)}"
        findings = [f._asdict() for f in draft.findings + fate.findings] + _notes(composed)
        body = self._body(public_id, campaign, draft, fate, findings)
        row = _alert_row(public_id, authority, source, raw, verdict, findings, 201, body, accepted=True)
        alert_id = await alerts.insert_alert(connection, row)
        references = [(r.sender, r.identifier, r.sent_text) for r in alert.references]
        await alerts.insert_references(connection, alert_id, authority.entity_id, references)
        told = await lineage.stop_previous(connection, alert, fate, past, f"token:{authority.token_id}")
        await alerts.insert_campaign(
            connection,
            alerts.NewCampaign(
                id=number,
                public_id=campaign,
                entity_id=authority.entity_id,
                alert_id=alert_id,
                mode=draft.mode,
                message_class=draft.wishes.message_class,
                purpose=draft.wishes.purpose if draft.wishes.by_place else None,
                channels=_all_channels(draft, past),
                priority=audience.PRIORITY[draft.wishes.message_class],
                state=fate.state,
                closure=fate.closure,
                plan=plan_of(draft, composed, authority, told),
                expires_at=draft.expires_at,
                planned=fate.state is CampaignState.CLOSED,
                released=target.in_feed(draft.alert, draft.mode, authority) and fate.state is not CampaignState.HELD,
                texts=[_new_text(key, text) for key, text in enumerate(composed)],
            ),
        )
        if fate.state is CampaignState.CLOSED:
            await progress.insert_report(connection, number, authority.entity_id, await report_of(connection, number))
        await connection.execute("SELECT pg_notify('gateway', $1)", str(number))
        return Answer(status=201, body=body)

    def _texts(self, draft: Draft, authority: Authority, past: lineage.Past, *, empty: bool) -> list[Composed]:
        if empty:
            return []
        return compose.compose(
            draft.alert,
            channels=_all_channels(draft, past),
            languages=authority.languages,
            mode=draft.mode,
            message_class=draft.wishes.message_class,
            rules=self._rules.compose,
            entity_name=authority.name,
            previous_headlines=past.headlines,
        )

    def _body(
        self, public_id: str, campaign: str, draft: Draft, fate: lineage.Fate, findings: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        url = self._rules.public_url
        return {
            "alert": public_id,
            "campaign": campaign,
            "state": fate.state.value,
            "mode": draft.mode.value,
            "class": draft.wishes.message_class.value,
            "channels": [c.value for c in draft.channels],
            "expires": draft.expires_at.isoformat(),
            "findings": list(findings),
            "links": {
                "alert": f"{url}/v1/alerts/{public_id}",
                "cap": f"{url}/v1/alerts/{public_id}/cap",
                "campaign": f"{url}/v1/campaigns/{campaign}",
                "events": f"{url}/v1/campaigns/{campaign}/events",
                "report": f"{url}/v1/campaigns/{campaign}/report",
            },
        }


def plan_of(
    draft: Draft, composed: Sequence[Composed], authority: Authority, told: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """The durable instruction for the planner: shapes and texts per variant, groups, those told before, territory."""
    parts = []
    for variant in draft.variants or (Variant(infos=(), shapes=()),):
        keys = [
            [text.language, text.channel.value, key]
            for key, text in enumerate(composed)
            if not variant.infos or not text.info_indexes or set(variant.infos) & set(text.info_indexes)
        ]
        shapes = [audience.shape_as_json(s) for s in variant.shapes] if draft.wishes.by_place else []
        parts.append({"shapes": shapes, "texts": keys})
    silent = draft.alert.msg_type is MsgType.CANCEL
    return {
        "channels": [c.value for c in draft.channels],
        "variants": [part | {"shapes": []} for part in parts] if silent else parts,
        "groups": [] if silent else [[g.id, g.exercises] for g in draft.groups],
        "told": [list(t) for t in told],
        "territory": [audience.shape_as_json(Ring(ring)) for ring in authority.rings],
    }


def _all_channels(draft: Draft, past: lineage.Past) -> tuple[ChannelName, ...]:
    """The alert's own channels, and those by which people were told before; a Cancel uses only these."""
    if draft.alert.msg_type is MsgType.CANCEL and past.channels:
        return past.channels
    return tuple(dict.fromkeys(draft.channels + past.channels))


def _identity_key(authority: Authority, alert: CapAlert) -> str:
    return "\n".join((authority.realm.value, str(authority.entity_id), alert.sender, alert.identifier))


def _summary(verdict: Verdict) -> str:
    errors = [f for f in verdict.findings if f.severity == "error"]
    return (
        f"{len(errors)} error(s) in the document; the first: {errors[0].message}"
        if errors
        else "The document is refused."
    )


def _status_of(verdict: Verdict) -> int:
    statuses = [ERROR_STATUS[f.id] for f in verdict.findings if f.severity == "error" and f.id in ERROR_STATUS]
    return statuses[0] if statuses else 422


def _notes(composed: Sequence[Composed]) -> list[dict[str, Any]]:
    return [
        Finding("G5", "warning", None, f"text/{text.channel}/{text.language}", note, audience.PROFILE)._asdict()
        for text in composed
        for note in text.notes
    ]


def _new_text(key: int, text: Composed) -> alerts.NewText:
    return alerts.NewText(
        key=key, channel=text.channel, language=text.language, body=text.body, subject=text.subject, html=text.html,
        parts=text.parts,
    )  # fmt: skip


def _alert_row(
    public_id: str,
    authority: Authority,
    source: str,
    raw: bytes,
    verdict: Verdict,
    findings: Sequence[Mapping[str, Any]],
    status: int,
    body: Mapping[str, Any],
    *,
    accepted: bool = False,
) -> alerts.NewAlert:
    alert = verdict.alert
    return alerts.NewAlert(
        public_id=public_id,
        entity_id=authority.entity_id,
        realm=authority.realm,
        source=source,
        token_id=authority.token_id,
        accepted=accepted,
        sender=_storable(verdict.sender),
        identifier=_storable(verdict.identifier),
        sent=_storable(verdict.sent),
        sent_at=alert.sent if alert else None,
        status=alert.status.value if alert else None,
        msg_type=alert.msg_type.value if alert else None,
        scope=alert.scope.value if alert and alert.scope else None,
        version=verdict.version,
        sha256=hashlib.sha256(raw).digest(),
        raw=raw,
        findings=findings,
        http_status=status,
        answer=body,
    )


def _storable(text: str | None) -> str | None:
    """Text as PostgreSQL can keep it."""
    return None if text is None else text.replace("\0", "")[:1000]
