"""The shapes of the API's requests and responses; docs/api.md and /api/v1/openapi.json are made from them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.experiments.spec import MOST, NAME
from app.participants.base import ModelSettings
from app.records.paging import Page
from app.services.completion_code import MOST_CODE, MOST_URL
from app.studies.spec import MOST_TEXT

T = TypeVar("T")
Row = TypeVar("Row")


class Shape(BaseModel):
    """The parent of all shapes."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


def listed(page: Page[Row], shape: Callable[[Row], T]) -> "Listed[T]":
    """Return a page of a list, each row in its shape."""
    return Listed(items=[shape(row) for row in page.rows], page=page.number, more=page.more)


class Error(Shape):
    """Why a request was refused."""

    error: str
    """One sentence that says what to do."""


class Listed(Shape, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(json_schema_extra={"description": "One page of a list."})

    items: list[T]
    page: int
    more: bool
    """Whether there is another page."""


class Experiment(Shape):
    """An experiment."""

    name: str
    state: str
    """`running`, `paused` or `cancelled`: the last instruction."""
    digest: str
    """Digest of the spec, the drawn questions and the prompts."""
    seed: int
    created_at: datetime
    tags: list[str]
    note: str


class ListedExperiment(Experiment):
    """An experiment in a list, with how far it is."""

    status: str
    """In a word or two: `running`, `waiting for people`, `finished`, `paused` …"""
    done: int
    """Trials and judgements that are done."""
    failed: int
    total: int
    """All its trials and judgements."""


class NewName(Shape):
    """Another name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=100)
    """Letters, digits, `.`, `_` or `-`, beginning with a letter or digit."""


class DeletedExperiment(Shape):
    """What went with an experiment."""

    trials: int
    verdicts: int
    people: int
    """People who had a part in it."""


class SetUse(Shape):
    """A task set that was deleted or renamed."""

    passages: int
    questions: int


class ExperimentInFull(Experiment):
    """An experiment with its spec."""

    spec: dict[str, Any]
    """Every default written out."""


class NewMarks(Shape):
    """Tags and note to change; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    tags: list[str] | None = None
    """Short words that replace the former ones."""
    add: list[str] = Field(default_factory=list)
    """Tags to add."""
    remove: list[str] = Field(default_factory=list)
    """Tags to take away."""
    note: str | None = None
    """Plain text."""


class Marks(Shape):
    """What is written on an experiment."""

    tags: list[str]
    """Sorted, in lower case."""
    note: str


class Started(Experiment):
    """The result of a request to start."""

    new: bool
    """False where it existed already, started from the same spec."""


class Progress(Shape):
    """The progress of an experiment."""

    state: str
    """`running`, `paused` or `cancelled`."""
    trials: Mapping[str, int]
    """Number of trials by state."""
    judgements: Mapping[str, int]
    """Number of judgements by state."""
    blocked: int
    """Queued judgements whose trial failed or waits for a person."""
    moves: int
    tokens_in: int
    tokens_out: int
    total: int
    settled: int
    """Trials and judgements that are done or failed."""
    awaiting_people: int
    running: int
    """Those that can still be done without a person."""
    endpoints: Sequence[str] = ()
    """Sentences on its endpoints that are paused, or are asked at a pace."""
    spending: str | None = None
    """Where a spending cap has paused it: which one is reached, and by how much."""
    turns: str | None = None
    """Where others run beside it: how the workers are shared, and when its first turn comes."""
    seconds: float | None = None
    """From its start until its last trial or judgement was finished; null before, and for an imported archive."""


class NewCap(Shape):
    """Spending caps to change; those left out stay as they are, and 0 lifts one."""

    model_config = ConfigDict(extra="forbid")

    calls: int | None = Field(None, ge=0, le=MOST)
    """Requests to models, each attempt counted."""
    tokens: int | None = Field(None, ge=0, le=MOST)
    """Tokens of prompts and replies together."""
    money: float | None = Field(None, ge=0, le=MOST, allow_inf_nan=False)
    """By the prices in the experiment's file."""

    def changes(self) -> dict[str, float]:
        """Return the figures that are given."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Cell(Shape):
    """The figures of one arm and judge, with further figures beside these."""

    model_config = ConfigDict(extra="allow")

    arm: str
    judge: str
    accuracy: float | None
    verdicts: int
    failures: int


class Compared(Shape):
    """A contrast of one judge in words."""

    first: str
    second: str
    judge: str
    outcome: str
    """`first` or `second` where that arm is ahead; `none` where no difference is shown, or why there is no claim."""
    words: str


class Answer(Shape):
    """The answer of a report in words."""

    text: str
    """What to read first, with figures."""
    sentences: list[str]
    meaning: str
    """The same without figures."""
    contrasts: list[Compared]


class Report(Shape):
    """The report of an experiment."""

    model_config = ConfigDict(extra="allow")

    experiment: str
    digest: str
    seed: int
    answer: Answer
    cells: list[Cell]
    failures: list[dict[str, Any]]
    """Reasons and how often each occurred."""


class Comparison(Shape):
    """Experiments side by side."""

    experiments: list[dict[str, Any]]
    """Each with its digest, whether it is a pilot, and its cells as in its report."""
    common_questions: list[dict[str, Any]]
    """How many questions each two of them share."""
    contrasts: list[dict[str, Any]]
    """On common questions."""
    differences: list[dict[str, Any]]
    """Settings that differ, with the value in each experiment."""
    notes: list[str]


class Round(Shape):
    """A judging round."""

    name: str
    elicit: str
    digest: str
    created_at: datetime


class RoundStarted(Shape):
    """The result of a request for a judging round."""

    name: str
    queued: int
    """Judgements that are new."""


class Trial(Shape):
    """A trial in a list."""

    id: UUID
    arm: str
    passage: str
    """Its key."""
    question: str
    """Its key."""
    replicate: int
    """Counted from 0."""
    state: str
    """`queued`, `waiting` (for a person), `done` or `failed`."""
    error: str | None
    """The reason of the failure."""
    finished_at: datetime | None
    right: int
    """Verdicts with gold strictly on top."""
    wrong: int
    """Verdicts with another answer strictly above gold."""
    verdicts: int
    p_gold: float | None
    """Mean belief in gold."""
    words: int | None
    """Of the speeches that judges read; absent until it is done."""
    flags: list[str]
    """What was found in these speeches, as `flag` takes it."""


class Move(Shape):
    """A seat's answer to an ask."""

    path: str
    """Its name within the trial."""
    seat: str
    participant: str
    """The participant in the seat; people have a pseudonym."""
    participant_kind: str
    """`model`, `builtin` or `person`."""
    content: dict[str, Any]
    """As stored; `kind` says what the other keys are."""
    created_at: datetime


class Verdict(Shape):
    """The final belief of one judge in one reading order."""

    judge: str
    judge_kind: str
    """`model`, `builtin` or `person`."""
    round: str | None
    """The judging round; None for a judge who took part in the talk."""
    answer_order: list[int]
    """Places in `answers`, in the order they were read."""
    belief: list[float]
    """Over `answers`."""
    beliefs: list[list[float]]
    """The path to it, oldest first."""
    method: str
    """How the belief was read."""
    label_mass: float | None
    reason: str
    said: list[float] | None
    """The figures that a model stated, as said, over `answers`."""
    bounds: list[list[float]] | None
    """Least and most of each, where a letter was not among the returned tokens."""
    flags: list[str]
    """What is doubtful about the belief: `bounded`, `undecided`, `off_sum` or `no_weight`."""
    created_at: datetime


class TrialInFull(Shape):
    """A trial with its transcript and verdicts."""

    id: UUID
    experiment: str
    arm: str
    protocol: str
    passage: str
    """Its key."""
    passage_text: str | None
    """None unless requested."""
    question: str
    """Its key."""
    question_text: str
    answers: list[str]
    """In the trial's order."""
    gold: int
    """Place in `answers`, counted from 0."""
    argues: dict[str, int]
    """Seat to the place in `answers` of the answer that it argues for."""
    replicate: int
    seed: int
    state: str
    """`queued`, `waiting` (for a person), `done` or `failed`."""
    error: str | None
    finished_at: datetime | None
    transcript: list[list[str]] | None
    """Paths of the moves that judges read, in order; those of one inner list were made at once. None until it
    is done.
    """
    measures: dict[str, float]
    """The protocol's own figures."""
    moves: list[Move]
    """Every recorded move, hidden ones too, oldest first."""
    verdicts: list[Verdict]


class TaskSet(Shape):
    """A task set."""

    name: str
    passages: int
    questions: int
    licenses: list[str]
    """The licences of its passages."""


class Imported(Shape):
    """The additions of an upload."""

    passages: int
    questions: int
    unchanged: int
    """Questions that existed already."""
    left_out: list[str]
    """The problems of the lines that were left out."""


class ImportedArchive(Shape):
    """The result of an import of an archive."""

    name: str
    """Of the experiment."""
    new: bool
    """False where the same archive was there already."""
    questions: int
    """Questions added to the task set."""
    trials: Mapping[str, int]
    """By arm."""
    verdicts: Mapping[str, int]
    """Those that count, by arm."""
    apart: Mapping[str, int]
    """Those of other rounds, by round."""
    left_out: Mapping[str, int]
    """How much `where` left out, by reason."""
    counted: bool
    """Whether the file says how many lines it has; if not, it cannot be known whether it was cut."""


class Endpoint(Shape):
    """A model server. Keys are never returned, only the names of their variables."""

    id: UUID
    name: str
    base_url: str
    api_key_env: str | None
    headers: dict[str, str] = Field(default_factory=dict)
    """Names of headers, each with the name of the environment variable that has its value."""
    query: dict[str, str] = Field(default_factory=dict)
    """Parameters of every address; `$NAME` takes the value of an environment variable."""
    fold_system: bool = False
    """Whether system messages are put into the first message of the user."""


class NewEndpoint(Shape):
    """A model server to register."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    base_url: str = Field(max_length=500)
    """Address up to and including `/v1`."""
    api_key_env: str | None = Field(None, max_length=200)
    """Name of the environment variable with the key."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Names of headers, each with the name of the environment variable that has its value."""
    query: dict[str, str] = Field(default_factory=dict)
    """Parameters of every address; `$NAME` takes the value of an environment variable."""
    fold_system: bool = False
    """Whether system messages are put into the first message of the user."""


class EndpointTried(Shape):
    """The abilities of an endpoint."""

    models: list[str]
    model: str | None
    """The model that was sent a request."""
    logprobs: bool | None
    """Whether it returns log-probabilities."""
    seconds: float | None
    """From request to reply."""
    error: str | None


class Participant(Shape):
    """A registered model or built-in."""

    id: UUID
    name: str
    kind: str
    endpoint: str | None
    settings: dict[str, Any]


class NewParticipant(Shape):
    """A model to register."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    settings: ModelSettings
    """As an experiment's file describes it; `endpoint` names a registered one."""


class Tried(Shape):
    """A participant's answers when it was tried."""

    belief: list[float] | None
    """Over the two answers that it was asked about."""
    method: str | None
    """How the belief was read."""
    label_mass: float | None
    belief_seconds: float
    belief_error: str | None
    speech: str | None
    speech_seconds: float
    speech_error: str | None


class AuditEntry(Shape):
    """One row of the audit trail."""

    at: datetime
    account: UUID | None
    """None for the command line."""
    action: str
    object_kind: str
    object_id: str
    detail: dict[str, Any]


class Person(Shape):
    """A person with an account."""

    id: UUID
    name: str
    role: str
    pseudonym: str | None
    """Their name in exports; None before they first take a seat."""
    closed: bool


class Invite(Shape):
    """A link to join or sign in, without the link itself."""

    id: UUID
    label: str
    role: str
    shared: bool
    """Whether each visitor makes an account, or it belongs to the first."""
    expires_at: datetime
    completion_code: str
    """The code that a judge of this invite shows a recruiter when no work is left."""
    completion_url: str
    """The address that they then follow."""


class NewInvite(Shape):
    """An invite to make; admins and researchers are invited in the browser only."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["judge", "debater"] = "judge"
    shared: bool = False
    label: str = Field("", max_length=100)
    days: int = Field(60, ge=1, le=365)
    """Until it expires."""
    completion_code: str = Field("", max_length=MOST_CODE)
    """The code shown to a judge of this invite when no work is left."""
    completion_url: str = Field("", max_length=MOST_URL)
    """The address that the judge then follows; https."""


class Link(Shape):
    """An invite with its link, which is returned only this once."""

    invite: Invite
    link: str


class Study(Shape):
    """A study with people."""

    name: str
    title: str
    state: str
    """`draft`, `open`, `paused` or `closed`."""
    people: int
    """People wanted."""
    taken: int
    """Places that are taken: by people who take part, and by those whose judgements count."""
    taking_part: int
    ended: Mapping[str, int]
    """Number of people by how their part ended: `completed`, `screened_out` and so on."""
    created_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None


class StudyInFull(Study):
    """A study with its file, its codes and its link."""

    spec: dict[str, Any]
    """The file, every default written out, with the texts as they are now."""
    codes: Mapping[str, str]
    """Code of the recruiter by end; empty before it is opened."""
    link: str
    """The link for the recruiter, with the placeholders that it fills in."""


class CheckedStudy(Shape):
    """What prevents opening a study."""

    problems: list[str]
    """What would be refused, each in a sentence."""
    warnings: list[str]
    """What should be thought over."""


class NewText(Shape):
    """A text of a page."""

    model_config = ConfigDict(extra="forbid")

    markdown: str = Field(max_length=MOST_TEXT)


class WrittenText(Shape):
    """A version of a text."""

    page: str
    version: int
    markdown: str
    created_at: datetime
