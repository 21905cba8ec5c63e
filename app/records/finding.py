"""Trials of an experiment found by what is known of them: filters, orders, words of speeches, and a trial's place in a list."""

import operator
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Select,
    Subquery,
    Text,
    Uuid,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import PEOPLE
from app.protocols.writing import has_unspaced
from app.records.paging import PER_PAGE, Page
from app.records.summaries import OF_JUDGE
from app.records.verdicts import JUDGE
from models import (
    Arm,
    Experiment,
    Judging,
    Move,
    Participant,
    Passage,
    Playing,
    Question,
    Trial,
    TrialSummary,
)

CONFIDENT = 0.8
"""The least belief in a wrong answer that counts as confident."""
MOST_PASSAGES = 200
"""Passages that a form offers to choose from."""
FLAGS = {
    "unverified_quote": "unverified quote",
    "refusal": "refusal",
    "concession": "concession",
    "injection": "instructions or forged marks",
    "cut": "cut to length",
    "unknown_wrapper": "unknown wrapper",
}
"""What is found in speeches that judges read, and how it is called."""
Judged: TypeAlias = Literal["", "right", "wrong", "confident"]
"""A verdict of that kind; `confident` is wrong with at least `CONFIDENT` on a wrong answer."""
Split: TypeAlias = Literal["", "judges", "orders"]
"""Between whom right and wrong differ: two judges, or two reading orders of one judge."""
Sort: TypeAlias = Literal[
    "", "least-gold", "most-gold", "most-wrong", "judges-apart", "orders-apart", "longest", "shortest"
]
"""The order of a list; that of the queue where empty."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters and the order of a list of trials. Empty fields filter nothing."""

    arm: str = ""
    state: str = ""
    """State of the trial, or `judgement failed`."""
    passage: str = ""
    """Its key."""
    judged: Judged = ""
    """Trials with at least one such verdict."""
    judge: str = ""
    """Whose verdicts count, by name; `people` for those of all people. Alone: trials with a verdict of that judge."""
    split: Split = ""
    gold_min: int | None = None
    """Least mean belief in gold, in percent."""
    gold_max: int | None = None
    words_min: int | None = None
    """Fewest words of the speeches that judges read."""
    words_max: int | None = None
    flag: str = ""
    """A name of `FLAGS`, or `any`."""
    text: str = ""
    """Words, beginnings of words, and "phrases" that one speech has."""
    sort: Sort = ""

    def asked(self) -> dict[str, str]:
        """Return what is not empty, for an address."""
        return {key: str(value) for key, value in asdict(self).items() if value not in ("", None)}

    @property
    def by_outcome(self) -> bool:
        """Return whether a filter or the order depends on what judges came to believe."""
        ordered = self.sort not in ("", "longest", "shortest")
        return bool(self.judged or self.split or ordered) or (self.gold_min, self.gold_max) != (None, None)

    @property
    def has_bare_words(self) -> bool:
        """Return whether there are words, and none in quotation marks, so that they may be looked for within words."""
        return bool(self.text) and '"' not in self.text

    @property
    def more(self) -> bool:
        """Return whether there is a filter, beside words and the order."""
        return bool(self.asked().keys() - {"text", "sort"})


PRESETS: dict[str, tuple[str, Wanted]] = {
    "confident": ("Confident and wrong", Wanted(judged="confident", sort="most-wrong")),
    "judges": ("Judges disagree", Wanted(split="judges", sort="judges-apart")),
    "orders": ("Orders disagree", Wanted(split="orders", sort="orders-apart")),
    "flagged": ("Flagged", Wanted(flag="any")),
    "longest": ("Longest", Wanted(sort="longest")),
}
"""Lists that are a link away."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial in a list."""

    trial: Trial
    arm: str
    question: Question
    passage: Passage
    summary: TrialSummary | None
    """Of all its verdicts; None where it is not done."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list of trials."""

    listed: Page[TrialRow]
    inside: bool
    """Whether no speech has the words wanted, and trials are listed whose speeches hold the text within words."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a trial in a list."""

    number: int
    """From 1."""
    total: int
    before: uuid.UUID | None
    after: uuid.UUID | None

    @property
    def page(self) -> int:
        """Return the page of the list that has it."""
        return (self.number - 1) // PER_PAGE + 1


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def trials(session: AsyncSession, experiment: uuid.UUID, wanted: Wanted, number: int) -> Found:
    """Return a page of the trials that fit."""
    found = await _listed(session, _query(experiment, wanted), number)
    inside = not found.total and wanted.has_bare_words
    if inside:
        found = await _listed(session, _query(experiment, wanted, inside=True), number)
    return Found(found.of(await _rows(session, found.rows)), inside)


async def _listed(session: AsyncSession, query: "_Query", number: int) -> Page[uuid.UUID]:
    """Return a page of ids. They are found and counted in one go, since some filters take long."""
    await session.execute(_MEMORY)
    cut = query.ids.add_columns(func.count().over()).order_by(*query.order)
    rows = (await session.execute(cut.limit(PER_PAGE).offset((number - 1) * PER_PAGE))).all()
    total = rows[0][1] if rows else 0 if number == 1 else await _size(session, query.ids)
    return Page([row[0] for row in rows], number, total)


