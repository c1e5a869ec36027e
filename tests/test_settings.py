"""Settings: the example file documents every key with its real default, and every mistake is told at once."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, SecretStr

from gateway.errors import SettingsError
from gateway.model import ChannelName
from gateway.policy.retry import DEFAULT_RULES
from gateway.settings import ENVIRONMENT, Role, Settings, effective, load, parse, schema_text
from gateway.smpp import text as sms_text
from gateway.toml_model import inner_model

REPOSITORY = Path(__file__).parents[1]
EXAMPLE = REPOSITORY / "config" / "gateway.toml"
SCHEMA = REPOSITORY / "schemas" / "config.schema.json"
DATABASE = {"database": {"dsn": "postgresql:///gateway"}}
PROVIDER = {"name": "smsc", "host": "h", "system_id": "s", "password": "p", "source_addr": "x"}
RELAY = {"name": "relay", "host": "h"}
EMAIL = {"from_address": "a@example.be", "envelope_address": "b@example.be", "message_id_domain": "example.be"}
TRUNK = {
    "name": "trunk",
    "base_url": "https://v.example",
    "account_sid": "AC1",
    "auth_token": "t",
    "caller_id": "+3225550100",
}


def mistakes(document: Mapping[str, Any], **more: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        parse(document, **more)
    return caught.value.mistakes


def uncommented() -> dict[str, Any]:
    """The example with every `#key = value` and `#[table]` in force."""
    return tomllib.loads(re.sub(r"(?m)^#(?=[a-z\[])", "", EXAMPLE.read_text(encoding="utf-8")))


def keys(model: type[BaseModel], table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, field, value or None when the example lacks it) of every field of a model, at any depth."""
    for name, field in model.model_fields.items():
        value = table.get(name)
        inner = inner_model(field.annotation)
        if inner is None or value is None or value == []:
            yield f"{path}{name}", field, value
        else:
            yield from keys(inner, value[0] if isinstance(value, list) else value, f"{path}{name}.")


def test_the_example_loads_as_it_is_and_holds_the_defaults() -> None:
    settings = load(EXAMPLE, environment={})
    assert settings == parse({"database": {"dsn": "postgresql://gateway_app@localhost/gateway"}})
    assert settings.email is None
    assert settings.voice.trunk is None


def test_the_example_documents_every_key() -> None:
    """Simulators have the keys of their real counterparts, which are all there."""
    missing = [path for path, _, value in keys(Settings, uncommented()) if value is None and ".simulated." not in path]
    assert missing == []


def test_the_defaults_in_the_example_are_the_real_ones() -> None:
    wrong = []
    for path, field, value in keys(Settings, uncommented()):
        if field.is_required() or value is None or path == "database.dsn":
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = json.loads(json.dumps(default.value if isinstance(default, Enum) else default, default=str))
        if shown is not None and shown != value and ".simulated." not in path:
            wrong.append((path, value, shown))
    assert wrong == []


def test_the_example_is_right_also_with_everything_switched_on() -> None:
    document = uncommented()
    del document["database"]["embedded"]
    for table in (document["sms"]["providers"][0], document["email"]["relays"][0]):
        table.pop("tls_ca_file", None)
    del document["feed"]["signing"], document["email"]["dkim"]  # keys that would fit can not stand in an example
    del document["sign_in"]["providers"]  # nor a secret
    settings = parse(document)
    assert settings.provider_names() == [
        "smsc-one", "simulated-smsc", "relay-one", "simulated-relay", "trunk-one", "simulated-trunk",
    ]  # fmt: skip


