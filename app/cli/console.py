"""The two streams that the command line writes to."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

out = Console(soft_wrap=False, width=None)
"""Results, on stdout."""
talk = Console(stderr=True)
"""Everything else, on stderr."""


def say(sentence: str) -> None:
    """Print a sentence that is no result."""
    talk.print(sentence, markup=False, highlight=False, soft_wrap=True)


def warn(sentences: Iterable[str]) -> None:
    """Print warnings, each on a line."""
    for sentence in sentences:
        say(f"Warning: {sentence}")


def print_table(table: Table) -> None:
    """Print a table whole, also where stdout is no terminal and its width unknown."""
    console = out if out.is_terminal else Console(width=160)
    console.print(table)
