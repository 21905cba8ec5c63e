"""The correlation of Matthews and macro-F1 against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef  # type: ignore[import-untyped]

from app.statistics.binary import macro_f1, matthews


@pytest.mark.parametrize("seed", range(4))
def test_both_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.random(70) < 0.2
    accepted = np.where(rng.random(70) < 0.7, right, rng.random(70) < 0.5)
    table = np.array(
        [np.sum(a & b) for a in (right, ~right) for b in (accepted, ~accepted)], dtype=np.float64
    )
    assert matthews(table) == pytest.approx(matthews_corrcoef(right, accepted))
    assert macro_f1(table) == pytest.approx(f1_score(right, accepted, average="macro"))
    assert matthews(table / 70) == pytest.approx(matthews(table))


def test_a_judge_who_accepts_all_has_no_correlation() -> None:
    tables = np.array([[9.0, 0.0, 1.0, 0.0], [5.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    found = matthews(tables)
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == 1
    assert macro_f1(tables)[:2] == pytest.approx([0.5 * 18 / 19, 1])
