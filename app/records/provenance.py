"""Where the figures of an experiment come from: its questions, its prompts, and the models that answered."""

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.revisions import FIELDS, in_words
from app.records.spending import spent_by
from models import (
    Arm,
    CallAttempt,
    Experiment,
    JudgingRound,
    ModelCall,
    Passage,
    Playing,
    Question,
    TaskSet,
    Trial,
)


@dataclass(frozen=True, slots=True)
class AnsweredModel:
    """One model as its server answered."""

    endpoint: str
    model: str
    revisions: Sequence[str]
    """Names and fingerprints that its replies gave, by first appearance; empty where replies gave none."""
    replies: int
    failed: int
    """Attempts without a usable reply."""
    first: datetime | None
    """Start of the first attempt that was answered."""
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Round:
    """A judging round as it was frozen."""

    name: str
    added: bool
    judges: Sequence[Any]
    elicit: str
    repeats: int
    digest: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """The records behind a report that its methods section names."""

    task_set: str
    task_set_digest: str
    """SHA-256 over the questions that were asked, with their answers and the digests of their passages."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 over the names and digests of all templates, by arm."""
    models: Sequence[AnsweredModel] = ()
    rounds: Sequence[Round] = ()
    cap: Mapping[str, float] = field(default_factory=dict)
    """The spending cap that holds."""
    cap_reached: str | None = None
    """Where it is reached."""


async def provenance(session: AsyncSession, experiment: Experiment) -> Provenance:
    """Return the records behind a report."""
    spent = await spent_by(session, experiment.id)
    name = await session.scalar(select(TaskSet.name).where(TaskSet.id == experiment.task_set_id))
    asked = await question_digests(session, experiment.id)
    return Provenance(
        task_set=name or "",
        task_set_digest=_digest(sorted([key, digest] for key, (digest, _) in asked.items())),
        prompts=await _prompts(session, experiment.id),
        models=await answered_models(session, experiment.id),
        rounds=await _rounds(session, experiment.id),
        cap=spent.cap.as_json(),
        cap_reached=spent.sentence,
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


async def question_digests(session: AsyncSession, experiment: uuid.UUID) -> dict[str, tuple[str, str]]:
    """Return by key of each question that an experiment asks: a digest of the question with its answers and its passage, and a
    digest of the passage's family.

    Two experiments ask the same question where both the key and the first digest are the same.
    """
    asked = select(Trial.question_id).where(Trial.experiment_id == experiment)
    rows = await session.execute(
        select(
            Question.key, Question.text, Question.answers, Question.gold, Passage.text_digest, Passage.family
        )
        .join(Passage, Passage.id == Question.passage_id)
        .where(Question.id.in_(asked))
        .order_by(Question.key)
    )
    return {
        key: (_digest([key, text, answers, gold, passage.hex()]), family.hex())
        for key, text, answers, gold, passage, family in rows
    }


async def _prompts(session: AsyncSession, experiment: uuid.UUID) -> dict[str, str]:
    rows = await session.execute(
        select(Arm.name, Arm.prompts).where(Arm.experiment_id == experiment).order_by(Arm.position)
    )
    return {name: _digest(sorted(prompts.items())) for name, prompts in rows}


async def template_digests(session: AsyncSession, experiment: uuid.UUID) -> dict[str, dict[str, str]]:
    """Return the digest of each template by arm and name."""
    rows = await session.execute(
        select(Arm.name, Arm.prompts).where(Arm.experiment_id == experiment).order_by(Arm.position)
    )
    return {name: dict(prompts) for name, prompts in rows}


async def _rounds(session: AsyncSession, experiment: uuid.UUID) -> list[Round]:
    rows = await session.scalars(
        select(JudgingRound).where(JudgingRound.experiment_id == experiment).order_by(JudgingRound.position)
    )
    return [
        Round(
            row.name,
            row.position > 0,
            row.spec.get("judges", ()),
            row.elicit,
            row.spec.get("repeats", 1),
            row.digest,
        )
        for row in rows
    ]


async def answered_models(session: AsyncSession, experiment: uuid.UUID) -> list[AnsweredModel]:
    """Return every model that was asked for an experiment, by endpoint and name, with what its replies said of it."""
    name, fingerprint = CallAttempt.answered_as, CallAttempt.fingerprint
    ok = func.coalesce(CallAttempt.status, "") == "ok"
    rows = await session.execute(
        select(
            ModelCall.endpoint,
            ModelCall.model,
            ok,
            name,
            fingerprint,
            func.count(),
            func.min(CallAttempt.started_at).label("first"),
            func.max(CallAttempt.started_at),
        )
        .select_from(CallAttempt)
        .join(ModelCall, ModelCall.id == CallAttempt.call_id)
        .join(Playing, Playing.id == ModelCall.play_id)
        .where(Playing.experiment_id == experiment)
        .group_by(ModelCall.endpoint, ModelCall.model, ok, name, fingerprint)
        .order_by(ModelCall.endpoint, ModelCall.model, "first", name, fingerprint)
    )
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for endpoint, model, *group in rows:
        found[endpoint, model].append(group)
    return [_model(*key, groups) for key, groups in found.items()]


def _model(endpoint: str, model: str, groups: Sequence[Any]) -> AnsweredModel:
    good = [group for group in groups if group[0]]
    named = [
        in_words({key: value for key, value in zip(FIELDS, group[1:3], strict=True) if value})
        for group in good
    ]
    return AnsweredModel(
        endpoint,
        model,
        [said for said in dict.fromkeys(named) if said],
        sum(group[3] for group in good),
        sum(group[3] for group in groups if not group[0]),
        min((group[4] for group in good), default=None),
        max((group[5] for group in good), default=None),
    )
