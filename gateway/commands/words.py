"""Lists of words on a command line, each word one of an enumeration.

Knows: commas. Never knows: what the words mean.
"""

import argparse
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

Word = TypeVar("Word", bound=StrEnum)


def words_of(kind: type[Word]) -> Callable[[str], tuple[Word, ...]]:
    """A reader of `one,two` for argparse; every unknown word is named."""

    def read(text: str) -> tuple[Word, ...]:
        known = {member.value: member for member in kind}
        words = [word.strip() for word in text.split(",") if word.strip()]
        unknown = [word for word in words if word not in known]
        if unknown or (not words and text.strip()):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(known)}")
        return tuple(dict.fromkeys(known[word] for word in words))

    return read
