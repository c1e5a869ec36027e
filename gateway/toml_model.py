"""A TOML document held against a pydantic model: a frozen value, or every mistake at once as sentences.

Knows: models inside models, secrets that stand in files of their own, how to name a place in a document.
Never knows: which settings there are or what they mean.

A secret `password` may be given as `password_file`, a path from the document's folder; both is a mistake.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

HIDDEN = "********"
MAX_SECRET_BYTES = 65_536
_FILE = "_file"
_URL_SECRETS = re.compile(r"(?<=://)([^/@?#:]*):[^/@?#]*@|(?<=[?&])(password|passfile)=[^&]*")

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]


def checked(model: type[Model], document: Mapping[str, Any], folder: Path) -> Model | list[str]:
    """The document as a frozen model, or its mistakes, in the order in which they stand in the model."""
    mistakes: list[str] = []
    filled = _with_secrets(model, document, folder, (), mistakes)
    try:
        # JSON's strict reading takes no string for a number, and a list for a tuple
        value = model.model_validate_json(json.dumps(filled, default=str), strict=True)
    except ValidationError as error:
        return mistakes + [_sentence(model, dict(found)) for found in error.errors(include_url=False)]
    return mistakes or value


def inner_model(annotation: object, value: object = None) -> type[BaseModel] | None:
    """The model that a field holds, alone, optional, or as the items of a tuple; else None.

    Of several, the one whose word (`driver = "sip"`) is `value`, or stands in `value`; else the first.
    """
    models = _models(annotation)
    return next((model for model in models if _says(model, value)), models[0] if models else None)


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {tuple, Union, UnionType, Annotated}:
        return [found for inner in get_args(annotation) for found in _models(inner)]
    return []


def _says(model: type[BaseModel], value: object) -> bool:
    """Whether the model's own word, a field with one possible value, is this value or one of this table."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal and len(words := get_args(field.annotation)) == 1:
            return bool(words[0] == (value.get(name) if isinstance(value, dict) else value))
    return False


