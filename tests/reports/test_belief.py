"""Belief in gold by step."""

from app.reports.figures.belief import BELIEF
from tests.frames import Row, evidence


def test_belief_by_step_leaves_out_verdicts_without_steps() -> None:
    assert BELIEF.rows(evidence([Row("debate", "q", (0.7, 0.3))])) == []
    stated = [
        Row("debate", f"q{number}", (p, 1 - p), beliefs=((0.5, 0.5), (p, 1 - p)))
        for number, p in enumerate((0.2, 0.4, 0.9))
    ]
    found = BELIEF.rows(evidence([*stated, Row("debate", "last", (0.8, 0.2))]))
    assert [(row.step, row.lower, row.median, row.upper, row.verdicts) for row in found] == [
        (0, 0.5, 0.5, 0.5, 3),
        (1, 0.30000000000000004, 0.4, 0.65, 3),
    ]
