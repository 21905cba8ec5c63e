"""The rows of verdicts and of beliefs, made one by one from records: what the tables of an export are compared with."""

import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import What
from app.exchange.export import RowMaker
from app.exchange.options import Options
from app.exchange.people import frame_of
from app.exchange.tabular import Row
from app.judge_fields import FIELDS, KNOWS_STORY
from app.protocols.flaws import GRADES
from app.records import exports
from app.records.drafts import SIGNALS, Effort
from app.records.exports import ThoughtVerdict
from app.records.timing import TAKEN
from app.records.verdicts import VerdictRow
from app.statistics.scores import credit, turns_score
from models import Experiment


async def plain_rows(
    session: AsyncSession, experiment: Experiment, what: What, options: Options
) -> AsyncIterator[Row]:
    """Yield the rows of an export in their order."""
    maker = RowMaker(experiment, await frame_of(session, experiment, options), options)
    async for items in exports.verdicts(session, experiment.id):
        for item in items:
            if _wants(maker, item.row):
                for row in [_verdict(maker, item)] if what is What.VERDICTS else _beliefs(maker, item):
                    yield row


def _wants(maker: RowMaker, row: VerdictRow) -> bool:
    judge = maker.frame.named(row.judge)
    return maker.wants_talk(row.arm, row.trial.id) and maker.options.wants_judge(judge, row.judge.kind)


def _beliefs(maker: RowMaker, item: ThoughtVerdict) -> Iterable[Row]:
    """Return a row for each belief of a verdict, oldest first."""
    row, verdict = item.row, item.row.verdict
    last = len(verdict.beliefs) - 1
    for step, belief in enumerate(verdict.beliefs):
        others = [p for at, p in enumerate(belief) if at != row.gold]
        yield {
            **_judge(maker, row),
            **maker.trial_columns(row.trial, row.question, row.passage, row.family),
            "reading": verdict.reading,
            "reading_order": verdict.answer_order,
            "step": step,
            "final": step == last,
            "belief": belief,
            "p_gold": belief[row.gold],
            "correct": credit(belief[row.gold], others),
            "method": verdict.method,
            "trial_id": str(row.trial.id),
            "judgement_id": str(row.judgement.id) if row.judgement else None,
        }


def _judge(maker: RowMaker, row: VerdictRow) -> Row:
    return {
        **maker.arm_columns(row.arm),
        "round": row.round.name if row.round else None,
        "round_added": row.round is not None and row.round.position > 0,
        "judge": maker.frame.named(row.judge),
        "judge_kind": row.judge.kind,
        "judge_is_baseline": row.judge.kind == "builtin",
        "judge_digest": row.judge.digest,
        "excluded": bool(maker.frame.why_excluded(row.judge)),
        "excluded_because": maker.frame.why_excluded(row.judge),
    }


def _verdict(maker: RowMaker, item: ThoughtVerdict) -> Row:
    row, verdict, judging = item.row, item.row.verdict, item.row.judgement
    low, high = _ends(verdict.bounds)
    others = [p for at, p in enumerate(verdict.belief) if at != row.gold]
    return {
        **_judge(maker, row),
        **maker.trial_columns(row.trial, row.question, row.passage, row.family),
        "reading": verdict.reading,
        "reading_order": verdict.answer_order,
        "belief": verdict.belief,
        "p_gold": verdict.belief[row.gold],
        "correct": credit(verdict.belief[row.gold], others),
        "judge_score": _paid(row),
        "beliefs": verdict.beliefs,
        "method": verdict.method,
        "label_mass": verdict.label_mass,
        "reason": verdict.reason,
        "said": verdict.said,
        "belief_low": low,
        "belief_high": high,
        "flags": verdict.flags,
        "thoughts": _thoughts(item),
        "marks": _marks(item),
        **_effort(item),
        **_time(row),
        "created_at": verdict.created_at,
        "judgement_id": str(judging.id) if judging else None,
    }


def _paid(row: VerdictRow) -> float | None:
    """Return the score of a judge who took part, where its protocol puts a cost on turns."""
    measures = (row.trial.outcome or {}).get("measures", {})
    if row.judgement is not None or "penalty" not in measures:
        return None
    return turns_score(row.verdict.belief[row.gold], measures["penalty"])


def _effort(item: ThoughtVerdict) -> Row:
    """Return a person's marks and effort, as a reader of the talk or in a seat of it."""
    if item.row.judge.kind != "person":
        entered = {
            **dict.fromkeys(field.name for field in FIELDS),
            KNOWS_STORY.name: item.row.knows_story or None,
        }
        return {**entered, "active_seconds": None, **dict.fromkeys(SIGNALS), "effort": []}
    flags = item.row.seat.flags if item.row.seat else {}
    worked = item.efforts if item.row.judgement else item.in_seat
    return {
        **{field.name: field.exported(flags) for field in FIELDS},
        KNOWS_STORY.name: item.row.knows_story,
        "active_seconds": _active(worked),
        **{name: _signal(worked, name) for name in SIGNALS},
        "effort": [{"step": step, **asdict(effort)} for step, effort in item.efforts.items()],
    }


def _signal(efforts: Mapping[Any, Effort], name: str) -> float | None:
    known = [value for effort in efforts.values() if (value := getattr(effort, name)) is not None]
    return sum(known) if known else None


def _active(efforts: Mapping[Any, Effort]) -> float:
    return math.fsum(effort.active_seconds for effort in efforts.values())


def _ends(bounds: Sequence[Sequence[float]] | None) -> tuple[list[float] | None, list[float] | None]:
    """Return both ends of the interval of a belief, by answer."""
    if bounds is None:
        return None, None
    return [low for low, _ in bounds], [high for _, high in bounds]


def _marks(item: ThoughtVerdict) -> list[Row]:
    """Return the judge's mark of each point, with the point's grade."""
    measures = (item.row.trial.outcome or {}).get("measures", {})
    grades = {number: measures.get(f"grade/{number}") for number in {mark.point for mark in item.marks}}
    return [
        {**asdict(mark), "grade": None if (grade := grades[mark.point]) is None else GRADES[int(grade)]}
        for mark in item.marks
    ]


def _time(row: VerdictRow) -> Row:
    """Return the time limit of a person and the time taken; an imported verdict has the time alone."""
    allowed = row.seat.seconds if row.seat else None
    taken = row.seat.flags.get(TAKEN) if row.seat else None
    if allowed is None or taken is None:
        return {"seconds_allowed": None, "seconds_taken": taken, "overtime": None}
    return {"seconds_allowed": allowed, "seconds_taken": taken, "overtime": taken > allowed}


def _thoughts(item: ThoughtVerdict) -> list[Row]:
    """Return the reasons of this verdict: each reading order has separate paths."""
    own = f"judging/order{item.row.verdict.reading}/"
    return [
        {"path": thought.path, "text": thought.content["text"]}
        for thought in item.thoughts
        if thought.path.startswith(own)
    ]
