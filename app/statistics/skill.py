"""The skill of participants who argue against each other, by maximum likelihood (Bradley and Terry 1952).

The logit of a verdict for the side that argues for gold is the skill of its participant for gold, less the skill of the other
participant against gold, plus a term for the side that is listed first, and one for the logarithm of the ratio of words. Skills are in
points: 400 to a factor of ten in the odds. A tie counts 1/2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from app.statistics.intervals import FloatArray, IntArray
from app.statistics.readings import BoolArray
from app.statistics.resampling import Clusters, limits

POINTS = 400 / math.log(10)
"""Points in a logit."""
DRAWS = 500
PENALTY = 2.0
"""Standard deviation, in logits, of the normal prior on every term that keeps a fit finite where participants always win or lose."""
_FAR = 15.0
"""Logits beyond which a fit is taken as infinite: maximum likelihood has no finite one where a term separates won from lost."""
_STEPS = 60
_SETTLED = 1e-5
"""Largest step, in logits, after which the fit of a draw is taken as settled."""
_AT_ONCE = 2_000_000
"""Numbers that one array of refits may have."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Verdicts on talks in which two participants argue for opposite answers: (n,) arrays."""

    honest: IntArray
    """The participant who argues for gold."""
    other: IntArray
    """The participant who argues against it; the same in self-play."""
    first: FloatArray
    """1/2 where gold is listed first, else -1/2."""
    length: FloatArray
    """Logarithm to the base 2 of the words for gold over the words against it; NaN where they are not known."""
    won: FloatArray
    """1 for a verdict for gold, 0 for the other answer, 1/2 for a tie."""
    participants: int

    def where(self, kept: BoolArray) -> "Matches":
        """Return the matches that are kept."""
        arrays = ("honest", "other", "first", "length", "won")
        return replace(self, **{name: getattr(self, name)[kept] for name in arrays})


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The columns of a fit, and how reported figures follow from its terms."""

    columns: FloatArray
    """(n, terms)."""
    report: FloatArray
    """(figures, terms): the figures, in logits, are this times the terms."""
    names: Sequence[tuple[str, int]]
    """What each figure is, with its participant, or -1: skill, for gold, against gold, advantage, side, length."""
    own_advantages: bool
    """Whether each participant has an own advantage of arguing for gold."""
    constant: Sequence[str]
    """Terms left out because they do not vary, or are not known."""


NOT_CONNECTED = "the matches do not connect all participants: some never met, directly or through others"
NO_MATCH = "no two different participants met"


def design_of(matches: Matches) -> Design | None:
    """Return the design with an own advantage for each participant where the matches determine it, else with a common one; None where
    they do not determine skills either. The first participant's skill is 0.
    """
    for own in (True, False):
        found = _design(matches, own)
        if _determined(found.columns):
            return found
    return None


def _design(matches: Matches, own: bool) -> Design:
    count, size = matches.participants, matches.won.size
    rows = np.arange(size)
    skills = np.zeros((size, count))
    np.add.at(skills, (rows, matches.honest), 1.0)
    np.add.at(skills, (rows, matches.other), -1.0)
    advantages = np.zeros((size, count))
    np.add.at(advantages, (rows, matches.honest), 0.5)
    np.add.at(advantages, (rows, matches.other), 0.5)
    if not own:
        advantages = advantages.sum(axis=1, keepdims=True)
    extra = {"side": matches.first, "length": matches.length}
    varying = [name for name, values in extra.items() if np.ptp(values) > 0]
    parts = [skills[:, 1:], advantages, *(extra[name][:, None] for name in varying)]
    columns = np.concatenate(parts, axis=1)
    report, names = _reported(count, advantages.shape[1], varying)
    return Design(columns, report, names, own, [name for name in extra if name not in varying])


def _reported(
    count: int, advantages: int, varying: Sequence[str]
) -> tuple[FloatArray, list[tuple[str, int]]]:
    """Return the figures as sums of terms, with what they are."""
    terms = count - 1 + advantages + len(varying)
    skill = np.eye(terms)[: count - 1]
    skill = np.concatenate([np.zeros((1, terms)), skill])
    own = np.eye(terms)[count - 1 : count - 1 + advantages]
    rows, names = [*skill], [("skill", at) for at in range(count)]
    if advantages > 1:
        rows += [*(skill + own / 2), *(skill - own / 2)]
        names += [(name, at) for name in ("for gold", "against gold") for at in range(count)]
    rows.append(own.mean(axis=0))
    names.append(("advantage", -1))
    rows += [*np.eye(terms)[count - 1 + advantages :]]
    names += [(name, -1) for name in varying]
    return np.array(rows), names


def _determined(columns: FloatArray) -> bool:
    """Return whether no term follows from others."""
    if columns.shape[0] < columns.shape[1]:
        return False
    return _full(columns.T @ columns)


# ── the fit ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Terms of a logistic fit, in logits."""

    terms: FloatArray
    penalised: bool
    """Whether the penalty was needed, because a term separates won from lost."""