def test_every_key_of_the_example_is_explained() -> None:
    """A table or key stands below a comment, at most after others that share it."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    blocks = "\n".join(lines).split("\n\n")
    unexplained = [block.splitlines()[0] for block in blocks if "#" + " " not in block]
    assert [head for head in unexplained if not head.startswith("[retry.")] == []


def test_the_schema_is_fresh() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "write it again with gateway.settings.schema_text()"


def test_the_example_is_right_by_the_schema_too() -> None:
    validator = Draft202012Validator(json.loads(schema_text()))
    assert validator.is_valid(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    assert validator.is_valid(uncommented())
    assert not validator.is_valid(DATABASE | {"nodes": {}})


def test_nearest_keys_and_all_mistakes_are_told(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[databse]\ndsn = "x"\n[http]\nprot = 80\nport = "80"\n[node]\nlease_s = 3\nroles = ["api", "dispach"]\n'
        '[[sms.providers]]\nname = "One"\nhost = "h"\npassword_file = "nowhere"\n'
    )
    with pytest.raises(SettingsError) as caught:
        load(file, environment={})
    told = "\n".join(caught.value.mistakes)
    for sentence in (
        "databse is not a known key; did you mean database?",
        "database is missing",
        "http.prot is not a known key; did you mean port?",
        'http.port is "80": it should be a valid integer',
        "node.lease_s is not a known key; lease_s belongs to dispatch.lease_s",
        'node.roles[2] is "dispach": it should be',
        "sms.providers[1].password_file can not be read: No such file or directory: nowhere",
        "sms.providers[1].system_id is missing",
    ):
        assert sentence in told, sentence


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"database": {}}, "database: give dsn (a server) or embedded (a folder), exactly one of them"),
        ({"database": {"dsn": "x", "embedded": "y"}}, "database: give dsn (a server) or embedded (a folder)"),
        ({"database": {"dsn": "x", "pool_min": 9, "pool_max": 3}}, "database: pool_min is above pool_max"),
        (DATABASE | {"dispatch": {"lease_s": 3.0}}, "dispatch: lease_s has to be at least twice heartbeat_s"),
        (DATABASE | {"http": {"public_url": "ftp://x"}}, 'http.public_url is "ftp://x": it should be http(s)://host'),
        (DATABASE | {"metrics": {"listen": "9464"}}, 'metrics.listen is "9464"'),
        (DATABASE | {"compose": {"time_zone": "Belgium"}}, 'compose.time_zone is "Belgium": it should be a name'),
        (DATABASE | {"compose": {"time_zone": "../../etc/passwd"}}, "compose.time_zone is"),
        (DATABASE | {"intake": {"max_bytes": 9_000_000}}, "http.max_body_bytes is below intake.max_bytes"),
        (DATABASE | {"log": {"level": "info"}}, 'log.level is "info": it should be'),
        (DATABASE | {"retry": {"sms": {"factor": 0.5}}}, "retry.sms.factor is 0.5"),
        (DATABASE | {"voice": {"max_starts_per_minute": 601}}, "voice.max_starts_per_minute is 601"),
        (DATABASE | {"voice": {"trunk": {**TRUNK, "base_url": "http://v.example"}}}, "voice.trunk: base_url must be"),
        (DATABASE | {"email": {**EMAIL, "from_address": "nobody"}}, 'email.from_address is "nobody": not an e-mail'),
        (DATABASE | {"sms": {"rate_per_s": float("inf")}}, "sms.rate_per_s is Infinity"),
    ],
)
def test_a_value_that_can_not_work_is_refused_in_words(document: dict[str, Any], sentence: str) -> None:
    (mistake,) = mistakes(document)
    assert sentence in mistake


@pytest.mark.parametrize(
    "document",
    [
        {"sms": {"providers": [PROVIDER], "simulated": [PROVIDER]}},
        {"sms": {"providers": [PROVIDER]}, "email": {**EMAIL, "relays": [{**RELAY, "name": "smsc"}]}},
        {"email": {**EMAIL, "relays": [{**RELAY, "name": "trunk"}]}, "voice": {"trunk": TRUNK}},
    ],
)
def test_no_two_providers_share_a_name_because_receipts_are_found_by_it(document: dict[str, Any]) -> None:
    assert "have the name" in mistakes(DATABASE | document)[0]


def test_the_environment_wins_over_the_file_and_its_secret_files() -> None:
    environment = {
        "GATEWAY_DATABASE_DSN": "postgresql://env/db", "GATEWAY_DATABASE_PASSWORD": "p", "GATEWAY_HTTP_PORT": "0",
        "GATEWAY_NODE_ROLES": "api, dispatch", "GATEWAY_LOG_LEVEL": "DEBUG", "GATEWAY_NODE_NAME": "",
        "GATEWAY_METRICS_LISTEN": "[::1]:9464",
    }  # fmt: skip
    settings = parse(
        {"database": {"dsn_file": "/nowhere", "pool_max": 5}, "node": {"name": "n1"}}, environment=environment
    )
    assert settings.database.dsn.get_secret_value() == "postgresql://env/db"
    assert settings.database.pool_max == 5
    assert settings.node.roles == (Role.API, Role.DISPATCH)
    assert (settings.node.name, settings.http.port, settings.log.level) == ("n1", 0, "DEBUG")
    assert settings.metrics.address == ("::1", 9464)
    assert load(None, environment=environment).database.password.get_secret_value() == "p"


def test_a_wrong_variable_is_a_mistake_like_any_other() -> None:
    assert 'http.port is "many"' in mistakes(DATABASE, environment={"GATEWAY_HTTP_PORT": "many"})[0]


def test_the_variables_are_documented_in_the_example() -> None:
    words = set(re.findall(r"GATEWAY_[A-Z_]+", EXAMPLE.read_text(encoding="utf-8")))
    assert words == set(ENVIRONMENT)


def test_a_file_that_is_absent_or_no_toml_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[node\n")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[feed]\ntitle = "\xe9"\n')
    for path, words in ((tmp_path / "absent.toml", "can not be read"), (broken, "is not TOML"), (latin, "is not TOML")):
        with pytest.raises(SettingsError, match=words):
            load(path, environment={})


def test_print_hides_every_secret_and_reads_back() -> None:
    document = {
        "database": {
            "dsn": "postgresql://app:geheim@db/gateway",
            "owner_dsn": "host=x password=geheim",
            "password": "geheim",
        },
        "sms": {"providers": [{**PROVIDER, "password": "geheim"}]},
        "email": {**EMAIL, "verp_secret": "geheim", "relays": [{**RELAY, "username": "u", "password": "geheim"}]},
        "voice": {"trunk": {**TRUNK, "auth_token": "geheim"}},
    }
    text = effective(parse(document))
    assert "geheim" not in text
    again = parse(tomllib.loads(text))
    assert again.dispatch == parse(document).dispatch
    assert again.provider_names() == ["smsc", "relay", "trunk"]


def test_retries_are_the_policys_and_each_key_can_change_alone() -> None:
    assert parse(DATABASE).retry.by_channel() == DEFAULT_RULES
    changed = parse(DATABASE | {"retry": {"voice": {"max_attempts": 2}}}).retry.of(ChannelName.VOICE)
    assert (changed.attempts, changed.first_s) == (2, DEFAULT_RULES[ChannelName.VOICE].first_s)


def test_chunks_are_one_or_two_seconds_of_each_channel() -> None:
    chunk = parse(DATABASE).dispatch.chunk
    assert [chunk.of(channel) for channel in (ChannelName.SMS, ChannelName.EMAIL, ChannelName.VOICE)] == [500, 500, 10]


def test_the_rules_for_texts_come_from_their_sections() -> None:
    settings = parse(DATABASE | {"sms": {"max_parts": 2}, "compose": {"all_clear": {"nl": "Klaar."}}})
    rules = settings.compose_rules(lambda text: ("gsm", sms_text.count(text).parts))
    assert (rules.sms_max_parts, rules.all_clear, rules.time_zone) == (2, {"nl": "Klaar."}, "Europe/Brussels")
    assert rules.count_sms("x" * 161) == ("gsm", 2)


def test_settings_can_not_be_changed() -> None:
    settings = parse(DATABASE)
    with pytest.raises(ValueError, match="frozen"):
        settings.http.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("canaries", "said"),
    [
        ([{"name": "one", "number": "+32470000001", "provider": "gone"}], "which is not there"),
        ([{"name": "one", "number": "+32470000001"}] * 2, "two canaries have one name"),
        ([{"name": "one", "number": "0470000001"}], "number"),
    ],
)
def test_canaries_have_names_numbers_and_a_way(canaries: list[dict[str, str]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(DATABASE | {"sms": {"canaries": canaries}})
