"""The file that describes an experiment, read and checked."""

import difflib
import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from app.errors import UserError
from app.experiments import examples
from app.experiments.presets import PRESETS
from app.participants.base import MORE as LEFT_OUT
from app.participants.base import PEOPLE, BuiltinSettings, EndpointSettings, ModelSettings
from app.participants.baselines import NEVER_GIVES
from app.participants.prompts import NEWEST, OLDEST, VERSIONS, PromptError, load, read_override
from app.participants.spending import Cap, Price
from app.protocols import (
    CEILING,
    FLOOR,
    PROTOCOLS,
    TAKE_EXAMPLES,
)
from app.protocols.combinators import TwoSided
from app.protocols.core import Assignment, Case, Protocol, Seat, Wants
from app.protocols.flaws import ITEMS
from app.protocols.imported import Imported
from app.protocols.judging import Elicit
from app.protocols.rehearsal import rehearse

M = TypeVar("M", bound=BaseModel)
AnyParticipant = ModelSettings | BuiltinSettings
PARTICIPANT_KINDS: dict[str, type[ModelSettings] | type[BuiltinSettings]] = {
    "model": ModelSettings,
    "builtin": BuiltinSettings,
}


RULES = 2
"""Version of the rules by which files are read and frozen. Since 2, a frozen spec has the paths that its file states."""
MOST = 2**53
"""Largest number accepted, so that every reader of JSON keeps it unchanged."""


class SpecError(UserError, ValueError):
    """The file asks for something impossible. One sentence says what to change."""


class Part(BaseModel):
    """A part of the file. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Tasks(Part):
    """The questions to draw."""

    set: str
    """Name of a task set."""
    passages: int | None = Field(None, ge=1, le=MOST)
    """How many passages to draw, each with its twin; all where absent."""
    per_passage: int | None = Field(None, ge=1, le=MOST)
    """How many questions to draw of each passage, the same of its twin; all where absent."""
    limit: int | None = Field(None, ge=1, le=MOST)
    """Most questions in all, drawn evenly over the passages; a question and that of the twin count as one."""
    seed: int = Field(0, ge=-MOST, le=MOST)
    """Seed of the draw, so that two experiments can share their questions."""
    answers: Literal["best-distractor", "all"] = "best-distractor"
    """Gold and its best distractor, or every answer of the question."""


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """A protocol with its settings, its own prompts by kind of ask, and the participants in its seats."""

    name: str
    protocol: Protocol
    seats: Mapping[str, str]
    overrides: Mapping[str, str]
    """Kind of ask to the digest of the template that replaces the shipped one."""
    prompts: Mapping[str, str]
    """Every template of the arm by name, as frozen with the experiment."""
    preset: str | None = None
    """The preset that gave the protocol and its settings; None where the file names none."""
    prompt_version: str = NEWEST
    """The version of the shipped prompts."""
    names_version: bool = field(default=False, compare=False)
    """Whether the file names that version; else it is the newest."""

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return every assignment of a question with this many answers; `share` of them is played."""
        holders = {seat: holder for seat, holder in self.seats.items() if holder != PEOPLE}
        return self.protocol.balanced(answers, holders)

    @property
    def share(self) -> float:
        """Return the share of its assignments under which a question is played."""
        halved = isinstance(self.protocol, TwoSided) and self.protocol.balance == "half"
        return 0.5 if halved else 1.0

    @property
    def open_to_people(self) -> tuple[Seat, ...]:
        """Return the seats that people are to take."""
        return tuple(seat for seat in self.protocol.seats() if self.seats.get(seat.name) == PEOPLE)

    def normalised(self) -> dict[str, Any]:
        """Return the arm as JSON, every setting written out."""
        return {
            "protocol": self.protocol.name,
            # Left out where absent, so that files of before have the digest of before.
            **({"preset": self.preset} if self.preset else {}),
            **self.protocol.model_dump(mode="json"),
            "seats": dict(sorted(self.seats.items())),
            "prompts": dict(sorted(self.overrides.items())),
            "prompt_version": self.prompt_version,
        }


class People(Part):
    """People who judge every finished trial."""

    humans: int = Field(ge=1, le=100)
    """How many different people judge each trial."""
    once_per_passage: bool = True
    """Whether a person sees at most one trial on one passage."""
    feedback: Literal["none", "score"] = "none"
    """What a person sees after a verdict: nothing, or the right answer and their score."""
    lease_minutes: int = Field(120, ge=5, le=100_000)
    """Minutes that a person may keep a trial before others can take it."""
    seconds: int | None = Field(None, ge=5, le=86_400)
    """Seconds from opening a trial to the verdict that people are asked to keep to. A later verdict is
    accepted, and marked.
    """


