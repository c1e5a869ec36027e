"""`gateway ask`: every act of the HTTP API at the command line, in the name of whoever holds the token.

Knows: how an operation that schemas/openapi.yaml describes becomes a request, how its answer is shown.
Never knows: what any of them does.
Standard: OpenAPI 3.1.1 §4.8.10 (operations), §4.8.12 (parameters).
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from gateway.commands import remote
from gateway.commands.console import Exit, complain, deliver, note, read_file, say, table
from gateway.web.docs import METHODS, load, resolved

EXAMPLES = """\
Names of operations and parameters are those of the description at /docs; `gateway ask` alone lists the operations.
The token is in $GATEWAY_TOKEN, and what is done is done in its holder's name: what the other commands do with the
database in hand, this does with the rights of a person or a machine.

examples:
  gateway ask postAlert --body alert.xml --url https://alerts.example
  gateway ask postAlert dry_run=true --body alert.xml
  gateway ask getCampaign campaign=ca_0f1e2d3c4b5a6978
  gateway ask listDeliveries campaign=ca_0f1e2d3c4b5a6978 limit=20
  gateway ask changePerson person=an@brugge.example If-Match=* --json '{"suspended": true}'
  gateway ask getReport campaign=ca_0f1e2d3c4b5a6978 format=pdf --output report.pdf
"""
MOST_BYTES = 64 * 2**20
BLOCK_BYTES = 2**16
_TAGS = ("If-Match", "If-None-Match")


class Question(NamedTuple):
    """A request, but for its body: `takes` are the kinds of body, `must` whether there has to be one."""

    method: str
    path: str
    headers: Mapping[str, str]
    takes: Sequence[str]
    must: bool


class Mistaken(Exception):
    """What was asked for can not be put as a request; never leaves this module."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.epilog = EXAMPLES
    parser.add_argument("operation", nargs="?", metavar="OPERATION", help="without one, all are listed")
    parser.add_argument("words", nargs="*", metavar="NAME=VALUE", help="parameters of its path, query and headers")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", metavar="FILE", help="what is sent; - reads from stdin")
    body.add_argument("--json", metavar="JSON", help="what is sent, when it is short")
    parser.add_argument("--type", metavar="TYPE", help="of what is sent, where an operation takes several")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")
    remote.url_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Ask, and show the answer; 1 when the gateway says no."""
    document = load()
    if options.operation is None:
        say(*table(("operation", "", "path", "what it does"), list(_listed(document))))
        return Exit.DONE
    try:
        question = question_of(document, options.operation, options.words)
        raw, kind = _body(options, question)
    except Mistaken as mistaken:
        complain(*map(str, mistaken.args))
        return Exit.UNREADABLE
    door = remote.door(options.url)
    try:
        with remote.answer(*door, question.method, question.path, raw, {**question.headers, **kind}) as answer:
            return _show(answer, options.output)
    except (OSError, ValueError) as error:
        complain(f"no answer: {error}")
        return Exit.UNREADABLE


def question_of(document: Mapping[str, Any], name: str, words: Sequence[str]) -> Question:
    """The request to an operation with these parameters. Raises Mistaken."""
    found = [one for one in _operations(document) if one[2]["operationId"] == name]
    if not found:
        raise Mistaken(f"there is no operation {name}: gateway ask lists them all")
    ((method, path, told, parameters),) = found
    ways = told.get("security", document["security"])
    if ways and all(way and not way.keys() & {"token", "session"} for way in ways):
        raise Mistaken(f"{name} is for browsers, and for systems that sign what they say: nobody asks it with a token")
    given = _given(name, words, parameters)
    lacking = [one["name"] for one in parameters if one.get("required") and one["name"] not in given]
    if lacking:
        raise Mistaken(f"{name} needs {', '.join(f'{one}=...' for one in lacking)}")
    query, headers = [], {}
    for parameter in parameters:
        for value in given.get(parameter["name"], ()):
            match parameter["in"]:
                case "path":
                    path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
                case "query":
                    query.append((parameter["name"], value))
                case _:
                    headers[parameter["name"]] = _quoted(parameter["name"], value)
    body = resolved(document, told.get("requestBody", {}))
    where = f"{path}?{urlencode(query)}" if query else path
    return Question(method.upper(), where, headers, list(body.get("content", ())), bool(body.get("required")))


def _given(name: str, words: Sequence[str], parameters: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[str]]:
    """What each parameter is to be."""
    known, given = {one["name"] for one in parameters}, dict[str, list[str]]()
    for word in words:
        called, sign, value = word.partition("=")
        if not sign or called not in known:
            raise Mistaken(f"{word}: {name} takes {', '.join(f'{one}=...' for one in sorted(known)) or 'no parameter'}")
        given.setdefault(called, []).append(value)
    return given


def _quoted(name: str, value: str) -> str:
    """A tag as HTTP has it, also when a shell took its quotes away."""
    bare = name in _TAGS and value != "*" and not value.endswith('"')
    return f'"{value}"' if bare else value


def _body(options: argparse.Namespace, question: Question) -> tuple[bytes | None, Mapping[str, str]]:
    """What is sent, with the header that says what it is."""
    if options.body is None and options.json is None:
        if question.must:
            raise Mistaken(f"{options.operation} takes {' or '.join(question.takes)}: --body FILE or --json JSON")
        return (b"" if question.method == "POST" else None), {}
    if not question.takes:
        raise Mistaken(f"{options.operation} takes no body")
    if options.type is not None and options.type not in question.takes:
        raise Mistaken(f"{options.operation} takes {' or '.join(question.takes)}")
    raw = options.json.encode() if options.json is not None else read_file(options.body, MOST_BYTES)
    if raw is None or len(raw) > MOST_BYTES:
        raise Mistaken(f"{options.body} can not be read, or is larger than {MOST_BYTES // 2**20} MiB")
    return raw, {"Content-Type": options.type or question.takes[0]}


def _show(answer: remote.Answer, output: Path | None) -> Exit:
    """JSON so that people can read it, anything else as it comes; why not on stderr."""
    yes = (answer.status or 0) < 300
    if tag := answer.headers.get("ETag"):
        note(f"ETag: {tag}")
    if answer.headers.get_content_subtype().endswith("json"):
        told = json.load(answer)
        deliver(f"{json.dumps(told, ensure_ascii=False, indent=2)}\n".encode(), output)
        if not yes:
            complain(str(told.get("detail", answer.status)))
    elif output is None:
        while block := answer.read1(BLOCK_BYTES):  # a stream of events is shown as they come
            deliver(block, None)
    else:
        deliver(answer.read(), output)
    return Exit.DONE if yes else Exit.NO


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], list[Mapping[str, Any]]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                named = (*item.get("parameters", ()), *item[method].get("parameters", ()))
                yield method, path, item[method], [resolved(document, one) for one in named]


def _listed(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for method, path, told, _ in _operations(document):
        yield told["operationId"], method.upper(), path, told["summary"]
