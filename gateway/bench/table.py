"""Fills the tables of docs/capacity.md: `python -m gateway.bench.table --page docs/capacity.md all.json ...`.

Knows: the page's marks, which figures each bench shows there. Never knows: how anything was measured.
Without --page the tables are printed. A file holds one JSON object a line; of two results of one bench the last counts.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.bench.result import shown

Found = Mapping[str, Any]
Rows = list[Sequence[object]]

_MARKED = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
COSTS = ("gateway", "postgres", "peer")


def main(words: Sequence[str] | None = None) -> int:
    """Read results; print their tables, or put them into the page."""
    parser = argparse.ArgumentParser(prog="python -m gateway.bench.table", description=__doc__)
    parser.add_argument("--page", type=Path, help="fill the marked places of this page")
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT.json")
    options = parser.parse_args(words)
    tables = tables_of(results(options.results))
    if options.page is None:
        sys.stdout.write("\n".join(f"{name}\n\n{text}" for name, text in tables.items()))
    else:
        options.page.write_text(filled(options.page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


def results(files: Sequence[Path]) -> dict[str, Found]:
    """The results in the files, by bench."""
    lines = (line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    found = map(json.loads, lines)
    return {one["bench"]: one for one in found}


def tables_of(found: Mapping[str, Found]) -> dict[str, str]:
    """A table for each result, and one of the machine."""
    made = {bench: markdown(*TABLES[bench](one)) for bench, one in found.items() if bench in TABLES}
    machines = [one["machine"] for one in found.values() if "machine" in one]
    if machines:
        made["machine"] = markdown(("what", "which"), list(machines[-1].items()))
    return made


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables in their marked places; all else stays as it is."""
    return _MARKED.sub(lambda at: f"{at[1]}{tables[at[2]]}{at[3]}" if at[2] in tables else at[0], page)


def markdown(heads: Sequence[str], rows: Rows) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *([shown(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _sending(found: Found) -> tuple[Sequence[str], Rows]:
    return ("figure", "value"), [
        ("messages", found["messages"]),
        ("seconds", found["seconds"]),
        ("messages a second", found["rate_per_s"]),
        ("submissions a second", found.get("submit_rate_per_s")),
        *_costs(found),
        *_common(found),
        ("alert to first submission, ms", found.get("first_submit_ms")),
    ]


def _voice(found: Found) -> tuple[Sequence[str], Rows]:
    return ("figure", "value"), [
        ("call starts", found["messages"]),
        ("seconds", found["seconds"]),
        ("most starts in any 60 s", found["max_starts_in_60s"]),
        ("fewest starts in any 60 s, with a backlog", found["min_starts_in_60s_with_backlog"]),
        *_media("", found["media"]),
        *_media(", nothing else running", found.get("media_alone")),
        *_costs(found),
        ("memory of the gateway, MB", found["rss_mb"]),
        ("settings", _settings(found)),
    ]


def _all(found: Found) -> tuple[Sequence[str], Rows]:
    heads = (
        "channel",
        "messages",
        "a second",
        "in a whole second: least",
        "middle",
        "most",
        "p50 ms",
        "p99 ms",
        "peer's CPU, ms per 1000",
    )
    rows: Rows = [
        (
            name, of["messages"], of["rate_per_s"], *(of["per_second"][key] for key in ("min", "p50", "max")),
            of["latency_ms"]["p50"], of["latency_ms"]["p99"], of["cpu_ms_per_1000"]["peer"],
        )
        for name, of in found["channels"].items()
    ]  # fmt: skip
    calls = found["channels"].get("voice", {})
    cores = ", ".join(f"{name} {shown(value)}" for name, value in found["cores"].items())
    told = [f"{what} {shown(value)}" for what, value in _media("", calls.get("media"))]
    if calls:
        told += [f"call starts in any 60 s, with a backlog: {_sliding(calls)}"]
    told += [
        f"cores used: {cores}", f"gateway, playing process and PostgreSQL together {shown(found['own_cores'])} cores",
        f"memory of the gateway {shown(found['rss_mb'])} MB", f"seconds {shown(found['seconds'])}",
    ]  # fmt: skip
    return heads, [*rows, *((line, *[""] * (len(heads) - 1)) for line in told)]


def _sliding(calls: Found) -> str:
    """Fewest and most starts."""
    return f"{shown(calls['min_starts_in_60s_with_backlog'])} to {shown(calls['max_starts_in_60s'])}"


def _media(when: str, found: Found | None) -> Iterator[tuple[str, object]]:
    """The rows of calls that the gateway plays."""
    if found is None:
        return
    late = found["packet_lateness_ms"]
    yield f"calls played to at once{when}", found["streams"]
    yield f"CPU of the playing process{when}, percent of a core", found["cpu_percent_of_a_core"]
    yield f"audio packets late{when}: p50, p99, most, ms", [late["p50"], late["p99"], late["max"]]


def _ingest(found: Found) -> tuple[Sequence[str], Rows]:
    full = found["latency_ms_at_full_rate"]
    return ("figure", "value"), [
        ("alerts a second, posted to committed", found["rate_per_s"]),
        ("one after the other: p50, p99 ms", [found["latency_ms"]["p50"], found["latency_ms"]["p99"]]),
        (f"{found['settings']['connections']} at a time: p50, p99 ms", [full["p50"], full["p99"]]),
        ("checks a second, one core, two languages", found["checks_per_s"]),
        ("checks a second, one core, four languages", found["checks_per_s_four_languages"]),
        *_costs(found),
        ("memory of the gateway, MB", found["rss_mb"]),
        ("settings", _settings(found)),
    ]


def _targeting(found: Found) -> tuple[Sequence[str], Rows]:
    heads = ("area", "vertices", "recipients", "cover_ms", "count_ms", "first_slice_ms", "fan_out_s")
    named = [", ".join(head.rsplit("_", 1)).replace("_", " ") for head in heads]
    return named, [[area[head] for head in heads] for area in found["areas"]]


def _feed(found: Found) -> tuple[Sequence[str], Rows]:
    heads = ("answer", "a second", "p50 ms", "p99 ms", "gateway's CPU, ms per 1000")
    rows: Rows = [
        (name, of["rate_per_s"], of["latency_ms"]["p50"], of["latency_ms"]["p99"], of["cpu_ms_per_1000"]["gateway"])
        for name, of in (("200, from memory", found), ("304", found["not_modified"]))
    ]
    return heads, [*rows, ("settings: " + _settings(found), "", "", "", "")]


def _costs(found: Found) -> Iterator[Sequence[object]]:
    for name in COSTS:
        yield f"CPU of {name}, ms per 1000", found["cpu_ms_per_1000"][name]


def _common(found: Found) -> Iterator[Sequence[object]]:
    yield "written to recorded: p50, p99 ms", [found["latency_ms"]["p50"], found["latency_ms"]["p99"]]
    yield "memory of the gateway, MB", found["rss_mb"]
    yield "settings", _settings(found)


def _settings(found: Found) -> str:
    return ", ".join(f"{name} {value}" for name, value in found["settings"].items())


TABLES: Mapping[str, Callable[[Found], tuple[Sequence[str], Rows]]] = {
    "sms": _sending,
    "email": _sending,
    "voice": _voice,
    "all": _all,
    "ingest": _ingest,
    "targeting": _targeting,
    "feed": _feed,
}


if __name__ == "__main__":
    sys.exit(main())
