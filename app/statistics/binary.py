"""Figures of verdicts that accept or reject: the correlation of Matthews, and macro-F1, from tables of counts."""

import numpy as np

from app.statistics.intervals import FloatArray

# Tables are (..., 4): right and accepted, right and rejected, wrong and accepted, wrong and rejected. Counts may be fractions.


def matthews(tables: FloatArray) -> FloatArray:
    """Return the correlation of class and verdict (Matthews 1975); NaN where one class or one verdict is missing."""
    hit, miss, false, true = np.moveaxis(tables, -1, 0)
    square = (hit + miss) * (false + true) * (hit + false) * (miss + true)
    known = square > 1e-15
    found: FloatArray = np.where(
        known, (hit * true - miss * false) / np.sqrt(np.where(known, square, 1.0)), np.nan
    )
    return found


def macro_f1(tables: FloatArray) -> FloatArray:
    """Return the mean of F1 over both classes; NaN where there is no verdict. A class that is neither there nor chosen counts 0."""
    hit, miss, false, true = np.moveaxis(tables, -1, 0)
    parts = []
    for own in (hit, true):
        size = 2 * own + miss + false
        parts.append(np.where(size > 0, 2 * own / np.where(size > 0, size, 1.0), 0.0))
    total = tables.sum(axis=-1)
    found: FloatArray = np.where(total > 0, (parts[0] + parts[1]) / 2, np.nan)
    return found
