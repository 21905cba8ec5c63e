"""Draws of whole clusters: what is drawn, and how often limits contain the truth."""

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from app.statistics.calibrated import drawn_bins, without_gaps
from app.statistics.calibration import BINS, bin_sums, bins_of, expected_error
from app.statistics.intervals import METHOD_ONE_PASSAGE, FloatArray, IntArray, clustered_variance
from app.statistics.resampling import (
    METHOD,
    METHOD_FEW,
    METHOD_OF_PEOPLE,
    Clusters,
    drawn_sums,
    error_limits,
    limits,
    redrawn,
    table,
    widest,
)

NO_PERSON = -1


def means(values: FloatArray, clusters: Clusters, draws: int, seed: int = 1) -> FloatArray:
    """Means of values over drawn clusters."""
    columns = np.zeros(values.size, dtype=np.int64)
    pairs = [
        np.concatenate(list(drawn_sums(clusters, sums, np.random.default_rng(seed), draws)))
        for sums in (
            clusters.sums(clusters.own, columns, values, 1),
            clusters.sums(clusters.own, columns, np.ones(values.size), 1),
        )
    ]
    return (pairs[0] / pairs[1])[:, 0]


def test_whole_passages_are_drawn() -> None:
    """Three equal verdicts of each passage: means are those of passages."""
    passages = np.repeat(np.arange(5), 3)
    clusters = Clusters.of(passages, np.full(15, NO_PERSON))
    found = means(np.repeat([0.0, 1, 2, 3, 4], 3), clusters, 200)
    assert set(np.round(found * 5, 9)) <= {float(n) for n in range(21)}
    assert (clusters.passages, clusters.people, clusters.fewest, clusters.method) == (5, 1, 5, METHOD)


def test_the_spread_of_draws_is_the_clustered_variance() -> None:
    rng = np.random.default_rng(2)
    passages = np.repeat(np.arange(40), 5)
    values = np.repeat(rng.normal(size=40), 5) + rng.normal(size=200)
    found = means(values, Clusters.of(passages, np.full(200, NO_PERSON)), 4000)
    # The clustered variance is divided by passages less 1.
    assert found.var() == pytest.approx(clustered_variance(values, passages) * 39 / 40, rel=0.06)


def test_people_are_drawn_beside_passages() -> None:
    """Everybody judges every passage, and only people differ: the spread is that of as many people."""
    rng = np.random.default_rng(3)
    skill = rng.normal(size=30)
    passages, people = (axis.ravel() for axis in np.meshgrid(np.arange(20), np.arange(30)))
    clusters = Clusters.of(passages, people)
    found = means(skill[people], clusters, 4000)
    assert found.var() == pytest.approx(skill.var() / 30, rel=0.08)
    assert (clusters.people, clusters.fewest, clusters.method) == (30, 20, METHOD_OF_PEOPLE)


def test_batches_give_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    values, passages = np.arange(30.0), np.arange(30) // 3
    clusters = Clusters.of(passages, np.full(30, NO_PERSON))
    whole = means(values, clusters, 50)
    monkeypatch.setattr("app.statistics.resampling._BATCH", 70)
    assert means(values, clusters, 50).tolist() == pytest.approx(whole.tolist())


def test_limits_of_few_clusters_are_wider_than_percentiles() -> None:
    drawn = np.random.default_rng(4).normal(size=20_000)
    few, many = limits(drawn, 5), limits(drawn, 1000)
    assert few is not None
    assert many is not None
    assert many[1] == pytest.approx(1.96, abs=0.06)
    assert few[1] == pytest.approx(2.776 * np.sqrt(5 / 4), abs=0.25)


def test_few_clusters_and_unknown_draws_give_no_limits() -> None:
    assert limits(np.arange(100.0), 4) is None
    assert Clusters.of(np.arange(8) % 4, np.full(8, NO_PERSON)).method == METHOD_FEW
    assert Clusters.of(np.zeros(4, int), np.full(4, NO_PERSON)).method == METHOD_ONE_PASSAGE
    drawn = np.arange(100.0)
    assert limits(np.where(drawn < 6, np.nan, drawn), 20) is None
    assert limits(np.where(drawn < 5, np.nan, drawn), 20) is not None


def test_draws_without_variation_give_no_limits() -> None:
    assert limits(np.ones(100), 20) is None