def is_secret(field: FieldInfo) -> bool:
    """True when the field is hidden in print and may stand in a file."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def shown(value: BaseModel, path: str = "") -> str:
    """The model as TOML with its secrets hidden; what is not set stands in a comment."""
    return "\n".join(_tables(value, path)).strip() + "\n"


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of the documents that `checked` takes, secrets in files included."""
    whole = model.model_json_schema()
    for part in (whole, *whole.get("$defs", {}).values()):
        _allow_files(part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _allow_files(part: dict[str, Any]) -> None:
    properties = part.get("properties", {})
    for name in [name for name, rule in properties.items() if rule.get("format") == "password"]:
        properties[name + _FILE] = {"type": "string", "description": f"A file that holds {name}, in its place."}
        if name in part.get("required", []):
            part["required"].remove(name)
            part.setdefault("allOf", []).append({"oneOf": [{"required": [name]}, {"required": [name + _FILE]}]})


def _with_secrets(
    model: type[BaseModel], table: Mapping[str, Any], folder: Path, place: Place, mistakes: list[str]
) -> dict[str, Any]:
    """The table with every x_file replaced by x, at any depth."""
    filled: dict[str, Any] = {}
    for key, value in table.items():
        name = key.removesuffix(_FILE)
        secret = model.model_fields.get(name) if key not in model.model_fields and key != name else None
        if secret is not None and is_secret(secret):
            if name in table:
                mistakes.append(f"{_at((*place, name))} and {key} are both given: keep one")
            filled[name] = _read_secret(value, folder, (*place, key), mistakes)
        elif name != key or key not in filled:
            inner = inner_model(model.model_fields[key].annotation, value) if key in model.model_fields else None
            filled[key] = _inner(inner, value, folder, (*place, key), mistakes) if inner else value
    return filled


def _inner(model: type[BaseModel], value: Any, folder: Path, place: Place, mistakes: list[str]) -> Any:
    match value:
        case dict():
            return _with_secrets(model, value, folder, place, mistakes)
        case list():
            return [_inner(model, item, folder, (*place, at), mistakes) for at, item in enumerate(value)]
        case _:
            return value


def _read_secret(value: object, folder: Path, place: Place, mistakes: list[str]) -> str:
    if not isinstance(value, str) or not value:
        mistakes.append(f"{_at(place)} has to be the path of a file")
        return HIDDEN
    try:
        with (folder / value).open("rb") as file:
            secret = file.read(MAX_SECRET_BYTES).decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text in UTF-8"
        mistakes.append(f"{_at(place)} can not be read: {reason}: {value}")
        return HIDDEN
    if not secret:
        mistakes.append(f"{_at(place)} is empty: {value}")
    return secret


def _sentence(model: type[BaseModel], found: Mapping[str, Any]) -> str:
    place: Place = found["loc"]
    field = _field(model, place)
    no_keys = _words_in(model, place)
    if found["type"] == "extra_forbidden":
        return _unknown(model, place, no_keys)
    place = tuple(step for at, step in enumerate(place) if at not in no_keys)
    if found["type"] == "missing":
        either = f" (or {place[-1]}{_FILE})" if field is not None and is_secret(field) else ""
        return f"{_at(place)}{either} is missing"
    said = str(found["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    value = found["input"]
    if isinstance(value, str | int | float) and not (field is not None and is_secret(field)):
        return f"{_at(place)} is {json.dumps(value, ensure_ascii=False)[:80]}: {said}"
    return f"{_at(place) or 'the document'}: {said}"


def _unknown(model: type[BaseModel], place: Place, no_keys: set[int]) -> str:
    """Names the nearest right key of that table, or the table where the key belongs."""
    *table, key = place
    parent = _model_at(model, tuple(table))
    known = list(parent.model_fields) if parent else []
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.7)
    elsewhere = [path for path in _paths(model) if path.rpartition(".")[2] == key]
    hint = f"; did you mean {near[0]}?" if near else f"; {key} belongs to {elsewhere[0]}" if elsewhere else ""
    return f"{_at(tuple(step for at, step in enumerate(place) if at not in no_keys))} is not a known key{hint}"


def _paths(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield above + name
        for inner in _models(field.annotation):
            yield from _paths(inner, f"{above}{name}.")


def _model_at(model: type[BaseModel] | None, place: Place) -> type[BaseModel] | None:
    annotation: object = None
    for step in place:
        if model is not None and isinstance(step, str) and step not in model.model_fields and annotation is not None:
            model = inner_model(annotation, step)  # the word that chose among several models
        elif isinstance(step, str):
            annotation = model.model_fields[step].annotation if model and step in model.model_fields else None
            model = inner_model(annotation) if annotation is not None else None
    return model


def _words_in(model: type[BaseModel], place: Place) -> set[int]:
    """Which steps of a place are no keys, but words that chose among several models."""
    found = set()
    for at in range(1, len(place)):
        above = _field(model, place[:at])
        if above is not None and len(_models(above.annotation)) > 1 and isinstance(place[at], str):
            found.add(at)
    return found


def _field(model: type[BaseModel], place: Place) -> FieldInfo | None:
    parent = _model_at(model, place[:-1])
    return parent.model_fields.get(str(place[-1])) if parent and place else None


def _at(place: Place) -> str:
    """sms.providers[1].host: items count from 1."""
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _tables(value: BaseModel, path: str) -> Iterator[str]:
    inner: list[str] = []
    for name in type(value).model_fields:
        found = getattr(value, name)
        below = f"{path}.{name}" if path else name
        if isinstance(found, BaseModel):
            inner += ["", f"[{below}]", *_tables(found, below)]
        elif isinstance(found, tuple) and found and isinstance(found[0], BaseModel):
            for item in found:
                inner += ["", f"[[{below}]]", *_tables(item, below)]
        elif found is None:
            yield f"# {name} is not set"
        else:
            yield f"{name} = {_toml(name, found)}"
    yield from inner


def _toml(name: str, value: object) -> str:
    match value:
        case Enum():
            return _toml(name, value.value)
        case SecretStr():
            return _toml(name, _hidden(name, value.get_secret_value()))
        case Mapping():
            pairs = (f"{_quoted(key)} = {_toml(name, of)}" for key, of in value.items())
            return f"{{ {', '.join(pairs)} }}" if value else "{}"
        case str() | Path():
            return _quoted(str(value))
        case Sequence():
            return f"[{', '.join(_toml(name, item) for item in value)}]"
        case _:
            return json.dumps(value)


def _quoted(text: str) -> str:
    """TOML's basic string is JSON's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _hidden(name: str, secret: str) -> str:
    """Of a database's address only the password is secret."""
    if name.endswith("dsn") and "://" in secret:
        return _URL_SECRETS.sub(lambda at: f"{at[1]}:{HIDDEN}@" if at[2] is None else f"{at[2]}={HIDDEN}", secret)
    return HIDDEN if secret else ""