@dataclass(frozen=True, slots=True)
class Panel:
    """Judges, and how their beliefs are elicited."""

    judges: tuple[str, ...]
    elicit: Elicit
    people: People | None = None
    repeats: int = 1
    """How often a model or built-in reads each trial in each order, from the same prompt with other seeds."""

    def normalised(self) -> list[Any]:
        """Return the judges as JSON."""
        return [*self.judges, *([self.people.model_dump(mode="json")] if self.people else [])]

    @property
    def again(self) -> dict[str, int]:
        """Return `repeats` as JSON. It is left out at 1, so that what was started before it existed goes on."""
        return {} if self.repeats == 1 else {"repeats": self.repeats}


class CapSettings(Part):
    """The most that an experiment may take. When a cap is reached the experiment is paused."""

    calls: int | None = Field(None, ge=1, le=MOST)
    """Requests to models, each attempt counted."""
    tokens: int | None = Field(None, ge=1, le=MOST)
    """Tokens of prompts and replies together."""
    money: float | None = Field(None, gt=0, le=MOST, allow_inf_nan=False)
    """By the prices that the file names, in their currency."""


class PriceSettings(Part):
    """The price of a million tokens of a participant, in any currency."""

    prompt: float = Field(ge=0, le=MOST, allow_inf_nan=False)
    completion: float = Field(ge=0, le=MOST, allow_inf_nan=False)
    cached: float | None = Field(None, ge=0, le=MOST, allow_inf_nan=False)
    """The price of cached prompt tokens; that of the prompt where absent."""


class Gap(Part):
    """The arms between which PGR is measured, where there are several naive or expert ones."""

    floor: str | None = None
    """Name of a naive arm; the first one where absent."""
    ceiling: str | None = None
    """Name of an expert arm; the first one where absent."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The participants that a file names, and their endpoints."""

    endpoints: Mapping[str, EndpointSettings]
    participants: Mapping[str, AnyParticipant]

    def endpoint_of(self, name: str) -> tuple[str, EndpointSettings] | None:
        """Return name and settings of the endpoint of a model; None for others."""
        settings = self.participants[name]
        if not isinstance(settings, ModelSettings):
            return None
        if settings.base_url is not None:
            return name, EndpointSettings(base_url=settings.base_url, api_key_env=None)
        assert settings.endpoint is not None
        return settings.endpoint, self.endpoints[settings.endpoint]

    def normalised(self) -> dict[str, Any]:
        """Return the participants as JSON."""
        return {
            "endpoints": {
                name: item.model_dump(mode="json") for name, item in sorted(self.endpoints.items())
            },
            "participants": {
                name: item.model_dump(mode="json") for name, item in sorted(self.participants.items())
            },
        }


@dataclass(frozen=True, slots=True)
class Spec:
    """An experiment as its file describes it, every part checked against the others."""

    name: str
    tasks: Tasks
    cast: Cast
    arms: tuple[ArmSpec, ...]
    panel: Panel
    contrasts: tuple[tuple[str, str], ...]
    replicates: int
    seed: int
    pgr: Gap | None = None
    """None where the file names no arms for it."""
    pilot: bool = False
    """Whether it is a trial run, which reports say and comparisons of experiments leave out."""
    cap: Cap = field(default_factory=Cap)
    """What it may take at most."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Of a million tokens, by participant."""
    stated: frozenset[str] = field(default=frozenset(), compare=False)
    """Paths of what the file itself says, such as `arms/0/rounds`; the rest has defaults."""

    @property
    def used(self) -> list[str]:
        """Return the participants that sit in an arm or on the panel."""
        seated = (holder for arm in self.arms for holder in arm.seats.values() if holder != PEOPLE)
        return [*seated, *self.panel.judges]

    def with_arms(self, names: Sequence[str]) -> Self:
        """Return the spec with these arms alone, for a pre-flight; with all where none is named. Raise SpecError."""
        known = [arm.name for arm in self.arms]
        for name in names:
            if name not in known:
                raise SpecError(f"There is no arm {name}: choose from {', '.join(known)}.")
        return replace(self, arms=tuple(arm for arm in self.arms if arm.name in (names or known)))

    def normalised(self) -> dict[str, Any]:
        """Return the whole as JSON with every default written out, to be frozen, hashed and compared."""
        return {
            "name": self.name,
            "tasks": self.tasks.model_dump(mode="json"),
            **self.cast.normalised(),
            "arms": [{"name": arm.name, **arm.normalised()} for arm in self.arms],
            "judges": self.panel.normalised(),
            "elicit": self.panel.elicit,
            **self.panel.again,
            "contrasts": [list(pair) for pair in self.contrasts],
            "replicates": self.replicates,
            "seed": self.seed,
            # Left out where absent, so that files of before have the digest of before.
            **({"pgr": self.pgr.model_dump(mode="json")} if self.pgr else {}),
            **({"pilot": True} if self.pilot else {}),
            **({"cap": self.cap.as_json()} if self.cap else {}),
            **({"prices": {name: asdict(item) for name, item in self.prices.items()}} if self.prices else {}),
        }


