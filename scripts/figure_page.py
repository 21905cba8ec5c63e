"""Write the page about the figures of a report, docs/figures.md, from their declarations: `python -m scripts.figure_page`."""

from pathlib import Path
from typing import Any

from app.records.columns import Column
from app.records.frames import COLUMNS, MARKS, TALKS
from app.reports.figures import FIGURES
from app.reports.figures.core import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "figures.md"

TEXT = """# Figures of a report

Beside accuracy, contrasts and the metrics of protocols, a report has these figures. Each is one file in `app/reports/figures/`; [how to add one](new-figure.md).
A slow figure is resampled or fitted, and is left out of the quick part of a report.

{figures}

## The frames that figures are computed from

A report reads its rows once. Figures may use every column of these frames.

### Verdicts

One row for each verdict, by talk in the order of the queue, round, judge and reading.

{verdicts}

### Talks

One row for each talk, whatever its state: by arm, in the order of the queue.

{talks}

### Marks

One row for each point of a critique that a judge marked.

{marks}
"""


def page() -> str:
    """Return the page."""
    return TEXT.format(
        figures=_table("figure | key in JSON | what it says | source | needs | slow", map(_figure, FIGURES)),
        **{
            name: _table("column | what it is", map(_column, columns))
            for name, columns in (("verdicts", COLUMNS), ("talks", TALKS), ("marks", MARKS))
        },
    )


def _table(head: str, rows: Any) -> str:
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *rows])


def _figure(figure: Figure[Any]) -> str:
    slow = "yes" if figure.slow else "no"
    return (
        f"| {figure.title} | `{figure.name}` | {figure.about} | {figure.source} | {figure.needs} | {slow} |"
    )


def _column(column: Column) -> str:
    return f"| `{column.name}` | {column.description} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
