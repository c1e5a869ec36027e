"""Answers of flows."""

from gateway.flows.answers import problem


def test_a_problem_names_itself_for_machines_and_people() -> None:
    answer = problem(409, "wrong-state", "No.", state="held")
    assert answer.status == 409
    assert answer.body == {
        "type": "/docs#wrong-state", "title": "Wrong state", "status": 409, "detail": "No.", "reason": "wrong-state",
        "state": "held",
    }  # fmt: skip
