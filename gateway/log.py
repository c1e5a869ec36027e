"""The log: one line for each unit of work, for machines first, with nothing in it that says who was alerted.

Knows: JSON and logfmt lines, which keys and which shapes of values may hold personal data.
Never knows: alerts, channels, files, rotation. Above DEBUG a telephone number, an e-mail address, a name or a text is
withheld, whoever logs it: a line may be poorer than meant, never richer. Of a library's line only its own words stay.
"""

import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Literal, TextIO

Format = Literal["json", "logfmt"]
Fact = str | int | float | bool | None
Sink = Callable[[str, Mapping[str, object]], None]

WITHHELD = "[withheld]"
PERSONAL_WORDS: frozenset[str] = frozenset({
    "address", "addresses", "authorization", "body", "callee", "contact", "content", "dest", "destination", "dsn",
    "email", "emails", "endpoint", "from", "headline", "instruction", "landline", "lat", "latitude", "lon", "longitude",
    "mail", "mailbox", "message", "mobile", "msisdn", "name", "names", "number", "numbers", "password", "payload",
    "phone", "raw", "recipient", "secret", "sender", "sms", "subject", "text", "texts", "to", "token", "who",
})  # fmt: skip
"""Words that make a key personal, alone or joined by _ (sender_name, to_address). Small whole numbers may pass."""

MEASURING_WORDS: frozenset[str] = frozenset({
    "bytes", "characters", "class", "count", "id", "kind", "ms", "n", "parts", "per", "rate", "rows", "s", "total",
})  # fmt: skip
"""A key that ends in one of these is a measure of the thing, not the thing (text_bytes, sms_parts, token_id)."""

MAX_COUNT = 10_000_000
"""A whole number below this under a personal key is a count (sms=500); no telephone number is that short."""

_EMAIL = re.compile(r"[^\s@<>\",;:()\[\]]{0,64}@[^\s@<>\",;:()\[\]]{1,255}")
_NUMBER = re.compile(r"(?<![\w.])\+[1-9](?:[ ./()-]{0,2}\d){6,14}(?!\w)|(?<![\w.+-])(?:00)?[1-9]\d{8,14}(?![\w-])")
_BARE = re.compile(r"[\w.:/+@-]{1,200}", re.ASCII)
_NO_KEY = re.compile(r"[^A-Za-z0-9_.-]")
_DATA_BEGINS = re.compile(r"[\n('\"<{\[]")
_WARNING = re.compile(r"[^\n]{1,300}?:\d+: \w+")
_MAX_VALUE_CHARS = 2_000


def redacted(value: str) -> str:
    """The value with every telephone number and e-mail address in it replaced."""
    return _NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", value))


def is_personal(key: str) -> bool:
    """True when a value under this key could say who was alerted, or with which words."""
    words = key.lower().split("_")
    return words[-1] not in MEASURING_WORDS and not PERSONAL_WORDS.isdisjoint(words)


class UnitLogger:
    """Writes canonical lines: an event's name and its facts, which are counts, ids and words of the gateway."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def event(self, event: str, /, **facts: object) -> None:
        """One unit of work is done."""
        self._write(logging.INFO, event, facts)

    def debug(self, event: str, /, **facts: object) -> None:
        """For somebody who looks for a fault on purpose: nothing is withheld here."""
        self._write(logging.DEBUG, event, facts)

    def warning(self, event: str, /, **facts: object) -> None:
        """Work goes on; somebody should look."""
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, /, error: BaseException | str | None = None, **facts: object) -> None:
        """Work failed. With an exception the line names it and the places it came through."""
        if isinstance(error, BaseException):
            self._write(logging.ERROR, event, facts, error)
        else:
            self._write(logging.ERROR, event, {**facts, "error": error})

    def _write(self, level: int, event: str, facts: Mapping[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"facts": facts}, exc_info=error)


def unit_logger(name: str) -> UnitLogger:
    """The logger of one part, for example unit_logger("gateway.planning")."""
    return UnitLogger(name)


class LineFormatter(logging.Formatter):
    """One record -> one line, in JSON or logfmt; what could be personal is withheld unless the level is DEBUG."""

    def __init__(self, style: Format = "json") -> None:
        super().__init__()
        self._line = _json_line if style == "json" else _logfmt_line

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        open_ = record.levelno <= logging.DEBUG
        return self._line([*_head(record), *_facts(record, open_), *self._trouble(record, open_)])

    def _trouble(self, record: logging.LogRecord, open_: bool) -> Iterable[tuple[str, Fact]]:
        if record.exc_info and record.exc_info[0] is not None:
            error = record.exc_info[1]
            told = self.formatException(record.exc_info)
            yield "error", type(error).__name__
            yield "traceback", told if open_ else _frames(told)


def errors_unbuffered() -> None:
    """Standard error without a buffer, as `python -u` has it. What a full disk refuses is gone then; in a buffer it
    would stay, and fail whatever flushes it next: multiprocessing does before it starts a process."""
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        raw = io.FileIO(sys.stderr.fileno(), "wb", closefd=False)
        sys.stderr = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def setup(level: str = "INFO", style: Format = "json", stream: TextIO | None = None) -> logging.Handler:
    """Send every log line of this process to `stream` (default: standard error), and return the handler."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, LineFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    return handler


