"""gateway import contacts, list and undo."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Command

GOOD = "naam;gsm;taal\nJan;0470 00 00 01;nl\nÉlise;0470000002;F\n"
MIXED = GOOD + "X;112;nl\nY;;nl\nJan;+32470000001;nl\n"


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Brugge", "--kind", "type1", "--languages", "nl,fr")
    gateway("group", "create", "plp", "--entity", "brugge")
    return gateway


def members(gateway: Command) -> int:
    return int(json.loads(gateway("group", "list", "--json").out)["members"])


def contacts(gateway: Command) -> int:
    return int(json.loads(gateway("entity", "show", "brugge", "--json").out)["contacts"])


def test_good_rows_are_stored_and_the_same_file_again_only_changes(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(GOOD.encode("cp1252"))
    words = ("import", "contacts", str(file), "--entity", "brugge", "--group", "plp")
    first, second = brugge(*words), brugge(*words)
    assert (first.code, first.out) == (0, "added 2, changed 0, 2 new in group plp, refused 0\n")
    assert (second.code, second.out) == (0, "added 0, changed 0, 2 as they were, 0 new in group plp, refused 0\n")
    assert (members(brugge), contacts(brugge)) == (2, 2)


def test_a_refused_row_is_named_without_its_number_and_the_others_are_stored(brugge: Command, tmp_path: Path) -> None:
    file, errors = tmp_path / "people.csv", tmp_path / "errors.csv"
    file.write_text(MIXED)
    ran = brugge("import", "contacts", str(file), "--entity", "brugge", "--errors", str(errors))
    assert (ran.code, ran.out) == (1, "added 2, changed 0, refused 3\n")
    assert "row 4, mobile: not the length" in ran.err
    assert "row 5: neither" in ran.err
    assert "row 6, mobile: the same as in row 2" in ran.err
    assert "+32470000001" not in ran.err
    with errors.open(newline="") as written:
        assert [row["row"] for row in csv.DictReader(written)] == ["4", "5", "6"]


def test_a_dry_run_says_what_would_be_and_changes_nothing(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(MIXED)
    ran = brugge("import", "contacts", str(file), "--entity", "brugge", "--group", "plp", "--dry-run")
    assert (ran.code, ran.out) == (1, "would have added 2, changed 0, 2 new in group plp, refused 3\n")
    assert (members(brugge), contacts(brugge)) == (0, 0)


def test_a_file_that_breaks_in_the_middle_changes_nothing(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    rows = "".join(f"{n},+32470{n:06}\n" for n in range(1200))
    file.write_text(f"key,mobile\n{rows}{'x' * 70_000}\n")
    ran = brugge("import", "contacts", str(file), "--entity", "brugge")
    assert (ran.code, ran.out) == (2, "")
    assert "a line is longer than 64 KiB" in ran.err
    assert "nothing was changed" in ran.err
    assert contacts(brugge) == 0


def test_only_the_first_refused_rows_are_shown(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\n" + "nobody\n" * 80)
    ran = brugge("import", "contacts", str(file), "--entity", "brugge")
    assert ran.code == 1
    assert ran.err.count("row ") == 50
    assert "... and 30 more" in ran.err


def test_a_dash_reads_stdin_and_columns_can_be_mapped(brugge: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = (Path.cwd() / "stdin").open("w+b")

    with Stdin.buffer as file:
        file.write(b"Kontakt|Wie\n0470000001|Jan\n")
        file.seek(0)
        monkeypatch.setattr(sys, "stdin", Stdin)
        words = ("--entity", "brugge", "--mapping", "Kontakt=mobile", "--mapping", "Wie=name")
        assert brugge("import", "contacts", "-", *words).out == "added 1, changed 0, refused 0\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04 a workbook", "damaged"),
        (b"\xd0\xcf\x11\xe0 an old one", "save it as XLSX or CSV"),
        (b"BEGIN:VCARD\nEND:VCARD\nhello\n", "no vCard file"),
        (b"", "the file is empty"),
        (b"\0" * 4000, "zero byte"),
        (b"name\nJan\n", "the first row must name the columns"),
    ],
)
def test_a_file_of_another_kind_is_unreadable(content: bytes, said: str, brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_bytes(content)
    ran = brugge("import", "contacts", str(file), "--entity", "brugge")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_file_of_200_mb_is_refused_at_once(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "huge.csv"
    with file.open("wb") as huge:
        huge.truncate(200 * 2**20)
    ran = command("import", "contacts", str(file), "--entity", "brugge")
    assert ran.code == 2
    assert "larger than 100 MiB" in ran.err


def test_an_entity_group_or_file_that_is_not_there_is_said(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(GOOD)
    assert brugge("import", "contacts", str(file), "--entity", "nowhere").code == 1
    assert brugge("import", "contacts", str(file), "--entity", "brugge", "--group", "none").code == 1
    assert brugge("import", "contacts", str(tmp_path / "absent"), "--entity", "brugge").code == 2
    assert brugge("import", "contacts", str(tmp_path), "--entity", "brugge").code == 2


def test_citizens_are_registered_with_the_platform_only(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(GOOD)
    words = ("import", "contacts", str(file), "--consent-source", "register of 2022")
    assert brugge(*words, "--entity", "brugge").code == 2
    assert brugge(*words, "--entity", "platform").out == "added 2, changed 0, refused 0\n"


@pytest.mark.parametrize(
    "words", [("--mapping", "gsm"), ("--mapping", "a=b"), ("--region", "XX"), ("--separator", "x")]
)
def test_wrong_arguments_are_refused(words: tuple[str, ...], command: Command) -> None:
    assert command("import", "contacts", "x.csv", "--entity", "brugge", *words).code == 2


def test_an_import_of_many_rows_keeps_what_stdin_gives_flat(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    text = io.StringIO("key,email\n")
    text.seek(0, io.SEEK_END)
    text.writelines(f"{n},person{n}@example.org\n" for n in range(3000))
    file.write_text(text.getvalue())
    assert brugge("import", "contacts", str(file), "--entity", "brugge").out == "added 3000, changed 0, refused 0\n"


CARDS = "BEGIN:VCARD\nVERSION:4.0\nUID:{n}\nFN:Card {n}\nTEL;TYPE=cell:{number}\nEND:VCARD\n"


def test_cards_are_read_in_the_entity_s_region_and_the_import_is_undone(brugge: Command, tmp_path: Path) -> None:
    file = tmp_path / "phone.vcf"
    file.write_text("".join(CARDS.format(n=n, number=f"047000000{n}") for n in range(3)))
    assert brugge("import", "contacts", str(file), "--entity", "brugge", "--group", "plp").out.startswith("added 3,")
    (done,) = (json.loads(line) for line in brugge("import", "list", "--entity", "brugge", "--json").out.splitlines())
    assert (done["kind"], done["state"], done["added"], done["by"]) == ("vcard", "done", 3, "command")
    words = ("import", "undo", str(done["import"]), "--entity", "brugge")
    assert "0 were changed again" in brugge(*words).err
    assert (members(brugge), contacts(brugge)) == (0, 0)
    assert brugge(*words).code == 1
    assert "undone" in brugge("import", "list", "--entity", "brugge").out
    assert brugge("import", "undo", "1", "--entity", "nowhere").code == 1
    assert brugge("import", "list", "--entity", "nowhere").code == 1


def test_somebody_with_the_same_number_is_named_and_matching_by_it_changes_them(
    brugge: Command, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("key,mobile,name\nown,0470000001,Jan\n")
    assert brugge("import", "contacts", str(file), "--entity", "brugge").code == 0
    file.write_text("mobile,name\n0470000001,Jan Peeters\n")
    dry = brugge("import", "contacts", str(file), "--entity", "brugge", "--dry-run")
    assert dry.out == "would have added 1, changed 0, refused 0, 1 possibly twice\n"
    assert "row 2, mobile: another contact has it" in dry.err
    ran = brugge("import", "contacts", str(file), "--entity", "brugge", "--match", "mobile")
    assert (ran.code, ran.out) == (0, "added 0, changed 1, refused 0\n")
