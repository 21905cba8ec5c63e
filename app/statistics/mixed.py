"""A mixed logistic model of right and wrong, as a check beside the intervals for people: judges and questions are random.

It is the model of lme4's `glmer(right ~ 1 + (1 | judge) + (1 | question), binomial)`, fitted by the Laplace approximation
(Bates et al. 2015). It shares neither method nor assumptions with `app.statistics.two_way`; where the two disagree much, look at
the figures of each person. Its interval takes the two spreads as known, and is too narrow with few judges.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.special import expit, log_expit

from app.statistics.intervals import FloatArray, IntArray

METHOD = "mixed logistic model, judges and questions random, Laplace approximation, Wald interval"
FEWEST = 3
"""Fewest judges, and fewest questions, for which the model is fitted."""
LARGEST = 20_000
"""Most pairs of a judge and a question, so that a report waits a few seconds at most."""
_WIDEST = 6.0
"""Largest spread tried, in logits."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True, slots=True)
class Mixed:
    """The accuracy of a new judge on a new question by the mixed model, or the reason why there is none."""

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    judge_spread: float | None = None
    """Standard deviation of judges in logits."""
    question_spread: float | None = None
    """Standard deviation of questions in logits; passages are among them."""
    method: str = METHOD
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Counts:
    """Verdicts and right ones, both (judges, questions)."""

    verdicts: FloatArray
    right: FloatArray


def mixed(right: FloatArray, questions: IntArray, judges: IntArray, quantile: float = 1.959964) -> Mixed:
    """Return the fit to (n,) verdicts: 1 for right, 0 for wrong, 1/2 for a tie.

    There is none with fewer than three judges or questions, where all verdicts are alike, where the design is too large, or where
    the search does not end.
    """
    judge, question = (np.unique_inverse(places).inverse_indices for places in (judges, questions))
    shape = (int(judge.max()) + 1, int(question.max()) + 1)
    if min(shape) < FEWEST:
        return Mixed(reason=f"fewer than {FEWEST} people or questions")
    if np.ptp(right) == 0:
        return Mixed(reason="all verdicts are alike")
    if math.prod(shape) > LARGEST:
        return Mixed(reason=f"more than {LARGEST:,} pairs of a person and a question")
    place = judge * shape[1] + question
    size = math.prod(shape)
    counts = _Counts(
        np.bincount(place, minlength=size).reshape(shape).astype(np.float64),
        np.bincount(place, weights=right, minlength=size).reshape(shape).astype(np.float64),
    )
    start = math.log(right.mean() / (1 - right.mean()))
    effects = (np.zeros(shape[0]), np.zeros(shape[1]))

    def deviance(at: FloatArray) -> float:
        nonlocal effects
        # The search takes small steps, so that the last effects are near the next ones.
        effects = _mode(counts, float(at[0]), float(at[1]), float(at[2]), effects)
        return _deviance(counts, float(at[0]), float(at[1]), float(at[2]), effects)

    bounds = Bounds(np.array([start - 10, 0.0, 0.0]), np.array([start + 10, _WIDEST, _WIDEST]))
    found = minimize(deviance, np.array([start, 0.5, 0.5]), method="Nelder-Mead", bounds=bounds, tol=1e-5)
    if not found.success:
        return Mixed(reason="the search for the spreads did not end")
    at, judge_spread, question_spread = map(float, found.x)
    effects = _mode(counts, at, judge_spread, question_spread, effects)
    error = _error(counts, at, judge_spread, question_spread, effects)
    total = math.hypot(judge_spread, question_spread)
    low, value, high = (marginal(at + side * quantile * error, total) for side in (-1, 0, 1))
    return Mixed(value, low, high, judge_spread, question_spread)


def marginal(at: float, spread: float) -> float:
    """Return the mean of the logistic function over a normal logit."""
    return float(_WEIGHTS @ expit(at + spread * _NODES) / _WEIGHTS.sum())


def _deviance(
    counts: _Counts,
    at: float,
    judge_spread: float,
    question_spread: float,
    effects: tuple[FloatArray, FloatArray],
) -> float:
    """Return -2 log of the Laplace approximation to the likelihood, at the effects of `_mode`."""
    logits = _logits(at, judge_spread, question_spread, *effects)
    fit = counts.right * log_expit(logits) + (counts.verdicts - counts.right) * log_expit(-logits)
    penalty = float(sum(effect @ effect for effect in effects))
    core, by_question, _ = _curvature(counts, logits, judge_spread, question_spread)
    volume = np.linalg.slogdet(core).logabsdet + np.log(by_question).sum()
    return float(-2 * fit.sum() + penalty + volume)


def _logits(
    at: float, judge_spread: float, question_spread: float, judges: FloatArray, questions: FloatArray
) -> FloatArray:
    return at + judge_spread * judges[:, None] + question_spread * questions


def _curvature(
    counts: _Counts, logits: FloatArray, judge_spread: float, question_spread: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the curvature of the penalised fit in parts: that of judges less what questions explain, the diagonal of questions,
    and the (judges, questions) block between them.
    """
    weights = counts.verdicts * expit(logits) * expit(-logits)
    by_question = question_spread**2 * weights.sum(axis=0) + 1
    between = judge_spread * question_spread * weights
    core = np.diag(judge_spread**2 * weights.sum(axis=1) + 1) - (between / by_question) @ between.T
    return core, by_question, between


def _mode(
    counts: _Counts,
    at: float,
    judge_spread: float,
    question_spread: float,
    start: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return the standardised effects of judges and of questions with the best penalised fit, by Newton's method."""
    judges, questions = start
    for _ in range(50):
        logits = _logits(at, judge_spread, question_spread, judges, questions)
        off = counts.right - counts.verdicts * expit(logits)
        slope = judge_spread * off.sum(axis=1) - judges
        slope_of_questions = question_spread * off.sum(axis=0) - questions
        core, by_question, between = _curvature(counts, logits, judge_spread, question_spread)
        step = np.linalg.solve(core, slope - between @ (slope_of_questions / by_question))
        step_of_questions = (slope_of_questions - between.T @ step) / by_question
        largest = max(np.abs(step).max(), np.abs(step_of_questions).max())
        shorter = min(1.0, 2.0 / largest) if largest else 1.0
        judges, questions = judges + shorter * step, questions + shorter * step_of_questions
        if largest < 1e-8:
            break
    return judges, questions


def _error(
    counts: _Counts,
    at: float,
    judge_spread: float,
    question_spread: float,
    effects: tuple[FloatArray, FloatArray],
) -> float:
    """Return the standard error of the intercept with the spreads taken as known."""
    logits = _logits(at, judge_spread, question_spread, *effects)
    weights = counts.verdicts * expit(logits) * expit(-logits)
    core, by_question, between = _curvature(counts, logits, judge_spread, question_spread)
    on_judges, on_questions = judge_spread * weights.sum(axis=1), question_spread * weights.sum(axis=0)
    step = np.linalg.solve(core, on_judges - between @ (on_questions / by_question))
    explained = on_judges @ step + on_questions @ ((on_questions - between.T @ step) / by_question)
    return float(1 / math.sqrt(weights.sum() - explained))
