"""A report on one screen: what fits in which width and height, and in which characters."""

import io
from typing import Any

import pytest
from rich.console import Console

from app.cli import console
from app.cli.overview import HEIGHT, Overview, duration, overview
from tests.reports.reports import cell, item, report

BY_DESIGN: dict[str, Any] = {
    "low": None,
    "high": None,
    "fixed": "50% by construction",
    "by_construction": "50% by construction",
}


def shown(*reports: dict[str, Any], width: int = 80, **more: Any) -> list[str]:
    lines = [line.plain for line in overview([Overview(one, 27.0, **more) for one in reports], width)]
    assert len(lines) <= HEIGHT
    assert all(len(line) <= width for line in lines if "http" not in line), max(lines, key=len)
    return lines


def small(**changes: Any) -> dict[str, Any]:
    cells = [
        cell("naive", 0.5, **BY_DESIGN),
        cell("debate", 0.7),
        cell("consultancy", 0.58),
        cell("expert", 0.9),
    ]
    return report(cells, [item(0.12, 0.03, 0.21)], **changes)


def test_one_screen_of_80_columns_has_everything_a_person_wants() -> None:
    lines = shown(small(), address="http://127.0.0.1:8000/experiments/small/report")
    assert lines == [
        "small: 120 trials under 4 arms, 480 verdicts on 60 questions, in 27 s",
        "",
        "by weak          accuracy  95% CI    0%                 50%               100%",
        "naive (floor)       50.0%  by design ····················●····················",
        "debate              70.0%  60 to 80  ····················┊···├───●───┤········",
        "consultancy         58.0%  48 to 68  ···················├───●───┤·············",
        "expert (ceiling)    90.0%  80 to 100 ····················┊···········├───●───┤",
        "",
        "debate less consultancy: +12 points, 3 to 21: debate is ahead (p 0.004)",
        "",
        "Debate beat consultancy by 12 points (95% interval 3 to 21; p 0.004; 60",
        "questions on 30 passages; judge: weak).",
        "More: arena report small --all (every table), --format html (a page with plots)",
        "Page: http://127.0.0.1:8000/experiments/small/report",
    ]


def test_wide_terminals_get_more_columns_and_none_without_a_figure() -> None:
    made = small()
    assert "PGR" not in "".join(shown(made, width=120))
    made["cells"][1]["pgr"] = 0.5
    [heading] = [line for line in shown(made, width=120) if line.startswith("by weak")]
    assert heading.split()[-5:] == ["PGR", "verdicts", "questions", "log", "score"]
    [heading] = [line for line in shown(made, width=160) if line.startswith("by weak")]
    assert heading.split()[-6:] == ["PGR", "verdicts", "questions", "log", "score", "Brier"]
    [debate] = [line for line in shown(made, width=120) if line.startswith("debate  ")]
    assert debate.split()[-4:] == ["0.50", "120", "60", "-0.90"]


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = "a-very-long-name-of-an-arm-that-few-people-would-choose-but-some-have"
    cells = [cell(f"{long}-{at}", 0.5 + at / 100, judge=f"{long}-{by}") for at in range(6) for by in range(3)]
    contrasts = [
        item(0.1, 0.0, 0.2, first=f"{long}-0", second=f"{long}-1", judge=f"{long}-{by}") for by in range(3)
    ]
    lines = shown(report(cells, contrasts, warnings=["Read this. " * 40] * 4), width=width)
    assert sum("%" in line for line in lines) > 4
    if width >= 80:
        assert any(line.startswith("a-very-long") and "-3 " in line for line in lines), (
            "ends tell names apart"
        )


def test_several_judges_are_rows_of_their_own_under_one_heading_each() -> None:
    cells = [cell(arm, 0.6, judge=judge) for arm in ("debate", "consultancy") for judge in ("large", "small")]
    lines = shown(report(cells, [item(0.1, 0.02, 0.2, judge=judge) for judge in ("large", "small")]))
    assert [line.split()[1] for line in lines if line.startswith("by ")] == ["large", "small"]
    assert sum(line.startswith("debate  ") for line in lines) == 2
    assert "debate less consultancy, small: +10 points, 2 to 20: debate is ahead (p 0.004)" in lines


