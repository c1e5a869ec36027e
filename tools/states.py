"""The page docs/states.md: the lives of a delivery and of a campaign as diagrams, drawn from the tables in the code.

Knows: gateway.policy.states, Mermaid's state diagrams. Never knows: what a state means; the glossary does.
"""

from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from gateway.model import CampaignState, DeliveryState
from gateway.policy.states import CAMPAIGN, DELIVERY, FINAL

HEAD = """# States
Made by `make docs` from the tables in `gateway/policy/states.py`; do not edit. What is not drawn can not happen.
"""

State = TypeVar("State", bound=Enum)
Event = TypeVar("Event", bound=Enum)


def page() -> str:
    """The whole page."""
    campaign_end = frozenset({CampaignState.CLOSED})
    parts = [HEAD, "\n## A delivery\n", diagram(DELIVERY, DeliveryState.QUEUED, FINAL)]
    parts += ["\n## A campaign\n", diagram(CAMPAIGN, CampaignState.PLANNED, campaign_end, CampaignState.HELD)]
    return "".join(parts)


def diagram(
    table: Mapping[tuple[State, Event], State], first: State, final: frozenset[State], *also_first: State
) -> str:
    """One diagram; events that lead the same way share an arrow."""
    arrows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (before, event), after in table.items():
        arrows[_name(before), _name(after)].append(str(event.value))
    lines = [f"    [*] --> {_name(state)}" for state in (first, *also_first)]
    lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines += [f"    {name} --> [*]" for name in sorted(map(_name, final))]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _name(state: Enum) -> str:
    return state.name.lower()
