"""Wrong guesses: each makes the next one wait longer, for the account and for the network address, and none locks out.

Knows: that guesses for one account come one after the other. Never knows: what is guessed, tables.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.policy.second_way import wait_s
from gateway.store import ways
from gateway.store.pool import Connection, Store

_Found = TypeVar("_Found")


class TooSoon(int):
    """Seconds that a guess has to wait; it was not looked at."""


class Guessing:
    """One guess at a time for each account and address."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self, keys: dict[str, str], guess: Callable[[Connection], Awaitable[_Found | None]], *, actor: str = ""
    ) -> _Found | TooSoon | None:
        """What the guess found, None when it was wrong. `keys`: {"account": ..., "address": ...}, either or both.

        Not looked at means that even a right one waits, so that nothing can be told from the answer. An address is not
        cleared by a right guess: whoever has one account would guess for the others in between.
        """
        named = {of: f"{of}:{key}" for of, key in sorted(keys.items())}  # always in one order: no deadlock
        async with self._store.acting(actor) as connection:
            before = {of: await ways.guessed(connection, key) for of, key in named.items()}
            wait = max((one.wait_s for one in before.values()), default=0.0)
            if wait > 0:
                return TooSoon(int(wait) + 1)
            found = await guess(connection)
            for of, key in named.items():
                if found is None:
                    failures = before[of].failures + 1
                    await ways.wrong(connection, key, failures, wait_s(failures, of))
                elif of == "account":
                    await ways.right(connection, key)
        return found
