"""Cells of CSV files that no spreadsheet takes for a formula."""

from typing import Any

import orjson

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula, or hides such a beginning."""


def csv_cell(value: Any) -> Any:
    """Return a value as CSV has it; a text that could pass for a formula, or for a text so marked, begins with an apostrophe."""
    if value is None or type(value) in (int, float):
        return value
    # JSON for what is nested, true and false; a time loses its quotation marks.
    text = value if isinstance(value, str) else orjson.dumps(value).decode().strip('"')
    return f"'{text}" if text.startswith((*FORMULA, "'")) else text
