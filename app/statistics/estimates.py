"""The mean of a figure of verdicts with its interval, for models and for people."""

from app.statistics.intervals import Estimate, FloatArray, Scale, mean_interval
from app.statistics.people import SHARE, interval_of_people
from app.statistics.readings import Readings, by_question

__all__ = ["SHARE", "estimated"]


def estimated(readings: Readings, values: FloatArray, scale: Scale = SHARE) -> Estimate:
    """Return the mean of (n,) values, averaged as accuracy is, with its interval: for people, for new people too."""
    if readings.pooled:
        return interval_of_people(readings, [(values, scale)], 0.95)[0]
    figures = by_question(readings, values)
    return mean_interval(figures.value, figures.passage, scale)
