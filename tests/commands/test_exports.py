"""People's data taken out at a terminal: the second person is somebody else, with a token of their own."""

from tests.commands.conftest import Command, Remote


def test_a_second_person_agrees_over_http(command: Command, remote: Remote) -> None:
    remote.answers["/v1/exports/12/agree"] = 200, {"agreed": True}
    assert command("contact", "agree", "12") == (0, "", "request 12 is agreed to\n")


def test_an_export_is_asked_for_or_taken_and_not_both(command: Command) -> None:
    for words in ((), ("--reason", "the contract ends", "--request", "1"), ("--request", "0"), ("--request", "x")):
        assert command("contact", "export", "--entity", "brugge", *words).code == 2
        assert command("entity", "export", "brugge", *words).code == 2