def digest(value: Any) -> str:
    """Return the SHA-256, in hexadecimal, of a text or of a value as canonical JSON."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def prompt_versions(stored: Mapping[str, Any]) -> dict[str, str]:
    """Return by arm the version of the shipped prompts under which a stored spec is played. Before versions had names
    there was the oldest.
    """
    return {arm["name"]: arm.get("prompt_version", OLDEST) for arm in stored.get("arms", ())}


def with_defaults(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored spec with the default of every setting that is younger than it, to be compared with a file."""
    found = {**_top_level(stored), **stored}
    if "arms" in found:
        found["arms"] = [
            {**_defaults(PROTOCOLS[arm["protocol"]]), "prompt_version": OLDEST, **arm}
            for arm in found["arms"]
        ]
    if "tasks" in found:
        found["tasks"] = {**_defaults(Tasks), **found["tasks"]}
    if "judges" in found:
        found["judges"] = [
            {**_defaults(People), **judge} if isinstance(judge, Mapping) else judge
            for judge in found["judges"]
        ]
    found["participants"] = {
        name: {**_defaults(PARTICIPANT_KINDS[item["kind"]]), **item}
        for name, item in found.get("participants", {}).items()
    }
    of_endpoints = {
        name: value for name, value in _defaults(EndpointSettings).items() if name not in LEFT_OUT
    }
    found["endpoints"] = {name: {**of_endpoints, **item} for name, item in found.get("endpoints", {}).items()}
    return found


