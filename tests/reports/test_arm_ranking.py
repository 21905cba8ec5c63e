"""Whether two judges rank the arms alike."""

import numpy as np

from app.reports.figures.arm_ranking import ALL_TIED, ARM_RANKING, TOO_FEW, arm_rankings
from app.reports.report import completed, quick
from tests.frames import Row, counted, evidence


def rows(shares: dict[str, dict[str, float]], questions: int = 20, kind: str = "model") -> list[Row]:
    """Verdicts with these accuracies, by judge and arm: the first questions are right."""
    return [
        Row(arm, f"q{at:02}", (0.9, 0.1) if at < share * questions else (0.1, 0.9), judge=judge, kind=kind)
        for judge, arms in shares.items()
        for arm, share in arms.items()
        for at in range(questions)
    ]


def test_judges_who_rank_alike_have_one_and_in_reverse_minus_one() -> None:
    made = rows(
        {
            "a": {"debate": 0.9, "consultancy": 0.7, "naive": 0.5},
            "b": {"debate": 0.8, "consultancy": 0.6, "naive": 0.55},
            "c": {"debate": 0.4, "consultancy": 0.6, "naive": 0.8},
        }
    )
    found = {(one.first, one.second): one for one in arm_rankings(counted(made).readings, seed=1)}
    assert {place: one.tau for place, one in found.items()} == {("a", "b"): 1, ("a", "c"): -1, ("b", "c"): -1}
    alike = found["a", "b"]
    assert alike.arms == ["debate", "consultancy", "naive"]
    assert alike.best == ("debate", "debate")
    assert alike.low is not None
    assert alike.low <= 1 == alike.high
    assert alike.alike is not None
    assert alike.alike > 0.9
    assert found["a", "c"].best == ("debate", "naive")


def test_a_noisy_ranking_has_a_wide_interval() -> None:
    rng = np.random.default_rng(1)
    made = [
        Row(arm, f"q{at}", (0.9, 0.1) if rng.random() < 0.7 else (0.1, 0.9), judge=judge)
        for judge in ("a", "b")
        for arm in ("one", "two", "three", "four")
        for at in range(15)
    ]
    [found] = arm_rankings(counted(made).readings, seed=1)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 1


def test_two_arms_make_no_ranking_and_equal_arms_none_either() -> None:
    two = rows({"a": {"x": 0.9, "y": 0.5}, "b": {"x": 0.9, "y": 0.5}})
    [found] = arm_rankings(counted(two).readings, seed=1)
    assert (found.tau, found.reason) == (None, TOO_FEW)
    tied = rows({"a": {"x": 0.5, "y": 0.5, "z": 0.5}, "b": {"x": 0.9, "y": 0.5, "z": 0.6}})
    [found] = arm_rankings(counted(tied).readings, seed=1)
    assert (found.tau, found.reason) == (None, ALL_TIED)
    assert arm_rankings(counted(rows({"a": {"x": 0.5, "y": 0.7}})).readings, seed=1) == []


def test_people_are_drawn_anew_as_passages_are_and_the_table_names_both() -> None:
    shares = {"one": 0.9, "two": 0.6, "three": 0.4}
    people = [
        Row(
            arm,
            f"q{at:02}",
            (0.9, 0.1) if at < share * 20 else (0.1, 0.9),
            judge=f"p{at % 3}",
            kind="person",
            place=1,
        )
        for arm, share in shares.items()
        for at in range(20)
    ]
    held = evidence([*people, *rows({"weak": shares})])
    report = completed(quick(held), held)
    [found] = report.figures[ARM_RANKING.name]
    assert (found.first, found.second, found.tau) == ("people", "weak", 1)
    assert ARM_RANKING.table
    [cells] = ARM_RANKING.table([found], report).page_rows()
    assert [cell.text for _, cell, _ in cells][:3] == ["people", "weak", "1.00"]
