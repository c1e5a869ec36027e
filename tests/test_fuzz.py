"""The fuzzer's targets hold over the corpus and over seeded damage. The fuzzer is run by hand (fuzz/README.md)."""

import random

import pytest

from fuzz.targets import TARGETS
from tests.cap.mutations import mutate_bytes
from tests.cap.samples import CORPUS, ROOT, cases

SMALL = [raw for case in cases(CORPUS) if len(raw := case.path.read_bytes()) < 20_000]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_over_the_corpus_and_what_becomes_of_it(name: str) -> None:
    chance = random.Random(f"{name} 1")
    for raw in SMALL:
        TARGETS[name](raw)
        TARGETS[name](mutate_bytes(raw, chance))


def test_every_target_is_in_the_guide() -> None:
    guide = (ROOT / "fuzz" / "README.md").read_text()
    for name in TARGETS:
        assert f"`{name}`" in guide