def _top_level(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of settings beside the parts of a spec, which are written out in every spec of its kind."""
    written = ("elicit", "contrasts", "replicates", "seed") if "arms" in stored else ("elicit",)
    defaults = _defaults(_File)
    return {name: defaults[name] for name in written}


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a model's fields, as JSON."""
    return {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
        if not field.is_required()
    }


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
RESERVED = ("new", "compare")
"""Names that an experiment cannot have, because they are the address of a page."""
_NAMING = (
    "must begin with a letter or digit and go on with letters, digits, '.', '_' or '-', at most 100 in all"
)


REPEATS = Field(1, ge=1, le=20)


class _File(Part):
    """The top level of an experiment's file."""

    name: str = Field(pattern=NAME)
    tasks: dict[str, Any]
    endpoints: dict[str, dict[str, Any]] = Field(default_factory=dict)
    participants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(min_length=1)
    judges: list[Any] = Field(min_length=1)
    elicit: Elicit = "final"
    repeats: int = REPEATS
    contrasts: list[tuple[str, str]] = Field(default_factory=list)
    replicates: int = Field(1, ge=1, le=1000)
    seed: int = Field(0, ge=-MOST, le=MOST)
    pgr: dict[str, Any] | None = None
    pilot: bool = False
    cap: dict[str, Any] | None = None
    prices: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _ArmFile(Part):
    """The keys of an arm beside the settings of its protocol."""

    protocol: str
    seats: dict[str, str] = Field(default_factory=dict)
    prompts: dict[str, str] = Field(default_factory=dict)
    prompt_version: str | None = None
    """The version of the shipped prompts; the newest where absent."""


class _PanelFile(Part):
    """The top level of a judging round's file."""

    name: str = Field(pattern=NAME)
    endpoints: dict[str, dict[str, Any]] = Field(default_factory=dict)
    participants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    judges: list[Any] = Field(min_length=1)
    elicit: Elicit = "final"
    repeats: int = REPEATS


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """A judging round as its file describes it."""

    name: str
    cast: Cast
    panel: Panel
    stated: frozenset[str] = field(default=frozenset(), compare=False)
    """Paths of what the file itself says."""

    def normalised(self) -> dict[str, Any]:
        """Return the round as JSON, to be frozen, hashed and compared."""
        return {
            "name": self.name,
            **self.cast.normalised(),
            "judges": self.panel.normalised(),
            "elicit": self.panel.elicit,
            **self.panel.again,
        }


def read_spec(path: Path) -> Spec:
    """Return the experiment described by the YAML file at `path`. Raise SpecError."""
    return parse_spec(load_yaml(path), folder=path.parent)


def read_panel(path: Path) -> PanelSpec:
    """Return the judging round described by the YAML file at `path`. Raise SpecError."""
    file = parse_part(_PanelFile, load_yaml(path), "the panel's file")
    cast = _cast(file.endpoints, file.participants)
    return PanelSpec(file.name, cast, _panel(file, cast), frozenset(_stated(file)))


def parse_spec(data: Any, folder: Path = Path()) -> Spec:
    """Return the experiment described by plain data. Template files are looked for in `folder`. Raise
    SpecError.

    The data may also contain the templates themselves.
    """
    file = parse_part(_File, data, "the experiment's file")
    if file.name in RESERVED:
        raise SpecError(f"name: '{file.name}' is the address of a page: choose another.")
    cast = _cast(file.endpoints, file.participants)
    arms = tuple(_arm(name, arm, cast, folder) for name, arm in file.arms.items())
    names = [arm.name for arm in arms]
    for pair in file.contrasts:
        for name in pair:
            one_of(name, names, "contrasts", "arm")
        if len(set(pair)) == 1:
            raise SpecError(f"contrasts: {pair[0]} is compared with itself: name two arms.")
    panel = _panel(file, cast)
    _check_judges(arms, panel)
    found = Spec(
        name=file.name,
        tasks=parse_part(Tasks, file.tasks, "tasks"),
        cast=cast,
        arms=arms,
        panel=panel,
        contrasts=tuple(file.contrasts),
        replicates=file.replicates,
        seed=file.seed,
        pgr=_gap(file.pgr, arms) if file.pgr else None,
        pilot=file.pilot,
        cap=parse_cap(file.cap or {}),
        prices=_prices(file.prices, cast),
        stated=frozenset(_stated(file))
        | {path for place, arm in enumerate(arms) for path in _of_arm(file, place, arm)},
    )
    _check_prices(found)
    return found


def _stated(file: _File | _PanelFile) -> Iterator[str]:
    """Yield the path of everything that a file says beside its arms, as its frozen spec has it."""
    for name in file.model_fields_set - {"arms"}:
        value = getattr(file, name)
        if name in ("endpoints", "participants", "prices"):
            yield from (f"{name}/{own}/{key}" for own, item in value.items() for key in item)
        elif name == "judges":
            for place, judge in enumerate(_in_order(value)):
                named = judge if isinstance(judge, Mapping) else ()
                yield from (f"judges/{place}/{key}" for key in named) if named else [f"judges/{place}"]
        elif isinstance(value, Mapping):
            yield from (f"{name}/{key}" for key in value)
        else:
            yield name


def _in_order(judges: Sequence[Any]) -> list[Any]:
    """Return judges as a frozen spec has them: people come last."""
    return sorted(judges, key=lambda judge: not isinstance(judge, str))


def _of_arm(file: _File, place: int, arm: ArmSpec) -> Iterator[str]:
    """Yield the path of everything that a file says of an arm, without what a preset says for it."""
    data = file.arms[arm.name]
    at = f"arms/{place}"
    yield f"{at}/name"
    yield from (f"{at}/{key}" for key in data if key not in ("seats", "prompts"))
    yield from (f"{at}/prompts/{kind}" for kind in data.get("prompts") or ())
    named = data.get("seats") or {}
    seats = arm.protocol.seats()
    yield from (f"{at}/seats/{seat.name}" for seat in seats if {seat.name, seat.group} & {*named})


def parse_cap(data: Mapping[str, Any]) -> Cap:
    """Return the spending cap that plain data describe. Raise SpecError."""
    return Cap.of(parse_part(CapSettings, data, "cap").model_dump())


def _prices(data: Mapping[str, Any], cast: Cast) -> dict[str, Price]:
    found = {}
    for name, item in data.items():
        one_of(name, cast.participants, "prices", "participant")
        if not isinstance(cast.participants[name], ModelSettings):
            raise SpecError(f"prices: {name} is a built-in, which costs nothing: leave it out.")
        found[name] = Price(**parse_part(PriceSettings, item, f"prices.{name}").model_dump())
    return found


def _check_prices(spec: Spec) -> None:
    """Refuse two prices of one model, and a cap of money where a model has none. Raise SpecError."""
    by_model: dict[tuple[str, str], str] = {}
    for name in spec.prices:
        first = by_model.setdefault(_served(spec.cast, name), name)
        if spec.prices[first] != spec.prices[name]:
            raise SpecError(f"prices: {first} and {name} are the same model: give them the same price.")
    models = [name for name in spec.used if isinstance(spec.cast.participants[name], ModelSettings)]
    for name in dict.fromkeys(models):
        if spec.cap.money is not None and _served(spec.cast, name) not in by_model:
            raise SpecError(
                f"cap.money: {name} has no price: add prices: {{{name}: {{prompt: P, completion: C}}}}, for a million tokens."
            )


def _served(cast: Cast, name: str) -> tuple[str, str]:
    """Return the names of a participant's endpoint and model."""
    settings, endpoint = cast.participants[name], cast.endpoint_of(name)
    assert isinstance(settings, ModelSettings)
    assert endpoint is not None
    return endpoint[0], settings.model


def _gap(data: Mapping[str, Any], arms: Sequence[ArmSpec]) -> Gap:
    gap = parse_part(Gap, data, "pgr")
    protocols = {arm.name: arm.protocol.name for arm in arms}
    for key, name, rules in (("floor", gap.floor, FLOOR), ("ceiling", gap.ceiling, CEILING)):
        if name is None:
            continue
        one_of(name, protocols, f"pgr.{key}", "arm")
        if protocols[name] != rules.name:
            raise SpecError(f"pgr.{key}: {name} is an arm of {protocols[name]}: name one of {rules.name}.")
    return gap


def _check_judges(arms: Iterable[ArmSpec], panel: Panel) -> None:
    """Refuse people on the panel of an arm in whose talk no person can be the judge."""
    for arm in arms:
        if panel.people and arm.protocol.judge_takes_part and not arm.protocol.judge.people:
            raise SpecError(
                f"arms.{arm.name}: no person can be the judge of {arm.protocol.name}: "
                "take {humans: N} out of judges, or put the arm into a separate experiment."
            )


class _Loader(yaml.SafeLoader):
    """Refuses text that cannot be stored, and a mapping that names a key twice, of which YAML would drop the
    first. Refuses more parts than any file has, and numbers and names too long for one.
    """

    most_nodes = 200_000
    """Values, keys included. Reading ten thousand takes about half a second."""
    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        if self._nodes > self.most_nodes:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise SpecError(
                f"line {line}: there are more than {self.most_nodes:,} values; leave most of them out."
            )
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        _refuse_long_number(node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        _refuse_long_number(node)
        return super().construct_yaml_float(node)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        # JSON writes rarer characters in two halves, which YAML leaves apart.
        halves = super().construct_scalar(node).encode("utf-16-le", "surrogatepass")
        whole = halves.decode("utf-16-le", "replace")
        if "\0" in whole or whole.encode("utf-16-le") != halves:
            raise SpecError(
                f"line {node.start_mark.line + 1}: there is a character that cannot be stored (NUL, or half of one); remove it."
            )
        return whole

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError(f"line {key.start_mark.line + 1}: a key must be a word.")
            if len(key.value) > MOST_OF_A_KEY:
                raise SpecError(
                    f"line {key.start_mark.line + 1}: a key has at most {MOST_OF_A_KEY} characters."
                )
            if key.value in seen:
                raise SpecError(
                    f"line {key.start_mark.line + 1}: '{key.value}' is there twice; give each its own name."
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)

MOST_OF_A_NUMBER = 100
"""Characters of a number in YAML. Its parts of sixty, as in 1:30:00, would take for ever where they are many."""
MOST_OF_A_KEY = 500
"""Characters of a key in YAML."""


def _refuse_long_number(node: yaml.ScalarNode) -> None:
    if len(node.value) > MOST_OF_A_NUMBER:
        raise SpecError(
            f"line {node.start_mark.line + 1}: a number cannot be read: it has more than {MOST_OF_A_NUMBER} characters; "
            "put a text in quotation marks."
        )


class _PlainLoader(_Loader):
    """Refuses aliases too: a few lines of them can expand to more than any memory."""

    most_nodes = 20_000

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise SpecError(f"line {line}: YAML aliases (*name) are not taken here; write the parts out.")
        return super().compose_node(parent, index)


def load_yaml(path: Path) -> Any:
    """Return plain data from the YAML file at `path`. Raise SpecError."""
    if path.is_dir():
        raise SpecError(f"{path} is a folder: give the path of a YAML file.")
    try:
        return read_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {path}: give the path of a YAML file.") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.") from error


def read_yaml(text: str, name: str, *, aliases: bool = True) -> Any:
    """Return plain data from YAML. `name` is its name in errors. Raise SpecError."""
    try:
        return yaml.load(text, Loader=_Loader if aliases else _PlainLoader)  # noqa: S506 - safe loaders
    except SpecError as error:
        raise SpecError(f"{name}, {error}") from error
    except RecursionError as error:
        raise SpecError(f"{name} is nested too deeply: give it fewer levels.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise SpecError(f"{name} is not valid YAML{where}: {problem}.") from error
    except (
        ValueError,
        LookupError,
        AttributeError,
    ) as error:  # PyYAML raises it for a value that does not fit its tag.
        raise SpecError(f"{name} is not valid YAML: a date, number or tag in it cannot be read.") from error


def parse_part(model: type[M], data: Any, where: str) -> M:
    """Read one mapping. Name the first error in it and, for a key, the nearest valid one."""
    if not isinstance(data, Mapping):
        raise SpecError(f"{where} must have keys with values, such as `name: debate`.")
    for key in data:
        one_of(str(key), model.model_fields, where, "key")
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise SpecError(f"{where}: {first_mistake(error)}") from error


def first_mistake(error: ValidationError) -> str:
    """Return the first error as one sentence that begins with its place."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in first["loc"]) or "the settings"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch" and first["ctx"]["pattern"] == NAME:
        message = _NAMING
    if first["type"] == "too_short":
        message = f"name at least {first['ctx']['min_length']}"
    return f"{place}: {message[0].lower()}{message[1:]}."


def one_of(name: str, valid: Iterable[str], where: str, noun: str) -> str:
    """Return the name if it is valid. Name the nearest valid one otherwise. Raise SpecError."""
    names = list(valid)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"the nearest is '{near[0]}'." if near else f"valid are {', '.join(names) or 'none yet'}."
    raise SpecError(f"{where}: unknown {noun} '{name}'; {hint}")


def _cast(endpoints: Mapping[str, Any], participants: Mapping[str, Any]) -> Cast:
    known = {
        name: parse_part(EndpointSettings, item, f"endpoints.{name}") for name, item in endpoints.items()
    }
    cast = {name: _participant(name, item, known) for name, item in participants.items()}
    return Cast(known, cast)


def _participant(name: str, data: Mapping[str, Any], endpoints: Mapping[str, Any]) -> AnyParticipant:
    where = f"participants.{name}"
    _named(where, name)
    refuse_reserved(where, name)
    kind = one_of(str(data.get("kind", "")), PARTICIPANT_KINDS, where, "kind")
    settings: AnyParticipant = parse_part(PARTICIPANT_KINDS[kind], data, where)
    if isinstance(settings, ModelSettings):
        if (settings.endpoint is None) == (settings.base_url is None):
            raise SpecError(f"{where}: name either an endpoint or a base_url, and not both.")
        if settings.endpoint is not None:
            one_of(settings.endpoint, endpoints, where, "endpoint")
    return settings


def _arm(name: str, data: Mapping[str, Any], cast: Cast, folder: Path) -> ArmSpec:
    where = f"arms.{name}"
    _named(where, name)
    preset, data = _as_published(where, data)
    if "protocol" not in data:
        raise SpecError(f"{where}: name a protocol, or a preset; valid protocols are {', '.join(PROTOCOLS)}.")
    own = {key: value for key, value in data.items() if key in _ArmFile.model_fields}
    arm = parse_part(_ArmFile, own, where)
    if arm.protocol == Imported.name:
        raise SpecError(
            f"{where}: imported talks cannot be played anew: have new judges read them with `arena judge`, or name another protocol."
        )
    rules = PROTOCOLS[one_of(arm.protocol, PROTOCOLS, where, "protocol")]
    settings = {key: value for key, value in data.items() if key not in own}
    for key in settings:
        if key in rules.moved:
            raise SpecError(f"{where}: {rules.name} has no setting {key} any more: {rules.moved[key]}.")
        one_of(str(key), [*rules.model_fields, *_ArmFile.model_fields, "preset"], where, "key")
    protocol = parse_part(rules, settings, where)
    version = one_of(arm.prompt_version or NEWEST, VERSIONS, where, "prompt_version")
    overrides, sources = _prompts(where, protocol, arm.prompts, folder, version)
    seats = _seated(where, protocol, arm.seats, cast)
    _fitted(where, protocol, seats, cast)
    _vary(where, protocol, seats, cast)
    found = ArmSpec(
        name, protocol, seats, overrides, sources, preset, version, names_version=bool(arm.prompt_version)
    )
    if found.share < 1 and not any(given.exchanged for given in found.assignments(2)):
        raise SpecError(
            f"{where}: balance: half is for two different participants who oppose each other; leave it out."
        )
    return found


def _as_published(where: str, data: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Return the preset that an arm names, if it does, and the arm with the preset's protocol and settings written out."""
    if "preset" not in data:
        return None, data
    preset = PRESETS[one_of(str(data["preset"]), PRESETS, where, "preset")]
    fixed = {"protocol": preset.protocol, **preset.settings}
    for key, value in data.items():
        if key in fixed and value != fixed[key]:
            raise SpecError(
                f"{where}: {key}: {json.dumps(value, default=str)} contradicts the preset {preset.name}, which has "
                f"{json.dumps(fixed[key])}: leave preset out and write the settings yourself, or leave {key} out."
            )
    rest = {key: value for key, value in data.items() if key != "preset"}
    return preset.name, {**rest, **fixed}


def written_out(arm: Mapping[str, Any]) -> dict[str, Any]:
    """Return an arm of a file that has been read, with its preset's protocol and settings in the preset's place."""
    preset = PRESETS.get(arm.get("preset", ""))
    published = {"protocol": preset.protocol, **preset.settings} if preset else {}
    return {**published, **{key: value for key, value in arm.items() if key != "preset"}}


def _named(where: str, name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise SpecError(f"{where}: a name {_NAMING}.")


def refuse_reserved(where: str, name: str) -> None:
    """Raise SpecError where a participant has the name of the panel of people."""
    if name == PEOPLE:
        raise SpecError(f"{where}: '{PEOPLE}' is the name for all people together: choose another name.")


def _seated(where: str, protocol: Protocol, named: Mapping[str, str], cast: Cast) -> dict[str, str]:
    """Fill every seat: by its own name, by its group's, or by the participant of its default seat."""
    # A judge who takes part comes from the panel.
    seats = [seat for seat in protocol.seats() if seat.name != protocol.judge.name]
    valid = [name for seat in seats for name in (seat.name, seat.group) if name]
    if protocol.judge.name in named:
        raise SpecError(
            f"{where}.seats: judges are named for all arms together: put them under judges, not here."
        )
    for seat_name, participant in named.items():
        one_of(seat_name, dict.fromkeys(valid), f"{where}.seats", "seat")
        if participant != PEOPLE:
            one_of(participant, cast.participants, f"{where}.seats.{seat_name}", "participant")
    filled: dict[str, str] = {}
    for seat in seats:
        if seat.only and _builtin(named.get(seat.name), cast) != seat.only:
            raise SpecError(
                f"{where}: only the built-in {seat.only} can take the seat {seat.name} under these settings; add "
                f"participants: {{items: {{kind: builtin, name: {seat.only}}}}} and seats: {{{seat.name}: items}}."
            )
        filled[seat.name] = _holder(where, seat, named, filled)
        if not seat.only and _builtin(filled[seat.name], cast) == ITEMS:
            raise SpecError(
                f"{where}: the built-in {ITEMS} says only what comes with a question, and cannot take the seat "
                f"{seat.name}; name another participant, or set planted_by: {ITEMS} in an arm whose flaws are planted."
            )
        if filled[seat.name] == PEOPLE and not seat.people:
            raise SpecError(_not_for_people(where, seat))
    return filled


def _builtin(name: str | None, cast: Cast) -> str:
    """Return the name of a built-in participant; None for others."""
    settings = cast.participants.get(name or "")
    return settings.name if isinstance(settings, BuiltinSettings) else ""


def _not_for_people(where: str, seat: Seat) -> str:
    whose = f", and {seat.default}, whose participant it would have, is for people" if seat.default else ""
    opens = f" under these settings (it is {seat.opens})" if seat.opens else ""
    return (
        f"{where}: the seat {seat.name} is not open to people{opens}{whose}; "
        f"add seats: {{{seat.name}: NAME}} with a participant's name."
    )


def _holder(where: str, seat: Seat, named: Mapping[str, str], filled: Mapping[str, str]) -> str:
    holder = (
        named.get(seat.name) or named.get(seat.group) or (filled.get(seat.default) if seat.default else None)
    )
    if holder is None:
        raise SpecError(
            f"{where}: the seat {seat.name} is empty; add seats: {{{seat.group or seat.name}: NAME}}."
        )
    return holder


@lru_cache(maxsize=256)
def _demands(protocol: Protocol) -> tuple[tuple[str, Wants, int], ...]:
    """Return the asks of each seat: seat, kind of content, fewest words; each once."""
    [assignment, *_] = protocol.assignments(2)
    asks = rehearse(protocol, Case("", ("", " "), assignment.argues, seed=0, role=assignment.role))
    return tuple(dict.fromkeys((ask.seat, ask.wants, ask.limits.min_words) for ask in asks))


def _fitted(where: str, protocol: Protocol, seats: Mapping[str, str], cast: Cast) -> None:
    """Refuse a participant that could never answer its seat's asks."""
    for seat, wants, words in _demands(protocol):
        holder = cast.participants.get(seats.get(seat, PEOPLE))
        if isinstance(holder, ModelSettings) and holder.max_tokens < words:
            raise SpecError(
                f"{where}: {seats[seat]} may write {holder.max_tokens} tokens and as {seat} is asked for at least "
                f"{words} words: raise its max_tokens, or lower min_words."
            )
        _able(f"{where}.seats.{seat}", holder, wants)


def _able(where: str, holder: AnyParticipant | None, wants: Wants) -> None:
    if isinstance(holder, BuiltinSettings) and wants in NEVER_GIVES.get(holder.name, ()):
        raise SpecError(
            f"{where}: the built-in {holder.name} can give no {wants}, which is asked for there; name another participant."
        )


def _vary(where: str, protocol: Protocol, seated: Mapping[str, str], cast: Cast) -> None:
    """Refuse a participant that repeats itself where several texts are wanted, or that varies where settings
    assume it does not.
    """
    for seat in protocol.writers:
        settings = cast.participants.get(seated[seat])
        if isinstance(settings, ModelSettings) and settings.temperature == 0:
            raise SpecError(
                f"{where}: {seated[seat]} is asked several times for the same as {seat}, and at temperature 0 it says the "
                "same each time: give it a temperature above 0, such as 0.8."
            )
    for seat, remedy in protocol.steady.items():
        settings = cast.participants.get(seated[seat])
        if isinstance(settings, ModelSettings) and _samples(settings):
            raise SpecError(
                f"{where}: these settings are for a {seat} that never varies, and {seated[seat]} is sampled: "
                f"{remedy}, or give it temperature: 0."
            )


def _samples(settings: ModelSettings) -> bool:
    """Return whether a belief of this model differs when it is read again."""
    return settings.temperature > 0 and (settings.reason_first or settings.belief in ("votes", "verbalised"))


def _prompts(
    where: str, protocol: Protocol, named: Mapping[str, str], folder: Path, version: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the digest of each text that replaces a shipped one, and all templates of the arm, with its
    examples.
    """
    given = {kind: value if is_template(value) else folder / value for kind, value in named.items()}
    count = getattr(protocol, examples.KIND, 0)
    lines = given.pop(examples.KIND, None)
    if lines is not None and not protocol.takes_examples:
        raise SpecError(
            f"{where}.prompts: {protocol.name} takes no examples; {' and '.join(TAKE_EXAMPLES)} does."
        )
    if bool(count) != (lines is not None):
        raise SpecError(
            f"{where}: examples: NUMBER and prompts: {{examples: FILE}} go together; "
            "`arena export NAME --what wins` writes such a file."
        )
    try:
        sources = load(given, protocol.name, version=version)
        overrides = {kind: digest(read_override(value)) for kind, value in given.items()}
        if lines is None or not count:
            return overrides, sources
        text = examples.chosen(lines, count)
    except (PromptError, examples.ExamplesError) as error:
        raise SpecError(f"{where}.prompts: {error}") from error
    name = f"{protocol.name}/{examples.KIND}"
    return {**overrides, examples.KIND: digest(text)}, {**sources, name: text}


def is_template(value: str) -> bool:
    """Return whether a value under `prompts` is the text itself, of a template or of examples, not the name
    of a file.
    """
    return "{%" in value or examples.is_text(value)


def _people(data: Any) -> People:
    if isinstance(data, Mapping) and "humans" not in data and data.keys() <= People.model_fields.keys():
        raise SpecError(
            f"judges: {', '.join(map(str, data))} is for people and none are asked for: write {{humans: N, …}}."
        )
    return parse_part(People, data, "judges.humans")


def _panel(file: _File | _PanelFile, cast: Cast) -> Panel:
    named = [judge for judge in file.judges if isinstance(judge, str)]
    people = [_people(judge) for judge in file.judges if not isinstance(judge, str)]
    for judge in named:
        one_of(judge, cast.participants, "judges", "participant")
        _able("judges", cast.participants[judge], "belief")
    if len(set(named)) < len(named) or len(people) > 1:
        raise SpecError("judges: a judge is named twice; name each once, and {humans: N} once.")
    return Panel(tuple(named), file.elicit, people[0] if people else None, file.repeats)
