"""Documents as digests see them: what is read of an alert, and what a signer can have had before him.

Knows: canonical forms, where signatures stand. Never knows: keys, whether a signature is right.
Standard: Canonical XML 1.0, Exclusive Canonical XML 1.0; XML Signature 1.1 §4.4.3 and §6.6.4.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain

from lxml import etree

from gateway.cap import xmltext
from gateway.cap.signature_form import SIGNATURE, Canonical


def whole_tree(text: str) -> etree._Element:
    """The tree with comments and instructions, of a text that was parsed without them before and found harmless."""
    return etree.fromstring(text.encode(), xmltext.strict_parser(comments=True, instructions=True))


def content_of(root: etree._Element) -> bytes:
    """The alert without its signatures, comments and instructions, in exclusive canonical form. Changes `root`."""
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    _remove(root.findall(SIGNATURE))
    return etree.tostring(root, method="c14n", exclusive=True, with_comments=False)


def content_of_signed(data: bytes) -> bytes:
    """The same of bytes that were signed."""
    return content_of(etree.fromstring(data, xmltext.strict_parser(instructions=True)))


def canonical_bytes(root: etree._Element, canonical: Canonical) -> bytes:
    """The document of this root, with what stands outside it, as a reference asks for it."""
    return etree.tostring(
        root.getroottree(),
        method="c14n",
        exclusive=canonical.exclusive,
        with_comments=False,
        inclusive_ns_prefixes=list(canonical.prefixes) or None,
    )


def with_one_signature(tree: etree._Element, element: etree._Element) -> etree._Element:
    """A copy of the tree with one signature and no comment, for URI="" leaves them out, and no text behind it."""
    # XMLDSig 1.1 §4.4.3.3
    own = tree.findall(SIGNATURE).index(element)
    copy = deepcopy(tree)
    etree.strip_tags(copy, etree.Comment)
    signatures = copy.findall(SIGNATURE)
    _remove([one for number, one in enumerate(signatures) if number != own])
    _move_tail(signatures[own])  # signxml can not read a signature with text behind it
    return copy


def views(tree: etree._Element, element: etree._Element) -> Iterator[etree._Element]:
    """The documents, with what stands outside the root, that a signer can have signed: each a copy."""
    signatures = tree.findall(SIGNATURE)
    own = signatures.index(element)
    before, after = frozenset(range(own)), frozenset(range(own + 1, len(signatures)))
    has_outside = next(chain(tree.itersiblings(), tree.itersiblings(preceding=True)), None) is not None
    for kept in sorted({frozenset[int](), before, after, before | after}, key=len):
        for outside in (True, False) if has_outside else (False,):
            if kept or outside:
                yield _view(tree, kept, outside=outside)


def _view(tree: etree._Element, kept: frozenset[int], *, outside: bool) -> etree._Element:
    root = deepcopy(tree.getroottree()).getroot()
    if not outside:
        _strip_outside(root)
    _remove([one for number, one in enumerate(root.findall(SIGNATURE)) if number not in kept])
    return root


def _strip_outside(root: etree._Element) -> None:
    for sibling in list(chain(root.itersiblings(), root.itersiblings(preceding=True))):
        # lxml gives no way to remove a sibling of the root but to move it elsewhere
        etree.Element("elsewhere").append(sibling)


def _remove(elements: list[etree._Element]) -> None:
    """Take the elements out of their parent; the text behind them stays where it is."""
    for element in elements:
        _move_tail(element)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)


def _move_tail(element: etree._Element) -> None:
    """Put the text behind the element before it. Without the element it is the same text."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    element.tail = None
    if before is not None:
        before.tail = (before.tail or "") + tail
    elif parent is not None:
        parent.text = (parent.text or "") + tail
