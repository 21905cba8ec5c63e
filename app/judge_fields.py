"""What a person who judges may enter beside beliefs and reasons: each field is declared once here.

The form of a turn, its check, the page on which a seat is returned and the columns of the exports are made from the
declarations. Values are kept in `seat.flags` under the field's name. This module knows no page and no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from app.languages import marked

FieldValue: TypeAlias = bool | str


class FieldKind(StrEnum):
    """What a field takes, and how it is shown."""

    YES_NO = "yes_no"
    """A box to tick."""
    CHOICE = "choice"
    """One of `choices`, or none."""
    TEXT = "text"
    """A line of text, at most `max_length` characters."""


class FieldMoment(StrEnum):
    """When a field is shown."""

    TURN = "turn"
    """With everything that is asked up to the verdict."""
    VERDICT = "verdict"
    """With the final belief of a judging."""
    RETURN = "return"
    """When the seat is returned."""


@dataclass(frozen=True, slots=True)
class JudgeField:
    """One field."""

    name: str
    """Name of the input, of the value in `seat.flags`, and of the column."""
    kind: FieldKind
    label: str
    about: str
    """Description of the column, as a sentence."""
    moments: frozenset[FieldMoment]
    hint: str = ""
    """Text below the input. `%(decided)s` becomes "Your verdict", or its counterpart in a talk."""
    note: str = ""
    """What else the column of verdicts needs said."""
    choices: tuple[str, ...] = ()
    max_length: int = 200

    @property
    def empty(self) -> FieldValue:
        """Return the value where nothing was entered."""
        return False if self.kind is FieldKind.YES_NO else ""

    def read(self, sent: object) -> FieldValue:
        """Return the value that a form or an autosave sent. Raises ValueError."""
        if self.kind is FieldKind.YES_NO:
            if sent in (True, "true"):
                return True
            if sent in (False, "false", ""):
                return False
        elif isinstance(sent, str):
            line = " ".join(sent.replace("\0", "").split())
            if line in ("", *self.choices) if self.kind is FieldKind.CHOICE else len(line) <= self.max_length:
                return line
        raise ValueError(f"{self.name}: this value is not taken")

    def exported(self, flags: Mapping[str, Any]) -> FieldValue | None:
        """Return the value for a column: None where a choice or text was left empty."""
        found: FieldValue = flags.get(self.name, self.empty)
        return None if found == "" else found


KNOWS_STORY = JudgeField(
    name="knows_story",
    kind=FieldKind.YES_NO,
    label=marked("I know this story"),
    hint=marked("That is no fault: mark it and go on. %(decided)s is then counted apart."),
    about="Whether the person marked that they know the story.",
    note="Also true where another judging person of the talk marked it. Reports leave such verdicts out and count them.",
    moments=frozenset({FieldMoment.TURN, FieldMoment.RETURN}),
)

FIELDS: tuple[JudgeField, ...] = (KNOWS_STORY,)
"""All fields, in the order of the form and of the columns."""


def fields_at(*moments: FieldMoment) -> list[JudgeField]:
    """Return the fields that are shown at any of these moments."""
    return [field for field in FIELDS if field.moments.intersection(moments)]


def read_fields(sent: Mapping[str, object], fields: Iterable[JudgeField] = FIELDS) -> dict[str, FieldValue]:
    """Return the value of every field by name, empty where none was sent. Raises ValueError."""
    return {field.name: field.read(sent.get(field.name, field.empty)) for field in fields}


def latest(field: JudgeField, *entered: Mapping[str, Any]) -> FieldValue:
    """Return the first value that is not empty."""
    return next((item[field.name] for item in entered if item.get(field.name)), field.empty)
