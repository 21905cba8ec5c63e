"""The parts of every protocol: seats, asks, moves and the play of a script.

A protocol is a generator that yields steps and is sent the moves. A step is a list of asks, hidden from one
another until all of them are answered. `Play` drives the generator and can be rebuilt from the moves alone.
There is no database, model or person here.
"""

import hashlib
import json
import math
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from random import Random
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from app.protocols.quotes import MarkedText

# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────
#   ProtocolError
#   ├── BadStep        a script asked for something that the core forbids: a defect of the script
#   └── RuleChanged    the recorded moves are not what the script asks for: the rules changed after they were made


class ProtocolError(Exception):
    """A script and its moves do not fit together."""


class BadStep(ProtocolError):
    """The script breaks a rule of the core."""


class RuleChanged(ProtocolError):
    """A recorded move does not match the ask that the script makes now."""


# ── moves ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Content(BaseModel):
    """The content of a move."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Speech(Content):
    """An argument, with its quotes checked against the passage."""

    kind: Literal["speech"] = "speech"
    said: MarkedText
    scratchpad: str = ""
    """Private reasoning of the speaker, hidden from all other seats but those that `Seat.reads_notes` names."""
    words: int
    asked: int = 1
    """How often the speaker was asked, until the length was right or the attempts were used up."""
    cut: bool = False
    """True where the text was truncated at a sentence after the last attempt."""
    suspicious: tuple[str, ...] = ()
    """Kinds of suspicious text in it: instructions to the judge, forged marks, what may be thinking."""


class Note(Content):
    """Plain words for others, for instance a judge's question."""

    kind: Literal["note"] = "note"
    text: str


class Thought(Content):
    """Reasoning for its own seat only."""

    kind: Literal["thought"] = "thought"
    text: str


class Items(Content):
    """A short list of texts, such as sub-questions or points of a critique."""

    kind: Literal["items"] = "items"
    texts: tuple[str, ...]


class Pick(Content):
    """One of several named options, by its index."""

    kind: Literal["pick"] = "pick"
    index: int = Field(ge=0)
    said: str = ""
    """The text that others read for each option, where the ask gives one in `facts.says`."""


class Rating(Content):
    """A number in [0, 1]: acceptance, or how convincing a candidate is."""

    kind: Literal["rating"] = "rating"
    value: float = Field(ge=0, le=1)


BeliefMethod = Literal["logprobs", "constrained", "verbalised", "votes", "stated", "baseline"]
"""How a belief was read.

`logprobs`: from the model's next token, unconstrained. `constrained`: the same, with the reply limited to the
answers' letters. `verbalised`: percentages that a model stated. `votes`: shares of sampled answers. `stated`: a
person's entry. `baseline`: a built-in's arithmetic.
"""

BeliefFlag = Literal["bounded", "undecided", "off_sum", "no_weight"]
"""What is doubtful about a belief.

`bounded`: a letter was not among the returned tokens; the belief is at that letter's bound, which cannot change
the choice. `undecided`: the bound could change it. `off_sum`: the stated figures do not add up to 100%, beyond
rounding. `no_weight`: they are all 0, and the belief is even.
"""


class Belief(Content):
    """A distribution over the answers, in the trial's order, whatever the reading order of the seat."""

    kind: Literal["belief"] = "belief"
    p: tuple[float, ...]
    """One probability per answer; they sum to 1."""
    method: BeliefMethod
    label_mass: float | None = None
    """Probability of the answers' labels in the unconstrained distribution, where it comes from
    log-probabilities.
    """
    reason: str = ""
    said: tuple[float, ...] | None = None
    """The figures as the model stated them, before `p` was made of them: percentages, or probabilities where
    none is above 1. None where none were stated.
    """
    bounds: tuple[tuple[float, float], ...] | None = None
    """Least and most that each probability can be, where a letter was not among the returned tokens."""
    flags: tuple[BeliefFlag, ...] = ()

    @field_validator("p")
    @classmethod
    def _is_a_distribution(cls, p: tuple[float, ...]) -> tuple[float, ...]:
        if len(p) < 2 or not all(0 <= x <= 1 for x in p) or abs(math.fsum(p) - 1) > 1e-6:
            raise ValueError(f"A belief must be probabilities that sum to 1, not {p}.")
        return p


