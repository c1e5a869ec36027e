"""How nodes divide the binds that a provider allows: alike, and what does not divide goes to the first ones.

Knows: counts, places in a row. Never knows: which node is which, leases, sockets.
"""

from collections.abc import Mapping


def fair_share(binds: int, nodes: int, place: int) -> int:
    """How many of `binds` the node at `place` (0 = first) of `nodes` holds. Over all places: all of them, no two shares
    further apart than one. Who is first has one of every provider, and so can reach every number."""
    return binds // nodes + (place < binds % nodes)


def let_go(held: Mapping[int, bool], share: int) -> list[int]:
    """Which of the ordinals `held` (whether each is up) are given to others: those that are down first, then the
    highest."""
    surplus = len(held) - share
    return sorted(held, key=lambda ordinal: (held[ordinal], -ordinal))[: max(0, surplus)]
