"""Deliveries into mails: one envelope each, every text rendered once, VERP tags that name the delivery.

Knows: sender identity, tags, which header fields an alert carries.
Never knows: sockets, relays, outcomes. Used by the e-mail channel; tags are read again where bounces come in.
Implements VERP (a tag in the envelope sender) and RFC 3834 §5, RFC 8058 §3.1 as header fields.
"""

import hmac
import re
from base64 import b32encode
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import blake2b, sha256
from typing import NamedTuple

from gateway.model import Delivery, MessageClass, Text
from gateway.smtp.envelope import Envelope
from gateway.smtp.message import Attachment, Content, Inline, Template, field_line, parse_address, render, url_field
from gateway.smtp.signing import Form, form_of

_PAGES = 64  # texts kept rendered: languages times the campaigns that are sent at the same time
_TAG = re.compile(r"([0-9]{1,19})\.([0-9]{1,19})(?:\.([a-z2-7]{8}))?")
_CONTENT_ID = re.compile(r'<img src="cid:([0-9a-f]{32}@map\.invalid)"')
_REFERENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")


class Tag:
    """Names a delivery in a bounce address, an ENVID or an unsubscribe link; with a secret nobody else can make one."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]

    def make(self, campaign: int, seq: int) -> str:
        """`campaign.seq` or `campaign.seq.mac`; letters in lower case, as relays may change their case."""
        plain = f"{campaign}.{seq}"
        return f"{plain}.{self._mac(plain)}" if self._secret else plain

    def read(self, tag: str) -> tuple[int, int] | None:
        """(campaign, seq), or None when the tag is not ours."""
        match = _TAG.fullmatch(tag.lower())
        if match is None:
            return None
        mac = self._mac(f"{match[1]}.{match[2]}") if self._secret else ""
        if not hmac.compare_digest(match[3] or "", mac):
            return None
        return int(match[1]), int(match[2])

    def _mac(self, plain: str) -> str:
        digest = blake2b(plain.encode("ascii"), key=self._secret, digest_size=5).digest()
        return b32encode(digest).decode("ascii").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a mail comes from; `envelope_address` gets a tag behind a plus, `unsubscribe_url` holds {tag} or is empty."""

    from_address: str
    from_name: str
    envelope_address: str
    message_id_domain: str
    secret: bytes = field(default=b"", repr=False)
    unsubscribe_url: str = ""


class _Page(NamedTuple):
    """One text, rendered; `message_id` and `extra` (holds the tag `tags` times) lack what differs per person."""

    template: Template
    message_id: bytes
    extra: bytes
    tags: int


class Writer:
    """Makes envelopes; each recipient costs a few formatted bytes."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._tag = Tag(identity.secret)
        local, _, domain = identity.envelope_address.rpartition("@")
        self._sender = local.encode("ascii").replace(b"%", b"%%") + b"+%b@" + domain.encode("ascii")
        self._pages: OrderedDict[tuple[int, int], _Page] = OrderedDict()
        self._forms: OrderedDict[tuple[int, int], Form] = OrderedDict()
        self._date_s = -1
        self._date = b""

    def envelope(self, delivery: Delivery, now_s: int) -> Envelope[Delivery] | None:
        """The mail for this delivery; None when its address can not be written to. `now_s`: seconds since 1970."""
        address = parse_address(delivery.address)
        if address is None:
            return None
        text = delivery.text
        page = self._pages.get((text.campaign, text.key)) or self._render(text)
        tag = self._tag.make(text.campaign, delivery.seq).encode("ascii")
        content = page.template.fill(
            to=address.wire,
            message_id=page.message_id % delivery.seq,
            date=self._date_at(now_s),
            extra=page.extra % ((tag,) * page.tags),
        )
        return Envelope(delivery, self._sender % tag, (address.wire,), content, address.utf8, tag)

    def form(self, text: Text) -> Form:
        """What the signatures of all mails of this text share."""
        key = text.campaign, text.key
        form = self._forms.get(key)
        if form is None:
            page = self._pages.get(key) or self._render(text)
            self._forms[key] = form = form_of(page.template.shared())
            if len(self._forms) > _PAGES:
                self._forms.popitem(last=False)
        return form

    def _render(self, text: Text) -> _Page:
        attachment = None
        if text.attachment is not None:
            attachment = Attachment(kind="application/cap+xml", name="alert.xml", data=text.attachment)
        template = render(
            Content(
                sender=self._identity.from_address,
                sender_name=self._identity.from_name,
                subject=text.subject,
                text=text.body,
                html=text.html,
                language=text.language,
                inline=_picture(text),
                attachment=attachment,
                fields=(("Auto-Submitted", "auto-generated"), ("X-Alert-Mode", text.mode.value)),  # RFC 3834 §5
            )
        )
        extra = b"X-Alert-Delivery: %b\r\n" + self._unsubscribe(text)
        page = _Page(template, self._message_id(text), extra, extra.count(b"%b"))
        self._pages[text.campaign, text.key] = page
        if len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        return page

    def _message_id(self, text: Text) -> bytes:
        """The same for every attempt, so that receivers can drop duplicates: reference.seq@domain."""
        reference = text.reference
        if not _REFERENCE.fullmatch(reference):
            reference = sha256(reference.encode("utf-8", "replace")).hexdigest()[:32]
        return f"{reference}.{text.key}.%d@{self._identity.message_id_domain}".encode("ascii")

    def _unsubscribe(self, text: Text) -> bytes:
        """One-click unsubscribe, never for urgent messages.  # RFC 8058 §3.1"""
        url = self._identity.unsubscribe_url
        if not url or text.message_class is MessageClass.URGENT:
            return b""
        line = url_field("List-Unsubscribe", url.replace("{tag}", "TAG")).replace(b"%", b"%%").replace(b"TAG", b"%b")
        return line + field_line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")

    def _date_at(self, now_s: int) -> bytes:
        """RFC 5322 §3.3, made once a second."""
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = format_datetime(datetime.fromtimestamp(now_s, UTC)).encode("ascii")
        return self._date


def _picture(text: Text) -> Inline | None:
    """The map, under the name that the page has for it."""
    named = _CONTENT_ID.search(text.html) if text.picture else None
    return Inline(kind="image/png", content_id=named[1], data=text.picture) if named else None
