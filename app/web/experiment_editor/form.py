"""An experiment being written: what its form holds, from and to the file that describes it; knows no page and no row.

A sheet may hold what cannot be: two arms of one name, half a number. It is an experiment when `file_of` and the reading
of the file say so.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from app.experiments.same import as_file
from app.experiments.spec import PARTICIPANT_KINDS, CapSettings, Gap, People, SpecError, Tasks, written_out
from app.participants.spending import Price
from app.protocols import DEFAULT, PROTOCOLS
from app.web.fields import nested, read, rows, typed

MOST = 40
"""Arms, participants, judges and contrasts, each, that a form holds."""


class ArmSheet(BaseModel):
    """An arm as it is entered."""

    name: str = ""
    protocol: str = DEFAULT.name
    settings: dict[str, Any] = Field(default_factory=dict)
    seats: dict[str, str] = Field(default_factory=dict)
    prompts: Any = None
    prompt_version: str = ""
    """The version of the shipped prompts; empty for the newest."""
    proposed: bool = False
    """Whether its name is the form's proposal, which follows its protocol and settings."""


class CastSheet(BaseModel):
    """A participant as it is entered."""

    name: str = ""
    kind: str = "builtin"
    settings: dict[str, Any] = Field(default_factory=dict)


class Sheet(BaseModel):
    """All that a form holds."""

    name: str = ""
    tasks: dict[str, Any] = Field(default_factory=dict)
    endpoints: Any = None
    participants: list[CastSheet] = Field(default_factory=list)
    arms: list[ArmSheet] = Field(default_factory=list)
    judges: list[str] = Field(default_factory=list)
    people: dict[str, Any] = Field(default_factory=dict)
    """Empty where no people judge."""
    elicit: str = "final"
    repeats: Any = 1
    contrasts: list[tuple[str, str]] = Field(default_factory=list)
    pgr: dict[str, Any] = Field(default_factory=dict)
    """The arms between which PGR is measured; empty where the file names none."""
    pilot: bool = False
    cap: dict[str, Any] = Field(default_factory=dict)
    """The spending cap; empty where there is none."""
    replicates: Any = 1
    seed: Any = 0
    prices: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Of a million tokens, by participant; part of the experiment only where its cap is of money."""


def kept(data: Any) -> Sheet:
    """A sheet from the draft in which it was kept; what is no longer understood is left out."""
    try:
        return Sheet.model_validate(data)
    except ValidationError:
        return Sheet()


def storable(sheet: Sheet) -> dict[str, Any]:
    """The sheet as JSON that a database takes. Raises SpecError."""
    data = sheet.model_dump(mode="json")
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        broken = "\\u0000" in text.encode().decode()
    except ValueError:
        broken = True
    if broken:
        raise SpecError(
            "It holds a character or number that cannot be stored (NUL, half a character, NaN): remove it."
        )
    return data


# ── from and to the file ────────────────────────────────────────────────────────────────────────────────────────


def file_of(sheet: Sheet) -> dict[str, Any]:
    """The file that a sheet describes, what is empty or at its default left out. Raises SpecError."""
    judges = [*filter(None, sheet.judges), *([sheet.people] if sheet.people else [])]
    data: dict[str, Any] = {
        "name": sheet.name,
        "tasks": sheet.tasks,
        "endpoints": sheet.endpoints,
        "participants": _named(
            "participants", [(item.name, _participant(item)) for item in sheet.participants]
        ),
        "arms": _named("arms", [(arm.name, _arm(arm)) for arm in sheet.arms]),
        "judges": judges,
        "elicit": None if sheet.elicit == "final" else sheet.elicit,
        "repeats": None if sheet.repeats == 1 else sheet.repeats,
        "contrasts": [list(pair) for pair in sheet.contrasts if any(pair)],
        "pgr": {key: name for key, name in sheet.pgr.items() if name},
        "replicates": None if sheet.replicates == 1 else sheet.replicates,
        "seed": None if sheet.seed == 0 else sheet.seed,
        "pilot": sheet.pilot or None,
        "cap": sheet.cap,
        "prices": _whole_prices(sheet) if "money" in sheet.cap else None,
    }
    needed = ("name", "tasks", "arms", "judges")
    return {key: value for key, value in data.items() if key in needed or value not in (None, {}, [])}


def panel_of(sheet: Sheet) -> dict[str, Any]:
    """The file of a judging round that a sheet describes. Raises SpecError."""
    file = file_of(sheet)
    kept = ("name", "endpoints", "participants", "judges", "elicit", "repeats")
    return {key: file[key] for key in kept if key in file}


def _whole_prices(sheet: Sheet) -> dict[str, dict[str, Any]]:
    """Return the prices that have a figure for prompts and one for completions."""
    return {name: given for name, given in sheet.prices.items() if {"prompt", "completion"} <= given.keys()}


def _named(where: str, items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping by name, which no two may share."""
    if len(items) > MOST:
        raise SpecError(f"{where}: a form holds {MOST} at most: write more as a file for the command line.")
    found: dict[str, Any] = {}
    for name, item in items:
        if not name or name in found:
            problem = f"'{name}' is there twice" if name else "one has no name"
            raise SpecError(f"{where}: {problem}; give each a different name.")
        found[name] = item
    return found


