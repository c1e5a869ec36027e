"""What an entity needs before it goes live, and what is still missing.

Knows: the checklist of the convention. Never knows: SQL, dates' order, who fills it in.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What is on record of an entity; `administrators` are persons who may act; `terms` None = the newest terms have
    no answer yet (True when there are no terms)."""

    convention_signed_on: date | None
    order_form_on: date | None
    contact_persons: int
    administrators: int
    terms: bool | None


def checklist(papers: Papers) -> dict[str, bool]:
    """Each item and whether it is there."""
    return {
        "convention": papers.convention_signed_on is not None,
        "order-form": papers.order_form_on is not None,
        "contact-persons": papers.contact_persons > 0,
        "accounts": papers.administrators > 0,
        "terms": papers.terms is True,
    }


def missing(papers: Papers) -> list[str]:
    """What has to come before the entity can go live."""
    return [item for item, there in checklist(papers).items() if not there]
