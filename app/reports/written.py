"""How figures are written in tables: shares, intervals, differences, p-values."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.shown_table import ABSENT
from app.statistics.contrasts import Contrast
from app.statistics.metrics import Measured

FIXED = "by design"
"""In place of an interval of an accuracy, or a difference, that the design fixes."""


def starred(name: str, baseline: bool) -> str:
    """Return a name, with a star for built-in baselines."""
    return f"{name}*" if baseline else name


def share(value: float | None) -> str:
    """Return a share as tables show it."""
    return ABSENT if value is None else f"{value:.1%}"


def between(low: float | None, high: float | None, form: str) -> str:
    """Return an interval as tables show it; `form` writes one bound."""
    return ABSENT if low is None or high is None else f"{form.format(low)} to {form.format(high)}"


def difference(item: Contrast | None) -> str:
    """Return the difference of a contrast as tables show it."""
    if item is None or item.difference is None:
        return ABSENT
    return f"{100 * item.difference:+.1f} points"


def interval(item: Contrast | None) -> str:
    """Return the interval of a contrast as tables show it."""
    if item is not None and item.fixed:
        return FIXED
    if item is None or item.low is None or item.high is None:
        return ABSENT
    return between(100 * item.low, 100 * item.high, "{:+.0f}")


def shown_figure(item: Measured) -> tuple[str, str]:
    """Return a metric and its interval as tables show them, with their unit."""
    if item.value is None:
        return ABSENT, ABSENT
    if item.unit == "share":
        value, form = f"{100 * item.value:.1f}%", "{:.0%}"
    else:
        value, form = f"{round(item.value, 9):.3g} {item.unit}".rstrip(), "{:.2f}"
    return value, between(item.low, item.high, form)


def shown_p(p: float | None) -> str:
    """Return a p-value as tables show it."""
    if p is None:
        return ABSENT
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def points(value: float | None) -> str:
    """Return a difference of shares in points, with its sign."""
    return ABSENT if value is None else f"{100 * value:+.1f}"


def points_between(low: float | None, high: float | None) -> str:
    """Return the interval of a difference of shares in points."""
    return ABSENT if low is None or high is None else between(100 * low, 100 * high, "{:+.0f}")


def listed(words: Sequence[str] | Mapping[str, Any]) -> str:
    """Return words as a list in a sentence."""
    own = list(words)
    return " and ".join([", ".join(own[:-1]), own[-1]]) if len(own) > 1 else "".join(own)