def test_more_judges_than_fit_are_cut_with_a_line_that_says_so() -> None:
    arms = ("naive", *(f"arm{at}" for at in range(10)), "debate", "consultancy", "expert")
    cells = [cell(arm, 0.6, judge=f"j{at}") for arm in arms for at in range(4)]
    lines = shown(report(cells, [item(0.1, 0.02, 0.2, judge=f"j{at}") for at in range(4)]))
    assert [line.split()[1] for line in lines if line.startswith("by ")] == ["j0", "j1", "j2", "j3"]
    drawn = [line.split()[0] for line in lines if "%" in line and not line.startswith("by ")]
    assert all(drawn.count(arm) == 4 for arm in ("naive", "debate", "consultancy", "expert"))
    [more] = [line for line in lines if "more rows" in line]
    assert more == f"and {len(cells) - len(drawn)} more rows of 4 judges: see --all"
    many = [cell(arm, 0.6, judge=f"j{at}") for arm in arms for at in range(1000)]
    assert any("more rows of 1,000 judges" in line for line in shown(report(many)))


def test_more_contrasts_than_fit_are_cut_with_a_line_that_says_so() -> None:
    contrasts = [item(0.1, -0.02, 0.2, second=f"arm{at}") for at in range(20)]
    lines = shown(report([cell("debate")], contrasts))
    assert "and 14 more contrasts: see --all" in lines


def test_what_was_left_out_failed_or_is_not_done_is_on_the_first_line() -> None:
    first, *_ = shown(small(totals={"trials_done": 60, "excluded": 3, "knew_story": 1, "failures": 2}))
    assert first == "small: 60 of 120 trials under 4 arms, 480 verdicts on 60 questions, 4 left out,"
    unknown = [line.plain for line in overview([Overview(small())], 80)]
    assert unknown[0].endswith("on 60 questions")
    assert [duration(seconds) for seconds in (0.2, 59, 90, 3700, 86_400 * 3)] == [
        "1 s",
        "59 s",
        "2 min",
        "1 h 2 min",
        "3 days",
    ]


def test_the_first_reason_of_failures_is_on_the_screen() -> None:
    reasons = [
        {"count": count, "kind": "trial", "arm": "debate", "error": f"The server was {why}."}
        for count, why in ((1200, "away"), (3, "slow"))
    ]
    lines = shown(small(failures=reasons))
    assert "1,200 × trial failed in debate: The server was away." in lines
    assert "and 1 more reason of failures: see --all" in lines


def test_an_arm_without_verdicts_keeps_its_row() -> None:
    lines = shown(report([cell("debate"), cell("consultancy", None)]))
    assert any(line.startswith("consultancy ") and line.endswith("–  no verdicts") for line in lines)
    empty = shown(report([cell("debate", None)], totals={"verdicts": 0}))
    assert any(line.startswith("Nothing can be concluded yet: there are no verdicts") for line in empty)


def test_baselines_are_starred_with_one_footnote_only_where_some_arms_have_them() -> None:
    mixed = report([cell("debate", arm_has_baseline=True), cell("consultancy")])
    lines = shown(mixed)
    assert sum("built-in" in line for line in lines) == 1
    assert sum("debate*" in line for line in lines) == 1
    only = report([cell("debate", arm_has_baseline=True, judge_is_baseline=True)], baselines_only=True)
    assert not [line for line in shown(only) if "*" in line]


def test_several_experiments_share_a_screen_each_with_its_answer() -> None:
    other = small() | {"experiment": "other"}
    lines = shown(small(), other)
    assert [line for line in lines if line.startswith("by ")] != []
    assert [line.split(",")[0] for line in lines if line.startswith("by ")] == ["by small", "by other"]
    assert sum(line.startswith(("small: Debate beat", "other: Debate beat")) for line in lines) == 2
    assert "More: arena report small other --all (every table), --format html (a page with" in lines


def test_a_terminal_without_these_characters_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(console, "out", Console(file=stream, width=80))
    console.print_lines(overview([Overview(small())], 80))
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    assert "[---o---]" in text
    assert "?" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_are_only_for_terminals_that_want_them(
    no_color: str | None, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for terminal in (True, False):
        stream = io.StringIO()
        monkeypatch.setattr(console, "out", Console(file=stream, width=80, force_terminal=terminal))
        console.print_lines(overview([Overview(small())], 80))
        assert ("\x1b[32m" in stream.getvalue()) == (coloured and terminal)
        assert "├───●───┤" in stream.getvalue()
