"""Agent score differences and win rates, worked by hand on written frames."""

import math
from uuid import UUID

import numpy as np
import pytest

from app.reports.figures.core import Evidence
from app.reports.figures.incentives import CHOSEN, INCENTIVES, NO_SIDES, WIN_RATES
from app.statistics.incentives import MIXED, NOT_BOTH, scores_at
from tests.frames import Row
from tests.reports.arguing import arguing
from tests.reports.naming import AS_GIVEN

LOG = math.log2


def consultancy(*sides: tuple[str, int, float], kind: str = "model", judges: int = 1) -> Evidence:
    """A talk for each question, argued answer (gold is the first) and belief in gold, with as many judges."""
    rows, argues = [], {}
    for number, (question, argued, p) in enumerate(sides):
        trial = UUID(int=number + 1)
        argues[trial] = {"consultant": argued}
        for judge in range(judges):
            person = {"judge": f"j{judge}", "kind": kind, "place": judge + 1} if kind == "person" else {}
            rows.append(
                Row("advice", question, (p, 1 - p), assignment=argued, trial=trial, **person)  # type: ignore[arg-type]
            )
    return arguing(rows, argues, {"advice": "consultancy"})


def debate(*p_gold: float) -> Evidence:
    """A debate on each question with a belief in gold."""
    rows = [Row("talk", f"q{n}", (p, 1 - p), trial=UUID(int=n + 1)) for n, p in enumerate(p_gold)]
    return arguing(rows, {row.trial: {"debater_a": 0, "debater_b": 1} for row in rows})


def test_scores_at_an_answer_by_hand() -> None:
    found = scores_at(np.array([[0.8, 0.2], [1.0, 0.0], [0.5, 0.5]]), np.array([0, 1, 0]))
    assert found["log"].tolist() == pytest.approx([LOG(0.8), LOG(1e-4), -1])
    assert found["brier"].tolist() == pytest.approx([-0.08, -2, -0.5])
    assert found["log_odds"].tolist() == pytest.approx([LOG(4), LOG(1e-4 / (1 - 1e-4)), 0])
    assert found["accuracy"].tolist() == [1, 0, 0.5]
    several = scores_at(np.array([[0.5, 0.3, 0.2]]), np.array([1]))
    assert several["brier"].tolist() == pytest.approx([-(0.25 + 0.49 + 0.04)])


def test_one_side_is_compared_by_question() -> None:
    """q1: .8 for gold where it is argued for, .4 in the other where that is; q2 has one assignment only."""
    evidence = consultancy(("q1", 0, 0.8), ("q1", 1, 0.6), ("q2", 0, 0.1))
    [found] = INCENTIVES.rows(evidence)
    assert (found.found.questions, found.found.unpaired, found.both_argue) == (1, 1, False)
    expected = {
        "log": LOG(0.8) - LOG(0.4),
        "brier": -2 * 0.2**2 + 2 * 0.6**2,
        "log_odds": LOG(4) - LOG(0.4 / 0.6),
        "accuracy": 1.0,
    }
    for score, value in expected.items():
        assert found.estimate(score).value == pytest.approx(value), score


def test_a_judge_who_always_believes_the_speaker_gives_no_reason_to_be_honest() -> None:
    sides = [(f"q{n}", argued, 0.9 if argued == 0 else 0.1) for n in range(6) for argued in (0, 1)]
    [found] = INCENTIVES.rows(consultancy(*sides))
    assert [found.estimate(score).value for score in ("log", "brier", "log_odds", "accuracy")] == [0, 0, 0, 0]


def test_where_both_argue_each_verdict_is_compared_with_itself() -> None:
    [found] = INCENTIVES.rows(debate(0.9, 0.6, 0.2))
    assert (found.both_argue, found.found.questions) == (True, 3)
    log = sum(LOG(p) - LOG(1 - p) for p in (0.9, 0.6, 0.2)) / 3
    assert found.estimate("log").value == pytest.approx(log)
    # -2 (1 - p)^2 + 2 p^2 is 4 p - 2.
    brier = found.estimate("brier")
    assert brier.value == pytest.approx(4 * (1.7 / 3) - 2)
    assert -2 <= brier.low < brier.value < brier.high <= 2
    assert found.estimate("accuracy").value == pytest.approx(1 / 3)


def test_people_get_intervals_for_other_people() -> None:
    sides = [(f"q{n}", argued, 0.7) for n in range(5) for argued in (0, 1)]
    [found] = INCENTIVES.rows(consultancy(*sides, kind="person", judges=3))
    assert found.judge == "people"
    assert found.estimate("accuracy").value == pytest.approx(1 - 0)
    assert "judge" in found.estimate("accuracy").method


