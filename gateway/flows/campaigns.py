"""Campaigns seen and steered by their entity: progress, report, deliveries; pause, resume, stop.

Knows: the store, the reports, lineage's acts. Never knows: HTTP, channels. What belongs to another entity is not there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.flows import lineage
from gateway.flows.agreeing import Agreeing
from gateway.flows.answers import Answer, problem
from gateway.flows.closing import report_of, with_addendum
from gateway.model import CampaignState, ChannelName, DeliveryState, MessageClass
from gateway.policy import report as reports
from gateway.policy.contacts import Reach, may_see
from gateway.policy.rights import Authority, Refusal, may_act, may_hold_back, may_send
from gateway.store import alerts, approvals, audit, progress, registry
from gateway.store.pool import Connection, Store

PAGE = 50
Act = Callable[[Connection, int, int, str], Awaitable[CampaignState | None]]


class Campaigns:
    """Everything an entity may see and do with what it sent."""

    def __init__(
        self,
        store: Store,
        *,
        public_url: str,
        utcnow: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._public_url = public_url
        self._utcnow = utcnow
        self.agreeing = Agreeing(store, changed=changed)
        self._changed = changed  # told when a campaign's state was changed by hand

    async def alert(self, public_id: str, authority: Authority) -> dict[str, Any] | None:
        """One alert of this entity, with the present state of its campaign."""
        async with self._store.tenant(authority.entity_id) as connection:
            row = await alerts.alert_by_public_id(connection, public_id, authority.entity_id, authority.realm)
            kin = await alerts.alert_kin(connection, public_id, authority.entity_id)
        if row is None or kin is None:
            return None
        return {
            "alert": row["public_id"],
            "accepted": row["accepted"],
            "sender": row["sender"],
            "identifier": row["identifier"],
            "sent": row["sent"],
            "status": row["status"],
            "msgType": row["msg_type"],
            "scope": row["scope"],
            "received": row["received_at"].isoformat(),
            "http_status": row["http_status"],
            "findings": row["findings"],
            "campaign": row["campaign"],
            "state": row["state"] or "refused",
            **kin,
            "links": row["answer"].get("links", {}),
        }

    async def alert_bytes(self, public_id: str, authority: Authority) -> bytes | None:
        """The bytes as received."""
        async with self._store.tenant(authority.entity_id) as connection:
            return await alerts.alert_bytes(connection, public_id, authority.entity_id, authority.realm)

    async def page(self, authority: Authority, before: int, limit: int = PAGE) -> dict[str, Any]:
        """A page of campaigns, newest first; `next` is the cursor of the one after."""
        async with self._store.tenant(authority.entity_id) as connection:
            rows = await alerts.campaigns_of_entity(connection, authority.entity_id, before, limit, authority.realm)
        return {
            "campaigns": [
                {
                    "campaign": r["public_id"], "alert": r["alert"], "mode": r["mode"], "class": r["message_class"],
                    "state": r["state"], "closure": r["closure"], "created": r["created_at"].isoformat(),
                    "expires": r["expires_at"].isoformat(),
                }
                for r in rows
            ],
            "next": rows[-1]["id"] if len(rows) == limit else None,
        }  # fmt: skip

    async def progress(self, public_id: str, authority: Authority) -> dict[str, Any] | None:
        """The live counts of one campaign."""
        async with self._store.tenant(authority.entity_id) as connection:
            row = await alerts.campaign_by_public_id(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return None
            counted = await progress.count_rows(connection, [row["id"]])
            reached = await progress.milestones(connection, row["id"])
            given = await approvals.given(connection, row["id"]) if row["needs"] else []
        seen = reports.progress(
            campaign=public_id,
            state=row["state"],
            planned=row["planned"],
            created_at=row["created_at"],
            now=self._utcnow(),
            counts=[reports.CountsRow(**c) for c in counted],
            milestones=[reports.MilestoneRow(**m) for m in reached],
            first_submit_at=row["first_submit_at"],
        )
        links = {k: f"{self._public_url}/v1/campaigns/{public_id}/{k}" for k in ("events", "report", "deliveries")}
        more = {"alert": row["alert"], "mode": row["mode"], "class": row["message_class"], "closure": row["closure"]}
        if row["needs"]:
            more["approval"] = _approval(row, given)
        return seen.as_dict() | more | {"expires": row["expires_at"].isoformat(), "links": links}

    async def report(self, public_id: str, authority: Authority) -> Mapping[str, Any] | None:
        """The final report; while the campaign is open, what it would say now."""
        async with self._store.tenant(authority.entity_id) as connection:
            row = await alerts.campaign_by_public_id(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return None
            kept = await progress.report_body(connection, row["id"])
            body = kept["body"] if kept else await report_of(connection, row["id"])
            return await with_addendum(connection, row["id"], body)

    async def deliveries(self, public_id: str, authority: Authority, after: int, limit: int) -> dict[str, Any] | None:
        """A page of deliveries in their order."""
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await alerts.campaign_by_public_id(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return None
            rows = await alerts.deliveries_page(connection, row["id"], after, limit)
            shown = _shows_contacts(authority)
            if shown and authority.person_id is not None:
                about = f"campaign:{public_id}"
                await audit.write(connection, authority.entity_id, "contacts.seen", about, {"count": len(rows)})
        return {
            "deliveries": [_delivery(r, shown=shown) for r in rows],
            "next": rows[-1]["seq"] if len(rows) == limit else None,
        }

    async def act(self, act: str, public_id: str, authority: Authority) -> Answer:
        """Approve, pause, resume or stop; what the campaign's state does not allow is refused with the state."""
        if act == "approve":
            return await self.agreeing.approve(public_id, authority)
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            row = await alerts.campaign_by_public_id(connection, public_id, authority.entity_id, authority.realm)
            if row is None:
                return problem(404, "not-found", "Nothing of yours has this name.")
            refusal = _may(act, row, authority)
            if refusal is not None:
                return problem(refusal.status, refusal.reason, refusal.message)
            becomes = await _ACTS[act](connection, row["id"], row["entity_id"], authority.holder)
            if becomes is None:
                state = (await alerts.lock_state(connection, row["id"])).value
                return problem(409, "wrong-state", f"A campaign that is {state} can not {act}.", state=state)
            await connection.execute("SELECT pg_notify('gateway', $1)", str(row["id"]))
        self._changed()
        return Answer(status=200, body={"campaign": public_id, "state": becomes.value})


