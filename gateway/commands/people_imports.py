"""`gateway import people`: members of an entity from a file, coordinators of its partnerships among them.

Knows: the columns, that the whole file is read before anybody becomes a member.
Never knows: SQL; a running gateway does it one by one, in the name of the administrator whose token it gets.
"""

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from gateway.commands import remote
from gateway.commands.console import Exit, complain, note, read_file
from gateway.policy.contact_files import kind_of, rows_of
from gateway.policy.tabular import BadFile, BadRow, Row
from gateway.web.partnerships import PartnerRole

COLUMNS = ("name", "email", "language", "partnership", "role")
MUST = ("name", "email")
MOST_BYTES = 8 * 2**20
ROLES = frozenset(PartnerRole)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Wanted(NamedTuple):
    """A row: who becomes a member, and what in which partnership ("": in none)."""

    row: int
    name: str
    email: str
    language: str
    partnership: str
    role: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the kind takes."""
    parser.add_argument("file", metavar="FILE", help=f"CSV or XLSX with {', '.join(COLUMNS)}; - reads from stdin")
    parser.add_argument("--dry-run", action="store_true", help="read and report, change nothing")
    remote.url_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Read the file, and when all of it makes sense make everybody a member."""
    raw = read_file(options.file, MOST_BYTES)
    if raw is None:
        return Exit.UNREADABLE
    found = list(people_of(raw))
    if wrong := [one for one in found if isinstance(one, str)]:
        complain(f"{options.file} can not be used, nothing was changed:", *(f"  {line}" for line in wrong[:100]))
        return Exit.UNREADABLE
    people = [one for one in found if isinstance(one, Wanted)]
    if options.dry_run:
        note(f"{len(people)} rows would be done")
        return Exit.DONE
    refused = sum(not _done(options, one) for one in people)
    note(f"{len(people) - refused} rows are done, {refused} were refused")
    return Exit.NO if refused else Exit.DONE


def people_of(raw: bytes) -> Iterator[Wanted | str]:
    """The rows of a file, and what is wrong with it. No reason repeats what a cell says."""
    if len(raw) > MOST_BYTES:
        yield f"the file is larger than {MOST_BYTES // 2**20} MiB: split it"
        return
    kind = kind_of(raw[:64])
    if isinstance(kind, BadFile):
        yield kind.reason
        return
    rows = rows_of([raw], kind)
    head = next(rows, None)
    heads = [cell.strip().lower() for cell in head.cells] if isinstance(head, Row) else []
    if not set(MUST) <= set(heads) or len(set(heads)) < len(heads):
        yield head.reason if isinstance(head, BadFile | BadRow) else f"the first row names {', '.join(COLUMNS)}"
        return
    for row in rows:
        if not isinstance(row, Row):
            yield row.reason if isinstance(row, BadFile) else f"row {row.number}: {row.reason}"
            continue
        cells = dict(zip(heads, row.cells, strict=False))
        wanted = Wanted(row.number, *(cells.get(name, "").strip() for name in COLUMNS))
        reason = _wrong(wanted)
        yield f"row {row.number}: {reason}" if reason else wanted._replace(language=wanted.language or "nl")


def _wrong(wanted: Wanted) -> str:
    """Why a row makes no sense; "" when it does."""
    if not 0 < len(wanted.name) <= 200:
        return "no name"
    if not _EMAIL.fullmatch(wanted.email):
        return "no e-mail address"
    if not re.fullmatch("([a-z]{2,3})?", wanted.language):
        return "language is a code like nl"
    if bool(wanted.partnership) != bool(wanted.role):
        return "partnership and role go together"
    if wanted.role and (wanted.role not in ROLES or not _SLUG.fullmatch(wanted.partnership)):
        return f"role is one of {', '.join(sorted(ROLES))}, partnership a slug"
    return ""


def _done(options: argparse.Namespace, wanted: Wanted) -> bool:
    """Make one a member, who may be one already, and give them their role."""
    new = {"name": wanted.name, "email": wanted.email, "language": wanted.language}
    if not _asked(options, wanted.row, "/v1/persons", new, (201, 409)):
        return False
    path = f"/v1/partnerships/{quote(wanted.partnership, safe='')}/people"
    role = {"person": wanted.email, "role": wanted.role}
    return not wanted.role or _asked(options, wanted.row, path, role, (200, 201))


def _asked(options: argparse.Namespace, row: int, path: str, body: Mapping[str, str], fine: tuple[int, ...]) -> bool:
    """Whether the gateway did it; why not on stderr."""
    headers = {"Content-Type": remote.JSON, "If-Match": "*"}
    try:
        with remote.answer(*remote.door(options.url), "POST", path, json.dumps(body).encode(), headers) as found:
            status, told = found.status, json.load(found)
    except (OSError, ValueError) as error:
        complain(f"row {row}: no answer: {error}")
        return False
    if status not in fine:
        complain(f"row {row}: {told.get('detail', status)}")
    return status in fine
