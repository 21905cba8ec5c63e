"""The mixed model is held to penalised logistic regression, to dense algebra, and to quadrature."""

import numpy as np
import pytest
from scipy.special import expit, log_expit
from sklearn.linear_model import LogisticRegression

from app.statistics import mixed as module
from app.statistics.mixed import METHOD, marginal, mixed
from benchmarks.coverage import placed, right

AT, JUDGES, QUESTIONS = 0.4, 0.8, 0.6


def counts(seed: int = 1) -> module._Counts:
    rng = np.random.default_rng(seed)
    verdicts = rng.integers(0, 3, (6, 9)).astype(np.float64)
    return module._Counts(verdicts, rng.binomial(verdicts.astype(int), 0.6).astype(np.float64))


def test_the_effects_are_those_of_penalised_logistic_regression() -> None:
    held = counts()
    judge, question = (axis.ravel() for axis in np.indices(held.verdicts.shape))
    design = np.hstack([JUDGES * np.eye(6)[judge], QUESTIONS * np.eye(9)[question]])
    wrong = (held.verdicts - held.right).ravel()
    model = LogisticRegression(C=1.0, fit_intercept=True, tol=1e-10, max_iter=10_000)
    model.fit(
        np.vstack([design, design]),
        np.repeat([1, 0], design.shape[0]),
        sample_weight=np.concatenate([held.right.ravel(), wrong]),
    )
    judges, questions = module._mode(
        held, float(model.intercept_[0]), JUDGES, QUESTIONS, (np.zeros(6), np.zeros(9))
    )
    assert np.concatenate([judges, questions]) == pytest.approx(model.coef_[0], abs=1e-4)


def test_the_curvature_is_that_of_dense_algebra() -> None:
    held = counts()
    logits = module._logits(AT, JUDGES, QUESTIONS, np.linspace(-1, 1, 6), np.linspace(1, -1, 9))
    core, by_question, _ = module._curvature(held, logits, JUDGES, QUESTIONS)
    judge, question = (axis.ravel() for axis in np.indices(held.verdicts.shape))
    design = np.hstack([JUDGES * np.eye(6)[judge], QUESTIONS * np.eye(9)[question]])
    weights = (held.verdicts * expit(logits) * expit(-logits)).ravel()
    whole = design.T @ (weights[:, None] * design) + np.eye(15)
    assert np.linalg.slogdet(core).logabsdet + np.log(by_question).sum() == pytest.approx(
        np.linalg.slogdet(whole).logabsdet
    )


def test_the_deviance_is_near_that_of_quadrature_where_one_effect_is_random() -> None:
    verdicts = np.full((5, 8), 3.0)
    held = module._Counts(verdicts, np.random.default_rng(2).binomial(3, 0.7, (5, 8)).astype(np.float64))
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    logits = AT + JUDGES * nodes
    by_judge = held.right.sum(axis=1)[:, None] * log_expit(logits)
    by_judge = by_judge + (verdicts - held.right).sum(axis=1)[:, None] * log_expit(-logits)
    exact = -2 * np.log(np.exp(by_judge) @ weights / weights.sum()).sum()
    effects = module._mode(held, AT, JUDGES, 0.0, (np.zeros(5), np.zeros(8)))
    assert module._deviance(held, AT, JUDGES, 0.0, effects) == pytest.approx(exact, abs=0.2)


def test_the_spreads_of_a_large_sample_are_found() -> None:
    verdicts = placed("all", 40, 40)
    values = right(np.random.default_rng(3), 1, verdicts, 0.75, 1.0)[0]
    found = mixed(values, verdicts.questions, verdicts.judges)
    assert found.judge_spread == pytest.approx(1.0, abs=0.25)
    # Passages of 0.7 and questions of 0.5 together.
    assert found.question_spread == pytest.approx(0.86, abs=0.1)
    assert found.accuracy == pytest.approx(values.mean(), abs=0.02)
    assert found.low < 0.75 < found.high
    assert (found.method, found.reason) == (METHOD, None)


def test_the_mean_over_normal_logits_is_nearer_to_a_half_than_its_middle() -> None:
    assert marginal(0.0, 2.0) == pytest.approx(0.5)
    assert marginal(2.0, 0.0) == pytest.approx(expit(2.0))
    assert 0.5 < marginal(2.0, 2.0) < expit(2.0)


@pytest.mark.parametrize(
    ("values", "judges", "reason"),
    [
        ([1.0, 0, 1, 0], [0, 0, 1, 1], "fewer than 3"),
        ([1.0, 1, 1, 1], [0, 1, 2, 3], "alike"),
    ],
)
def test_it_is_absent_where_the_data_say_too_little(
    values: list[float], judges: list[int], reason: str
) -> None:
    found = mixed(np.array(values), np.arange(4), np.array(judges))
    assert found.accuracy is None
    assert reason in found.reason
