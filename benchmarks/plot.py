"""Draws the lines of compare_kannel.sh or compare_smtp.sh as SVG: messages a second, CPU per 1000 of every process.

usage: plot.py compare.jsonl picture.svg     Bars are the middle run of each, thin lines the slowest and the fastest.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

WIDTH, LEFT, BAR, GAP = 720, 110, 26, 16
SPAN = WIDTH - LEFT - 150
COLOURS = {
    "gateway": "#1f6f8b", "postgres": "#99a8b2", "bearerbox": "#1f6f8b", "smsbox": "#99a8b2", "sink": "#e0c097",
    "aiosmtplib": "#1f6f8b", "smtp-source": "#1f6f8b", "stunnel": "#c9d6df",
}  # fmt: skip
FIRST = ("gateway", "kannel")


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 13) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def box(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{BAR}" fill="{colour}"/>'


def rates(runs: Mapping[str, Sequence[Mapping[str, Any]]], top: float) -> Iterator[str]:
    """One bar a program."""
    yield text(0, top, "Messages a second, from the first to the last durable answer", size=15)
    most = max(run["rate_per_s"] for found in runs.values() for run in found)
    for row, (what, found) in enumerate(runs.items()):
        y = top + 14 + row * (BAR + GAP)
        values = sorted(run["rate_per_s"] for run in found)
        middle = median(values)
        low, high = (LEFT + SPAN * value / most for value in (values[0], values[-1]))
        yield text(LEFT - 8, y + 18, what, "end")
        yield box(LEFT, y, SPAN * middle / most, COLOURS["gateway"])
        yield f'<path d="M{low:.1f} {y + BAR / 2}H{high:.1f}" stroke="#222"/>'
        yield text(high + 8, y + 18, f"{middle:,.0f}")


def costs(runs: Mapping[str, Sequence[Mapping[str, Any]]], top: float) -> Iterator[str]:
    """One bar a program, a piece of it for each process."""
    yield text(0, top, "CPU milliseconds for 1,000 messages, by process", size=15)
    middle = {what: _middle([run["cpu_ms_per_1000"] for run in found]) for what, found in runs.items()}
    most = max(sum(of.values()) for of in middle.values())
    for row, (what, of) in enumerate(middle.items()):
        y, x = top + 14 + row * (BAR + GAP + 14), float(LEFT)
        yield text(LEFT - 8, y + 18, what, "end")
        for name, value in of.items():
            yield box(x, y, SPAN * value / most, COLOURS.get(name, "#bbb"))
            x += SPAN * value / most
        yield text(x + 8, y + 18, f"{sum(of.values()):,.0f}")
        yield text(LEFT, y + BAR + 13, ", ".join(f"{name} {value:,.1f}" for name, value in of.items()), size=11)


def _middle(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(of.get(name, 0.0) for of in found) for name in found[0]}


def picture(lines: Sequence[str]) -> str:
    """The whole SVG."""
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for found in map(json.loads, filter(None, lines)):
        runs.setdefault(found["what"], []).append(found)
    runs = {what: runs[what] for what in sorted(runs, key=lambda what: (what not in FIRST, what))}
    second = 40 + len(runs) * (BAR + GAP) + 34
    height = second + len(runs) * (BAR + GAP + 14) + 24
    drawn = "\n".join([*rates(runs, 20), *costs(runs, second)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'fill="#222">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{drawn}\n</svg>\n'
    )


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.write_text(picture(source.read_text(encoding="utf-8").splitlines()), encoding="utf-8")