def fitted(columns: FloatArray, won: FloatArray, weights: FloatArray, start: FloatArray | None = None) -> Fit:
    """Return the maximum of the likelihood of (n,) outcomes in [0, 1]. Where there is no finite one, every term has a normal
    prior with the standard deviation `PENALTY`.
    """
    terms = _newton(columns, won, weights, 0.0, start)
    if terms is not None and np.abs(columns[weights > 0] @ terms).max() <= _FAR:
        return Fit(terms, False)
    held = _newton(columns, won, weights, 1 / PENALTY**2, None)
    if held is None:
        raise ArithmeticError("A penalised logistic fit did not converge.")
    return Fit(held, True)


def _newton(
    columns: FloatArray, won: FloatArray, weights: FloatArray, ridge: float, start: FloatArray | None
) -> FloatArray | None:
    """Return the maximum by Newton's method with halved steps; None where it does not settle."""
    terms = np.zeros(columns.shape[1]) if start is None else start
    best = _likelihood(columns, won, weights, ridge, terms)
    for _ in range(_STEPS):
        p = expit(columns @ terms)
        slope = columns.T @ (weights * (won - p)) - ridge * terms
        curve = (columns * (weights * p * (1 - p))[:, None]).T @ columns + ridge * np.eye(terms.size)
        try:
            step = np.linalg.solve(curve, slope)
        except np.linalg.LinAlgError:
            return None
        if float(np.abs(step).max()) < 1e-10:
            return terms + step
        for _ in range(20):
            reached = _likelihood(columns, won, weights, ridge, terms + step)
            if reached >= best:
                break
            step = step / 2
        else:
            return terms
        terms, best = terms + step, reached
        if np.abs(terms).max() > 1e3:
            return None
    return None


def _likelihood(
    columns: FloatArray, won: FloatArray, weights: FloatArray, ridge: float, terms: FloatArray
) -> float:
    logits = columns @ terms
    return float(weights @ (won * logits - np.logaddexp(0, logits)) - ridge / 2 * terms @ terms)


# ── with limits ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class SkillFit:
    """Figures of a fit in points, with limits."""

    names: Sequence[tuple[str, int]]
    """As `Design.names`."""
    values: FloatArray
    low: FloatArray
    """NaN where there are no limits."""
    high: FloatArray
    own_advantages: bool
    constant: Sequence[str]
    penalised: bool
    drawn: FloatArray
    """(draws, figures)."""
    penalised_draws: int
    """Draws that needed the penalty."""
    undetermined_draws: int
    """Draws in which the matches no longer determined every term; they are left out."""


def skills(
    matches: Matches, clusters: Clusters, rng: np.random.Generator, draws: int = DRAWS
) -> SkillFit | None:
    """Return skills with limits by a bootstrap of clusters, whole passages and where people judge whole people; None where the matches
    do not determine them.
    """
    design = design_of(matches)
    if design is None:
        return None
    plain = fitted(design.columns, matches.won, np.ones(matches.won.size))
    drawn, penalised, lost = _drawn(design, matches.won, clusters, plain, rng, draws)
    values = POINTS * (design.report @ plain.terms)
    low, high = np.full(values.size, math.nan), np.full(values.size, math.nan)
    for at in range(values.size):
        found = limits(drawn[:, at], clusters.fewest)
        # The first participant's skill is 0 in every draw.
        if found is not None and design.report[at].any():
            low[at], high[at] = found
    return SkillFit(
        design.names,
        values,
        low,
        high,
        design.own_advantages,
        design.constant,
        plain.penalised,
        drawn,
        penalised,
        lost,
    )


