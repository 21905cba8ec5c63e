"""What a person's part in a study is paid: a base by how it ended, and a bonus by how good their verdicts were.

Sums are in hundredths of the currency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.money import nearest
from app.statistics.bonus import RULES, Earned, earned
from app.studies.spec import COUNTED, Bonus, StudySpec


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's verdict on a real trial, in one reading order."""

    trial: str
    """Key of the judging, of which there may be several readings."""
    belief: Sequence[float]
    gold: int
    """Place of the right answer in the belief."""


def base_pay(spec: StudySpec, ended_as: str, done: int, promised: int) -> int:
    """Return what is paid for a part that ended so, whatever the verdicts were.

    `done` and `promised` count trials and the items between them alike, as on the participant's page, so that no sum tells them apart.
    Completed: the reward. Stopped: in proportion to what was done. Screened out and failed checks: what the study's file
    says. Others: nothing.
    """
    if ended_as == "completed":
        return spec.reward.minor
    if ended_as == "stopped":
        return nearest(spec.reward.minor * min(done, promised) / promised)
    return spec.smaller_pay.minor(ended_as)


def bonus_pay(
    bonus: Bonus | None, ended_as: str, verdicts: Sequence[Verdict], promised: int, seed: int
) -> tuple[int, Earned | None]:
    """Return the bonus and how it came about; nothing where none is paid for such an end."""
    if bonus is None or ended_as not in COUNTED:
        return 0, None
    found = earned(scores(bonus, verdicts), promised, binarised=bonus.binarised, seed=seed)
    return nearest(found.share * bonus.minor), found


def scores(bonus: Bonus, verdicts: Sequence[Verdict]) -> Mapping[str, float]:
    """Return the score of each trial: the mean over its readings."""
    rule, found = RULES[bonus.rule], dict[str, list[float]]()
    for verdict in verdicts:
        found.setdefault(verdict.trial, []).append(rule(verdict.belief, verdict.gold))
    return {trial: sum(each) / len(each) for trial, each in found.items()}