async def _rows(session: AsyncSession, ids: Sequence[uuid.UUID]) -> list[TrialRow]:
    """Return trials with what a list shows of them, in the order of `ids`."""
    rows = await session.execute(
        select(Trial, Arm.name, Question, Passage, TrialSummary)
        .join(Arm, Arm.id == Trial.arm_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
        .outerjoin(TrialSummary, TrialSummary.trial_id == Trial.id)
        .where(Trial.id.in_(ids))
        .execution_options(populate_existing=True)
    )
    by_id = {row[0].id: TrialRow(*row) for row in rows}
    return [by_id[identity] for identity in ids]


async def place_of(session: AsyncSession, trial: Trial, wanted: Wanted) -> Place | None:
    """Return the place of a trial in a list; None where it is not in it."""
    if not wanted.asked():
        return await _place_in_queue(session, trial)
    found = await _place(session, trial, _query(trial.experiment_id, wanted))
    if found is None and wanted.has_bare_words:
        found = await _place(session, trial, _query(trial.experiment_id, wanted, inside=True))
    return found


async def _place(session: AsyncSession, trial: Trial, query: "_Query") -> Place | None:
    await session.execute(_MEMORY)
    places = query.ids.add_columns(
        func.row_number().over(order_by=query.order).label("number"),
        func.count().over().label("total"),
        func.lag(Trial.id).over(order_by=query.order).label("before"),
        func.lead(Trial.id).over(order_by=query.order).label("after"),
    ).subquery()
    columns = (places.c.number, places.c.total, places.c.before, places.c.after)
    row = (await session.execute(select(*columns).where(places.c.id == trial.id))).one_or_none()
    return None if row is None else Place(*row)


async def _place_in_queue(session: AsyncSession, trial: Trial) -> Place:
    """Return the place among all trials of the experiment, without sorting them."""
    every = select(Trial.id).where(Trial.experiment_id == trial.experiment_id, Trial.position.is_not(None))
    earlier, later = (
        every.where(Trial.position < trial.position),
        every.where(Trial.position > trial.position),
    )
    before, after = [await _size(session, side) for side in (earlier, later)]
    return Place(
        before + 1,
        before + 1 + after,
        await session.scalar(earlier.order_by(Trial.position.desc()).limit(1)),
        await session.scalar(later.order_by(Trial.position).limit(1)),
    )


async def _size(session: AsyncSession, ids: Select[uuid.UUID]) -> int:
    return await session.scalar(select(func.count()).select_from(ids.subquery())) or 0


async def preset_counts(session: AsyncSession, experiment: uuid.UUID) -> dict[str, int]:
    """Return how many trials each preset finds, of those that filter."""
    counts = [
        func.count().filter(*conditions).label(name)
        for name, (_, wanted) in PRESETS.items()
        if (conditions := _of_facts(_SUMMARY.c, wanted))
    ]
    row = (await session.execute(select(*counts).where(TrialSummary.experiment_id == experiment))).one()
    return dict(row._mapping)


async def judges_of(session: AsyncSession, experiment: uuid.UUID) -> list[str]:
    """Return the judges with verdicts by name, with one name for all people."""
    judges = select(Playing.judge_id).where(Playing.experiment_id == experiment, Playing.state == "done")
    name = JUDGE.label("judge")
    rows = await session.scalars(
        select(name).where(Participant.id.in_(judges.distinct())).distinct().order_by(name)
    )
    return list(rows)


async def passages_of(session: AsyncSession, experiment: uuid.UUID) -> list[tuple[str, str]]:
    """Return key and title of the passages of an experiment by key; none where they are too many to choose from."""
    drawn = (
        select(Trial.id)
        .join(Question, Question.id == Trial.question_id)
        .where(Question.passage_id == Passage.id, Trial.experiment_id == experiment)
    )
    rows = await session.execute(
        select(Passage.key, Passage.title)
        .where(Passage.task_set_id == _task_set(experiment), drawn.correlate(Passage).exists())
        .order_by(Passage.key)
        .limit(MOST_PASSAGES + 1)
    )
    found = [(row[0], row[1]) for row in rows]
    return found if len(found) <= MOST_PASSAGES else []


def _task_set(experiment: uuid.UUID) -> Any:
    return select(Experiment.task_set_id).where(Experiment.id == experiment).scalar_subquery()


# ── filters and orders ──────────────────────────────────────────────────────────────────────────────────────────

Facts: TypeAlias = Any
"""The columns of summaries: of all verdicts, or of those of one judge."""


@dataclass(frozen=True, slots=True)
class _Query:
    """What finds the trials of a list."""

    ids: Select[uuid.UUID]
    order: Sequence[ColumnElement[Any]]


# With less memory, many hits are kept as pages of the table, and each speech on these is split into words again.
_MEMORY = select(func.set_config("work_mem", "64MB", True))


def _query(experiment: uuid.UUID, wanted: Wanted, *, inside: bool = False) -> _Query:
    """Return the query for a list; with `inside` for speeches that have the text anywhere, within words too."""
    conditions = _of_trial(experiment, wanted)
    if wanted.text:
        conditions.append(_holds(wanted.text) if inside else Trial.id.in_(_spoken(wanted.text)))
    if wanted.judge:
        judged = _of_judge(experiment, wanted.judge)
        ids, facts = select(Trial.id).join(judged, judged.c.trial_id == Trial.id), judged.c
    else:
        ids, facts = select(Trial.id).outerjoin(_SUMMARY, _SUMMARY.c.trial_id == Trial.id), _SUMMARY.c
    return _Query(ids.where(*conditions, *_of_facts(facts, wanted)), _order(facts, wanted.sort))


_SUMMARY = TrialSummary.__table__

_COLUMNS: dict[str, Any] = {
    "trial_id": Uuid,
    "words": Integer,
    "flags": ARRAY(Text),
    "verdicts": Integer,
    "right": Integer,
    "wrong": Integer,
    "p_gold": Double,
    "p_wrong": Double,
    "judges_apart": Double,
    "judges_split": Boolean,
    "orders_apart": Double,
    "orders_split": Boolean,
}


def _of_judge(experiment: uuid.UUID, judge: str) -> Subquery:
    """Return the same as summaries for the verdicts of one judge, or of all people, computed now."""
    query = text(OF_JUDGE).bindparams(experiment=experiment, judge=judge, people=PEOPLE)
    return query.columns(**_COLUMNS).subquery("facts")


def _of_trial(experiment: uuid.UUID, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions on the trial itself."""
    found: list[ColumnElement[bool]] = [Trial.experiment_id == experiment, Trial.position.is_not(None)]
    if wanted.arm:
        arm = select(Arm.id).where(Arm.experiment_id == experiment, Arm.name == wanted.arm)
        found.append(Trial.arm_id == arm.scalar_subquery())
    if wanted.state == "judgement failed":
        failed = select(Judging.id).where(Judging.talk_id == Trial.id, Judging.state == "failed")
        found.append(failed.correlate(Trial).exists())
    elif wanted.state:
        found.append(Trial.state == wanted.state)
    if wanted.passage:
        questions = select(Question.id).join(Passage, Passage.id == Question.passage_id)
        found.append(Trial.question_id.in_(questions.where(Passage.key == wanted.passage)))
    return found


def _of_facts(facts: Facts, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions on a summary."""
    limits = (
        (wanted.gold_min, facts.p_gold, operator.ge, 100),
        (wanted.gold_max, facts.p_gold, operator.le, 100),
        (wanted.words_min, facts.words, operator.ge, 1),
        (wanted.words_max, facts.words, operator.le, 1),
    )
    found = [compare(column, limit / scale) for limit, column, compare, scale in limits if limit is not None]
    if wanted.judged:
        found.append(
            {"right": facts.right > 0, "wrong": facts.wrong > 0, "confident": facts.p_wrong >= CONFIDENT}[
                wanted.judged
            ]
        )
    if wanted.split:
        found.append(facts.judges_split if wanted.split == "judges" else facts.orders_split)
    if wanted.flag:
        has = facts.flags != [] if wanted.flag == "any" else facts.flags.contains([wanted.flag])
        found.append(has)
    return found


def _order(facts: Facts, sort: Sort) -> list[ColumnElement[Any]]:
    """Return the order of a list; what is unknown comes last, and equals in the order of the queue."""
    orders: dict[str, ColumnElement[Any]] = {
        "least-gold": facts.p_gold.asc(),
        "most-gold": facts.p_gold.desc(),
        "most-wrong": facts.p_wrong.desc(),
        "judges-apart": facts.judges_apart.desc(),
        "orders-apart": facts.orders_apart.desc(),
        "longest": facts.words.desc(),
        "shortest": facts.words.asc(),
    }
    first = [orders[sort].nulls_last()] if sort else []
    return [*first, Trial.position.asc()]


# ── words of speeches ───────────────────────────────────────────────────────────────────────────────────────────

_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')
_SAID = Move.content["said"]["text"].astext
_IS_SPEECH = Move.content["kind"].astext == literal_column("'speech'")


def _spoken(wanted: str) -> Select[uuid.UUID]:
    """Return the plays with a speech that has all the words, beginnings of words, and phrases of a text.

    The index finds speeches with all the words. The order of the words in a phrase is looked for in those alone.
    """
    words = func.speech_words(Move.content)
    found = select(Move.play_id).where(_IS_SPEECH)
    for quoted, bare in _TERM.findall(wanted):
        if bare and bare.isalnum() and not has_unspaced(bare):
            found = found.where(words.op("@@")(func.to_tsquery("simple", f"'{bare}':*")))
        elif term := (quoted or bare).strip():
            found = found.where(
                words.op("@@")(func.plainto_tsquery("simple", func.spaced(term))),
                _SAID.icontains(term, autoescape=True),
            )
    return found


def _holds(wanted: str) -> ColumnElement[bool]:
    """Return whether a speech of a trial holds a text, within words too."""
    said = select(Move.id).where(Move.play_id == Trial.id, _SAID.icontains(wanted, autoescape=True))
    return said.correlate(Trial).exists()