def _may(act: str, row: Any, authority: Authority) -> Refusal | None:
    """Who does not only watch may hold back what is sent; to let it go on takes the right to send it."""
    if act in ("pause", "stop"):
        return may_hold_back(authority)
    channels = [ChannelName(name) for name in row["channels"]]
    own = {place for place, _, _ in authority.within} if row["author"] == authority.holder else ()
    return may_act(authority) or may_send(
        authority, MessageClass(row["message_class"]), channels, by_place=False, partnerships=own
    )


_ACTS: Mapping[str, Act] = {"pause": lineage.pause, "resume": lineage.resume, "stop": lineage.stop}


def _approval(row: Any, given: Sequence[Any]) -> dict[str, Any]:
    """What the campaign waits for or waited for, and what an approver agrees to."""
    return {
        "author": row["author"],
        "needs": row["needs"],
        "given": [{"need": g["need"], "by": g["approver"], "at": g["at"].isoformat()} for g in given],
        "seal": row["seal"].hex() if row["seal"] else None,
        "messages": row["sealed_messages"],
    }


def _shows_contacts(authority: Authority) -> bool:
    """To see whom something was sent to is the right to view contacts, all of the entity's; machines of the entity have
    given the contacts themselves."""
    if authority.person_id is None:
        return True
    reach = may_see(authority)
    return isinstance(reach, Reach) and reach.partnerships is None


def _delivery(row: Any, *, shown: bool) -> dict[str, Any]:
    return {
        "seq": row["seq"],
        "channel": registry.CHANNELS[row["channel"]].value,
        # only what is known to be the entity's own contact is shown: an erased citizen is masked, too
        "to": row["address"] if shown and row["registered"] is False else masked(row["address"]),
        "language": row["language"],
        "state": DeliveryState(row["state"]).name.lower(),
        "attempts": row["attempt"],
        "possible_duplicate": bool(row["flags"] & 1),
        "escalated": bool(row["flags"] & 16),
        "code": row["code"],
        "detail": row["detail"],
        "submitted": row["submitted_at"].isoformat() if row["submitted_at"] else None,
        "done": row["done_at"].isoformat() if row["done_at"] else None,
    }


def masked(address: str) -> str:
    """An address that shows no person: +32470***** or a***@*** (registered citizens belong to the platform)."""
    if "@" in address:
        return f"{address[0]}***@***"
    return address[:6] + "*" * max(0, len(address) - 6)
