"""The archive of one entity: a zip of JSON Lines with a manifest that counts and hashes every file.

Knows: the format (docs/entity-archive.md), what an archive may cost. Never knows: SQL, what the rows mean.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

FORMAT, VERSION = "cap-alert-gateway-entity", 1
MANIFEST = "manifest.json"
RESTORED = ("entity", "persons", "partnerships", "mandates", "contacts", "groups", "members")
HISTORY = ("alerts", "audit")
FILES = RESTORED + HISTORY
"""What is in an archive, in the order in which it is put back; history is to be read, not put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may cost: as it comes, unpacked, and its longest row."""

    file_bytes: int = 256 * 2**20
    unpacked_bytes: int = 2 * 2**30
    row_bytes: int = 2 * 2**20


class BadArchive(ValueError):
    """Why an archive is not put back; nothing was changed then."""


class ArchiveWriter:
    """Writes one file after the other, and the manifest last."""

    def __init__(self, out: IO[bytes], *, entity: str, made: str) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
        self._head = {"format": FORMAT, "version": VERSION, "entity": entity, "made": made}
        self._files: dict[str, dict[str, object]] = {}

    def add(self, name: str, rows: list[str]) -> None:
        """A whole file; each row is one JSON object."""
        data = "".join(f"{row}\n" for row in rows).encode()
        self._files[f"{name}.jsonl"] = {"rows": len(rows), "sha256": hashlib.sha256(data).hexdigest()}
        self._zip.writestr(f"{name}.jsonl", data)

    def end(self) -> None:
        """The manifest; the archive is complete."""
        self._zip.writestr(MANIFEST, json.dumps(self._head | {"files": self._files}, indent=1))
        self._zip.close()


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
        """Every file of the manifest is there, whole, and what is put back is in the manifest."""
        missing = {f"{name}.jsonl" for name in RESTORED} - files.keys()
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
        try:
            with self._zip.open(f"{name}.jsonl") as stream:
                while line := stream.readline(self._limits.row_bytes):
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BadArchive(f"a row of {name} is no object")
                    yield row
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadArchive(f"a row of {name} can not be read") from error

    def _bytes(self, name: str, most: int) -> bytes:
        with self._zip.open(name) as stream:
            data: bytes = stream.read(most)
            return data
