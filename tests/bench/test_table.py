"""The tables of docs/capacity.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.bench.result import Result
from gateway.bench.table import TABLES, filled, main, markdown, tables_of
from gateway.bench.wanted import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"


def plain(bench: str, **more: Any) -> dict[str, Any]:
    found = Result(
        bench=bench, messages=1000, seconds=2.0, cpu_s={"gateway": 1.0}, latency_ms={"p50": 3.5, "p99": 9.0},
        settings={"connections": 4, "client": "wrk"}, more=more,
    )  # fmt: skip
    return {"machine": {"processor": "Fast", "cores": 2}} | found.as_dict()


STEADY = {"per_second": {"min": 498.0, "p50": 500.0, "max": 501.0}}
AREA = {
    "area": "city",
    "vertices": 12,
    "recipients": 9,
    "cover_ms": 1.5,
    "count_ms": 2.5,
    "first_slice_ms": 3.5,
    "fan_out_s": 4.5,
}
LATE = {"p50": 0.2, "p99": 3.5, "max": 9.5}
MEDIA = {"streams": 600, "cpu_percent_of_a_core": 24.5, "packet_lateness_ms": LATE}
SLIDING = {"max_starts_in_60s": 600, "min_starts_in_60s_with_backlog": 598}
CALLS = plain("voice", media=MEDIA, **SLIDING, **STEADY)
CHECKS = {"checks_per_s": 1234.0, "checks_per_s_four_languages": 567.0}
EXAMPLES = {
    "sms": plain("sms", submit_rate_per_s=700.0, first_submit_ms=120.0, **STEADY),
    "email": plain("email", submit_rate_per_s=700.0, first_submit_ms=120.0, **STEADY),
    "voice": CALLS | {"media_alone": MEDIA},
    "all": plain(
        "all", cores={"gateway": 0.3}, own_cores=0.3, channels={"sms": plain("sms", **STEADY), "voice": CALLS}
    ),
    "ingest": plain(
        "ingest",
        latency_ms_at_full_rate={"p50": 1.0, "p99": 2.0},
        checks_per_s=1234.0,
        checks_per_s_four_languages=567.0,
    ),
    "targeting": plain("targeting", areas=[AREA]),
    "feed": plain("feed", not_modified=plain("feed")),
}


def test_every_kind_has_a_table_and_a_place_on_the_page() -> None:
    assert set(TABLES) == set(EXAMPLES) == set(KINDS)
    page = PAGE.read_text(encoding="utf-8")
    for name in (*KINDS, "machine"):
        assert page.count(f"<!-- figures: {name} -->\n") == 1


@pytest.mark.parametrize("bench", EXAMPLES)
def test_every_row_of_a_table_is_as_wide_as_its_head(bench: str) -> None:
    lines = tables_of({bench: EXAMPLES[bench]})[bench].splitlines()
    assert len(lines) > 2
    assert len({line.count("|") for line in lines}) == 1


def test_results_fill_their_own_places_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figures: sms -->\nold\n<!-- end -->\nb\n<!-- figures: voice -->\nkept\n<!-- end -->\nc\n")
    file = tmp_path / "sms.json"
    older = EXAMPLES["sms"] | {"messages": 1}
    file.write_text(json.dumps(older) + "\n" + json.dumps(EXAMPLES["sms"]) + "\n")
    assert main(["--page", str(page), str(file)]) == 0
    text = page.read_text()
    assert "old" not in text
    assert "| messages | 1,000 |" in text
    assert text.endswith("b\n<!-- figures: voice -->\nkept\n<!-- end -->\nc\n")
    assert main(["--page", str(page), str(file)]) == 0
    assert page.read_text() == text


def test_the_published_lines_show_in_the_table_of_calls() -> None:
    table = tables_of({"voice": EXAMPLES["voice"]})["voice"]
    assert "| most starts in any 60 s | 600 |" in table
    assert "| fewest starts in any 60 s, with a backlog | 598 |" in table


@pytest.mark.parametrize(("bench", "line"), [
    ("voice", "| calls played to at once | 600 |"),
    ("voice", "| audio packets late, nothing else running: p50, p99, most, ms | 0.2, 3.5, 9.5 |"),
    ("all", "| CPU of the playing process, percent of a core 24.5 |"),
    ("all", "| call starts in any 60 s, with a backlog: 598 to 600 |"),
])  # fmt: skip
def test_calls_that_the_gateway_plays_have_their_rows(bench: str, line: str) -> None:
    assert line in tables_of({bench: EXAMPLES[bench]})[bench]
    without = EXAMPLES["voice"] | {"media": None, "media_alone": None}
    assert "played" not in tables_of({"voice": without})["voice"]


def test_without_a_page_the_tables_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "feed.json"
    file.write_text(json.dumps(EXAMPLES["feed"]))
    assert main([str(file)]) == 0
    out = capsys.readouterr().out
    assert "| 304 | 500 |" in out
    assert "| processor | Fast |" in out


def test_a_table_shows_gaps_as_dashes() -> None:
    assert markdown(["a", "b"], [[None, 1.5]]) == "| a | b |\n| --- | --- |\n| - | 1.5 |\n"


def test_a_page_without_marks_stays_as_it_is() -> None:
    assert filled("nothing here", {"sms": "x"}) == "nothing here"
