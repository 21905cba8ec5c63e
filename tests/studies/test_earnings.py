"""Base pay by how a part ended, and bonuses by verdicts."""

from decimal import Decimal
from typing import Any

import pytest

from app.experiments.spec import SpecError
from app.statistics.bonus import Earned
from app.studies.earnings import Verdict, base_pay, bonus_pay, scores
from app.studies.spec import StudySpec, parse_study


def study(**changes: Any) -> StudySpec:
    """A study that pays 4.50 and a bonus of at most 2.00."""
    file = {
        "name": "paid",
        "title": "A paid study",
        "experiments": ["small"],
        "trials": 12,
        "people": 3,
        "minutes": 20,
        "reward": {"amount": "4.50"},
        "bonus": {"rule": "brier", "most": "2.00"},
    }
    return parse_study(file | changes)


SMALLER = {"screened_out": "0.35", "failed_checks": "1.00"}


@pytest.mark.parametrize(
    ("end", "done", "minor"),
    [
        ("completed", 12, 450),
        ("stopped", 0, 0),
        ("stopped", 1, 38),
        ("stopped", 6, 225),
        ("stopped", 12, 450),
        ("screened_out", 0, 35),
        ("failed_checks", 7, 100),
        ("returned", 12, 0),
        ("timed_out", 12, 0),
        ("withdrawn", 12, 0),
    ],
)
def test_the_base_goes_by_how_a_part_ended(end: str, done: int, minor: int) -> None:
    assert base_pay(study(smaller_pay=SMALLER), end, done, 12) == minor


def test_without_a_word_in_the_file_those_who_are_screened_out_get_nothing() -> None:
    assert base_pay(study(), "screened_out", 0, 12) == base_pay(study(), "failed_checks", 3, 12) == 0


def test_a_smaller_pay_is_not_more_than_the_reward() -> None:
    with pytest.raises(SpecError, match="smaller_pay: it is at most the reward"):
        study(smaller_pay={"screened_out": "4.51"})


def test_readings_of_a_trial_count_as_one_and_trials_count_alike() -> None:
    verdicts = [
        Verdict("a", (0.9, 0.1), 0),
        Verdict("a", (0.7, 0.3), 0),
        Verdict("b", (0.5, 0.5), 1),
    ]
    bonus = study().bonus
    assert bonus is not None
    found = scores(bonus, verdicts)
    assert found == {"a": pytest.approx(0.95), "b": 0.75}
    assert bonus_pay(bonus, "completed", verdicts, 2, 1) == (
        170,
        Earned(pytest.approx(0.85), pytest.approx(0.85), 2),
    )
    assert bonus_pay(bonus, "stopped", verdicts, 4, 1)[0] == 85


@pytest.mark.parametrize("end", ["screened_out", "failed_checks", "returned", "timed_out", "withdrawn"])
def test_verdicts_that_do_not_count_earn_nothing(end: str) -> None:
    bonus = study().bonus
    assert bonus_pay(bonus, end, [Verdict("a", (1.0, 0.0), 0)], 1, 1) == (0, None)
    assert bonus_pay(None, "completed", [Verdict("a", (1.0, 0.0), 0)], 1, 1) == (0, None)


def test_binarised_pays_all_or_nothing() -> None:
    bonus = study(bonus={"rule": "log", "most": Decimal("1.50"), "binarised": True}).bonus
    verdicts = [Verdict(str(number), (0.6, 0.4), 0) for number in range(4)]
    paid = {bonus_pay(bonus, "completed", verdicts, 4, seed)[0] for seed in range(200)}
    assert paid == {0, 150}
