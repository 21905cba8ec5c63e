"""Examples for verifiers: arguments for wrong answers that earlier ones accepted, from the output of `arena
export --what wins`.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

KIND = "examples"
"""The key of the file in an arm's `prompts`."""


class ExamplesError(ValueError):
    """The file cannot be used. One sentence says what to change."""


class Win(BaseModel):
    """The needed fields of one line of the file."""

    model_config = ConfigDict(extra="ignore")

    passage: str
    passage_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    passage_family: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """The same for twins; absent in files of earlier versions."""
    question: str
    question_text: str
    argued: str
    argument: str
    acceptance: float = Field(ge=0, le=1)


def is_text(value: str) -> bool:
    """Return whether it is the lines themselves, not the name of a file."""
    return value.lstrip().startswith("{")


def chosen(given: Path | str, count: int) -> str:
    """Return the `count` most convincing arguments of a file (or of its text), one per question, as lines of
    JSON.

    Choosing again from the result changes nothing. Raise ExamplesError.
    """
    wins = list(_wins(given))
    best: dict[tuple[str, str], Win] = {}
    for win in sorted(wins, key=lambda win: -win.acceptance):
        best.setdefault((win.passage_digest, win.question), win)
    if len(best) < count:
        raise ExamplesError(
            f"there are {len(best)} questions in the file of examples and {count} are asked for: ask for fewer."
        )
    return "\n".join(win.model_dump_json(exclude_none=True) for win in list(best.values())[:count])


def passages(lines: str) -> dict[str, str]:
    """Return the passages of chosen examples: digest, and family where it is known, to key."""
    wins = list(_wins(lines))
    families = {win.passage_family: win.passage for win in wins if win.passage_family}
    return families | {win.passage_digest: win.passage for win in wins}


def _wins(given: Path | str) -> Iterable[Win]:
    for number, line in enumerate(_text(given).splitlines(), 1):
        if line.strip():
            try:
                yield Win.model_validate(json.loads(line))
            except (ValidationError, ValueError, RecursionError) as error:
                raise ExamplesError(
                    f"line {number} of the file of examples is not an example: write the file with `arena export NAME --what wins`."
                ) from error


def _text(given: Path | str) -> str:
    if isinstance(given, str):
        return given
    try:
        return given.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExamplesError(
            f"{given} cannot be read as UTF-8 text ({error}): give the path of the file."
        ) from error
