"""Published figures beside those of the data: figures by hand, the edition that the data are, rows that differ."""

import math
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from sqlalchemy import func, select

from app.exchange.archive import read_archive
from app.exchange.importing import ImportRefused
from app.exchange.published import PUBLISHED
from app.exchange.published.figures import FIGURES, Edition, Published, PublishedStudy, compared
from app.exchange.reproduce import reproduce
from app.records.database import Database
from app.records.imported import JudgedReading
from app.statistics.published import calibration_error, cohens_kappa
from models import Experiment
from tests.exchange.archives import lines, verdict, written


def reading(p: float, gold: int = 0, **changes: object) -> JudgedReading:
    """A verdict with the belief `p` in the gold answer."""
    belief = (p, 1 - p) if gold == 0 else (1 - p, p)
    plain = JudgedReading(
        "arm", "judge", None, UUID(int=1), (0, 1), belief, gold, None, {"rounds": 2, "penalty": 0.1}
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_calibration_error_by_hand() -> None:
    # Bins: [.5,.6): .5 (right by half) and .4 (confidence .6 is the next bin); [.6,.7): .6 wrong, .65 right; [.9,1]: .99 right.
    found = calibration_error([0.5, 0.4, 0.65, 0.99])
    assert found == pytest.approx((abs(0.5 - 0.5) * 1 + abs((0.6 + 0.65) / 2 - 0.5) * 2 + abs(0.99 - 1)) / 4)


def test_the_lower_edge_of_a_bin_is_in_it() -> None:
    assert calibration_error([0.7, 0.75]) == pytest.approx(abs((0.7 + 0.75) / 2 - 1))
    assert calibration_error([0.7, 0.69]) == pytest.approx((0.3 + 0.31) / 2)


def test_a_tie_is_right_by_half_whatever_else_counts_it_as_wrong() -> None:
    assert calibration_error([0.5]) == 0
    assert FIGURES["correct"]([reading(0.5)]) == (0, 1)


def test_confidence_in_a_wrong_answer_is_one_less_the_belief_in_gold() -> None:
    # A judge who entered 90 and 10 has .10000000000000009 on gold in some files: 1 less that is below the edge .9.
    stored = 0.10000000000000009
    assert 1 - stored < 0.9
    assert calibration_error([stored, 0.95]) == pytest.approx((1 - stored + 0.05) / 2)
    assert calibration_error([0.1, 0.95]) == pytest.approx(abs((0.9 + 0.95) / 2 - 0.5))


def test_calibration_error_needs_a_verdict() -> None:
    with pytest.raises(ValueError, match="no verdict"):
        calibration_error([])


def test_kappa_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        one, two = rng.integers(0, 3, 40).tolist(), rng.integers(0, 3, 40).tolist()
        assert cohens_kappa(one, two) == pytest.approx(cohen_kappa_score(one, two))
    assert cohens_kappa([1, 1], [1, 1]) is None
    with pytest.raises(ValueError, match="same items"):
        cohens_kappa([1], [1, 2])


def test_the_mean_score_takes_the_turns_from_the_log_score() -> None:
    found = FIGURES["mean score"]([reading(0.5), reading(0.25)])
    assert found == pytest.approx((math.log2(0.5) + math.log2(0.25)) / 2 - 0.1)
    assert FIGURES["rounds"]([reading(0.5)]) == 2


def both(talk: int, first: float, second: float) -> list[JudgedReading]:
    return [
        reading(first, talk=UUID(int=talk), order=(0, 1)),
        reading(second, talk=UUID(int=talk), order=(1, 0)),
    ]


def test_figures_over_both_orders() -> None:
    found = [*both(1, 1, 1), *both(2, 1, 0), *both(3, 0, 0), *both(4, 0.5, 0.5)]
    assert FIGURES["accuracy"](found) == 3 / 8
    assert FIGURES["same verdict in both orders"](found) == 3 / 4
    first, second = [True, True, False, False], [True, False, False, False]
    assert FIGURES["κ between orders"](found) == pytest.approx(cohen_kappa_score(first, second))


def test_balanced_accuracy_weighs_both_sides_alike() -> None:
    honest = [reading(1, argued=0), reading(1, argued=0), reading(0, argued=0)]
    assert FIGURES["balanced accuracy"]([*honest, reading(0, argued=1)]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    ("value", "confidence", "matches"),
    [("0.90", 0.9049, True), ("0.90", 0.9051, False), ("0.9", 0.9499, True), ("0.9", 0.9501, False)],
)
def test_a_number_matches_where_it_rounds_to_the_published_one(
    value: str, confidence: float, matches: bool
) -> None:
    # The error of one wrong verdict is its confidence.
    assert compared(Published(("arm",), "ECE", value), [reading(1 - confidence)]).matches is matches


def test_rows_choose_arms_judges_and_honest_advice() -> None:
    found = [reading(1, argued=0), reading(0, argued=1), reading(1, judge="other"), reading(1, arm="b")]
    row = Published(("arm",), "correct", "1/1", only="honest")
    assert compared(row, found).here == "1/1"
    assert compared(replace(row, only="dishonest"), found).here == "0/1"
    assert compared(replace(row, only="", judge="other"), found).here == "1/1"
    assert compared(replace(row, only="", arms=("arm", "b")), found).here == "3/4"
    missing = compared(replace(row, judge="nobody"), found)
    assert (missing.here, missing.off, missing.matches) == ("–", None, False)


def test_a_figure_that_is_no_number_does_not_match() -> None:
    sure = compared(Published(("arm",), "mean score", "-1.0"), [reading(0.0), reading(1.0)])
    assert (sure.here, sure.off, sure.matches) == ("-inf", None, False)
    once = compared(Published(("arm",), "κ between orders", "0.5"), [reading(1)])
    assert (once.here, once.off, once.matches) == ("–", None, False)
    bare = compared(Published(("arm",), "rounds", "2"), [reading(1, measures={})])
    assert (bare.here, bare.matches) == ("–", False)


def test_percent_is_compared_in_points() -> None:
    found = compared(Published(("arm",), "accuracy", "50%"), [reading(1), reading(0), reading(0)])
    assert (found.here, found.matches) == ("33.3%", False)
    assert found.off == pytest.approx(-50 / 3)


# ── studies ─────────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = Edition("the small study", {"debate": 2, "pairs": 2}, (Published(("debate",), "correct", "2/2"),))
OTHER = Edition("another", {"debate": 9, "pairs": 9}, (Published(("debate",), "correct", "9/9"),))
STUDY = PublishedStudy("small", "A study", "none", "nowhere", read_archive, (OTHER, SMALL))


@pytest.mark.parametrize("study", PUBLISHED.values(), ids=PUBLISHED)
def test_the_figures_of_a_study_are_data_that_can_be_computed(study: PublishedStudy) -> None:
    for edition in study.editions:
        assert edition.rows
        for row in edition.rows:
            assert row.figure in FIGURES
            right, _, count = row.value.removesuffix("%").partition("/")
            assert float(right) <= float(count or 100)


async def test_the_edition_is_found_by_counting(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path / "study.jsonl", *lines())
    async with database.session() as session:
        found = await reproduce(session, STUDY, path)
        await session.rollback()
    assert (found.edition, found.exact, found.counts) == (SMALL, True, {"debate": 2, "pairs": 2})
    assert (found.matching, found.matches) == (1, True)
    assert found.data == "The data are the small study (verdicts: debate 2, pairs 2)."


async def test_data_that_are_no_edition_are_compared_with_the_nearest(
    database: Database, tmp_path: Path
) -> None:
    some = [line for line in lines() if not (line["type"] == "verdict" and line["trial"] == "t2")]
    async with database.session() as session:
        found = await reproduce(session, STUDY, written(tmp_path / "study.jsonl", *some))
    assert (found.edition, found.exact, found.matches) == (SMALL, False, False)
    assert found.data.startswith("The data are no edition that is known (verdicts: debate 1, pairs 2)")
    assert found.as_json()["rows"][0] == {
        "arms": ["debate"],
        "judge": None,
        "only": None,
        "figure": "correct",
        "published": "2/2",
        "here": "1/1",
        "off": 0,
        "matches": False,
    }


async def test_nothing_is_kept_unless_it_is_asked_for(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path / "study.jsonl", *lines())
    async with database.session() as session:
        await reproduce(session, STUDY, path)
        await session.rollback()
    async with database.session.begin() as session:
        assert await session.scalar(select(func.count()).select_from(Experiment)) == 0
        found = await reproduce(session, STUDY, path, name="kept")
    async with database.session() as session:
        assert await session.scalar(select(Experiment.name)) == found.experiment.name == "kept"


async def test_data_with_a_bad_line_are_refused(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path / "study.jsonl", *lines(), verdict(trial="t9"))
    async with database.session() as session:
        with pytest.raises(ImportRefused, match="nothing was imported"):
            await reproduce(session, STUDY, path)
