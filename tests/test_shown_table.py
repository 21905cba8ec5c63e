"""One list of columns makes the table in the terminal and the table on a page."""

import re
from io import StringIO

from rich.console import Console

from app.reports.figures.accuracy import COLUMNS as ACCURACY
from app.shown_table import Column, Kind, ShownCell, ShownTable
from app.templating import environment

WHY = "only one passage"
COLUMNS: tuple[Column[dict[str, str]], ...] = (
    Column("arm", lambda row: ShownCell(row["arm"], baseline=True), Kind.NAME),
    Column("score", lambda row: ShownCell(row["score"], small="1 to 2")),
    Column("p", lambda _: ShownCell("–", reason=WHY)),
    Column("PGR", lambda _: ShownCell("–", reason=WHY)),
    Column("trials", lambda _: 1234),
    Column("passages", lambda _: None, page_only=True),
)
TABLE = ShownTable("Scores", COLUMNS, [{"arm": "[b]<i>x", "score": "1.5"}], caption="Scores: all")


def printed() -> str:
    out = StringIO()
    Console(file=out, width=120).print(TABLE.printed())
    return out.getvalue()


def page() -> str:
    macros = environment.get_template("fragments/_report_tables.html").module
    return str(macros.shown(TABLE))  # type: ignore[attr-defined]


def test_the_terminal_shows_every_column_but_those_for_pages_alone() -> None:
    text = printed()
    assert [word for word in ("arm", "score", "p", "PGR", "trials") if f" {word} " not in text] == []
    assert "passages" not in text
    assert "Scores: all" in text
    assert "1 to 2" not in text
    assert "[b]<i>x*" in text
    assert "1,234" in text


def test_a_page_shows_all_columns_and_escapes_names() -> None:
    html = page()
    headings = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', html)
    assert headings == ["Arm", "Score", "p", "PGR", "Trials", "Passages"]
    assert '<th scope="row">[b]&lt;i&gt;x<abbr title="built-in baseline">*</abbr></th>' in html
    assert "<td>1.5 <small>1 to 2</small></td>" in html
    assert "<td>–</td>" in html


def test_neighbouring_cells_without_a_figure_for_the_same_reason_become_one() -> None:
    assert f'<td colspan="2" class="in-words">{WHY}</td>' in page()


def test_an_arm_without_verdicts_has_dashes_and_counts() -> None:
    row = {
        **dict.fromkeys(("accuracy", "low", "high", "pgr", "log_score", "brier")),
        "arm": "a",
        "judge": "j",
        "arm_has_baseline": False,
        "judge_is_baseline": True,
        **{f"{key}_{end}": None for key in ("pgr", "log_score", "brier") for end in ("low", "high")},
        "passages": 0,
        "questions": 0,
        "trials": 4,
        "verdicts": 0,
        "excluded": 0,
        "failures": 2,
    }
    assert [column.shown(row).plain() for column in ACCURACY] == [
        "a",
        "j*",
        *["–"] * 5,
        "0",
        "0",
        "4",
        "0",
        "2",
    ]
