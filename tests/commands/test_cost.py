"""gateway cost."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command

PACK = ("--units", "100", "--bought", "2022-09-20", "--until", "2100-07-20", "--reference", "3P-1")


@pytest.fixture
def brugge(gateway: Command) -> Command:
    gateway("entity", "create", "brugge", "--name", "Stad Brugge", "--kind", "type1")
    return gateway


def test_prices_are_listed_and_followed_by_others(gateway: Command) -> None:
    assert gateway("cost", "tariff", "sms", "0.058", "--from", "2028-07-21", "--prefix", "+33").code == 0
    assert gateway("cost", "tariff", "sms", "0.058", "--from", "2028-07-21", "--prefix", "+33").code == 1
    rows = [json.loads(line) for line in gateway("cost", "tariffs", "--json").out.splitlines()]
    assert {"channel": "sms", "numbers": "+33", "eur": "0.058", "from": "2028-07-21", "until": None} in rows
    assert "2028-07-20" in gateway("cost", "tariffs").out


@pytest.mark.parametrize(
    "words",
    [
        ("sms", "x", "--from", "2028-07-21"), ("sms", "0.0000001", "--from", "2028-07-21"),
        ("sms", "1", "--from", "2028-07-21", "--until", "2028-01-01"),
        ("sms", "1", "--from", "2028-07-21", "--prefix", "33"), ("fax", "1", "--from", "2028-07-21"),
    ],
)  # fmt: skip
def test_a_price_that_can_not_be_is_refused(gateway: Command, words: tuple[str, ...]) -> None:
    assert gateway("cost", "tariff", *words).code == 2


def test_packs_are_noted_and_the_balance_shows_them(brugge: Command) -> None:
    assert brugge("cost", "pack", "--entity", "brugge", *PACK).out.strip().isdigit()
    ran = brugge("cost", "balance", "--entity", "brugge")
    assert (ran.code, "100 units are left" in ran.out, "3P-1" in ran.out) == (0, True, True)
    wrong = ("--units", "1", "--bought", "2022-09-20", "--until", "2020-01-01")
    assert brugge("cost", "pack", "--entity", "brugge", *wrong).code == 2
    assert brugge("cost", "pack", "--entity", "none", *PACK).code == 1


def test_a_balance_that_ends_soon_is_no(brugge: Command) -> None:
    brugge("cost", "pack", "--entity", "brugge", "--units", "1", "--bought", "2022-09-20", "--until", "2022-09-21")
    ran = brugge("cost", "balance", "--entity", "brugge")
    assert (ran.code, "Nothing is held back." in ran.err) == (1, True)


def test_a_statement_is_printed_or_put_in_a_file(brugge: Command, tmp_path: Path) -> None:
    ask = ("cost", "statement", "--entity", "brugge", "--month", "2026-11")
    assert brugge(*ask).code == 0
    for form, begins in (("pdf", b"%PDF"), ("xlsx", b"PK"), ("csv", b"settled,")):
        file = tmp_path / f"statement.{form}"
        assert brugge(*ask, "--format", form, "--output", str(file)).code == 0
        assert file.read_bytes().startswith(begins)
    assert brugge("cost", "statement", "--entity", "brugge", "--month", "2026-13").code == 2