class Stance(Content):
    """The result of a position check: whether a speech still argues for its side."""

    kind: Literal["stance"] = "stance"
    stance: Literal["holds", "concedes", "refuses"]


AnyContent: TypeAlias = Speech | Note | Thought | Items | Pick | Rating | Belief | Stance
_CONTENT: TypeAdapter[AnyContent] = TypeAdapter(Annotated[AnyContent, Field(discriminator="kind")])


def parse_content(data: Mapping[str, Any]) -> AnyContent:
    """Return the content of a move from its stored JSON."""
    return _CONTENT.validate_python(data)


Wants = Literal["speech", "note", "thought", "items", "pick", "rating", "belief", "stance"]


@dataclass(frozen=True, slots=True)
class Move:
    """A seat's answer to an ask."""

    path: str
    seat: str
    content: AnyContent
    fingerprint: str


# ── asks ────────────────────────────────────────────────────────────────────────────────────────────────────────

Shown: TypeAlias = tuple[tuple[str, ...], ...]
"""Paths of moves in the order they are read. Those of one inner tuple were made simultaneously."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one reply. Words are separated by whitespace; characters are code points of the passage."""

    target_words: int | None = None
    min_words: int = 0
    max_words: int | None = None
    quote_characters: int | None = None
    """New verified characters of the passage that this reply may quote."""
    only_quotes: bool = False
    """True where only verified quotes of the reply are kept."""
    min_quotes: int = 0
    """Fewest quotes that must be found in the passage."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What else the prompt of one kind of ask needs: the round, a price, the options of a pick.

    Each kind of ask declares a subclass beside it. A fact that is None is not given. Values are JSON; lists are tuples.
    """

    def by_name(self) -> dict[str, Any]:
        """Return the facts that are given, as prompts and fingerprints have them."""
        given = ((known.name, getattr(self, known.name)) for known in fields(self))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in given
            if value is not None
        }


@dataclass(frozen=True, kw_only=True)
class SpeechFacts(Facts):
    """Facts of a speech for an answer."""

    attack: str | None = None
    """The attack on the judge that it is to make."""
    draft: str | None = None
    """Path of the speech that it is to write anew."""
    plan: bool | None = None
    """True where it must be planned in the scratchpad first."""


@dataclass(frozen=True, kw_only=True)
class PickFacts(Facts):
    """Facts of an ask for a pick."""

    options: tuple[str, ...] | Literal["answers"]
    says: tuple[str, ...] | None = None
    """What others read of the pick: a text for each option."""


@dataclass(frozen=True, kw_only=True)
class ItemsFacts(Facts):
    """Facts of an ask for a list of texts."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class SideFacts(Facts):
    """Facts of an ask about what was said for an answer."""

    side: int
    """Index of that answer, as the asked seat reads the answers."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to one seat."""

    path: str
    """The script's name for this point of the talk, such as `r2/debater_b`; unique within the script."""
    seat: str
    kind: str
    """The name of its prompt: `templates/prompts/<protocol>/<kind>.jinja`, or `shared/` where the protocol
    has none.
    """
    wants: Wants
    shows: Shown = ()
    order: tuple[int, ...] | None = None
    """The trial's answers in this seat's reading order; None for the trial's order."""
    limits: Limits = Limits()
    facts: Facts = Facts()
    """Whatever else the prompt needs."""
    argues: Mapping[str, int] | None = None
    """Seat to index of the answer it argues for, where that was chosen in the talk; None for the case's
    sides.
    """

    @property
    def fingerprint(self) -> str:
        """Return a digest of the ask. It is stored with the move and compared at replay."""
        asked = asdict(self) | {"facts": self.facts.by_name()}
        if self.argues is None:  # moves that are older than these fields keep their digest
            del asked["argues"]
        if not self.limits.min_quotes:
            del asked["limits"]["min_quotes"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]


