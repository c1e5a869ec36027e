"""A document is held against a model: every mistake at once, secrets from files, nothing secret in print."""

import json
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.toml_model import HIDDEN, checked, inner_model, schema, shown


class Colour(StrEnum):
    RED = "red"


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    port: int = Field(default=1, ge=1)
    token: SecretStr
    cert_file: Path | None = None


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    password: SecretStr = SecretStr("")
    dsn: SecretStr = SecretStr("")
    rate: float = 1.0
    colours: tuple[Colour, ...] = ()
    words: dict[str, str] = {}

    @model_validator(mode="after")
    def _rate_is_not_three(self) -> "Inner":
        if self.rate == 3:
            raise ValueError("rate must not be three")
        return self


class Whole(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = "x"
    inner: Inner = Inner()
    maybe: Part | None = None
    parts: tuple[Part, ...] = ()


GOOD = {"host": "h", "token": "t"}


def mistakes(document: dict[str, Any], folder: Path = Path()) -> list[str]:
    found = checked(Whole, document, folder)
    assert isinstance(found, list)
    return found


def good(document: dict[str, Any], folder: Path = Path()) -> Whole:
    found = checked(Whole, document, folder)
    assert isinstance(found, Whole), found
    return found


def test_a_document_becomes_a_frozen_value() -> None:
    whole = good({"inner": {"colours": ["red"], "rate": 2}, "parts": [GOOD, {**GOOD, "cert_file": "a.pem"}]})
    assert whole.inner.colours == (Colour.RED,)
    assert whole.parts[1].cert_file == Path("a.pem")
    assert whole.parts[0].token.get_secret_value() == "t"
    with pytest.raises(ValueError, match="frozen"):
        whole.name = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"nam": "x"}, "nam is not a known key; did you mean name?"),
        ({"inner": {"ports": 1}}, "inner.ports is not a known key"),
        ({"inner": {"port": 1}}, "inner.port is not a known key; port belongs to maybe.port"),
        ({"parts": [GOOD, {**GOOD, "hots": 1}]}, "parts[2].hots is not a known key; did you mean host?"),
        ({"parts": [{"token": "t"}]}, "parts[1].host is missing"),
        ({"maybe": {"host": "h"}}, "maybe.token (or token_file) is missing"),
        ({"maybe": {**GOOD, "port": "80"}}, 'maybe.port is "80": it should be a valid integer'),
        ({"maybe": {**GOOD, "port": 0}}, "maybe.port is 0: it should be greater than or equal to 1"),
        ({"inner": {"rate": True}}, "inner.rate is true: it should be a valid number"),
        ({"inner": {"colours": ["blue"]}}, "inner.colours[1] is \"blue\": it should be 'red'"),
        ({"inner": {"rate": 3}}, "inner: rate must not be three"),
        ({"inner": 5}, "inner is 5: it should be an object"),
        ({"parts": GOOD}, "parts: it should be a valid array"),
        ({"inner": {"password_file": 5}}, "inner.password_file has to be the path of a file"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_its_place(document: dict[str, Any], sentence: str) -> None:
    assert sentence in mistakes(document)


def test_every_mistake_is_told_at_once() -> None:
    found = mistakes({"nam": 1, "inner": {"rate": "x", "password_file": "/no/such/file"}, "parts": [{}, {"host": 3}]})
    assert len(found) == 7


def test_a_mistake_never_shows_a_secret() -> None:
    found = mistakes(
        {"inner": {"pasword": "geheim", "password": 12345678}, "parts": [{"host": "h", "token": ["geheim"]}]}
    )
    assert len(found) == 3
    assert not [one for one in found if "geheim" in one or "12345678" in one]


def test_a_secret_comes_from_its_file_beside_the_document(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    whole = good({"inner": {"password_file": "secret"}, "parts": [{"host": "h", "token_file": "secret"}]}, tmp_path)
    assert whole.inner.password.get_secret_value() == "geheim"
    assert whole.parts[0].token.get_secret_value() == "geheim"


@pytest.mark.parametrize("order", [("password", "password_file"), ("password_file", "password")])
def test_a_secret_given_twice_is_a_mistake(tmp_path: Path, order: tuple[str, str]) -> None:
    (tmp_path / "secret").write_text("geheim")
    document = {"inner": dict.fromkeys(order, "secret")}
    assert mistakes(document, tmp_path) == ["inner.password and password_file are both given: keep one"]


def test_an_unreadable_secret_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, reason in (("absent", "can not be read: No such file"), ("empty", "is empty"), ("binary", "not text"),
                         (".", "can not be read: Is a directory"), ("a\0b", "can not be read")):  # fmt: skip
        (found,) = mistakes({"inner": {"password_file": name}}, tmp_path)
        assert found.startswith("inner.password_file ")
        assert reason in found


def test_a_key_that_ends_in_file_and_is_no_secret_stays_what_it_is() -> None:
    assert good({"maybe": {**GOOD, "cert_file": "x"}}).maybe is not None
    assert mistakes({"name_file": "x"})[0].startswith("name_file is not a known key")


def test_print_hides_secrets_and_is_toml() -> None:
    dsn = "postgresql://app:geheim@db/gateway?password=geheim&sslmode=require"
    whole = good({
        "name": 'a "b"\n\x7fé', "maybe": {"host": "h", "token": "geheim"},
        "inner": {"password": "geheim", "dsn": dsn, "words": {"a b": "c"}},
    })  # fmt: skip
    text = shown(whole)
    assert "geheim" not in text
    found = tomllib.loads(text)
    assert found["name"] == 'a "b"\n\x7fé'
    assert found["inner"]["dsn"] == f"postgresql://app:{HIDDEN}@db/gateway?password={HIDDEN}&sslmode=require"
    assert found["inner"]["password"] == found["maybe"]["token"] == HIDDEN
    assert found["inner"]["words"] == {"a b": "c"}
    assert "# cert_file is not set" in text


@pytest.mark.parametrize("dsn", ["host=db password=geheim", "postgresql://geheim", "://u:ge@heim@h"])
def test_the_address_of_a_database_never_shows_its_password(dsn: str) -> None:
    text = shown(good({"inner": {"dsn": dsn}}))
    assert "password=geheim" not in text
    assert "ge@heim" not in text


PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(PLAIN, st.dictionaries(PLAIN, PLAIN, max_size=4), st.floats(allow_nan=False, allow_infinity=False), PLAIN)
def test_what_is_printed_reads_back_as_the_same(name: str, words: dict[str, str], rate: float, host: str) -> None:
    if rate == 3:
        return
    whole = good({"name": name, "inner": {"words": words, "rate": rate}, "parts": [{"host": host, "token": "t"}]})
    again = good(tomllib.loads(shown(whole)))
    assert again.model_copy(update={"parts": ()}) == whole.model_copy(update={"parts": ()})
    assert again.parts[0].host == host


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "inner", "parts", "token", "token_file", "x"]), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict)))  # fmt: skip
def test_no_document_raises(document: dict[str, Any]) -> None:
    found = checked(Whole, document, Path("/nonexistent"))
    assert isinstance(found, Whole) or (found and all(isinstance(one, str) for one in found))


def test_the_schema_takes_a_secret_or_its_file_and_refuses_both_or_none() -> None:
    rules = schema(Whole)
    Draft202012Validator.check_schema(rules)
    validator = Draft202012Validator(json.loads(json.dumps(rules)))
    part = {"host": "h"}
    assert validator.is_valid({"parts": [{**part, "token": "t"}, {**part, "token_file": "f"}]})
    assert not validator.is_valid({"parts": [part]})
    assert not validator.is_valid({"parts": [{**part, "token": "t", "token_file": "f"}]})
    assert validator.is_valid({"inner": {"password_file": "f"}})
    assert not validator.is_valid({"inner": {"rate_file": "f"}})


def test_models_are_found_alone_optional_and_in_tuples() -> None:
    assert inner_model(Part) is Part
    assert inner_model(Part | None) is Part
    assert inner_model(tuple[Part, ...]) is Part
    assert inner_model(dict[str, str]) is None
