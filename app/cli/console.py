"""The two streams that the command line writes to."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text, TextType

ASCII = str.maketrans(
    {"·": ".", "┊": ":", "─": "-", "├": "[", "┤": "]", "●": "o", "…": "~", "−": "-", "–": "-", "×": "x"}
)
"""Replacements for characters that an encoding lacks."""

WORDS = 30
"""Characters that a column of text keeps where a table has to be narrow."""

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
    for part in parts_that_fit(table, console.width):
        console.print(part)


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines that fit, in characters that stdout can show."""
    encoding = out.encoding
    for line in lines:
        shown = line if _can_show(line.plain, encoding) else _in_ascii(line, encoding)
        out.print(shown, no_wrap=True, overflow="ignore", crop=False, highlight=False)


def parts_that_fit(table: Table, width: int) -> Iterator[Table]:
    """Yield a table as it is where it fits a width; else its columns in parts, one below the other.

    Each part repeats the columns of words on the left, or the first alone where that tells the rows apart. A further one
    that says the same in every row goes into the title.
    """
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    widths = [_width(column, own) for column, own in zip(table.columns, cells, strict=True)]
    if _taken(widths) <= width or not table.row_count:
        _keep_figures_whole(table.columns, widths, width)
        yield table
        return
    names = list(takewhile(lambda place: table.columns[place].justify == "left", range(len(widths)))) or [0]
    same = [place for place in names[1:] if len(set(cells[place])) == 1]
    names = [place for place in names if place not in same]
    again = names[:1] if len(set(cells[0])) == table.row_count else names
    rest = [place for place in range(len(widths)) if place not in (*names, *same)]
    for place in names:
        if not table.columns[place].no_wrap:
            others = [widths[own] for own in names if own != place]
            room = width - _taken([*others, max((widths[own] for own in rest), default=0), 0])
            widths[place] = max(min(widths[place], room), _longest_word(cells[place]) + 2)
    named = "; ".join(f"{table.columns[place].header}: {cells[place][0]}" for place in same)
    title = f"{table.title} ({named})" if named else table.title
    for number, chosen in enumerate(_packed(widths, names, again, rest, width)):
        yield _part(table, cells, widths, chosen, title if not number else None)


def _keep_figures_whole(columns: Sequence[Column], widths: Sequence[int], width: int) -> None:
    """Fix the width of columns of figures where a table only fits with broken headings or words."""
    whole = [max(own, cell_len(str(column.header)) + 2) for column, own in zip(columns, widths, strict=True)]
    if _taken(whole) > width:
        for column, own in zip(columns, widths, strict=True):
            if column.justify == "right":
                column.width = own - 2


def _part(
    table: Table,
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    chosen: Sequence[int],
    title: TextType | None,
) -> Table:
    part = Table(title=title, title_style="bold", title_justify="left", box=box.SIMPLE_HEAD)
    for place in chosen:
        column = table.columns[place]
        part.add_column(column.header, justify=column.justify, width=widths[place] - 2, overflow="fold")
    for row in range(table.row_count):
        part.add_row(*(cells[place][row] for place in chosen))
    return part


def _packed(
    widths: Sequence[int], names: list[int], again: list[int], rest: Iterable[int], width: int
) -> Iterator[list[int]]:
    """Yield the places of the columns of each part, as many as fit a width; at least one beside the names."""
    chosen, new = list(names), 0
    for place in rest:
        if new and _taken([widths[own] for own in (*chosen, place)]) > width:
            yield chosen
            chosen, new = list(again), 0
        chosen.append(place)
        new += 1
    yield chosen


def _taken(widths: Sequence[int]) -> int:
    """Return the width of a table with columns of these widths, and its lines."""
    return sum(widths) + len(widths) + 1


def _width(column: Column, cells: Sequence[str]) -> int:
    """Return how many characters a column takes: its longest cell or word of the heading, and two blanks.

    Text that may be broken into lines takes no more than WORDS, unless a word is longer.
    """
    longest = max(map(cell_len, cells), default=0)
    if column.justify == "left" and not column.no_wrap:
        longest = min(longest, max(WORDS, _longest_word(cells)))
    return max(longest, _longest_word([str(column.header)])) + 2


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


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
