"""The registry of figures, and the page that says how to add one."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.reports import figures
from app.reports.figures import FIGURES, every_figure
from app.reports.figures.core import Section
from app.reports.plots import WIDTHS, draw
from app.reports.report import completed, quick
from app.reports.tables import shown_figures
from scripts import figure_page
from tests.frames import Row, evidence

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str) -> list[str]:
    """The pieces of Python on a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_of_figures_is_current() -> None:
    """If not: `make docs`."""
    assert (DOCS / "figures.md").read_text(encoding="utf-8") == figure_page.page()


def test_every_figure_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert figure.about.endswith(".")
        assert figure.source.endswith(".")
        assert figure.table or figure.words or figure.chart


def test_the_page_about_new_figures_works_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    file, test = blocks("new-figure.md")
    made = ModuleType("movement")
    monkeypatch.setitem(__import__("sys").modules, "movement", made)
    exec(compile(file, "movement", "exec"), made.__dict__)
    monkeypatch.setattr(figures, "FIGURES", (*FIGURES, made.__dict__["MOVEMENT"]))
    told: dict[str, Any] = {}
    exec(compile(test, "test_movement", "exec"), told)
    told["test_a_belief_that_rises_from_30_to_80_moved_by_50_points"]()
    rows = [Row("debate", f"q{n}", (0.8, 0.2), beliefs=((0.3, 0.7), (0.8, 0.2))) for n in range(3)]
    held = evidence(rows)
    whole = completed(quick(held), held)
    assert [row["questions"] for row in whole.as_json()["movement"]] == [3]
    [shown] = [item for item in shown_figures(whole) if item.figure.name == "movement"]
    assert shown.table is not None
    assert [column.title for column in shown.table.columns] == [
        "arm",
        "judge",
        "moved",
        "95% interval",
        "questions",
    ]
    assert b"belief in gold, last less first" in draw("movement", "svg", WIDTHS["wide"], shown.drawn)


def test_figures_stand_in_the_order_of_sections_then_of_the_registry() -> None:
    ordered = every_figure()
    places = [list(Section).index(figure.section) for figure in ordered]
    assert places == sorted(places)
    assert sorted(figure.name for figure in ordered) == sorted(figure.name for figure in FIGURES)
    assert next(figure.name for figure in ordered if figure.section is Section.ACCURACY) == "accuracy"


def test_the_quick_part_of_a_report_leaves_out_what_is_slow() -> None:
    rows = [
        Row(
            "debate",
            f"q{n}",
            (0.9 if n % 3 else 0.2, 0.1 if n % 3 else 0.8),
            judge=f"p{j}",
            kind="person",
            place=j + 1,
        )
        for n in range(12)
        for j in range(4)
    ]
    held = evidence(rows)
    report = quick(held)
    assert "mixed_models" not in report.figures
    assert report.as_json()["mixed_models"] == []
    assert [item.person for item in report.figures["people"]] == [f"p{j}" for j in range(4)]
    [check] = completed(report, held).figures["mixed_models"]
    assert check.fit.accuracy is not None