def _drawn(
    design: Design,
    won: FloatArray,
    clusters: Clusters,
    plain: Fit,
    rng: np.random.Generator,
    draws: int,
) -> tuple[FloatArray, int, int]:
    """Return the figures of each draw, NaN where it does not determine them, and how many were penalised, and lost."""
    if clusters.passages < 2:
        return np.full((draws, len(design.names)), math.nan), 0, 0
    refits = _Refits(design.columns, won, clusters, plain)
    found, penalised, lost = [], 0, 0
    for some in clusters.drawn(rng, draws):
        for start in range(0, len(some), refits.batch):
            terms, of_these, without = refits.of(some[start : start + refits.batch])
            found.append(POINTS * (terms @ design.report.T))
            penalised += of_these
            lost += without
    return np.concatenate(found), penalised, lost


class _Refits:
    """Fits of draws, many at once. Each starts at the fit of the sample, with steps by the curvature there under the draw's weights."""

    def __init__(self, columns: FloatArray, won: FloatArray, clusters: Clusters, plain: Fit) -> None:
        self._columns, self._won, self._own = columns, won, clusters.own
        self._plain = plain
        self._ridge = 1 / PENALTY**2 if plain.penalised else 0.0
        self.batch = max(1, _AT_ONCE // won.size)
        """Draws that are fitted at once."""
        p = expit(columns @ plain.terms)
        self._spread = p * (1 - p)
        cells = clusters.passage.size
        self._curves = self._by_cell(cells) if cells * columns.shape[1] ** 2 <= _AT_ONCE else None

    def _by_cell(self, cells: int) -> FloatArray:
        """Return the (cells, terms, terms) curvature of each cluster."""
        size = self._own.size
        into = csr_array((np.ones(size), (self._own, np.arange(size))), shape=(cells, size))
        spread = self._columns * self._spread[:, None]
        return np.stack([np.asarray(into @ (spread * column[:, None])) for column in self._columns.T], axis=1)

    def of(self, weights: FloatArray) -> tuple[FloatArray, int, int]:
        """Return (draws, terms) fits of (draws, cells) weights, and how many were penalised, and are NaN because the draw does not
        determine them.
        """
        curves = self._curved(weights)
        known = np.array([_full(curve) for curve in curves])
        terms = np.full((len(weights), self._columns.shape[1]), math.nan)
        if not known.any():
            return terms, 0, int((~known).sum())
        own = np.ascontiguousarray(weights[known][:, self._own].T)
        fits, settled = self._settled(own, curves[known] + self._ridge * np.eye(terms.shape[1]))
        penalised = self._plain.penalised * len(fits)
        for at in np.flatnonzero(~settled):
            there = own[:, at] > 0
            again = fitted(self._columns[there], self._won[there], own[there, at])
            fits[at] = again.terms
            penalised += again.penalised and not self._plain.penalised
        terms[known] = fits
        return terms, penalised, int((~known).sum())

    def _curved(self, weights: FloatArray) -> FloatArray:
        """Return (draws, terms, terms) curvatures under weights."""
        if self._curves is not None:
            return np.tensordot(weights, self._curves, axes=1)
        own = (weights[:, self._own] * self._spread for weights in weights[:, None])
        return np.stack([(self._columns * each[0][:, None]).T @ self._columns for each in own])

    def _settled(self, weights: FloatArray, curves: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return fits of (n, draws) weights, and whether each settled at finite terms."""
        terms = np.repeat(self._plain.terms[:, None], weights.shape[1], axis=1)
        for _ in range(_STEPS):
            off = weights * (self._won[:, None] - expit(self._columns @ terms))
            slopes = self._columns.T @ off - self._ridge * terms
            steps = np.linalg.solve(curves, slopes.T[..., None])[..., 0].T
            terms = terms + steps
            if float(np.abs(steps).max()) < _SETTLED:
                break
        far = np.where(weights > 0, np.abs(self._columns @ terms), 0.0).max(axis=0)
        small = np.abs(steps).max(axis=0) < _SETTLED
        return terms.T, small & ((far <= _FAR) | self._plain.penalised)


def _full(curve: FloatArray) -> bool:
    """Return whether a curvature has an inverse."""
    scale = np.sqrt(np.diagonal(curve))
    return bool(scale.all()) and bool(np.linalg.eigvalsh(curve / scale / scale[:, None])[0] > 1e-9)
