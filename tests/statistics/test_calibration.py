"""How often judges are right when they are this sure."""

from app.statistics.calibration import reliability


def test_verdicts_stand_in_ten_equal_bins_and_empty_ones_are_left_out() -> None:
    low, high = reliability([(0.75, 1.0), (0.71, 0.0), (1.0, 1.0), (0.9, 0.5)])
    assert (low.low, low.high, low.verdicts, low.confidence, low.right) == (0.7, 0.8, 2, 0.73, 0.5)
    assert (high.low, high.high, high.verdicts, high.confidence, high.right) == (0.9, 1.0, 2, 0.95, 0.75)


def test_nothing_makes_no_bins() -> None:
    assert reliability([]) == []
