"""Small questions that everybody asks of an element: its name, its namespace, its line, its path.

Knows: lxml's elements. Never knows: which of them are right. Paths number the elements that may repeat.
"""

from typing import cast

from lxml import etree

from gateway.cap.vocabulary import REPEATED

_LONGEST_NAME = 60


def local_name(element: etree._Element) -> str:
    """The element's name without its namespace."""
    tag = str(element.tag)
    return tag[tag.rfind("}") + 1 :]


def namespace_of(element: etree._Element) -> str:
    """The element's namespace, "" when it has none."""
    # not by etree.QName: it fails on names that a forgiving parser lets through
    tag = str(element.tag)
    return tag[1 : tag.rfind("}")] if tag.startswith("{") else ""


def line_of(element: etree._Element) -> int | None:
    """The line of the element's start tag; None for an element that was not read from a document."""
    return cast("int | None", element.sourceline)


def path_of(element: etree._Element) -> str:
    """Such as alert/info[2]/area[1]/polygon[1]."""
    steps = []
    at: etree._Element | None = element
    while at is not None:
        name = local_name(at)[:_LONGEST_NAME]
        if name in REPEATED:
            name += f"[{1 + sum(1 for _ in at.itersiblings(at.tag, preceding=True))}]"
        steps.append(name)
        at = at.getparent()
    return "/".join(reversed(steps))
