"""The two streams that the command line writes to."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

ASCII = str.maketrans(
    {"·": ".", "┊": ":", "─": "-", "├": "[", "┤": "]", "●": "o", "…": "~", "−": "-", "–": "-", "×": "x"}
)
"""Replacements for characters that an encoding lacks."""

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


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines that fit, in characters that stdout can show."""
    encoding = out.encoding
    for line in lines:
        shown = line if _can_show(line.plain, encoding) else _in_ascii(line, encoding)
        out.print(shown, no_wrap=True, overflow="ignore", crop=False, highlight=False)


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _in_ascii(line: Text, encoding: str) -> Text:
    """Return a line with signs of ASCII for those that an encoding lacks; each stays one column wide where it draws."""
    plain = line.plain.translate(ASCII).encode(encoding, "replace").decode(encoding)
    return Text(plain)
