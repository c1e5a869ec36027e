"""The operations of schemas/openapi.yaml for tests, and least requests to them.

A least request has what the description requires and nothing else; it is enough to get past the door.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.web.docs import load, resolved

NOWHERE = "9999"
PATTERNED = {"^[a-z0-9][a-z0-9-]{0,62}$": "nowhere", "^[A-Z]{2}$": "BE", "^[a-z]{2,3}$": "nl"}


class Operation(NamedTuple):
    """One operation of the description."""

    method: str
    path: str
    told: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.told["operationId"])


def operations(document: Mapping[str, Any] | None = None) -> Iterator[Operation]:
    """Every operation with its parameters, those of the path among them."""
    document = document or load()
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                told = item[method]
                named = (*item.get("parameters", ()), *told.get("parameters", ()))
                yield Operation(method.upper(), path, told, tuple(resolved(document, one) for one in named))


def least_path(operation: Operation) -> str:
    """The path with names that nothing has."""
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", NOWHERE)
    return path


def least_headers(operation: Operation) -> dict[str, str]:
    """The headers that are required."""
    return {one["name"]: "*" for one in operation.parameters if one["in"] == "header" and one.get("required")}


def least_body(document: Mapping[str, Any], operation: Operation) -> Any:
    """A JSON body with what is required; None when none is taken as JSON."""
    content = resolved(document, operation.told.get("requestBody", {})).get("content", {})
    return least(document, content["application/json"]["schema"]) if "application/json" in content else None


def least(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """The least value of a schema."""
    schema = resolved(document, schema)
    for one in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        return least(document, one)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            of = schema.get("properties", {})
            return {name: least(document, of[name]) for name in schema.get("required", ())}
        case "array":
            return [least(document, schema["items"])] * schema.get("minItems", 0)
        case "string":
            return _text(schema)
        case "boolean":
            return False
        case "null":
            return None
    return schema.get("minimum", 1)


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date":
        return "2026-01-05"
    if schema.get("format") == "date-time":
        return "2026-01-05T00:00:00Z"
    if schema.get("format") == "uri":
        return "https://hook.example/in"
    if "pattern" in schema:
        return PATTERNED.get(schema["pattern"], "0" * 64)
    return "a@b.example".ljust(schema.get("minLength", 1), "x")[: schema.get("maxLength", 300)]
