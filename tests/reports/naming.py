"""Names of arms and judges as tests write them."""

from app.reports.figures.core import Names
from app.statistics.contrasts import Contrast


class _AsGiven:
    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        return arm, judge or "–"

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        return item.first, item.second, item.judge


AS_GIVEN: Names = _AsGiven()
"""No name is starred."""
