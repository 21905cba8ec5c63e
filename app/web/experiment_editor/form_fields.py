"""The form of a sheet: its fields, who can hold which seat, and what its buttons add and take away; knows no request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from pydantic import ValidationError

from app.experiments.spec import PARTICIPANT_KINDS, People, Tasks
from app.participants.base import BuiltinSettings, EndpointSettings
from app.participants.prompts import VERSIONS
from app.protocols import CEILING, DEFAULT, FLOOR, PROTOCOLS
from app.protocols.core import Protocol
from app.records.endpoints import settings_of
from app.web.experiment_editor.arm_names import with_proposed_names
from app.web.experiment_editor.form import ArmSheet, CastSheet, Sheet
from app.web.fields import Field, fields, shown
from models import Participant

Known = Sequence[tuple[str, EndpointSettings]]
BUILTINS: tuple[str, ...] = get_args(BuiltinSettings.model_fields["name"].annotation)
FIRST = ("endpoint", "model", "name")
"""Settings of a participant that are shown at once."""
LABELS = {
    "set": "Task set",
    "per_passage": "Questions of each passage",
    "limit": "Questions at most",
    "seed": "Seed of the draw",
    "name": "Baseline",
    "humans": "People for each trial",
    "once_per_passage": "One trial a passage",
    "lease_minutes": "Minutes to keep a trial",
    "seconds": "Seconds to decide in",
    "asks": "Asks at most",
    "timeout": "Timeout in seconds",
    "extra_body": "Extra body, as YAML",
    "script": "Script, as YAML",
    "top_p": "Top p",
}


# ── a new sheet, and changes to it ──────────────────────────────────────────────────────────────────────────────


def blank(sets: Mapping[str, int], chosen: str) -> Sheet:
    """Return a first sheet, on the chosen task set if it is there. It needs only a name to run."""
    return Sheet(
        tasks={"set": chosen if chosen in sets else next(iter(sets), "")},
        participants=[_builtin("extractive-debater"), _builtin("lexical-judge")],
        arms=[ArmSheet(name=DEFAULT.name, seats={"debaters": "extractive-debater"}, proposed=True)],
        judges=["lexical-judge"],
    )


def _builtin(name: str) -> CastSheet:
    return CastSheet(name=name, kind="builtin", settings={"name": name})


def changed(sheet: Sheet, verb: str, place: str, chosen: str, on_record: Iterable[Participant]) -> Sheet:
    """A sheet after a button: `add-arm` and the like, `remove-arm` with a place; other verbs add and take away nothing.

    Names that the form proposed follow what was chosen since.
    """
    return with_proposed_names(_changed(sheet, verb, place, chosen, on_record))


def _changed(sheet: Sheet, verb: str, place: str, chosen: str, on_record: Iterable[Participant]) -> Sheet:
    match verb:
        case "add-participant":
            return _with_participant(sheet, chosen, on_record)
        case "add-arm":
            return sheet.model_copy(update={"arms": [*sheet.arms, _next_arm(sheet)]})
        case "add-judge":
            return sheet.model_copy(update={"judges": [*sheet.judges, ""]})
        case "add-contrast":
            return sheet.model_copy(update={"contrasts": [*sheet.contrasts, ("", "")]})
        case "remove-participant" | "remove-arm" | "remove-judge" | "remove-contrast":
            return _without(sheet, f"{verb.removeprefix('remove-')}s", place)
    return sheet


def _without(sheet: Sheet, part: str, place: str) -> Sheet:
    rows = list(getattr(sheet, part))
    if place.isdecimal() and len(place) < 7 and int(place) < len(rows):
        del rows[int(place)]
    return sheet.model_copy(update={part: rows})


def _next_arm(sheet: Sheet) -> ArmSheet:
    return ArmSheet(protocol=FLOOR.name if sheet.arms else DEFAULT.name, proposed=True)


def _free(name: str, taken: Iterable[str]) -> str:
    names, number = set(taken), 2
    if name not in names:
        return name
    while f"{name}-{number}" in names:
        number += 1
    return f"{name}-{number}"


def _with_participant(sheet: Sheet, chosen: str, on_record: Iterable[Participant]) -> Sheet:
    """Return the sheet with the participant chosen from the `offers`."""
    kind, _, name = chosen.partition(":")
    taken = [item.name for item in sheet.participants]
    if kind == "builtin" and name in BUILTINS:
        new = _builtin(name)
    elif kind == "endpoint":
        new = CastSheet(name="model", kind="model", settings={"endpoint": name, "model": ""})
    else:
        row = next((row for row in on_record if kind == "record" and str(row.id) == name), None)
        if row is None:
            return sheet
        new, sheet = _from_record(row), _with_endpoint(sheet, row)
    new.name = _free(new.name, taken)
    return sheet.model_copy(update={"participants": [*sheet.participants, new]})


def _from_record(row: Participant) -> CastSheet:
    rules = PARTICIPANT_KINDS[row.kind]
    defaults = {name: field.default for name, field in rules.model_fields.items()}
    settings = {
        key: value
        for key, value in row.settings.items()
        if key not in ("kind", "base_url") and value not in (None, {}) and value != defaults.get(key)
    }
    if row.endpoint is not None:
        settings["endpoint"] = row.endpoint.name
    return CastSheet(name=row.name, kind=row.kind, settings=settings)


def _with_endpoint(sheet: Sheet, row: Participant) -> Sheet:
    """With the address written out, since others may have the name of its endpoint."""
    if row.endpoint is None:
        return sheet
    known = sheet.endpoints if isinstance(sheet.endpoints, dict) else {}
    address = settings_of(row.endpoint).model_dump(mode="json")
    return sheet.model_copy(update={"endpoints": {**known, row.endpoint.name: address}})


def offers(on_record: Iterable[Participant], known: Known) -> list[tuple[str, list[tuple[str, str]]]]:
    """Who can be added: groups of value and label."""
    recorded = [(f"record:{row.id}", _told(row)) for row in on_record]
    groups = [
        ("Built-in baselines", [(f"builtin:{name}", name) for name in BUILTINS]),
        ("Registered models", recorded),
        (
            "Another model at",
            [(f"endpoint:{name}", name) for name in dict.fromkeys(name for name, _ in known)],
        ),
    ]
    return [(label, choices) for label, choices in groups if choices]


def _told(row: Participant) -> str:
    where = row.endpoint.name if row.endpoint else "nowhere"
    return f"{row.name}: {row.settings['model']} at {where}, temperature {row.settings['temperature']:g}"


# ── its fields ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SeatField:
    """Who holds a seat, or a group of seats."""

    key: str
    label: str
    value: str
    otherwise: str
    """The text shown where no participant is chosen."""
    people: bool = False
    """Whether people may take it."""


@dataclass(frozen=True, slots=True)
class ArmForm:
    """The fields of an arm."""

    name: str
    proposed: bool
    """Whether the form proposed its name."""
    protocol: str
    about: str
    settings: list[Field]
    seats: list[SeatField]
    apart: list[SeatField]
    """Seats that a group covers, for users who want to fill them one by one."""
    prompts: str
    version: str
    """The version of the shipped prompts; empty for the newest."""
    versions: Sequence[str] = VERSIONS


@dataclass(frozen=True, slots=True)
class CastForm:
    """The fields of a participant."""

    name: str
    kind: str
    about: str
    first: list[Field]
    more: list[Field]
    prices: dict[str, str]


@dataclass(frozen=True, slots=True)
class EditorFields:
    """Every field of a sheet."""

    tasks: list[Field]
    participants: list[CastForm]
    arms: list[ArmForm]
    judges: list[str]
    people: list[Field]
    names: list[str]
    """Participants that can be chosen."""
    protocols: list[str]
    arm_names: list[str]
    naive: list[str]
    """Arms that can be the floor of PGR; offered where there are several, or one is chosen."""
    expert: list[str]
    endpoints: str


def form_of(sheet: Sheet, known: Known, sets: Mapping[str, int]) -> EditorFields:
    """The form of `sheet`."""
    return EditorFields(
        tasks=fields(Tasks, sheet.tasks, "tasks", choices={"set": sets}, labels=LABELS),
        participants=[_cast(sheet, place, known) for place in range(len(sheet.participants))],
        arms=[_arm(arm, place) for place, arm in enumerate(sheet.arms)],
        judges=list(sheet.judges),
        people=fields(People, sheet.people, "people", labels=LABELS),
        names=[item.name for item in sheet.participants if item.name],
        protocols=list(PROTOCOLS),
        arm_names=[arm.name for arm in sheet.arms if arm.name],
        naive=_of_protocol(sheet, FLOOR.name),
        expert=_of_protocol(sheet, CEILING.name),
        endpoints=shown(sheet.endpoints, "yaml"),
    )


def _of_protocol(sheet: Sheet, protocol: str) -> list[str]:
    return [arm.name for arm in sheet.arms if arm.name and arm.protocol == protocol]


def _cast(sheet: Sheet, place: int, known: Known) -> CastForm:
    item = sheet.participants[place]
    rules = PARTICIPANT_KINDS[item.kind]
    choices = {"endpoint": dict.fromkeys(name for name, _ in known)}
    found = fields(
        rules,
        item.settings,
        f"participants.{place}.settings",
        without=("kind", "base_url"),
        choices=choices,
        labels=LABELS,
    )
    first = [field for field in found if field.key.rpartition(".")[2] in FIRST]
    return CastForm(
        name=item.name,
        kind=item.kind,
        about="a model" if item.kind == "model" else "a built-in baseline",
        first=first,
        more=[field for field in found if field not in first and _matters(item, field)],
        prices={name: shown(value, "number") for name, value in sheet.prices.get(item.name, {}).items()},
    )


def _matters(item: CastSheet, field: Field) -> bool:
    """Whether a setting means anything for a participant: of the built-ins only one has a script."""
    scripted = item.settings.get("name") == "scripted"
    return item.kind != "builtin" or scripted or bool(field.value)


def _arm(arm: ArmSheet, place: int) -> ArmForm:
    rules = PROTOCOLS[arm.protocol]
    seats, apart = _seats(_protocol(rules, arm), arm, f"arms.{place}.seats")
    return ArmForm(
        name=arm.name,
        proposed=arm.proposed,
        protocol=arm.protocol,
        about=" ".join((rules.__doc__ or "").split()),
        settings=fields(rules, arm.settings, f"arms.{place}.settings"),
        seats=seats,
        apart=apart,
        prompts=shown(arm.prompts, "yaml"),
        version=arm.prompt_version,
    )


def _protocol(rules: type[Protocol], arm: ArmSheet) -> Protocol:
    """Return the protocol under an arm's settings or, where these are invalid, at its defaults."""
    try:
        return rules.model_validate(arm.settings)
    except ValidationError:
        return rules()


def _seats(protocol: Protocol, arm: ArmSheet, key: str) -> tuple[list[SeatField], list[SeatField]]:
    """Return the seats that must be filled, a group as one, and those that these fill by default."""
    must: dict[str, str] = {}
    may: dict[str, str] = {}
    for seat in protocol.seats():
        if seat.name == protocol.judge.name:
            continue  # comes from the panel
        if seat.group:
            must.setdefault(seat.group, "one by one" if seat.name in arm.seats else "choose")
            may[seat.name] = f"as {seat.group}"
        elif seat.default:
            may[seat.name] = f"as {seat.default}"
        else:
            must[seat.name] = "choose"
    must |= {seat: "nobody" for seat in arm.seats if seat not in must and seat not in may}
    closed = {name for seat in protocol.seats() if not seat.people for name in (seat.name, seat.group)}

    def field(seat: str, otherwise: str) -> SeatField:
        label = seat.replace("_", " ").capitalize()
        return SeatField(f"{key}.{seat}", label, arm.seats.get(seat, ""), otherwise, seat not in closed)

    return [field(*item) for item in must.items()], [field(*item) for item in may.items()]
