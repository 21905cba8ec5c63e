"""Reliability: verdicts in bins of confidence."""

import json
import math
import re

import pytest

from app.reports.figures.reliability import RELIABILITY, Binned
from app.reports.plots import spec_of, svg
from tests.frames import Row, Unstarred, evidence

CHART = RELIABILITY.chart
assert CHART


def binned(*p_gold: float, judges: tuple[str, ...] = ("weak",)) -> list[Binned]:
    """The rows of verdicts with these beliefs in gold, by each judge."""
    return list(
        RELIABILITY.rows(
            evidence(
                [
                    Row("debate", f"q{number}", (p, 1 - p), judge=judge, passage="p")
                    for judge in judges
                    for number, p in enumerate(p_gold)
                ]
            )
        )
    )


def test_reliability_bins_the_confidence_in_the_favoured_answer_and_counts_a_tie_half() -> None:
    rows = binned(0.5, 0.55, 0.42, 0.95, 0.01, 1.0)
    found = {row.bin_low: (row.verdicts, row.accuracy) for row in rows}
    assert found == {0.5: (3, 0.5), 0.9: (3, pytest.approx(2 / 3))}
    assert math.isclose(rows[0].confidence, (0.5 + 0.55 + 0.58) / 3)


def test_a_confidence_on_an_edge_belongs_to_the_bin_above_it_and_certainty_to_the_last() -> None:
    rows = binned(0.6, math.nextafter(0.7, 0), 0.7, 1.0)
    assert [(row.bin_low, row.verdicts) for row in rows] == [(0.6, 2), (0.7, 1), (0.9, 1)]


def test_arms_and_judges_are_not_thrown_together_in_the_reliability_diagram() -> None:
    rows = binned(0.9, judges=("weak", "wary"))
    assert [(row.arm, row.judge, row.verdicts) for row in rows] == [
        ("debate", "wary", 1),
        ("debate", "weak", 1),
    ]


def test_more_judges_than_colours_are_still_told_apart() -> None:
    assert CHART
    rows = binned(0.9, judges=tuple(f"judge {number}" for number in range(20)))
    drawn = json.dumps(spec_of(CHART, CHART.rows(rows, Unstarred()), 300))
    found = re.search(r'"color": \{"field": "judge".*?"range": (\[[^]]*\])', drawn)
    shapes = re.search(r'"shape": \{"field": "judge".*?"range": (\[[^]]*\])', drawn)
    assert found
    assert shapes
    assert len(set(zip(json.loads(found[1]), json.loads(shapes[1]), strict=True))) == 20


def test_names_with_markup_stay_text_in_pictures() -> None:
    assert CHART
    rows = binned(0.7, judges=("<script>x</script>",))
    assert b"<script" not in svg(spec_of(CHART, CHART.rows(rows, Unstarred()), 300))
