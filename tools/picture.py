"""Draws the text of a terminal as an SVG picture: `gateway demo --once | python -m tools.picture > docs/demo.svg`.

Knows: lines of text. Never knows: what they mean.
"""

import sys
from collections.abc import Iterable
from xml.sax.saxutils import escape

LINE_PX, CHARACTER_PX, MARGIN_PX = 17, 7.8, 14
MOST_LINES = 44


def picture(lines: Iterable[str]) -> str:
    """An SVG of these lines, light on dark, with a description for those who do not see it."""
    shown = [line.rstrip("\n") for line in lines][:MOST_LINES]
    width = int(2 * MARGIN_PX + CHARACTER_PX * max(map(len, shown), default=0))
    height = 2 * MARGIN_PX + LINE_PX * len(shown)
    rows = "\n".join(
        f'<text x="{MARGIN_PX}" y="{MARGIN_PX + LINE_PX * (i + 0.75):g}" xml:space="preserve">{escape(line)}</text>'
        for i, line in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-label="The terminal demo: an alert is accepted, sent and reported">\n'
        '<rect width="100%" height="100%" rx="8" fill="#14191f"/>\n'
        f'<g font-family="monospace" font-size="13" fill="#d6e2ee">\n{rows}\n</g>\n</svg>\n'
    )


def main() -> None:
    """From standard input to standard output."""
    sys.stdout.write(picture(sys.stdin))


if __name__ == "__main__":
    main()
