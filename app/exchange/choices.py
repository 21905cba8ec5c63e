"""What can be exported, in which format, and what can be left out. The module is small, so that the command line lists
the choices quickly.
"""

from enum import StrEnum
from typing import TypeAlias


class What(StrEnum):
    """What can be exported as a table."""

    VERDICTS = "verdicts"
    BELIEFS = "beliefs"
    TRANSCRIPTS = "transcripts"
    CALLS = "calls"
    PREFERENCES = "preferences"
    WEAK_LABELS = "weak-labels"
    GOLD_LABELS = "gold-labels"
    WINS = "wins"


class Document(StrEnum):
    """What can be exported in a separate format."""

    ARCHIVE = "archive"
    INSPECT = "inspect"
    EVERY_EVAL_EVER = "every-eval-ever"
    DATASET = "dataset"

    @property
    def is_folder(self) -> bool:
        """Return whether it is several files: a folder, or a zip of it."""
        return self is not Document.ARCHIVE


Kind: TypeAlias = What | Document


def kind_of(name: str) -> Kind:
    """Return what has this name. Raise ValueError for another name."""
    return What(name) if name in list(What) else Document(name)


class Part(StrEnum):
    """What can be left out of an export."""

    PASSAGES = "passages"
    PROMPTS = "prompts"
    PEOPLE = "people"


class Orders(StrEnum):
    """How the verdicts of a judge on a question become one weak label."""

    MEAN = "mean"
    MAJORITY = "majority"
    FIRST = "first"


class PairSource(StrEnum):
    """Where preference pairs come from."""

    CANDIDATES = "candidates"
    VERDICTS = "verdicts"


class PairShape(StrEnum):
    """How the texts of a preference pair are written."""

    CONVERSATIONAL = "conversational"
    TEXT = "text"


class Format(StrEnum):
    """How a table is written: the suffix of its files, and their media type."""

    media_type: str

    def __new__(cls, suffix: str, media_type: str) -> "Format":
        """Make a format from its suffix and its media type."""
        made = str.__new__(cls, suffix)
        made._value_ = suffix
        made.media_type = media_type
        return made

    JSONL = "jsonl", "application/x-ndjson"
    CSV = "csv", "text/csv; charset=utf-8"
    PARQUET = "parquet", "application/vnd.apache.parquet"


def suffix(what: Kind, form: Format) -> str:
    """Return the suffix of a file that is downloaded."""
    if isinstance(what, Document):
        return "zip" if what.is_folder else Format.JSONL.value
    return form.value


def media_type(what: Kind, form: Format) -> str:
    """Return the media type of a file that is downloaded."""
    if isinstance(what, Document):
        return "application/zip" if what.is_folder else Format.JSONL.media_type
    return form.media_type
