"""Lines of an archive whose experiment was run in an arena: what else is recorded of its plays, so that its report is the same here.

An archive of talks that were made elsewhere has none of them.
"""

import hashlib
import re
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from app.exchange.taskfile import Index, Key, Meta, Shape, Storable, Text
from app.protocols.core import BeliefFlag
from app.records.tags import MOST_CHARACTERS, MOST_NOTE, MOST_TAGS, TAG, as_tag


def _checked_tag(tag: str) -> str:
    if not re.fullmatch(TAG, tag):
        raise ValueError(
            f"no tag: write a word of at most {MOST_CHARACTERS} letters, digits, '.', '_' or '-'"
        )
    return tag


NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""What names of arms and rounds look like."""

Name = Annotated[str, Field(pattern=NAME)]
Long = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Small = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Tag = Annotated[str, AfterValidator(as_tag), AfterValidator(_checked_tag)]
Orders = tuple[tuple[Index, ...], ...]


class SpendingRecord(Shape):
    """What an experiment took of one model."""

    endpoint: Storable
    model: Storable
    calls: Count
    prompt: Count
    cached: Count
    completion: Count


class ExperimentRecord(Shape):
    """The experiment that the file holds as a whole."""

    name: Name
    """Its name there, and here where no other is given."""
    digest: Digest
    """Of its file, drawn questions and prompts."""
    seed: Long
    task_set: Key
    """Name of its task set."""
    state: Literal["running", "paused", "cancelled"] = "running"
    """The wanted state. Where something is unfinished, it is cancelled here."""
    spec: Meta
    """Its frozen file. Addresses of endpoints are left out."""
    started_at: AwareDatetime
    spending: tuple[SpendingRecord, ...] = ()
    """What it took of its models."""
    left_out: tuple[Literal["passages", "prompts", "people"], ...] = ()
    """What was left out of the file."""
    tags: tuple[Tag, ...] = Field((), max_length=MOST_TAGS)
    note: Annotated[Storable, Field(max_length=MOST_NOTE)] = ""
    """What researchers wrote on it, outside its frozen file."""


class RoundLine(Shape):
    """A judging round, the first one first."""

    type: Literal["round"] = "round"
    name: Name
    """Unique within the file."""
    elicit: Literal["final", "each_step"]
    """When beliefs were asked for."""
    spec: Meta = Field(default_factory=dict)
    """Its frozen file."""
    digest: Storable = ""
    at: AwareDatetime | None = None
    """When it was added."""


class MoveRecord(Shape):
    """What a seat gave for an ask."""

    path: Text
    """Unique within the play."""
    seat: Text
    by: Key
    """Name of a participant."""
    content: Meta
    """As the arena keeps it: its `kind` and what belongs to that."""
    fingerprint: Storable = ""
    at: AwareDatetime


class EffortRecord(Shape):
    """What a person put into one ask."""

    path: Storable
    active_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    focus_changes: Small
    edits: Small
    keystrokes: Small | None = None
    pastes: Small | None = None
    pasted_characters: Small | None = None
    away_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class SeatRecord(Shape):
    """A seat for a person, and its holder."""

    seat: Text
    participant: Key | None = None
    state: Literal["open", "waiting", "done", "returned"]
    role: Literal["judge", "debater"]
    reads_passage: bool = False
    once: bool = False
    lease_minutes: Annotated[int, Field(strict=True, ge=1, lt=2**31)]
    seconds: Annotated[int, Field(strict=True, ge=1, lt=2**31)] | None = None
    flags: Meta = Field(default_factory=dict)
    efforts: tuple[EffortRecord, ...] = ()
    left_as: (
        Literal[
            "returned",
            "absent",
            "stopped",
            "withdrawn",
            "timed_out",
            "failed_checks",
            "screened_out",
            "completed",
        ]
        | None
    ) = None
    """How its holder left a live talk that had begun."""
    left_at: AwareDatetime | None = None
    replacement: Key | None = None
    """The participant that went on in the seat."""


class PlayRecord(Shape):
    """What is recorded of a talk or a judging."""

    play: UUID = Field(alias="id")
    seed: Long
    place: Small = 0
    """Which of the people wanted the judge is, from 1; 0 for others."""
    error: Text | None = None
    """Why it failed."""
    moves: tuple[MoveRecord, ...] = ()
    """In the order of recording."""
    seats: tuple[SeatRecord, ...] = ()
    at: AwareDatetime | None = None
    """When it ended."""


class TalkRecord(PlayRecord):
    """What is recorded of a talk."""

    state: Literal["queued", "waiting", "done", "failed"]
    assignment: Small
    replicate: Small
    outcome: Meta | None = None
    """Paths of what judges read, measures and points; of finished talks only."""


class JudgingLine(PlayRecord):
    """One judge on one talk, whatever came of it."""

    type: Literal["judging"] = "judging"
    trial: Key
    """Id of a trial."""
    round: Name
    """Name of a round."""
    judge: Key | None = None
    """Name of a participant; None while the place is open to people."""
    state: Literal["queued", "waiting", "done", "failed", "open", "returned"]
    reading: Orders
    """The orders in which the answers are read."""


class VerdictRecord(Shape):
    """What else is recorded of a verdict."""

    judging: UUID | None = None
    """Id of its judging; None where the judge took part in the talk."""
    reading: Small
    """The number of the reading."""
    label_mass: Annotated[float, Field(ge=0, le=1.000001)] | None = None
    said: tuple[Finite, ...] | None = None
    bounds: tuple[tuple[Finite, Finite], ...] | None = None
    flags: tuple[BeliefFlag, ...] = ()


class TextLine(Shape):
    """A text that prompts are made of."""

    type: Literal["text"] = "text"
    text: Storable

    @property
    def digest(self) -> str:
        """Return the digest by which calls name it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class AttemptRecord(Shape):
    """One attempt at a call."""

    number: Small
    request_id: Text
    started_at: AwareDatetime
    status: Literal["ok", "http", "timeout", "connection", "unreadable"] | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    http_status: Small | None = None
    error: Storable | None = None
    reply: Meta | None = None
    tokens_in: Small | None = None
    tokens_out: Small | None = None
    tokens_cached: Small | None = None
    answered_as: Storable | None = None
    """The model that the reply names."""
    fingerprint: Storable | None = None
    """The reply's `system_fingerprint`."""


class CallLine(Shape):
    """One request to a model."""

    type: Literal["call"] = "call"
    play: UUID
    """Id of a talk or a judging."""
    path: Text
    purpose: Text
    endpoint: Storable
    model: Storable
    segments: tuple[tuple[Literal["system", "user", "assistant"], Digest], ...] = ()
    """Role and digest of each text of the prompt; none where prompts are left out."""
    characters: Small | None = None
    params: Meta = Field(default_factory=dict)
    at: AwareDatetime
    attempts: tuple[AttemptRecord, ...]


class EndLine(Shape):
    """The end of an experiment that the file holds as a whole. Without it the file breaks off."""

    type: Literal["end"] = "end"
    lines: Count
    """Number of lines before it."""
