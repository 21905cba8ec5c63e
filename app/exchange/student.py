"""Performance gap recovered by a student that was trained on weak labels: its predictions against the supervisor's labels and a ceiling."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import UserError
from app.exchange.choices import Orders
from app.exchange.importing import listed
from app.exchange.options import Options
from app.exchange.taskfile import (
    BadInput,
    Index,
    Key,
    Problem,
    Shape,
    json_lines,
    open_input,
    reasons,
)
from app.exchange.weak_labels import GoldLabel, gold_labels, weak_labels
from app.protocols import CEILING, FLOOR
from app.records import exports
from app.statistics.intervals import FloatArray
from app.statistics.pgr import METHOD, Gap, gap_recovered
from app.statistics.readings import Figures
from app.statistics.scores import credit
from app.studies.looking import refuse_hidden
from models import Experiment

_TOLERANCE = 1e-6


class PgrRefused(UserError, ValueError):
    """Nothing was computed. The text says why and what to do."""


class Prediction(Shape):
    """A line of a file of predictions. Other fields are ignored, so that a file of weak labels is one too."""

    model_config = ConfigDict(extra="ignore")

    question: Key
    """Key of a question of the experiment."""
    answers: tuple[str, ...] | None = None
    """The answers in the order of the line; in the order of their words where left out."""
    answer: str | None = None
    """The predicted answer in its words."""
    label: Index | None = None
    """Its place in `answers`."""
    weak_label: Index | None = None
    """The same, as weak labels have it; absent for a tie, where `belief` says of which."""
    belief: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None
    """Belief in each of `answers`."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How right a student or a judge was, by question."""

    name: str
    """An arm and its judge, or a file."""
    right: Mapping[str, float]
    """1 or 0 by key of the question; parts of it for ties."""


