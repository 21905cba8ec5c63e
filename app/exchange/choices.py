"""What can be exported, and in which format. The module is small, so that the command line lists the choices
quickly.
"""

from enum import StrEnum


class What(StrEnum):
    """What can be exported as a table."""

    VERDICTS = "verdicts"
    TRANSCRIPTS = "transcripts"
    CALLS = "calls"
    WINS = "wins"


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
