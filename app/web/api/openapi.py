"""The API's OpenAPI document in words, for the page that shows it and for docs/api.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
LIST = "Listed_"
"""Prefix of the names of shapes that are pages of a list."""
Described = Mapping[str, Any]
"""The document, or a part of it."""


@dataclass(frozen=True, slots=True)
class DocumentedKey:
    """One parameter of an operation or one key of a shape."""

    name: str
    holds: str
    about: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that the API takes."""

    identity: str
    request: str
    """Method and path."""
    about: str
    scope: str
    parameters: Sequence[DocumentedKey]
    body: str
    """What is sent; empty for nothing."""
    answer: str


@dataclass(frozen=True, slots=True)
class DocumentedObject:
    """The keys of an object, or the possible words of a value."""

    name: str
    about: str
    words: str
    keys: Sequence[DocumentedKey]


def operations(document: Described) -> list[Operation]:
    """Return every operation, in the order of the document."""
    return [
        _operation(f"{method.upper()} {path}", item)
        for path, found in document["paths"].items()
        for method, item in found.items()
    ]


def shapes(document: Described) -> list[DocumentedObject]:
    """Return every shape that operations name. Pages of lists are all alike, and described with their
    operations.
    """
    found = document["components"]["schemas"].items()
    return [_shape(name, item) for name, item in found if not name.startswith(LIST)]


def _operation(request: str, item: Described) -> Operation:
    body = item.get("requestBody", {})
    return Operation(
        item["operationId"],
        request,
        item["description"],
        item["x-scope"],
        [_parameter(parameter) for parameter in item.get("parameters", ())],
        body.get("description") or (_kind(body["content"][JSON]["schema"]) if body else ""),
        _answer(item["responses"]),
    )


def _answer(responses: Described) -> str:
    status = next(status for status in responses if status.startswith("2"))
    schema = responses[status].get("content", {}).get(JSON, {}).get("schema")
    return _kind(schema) if schema else "nothing" if status == "204" else "text or a file"


def _parameter(item: Described) -> DocumentedKey:
    schema = item["schema"]
    default = schema.get("default")
    notes = ["needed"] if item["required"] else [f"default {default}"] if default not in (None, "") else []
    return DocumentedKey(
        item["name"], ", ".join([item["in"], _kind(schema), *notes]), item.get("description", "")
    )


def _shape(name: str, item: Described) -> DocumentedObject:
    keys = [
        DocumentedKey(key, _kind(value), value.get("description", "").replace("\n", " "))
        for key, value in item.get("properties", {}).items()
    ]
    return DocumentedObject(name, item.get("description", ""), _kind(item) if "enum" in item else "", keys)


def _kind(schema: Described) -> str:
    """Return a schema in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"].rpartition("/")[2])
        return (
            f"a page (items, page, more) of {name.removeprefix(LIST)[:-1]}" if name.startswith(LIST) else name
        )
    if "anyOf" in schema:
        return " or ".join(_kind(item) for item in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))
