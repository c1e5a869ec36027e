"""The diagrams: every row of a table is an arrow, and nothing else is."""

import re

from gateway.model import CampaignState, DeliveryState
from gateway.policy.states import CAMPAIGN, DELIVERY, FINAL
from tools.states import diagram, page


def drawn(text: str) -> set[tuple[str, str, str]]:
    found = set()
    for before, after, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", text, re.MULTILINE):
        found |= {(before, event, after) for event in events.split(", ")}
    return found


def test_every_row_of_a_table_is_drawn_once_and_nothing_else() -> None:
    rows = {(before.name.lower(), event.value, after.name.lower()) for (before, event), after in DELIVERY.items()}
    assert drawn(diagram(DELIVERY, DeliveryState.QUEUED, FINAL)) == rows
    lives = {(before.name.lower(), event.value, after.name.lower()) for (before, event), after in CAMPAIGN.items()}
    assert drawn(page()) == rows | lives


def test_beginnings_and_ends_are_marked() -> None:
    text = diagram(CAMPAIGN, CampaignState.PLANNED, frozenset({CampaignState.CLOSED}), CampaignState.HELD)
    assert "[*] --> planned" in text and "[*] --> held" in text and "closed --> [*]" in text
