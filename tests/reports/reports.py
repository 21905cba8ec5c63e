"""Reports as JSON that tests write down: cells and contrasts with what answers and overviews read of them."""

from collections.abc import Sequence
from typing import Any


def cell(arm: str, accuracy: float | None = 0.6, judge: str = "weak", **changes: Any) -> dict[str, Any]:
    """A cell of 60 questions on 30 passages, with an interval of ten points either way."""
    protocol = arm if arm in ("naive", "expert") else "debate"
    known = accuracy is not None
    return {
        "arm": arm,
        "judge": judge,
        "protocol": protocol,
        "accuracy": accuracy,
        "low": accuracy - 0.1 if accuracy is not None else None,
        "high": accuracy + 0.1 if accuracy is not None else None,
        "fixed": None,
        "by_construction": None,
        "passages": 30 if known else 0,
        "questions": 60 if known else 0,
        "verdicts": 120 if known else 0,
        "excluded": 0,
        "without_twin": 0,
        "failures": 0,
        "people": None,
        "judge_is_baseline": False,
        "arm_has_baseline": False,
        "certainty": {"chance": 0.5} if known else None,
        "pgr": None,
        "log_score": -0.9,
        "brier": 0.2,
    } | changes


def item(
    difference: float | None, low: float | None = None, high: float | None = None, **changes: Any
) -> dict[str, Any]:
    """A contrast of debate and consultancy."""
    return {
        "first": "debate",
        "second": "consultancy",
        "judge": "weak",
        "difference": difference,
        "low": low,
        "high": high,
        "p": 0.004,
        "p_holm": 0.004,
        "named": 1,
        "passages": 30,
        "questions": 60,
        "people": None,
        "reason": None,
        "fixed": None,
    } | changes


def report(
    cells: Sequence[dict[str, Any]], contrasts: Sequence[dict[str, Any]] = (), **changes: Any
) -> dict[str, Any]:
    """A finished report of an experiment `small`."""
    verdicts = sum(cell["verdicts"] for cell in cells)
    totals = {
        "questions": 60,
        "trials": 120,
        "trials_done": 120,
        "judgements": 120,
        "judgements_done": 120,
        "verdicts": verdicts,
        "excluded": 0,
        "without_twin": 0,
        "knew_story": 0,
        "failures": 0,
    } | changes.pop("totals", {})
    return {
        "experiment": "small",
        "pilot": False,
        "baselines_only": False,
        "warnings": [],
        "totals": totals,
        "cells": list(cells),
        "contrasts": list(contrasts),
        "failures": [],
    } | changes
