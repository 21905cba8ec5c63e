"""Specs and panels that come from outside: they bring their templates with them, and name registered endpoints only.

Registered participants may be named without a description.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from app.experiments.spec import PanelSpec, Spec, SpecError, is_template, parse_spec, read_panel, read_yaml
from app.participants.base import EndpointSettings
from app.records.admin import participants_named
from app.records.database import Database
from app.records.endpoints import settings_of
from models import Endpoint

Known = Iterable[tuple[str, EndpointSettings]]
"""Name and address of every registered endpoint."""


def read_data(text: str, name: str) -> dict[str, Any]:
    """YAML or JSON from outside as a mapping of plain data. Raises SpecError."""
    data = read_plain(text, name)
    if not isinstance(data, dict):
        raise SpecError(f"{name} must be a mapping of keys to values, not {type(data).__name__}.")
    return data


def read_plain(text: str, name: str) -> Any:
    """YAML or JSON from outside as plain data. Raises SpecError."""
    return read_yaml(text, name, aliases=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A registered participant, as a file would describe it."""

    name: str
    settings: Mapping[str, Any]
    endpoint: tuple[str, EndpointSettings] | None


def undescribed(data: Mapping[str, Any]) -> set[str]:
    """Names that hold a seat or judge without a description among the file's own participants."""
    arms = [_mapping(arm) for arm in _mapping(data.get("arms")).values()]
    holders = [holder for arm in arms for holder in _mapping(arm.get("seats")).values()]
    judges = data.get("judges")
    named = [*holders, *(judges if isinstance(judges, list) else [])]
    return {name for name in named if isinstance(name, str)} - set(_mapping(data.get("participants")))


async def recorded(database: Database, data: Mapping[str, Any]) -> list[Recorded]:
    """The registered participants that a file names and does not describe."""
    names = undescribed(data)
    if not names:
        return []
    async with database.session() as db:
        rows = await participants_named(db, names)
    return [Recorded(row.name, row.settings, _address(row.endpoint)) for row in rows]


def _address(endpoint: Endpoint | None) -> tuple[str, EndpointSettings] | None:
    return (endpoint.name, settings_of(endpoint)) if endpoint else None


def outside_spec(data: Mapping[str, Any], known: Known, recorded: Iterable[Recorded] = ()) -> Spec:
    """An experiment described by data from outside, whose `prompts` hold the templates themselves. Raises SpecError.

    Participants that it names and does not describe are taken from the registered ones.
    """
    _refuse_files(data)
    return parse_spec(with_known_endpoints(with_recorded(data, recorded), known))


def outside_panel(data: Mapping[str, Any], known: Known, recorded: Iterable[Recorded] = ()) -> PanelSpec:
    """A judging round described by data from outside; see `outside_spec`. Raises SpecError."""
    whole = with_known_endpoints(with_recorded(data, recorded), known)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "panel.yaml"
        file.write_text(yaml.safe_dump(whole), encoding="utf-8")
        return read_panel(file)


def with_recorded(data: Mapping[str, Any], recorded: Iterable[Recorded]) -> dict[str, Any]:
    """The data with the descriptions of registered participants that it names and does not describe.

    Raises SpecError.
    """
    for key in ("participants", "endpoints"):
        if not isinstance(data.get(key, {}), Mapping):
            raise SpecError(f"{key} must hold names, each with its settings.")
    described, endpoints = dict(_mapping(data.get("participants"))), dict(_mapping(data.get("endpoints")))
    found: dict[str, Recorded] = {}
    for row in recorded:
        if row.name in found:
            raise SpecError(
                f"participants: several registered participants are called {row.name}: describe the one that is meant."
            )
        found[row.name] = row
    for name, row in found.items():
        described[name] = dict(row.settings)
        if row.endpoint is None:
            continue
        at, settings = row.endpoint[0], row.endpoint[1].model_dump(mode="json")
        if _normal(_mapping(endpoints.setdefault(at, settings))) != settings:
            raise SpecError(
                f"participants.{name}: it is registered at another endpoint {at}: describe it here."
            )
    return {**data, "participants": described, "endpoints": endpoints} if found else dict(data)


def _refuse_files(data: Mapping[str, Any]) -> None:
    """Refuse names of files: no file of this machine is read for a request."""
    for name, arm in _mapping(data.get("arms")).items():
        for kind, text in _mapping(_mapping(arm).get("prompts")).items():
            if not isinstance(text, str) or not is_template(text):
                raise SpecError(
                    f"arms.{name}.prompts.{kind}: give the text of the template itself, not the name of a file."
                )


def with_known_endpoints(
    data: Mapping[str, Any], known: Iterable[tuple[str, EndpointSettings]]
) -> dict[str, Any]:
    """A spec or panel from outside with the addresses of the endpoints it names; only registered ones may be named.

    An address receives the key that is sent there. So a participant names an endpoint which an
    admin, or the operator on the command line, has registered. Raises SpecError.
    """
    on_record = [(name, settings.model_dump(mode="json")) for name, settings in known]
    named = dict(_mapping(data.get("endpoints")))
    for name, given in named.items():
        if (name, _normal(_mapping(given))) not in on_record:
            raise SpecError(
                f"endpoints.{name}: only registered endpoints can be used here: ask an admin to add it, or name another."
            )
    for name, given in _mapping(data.get("participants")).items():
        settings = _mapping(given)
        if settings.get("base_url") is not None:
            raise SpecError(f"participants.{name}: name a registered endpoint instead of a base_url.")
        wanted = settings.get("endpoint")
        if isinstance(wanted, str) and wanted not in named:
            named[wanted] = _only(name, wanted, on_record)
    return {**data, "endpoints": named}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _normal(given: Mapping[str, Any]) -> dict[str, Any]:
    """An endpoint's settings as they are registered; what cannot be read matches nothing."""
    try:
        return EndpointSettings.model_validate(dict(given)).model_dump(mode="json")
    except ValueError:
        return {"unreadable": None}


def _only(participant: str, wanted: str, on_record: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    found = [settings for name, settings in on_record if name == wanted]
    if len(found) != 1:
        known = ", ".join(dict.fromkeys(name for name, _ in on_record)) or "none"
        how = "there are several endpoints of that name: write out which under endpoints"
        reason = how if found else f"no endpoint '{wanted}' is registered; there are: {known}"
        raise SpecError(f"participants.{participant}: {reason}.")
    return found[0]