def test_limits_of_what_chance_raises_reach_from_the_mirrored_ones_to_the_drawn_ones() -> None:
    drawn = np.random.default_rng(5).normal(0.2, 0.02, size=20_000)
    assert widest(0.15, drawn, 1000) == pytest.approx((0.06, 0.24), abs=0.003)
    assert widest(0.01, drawn, 1000) == (0.0, pytest.approx(0.24, abs=0.003))


def test_an_error_that_chance_would_show_may_be_none() -> None:
    rng = np.random.default_rng(6)
    drawn, noise = rng.normal(0.2, 0.02, size=20_000), np.abs(rng.normal(0.1, 0.02, size=20_000))
    assert error_limits(0.12, drawn, noise, 1000) == (0.0, pytest.approx(0.24, abs=0.003))
    assert error_limits(0.15, drawn, noise, 1000) == pytest.approx((0.06, 0.24), abs=0.003)


@pytest.mark.parametrize(("slope", "least"), [(1.0, 0.9), (0.5, 0.9)])
def test_limits_of_a_calibration_error_contain_it(slope: float, least: float) -> None:
    """Forty passages of four verdicts, calibrated or overconfident; 150 runs."""
    rng = np.random.default_rng(7)
    passages = np.repeat(np.arange(40), 4)
    clusters = Clusters.of(passages, np.full(160, NO_PERSON))
    truth = float(expected_error(sample(rng, np.arange(400_000), slope)))
    covered = 0
    for _ in range(150):
        confidence, right = verdicts(rng, passages, slope)
        bins = bins_of(confidence)
        sums = bin_sums(bins, confidence, right)
        found = error_limits(float(expected_error(sums)), *of_draws(clusters, bins, confidence, right), 40)
        assert found is not None
        covered += found[0] <= truth <= found[1]
    assert covered / 150 >= least


def verdicts(rng: np.random.Generator, passages: IntArray, slope: float) -> tuple[FloatArray, FloatArray]:
    """Confidences and rightness, where the logit of being right is `slope` times that of the confidence, and passages differ."""
    confidence = np.round(rng.uniform(0.5, 0.99, passages.size), 2)
    shift = rng.normal(0, 0.4, passages.max() + 1)[passages]
    return confidence, (rng.random(passages.size) < expit(slope * logit(confidence) + shift)).astype(float)


def sample(rng: np.random.Generator, passages: IntArray, slope: float) -> FloatArray:
    """Sums by bin of such verdicts."""
    confidence, right = verdicts(rng, passages, slope)
    return bin_sums(bins_of(confidence), confidence, right)


def of_draws(
    clusters: Clusters, bins: IntArray, confidence: FloatArray, right: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Errors of 400 draws, and those without the gaps of the sample."""
    drawn = drawn_bins(clusters, bins, confidence, right, BINS, np.random.default_rng(1), 400)
    return expected_error(drawn), expected_error(without_gaps(bin_sums(bins, confidence, right), drawn))


def test_sums_over_redrawn_passages_spread_as_passages_do() -> None:
    rng = np.random.default_rng(1)
    passage = np.repeat(np.arange(40), 5)
    values = rng.normal(size=200) + np.repeat(rng.normal(size=40), 5)
    held = table(passage, np.full(200, -1), np.stack([values, np.ones(200)], axis=1))
    [draws] = redrawn([held], np.random.default_rng(2), 40, 0)
    means = draws[:, 0] / draws[:, 1]
    by_passage = values.reshape(40, 5).mean(axis=1)
    assert means.std() == pytest.approx(by_passage.std() / math.sqrt(40), rel=0.06)
    ends = limits(means, 40)
    assert ends
    assert ends[0] < values.mean() < ends[1]


def test_people_are_drawn_too() -> None:
    rng = np.random.default_rng(3)
    passage, person = np.divmod(np.arange(60 * 6), 6)
    skill = rng.normal(size=6)
    held = table(passage, person, np.stack([skill[person], np.ones(360)], axis=1))
    [draws] = redrawn([held], np.random.default_rng(4), 60, 6)
    assert (draws[:, 0] / draws[:, 1]).std() == pytest.approx(skill.std() / math.sqrt(6), rel=0.08)


def test_one_passage_has_no_interval_and_neither_has_a_figure_that_is_mostly_unknown() -> None:
    assert limits(np.arange(100.0), 1) is None
    assert limits(np.where(np.arange(100) < 20, np.nan, 1.0), 9) is None
