"""Rules about resources: what a file is called, where it is, and whether its content agrees with what is said of it.

Knows: base64, SHA-1 and sizes of what lies in the alert. Never knows: the network; nothing is fetched.
Standard: CAP 1.2 §3.2.3; RFC 2045 §6.8; RFC 2046; FIPS 180-2 (rules S20, S24-S28).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from gateway.cap import uri
from gateway.cap.draft import Block, Draft
from gateway.cap.findings import quoted
from gateway.cap.rules_message import Context, Mark

_MIME_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"(?:\s*;\s*[A-Za-z0-9!#$&^_.+-]+=(?:[^\s;\"]+|\"[^\"]*\"))*\s*",
    re.ASCII,
)
_SHA1 = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_BLANKS = re.compile(r"\s+")


def _resources(draft: Draft) -> Iterator[Block]:
    for info in draft.infos:
        yield from info.resources


def description_and_type_are_given(draft: Draft, _: Context) -> Iterator[Mark]:
    """S20."""
    for resource in _resources(draft):
        for name in ("resourceDesc", "mimeType"):
            leaf = resource.leaf(name)
            if leaf and not leaf.value and (name == "resourceDesc" or draft.version == "1.2"):
                yield leaf, f"{name} is blank; say what the file is, such as {_EXAMPLES[name]}"


_EXAMPLES = {"resourceDesc": "map of the area", "mimeType": "image/png"}


def address_is_absolute(draft: Draft, _: Context) -> Iterator[Mark]:
    """S24: relative only to name content that the alert itself carries."""
    for resource in _resources(draft):
        leaf = resource.leaf("uri")
        if leaf and leaf.value and not resource.text("derefUri") and (problem := uri.problem(leaf.value)):
            yield leaf, f"uri {problem}"


def address_can_be_opened(draft: Draft, _: Context) -> Iterator[Mark]:
    """S24: other schemes are not passed on as links."""
    for resource in _resources(draft):
        text, leaf = resource.text("uri"), resource.leaf("uri")
        if leaf and text and not uri.problem(text) and not uri.is_web(text):
            yield leaf, f"uri {quoted(text)} is no http or https address; it is not shown as a link"


def content_is_somewhere(draft: Draft, _: Context) -> Iterator[Mark]:
    """S24: a resource with neither address nor content gives nobody anything."""
    for resource in _resources(draft):
        if not resource.text("uri") and not resource.text("derefUri"):
            yield resource, "the resource has neither uri nor derefUri; say where it is, or leave it out"


def content_is_base64(draft: Draft, context: Context) -> Iterator[Mark]:
    """S25."""
    for resource in _resources(draft):
        leaf = resource.leaf("derefUri")
        if leaf and leaf.value and content_of(leaf.text, most_bytes=context.resource_bytes) is None:
            yield leaf, "derefUri is not base64, or too long; encode the file itself, without data: before it"


def content_is_taken_out(draft: Draft, _: Context) -> Iterator[Mark]:
    """S25: whoever forwards to a two-way network strips the content."""
    for resource in _resources(draft):
        leaf = resource.leaf("derefUri")
        if leaf and leaf.value:
            yield leaf, "the file inside the alert is kept and is taken out of what is published; better give a uri"


def digest_is_a_sha1(draft: Draft, _: Context) -> Iterator[Mark]:
    """S26."""
    for resource in _resources(draft):
        leaf = resource.leaf("digest")
        if leaf and leaf.value and not _SHA1.fullmatch(leaf.value):
            yield leaf, f"digest {quoted(leaf.value)} is no SHA-1; write the 40 hexadecimal digits of the file's SHA-1"


def digest_is_of_the_content(draft: Draft, context: Context) -> Iterator[Mark]:
    """S26, where the content is at hand."""
    for resource in _resources(draft):
        leaf, said = resource.leaf("digest"), resource.text("digest")
        content = _carried(resource, context)
        if leaf is None or content is None or not _SHA1.fullmatch(said):
            continue
        is_so = hashlib.sha1(content, usedforsecurity=False).hexdigest()  # FIPS 180-2, the only one CAP knows
        if is_so != said.lower():
            yield leaf, f"digest is not that of the file in derefUri, which is {is_so}; one of them was changed"


def size_is_not_negative(draft: Draft, _: Context) -> Iterator[Mark]:
    """S27."""
    for resource in _resources(draft):
        leaf = resource.leaf("size")
        if leaf and _WHOLE.fullmatch(leaf.value) and int(leaf.value) < 0:
            yield leaf, f"size {quoted(leaf.value)} is negative; give the file's length in bytes"


def size_is_that_of_the_content(draft: Draft, context: Context) -> Iterator[Mark]:
    """S27, the lesser part."""
    for resource in _resources(draft):
        leaf, content = resource.leaf("size"), _carried(resource, context)
        if leaf and content is not None and _WHOLE.fullmatch(leaf.value) and int(leaf.value) not in (len(content), -1):
            yield leaf, f"size is {leaf.value} and the file in derefUri has {len(content)} bytes"


def type_is_a_media_type(draft: Draft, _: Context) -> Iterator[Mark]:
    """S28."""
    for resource in _resources(draft):
        leaf = resource.leaf("mimeType")
        if leaf and leaf.value and not _MIME_TYPE.fullmatch(leaf.value):
            yield leaf, f"mimeType {quoted(leaf.value)} is not type/subtype; write for example image/png"


def _carried(resource: Block, context: Context) -> bytes | None:
    leaf = resource.leaf("derefUri")
    return content_of(leaf.text, most_bytes=context.resource_bytes) if leaf and leaf.value else None


def content_of(text: str, *, most_bytes: int) -> bytes | None:
    """The file in a derefUri; None when the text is not base64 or the file larger than allowed."""
    # RFC 2045 §6.8: line breaks are no part of the data
    packed = _BLANKS.sub("", text)
    if len(packed) * 3 // 4 > most_bytes + 2:
        return None
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None
