"""Seeded spoiling of alerts: of their bytes, and of their trees."""

import random

from lxml import etree

TEXTS = (
    "",
    " ",
    "Actual",
    "Public",
    "2026-03-01T10:00:00Z",
    "9999-12-31T24:00:00-14:00",
    "51,4 52,4 51,5 51,4",
    "51,4 0",
    "-0",
    "1e400",
    "NaN",
    '"',
    "a,b,2026-01-01T00:00:00+00:00",
    "a,b,c d",
    "&lt;",
    "\u202e\u0085é",
    "x" * 5000,
    "https://x",
)
NAMES = ("info", "area", "polygon", "circle", "headline", "geocode", "status", "value", "Signature", "priority")


def mutate_bytes(raw: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, cut, doubled or moved."""
    spoiled = bytearray(raw)
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(spoiled) + 1), chance.choice((1, 1, 2, 8, 40))
        piece = bytes(spoiled[at : at + length])
        match chance.randrange(5):
            case 0:
                spoiled[at : at + length] = chance.randbytes(length)
            case 1:
                del spoiled[at : at + length]
            case 2:
                spoiled[at:at] = piece * chance.choice((1, 2, 50))
            case 3:
                spoiled[at:at] = chance.choice((b"<", b">", b"&", b"]]>", b"<!--", b"\x00", b"\xff\xfe", b"<a/>", b'"'))
            case _:
                elsewhere = chance.randrange(len(spoiled) + 1)
                spoiled[elsewhere:elsewhere] = piece
    return bytes(spoiled)


def mutate_tree(root: etree._Element, chance: random.Random) -> None:
    """Change a few elements: text, name, place, number, attributes."""
    for _ in range(chance.randint(1, 3)):
        elements = list(root.iter(etree.Element))
        element = chance.choice(elements)
        parent = element.getparent()
        match chance.randrange(7):
            case 0 | 1:
                if len(element) == 0:
                    element.text = chance.choice(TEXTS)
            case 2:
                if parent is not None:
                    parent.remove(element)
            case 3:
                if parent is not None:
                    parent.insert(chance.randrange(len(parent) + 1), element)
            case 4:
                namespace = etree.QName(root).namespace
                element.insert(0, etree.Element(f"{{{namespace}}}{chance.choice(NAMES)}"))
            case 5:
                element.set("a", "1")
            case _:
                if parent is not None:
                    element.tag = f"{{{chance.choice(('u:x', etree.QName(root).namespace))}}}{chance.choice(NAMES)}"