def answered(ask: Ask, content: AnyContent) -> Move:
    """Return the move that answers `ask` with `content`. Raise an error for content of another kind."""
    if content.kind != ask.wants:
        raise BadStep(f"{ask.path} wants a {ask.wants} and was given a {content.kind}.")
    return Move(ask.path, ask.seat, _in_words(content, ask), ask.fingerprint)


def _in_words(content: AnyContent, ask: Ask) -> AnyContent:
    """Return the content. For a pick that others read without the ask, include the text of the picked option."""
    says = ask.facts.says if isinstance(ask.facts, PickFacts) else None
    if not isinstance(content, Pick) or says is None:
        return content
    if content.index >= len(says):
        raise BadStep(f"{ask.path} names {len(says)} options and was given number {content.index + 1}.")
    return content.model_copy(update={"said": says[content.index]})


Step: TypeAlias = list[Ask]
T = TypeVar("T")
R = TypeVar("R")
Talk: TypeAlias = Generator[Step, list[Move], R]
"""A script, or a part of one: yields steps, is sent their moves in the same order, returns an R."""


# ── the case and the protocol ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Elicitation:
    """How a seat comes to a belief. It follows from the participant's settings, never from the kind of
    participant.
    """

    reason_first: bool = False
    votes: int = 0
    """Number of sampled answers whose shares are the belief; 0 asks for the belief itself."""
    may_reason: bool = False
    """Whether an arm may decide whether it reasons first."""


@dataclass(frozen=True, slots=True)
class Planted:
    """An argument with a flaw, which came with the question."""

    argument: str
    """Each quote is between `<quote>` and `</quote>`."""
    reference: str
    """The flaw."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a script knows of a trial: neither the passage nor the gold answer."""

    question: str
    answers: tuple[str, ...]
    argues: Mapping[str, int]
    """Seat to index of the answer it argues for."""
    seed: int
    elicitation: Mapping[str, Elicitation] = field(default_factory=dict)
    planted: Mapping[int, Planted] = field(default_factory=dict)
    """Flawed arguments that came with the question, by the index of their answer."""
    role: str = ""
    """The role that the trial's assignment gives; empty where it gives none, and in judging."""

    def rng(self) -> Random:
        """Return a new generator with the trial's seed: a replay draws the same numbers."""
        return Random(self.seed)

    def elicits(self, seat: str) -> Elicitation:
        """Return how `seat` comes to a belief."""
        return self.elicitation.get(seat, Elicitation())


