"""A log line is one line, for machines, and names nobody above DEBUG."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.log import WITHHELD, LineFormatter, UnitLogger, is_personal, redacted, setup, unit_logger
from gateway.model import ChannelName


class Sink:
    """A logger of its own that writes into memory."""

    def __init__(self, style: Any = "json", level: int = logging.DEBUG) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(LineFormatter(style))
        self.logger = logging.getLogger(f"gateway.test.{id(self)}")
        self.logger.handlers = [handler]
        self.logger.propagate = False
        self.logger.setLevel(level)
        self.log = UnitLogger(self.logger.name)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def line(self) -> dict[str, Any]:
        (line,) = self.text.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


def test_a_unit_of_work_is_one_json_line() -> None:
    sink = Sink()
    sink.log.event(
        "campaign_planned", campaign=7, rows=1000, channel=ChannelName.SMS, seconds=1.5, closed=False, why=None
    )
    line = sink.line()
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info", "logger": sink.logger.name, "event": "campaign_planned", "campaign": 7, "rows": 1000,
        "channel": "sms", "seconds": 1.5, "closed": False, "why": None,
    }  # fmt: skip


def test_logfmt_quotes_what_needs_it() -> None:
    sink = Sink("logfmt")
    sink.log.warning("bind_down", bind="smsc-one", why='closed\nby "peer"', up=False, nothing=None, n=3)
    assert sink.text.endswith(' event=bind_down bind=smsc-one why="closed\\nby \\"peer\\"" up=false nothing= n=3\n')
    assert sink.text.count("\n") == 1


@pytest.mark.parametrize(
    "key", ["to", "address", "email", "mobile", "name", "sender_name", "text", "body", "Subject", "password", "lat"]
)
def test_a_key_that_may_hold_personal_data_is_withheld(key: str) -> None:
    sink = Sink()
    sink.log.event("x", **{key: "Rue Haute 7"})
    assert sink.line()[key] == WITHHELD
    assert "Rue" not in sink.text


@pytest.mark.parametrize(
    "key", ["campaign", "rows", "text_bytes", "sms_parts", "token_id", "relay", "bind", "message_class"]
)
def test_a_measure_of_a_thing_is_not_the_thing(key: str) -> None:
    assert not is_personal(key)


def test_a_small_whole_number_under_a_personal_key_is_a_count_and_a_long_one_is_not() -> None:
    sink = Sink()
    sink.log.event("counts", sms=500, email=2500, mobile=32470123456, number=4.5)
    line = sink.line()
    assert (line["sms"], line["email"], line["mobile"], line["number"]) == (500, 2500, WITHHELD, WITHHELD)


@pytest.mark.parametrize(
    "value",
    ["+32470123456", "call to +32 470 12 34 56 failed", "0032470123456", "32470123456", "a.b+c@example.be", "<x@y.z>",
     ["ok", "+32470123456"], {"why": "+32 (0)470/12.34.56"}, RuntimeError("550 <x@example.be>"), ("x@y",)],
)  # fmt: skip
def test_a_number_or_an_address_is_replaced_wherever_it_stands(value: object) -> None:
    sink = Sink()
    sink.log.event("x", why=value)
    said = str(sink.line()["why"])  # not the whole line: an instant or a thread's number may hold any three digits
    assert "470" not in said
    assert "@" not in said


@given(st.integers(10**7, 10**15 - 1), st.sampled_from(["+{}", "to +{}.", "(+{})", "tel:+{}"]))
def test_no_international_number_survives(number: int, form: str) -> None:
    if str(number).startswith("0"):
        return
    assert str(number) not in redacted(form.format(number))


@given(st.emails())
def test_no_email_address_survives(address: str) -> None:
    assert address not in redacted(f"sent to {address} now")


def test_times_ids_versions_and_rates_stay_readable() -> None:
    kept = "2026-11-21T12:00:30.123Z c_01jd7abcd 3.11.7 127.0.0.1:2775 12.500/s 0x0000000b 1048576"
    assert redacted(kept) == kept


def test_debug_lines_keep_everything() -> None:
    sink = Sink()
    sink.log.debug("pdu", to="+32470123456", text="Brand")
    assert sink.line() | {"to": "+32470123456", "text": "Brand"} == sink.line()


def test_a_level_that_is_off_writes_nothing() -> None:
    sink = Sink(level=logging.INFO)
    sink.log.debug("pdu", to="+32470123456")
    assert sink.text == ""


def test_an_error_tells_where_it_came_from_and_not_what_it_held() -> None:
    sink = Sink()
    try:
        raise ValueError("row of Jan Peeters, +32470123456") from KeyError("Rue Haute 7")
    except ValueError as error:
        sink.log.error("planning_failed", error=error, campaign=7)
    line = sink.line()
    assert (line["error"], line["campaign"], line["level"]) == ("ValueError", 7, "error")
    assert "test_log.py" in line["traceback"]
    assert "Peeters" not in sink.text
    assert "Haute" not in sink.text


def test_an_error_may_be_a_word() -> None:
    sink = Sink()
    sink.log.error("store_away", error="ConnectionResetError")
    assert sink.line()["error"] == "ConnectionResetError"


@pytest.mark.filterwarnings("default")
def test_of_a_library_s_line_its_own_words_stay(root: logging.Logger) -> None:
    stream = io.StringIO()
    setup("INFO", "json", stream)
    setup("INFO", "json", stream)  # twice: still one line each
    logging.getLogger("some.library").warning("could not reach %s", "x@example.be")
    logging.getLogger("some.library").debug("hidden")
    logging.getLogger("some.library").warning("%(n)d rows of %(who)s", {"n": 3, "who": "Jan Peeters"})
    logging.getLogger("some.library").warning("Exception in callback tell('Jan Peeters')\nhandle: <Handle tell>")
    warnings.warn("Jan Peeters is unknown", UserWarning, stacklevel=1)
    unit_logger("gateway.part").event("x", n=1)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    said = [line["event"] for line in lines]
    assert said[:3] == ["could not reach [withheld]", "3 rows of [withheld]", "Exception in callback tell"]
    assert re.fullmatch(r".*test_log\.py:\d+: UserWarning", said[3])
    assert [line["logger"] for line in lines] == ["some.library"] * 3 + ["py.warnings", "gateway.part"]
    assert said[4] == "x"


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=60) | st.binary(max_size=9) | st.floats() | st.none()))
def test_whatever_is_logged_is_one_line(facts: dict[str, Any]) -> None:
    for style in ("json", "logfmt"):
        sink = Sink(style)
        sink.logger.info("x", extra={"facts": facts})
        assert sink.text.count("\n") == 1
        assert len(sink.text.splitlines()) == 1
        assert sink.text.isascii()


def test_huge_values_are_cut_in_bounded_time() -> None:
    sink = Sink()
    started = time.process_time()
    sink.log.event("x", why="a" * 1_000_000, other="1" * 1_000_000, more="+1" * 500_000)
    sink.logger.info("%s", "+1 " * 500_000)
    assert time.process_time() - started < 2
    assert len(sink.text) < 15_000


def test_what_a_full_disk_refuses_fails_nothing_later() -> None:
    """Neither a flush nor the end of the process, which Python makes an error otherwise."""
    code = (
        "from gateway.log import errors_unbuffered, setup, unit_logger\n"
        "errors_unbuffered(); setup(); unit_logger('gateway').event('one')\n"
        "import sys; sys.stderr.flush(); print('alive')"
    )
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, check=False, timeout=60,
            env=os.environ | {"PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, b"alive\n")