def _participant(item: CastSheet) -> dict[str, Any]:
    return {"kind": item.kind, **item.settings}


def _arm(arm: ArmSheet) -> dict[str, Any]:
    more = {"seats": arm.seats, "prompts": arm.prompts, "prompt_version": arm.prompt_version}
    return {
        "protocol": arm.protocol,
        **arm.settings,
        **{key: value for key, value in more.items() if value not in (None, {}, "")},
    }


def sheet_of(file: Mapping[str, Any]) -> Sheet:
    """The sheet of a file that has been read as an experiment."""
    people = [judge for judge in file["judges"] if isinstance(judge, Mapping)]
    return Sheet(
        name=file["name"],
        tasks=dict(file["tasks"]),
        endpoints=file.get("endpoints") or None,
        participants=[_cast_sheet(name, item) for name, item in (file.get("participants") or {}).items()],
        arms=[_arm_sheet(name, item) for name, item in file["arms"].items()],
        judges=[judge for judge in file["judges"] if isinstance(judge, str)],
        people=dict(people[0]) if people else {},
        elicit=file.get("elicit", "final"),
        repeats=file.get("repeats", 1),
        contrasts=[(pair[0], pair[1]) for pair in file.get("contrasts") or []],
        pgr=dict(file.get("pgr") or {}),
        replicates=file.get("replicates", 1),
        seed=file.get("seed", 0),
        pilot=file.get("pilot", False),
        cap=dict(file.get("cap") or {}),
        prices={
            name: {key: value for key, value in price.items() if value is not None}
            for name, price in (file.get("prices") or {}).items()
        },
    )


def _cast_sheet(name: str, item: Mapping[str, Any]) -> CastSheet:
    settings = {key: value for key, value in item.items() if key != "kind"}
    return CastSheet(name=name, kind=item["kind"], settings=settings)


def _arm_sheet(name: str, arm: Mapping[str, Any]) -> ArmSheet:
    """Return the sheet of an arm. A form has no field for a preset, so its protocol and settings are there instead."""
    item = written_out(arm)
    apart = ("protocol", "seats", "prompts", "prompt_version")
    settings = {key: value for key, value in item.items() if key not in apart}
    return ArmSheet(
        name=name,
        protocol=item["protocol"],
        settings=settings,
        seats=dict(item.get("seats") or {}),
        prompts=item.get("prompts") or None,
        prompt_version=str(item.get("prompt_version") or ""),
    )


def file_from_record(spec: Mapping[str, Any], templates: Mapping[str, str]) -> dict[str, Any]:
    """Return the file of a started experiment, from its frozen spec and its templates' texts by digest."""
    endpoints, participants = dict(spec["endpoints"]), {}
    for name, item in spec["participants"].items():
        settings = {key: value for key, value in item.items() if value is not None}
        if "base_url" in settings:
            # Stored as an endpoint with the participant's name.
            endpoints[name] = {"base_url": settings.pop("base_url"), "api_key_env": None}
            settings["endpoint"] = name
        participants[name] = settings
    arms = {}
    for arm in spec["arms"]:
        prompts = {kind: templates[digest] for kind, digest in arm["prompts"].items()}
        whole = {**arm, "prompts": prompts, "seats": _folded(arm)}
        arms[arm["name"]] = {key: value for key, value in whole.items() if key != "name"}
    tasks = {key: value for key, value in spec["tasks"].items() if value is not None}
    return {
        **as_file(spec),
        "tasks": tasks,
        "endpoints": endpoints,
        "participants": participants,
        "arms": arms,
    }


def _folded(arm: Mapping[str, Any]) -> dict[str, str]:
    """Who sits where in few words: groups with one holder as one, and without those who hold a seat by default."""
    rules, held = PROTOCOLS[arm["protocol"]], arm["seats"]
    protocol = rules.model_validate({key: arm[key] for key in rules.model_fields})
    found: dict[str, str] = {}
    for seat in protocol.seats():
        together = {
            held[other.name] for other in protocol.seats() if other.group and other.group == seat.group
        }
        if len(together) == 1:
            found[seat.group] = held[seat.name]
        elif seat.default is None or held[seat.default] != held[seat.name]:
            found[seat.name] = held[seat.name]
    return found


