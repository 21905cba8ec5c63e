"""Weak labels for a student: the judge's answer to each question, and apart from these the right answers. It knows no file.

The answers stand in the order of their words, which is the same in every file and says nothing about which is right.
"""

import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from statistics import fmean

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import Orders
from app.exchange.options import Options
from app.participants.base import PEOPLE
from app.records import exports
from app.records.exports import Frame
from app.records.verdicts import VerdictRow
from models import Arm, Passage, Question, Trial

AT_ONCE = 500
"""Rows that are written at once."""


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """What one judge said of one question under one arm."""

    arm: Arm
    judge: str
    judge_is_baseline: bool
    question: Question
    passage: Passage
    family: str
    answers: Sequence[str]
    """In the order of their words."""
    belief: Sequence[float]
    """By answer, in that order."""
    verdicts: int
    """Those behind it."""
    excluded: int
    """Those of them that are of people whom reports leave out."""
    excluded_because: Sequence[str]

    @property
    def label(self) -> int | None:
        """Return the place of the answer with the most belief; None for a tie."""
        most = max(self.belief)
        return self.belief.index(most) if self.belief.count(most) == 1 else None


@dataclass(frozen=True, slots=True)
class GoldLabel:
    """The right answer to a question."""

    question: Question
    passage: Passage
    family: str
    answers: Sequence[str]
    gold: int


def in_order(question: Question, trial: Trial) -> list[int]:
    """Return the places of a trial's answers in those of its question, by their words."""
    return sorted(trial.answers, key=lambda place: question.answers[place])


async def weak_labels(
    session: AsyncSession, experiment: uuid.UUID, frame: Frame, options: Options
) -> AsyncGenerator[list[WeakLabel], None]:
    """Yield a label for each arm, judge and question: all verdicts on it are taken together as `options.orders` says.

    People count as one judge. Verdicts of people who know the story are left out.
    """
    found: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    about: dict[tuple[str, str, str], VerdictRow] = {}
    left_out: dict[tuple[str, str, str], list[list[str]]] = defaultdict(list)
    async for rows in exports.verdicts(session, experiment):
        for item in rows:
            row = item.row
            judge = PEOPLE if row.judge.kind == "person" else row.judge.name
            if row.round is not None and row.round.position > 0:
                judge = f"{judge} ({row.round.name})"
            wanted = options.wants_arm(row.arm.name) and options.wants_judge(
                frame.named(row.judge), row.judge.kind
            )
            first_only = options.orders is Orders.FIRST and row.verdict.reading > 0
            hidden = not options.people and row.trial.id in frame.with_people
            if not wanted or first_only or hidden or row.knows_story:
                continue
            place = row.arm.name, judge, row.question.key
            about.setdefault(place, row)
            found[place].append(_in_order(row))
            if why := frame.why_excluded(row.judge):
                left_out[place].append(why)
    made = [
        _label(about[place], place[1], several, options.orders, left_out[place])
        for place, several in found.items()
    ]
    made.sort(key=lambda item: (item.arm.position, item.judge, item.question.key))
    for start in range(0, len(made), AT_ONCE):
        yield made[start : start + AT_ONCE]


def _in_order(row: VerdictRow) -> list[float]:
    by_answer = dict(zip(row.trial.answers, row.verdict.belief, strict=True))
    return [by_answer[place] for place in in_order(row.question, row.trial)]


def _label(
    row: VerdictRow,
    judge: str,
    several: Sequence[Sequence[float]],
    orders: Orders,
    left_out: Sequence[Sequence[str]],
) -> WeakLabel:
    beliefs = [_vote(belief) for belief in several] if orders is Orders.MAJORITY else several
    return WeakLabel(
        row.arm,
        judge,
        row.judge.kind == "builtin",
        row.question,
        row.passage,
        row.family,
        [row.question.answers[place] for place in in_order(row.question, row.trial)],
        [fmean(each) for each in zip(*beliefs, strict=True)],
        len(several),
        len(left_out),
        sorted({reason for why in left_out for reason in why}),
    )


def _vote(belief: Sequence[float]) -> list[float]:
    """Return a vote for the answer with the most belief; of a tie, equal parts."""
    most = max(belief)
    share = 1 / list(belief).count(most)
    return [share if p == most else 0.0 for p in belief]


async def gold_labels(
    session: AsyncSession, experiment: uuid.UUID, options: Options
) -> AsyncGenerator[list[GoldLabel], None]:
    """Yield the right answer of every question of an experiment's trials."""
    seen: set[str] = set()
    async for rows in exports.asked(session, experiment):
        found = []
        for arm, trial, question, passage, family in rows:
            if options.wants_arm(arm) and question.key not in seen:
                seen.add(question.key)
                places = in_order(question, trial)
                answers = [question.answers[place] for place in places]
                found.append(GoldLabel(question, passage, family, answers, places.index(question.gold)))
        yield found