def test_reasons_where_there_is_no_difference() -> None:
    [alone] = INCENTIVES.rows(consultancy(("q1", 0, 0.8), ("q2", 1, 0.6)))
    assert (alone.reason, alone.found.unpaired) == (NOT_BOTH, 2)
    rows = [
        Row("open", "q1", (0.8, 0.2), trial=UUID(int=1)),
        Row("naive", "q1", (0.8, 0.2), trial=UUID(int=2)),
        Row("mixed", "q1", (0.8, 0.2), trial=UUID(int=3)),
        Row("mixed", "q2", (0.8, 0.2), trial=UUID(int=4)),
    ]
    argues = {
        UUID(int=1): {"consultant": 0},
        UUID(int=3): {"consultant": 0},
        UUID(int=4): {"debater_a": 0, "debater_b": 1},
    }
    protocols = {"open": "open-consultancy", "naive": "naive", "mixed": "imported"}
    found = INCENTIVES.rows(arguing(rows, argues, protocols))
    assert {row.arm: row.reason for row in found} == {"open": CHOSEN, "naive": NO_SIDES, "mixed": MIXED}
    words, table = INCENTIVES.words, INCENTIVES.table
    assert words is not None
    assert table is not None
    assert f"naive: {NO_SIDES}" in " ".join(words(found))
    assert (
        table(found, AS_GIVEN).columns[2].shown(found[0]).reason
        == f"There is no difference: {found[0].reason}."
    )


def test_where_nothing_is_argued_the_figure_is_left_out() -> None:
    rows = [Row("naive", "q1", (0.8, 0.2), trial=UUID(int=2))]
    assert INCENTIVES.rows(arguing(rows, {}, {"naive": "naive"})) == []
    assert WIN_RATES.rows(arguing(rows, {}, {"naive": "naive"})) == []


def test_imported_sides_count_as_assigned() -> None:
    rows = [Row("study", "q1", (0.8, 0.2), assignment=n, trial=UUID(int=n + 1)) for n in (0, 1)]
    argues = {row.trial: {"consultant": n} for n, row in enumerate(rows)}
    [found] = INCENTIVES.rows(arguing(rows, argues, {"study": "imported"}))
    assert found.reason is None
    assert found.estimate("accuracy").value == 1


def test_win_rates_by_hand() -> None:
    """For gold: right, right; against it: the judge is misled once of three times."""
    sides = (("q1", 0, 0.8), ("q2", 0, 0.6), ("q1", 1, 0.7), ("q2", 1, 0.3), ("q3", 1, 0.9))
    [found] = WIN_RATES.rows(consultancy(*sides))
    assert (found.honest.questions, found.honest.won.value) == (2, 1)
    assert found.honest.belief.value == pytest.approx(0.7)
    assert (found.dishonest.questions, found.dishonest.won.value) == (3, pytest.approx(1 / 3))
    assert found.dishonest.belief.value == pytest.approx((0.3 + 0.7 + 0.1) / 3)
    table = WIN_RATES.table
    assert table is not None
    assert table([found], AS_GIVEN).columns[-1].shown(found).text == "2 and 3"


def test_win_rates_of_a_debate_add_up() -> None:
    [found] = WIN_RATES.rows(debate(0.9, 0.6, 0.2, 0.5))
    assert found.honest.won.value == pytest.approx(2.5 / 4)
    assert found.honest.won.value + found.dishonest.won.value == pytest.approx(1)
    assert found.honest.belief.value + found.dishonest.belief.value == pytest.approx(1)


def test_a_side_without_talks_has_a_reason() -> None:
    [found] = WIN_RATES.rows(consultancy(("q1", 0, 0.8)))
    table = WIN_RATES.table
    assert table is not None
    assert found.dishonest is None
    assert table([found], AS_GIVEN).columns[4].shown(found).reason == "No talk of this side has been judged."


@pytest.mark.parametrize("figure", [INCENTIVES, WIN_RATES])
def test_charts_draw(figure: object) -> None:
    made = figure.rows(debate(0.9, 0.6, 0.2))  # type: ignore[attr-defined]
    chart = figure.chart  # type: ignore[attr-defined]
    assert chart.draw(chart.rows(made, AS_GIVEN), 360).to_dict()["config"]
    assert figure.as_json(made[0])["arm"] == "talk"  # type: ignore[attr-defined]