# ── from the form ───────────────────────────────────────────────────────────────────────────────────────────────


def read_sheet(pairs: list[tuple[str, str]]) -> Sheet:
    """What a form sent."""
    tree = nested(pairs)
    cast, arms = rows(tree, "participants"), rows(tree, "arms")
    renamed, arms_renamed = _renamed(cast), _renamed(arms)
    return Sheet(
        name=_word(tree, "name"),
        tasks=typed(Tasks, _under(tree, "tasks")),
        endpoints=read(_word(tree, "endpoints"), "yaml") or None,
        participants=[_read_participant(item) for item in cast if isinstance(item, dict)],
        arms=[_read_arm(item, renamed) for item in arms if isinstance(item, dict)],
        judges=[renamed.get(name, name) for name in rows(tree, "judges") if isinstance(name, str)],
        people=_read_people(_under(tree, "people")),
        elicit=_word(tree, "elicit") or "final",
        repeats=read(_word(tree, "repeats") or "1", "whole"),
        contrasts=[
            _read_pair(item, arms_renamed) for item in rows(tree, "contrasts") if isinstance(item, dict)
        ],
        pgr={
            key: arms_renamed.get(name, name)
            for key in Gap.model_fields
            if (name := _word(_under(tree, "pgr"), key))
        },
        replicates=read(_word(tree, "replicates") or "1", "whole"),
        seed=read(_word(tree, "seed") or "0", "whole"),
        pilot=_word(tree, "pilot") == "true",
        cap=typed(CapSettings, _under(tree, "cap")),
        prices=_read_prices(cast),
    )


def _under(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _word(tree: Mapping[str, Any], name: str) -> str:
    found = tree.get(name)
    return found.strip() if isinstance(found, str) else ""


def _renamed(items: list[Any]) -> dict[str, str]:
    """Return new names by old ones, so that references follow."""
    pairs = [(_word(item, "was"), _word(item, "name")) for item in items if isinstance(item, dict)]
    names = [name for _, name in pairs]
    return {old: name for old, name in pairs if old and names.count(name) == 1}


def _read_participant(item: dict[str, Any]) -> CastSheet:
    kind = _word(item, "kind") if _word(item, "kind") in PARTICIPANT_KINDS else "builtin"
    settings = typed(PARTICIPANT_KINDS[kind], _under(item, "settings"))
    return CastSheet(name=_word(item, "name"), kind=kind, settings=settings)


def _read_arm(item: dict[str, Any], renamed: Mapping[str, str]) -> ArmSheet:
    """An arm; where its protocol has just been changed, what fits the new one is kept."""
    protocol = _word(item, "protocol") if _word(item, "protocol") in PROTOCOLS else DEFAULT.name
    before = _word(item, "before") if _word(item, "before") in PROTOCOLS else protocol
    settings = typed(PROTOCOLS[before], _under(item, "settings"))
    seats = {
        seat: renamed.get(who, who)
        for seat, who in _under(item, "seats").items()
        if isinstance(who, str) and who
    }
    if before != protocol:
        settings = {key: value for key, value in settings.items() if key in PROTOCOLS[protocol].model_fields}
        seats = {}
    return ArmSheet(
        name=_word(item, "name"),
        protocol=protocol,
        settings=settings,
        seats=seats,
        prompts=read(_word(item, "prompts"), "yaml") or None,
        prompt_version=_word(item, "prompt_version"),
        proposed=_word(item, "name") in ("", _word(item, "proposed")),
    )


def _read_people(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings for people, or nothing where no number is given."""
    return typed(People, given) if _word(given, "humans") else {}


def _read_pair(item: dict[str, Any], renamed: Mapping[str, str]) -> tuple[str, str]:
    first, second = (_word(item, place) for place in ("first", "second"))
    return renamed.get(first, first), renamed.get(second, second)


PRICES = ("prompt", "cached", "completion")


def _read_prices(cast: list[Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for item in cast:
        given = _under(item, "price") if isinstance(item, dict) else {}
        entered = {name: read(_word(given, name), "number") for name in PRICES if _word(given, name)}
        if entered:
            found[_word(item, "name")] = entered
    return found


def prices_of(sheet: Sheet) -> dict[str, Price]:
    """The prices that can be counted with: those of prompt and completion are both needed. Raises SpecError."""
    found = {}
    for name, given in sheet.prices.items():
        for value in given.values():
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise SpecError(f"participants.{name}: a price is a number such as 0.5, not '{value}'.")
        if "prompt" in given and "completion" in given:
            found[name] = Price(given["prompt"], given["completion"], given.get("cached"))
    return found
