"""The words of a session are complete."""

from gateway.smtp.events import FATES, PHASES, Fate, Phase, Step
from gateway.smtp.reply import Verdict


def test_every_phase_but_the_last_can_be_lost_and_is_reached() -> None:
    assert {phase for phase, step in PHASES if step is Step.LOST} == set(Phase) - {Phase.DOWN}
    assert set(PHASES.values()) == set(Phase) - {Phase.GREETING}


def test_nothing_leads_out_of_down() -> None:
    assert not [phase for phase, _ in PHASES if phase is Phase.DOWN]


def test_every_verdict_on_a_message_has_a_fate() -> None:
    assert set(FATES) == {Verdict.OK, Verdict.RETRY, Verdict.FAILED}
    assert set(FATES.values()) == {Fate.ACCEPTED, Fate.RETRY, Fate.FAILED}
