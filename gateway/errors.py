"""The error tree. Expected failure is a value; these are for bugs, broken configuration and broken peers.

GatewayError
├── SettingsError      the configuration is wrong; carries every mistake at once
├── StoreUnavailable   PostgreSQL can not be reached or can not write now: answer 503, try again
│   ├── RolledBack     PostgreSQL has undone this: it may be done again at once
│   └── NameTaken      another process runs under this node's name
└── SchemaError        the database is of another version than this program
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """Base of all errors that the gateway raises itself."""


class SettingsError(GatewayError):
    """Every mistake of a configuration, one sentence each, in `mistakes`."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class StoreUnavailable(GatewayError):
    """The store can not take this now; nothing was accepted."""


class RolledBack(StoreUnavailable):
    """PostgreSQL has undone all of this (a deadlock, a plan that a migration made invalid); it may be done again."""


class NameTaken(StoreUnavailable):
    """Another process runs under this node's name: one of the two has to end."""


class SchemaError(GatewayError):
    """The schema in the database is not the one this program was built for."""
