"""What a study pays an hour, and what recruiters demand."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from app.money import in_words
from app.studies.spec import Money, StudySpec

PROLIFIC_DEMANDS: Mapping[str, Decimal] = {"GBP": Decimal(6), "USD": Decimal(8)}
"""The least reward for an hour by currency. Prolific's help page "Prolific's payment principles", a copy read on 28 November 2026."""
PROLIFIC_RECOMMENDS: Mapping[str, Decimal] = {"GBP": Decimal(9), "USD": Decimal(12)}
"""What the same page recommends."""


def hourly(spec: StudySpec) -> Decimal:
    """Return the reward for an hour at the minutes that the study states."""
    rate = spec.reward.amount * 60 / spec.minutes
    return rate.quantize(Decimal("0.01"), ROUND_HALF_UP)


def money(sum_of: Money) -> str:
    """Return a sum of money as people read it."""
    return in_words(sum_of.amount, sum_of.currency)


def pay_warnings(spec: StudySpec) -> list[str]:
    """Return a sentence where the reward is less than Prolific takes, or than it recommends. It is no refusal."""
    currency = spec.reward.currency
    least = PROLIFIC_DEMANDS.get(currency)
    if spec.recruiter.kind != "prolific":
        return [] if spec.reward.amount else ["reward: nothing is paid."]
    if least is None:
        return [f"reward: Prolific pays in GBP or USD, not in {currency}."]
    rate, recommended = hourly(spec), PROLIFIC_RECOMMENDS[currency]
    said = f"reward: {money(spec.reward)} for {spec.minutes} minutes are {in_words(rate, currency)} an hour"
    if rate < least:
        return [
            f"{said}, and Prolific takes no study below {in_words(least, currency)} an hour (as of November 2026): raise the reward."
        ]
    if rate < recommended:
        return [f"{said}; Prolific recommends {in_words(recommended, currency)} or more."]
    return []
