"""From a spec and the questions of a task set to trials: the draw, the assignments, the seeds and the queue's
order.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

from app.experiments import examples
from app.experiments.spec import ArmSpec, Panel, Spec, SpecError, Tasks
from app.protocols.combinators import Spoken
from app.protocols.core import Assignment, Case, Protocol
from app.protocols.flaws import ITEMS, planted_in
from app.protocols.judging import orders
from app.protocols.rehearsal import rehearse
from app.protocols.writing import count_words
from models import Question


@dataclass(frozen=True, slots=True)
class Drawn:
    """A question in an experiment, with the chosen answers in the trial's order."""

    question: Question
    answers: tuple[int, ...]
    """Indices into the question's answers."""
    seeded: str
    """Key of the question from which seeds derive: this one, or for twins the one on the first passage."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the answers in the trial's order."""
        return tuple(self.question.answers[index] for index in self.answers)


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial before it has a row."""

    arm: str
    drawn: Drawn
    answers: tuple[int, ...]
    argues: Mapping[str, int]
    assignment: int
    replicate: int
    judge: str | None
    place: int
    """The number of the person on the panel, where a person takes part as judge; 0 for none."""
    seed: int


@dataclass(frozen=True, slots=True)
class _Family:
    """The questions of a passage, and in the same order those of its twin, if it has one."""

    questions: Sequence[Question]
    twins: Sequence[Question] = ()

    @property
    def key(self) -> str:
        return self.questions[0].passage.key

    def only(self, kept: Collection[str]) -> "_Family":
        """Return the questions of these keys, with those of the twin in their places."""
        places = [place for place, question in enumerate(self.questions) if question.key in kept]
        return _Family(
            *([group[place] for place in places] for group in (self.questions, self.twins) if group)
        )


def draw(questions: Sequence[Question], tasks: Tasks, seed: int) -> list[Drawn]:
    """Choose questions as `tasks` says and shuffle the answers of each. The same seeds give the same result.

    A passage counts once with its twin, and a question once with that of the twin: both are drawn, or none.
    `questions` come with their passages loaded. Raise SpecError where there are too few.
    """
    families = {family.key: family for family in _families(questions)}
    if tasks.passages is not None and tasks.passages > len(families):
        paired = ", each with its twin" if any(family.twins for family in families.values()) else ""
        raise SpecError(
            f"tasks: {tasks.passages} passages are asked for, but '{tasks.set}' has {len(families)}{paired}: ask for fewer."
        )
    rng = Random(f"{tasks.seed}/draw")
    keys = sorted(rng.sample(sorted(families), tasks.passages or len(families)))
    chosen = [_some(families[key].questions, tasks.per_passage, rng) for key in keys]
    kept = {question.key for question in _evenly(chosen, tasks.limit, rng)}
    return [item for key in keys for item in _drawn(families[key].only(kept), tasks, seed)]


def _families(questions: Sequence[Question]) -> list[_Family]:
    ordered = sorted(questions, key=lambda q: (q.passage.key, q.position))
    passages = {key: list(group) for key, group in groupby(ordered, key=lambda q: q.passage_id)}
    twins = {group[0].passage.twin_of: group for group in passages.values() if group[0].passage.twin_of}
    return [
        _Family(group, twins.get(key, ())) for key, group in passages.items() if not group[0].passage.twin_of
    ]


def _some(questions: Sequence[Question], count: int | None, rng: Random) -> Sequence[Question]:
    if count is None or count >= len(questions):
        return questions
    return sorted(rng.sample(questions, count), key=lambda q: q.position)


def _evenly(groups: Sequence[Sequence[Question]], limit: int | None, rng: Random) -> list[Question]:
    """Draw `limit` questions, one of every passage before a second of any, grouped by passage."""
    if limit is None:
        return [question for group in groups for question in group]
    drawn = [
        (rank, rng.random(), question.key)
        for group in groups
        for rank, question in enumerate(rng.sample(group, len(group)))
    ]
    kept = {key for _, _, key in sorted(drawn)[:limit]}
    return [question for group in groups for question in group if question.key in kept]


def _drawn(family: _Family, tasks: Tasks, seed: int) -> list[Drawn]:
    """Return the drawn questions of a family with their answers; of twins, by a seed, either passage comes first."""
    if not family.questions:
        return []
    names = [question.key for question in family.questions]
    orders = [_answers(question, tasks, seed) for question in family.questions]
    both = [list(map(Drawn, group, orders, names)) for group in (family.questions, family.twins)]
    if family.twins:
        Random(f"{seed}/twins/{family.key}").shuffle(both)
    return [item for group in both for item in group]


def _answers(question: Question, tasks: Tasks, seed: int) -> tuple[int, ...]:
    indices = list(range(len(question.answers)))
    if tasks.answers == "best-distractor" and len(indices) > 2:
        if question.distractor is None:
            raise SpecError(
                f"tasks: the question {question.key} has {len(indices)} answers and no best distractor: "
                "write answers: all, or name a distractor in its file."
            )
        indices = [question.gold, question.distractor]
    Random(f"{seed}/answers/{question.key}").shuffle(indices)
    return tuple(indices)


def check_answers(arms: Iterable[ArmSpec], drawn: Sequence[Drawn]) -> None:
    """Refuse an arm whose protocol cannot handle as many answers as the questions have. Raise SpecError."""
    most = max((len(item.answers) for item in drawn), default=0)
    for arm in arms:
        if most > arm.protocol.max_answers:
            raise SpecError(
                f"arms.{arm.name}: {arm.protocol.name} is for {arm.protocol.max_answers} answers and some questions "
                f"have {most}: write tasks.answers: best-distractor."
            )


def check_examples(arms: Iterable[ArmSpec], drawn: Sequence[Drawn]) -> None:
    """Refuse an arm whose verifier would see examples on a passage of this experiment, or on the twin of one.

    Raise SpecError.
    """
    passages = [item.question.passage for item in drawn]
    own = {each.hex() for passage in passages for each in (passage.text_digest, passage.family)}
    for arm in arms:
        lines = arm.prompts.get(f"{arm.protocol.name}/{examples.KIND}", "")
        for digest, key in examples.passages(lines).items():
            if digest in own:
                raise SpecError(
                    f"arms.{arm.name}.prompts.examples: the passage {key} is in the examples and in this experiment: "
                    "take examples from other passages."
                )


def check_planted(arms: Iterable[ArmSpec], drawn: Sequence[Drawn]) -> None:
    """Refuse an arm whose planted flaws come with the questions, if no question has one, or an argument is
    too long.

    Raise SpecError.
    """
    for arm in arms:
        protocol = arm.protocol
        if not isinstance(protocol, Spoken) or not any(seat.only == ITEMS for seat in protocol.seats()):
            continue
        brought = {item.question.key: planted_in(item.question.meta, item.answers) for item in drawn}
        if not any(brought.values()):
            raise SpecError(
                f"arms.{arm.name}: planted_by: {ITEMS} is set and no question drawn brings a planted flaw: import a file with "
                "planted arguments (docs/formats/tasks.md), or write planted_by: tamperer."
            )
        for key, planted in brought.items():
            for words in (count_words(each.argument) for each in planted.values()):
                if words > protocol.max_words:
                    raise SpecError(
                        f"arms.{arm.name}: a planted argument of the question {key} has {words} words and max_words is "
                        f"{protocol.max_words}: raise max_words, or shorten the argument in its file."
                    )


def plan(spec: Spec, drawn: Sequence[Drawn]) -> list[PlannedTrial]:
    """Return every trial in the order of the queue: by passage, so that prompts share it, and long arms first
    within one.
    """
    check_answers(spec.arms, drawn)
    check_examples(spec.arms, drawn)
    check_planted(spec.arms, drawn)
    halves = {arm.name: _half(arm, drawn, spec.seed) for arm in spec.arms if arm.share < 1}
    lengths = {arm.name: _length(arm.protocol, drawn[0]) for arm in spec.arms} if drawn else {}
    long_first = sorted(spec.arms, key=lambda arm: -lengths[arm.name]) if drawn else []
    return [
        _trial(spec, arm, item, number, assignment, replicate, judge, place)
        for _, questions in groupby(drawn, key=lambda item: item.question.passage_id)
        for group in [list(questions)]
        for arm in long_first
        for item in group
        for replicate in range(spec.replicates)
        for number, assignment in enumerate(arm.assignments(len(item.answers)))
        if arm.name not in halves or halves[arm.name][item.seeded] == _parity(arm, item, number)
        for judge, place in judges_of(arm.protocol, spec.panel)
    ]


def _half(arm: ArmSpec, drawn: Sequence[Drawn], seed: int) -> dict[str, int]:
    """Return by seed key which half of its assignments each question is played under, 0 or 1.

    Over the questions each participant argues for gold equally often, up to an odd one. Twins are played under the
    same half: what is argued for is gold on one of the two.
    """
    by_key: dict[str, list[Drawn]] = {}
    for item in drawn:
        by_key.setdefault(item.seeded, []).append(item)
    keys = sorted(by_key)
    Random(f"{seed}/balance/{arm.name}").shuffle(keys)
    found, alone = {}, 0
    for place, key in enumerate(keys):
        first, *twin = by_key[key]
        if twin:
            found[key] = place % 2
        else:
            found[key] = (alone + first.answers.index(first.question.gold)) % 2
            alone += 1
    return found


def _parity(arm: ArmSpec, item: Drawn, number: int) -> int:
    """Return the half to which an assignment belongs. In each half, every answer is listed first, and every
    participant is in each seat, equally often.
    """
    once = len(arm.protocol.assignments(len(item.answers)))
    return (number % once + number // once) % 2


def judges_of(protocol: Protocol, panel: Panel) -> list[tuple[str | None, int]]:
    """Return the judge of each trial of an assignment: a judge's name, a place for a person, or None where no
    judge takes part.
    """
    if not protocol.judge_takes_part:
        return [(None, 0)]
    people = panel.people.humans if panel.people else 0
    return [*((judge, 0) for judge in panel.judges), *((None, place) for place in range(1, people + 1))]


def _trial(
    spec: Spec,
    arm: ArmSpec,
    item: Drawn,
    number: int,
    assignment: Assignment,
    replicate: int,
    judge: str | None,
    place: int,
) -> PlannedTrial:
    whose = f"people/{place}" if place else judge or ""
    key = f"{spec.seed}/{arm.name}/{item.seeded}/{number}/{replicate}/{whose}"
    answers = item.answers[::-1] if assignment.reverse else item.answers
    return PlannedTrial(
        arm.name, item, answers, assignment.argues, number, replicate, judge, place, seed_of(key)
    )


def _length(protocol: Protocol, item: Drawn) -> int:
    [assignment, *_] = protocol.assignments(len(item.answers))
    case = Case(item.question.text, item.texts, assignment.argues, seed=0, role=assignment.role)
    return len(rehearse(protocol, case))


def seed_of(key: str) -> int:
    """Return a seed of 63 bits that depends only on names, so that it is the same in every database."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def reading(protocol: Protocol, answers: int) -> tuple[tuple[int, ...], ...]:
    """Return the orders in which a model judge reads a finished trial of `protocol`."""
    return orders(answers, protocol.reading_orders)