@dataclass(frozen=True, slots=True)
class StudentGap:
    """The performance gap that a student recovered, with what it is made of."""

    experiment: str
    student: Scored
    floor: Scored
    ceiling: Scored
    common: Sequence[str]
    """Keys of the questions that all three have."""
    passages: int
    gap: Gap

    def accuracy(self, who: Scored) -> float | None:
        """Return the accuracy on the common questions; None where there is none."""
        return math.fsum(who.right[key] for key in self.common) / len(self.common) if self.common else None

    @property
    def sentence(self) -> str:
        """Return the result in one sentence."""
        if not self.common:
            return "No question is in the predictions, the floor and the ceiling: there is no gap to measure."
        terms = ", ".join(
            f"{noun} {100 * (self.accuracy(who) or 0):.1f}% ({who.name})"
            for noun, who in (("student", self.student), ("floor", self.floor), ("ceiling", self.ceiling))
        )
        on = f"on {len(self.common)} questions of {self.passages} passages"
        if self.gap.value is None:
            return (
                f"No share of the gap is given for the student: {self.gap.reason} {on.capitalize()}: {terms}."
            )
        return (
            f"The student recovers {100 * self.gap.value:.1f}% of the gap (95% interval {100 * (self.gap.low or 0):.1f} to "
            f"{100 * (self.gap.high or 0):.1f}%) {on}: {terms}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON."""
        return {
            "experiment": self.experiment,
            "pgr": self.gap.value,
            "low": self.gap.low,
            "high": self.gap.high,
            "reason": self.gap.reason,
            "method": METHOD,
            "questions": len(self.common),
            "passages": self.passages,
            **{
                noun: {
                    "name": who.name,
                    "accuracy": self.accuracy(who),
                    "questions": len(who.right),
                }
                for noun, who in (
                    ("student", self.student),
                    ("floor", self.floor),
                    ("ceiling", self.ceiling),
                )
            },
        }


async def student_gap(
    session: AsyncSession,
    experiment: Experiment,
    predictions: Path,
    *,
    floor: str | None = None,
    ceiling: str | None = None,
    judge: str | None = None,
    orders: Orders = Orders.MEAN,
) -> StudentGap:
    """Return the share of the gap between floor and ceiling that the predictions of a file recover.

    Floor and ceiling are arms, whose verdicts become labels as `orders` says, or files of predictions; the naive and the
    expert arm where None. The three terms are resampled together over passages. Raise PgrRefused for files with bad lines, and for
    arms and judges that are not there. Raise OutcomesHidden while a study runs whose file does not allow looking.
    """
    await refuse_hidden(session, experiment.id)
    frame = await exports.frame(session, experiment)
    gold = {
        item.question.key: item
        async for some in gold_labels(session, experiment.id, Options())
        for item in some
    }
    labels: dict[tuple[str, str], dict[str, float]] = {}
    protocols: dict[str, str] = {}
    async for some in weak_labels(session, experiment.id, frame, Options(orders=orders)):
        for item in some:
            right = gold[item.question.key].gold
            others = [p for at, p in enumerate(item.belief) if at != right]
            labels.setdefault((item.arm.name, item.judge), {})[item.question.key] = credit(
                item.belief[right], others
            )
            protocols[item.arm.name] = item.arm.protocol
    student = read_predictions(predictions, gold)
    named = experiment.spec.get("pgr") or {}
    low, high = (
        _end(noun, given or named.get(noun), usual, labels, protocols, judge, gold)
        for noun, given, usual in (("floor", floor, FLOOR.name), ("ceiling", ceiling, CEILING.name))
    )
    return _between(experiment, student, low, high, gold)


def _between(
    experiment: Experiment, student: Scored, low: Scored, high: Scored, gold: Mapping[str, GoldLabel]
) -> StudentGap:
    common = sorted(student.right.keys() & low.right.keys() & high.right.keys())
    families = sorted({gold[key].family for key in common})
    passage = np.array([families.index(gold[key].family) for key in common], dtype=np.int64)
    figures = [Figures(np.arange(len(common)), passage, _values(who, common)) for who in (student, low, high)]
    gap = (
        gap_recovered(*figures, seed=(experiment.seed, low.name, high.name))
        if len(families) > 1
        else Gap(len(common), reason="Fewer than two passages cannot be resampled.")
    )
    return StudentGap(experiment.name, student, low, high, common, len(families), gap)


def _values(who: Scored, keys: Sequence[str]) -> FloatArray:
    return np.array([who.right[key] for key in keys], dtype=np.float64)


def _end(
    noun: str,
    given: str | None,
    usual: str,
    labels: Mapping[tuple[str, str], Mapping[str, float]],
    protocols: Mapping[str, str],
    judge: str | None,
    gold: Mapping[str, GoldLabel],
) -> Scored:
    """Return the floor or the ceiling: an arm, or a file of predictions."""
    if given is None:
        given = next((arm for arm, protocol in protocols.items() if protocol == usual), None)
        if given is None:
            raise PgrRefused(
                f"The experiment has no judged arm of the protocol {usual}: name the {noun} with --{noun}."
            )
    if given not in protocols:
        if Path(given).is_file():
            return read_predictions(Path(given), gold)
        raise PgrRefused(
            f"--{noun} {given} is neither a judged arm (there are {', '.join(sorted(protocols))}) nor a file."
        )
    judges = sorted(name for arm, name in labels if arm == given)
    if judge is None and len(judges) > 1:
        raise PgrRefused(
            f"Several judges judged the arm {given}: name one of {', '.join(judges)} with --judge."
        )
    who = judges[0] if judge is None else judge
    if who not in judges:
        raise PgrRefused(f"The judge {who} did not judge the arm {given} (these did: {', '.join(judges)}).")
    return Scored(f"{given}, {who}", labels[given, who])


# ── files of predictions ────────────────────────────────────────────────────────────────────────────────────────


def read_predictions(path: Path, gold: Mapping[str, GoldLabel]) -> Scored:
    """Read a file of predictions. Raise PgrRefused with a sentence for each bad line."""
    problems: list[Problem] = []
    right: dict[str, float] = {}
    lines: dict[str, int] = {}
    try:
        with open_input(path) as stream:
            for number, value in json_lines(stream, path.name, problems):
                found = _score(value, gold)
                if isinstance(found, str):
                    problems.append(Problem(line=number, where=path.name, reason=found))
                    continue
                key, score = found
                if key in lines:
                    again = (
                        f'the question "{key}" is already predicted in line {lines[key]}: predict each once '
                        "(exported labels: those of one arm, by --arm)"
                    )
                    problems.append(Problem(line=number, where=path.name, reason=again))
                lines.setdefault(key, number)
                right[key] = score
    except BadInput as error:
        problems.append(Problem(line=None, where=path.name, reason=str(error)))
    if not problems and not right:
        problems.append(Problem(line=None, where=path.name, reason="the file holds no prediction"))
    if problems:
        raise PgrRefused(f"{listed(problems)}\nNothing was computed.")
    return Scored(path.name, right)


def _score(value: Mapping[str, Any], gold: Mapping[str, GoldLabel]) -> tuple[str, float] | str:
    """Return the question of a line and how right it is; or a clause that says what is wrong."""
    try:
        line = Prediction.model_validate(value)
    except ValidationError as error:
        return reasons(error, Prediction)[0]
    if line.question not in gold:
        return f'the experiment has no question "{line.question}"'
    asked = gold[line.question]
    answers = list(asked.answers if line.answers is None else line.answers)
    if sorted(answers) != sorted(asked.answers):
        return f"answers are not those of the question, {' / '.join(asked.answers)}"
    place = answers.index(asked.answers[asked.gold])
    label = line.label if line.label is not None else line.weak_label
    if line.answer is not None:
        if line.answer not in answers:
            return f'"{line.answer}" is none of the answers, {" / ".join(answers)}'
        label = answers.index(line.answer)
    if label is not None:
        if not 0 <= label < len(answers):
            return f"label is {label}, but the {len(answers)} answers are counted from 0"
        return line.question, float(label == place)
    if line.belief is None:
        return "answer, label or belief is missing"
    if len(line.belief) != len(answers):
        return f"belief has {len(line.belief)} probabilities, but there are {len(answers)} answers"
    if abs(math.fsum(line.belief) - 1) > _TOLERANCE:
        return f"belief sums to {math.fsum(line.belief):g}, not to 1"
    others = [p for at, p in enumerate(line.belief) if at != place]
    return line.question, credit(line.belief[place], others)
