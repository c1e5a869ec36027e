"""The checklist: every paper counts, and nothing else does."""

from dataclasses import replace
from datetime import date

from gateway.policy.onboarding import Papers, checklist, missing

WHOLE = Papers(
    convention_signed_on=date(2026, 1, 5),
    order_form_on=date(2026, 1, 5),
    contact_persons=1,
    administrators=1,
    terms=True,
)


def test_an_entity_with_everything_lacks_nothing() -> None:
    assert missing(WHOLE) == []
    assert all(checklist(WHOLE).values())


def test_each_missing_paper_is_named() -> None:
    assert missing(replace(WHOLE, convention_signed_on=None)) == ["convention"]
    assert missing(replace(WHOLE, order_form_on=None)) == ["order-form"]
    assert missing(replace(WHOLE, contact_persons=0)) == ["contact-persons"]
    assert missing(replace(WHOLE, administrators=0)) == ["accounts"]
    for answer in (None, False):
        assert missing(replace(WHOLE, terms=answer)) == ["terms"]
