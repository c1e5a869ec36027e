"""Launching: a template becomes a CAP alert and takes the way of every posted one, in one call; what it showed is kept.

Knows: the order: fill, warn, keep the preview, hand to the intake. Never knows: HTTP, rights: the intake judges.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.cap.write import write
from gateway.flows.answers import Answer, problem
from gateway.flows.intake import Intake
from gateway.model import ChannelName
from gateway.policy.rights import Authority
from gateway.policy.template import (
    Launch,
    Template,
    Warned,
    alert_of,
    places,
    template_of,
    unclear,
    warnings,
)  # fmt: skip
from gateway.store import audit, entities, templates
from gateway.store.pool import Store

LEAST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the launcher asks for: words for the places, warnings that are waived, and why; `declares`: the
    wording about its use."""

    values: Mapping[str, str] = field(default_factory=dict)
    exercise: bool = False
    declares: int | None = None
    waive: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A template filled: the document, what it would say, what is wrong with it."""

    template: int
    version: int
    document: bytes
    warned: Sequence[Warned]
    preview: Mapping[str, Any]
    refused: Answer | None = None


class Launching:
    """Previews and launches; `sender_domain` is for entities that registered no CAP sender."""

    def __init__(self, store: Store, intake: Intake, *, sender_domain: str, utcnow: Callable[[], datetime]) -> None:
        self._store = store
        self._intake = intake
        self._domain = sender_domain
        self._utcnow = utcnow

    async def preview(self, slug: str, authority: Authority, wish: Wish) -> Answer:
        """What a launch would say, with its warnings; nothing is kept, nothing sent."""
        made = await self._made(slug, authority, wish)
        if made is None:
            return _none()
        return made.refused or Answer(status=200, body=made.preview)

    async def launch(self, slug: str, authority: Authority, wish: Wish) -> Answer:
        """The answer of the intake, after the preview was kept; 409 while warnings stand that hold it back."""
        made = await self._made(slug, authority, wish)
        if made is None:
            return _none()
        held = [one for one in made.warned if one.waivable is False or (one.waivable and one.id not in wish.waive)]
        if held:
            return problem(
                409, "template-warnings", "The template can not go like this: fill its places; what may be waived is "
                "waived by its id, with a reason.", warnings=[one._asdict() for one in held],
            )  # fmt: skip
        waived = sorted({one.id for one in made.warned if one.waivable})
        if waived and len(wish.reason.strip()) < LEAST_REASON:
            return problem(422, "no-reason", "Say in a sentence why the warning is waived: it is written down.")
        launch = await self._kept(authority, made, waived, wish.reason.strip(), slug)
        answer = await self._intake.accept(made.document, authority, f"template:{slug}/{made.version}")
        if "alert" not in answer.body:
            return answer
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            await templates.note_launch(connection, launch, str(answer.body["alert"]))
        more = {"template": slug, "version": made.version, "launch": launch, "warnings": made.preview["warnings"]}
        return Answer(status=answer.status, body={**answer.body, **more})

    async def _kept(self, authority: Authority, made: Made, waived: Sequence[str], reason: str, slug: str) -> int:
        async with self._store.tenant(authority.entity_id, authority.holder) as connection:
            number = await templates.put_launch(
                connection, authority.entity_id, made.template, preview=made.preview, document=made.document,
                waived=waived, reason=reason if waived else "", launched_by=authority.holder,
            )  # fmt: skip
            if waived:
                detail = {"waived": list(waived), "launch": number}
                await audit.write(connection, authority.entity_id, "template.waived", f"template:{slug}", detail)
        return number

    async def _made(self, slug: str, authority: Authority, wish: Wish) -> Made | None:
        async with self._store.tenant(authority.entity_id) as connection:
            row = await templates.find(connection, authority.entity_id, slug)
            own = await entities.show(connection, authority.slug)
        if row is None:
            return None
        template, now = template_of(row["body"]), self._utcnow()
        launch = Launch(
            sender=next(iter(authority.identity.senders), f"{authority.slug}@{self._domain}"), name=authority.name,
            identifier=f"{authority.slug}-{slug}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now=now,
            exercise=wish.exercise, declares=wish.declares, values=wish.values,
        )  # fmt: skip
        warned = warnings(template, wish.values, authority.languages, own["policy"].get("listed", ()))
        return await self._seen(row, template, launch, warned, authority)

    async def _seen(
        self, row: Any, template: Template, launch: Launch, warned: list[Warned], authority: Authority
    ) -> Made:
        """With what the intake would make of it: its texts, its findings, or its refusal."""
        alert = alert_of(template, launch)
        document = write(alert)
        seen = await self._intake.outlook(document, authority)
        texts: list[dict[str, Any]] = []
        if not isinstance(seen, Answer):
            infos = dict(zip(template.texts, alert.info, strict=True))
            for text in seen.texts:
                texts.append({"channel": text.channel.value, "language": text.language, "text": text.body})
                info = next((one for tag, one in infos.items() if tag.partition("-")[0].lower() == text.language), None)
                if text.channel is ChannelName.SMS and info is not None and (owed := unclear(text.body, info)):
                    message = f"the first 160 characters do not say {', '.join(owed)}"
                    warned.append(Warned("unclear", f"texts/{text.language}/sms", message))
        preview = {
            "template": row["slug"], "version": row["version"], "places": places(template), "texts": texts,
            "warnings": [one._asdict() for one in warned], "cap": document.decode(),
        }  # fmt: skip
        refused = seen if isinstance(seen, Answer) else None
        return Made(
            template=row["id"], version=row["version"], document=document, warned=warned, preview=preview,
            refused=refused,
        )  # fmt: skip


def _none() -> Answer:
    return problem(404, "not-found", "Nothing of yours has this name.")
