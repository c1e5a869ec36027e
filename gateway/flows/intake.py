"""Intake: bytes from a proven authority become an accepted alert with its campaign, or a stored refusal with reasons.

The order is the one of docs/: read, judge, lineage, texts, ONE transaction, then the answer.
Knows: the flows of one alert and their order. Never knows: HTTP details, IMAP, channels.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from gateway.cap.area import Ring
from gateway.cap.check import Verdict
from gateway.flows import agreeing, filing, lineage
from gateway.flows.answers import Answer
from gateway.flows.checking import Checker
from gateway.flows.closing import report_of
from gateway.flows.filing import Received
from gateway.flows.judging import Draft, judge
from gateway.flows.proof import Proof, read
from gateway.log import UnitLogger
from gateway.metrics import Metrics
from gateway.model import CampaignState
from gateway.policy import audience, compose, target, timing
from gateway.policy.compose import Composed, ComposeRules
from gateway.policy.declaration import is_asked
from gateway.policy.rights import Authority, Refusal
from gateway.store import alerts, declarations, progress
from gateway.store.pool import Connection, Store, again, confine

ERROR_STATUS = {"XML": 400, "S40": 400, "S41": 400, "SIZE": 413}
VERDICTS = {200: "repeated", 201: "accepted", 409: "conflict"}
CONFLICT_EVENT = "contradicted"
UNREAD = Verdict(valid=False, well_formed=False, readable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRules:
    """`default_expiry`: how long an alert without expires may be sent; `help`: whom to ask, in every refusal."""

    compose: ComposeRules
    default_expiry: timedelta
    public_url: str
    help: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would become of an alert that is not stored: for a forecast."""

    draft: Draft
    past: lineage.Past
    fate: lineage.Fate
    texts: list[Composed]


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
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._accepted = accepted  # told after each commit: there is something to plan

    async def accept(self, raw: bytes, authority: Authority, source: str, *, hold: bool = False) -> Answer:
        """Take one alert; the answer is given only when what it says is committed. Raises StoreUnavailable.

        `hold`: its campaign waits for a second person, whatever the entity's own rule says.
        """
        now = self._utcnow()
        verdict, proof = await read(self._checker, raw, authority, now)
        received = Received(raw=raw, verdict=verdict, authority=authority, source=source, proof=proof)
        # one content at a time: a hundred posts of it cost one judgement and hold one session of the store
        async with self._turns.setdefault(received.fingerprint(), asyncio.Lock()):
            answer = await again(partial(self._answer, received, now, hold=hold))
        return self._told(answer, authority, source)

    async def refuse_unread(self, refusal: Refusal, authority: Authority, source: str) -> Answer:
        """Store that something came which was not even read (too large, of another type). Raises StoreUnavailable."""
        received = Received(raw=b"", verdict=UNREAD, authority=authority, source=source)
        async with self._store.transaction() as connection:
            answer = await self._refuse(connection, received, refusal)
        return self._told(answer, authority, source)

    async def outlook(self, raw: bytes, authority: Authority) -> Outlook | Answer:
        """The same judgement without a trace. Raises StoreUnavailable."""
        now = self._utcnow()
        verdict, proof = await read(self._checker, raw, authority, now)
        draft = await self._judged(verdict, proof, authority, now)
        if isinstance(draft, Draft):
            async with self._store.connection() as connection:
                past = await lineage.resolve(connection, draft.alert, authority)
            if not isinstance(past, Refusal):
                fate = self._fate(draft, past)
                return Outlook(draft=draft, past=past, fate=fate, texts=await self._texts(draft, past, fate, authority))
            draft = past
        return Answer(status=draft.status, body=self._problem(draft, verdict))

    def _told(self, answer: Answer, authority: Authority, source: str) -> Answer:
        verdict = VERDICTS.get(answer.status, "refused")
        self._metrics.alert(verdict)
        self._log.event(
            "alert_answered", status=answer.status, verdict=verdict, entity=authority.entity_id, source=source
        )
        if answer.status == 201:
            self._accepted()
        return answer

    async def _answer(self, received: Received, now: datetime, *, hold: bool) -> Answer:
        """Everything that takes long is done before the one transaction begins."""
        answer = await self._known_already(received)
        if answer is None:
            verdict, proof, authority = received.verdict, received.proof, received.authority
            answer = await self._file(received, await self._judged(verdict, proof, authority, now, hold=hold))
        return answer

    async def _judged(
        self, verdict: Verdict, proof: Proof, authority: Authority, now: datetime, *, hold: bool = False
    ) -> Draft | Refusal:
        if proof.refusal is not None:
            return proof.refusal
        if verdict.alert is None:
            return Refusal(reason="invalid", message=_summary(verdict), status=_status_of(verdict))
        draft = await judge(self._store, self._checker, verdict, authority, now, self._rules.default_expiry)
        if isinstance(draft, Refusal):
            return draft
        return await agreeing.with_needs(self._store, self._timed(draft, authority, now), authority, hold)

    def _timed(self, draft: Draft, authority: Authority, now: datetime) -> Draft:
        """The draft with the hours that its entity keeps; what is sent to nobody has none."""
        if not draft.variants:
            return draft
        zone = self._rules.compose.time_zone
        found = timing.timing(authority, draft.wishes.message_class, draft.channels, zone, now)
        return replace(draft, timing=found, findings=(*draft.findings, *found.findings))

    async def _known_already(self, received: Received) -> Answer | None:
        """The stored answer, without a lock: a post that comes again costs little."""
        if received.verdict.alert is None:
            return None
        async with self._store.connection() as connection:
            return _same(await _known(connection, received), received)

    async def _file(self, received: Received, draft: Draft | Refusal) -> Answer:
        """The one transaction."""
        async with self._store.transaction() as connection:
            if isinstance(draft, Draft):
                await _lock(connection, received)
            if received.verdict.alert is not None and (known := await _known(connection, received)) is not None:
                return _same(known, received) or await self._contradict(connection, received, known)
            if isinstance(draft, Draft):
                past = await lineage.resolve(connection, draft.alert, received.authority)
                if not isinstance(past, Refusal):
                    return await self._store_campaign(connection, received, draft, past)
                draft = past
            return await self._refuse(connection, received, draft)

    async def _contradict(self, connection: Connection, received: Received, known: Any) -> Answer:
        """Refuse and flag it, in its own row and, once for each content, among the events of what it contradicts."""
        refusal = Refusal(
            reason="conflict",
            message=f"Another alert of this sender and identifier was accepted as {known['public_id']}, with other "
            "content. An alert is never changed: send an Update with an identifier of its own.",
            status=409,
        )
        authority, sha256 = received.authority, hashlib.sha256(received.raw).digest()
        is_new = await alerts.is_new_conflict(connection, known["id"], sha256)
        answer = await self._refuse(connection, received, refusal, conflict_with=known["id"])
        if is_new and known["campaign_id"] is not None:
            state, actor = CampaignState(known["state"]), authority.source
            await alerts.insert_event(
                connection, known["campaign_id"], authority.entity_id, CONFLICT_EVENT, state, actor
            )
        return answer

    async def _refuse(
        self, connection: Connection, received: Received, refusal: Refusal, conflict_with: int | None = None
    ) -> Answer:
        """Store what was refused and why; the identity stays free."""
        await confine(connection, received.authority.entity_id)
        public_id = f"al_{secrets.token_hex(8)}"
        body = self._problem(refusal, received.verdict) | {"alert": public_id}
        row = received.row(public_id, body["findings"], refusal.status, body, conflict_with=conflict_with)
        await alerts.insert_alert(connection, row)
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
        self, connection: Connection, received: Received, draft: Draft, past: lineage.Past
    ) -> Answer:
        """Alert, lineage, campaign and texts: all of it, or nothing."""
        alert, authority = draft.alert, received.authority
        await confine(connection, authority.entity_id)
        fate = self._fate(draft, past)
        composed = await self._texts(draft, past, fate, authority)
        draft = replace(draft, findings=(*draft.findings, *fate.findings, *filing.notes_of(composed)))
        number = await alerts.next_campaign_id(connection)
        public_id, campaign = f"al_{secrets.token_hex(8)}", f"ca_{secrets.token_hex(8)}"
        findings = [f._asdict() for f in draft.findings]
        body = filing.accepted_body(public_id, campaign, draft, fate, findings, self._rules.public_url)
        alert_id = await alerts.insert_alert(connection, received.row(public_id, findings, 201, body, accepted=True))
        references = [(r.sender, r.identifier, r.sent_text) for r in alert.references]
        await alerts.insert_references(connection, alert_id, authority.entity_id, references)
        await lineage.act_on_previous(connection, fate, past, authority.holder)
        plan = filing.plan_of(draft, composed, authority, lineage.told(fate, past))
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
                channels=filing.all_channels(draft, past),
                priority=audience.PRIORITY[draft.wishes.message_class],
                state=fate.state,
                closure=fate.closure,
                plan=plan,
                expires_at=draft.expires_at,
                planned=fate.state is CampaignState.CLOSED,
                released=target.in_feed(alert, draft.mode, authority) and fate.in_force,
                texts=[filing.new_text(key, text) for key, text in enumerate(composed)],
                escalate_after_s=draft.timing.escalate_after_s,
                quiet=draft.timing.quiet,
                quiet_zone=self._rules.compose.time_zone,
                author=authority.holder,
            ),
        )
        declared = draft.wishes.declares if is_asked(draft.wishes, authority, alert) else None
        await declarations.put(connection, authority.entity_id, number, authority.holder, declared)
        if fate.state is CampaignState.HELD:
            await agreeing.seal_new(connection, number, draft, plan, authority.holder)
        if past.campaigns:
            await alerts.settle_told(connection, number)
        if fate.state is not CampaignState.CLOSED:
            await lineage.join_waiting(connection, past, number, authority.entity_id, "gateway")
        else:
            await progress.insert_report(connection, number, authority.entity_id, await report_of(connection, number))
        await connection.execute("SELECT pg_notify('gateway', $1)", str(number))
        return Answer(status=201, body=body)

    def _fate(self, draft: Draft, past: lineage.Past) -> lineage.Fate:
        return lineage.fate(draft.alert, past, draft.expires_at, self._utcnow(), held=bool(draft.needs))

    async def _texts(
        self, draft: Draft, past: lineage.Past, fate: lineage.Fate, authority: Authority
    ) -> list[Composed]:
        if fate.state is CampaignState.CLOSED:
            return []
        # a hundred infos take a while to word
        return await asyncio.to_thread(
            compose.compose,
            draft.alert,
            channels=filing.all_channels(draft, past),
            languages=authority.languages,
            mode=draft.mode,
            message_class=draft.wishes.message_class,
            rules=self._rules.compose,
            entity_name=authority.name,
            previous_headlines=past.headlines,
            shapes={index: variant.shapes for variant in draft.variants for index in variant.infos},
            land=[Ring(ring) for ring in authority.rings],
        )


