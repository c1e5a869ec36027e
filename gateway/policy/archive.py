"""The archive of one entity: a zip of JSON Lines with a manifest that counts and hashes every file.

Knows: the format (docs/entity-archive.md), what an archive may cost. Never knows: SQL, what the rows mean.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

FORMAT, VERSION = "cap-alert-gateway-entity", 1
MANIFEST = "manifest.json"
RESTORED = (
    "entity", "persons", "partnerships", "mandates", "contacts", "groups", "members", "templates", "certificates",
    "sources", "webhooks",
)  # fmt: skip
HISTORY = (
    "alerts", "campaigns", "texts", "launches", "terms", "packs", "usage", "tariffs", "people", "tokens",
    "mail_sources", "mails", "notices", "exports", "imports", "audit",
)  # fmt: skip
FILES = RESTORED + HISTORY
"""What is in an archive, in the order in which it is put back. History is kept as it came, read, and taken along again;
nothing acts upon it."""
BATCH_ROWS, BATCH_BYTES = 2_000, 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may cost: as it comes, unpacked, and its longest row."""

    file_bytes: int = 256 * 2**20
    unpacked_bytes: int = 2 * 2**30
    row_bytes: int = 16 * 2**20


class BadArchive(ValueError):
    """Why an archive is not put back; nothing was changed then."""


class ArchiveWriter:
    """Writes one file after the other, and the manifest last."""

    def __init__(self, out: IO[bytes], *, entity: str, made: str) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
        self._head = {"format": FORMAT, "version": VERSION, "entity": entity, "made": made}
        self._files: dict[str, dict[str, object]] = {}
        self._open: _OpenFile | None = None

    def add(self, name: str, rows: Sequence[str]) -> None:
        """Rows of a file, each one JSON object; all parts of a file come before the next file."""
        if self._open is None or self._open.name != name:
            self._end_file()
            self._open = _OpenFile(name, self._zip.open(f"{name}.jsonl", "w", force_zip64=True))
        self._open.write(rows)

    def end(self) -> None:
        """The manifest; the archive is complete."""
        self._end_file()
        self._zip.writestr(MANIFEST, json.dumps(self._head | {"files": self._files}, indent=1))
        self._zip.close()

    def _end_file(self) -> None:
        if self._open is not None:
            self._files[f"{self._open.name}.jsonl"] = self._open.end()


class _OpenFile:
    """A file of an archive while it is written."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self.name = name
        self._stream = stream
        self._digest = hashlib.sha256()
        self._rows = 0

    def write(self, rows: Sequence[str]) -> None:
        data = "".join(f"{row}\n" for row in rows).encode()
        self._rows += len(rows)
        self._digest.update(data)
        self._stream.write(data)

    def end(self) -> dict[str, object]:
        """What the manifest says of it."""
        self._stream.close()
        return {"rows": self._rows, "sha256": self._digest.hexdigest()}


class ArchiveReader:
    """Reads an archive whose every hash was found right. Raises BadArchive."""

    def __init__(self, data: IO[bytes], limits: ArchiveLimits | None = None) -> None:
        self._limits = limits or ArchiveLimits()
        try:
            self._zip = zipfile.ZipFile(data)
            manifest = json.loads(self._bytes(MANIFEST, self._limits.row_bytes))
            if manifest["format"] != FORMAT or manifest["version"] != VERSION:
                raise BadArchive(f"this is no archive of the kind {FORMAT}, version {VERSION}")
            self.entity = str(manifest["entity"])
            self._verify(manifest["files"])
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise BadArchive("the archive has no manifest that can be read") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise BadArchive("the archive is damaged, or no zip file") from error

    def _verify(self, files: Mapping[str, Mapping[str, object]]) -> None:
        """Every file is in the manifest, and there, and whole."""
        missing = {f"{name}.jsonl" for name in FILES} - files.keys()
        if missing:
            raise BadArchive(f"the archive lacks {', '.join(sorted(missing))}")
        left = self._limits.unpacked_bytes
        for name, said in files.items():
            digest = hashlib.sha256()
            with self._zip.open(name) as stream:
                while block := stream.read(2**16):
                    left -= len(block)
                    if left < 0:
                        raise BadArchive("the archive grows too large when it is unpacked")
                    digest.update(block)
            if digest.hexdigest() != said["sha256"]:
                raise BadArchive(f"{name} is not what the manifest says: it was changed or damaged")

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows of one file."""
        for batch in self.batches(name):
            yield from batch

    def batches(self, name: str) -> Iterator[list[dict[str, Any]]]:
        """The rows of one file, as many at a time as one statement takes."""
        batch: list[dict[str, Any]] = []
        left = BATCH_BYTES
        try:
            with self._zip.open(f"{name}.jsonl") as stream:
                while line := stream.readline(self._limits.row_bytes):
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BadArchive(f"a row of {name} is no object")
                    batch.append(row)
                    left -= len(line)
                    if left <= 0 or len(batch) == BATCH_ROWS:
                        yield batch
                        batch, left = [], BATCH_BYTES
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadArchive(f"a row of {name} can not be read") from error
        if batch:
            yield batch

    def _bytes(self, name: str, most: int) -> bytes:
        with self._zip.open(name) as stream:
            data: bytes = stream.read(most)
            return data
