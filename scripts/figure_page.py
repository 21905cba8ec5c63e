"""Write the page about the figures of a report, docs/figures.md, from their declarations: `python -m scripts.figure_page`."""

from pathlib import Path
from typing import Any

from app.records.columns import Column
from app.records.frames import COLUMNS, MARKS, SPOKEN, TALKS
from app.reports.figures import every_figure
from app.reports.figures.core import Figure, Section

PAGE = Path(__file__).resolve().parents[1] / "docs" / "figures.md"

TEXT = """# Figures of a report

A report has these figures, in this order. Each, or each family, is one file in `app/reports/figures/`; [how to add one](new-figure.md). The terminal, the JSON report, the page, the
stand-alone file and CSV show the same rows. A figure without rows in an experiment has no place in its report. A slow figure is resampled or fitted, wholly or in part, and is left out of
the quick part of a report. The chart of a figure is at `/experiments/NAME/plot/FIGURE.svg` (or `.png`, `.csv`, `.json`).

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

### Speeches

One row for each seat of a finished talk that said what judges read (`evidence.facts.spoken`).

{spoken}
"""


def page() -> str:
    """Return the page."""
    return TEXT.format(
        figures="\n\n".join(_section(section) for section in Section if _of(section)),
        **{
            name: _table("column | what it is", map(_column, columns))
            for name, columns in (
                ("verdicts", COLUMNS),
                ("talks", TALKS),
                ("marks", MARKS),
                ("spoken", SPOKEN),
            )
        },
    )


def _table(head: str, rows: Any) -> str:
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *rows])


def _section(section: Section) -> str:
    head = "figure | name | key in JSON | what it says | source | needs | slow | chart"
    return f"### {section}\n\n{_table(head, map(_figure, _of(section)))}"


def _of(section: Section) -> list[Figure[Any]]:
    return [figure for figure in every_figure() if figure.section is section]


def _figure(figure: Figure[Any]) -> str:
    key = f"`{figure.json_key}`" if figure.as_json else "in `cells`"
    slow = "yes" if figure.slow else "in part" if figure.finish else "no"
    cells = (figure.title, f"`{figure.name}`", key, figure.about, figure.source, figure.needs, slow)
    return f"| {' | '.join(cells)} | {'yes' if figure.chart else 'no'} |"


def _column(column: Column) -> str:
    return f"| `{column.name}` | {column.description} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
