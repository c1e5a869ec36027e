"""What mail systems and people say later of a mail that was sent: bounced, delayed, arrived, complained, unsubscribed.

Knows: delivery status notifications, feedback reports, addresses with a tag, header fields that come back.
Never knows: which delivery a tag names, whether a tag is genuine, what follows from it.
Standard: RFC 3464 (delivery status), RFC 3461 §4.4 (ENVID), RFC 6522 (reports), RFC 5965 (complaints), RFC 3834.

A mail is told apart by its form, never by its words, which come in every language.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from gateway.mailbox import mime
from gateway.mailbox.mime import Entity, Limits, Part, Unreadable

TAG_FIELD = b"x-alert-delivery"
"""Our own header field; it comes back with the returned header when the address was rewritten on the way."""

_RECIPIENT_FIELDS = (b"delivered-to", b"x-original-to", b"envelope-to", b"x-envelope-to", b"to", b"cc")
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")  # RFC 3463 §2
_TAG = re.compile(r"[A-Za-z0-9.]{1,60}")
_HEX = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461 §4
_REPORT_BYTES = 65_536
_MOST_TAGS = 8
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\s*", re.IGNORECASE)


class Said(StrEnum):
    """What one notification says."""

    BOUNCED = "bounced"
    DELAYED = "delayed"
    ARRIVED = "arrived"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


ACTIONS = {
    "failed": Said.BOUNCED,
    "delayed": Said.DELAYED,
    "delivered": Said.ARRIVED,
    "relayed": Said.ARRIVED,
    "expanded": Said.ARRIVED,
}
"""RFC 3464 §2.3.3."""

_GRAVEST = (Said.BOUNCED, Said.DELAYED, Said.ARRIVED)


class Notification(NamedTuple):
    """What is said, the tags that may name the delivery (the surest first), the enhanced status code or ''."""

    said: Said
    tags: tuple[str, ...]
    status: str = ""


def read_notification(raw: bytes, envelope_address: str, limits: Limits) -> Notification | Unreadable:
    """What this mail says; Unreadable with the reason when it says nothing of a delivery."""
    entity = mime.read_entity(raw, 0, len(raw), limits)
    if isinstance(entity, Unreadable):
        return entity
    parts = mime.leaves(raw, entity, limits)
    if isinstance(parts, Unreadable):
        return parts
    said, status, envids = _verdict(raw, entity, parts)
    if said is None:
        return Unreadable("neither a delivery status, nor a complaint, nor an unsubscription")
    tags = [*_verp_tags(entity, envelope_address), *envids, *_returned_tags(raw, parts, envelope_address, limits)]
    if not tags:
        return Unreadable("nothing in it names a mail of ours")
    return Notification(said, tuple(dict.fromkeys(tags))[:_MOST_TAGS], status)


def _verdict(raw: bytes, entity: Entity, parts: list[Part]) -> tuple[Said | None, str, list[str]]:
    """What is said, with which status, and the envelope ids that a report repeats."""
    for part in parts:
        if part.kind in ("message/delivery-status", "message/global-delivery-status"):
            return _delivery_status(_groups(raw, part))
        if part.kind == "message/feedback-report":
            return _complaint(_groups(raw, part))
    if _is_unsubscription(entity):
        return Said.UNSUBSCRIBED, "", []
    return None, "", []


def _delivery_status(groups: list[dict[bytes, str]]) -> tuple[Said | None, str, list[str]]:
    """The gravest of what is said of the recipients; the first group is about the mail as a whole.  # RFC 3464 §2.1"""
    found: dict[Said, str] = {}
    for group in groups[1:]:
        said = ACTIONS.get(group.get(b"action", "").strip().lower())
        if said is not None:
            status = _STATUS.search(group.get(b"status", ""))
            found.setdefault(said, status[0] if status else "")
    said = next((one for one in _GRAVEST if one in found), None)
    envid = groups[0].get(b"original-envelope-id", "") if groups else ""  # RFC 3464 §2.2.1
    tag = _HEX.sub(lambda match: chr(int(match[1], 16)), envid.strip())
    return said, found.get(said, "") if said else "", [tag] if _TAG.fullmatch(tag) else []


def _complaint(groups: list[dict[bytes, str]]) -> tuple[Said | None, str, list[str]]:
    """A person said "this is spam"; other feedback (authentication, not-spam) is none of it.  # RFC 5965 §7.3"""
    kinds = {group.get(b"feedback-type", "").strip().lower() for group in groups}
    return (Said.COMPLAINED if "abuse" in kinds else None), "", []


def _is_unsubscription(entity: Entity) -> bool:
    """A person's mail with the one word as its subject, as List-Unsubscribe's mailto asks for it."""
    by_machine = entity.value(b"auto-submitted").partition(";")[0].strip().lower() not in ("", "no")  # RFC 3834 §5
    return not by_machine and _UNSUBSCRIBE.fullmatch(entity.value(b"subject")[:200]) is not None


def _groups(raw: bytes, part: Part) -> list[dict[bytes, str]]:
    """Groups of fields with empty lines between; the first value of each field counts.  # RFC 3464 §2.1"""
    text = mime.decode(raw, part, _REPORT_BYTES) or mime.head(raw, part, _REPORT_BYTES)
    groups: list[dict[bytes, str]] = []
    for block in re.split(rb"(?:\r?\n){2,}", text.strip(b"\r\n"))[:200]:
        lines = re.sub(rb"\r?\n[ \t]+", b" ", block).splitlines()
        fields = (line.partition(b":") for line in lines)
        group: dict[bytes, str] = {}
        for name, colon, value in fields:
            if colon:
                group.setdefault(name.strip().lower(), value.decode("utf-8", "replace").strip())
        groups.append(group)
    return groups


def _verp_tags(entity: Entity, envelope_address: str) -> Iterator[str]:
    """Tags of the addresses that this mail went to: it was sent to the envelope sender of ours."""
    for name in _RECIPIENT_FIELDS:
        for value in entity.values(name):
            yield from tags_in(value, envelope_address)


def _returned_tags(raw: bytes, parts: list[Part], envelope_address: str, limits: Limits) -> Iterator[str]:
    """Tags in the header of the mail that comes back with the report."""
    for part in parts:
        if part.kind not in _RETURNED:
            continue
        text = mime.head(raw, part, _REPORT_BYTES).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        header = mime.read_entity(text, 0, len(text), limits)
        if isinstance(header, Unreadable):
            continue
        yield from (tag for tag in header.values(TAG_FIELD) if _TAG.fullmatch(tag))
        for value in header.values(b"return-path"):
            yield from tags_in(value, envelope_address)


def tags_in(value: str, envelope_address: str) -> list[str]:
    """The tags of all addresses local+TAG@domain in a header field's value."""
    local, _, domain = envelope_address.rpartition("@")
    form = re.compile(
        rf"(?<![\w.+-]){re.escape(local)}\+([A-Za-z0-9.]{{1,60}})@{re.escape(domain)}(?![\w.-])", re.IGNORECASE
    )
    return form.findall(value[:10_000])
