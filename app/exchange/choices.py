"""What can be exported, and in which format. The module is small, so that the command line can list the choices quickly."""

from enum import StrEnum


class What(StrEnum):
    """What can be exported as a table."""

    VERDICTS = "verdicts"
    TRANSCRIPTS = "transcripts"
    CALLS = "calls"
    WINS = "wins"


class Format(StrEnum):
    """How a table is written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
