"""Tables in a terminal that is too narrow for them: whole figures in parts, never dots in place of figures."""

from io import StringIO

from rich.console import Console

from app.cli.console import parts_that_fit
from app.shown_table import Column, Kind, ShownTable

ROWS = [
    ("recursive-reward-modelling*", "lexical-judge*", "What these cost the judge at each step", "42.5%"),
    ("debate*", "lexical-judge*", "Rounds after the first", "50.0%"),
]


def printed(
    width: int, judges: tuple[str, str] = ("lexical-judge*", "lexical-judge*"), figures: int = 7
) -> str:
    """Return what a terminal of this width shows of a table with names, words and figures."""
    columns = (
        Column("arm", lambda row: row[0], Kind.NAME),
        Column("judge", lambda row: judges[ROWS.index(row)], Kind.NAME),
        Column("figure", lambda row: row[2], Kind.WORDS),
        *(Column(f"95% interval {place}", lambda row: f"{row[3]} to 100%") for place in range(figures)),
    )
    stream = StringIO()
    console = Console(file=stream, width=width, force_terminal=True, no_color=True, highlight=False)
    for part in parts_that_fit(ShownTable("Metrics", columns, ROWS).printed(), width):
        console.print(part)
    return stream.getvalue()


def test_every_figure_is_whole_at_80_columns() -> None:
    """No cell is cut, no line is too long, and the judge of every row is named once."""
    shown = printed(80)
    assert "…" not in shown
    assert shown.count("42.5% to 100%") == 7
    assert shown.count("lexical-judge*") == 1
    assert "(judge: lexical-judge*)" in shown


def test_rows_keep_their_names_in_every_part() -> None:
    """Each part names its rows, by the arm alone where arms differ."""
    shown = printed(80, ("first-judge", "second-judge"))
    parts = shown.count("────\n") or shown.count("─ \n")
    assert parts > 1
    assert shown.count("debate*") == parts
    assert shown.count("second-judge") == 1


def test_a_table_that_fits_is_left_alone() -> None:
    """Wide terminals show one table with its lines."""
    shown = printed(300)
    assert shown.count("┏") == 1
    assert shown.count("lexical-judge*") == 2


def test_no_column_is_lost_where_names_leave_little_room() -> None:
    """In very narrow terminals names are broken, not cut."""
    shown = printed(44, ("first-judge", "second-judge"), figures=2)
    assert "…" not in shown
    assert shown.count("100%") == 4