def ask_seed(case_seed: int, path: str) -> int:
    """Return the seed for sampling the reply to one ask: 31 bits, the same on every machine and every
    attempt.
    """
    return int.from_bytes(hashlib.sha256(f"{case_seed}/{path}".encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in a protocol."""

    name: str
    title: str
    """The name that others read: `Debater`, plus the letter of the argued answer where `lettered`."""
    group: str = ""
    """The plural by which an experiment's file may fill several seats at once."""
    reads_passage: bool = False
    people: bool = True
    """Whether a person may take it."""
    opens: str = ""
    """Settings under which a person may take it, in words, where that depends on them: `with candidates: 1`.
    """
    lettered: bool = False
    about: str = ""
    """What the numbers at the start of a path count: a seat about a `question` reads `Assistant, question
    1.2` at `q1/q2/answer`.
    """
    only: str = ""
    """The one built-in participant that can take it, where no other can."""
    default: str | None = None
    """The seat whose participant takes this one too, where the file names none. None: it must be named."""
    notes_shown: bool = False
    """Whether its private notes are shown to the seats that may read notes."""
    reads_notes: bool = False
    """Whether it may read such notes, if it does not read the passage."""


JUDGE = Seat("judge", "Judge")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who argues for which answer. `reverse` lists the trial's answers the other way round."""

    argues: Mapping[str, int]
    reverse: bool = False
    exchanged: bool = False
    """Whether the two opposed seats have each other's participants."""
    role: str = ""
    """The role that a seat has and knows; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a talk: what judges will read and, where a judge took part, its belief."""

    transcript: Shown = ()
    belief: Belief | None = None
    beliefs: tuple[Belief, ...] = ()
    """The path to `belief`, oldest first."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """The protocol's own figures: steps taken, reversals. A name with a slash is a point of a series:
    `price/3`.
    """
    points: Mapping[str, int] = field(default_factory=dict)
    """Moves whose numbered points the judge accepts or rejects, with the number of points of each."""
    argues: Mapping[str, int] | None = None
    """Who argued for which answer, where that was chosen in the talk; None for the case's sides."""

    def judged(self, case: Case) -> Case:
        """Return the case for judges of the finished talk, with the sides that were chosen in it and without a role."""
        return replace(case, argues=case.argues if self.argues is None else self.argues, role="")


@dataclass(frozen=True, slots=True)
class Measure:
    """The name and unit of one of a script's figures."""

    name: str
    """The key in `Outcome.measures`. `price/` is a series of which `price/3` is a point."""
    title: str
    """In the plural or as a name, so that it fits one trial and the mean of many."""
    unit: str
    """`share` for events, `probability` for beliefs."""
    words: tuple[str, ...] = ()
    """The meaning of 0, 1 … in one trial, where it is not a number there."""

    @property
    def bounded(self) -> bool:
        """Return whether it is between 0 and 1."""
        return self.unit in ("share", "probability")

    def told(self, value: float) -> str:
        """Return the figure of one trial in words."""
        if self.words:
            return self.words[int(value)]
        return f"{100 * value:.1f} of 100" if self.unit == "probability" else f"{value:g}"


NO_YES = ("no", "yes")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure by which a protocol's judges are compared, as data: a reducer of the statistics makes it of a column."""

    key: str
    title: str
    unit: str
    reducer: str
    """Its name in `app.statistics.reducers`."""
    column: str
    """`correct`, `acceptance`, or `argued` (1 where gold was argued for), one number a reading; `belief`, the path to a belief; or a series of measures: `price/`."""
    at: int | None = None
    """A point of the series, -1 for the last one; of a series of grades, the grade."""
    each: bool = False
    """Whether it is computed for each point of the series; key and title then end with the point's number."""
    argued: Literal["gold", "other"] | None = None
    """Only readings in which gold, or another answer, was argued for alone."""
    where: str = ""
    """Only readings of trials whose measure of this name is above 0."""
    absent: str = ""
    """Why it is unknown where no reading gives it; without a reason it is then left out."""


@dataclass(frozen=True, slots=True)
class WordSwitch:
    """A switch between two ways to spend the same words, as data: reports compare arms that differ in nothing else."""

    switch: str
    """The setting that spends them the second way."""
    group: str
    """Whose words they are: the group of their seats, which one participant holds in both arms."""
    votes: str
    """The series of measures with what each of the texts that are written side by side says, as a share of the first answer."""
    settings: frozenset[str] = frozenset()
    """Other settings in which the arms may differ, since nothing that is said depends on them."""
    seats: frozenset[str] = frozenset()
    """Other seats in which they may."""


class Protocol(BaseModel):
    """The rules of one protocol. Its fields are its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: ClassVar[str]
    source: ClassVar[str]
    """The paper and section of the rules."""
    max_answers: ClassVar[int] = 2
    judge: ClassVar[Seat] = JUDGE
    family: ClassVar[str] = ""
    """A folder of templates that several protocols share; a template of the protocol's own folder goes first."""
    varies: ClassVar[str] = ""
    """What the number of asks depends on, in words; empty where it is fixed."""
    measures: ClassVar[tuple[Measure, ...]] = ()
    """What the figures of `Outcome.measures` are called, in the order of the report."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """The figures that reports compute for each judge, in the order in which they are shown."""
    chooses: ClassVar[str] = ""
    """The seat that chooses its answer, where other seats argue against that: its answer counts as the one argued for."""
    takes_examples: ClassVar[bool] = False
    """Whether judges may be shown arguments that misled earlier ones; the setting `examples` says how many."""

    @classmethod
    def measure(cls, name: str) -> Measure:
        """Return the name of a figure, with its place in a series. Unknown figures of older rules go by their
        key.
        """
        series, slash, place = name.partition("/")
        called = {known.name: known for known in cls.measures}
        found = called.get(series + slash, Measure(name, series.replace("_", " "), ""))
        return replace(found, title=f"{found.title} {place}") if slash else found

    @classmethod
    def rank(cls, name: str) -> tuple[int, int, str]:
        """Return the position of a figure among all figures of the protocol; unknown ones come last."""
        known = [measure.name for measure in cls.measures]
        kind = cls.measure(name).name
        return known.index(kind) if kind in known else len(known), len(name), name

    judge_reasons: bool | None = None
    """Whether model judges reason in writing before they answer. Absent: as their own settings say."""

    @property
    def judge_takes_part(self) -> bool:
        """Return whether the judge is asked in the talk too. Then every judge of the panel has separate trials."""
        return False

    def elicitation(self, own: Mapping[str, Elicitation]) -> dict[str, Elicitation]:
        """Return how each seat comes to a belief, where `own` is how its participant would."""
        judge, reasons = self.judge.name, self.judge_reasons
        return {
            seat: replace(how, reason_first=reasons)
            if seat == judge and reasons is not None and how.may_reason
            else how
            for seat, how in own.items()
        }

    moved: ClassVar[Mapping[str, str]] = {}
    """Settings of earlier versions that other protocols have now: what to write instead."""
    former_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings whose default was another under the first version of the rules of specs, with that default."""
    word_switch: ClassVar[WordSwitch | None] = None
    """Two ways to spend the same words that reports compare, arm by arm."""

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of the talk under these settings that an arm fills. The judge comes from the
        panel.
        """
        return ()

    def assignments(self, answers: int) -> tuple[Assignment, ...]:
        """Return every assignment that a question with this many answers is played under."""
        return (Assignment({}),)

    def balanced(self, answers: int, named: Mapping[str, Any]) -> tuple[Assignment, ...]:
        """Return every assignment with these participants in the seats (seat to anything that identifies one)."""
        return self.assignments(answers)

    def holders(self, named: Mapping[str, T], assignment: Assignment) -> dict[str, T]:
        """Return who has which seat under an assignment."""
        return dict(named)

    @property
    def writers(self) -> list[str]:
        """Return the seats that are asked for several texts of which one is chosen."""
        return []

    @property
    def steady(self) -> dict[str, str]:
        """Return the seats whose beliefs must not vary under these settings, with the setting to change where
        they do.
        """
        return {}

    @property
    def reading_orders(self) -> int:
        """Return the number of orders in which a model judge reads a finished trial."""
        return 2

    def script(self, case: Case) -> Talk[Outcome]:
        """Return the script of the talk. By default there is no talk."""
        yield from ()
        return Outcome()

    def rights(self) -> dict[str, Seat]:
        """Return every seat by name, including the judge."""
        return {seat.name: seat for seat in (self.judge, *self.seats())}


# ── play ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Play(Generic[R]):
    """A script in play: `due` lists the open asks, `record` takes a move, `outcome` is set at the end."""

    def __init__(self, script: Talk[R], seats: Iterable[str], given: Iterable[str] = ()) -> None:
        self._script = script
        self._seats = frozenset(seats)
        self._given = frozenset(given)
        self._done: set[str] = set()
        self._past: Step = []
        self._step: Step = []
        self._asked: dict[str, Ask] = {}
        self._moves: dict[str, Move] = {}
        self.steps = 0
        self.outcome: R | None = None
        self.finished = False
        self._send(None)

    @property
    def due(self) -> list[Ask]:
        """Return the asks of the present step that have no move yet."""
        return [ask for ask in self._step if ask.path not in self._moves]

    @property
    def answered(self) -> list[Ask]:
        """Return the asks that have a move, oldest first."""
        return [*self._past, *(ask for ask in self._step if ask.path in self._moves)]

    def record(self, move: Move) -> None:
        """Take one move of the present step. The last of them carries the script on."""
        ask = self._asked.get(move.path)
        if ask is None or move.path in self._moves:
            raise RuleChanged(f"The move {move.path} answers nothing that the script asks at this point.")
        if (move.fingerprint, move.seat) != (ask.fingerprint, ask.seat):
            raise RuleChanged(
                f"The move {move.path} was made under other rules than the present ones: "
                "finish it with the version that made it, or cancel it on its page and start it under another name."
            )
        self._moves[move.path] = move
        if len(self._moves) == len(self._step):
            self._send([self._moves[ask.path] for ask in self._step])

    def _send(self, moves: list[Move] | None) -> None:
        self._done.update(ask.path for ask in self._step)
        self._past += self._step
        self._step, self._asked, self._moves = [], {}, {}
        try:
            step = next(self._script) if moves is None else self._script.send(moves)
        except StopIteration as end:
            self.outcome, self.finished = end.value, True
            return
        self._check(step)
        self._step, self._asked = step, {ask.path: ask for ask in step}
        self.steps += 1

    def _check(self, step: Step) -> None:
        paths = [ask.path for ask in step]
        if not step or len(set(paths)) < len(paths) or not (self._done | self._given).isdisjoint(paths):
            raise BadStep(f"A step must ask for something, under paths not used before: {paths}.")
        for ask in step:
            if ask.seat not in self._seats:
                raise BadStep(f"{ask.path} asks the seat {ask.seat}, which this protocol does not have.")
            hidden = {path for group in ask.shows for path in group} - self._done - self._given
            if hidden:
                raise BadStep(f"{ask.path} shows {sorted(hidden)}, which are not answered yet.")


def replay(play: Play[R], moves: Mapping[str, Move]) -> Play[R]:
    """Feed the recorded `moves` to a fresh `play`, in any order.

    Raise RuleChanged where a move answers another ask, or none at all, under the present rules.
    """
    left = dict(moves)
    while known := [left.pop(ask.path) for ask in play.due if ask.path in left]:
        for move in known:
            play.record(move)
    if left:
        raise RuleChanged(
            f"The move {min(left)} is stored but the present rules never ask for it: "
            "finish it with the version that made it, or cancel it on its page and start it under another name."
        )
    return play


def together(*talks: Talk[T]) -> Talk[list[T]]:
    """Run several talks side by side, a step of each at a time. Return their results in order."""
    results: dict[int, T] = {}
    waiting: dict[int, Step] = {}

    def go(index: int, moves: list[Move] | None) -> None:
        try:
            waiting[index] = next(talks[index]) if moves is None else talks[index].send(moves)
        except StopIteration as end:
            results[index] = end.value

    for index in range(len(talks)):
        go(index, None)
    while waiting:
        step, waiting = waiting, {}
        if not all(step.values()):
            raise BadStep("A step must ask for something, also beside the steps of other talks.")
        moves = iter((yield [ask for asks in step.values() for ask in asks]))
        for index, asks in step.items():
            go(index, [next(moves) for _ in asks])
    return [results[index] for index in range(len(talks))]


def one(ask: Ask) -> Talk[Move]:
    """Ask for one move."""
    [move] = yield [ask]
    return move


Said: TypeAlias = tuple[tuple[Move, ...], ...]
"""A transcript as its moves. Those of one inner tuple were made simultaneously."""


def paths(said: Said) -> Shown:
    """Return a transcript as the paths that asks name."""
    return tuple(tuple(move.path for move in group) for group in said)


# ── what moves hold whose ask says of what kind they are ────────────────────────────────────────────────────────


def rated(move: Move) -> float:
    """Return the number of a rating."""
    assert isinstance(move.content, Rating)
    return move.content.value


def picked(move: Move) -> int:
    """Return the index of the picked option."""
    assert isinstance(move.content, Pick)
    return move.content.index


def listed(move: Move) -> tuple[str, ...]:
    """Return the listed texts."""
    assert isinstance(move.content, Items)
    return move.content.texts


def believed(move: Move) -> Belief:
    """Return the belief of a move."""
    assert isinstance(move.content, Belief)
    return move.content
