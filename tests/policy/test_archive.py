"""The archive of an entity as a file: what is written is read, what was changed is refused."""

import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.archive import FILES, MANIFEST, ArchiveLimits, ArchiveReader, ArchiveWriter, BadArchive

ROWS = ['{"a": 1}', '{"a": "é"}']


def an_archive(rows: list[str] = ROWS) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out, entity="brugge", made="2026-11-22T00:00:00+00:00")
    for name in FILES:
        writer.add(name, rows)
    writer.end()
    return out.getvalue()


def changed(data: bytes, **parts: bytes | None) -> io.BytesIO:
    """The archive with files replaced, or left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = parts.get(name.partition(".")[0], old.read(name))
            if content is not None:
                new.writestr(name, content)
    out.seek(0)
    return out


def test_what_was_written_is_read_by_any_program() -> None:
    data = an_archive()
    reader = ArchiveReader(io.BytesIO(data))
    assert reader.entity == "brugge"
    assert [list(reader.rows(name)) for name in FILES] == [[{"a": 1}, {"a": "é"}]] * len(FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as plain:
        manifest = json.loads(plain.read(MANIFEST))
    assert manifest["files"]["contacts.jsonl"]["rows"] == 2


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"contacts": b'{"a": 2}\n'}, "contacts.jsonl is not what the manifest says"),
        ({"contacts": None}, "no manifest"),
        ({"manifest": None}, "no manifest"), ({"manifest": b"[]"}, "no manifest"),
        ({"manifest": b'{"format": "other", "version": 1}'}, "no archive of the kind"),
        ({"manifest": b'{"format": "cap-alert-gateway-entity", "version": 1, "entity": "x", "files": {}}'}, "lacks"),
        ({"manifest": b"[" * 100_000}, "no manifest"),
    ],
)  # fmt: skip
def test_what_was_changed_is_refused(parts: dict[str, bytes | None], said: str) -> None:
    with pytest.raises(BadArchive, match=said):
        ArchiveReader(changed(an_archive(), **parts))


def test_an_archive_that_grows_or_is_none_is_refused() -> None:
    with pytest.raises(BadArchive, match="too large"):
        ArchiveReader(io.BytesIO(an_archive(["{}"] * 10_000)), ArchiveLimits(unpacked_bytes=10_000))
    for data in (b"", b"PK\x03\x04", an_archive()[:-30]):
        with pytest.raises(BadArchive):
            ArchiveReader(io.BytesIO(data))
    reader = ArchiveReader(io.BytesIO(an_archive(["[]"])))
    with pytest.raises(BadArchive, match="no object"):
        list(reader.rows("contacts"))
    reader = ArchiveReader(io.BytesIO(an_archive(["{"])))
    with pytest.raises(BadArchive, match="can not be read"):
        list(reader.rows("contacts"))


@given(st.data())
def test_damage_breaks_nothing(data: st.DataObject) -> None:
    whole = bytearray(an_archive())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        for name in FILES:
            list(ArchiveReader(io.BytesIO(bytes(whole))).rows(name))
    except BadArchive:
        pass
