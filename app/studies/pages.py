"""What participants send from the pages of a study, read and checked: comprehension questions and the questionnaire."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.languages import gettext as _
from app.studies.spec import ComprehensionQuestion, FieldKind, QuestionnaireField

LINE, LONG = 1_000, 10_000
"""Characters of a short and of a long text in the questionnaire."""
Sent = Mapping[str, Sequence[str]]
"""What a form sent: the values by the name of their field."""


# ── comprehension ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers to the comprehension questions."""

    chosen: dict[str, int | None]
    """Index of the answer by the number of its question, from 0; None where none was chosen."""
    wrong: tuple[int, ...]
    """Numbers of the questions with a wrong answer."""

    @property
    def complete(self) -> bool:
        """Return whether every question has an answer."""
        return None not in self.chosen.values()

    @property
    def passed(self) -> bool:
        """Return whether all are right."""
        return self.complete and not self.wrong


def read_comprehension(questions: Sequence[ComprehensionQuestion], sent: Sent) -> Answered:
    """Return what was chosen; the field of a question is `q` and its number."""
    chosen = {
        str(number): _index(sent.get(f"q{number}", ()), len(question.answers))
        for number, question in enumerate(questions)
    }
    wrong = tuple(
        number
        for number, question in enumerate(questions)
        if chosen[str(number)] not in (None, question.right)
    )
    return Answered(chosen, wrong)


def _index(values: Sequence[str], count: int) -> int | None:
    value = values[0] if values else ""
    return (
        int(value)
        if value.isascii() and value.isdecimal() and len(value) < 4 and int(value) < count
        else None
    )


# ── the questionnaire ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class FilledIn:
    """The questionnaire as it was filled in."""

    answers: dict[str, Any]
    """By the name of the field; fields that were left empty are absent."""
    errors: dict[str, str]
    """What is to be mended, by the name of the field."""


def read_questionnaire(fields: Sequence[QuestionnaireField], sent: Sent) -> FilledIn:
    """Return the answers, each of the type of its field, and what is wrong with them."""
    answers: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in fields:
        given = [value for value in (_clean(value) for value in sent.get(field.name, ())) if value]
        if not given:
            if field.required:
                errors[field.name] = _("Please answer this.")
            continue
        value, error = _read(field, given)
        if error:
            errors[field.name] = error
        else:
            answers[field.name] = value
    return FilledIn(answers, errors)


def _clean(value: str) -> str:
    return value.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _read(field: QuestionnaireField, given: Sequence[str]) -> tuple[Any, str]:
    first = given[0]
    match field.kind:
        case FieldKind.TEXT:
            return " ".join(first.split()), _too_long(first, LINE)
        case FieldKind.LONG_TEXT:
            return first, _too_long(first, LONG)
        case FieldKind.NUMBER:
            return _number(first)
        case FieldKind.YES_NO:
            return first == "yes", "" if first in ("yes", "no") else _("Choose yes or no.")
        case FieldKind.CHOICES:
            known = [choice for choice in field.choices if choice in given]
            return known, "" if len(known) == len(set(given)) else _("Choose from the list.")
    return first, "" if first in field.choices else _("Choose from the list.")


def _too_long(text: str, most: int) -> str:
    over = len(text) - most
    return (
        _("That is too long by %(over)s characters: at most %(most)s are taken.", over=over, most=most)
        if over > 0
        else ""
    )


def _number(text: str) -> tuple[float | int | None, str]:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        return None, _("Write a number.")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value, ""
