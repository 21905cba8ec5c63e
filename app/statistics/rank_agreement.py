"""Whether two judges rank the same things alike."""

import numpy as np

from app.statistics.intervals import FloatArray

_SAME = 1e-9
"""Figures that differ by less are a tie."""


def tau_b(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return Kendall's tau-b along the last axis of two (..., n) arrays, as `scipy.stats.kendalltau`; NaN where one side ties all."""
    one, other = np.triu_indices(first.shape[-1], 1)
    signs = [_signs(values[..., one] - values[..., other]) for values in (first, second)]
    common = (signs[0] * signs[1]).sum(axis=-1)
    untied = [(sign != 0).sum(axis=-1) for sign in signs]
    scale = np.sqrt(np.multiply(*untied, dtype=np.float64))
    found: FloatArray = np.where(scale > 0, common / np.where(scale > 0, scale, 1.0), np.nan)
    return found


def _signs(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) < _SAME, 0.0, np.sign(values))
