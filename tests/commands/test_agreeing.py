"""`gateway campaign approve` and `break-glass` at a terminal, asked of a gateway that runs elsewhere."""

import json

from tests.commands.conftest import Command, Remote

APPROVE, GLASS = "/v1/campaigns/ca_1/approve", "/v1/campaigns/ca_1/break-glass"


def test_a_second_person_approves_what_they_saw(command: Command, remote: Remote) -> None:
    remote.answers[APPROVE] = 200, {"campaign": "ca_1", "state": "planned"}
    assert command("campaign", "approve", "ca_1") == (0, "", "ca_1 is planned\n")
    assert command("campaign", "approve", "ca_1", "--seal", "ab" * 32).code == 0
    assert [json.loads(body) for _, body in remote.asked] == [{}, {"seal": "ab" * 32}]


def test_what_is_still_waited_for_is_said(command: Command, remote: Remote) -> None:
    remote.answers[APPROVE] = 200, {"campaign": "ca_1", "state": "held", "needs": ["police:3"]}
    assert command("campaign", "approve", "ca_1").err == "ca_1 is held, and waits for police:3\n"


def test_what_changed_is_shown_with_its_new_seal(command: Command, remote: Remote) -> None:
    remote.answers[APPROVE] = 409, {"detail": "Look again.", "reason": "changed", "seal": "cd", "messages": 7}
    ran = command("campaign", "approve", "ca_1")
    assert (ran.code, "7 messages; to agree to that: --seal cd" in ran.err) == (1, True)


def test_the_glass_is_broken_with_a_reason(command: Command, remote: Remote) -> None:
    remote.answers[GLASS] = 200, {"campaign": "ca_1", "state": "planned"}
    assert command("campaign", "break-glass", "ca_1").code == 2
    assert command("campaign", "break-glass", "ca_1", "--reason", "The dike breaks now.").code == 0
    assert remote.asked == [(GLASS, b'{"reason": "The dike breaks now."}')]