def _head(record: logging.LogRecord) -> list[tuple[str, Fact]]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if record.levelno <= logging.DEBUG:
        said = record.getMessage()[:_MAX_VALUE_CHARS]
    else:
        own = record.getMessage() if hasattr(record, "facts") else _library_words(record)
        said = redacted(own[:_MAX_VALUE_CHARS])
    return [("at", at), ("level", record.levelname.lower()), ("logger", record.name), ("event", said)]


def _library_words(record: logging.LogRecord) -> str:
    """What a library says without what it puts in: the loop's own lines quote callbacks with all their arguments."""
    words, given = str(record.msg), record.args
    if record.name == "py.warnings":
        found = _WARNING.match(record.getMessage())
        return found[0] if found else "warning"
    if not given:
        return _DATA_BEGINS.split(words, maxsplit=1)[0].strip()
    try:
        if isinstance(given, Mapping):
            said = words % {key: _countable(value) for key, value in given.items()}
        else:
            said = words % tuple(map(_countable, given))
    except (TypeError, ValueError):
        said = words
    return said.partition("\n")[0]


def _countable(value: object) -> object:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < MAX_COUNT):
        return value
    return WITHHELD


def _facts(record: logging.LogRecord, open_: bool) -> Iterable[tuple[str, Fact]]:
    facts: Mapping[str, object] = getattr(record, "facts", {})
    for key, value in facts.items():
        yield key, _fact(key, value, open_)


def _fact(key: str, value: object, open_: bool) -> Fact:
    if open_ or not is_personal(key) or (type(value) is int and 0 <= value < MAX_COUNT):
        return _value(value, open_)
    return WITHHELD


def _value(value: object, open_: bool) -> Fact:
    match value:
        case Enum():
            return _value(value.value, open_)
        case float() if not isfinite(value):
            return str(value)
        case bool() | int() | float() | None:
            return value
        case datetime():
            return value.isoformat()
        case str():
            said = value
        case Mapping():
            said = " ".join(f"{key}={_fact(str(key), of, open_)}" for key, of in value.items())
        case Sequence() | frozenset() | set():
            said = " ".join(str(_value(item, open_)) for item in value)
        case _:
            said = str(value)
    said = said[:_MAX_VALUE_CHARS]
    return said if open_ else redacted(said)


def _frames(told: str) -> str:
    """A traceback without the messages of its exceptions, which may quote data, and without source lines."""
    lines = told.splitlines()
    return "\n".join(line.strip() for line in lines if line.lstrip(" |+-").startswith('File "'))


def _json_line(facts: Iterable[tuple[str, Fact]]) -> str:
    return json.dumps(dict(facts), separators=(",", ":"))


def _logfmt_line(facts: Iterable[tuple[str, Fact]]) -> str:
    return " ".join(f"{_NO_KEY.sub('_', key) or '_'}={_logfmt(value)}" for key, value in facts)


def _logfmt(value: Fact) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str() if _BARE.fullmatch(value):
            return value
    return json.dumps(value)
