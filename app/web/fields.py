"""Form fields made from the settings of pydantic models, and what a form sent read back; knows no page."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from app.services.untrusted_spec import read_plain

Kind = Literal["whole", "number", "switch", "choice", "text", "yaml"]


@dataclass(frozen=True, slots=True)
class Field:
    """One setting as a form shows it."""

    key: str
    """Name of the input, such as `arms.0.settings.rounds`, or `rounds` where there is no prefix."""
    label: str
    kind: Kind
    value: str
    """The value in the input; `true` or `false` for a switch."""
    default: str
    """The same for its default; empty where it has none."""
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    help: str
    required: bool
    """Whether it has no default."""

    @property
    def id(self) -> str:
        """Its name where names are used in selectors."""
        return self.key.replace(".", "-")


def fields(
    model: type[BaseModel],
    values: Mapping[str, Any],
    prefix: str,
    *,
    without: Iterable[str] = (),
    choices: Mapping[str, Iterable[str]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Field]:
    """The settings of `model` with their `values`; `choices` offers names for settings that are plain text.

    `labels` are for settings whose names say too little in a form.
    """
    properties = _properties(model)
    called = {name: name.replace("_", " ").capitalize() for name in properties} | dict(labels or {})
    return [
        _field(
            f"{prefix}.{name}".removeprefix("."),
            called[name],
            properties[name],
            values.get(name, properties[name].get("default")),
            tuple((choices or {}).get(name, ())),
            required=name in _schema(model).get("required", ()),
        )
        for name in properties
        if name not in set(without)
    ]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _properties(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = _schema(model).get("properties", {})
    return properties


def _core(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what may be given, where nothing may be given too."""
    some: list[Mapping[str, Any]] = [item for item in schema.get("anyOf", []) if item.get("type") != "null"]
    return some[0] if some else schema


def _nullable(schema: Mapping[str, Any]) -> bool:
    """Return whether nothing may be given too."""
    return _core(schema) is not schema


def _kind(schema: Mapping[str, Any]) -> Kind:
    core = _core(schema)
    if "enum" in core:
        return "choice"
    kinds: dict[str, Kind] = {"integer": "whole", "number": "number", "boolean": "switch", "string": "text"}
    return kinds.get(core.get("type", ""), "yaml")


def _field(
    key: str,
    label: str,
    schema: Mapping[str, Any],
    value: Any,
    offered: tuple[str, ...],
    *,
    required: bool,
) -> Field:
    core, kind = _core(schema), _kind(schema)
    default = shown(schema.get("default"), kind)
    current = default if value is None and not _nullable(schema) else shown(value, kind)
    # A switch has two states; where nothing may be given too there are three.
    three = ("", "true", "false") if kind == "switch" and _nullable(schema) else ()
    choices = offered or tuple(core.get("enum", three))
    if choices and current not in choices:
        choices = (current, *choices)
    return Field(
        key=key,
        label=label,
        kind="choice" if choices else kind,
        value=current,
        default=default,
        choices=choices,
        minimum=core.get("minimum", core.get("exclusiveMinimum")),
        maximum=core.get("maximum", core.get("exclusiveMaximum")),
        help=" ".join(schema.get("description", "").replace("`", "").split()),
        required=required,
    )


def shown(value: Any, kind: Kind) -> str:
    """Return a value as an input shows it."""
    if value is None or (kind == "yaml" and value in ({}, [])):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return written(value) if isinstance(value, dict | list) else str(value)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they stand."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]


def written(data: Any) -> str:
    """Plain data as YAML in its own order; texts of several lines stay readable."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def typed(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was entered for the settings of `model`, defaults and empty ones left out. An emptied one is None where that
    is a value, and not the default.

    What cannot be read as its kind stays as it was entered, for the reading of the spec to speak of.
    """
    found: dict[str, Any] = {}
    for name, schema in _properties(model).items():
        raw = given.get(name)
        if raw == "" and _nullable(schema) and schema.get("default") is not None:
            found[name] = None
        if isinstance(raw, str) and raw.strip():
            value = read(raw.strip(), _kind(schema))
            if "default" not in schema or value != schema["default"]:
                found[name] = value
    return found


def read(raw: str, kind: Kind) -> Any:
    """The value of an input."""
    try:
        match kind:
            case "whole":
                return int(raw)
            case "number":
                return float(raw) if isfinite(float(raw)) else raw
            case "switch":
                return {"true": True, "false": False}.get(raw, raw)
            case "yaml":
                value = read_plain(raw, "it")
                json.dumps(value, allow_nan=False)
                return value
            case _:
                return raw
    except (TypeError, ValueError):
        return raw


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The inputs of a form by the steps of their names; of two with one name the last counts."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        *steps, last = name.split(".")
        place = tree
        for step in steps:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place[last] = value
    return tree


def rows(tree: Mapping[str, Any], name: str) -> list[Any]:
    """The numbered parts under a name, in order."""
    found = tree.get(name)
    numbered = found.items() if isinstance(found, Mapping) else ()
    order = sorted((int(key), key) for key, _ in numbered if key.isdecimal() and len(key) < 7)
    return [found[key] for _, key in order] if isinstance(found, Mapping) else []