async def _lock(connection: Connection, received: Received) -> None:
    """Posts of one alert wait for each other, and those that name it; always in one order."""
    alert = received.verdict.alert
    assert alert is not None
    names = {(alert.sender, alert.identifier)} | {(r.sender, r.identifier) for r in alert.references}
    for name in sorted(names):
        await alerts.lock_identity(connection, received.identity_key(*name))


async def _known(connection: Connection, received: Received) -> Any:
    """The row of the accepted alert that has this identity, or None."""
    alert, authority = received.verdict.alert, received.authority
    assert alert is not None
    return await alerts.alert_by_identity(
        connection, authority.realm, authority.entity_id, alert.sender, alert.identifier
    )


def _same(known: Any, received: Received) -> Answer | None:
    """The stored answer, when the alert that is known is this very one."""
    if known is None or known["sha256"] != hashlib.sha256(received.raw).digest():
        return None
    return Answer(status=200, body=known["answer"])


def _summary(verdict: Verdict) -> str:
    errors = [f for f in verdict.findings if f.severity == "error"]
    if not errors:
        return "The document is refused."
    return f"{len(errors)} error(s) in the document; the first: {errors[0].message}"


def _status_of(verdict: Verdict) -> int:
    statuses = [ERROR_STATUS[f.id] for f in verdict.findings if f.severity == "error" and f.id in ERROR_STATUS]
    return statuses[0] if statuses else 422
