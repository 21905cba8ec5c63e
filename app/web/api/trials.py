"""The API's trials: a list to pick from, and one with its transcript and verdicts."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.records import browse, finding
from app.records.browse import JudgedTrial, Transcript
from app.services.looking import look
from app.services.visibility import visible_trial
from app.web.api import schemas
from app.web.api.authentication import PREFIX, REFUSALS, Caller
from app.web.api.experiments import Theirs
from app.web.parameters import PageNumber, TrialFilter
from app.web.security.middleware import Db
from models import Move, Participant, Verdict

router = APIRouter(prefix=PREFIX, responses=REFUSALS, tags=["experiments"])


@router.get("/experiments/{name}/trials", name="api_trials")
async def list_trials(
    caller: Caller,
    db: Db,
    experiment: Theirs,
    wanted: TrialFilter,
    number: PageNumber = 1,
) -> schemas.Listed[schemas.Trial]:
    """Trials of an experiment, as they are played or in the order of `sort`."""
    await look(db, caller, experiment, "trials")
    found = await finding.trials(db, experiment.id, wanted, number)
    return schemas.listed(found.listed, _row)


def _row(row: finding.TrialRow) -> schemas.Trial:
    known = row.summary
    return schemas.Trial(
        id=row.trial.id,
        arm=row.arm,
        passage=row.passage.key,
        question=row.question.key,
        replicate=row.trial.replicate,
        state=row.trial.state,
        error=row.trial.error,
        finished_at=row.trial.finished_at,
        right=known.right if known else 0,
        wrong=known.wrong if known else 0,
        verdicts=known.verdicts if known else 0,
        p_gold=known.p_gold if known else None,
        words=known.words if known else None,
        flags=known.flags if known else [],
    )


@router.get("/trials/{trial}", name="api_trial")
async def get_trial(
    caller: Caller,
    db: Db,
    trial: uuid.UUID,
    include_passage: Annotated[bool, Query(description="Send the hidden text too.")] = False,
) -> schemas.TrialInFull:
    """A trial with its transcript, every move beside it, and its verdicts."""
    await visible_trial(db, caller, trial)
    found = await browse.transcript(db, trial)
    await look(db, caller, found.experiment, "trials")
    outcome = found.trial.outcome or {"transcript": None, "measures": {}}
    return schemas.TrialInFull(
        id=found.trial.id,
        experiment=found.experiment.name,
        arm=found.arm.name,
        protocol=found.arm.protocol,
        passage=found.passage.key,
        passage_text=found.text if include_passage else None,
        question=found.question.key,
        question_text=found.question.text,
        answers=[found.question.answers[index] for index in found.trial.answers],
        gold=found.trial.answers.index(found.question.gold),
        argues=found.trial.argues,
        replicate=found.trial.replicate,
        seed=found.trial.seed,
        state=found.trial.state,
        error=found.trial.error,
        finished_at=found.trial.finished_at,
        transcript=outcome["transcript"],
        measures=outcome["measures"],
        moves=[_move(move, holder) for move, holder in found.moves],
        verdicts=[*_own(found), *(verdict for item in found.judged for verdict in _given(item))],
    )


def _move(move: Move, holder: Participant) -> schemas.Move:
    return schemas.Move(
        path=move.path,
        seat=move.seat,
        participant=holder.name,
        participant_kind=holder.kind,
        content=move.content,
        created_at=move.created_at,
    )


def _own(found: Transcript) -> list[schemas.Verdict]:
    """Return the verdicts of a judge who took part in the talk, and so is among the speakers."""
    holders = {holder.id: holder for _, holder in found.moves}
    return [_verdict(verdict, holders[verdict.participant_id], None) for verdict in found.verdicts]


def _given(item: JudgedTrial) -> list[schemas.Verdict]:
    return [_verdict(verdict, item.judge, item.round.name) for verdict in item.verdicts if item.judge]


def _verdict(verdict: Verdict, judge: Participant, round: str | None) -> schemas.Verdict:
    shown: dict[str, Any] = {"judge": judge.name, "judge_kind": judge.kind, "round": round}
    held = ("answer_order", "belief", "beliefs", "method", "label_mass", "reason", "said", "bounds", "flags")
    shown["created_at"] = verdict.created_at
    return schemas.Verdict(**shown, **{name: getattr(verdict, name) for name in held})
