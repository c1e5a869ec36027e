"""Filing: how a posted document, its verdict, its plan and its texts are written down for the store and for the sender.

Knows: the records of store.alerts, the shape of the answer. Never knows: when a transaction begins, rights.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.cap.area import Ring
from gateway.cap.check import Verdict
from gateway.cap.findings import Finding
from gateway.cap.model import MsgType
from gateway.flows.judging import Draft
from gateway.flows.lineage import Fate, Past
from gateway.flows.proof import Proof
from gateway.model import ChannelName
from gateway.policy import audience
from gateway.policy.audience import Variant
from gateway.policy.compose import Composed
from gateway.policy.rights import Authority
from gateway.store import alerts

MOST_NAME_CHARACTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came, from whom, by which way, and what the check said."""

    raw: bytes
    verdict: Verdict
    authority: Authority
    source: str
    proof: Proof = field(default_factory=Proof)

    def identity_key(self, sender: str, identifier: str) -> str:
        """What posts of one alert wait for each other by."""
        authority = self.authority
        return "\n".join((authority.realm.value, str(authority.entity_id), sender, identifier))

    def fingerprint(self) -> bytes:
        """The same for the same content of the same authority, in one realm."""
        return hashlib.sha256(self.identity_key("", "").encode() + self.raw).digest()

    def row(
        self,
        public_id: str,
        findings: Sequence[Mapping[str, Any]],
        status: int,
        body: Mapping[str, Any],
        *,
        accepted: bool = False,
        conflict_with: int | None = None,
    ) -> alerts.NewAlert:
        """The alert as it is stored, accepted or refused."""
        verdict, alert = self.verdict, self.verdict.alert
        return alerts.NewAlert(
            public_id=public_id,
            entity_id=self.authority.entity_id,
            realm=self.authority.realm,
            source=self.source,
            token_id=self.authority.token_id,
            accepted=accepted,
            sender=_storable(verdict.sender),
            identifier=_storable(verdict.identifier),
            sent=_storable(verdict.sent),
            sent_at=alert.sent if alert else None,
            status=alert.status.value if alert else None,
            msg_type=alert.msg_type.value if alert else None,
            scope=alert.scope.value if alert and alert.scope else None,
            version=verdict.version,
            sha256=hashlib.sha256(self.raw).digest(),
            raw=self.raw,
            findings=findings,
            http_status=status,
            answer=body,
            signature=self.proof.signature,
            signatures=self.proof.rows(),
            conflict_with=conflict_with,
        )


def accepted_body(
    public_id: str, campaign: str, draft: Draft, fate: Fate, findings: Sequence[Mapping[str, Any]], url: str
) -> dict[str, Any]:
    """What the sender is told of an accepted alert."""
    return {
        "alert": public_id,
        "campaign": campaign,
        "state": fate.state.value,
        "mode": draft.mode.value,
        "class": draft.wishes.message_class.value,
        "channels": [c.value for c in draft.channels],
        "expires": draft.expires_at.isoformat(),
        "findings": list(findings),
        "needs": list(draft.needs),
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
        parts.append({"shapes": [audience.shape_as_json(shape) for shape in variant.shapes], "texts": keys})
    by_place = any(variant.shapes for variant in draft.variants)
    return {
        "channels": [c.value for c in draft.channels],
        "variants": parts,
        "groups": [[g.id, g.exercises] for g in draft.groups],
        "told": [list(t) for t in told],
        "territory": [audience.shape_as_json(Ring(ring)) for ring in authority.rings] if by_place else [],
    }


def all_channels(draft: Draft, past: Past) -> tuple[ChannelName, ...]:
    """The alert's own channels, those by which people were told before, and the one of those who are called when their
    SMS does not arrive; a Cancel uses only those before."""
    if draft.alert.msg_type is MsgType.CANCEL and past.channels:
        return past.channels
    later = (ChannelName.VOICE,) if draft.timing.escalate_after_s is not None else ()
    return tuple(dict.fromkeys(draft.channels + past.channels + later))


def notes_of(composed: Sequence[Composed]) -> list[Finding]:
    """What was cut, left out or costs more, said as findings."""
    return [
        Finding("G5", "warning", None, f"text/{text.channel}/{text.language}", note, audience.PROFILE)
        for text in composed
        for note in text.notes
    ]


def new_text(key: int, text: Composed) -> alerts.NewText:
    """One text as it is stored."""
    return alerts.NewText(
        key=key, channel=text.channel, language=text.language, body=text.body, subject=text.subject, html=text.html,
        parts=text.parts,
    )  # fmt: skip


def _storable(text: str | None) -> str | None:
    """Text as PostgreSQL can keep it."""
    return None if text is None else text.replace("\0", "")[:MOST_NAME_CHARACTERS]
