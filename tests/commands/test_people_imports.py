"""gateway import people: a whole file or nothing, then one by one with an administrator's token."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.people_imports import Wanted, people_of
from tests.commands.conftest import Command, Remote
from tests.policy.test_workbook import a_workbook

ROWS = [
    ["Name", "email", "partnership", "role"], ["An Peeters", "an@plp.example", "north", "coordinator"],
    ["Jan", "jan@plp.example", "", ""],
]  # fmt: skip
CSV = "\n".join(";".join(row) for row in ROWS).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "people.csv"
    made.write_bytes(CSV)
    return made


def test_members_and_coordinators_are_made_of_a_file(command: Command, remote: Remote, file: Path) -> None:
    remote.answers["/v1/persons"] = 201, {"person": "pe_1"}
    remote.answers["/v1/partnerships/north/people"] = 200, {"partnership": "north"}
    assert command("import", "people", str(file), "--dry-run") == (0, "", "2 rows would be done\n")
    assert remote.asked == []
    assert command("import", "people", str(file)) == (0, "", "2 rows are done, 0 were refused\n")
    assert [(path, json.loads(body)) for path, body in remote.asked] == [
        ("/v1/persons", {"name": "An Peeters", "email": "an@plp.example", "language": "nl"}),
        ("/v1/partnerships/north/people", {"person": "an@plp.example", "role": "coordinator"}),
        ("/v1/persons", {"name": "Jan", "email": "jan@plp.example", "language": "nl"}),
    ]
    assert {head["If-Match"] for head in remote.heads} == {"*"}


def test_who_is_a_member_gets_the_role_and_a_refusal_names_its_row(
    command: Command, remote: Remote, file: Path
) -> None:
    remote.answers["/v1/persons"] = 409, {"detail": "There is a member with this address."}
    remote.answers["/v1/partnerships/north/people"] = 404, {"detail": "Nothing of yours has this name."}
    ran = command("import", "people", str(file))
    assert (ran.code, ran.err.splitlines()) == (
        1, ["gateway: row 2: Nothing of yours has this name.", "1 rows are done, 1 were refused"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",an@b.example,,,", "no name"), ("An,nobody,,,", "no e-mail"), ("An,an@b.example,x,,", "a code like nl"),
        ("An,an@b.example,,north,", "go together"), ("An,an@b.example,,north,king", "role is one of"),
        ("An,an@b.example,,No/rth,police", "a slug"),
    ],
)  # fmt: skip
def test_one_wrong_row_changes_nothing(row: str, said: str, command: Command, remote: Remote, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"name,email,language,partnership,role\nJan,jan@b.example,,,\n{row}\n")
    ran = command("import", "people", str(file))
    assert (ran.code, f"row 3: {said}" in ran.err or said in ran.err, remote.asked) == (2, True, [])


def test_a_workbook_is_read_as_well_and_other_heads_are_said() -> None:
    assert [one for one in people_of(a_workbook(ROWS)) if isinstance(one, Wanted)] == [
        Wanted(2, "An Peeters", "an@plp.example", "nl", "north", "coordinator"),
        Wanted(3, "Jan", "jan@plp.example", "nl", "", ""),
    ]
    for raw in (
        b"",
        b"who,mail\nAn,x\n",
        b"name,email,name\n",
        b"\xd0\xcf\x11\xe0",
        b"PK\x03\x04",
        bytes(9 * 2**20),
    ):
        (wrong,) = people_of(raw)
        assert isinstance(wrong, str)


@given(st.binary(max_size=300))
def test_any_bytes_are_people_or_reasons(raw: bytes) -> None:
    assert all(isinstance(one, Wanted | str) for one in people_of(b"name,email\n" + raw))


def test_a_file_that_is_not_there_is_said(command: Command, remote: Remote) -> None:
    assert command("import", "people", "none.csv").code == 2
