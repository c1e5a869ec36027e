"""When the use of a message has to be declared in so many words, and which words count."""

from dataclasses import replace

import pytest

from gateway.cap.model import MsgType, Status
from gateway.model import EntityKind, MessageClass, Realm
from gateway.policy.audience import read_wishes
from gateway.policy.declaration import Wording, is_asked, undeclared
from gateway.policy.rights import Authority, EntityPolicy
from tests.support.scene import an_alert, asking

COMMUNE = Authority(
    entity_id=1, slug="brugge", name="Brugge", kind=EntityKind.TYPE1, live=True, suspended=False, realm=Realm.LIVE,
    token_id=3, languages=("nl",), rings=(), mandates=frozenset(),
    policy=EntityPolicy(declaration=frozenset({MessageClass.NEWS})),
)  # fmt: skip
IN_FORCE = Wording(2, "Nothing commercial.")


@pytest.mark.parametrize(
    ("message_class", "declares", "kind", "status", "asked"),
    [
        ("news", "", MsgType.ALERT, Status.ACTUAL, True),
        ("news", "2", MsgType.UPDATE, Status.EXERCISE, True),
        ("urgent", "2", MsgType.ALERT, Status.ACTUAL, True),
        ("urgent", "", MsgType.ALERT, Status.ACTUAL, False),
        ("news", "", MsgType.CANCEL, Status.ACTUAL, False),
        ("news", "", MsgType.ACK, Status.ACTUAL, False),
        ("news", "", MsgType.ALERT, Status.TEST, False),
    ],
)
def test_it_is_asked_of_the_classes_that_the_policy_names_and_never_of_a_cancel(
    message_class: str, declares: str, kind: MsgType, status: Status, asked: bool
) -> None:
    alert = asking(replace(an_alert(), msg_type=kind, status=status), **{"class": message_class, "declares": declares})
    wishes, _ = read_wishes(alert if declares else asking(alert, **{"class": message_class}))
    assert is_asked(wishes, COMMUNE, alert) is asked


@pytest.mark.parametrize(("declares", "missing"), [(None, True), (1, True), (3, True), (2, False)])
def test_only_the_wording_in_force_counts_and_the_refusal_says_it(declares: int | None, missing: bool) -> None:
    wishes, _ = read_wishes(an_alert())
    refusal = undeclared(replace(wishes, declares=declares), IN_FORCE)
    assert (refusal is not None) is missing
    assert refusal is None or ("gateway:declares = 2" in refusal.message and IN_FORCE.text in refusal.message)


@pytest.mark.parametrize(
    ("said", "number", "wrong"), [("2", 2, 0), ("two", None, 1), ("-1", None, 1), ("9" * 10, None, 1)]
)
def test_a_wording_is_named_by_its_number(said: str, number: int | None, wrong: int) -> None:
    wishes, findings = read_wishes(asking(an_alert(), declares=said))
    assert (wishes.declares, len([one for one in findings if "gateway:declares" in one.message])) == (number, wrong)
