"""Inspect logs: one for each arm and judge, one sample for each verdict, as `inspect_ai.log.read_eval_log` reads them and
`inspect view` shows them.

They follow the JSON log format of Inspect AI (version 2 of its logs). Judges who took part in the talk have samples too.
"""

import re
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
from anyio import to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.options import Options
from app.exchange.people import frame_of
from app.participants.base import PEOPLE
from app.protocols.core import Note, Speech, parse_content
from app.protocols.quotes import render
from app.protocols.views import LETTERS
from app.records import exports
from app.records.exports import ExportedTrial, Frame, ThoughtVerdict, Usage
from app.statistics.scores import credit
from models import Experiment, Participant

LOG_VERSION = 2
SCORER = "arena"


@dataclass(slots=True)
class Sampled:
    """A verdict as a sample, with what totals are made of."""

    arm: str
    judge: str
    protocol: str
    at: datetime
    correct: float
    participant: Participant
    sample: dict[str, Any]


@dataclass(slots=True)
class _Log:
    """What one log holds."""

    arm: str
    judge: str
    protocol: str
    samples: list[dict[str, Any]] = field(default_factory=list)
    correct: list[float] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)


async def write_inspect_logs(
    session: AsyncSession, experiment: Experiment, folder: Path, options: Options
) -> int:
    """Write a log for each arm and judge into `folder`, and return the number of samples."""
    logs: dict[tuple[str, str], _Log] = {}
    frame = await frame_of(session, experiment, options)
    async for item in samples(session, experiment, frame, options):
        log = logs.setdefault((item.arm, item.judge), _Log(item.arm, item.judge, item.protocol))
        log.samples.append(item.sample)
        log.correct.append(item.correct)
        log.times.append(item.at)
    for log in logs.values():
        name = f"{min(log.times):%Y-%m-%dT%H-%M-%S}+00-00_{_plain(experiment.name)}-{_plain(log.arm)}-{_plain(log.judge)}"
        path = folder / f"{name}_{_id(experiment, log, 'task')}.json"
        await to_thread.run_sync(_write, path, experiment, frame, log)
    return sum(len(log.samples) for log in logs.values())


def _write(path: Path, experiment: Experiment, frame: Frame, log: _Log) -> None:
    path.write_bytes(orjson.dumps(_as_json(experiment, frame, log)))


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", name)[:60]


def _id(experiment: Experiment, log: _Log, what: str) -> str:
    """Return an id that is the same at every export."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{experiment.digest}/{log.arm}/{log.judge}/{what}").hex


def _as_json(experiment: Experiment, frame: Frame, log: _Log) -> dict[str, Any]:
    began, ended = min(log.times).astimezone(UTC).isoformat(), max(log.times).astimezone(UTC).isoformat()
    usage = _total(sample["model_usage"] for sample in log.samples)
    count = len(log.samples)
    metrics = {"accuracy": {"name": "accuracy", "value": fmean(log.correct), "params": {}}}
    score = {
        "name": SCORER,
        "scorer": SCORER,
        "params": {},
        "scored_samples": count,
        "unscored_samples": 0,
        "metrics": metrics,
    }
    return {
        "version": LOG_VERSION,
        "status": "success",
        "eval": {
            "eval_id": _id(experiment, log, "eval"),
            "run_id": _id(experiment, log, "run"),
            "created": began,
            "task": f"{experiment.name}/{log.arm}",
            "task_id": _id(experiment, log, "task"),
            "task_version": 0,
            "task_attribs": {},
            "task_args": {},
            "dataset": {
                "name": frame.task_set,
                "samples": count,
                "sample_ids": list(dict.fromkeys(sample["id"] for sample in log.samples)),
                "shuffled": False,
            },
            "model": log.judge,
            "model_args": {},
            "config": {},
            "packages": {"oversight-arena": version("oversight-arena")},
            "metadata": {
                "experiment": experiment.name,
                "experiment_digest": experiment.digest,
                "arm": log.arm,
                "protocol": log.protocol,
                "judge": log.judge,
            },
        },
        "plan": {"name": log.protocol, "steps": [{"solver": log.protocol, "params": {}}], "config": {}},
        "results": {"total_samples": count, "completed_samples": count, "scores": [score]},
        "stats": {"started_at": began, "completed_at": ended, "model_usage": usage},
        "samples": log.samples,
    }


# ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def samples(
    session: AsyncSession, experiment: Experiment, frame: Frame, options: Options
) -> AsyncIterator[Sampled]:
    """Yield a sample for each verdict that is wanted, by trial, round, judge and reading."""
    talks: dict[uuid.UUID, ExportedTrial] = {}
    source = exports.trials(session, experiment.id, texts=options.passages)
    used = await exports.usage(session, experiment.id)
    epochs: dict[tuple[Any, ...], int] = {}
    async for rows in exports.verdicts(session, experiment.id):
        for item in rows:
            row = item.row
            while row.trial.id not in talks:
                talks = {talk.trial.id: talk for talk in await anext(source)}
            shown = options.people or row.trial.id not in frame.with_people
            name = frame.named(row.judge)
            if not (shown and options.wants_arm(row.arm.name) and options.wants_judge(name, row.judge.kind)):
                continue
            judge = PEOPLE if row.judge.kind == "person" else row.judge.name
            if row.round is not None and row.round.position > 0:
                judge = f"{judge} ({row.round.name})"
            place = row.arm.name, judge, row.question.key
            epochs[place] = epochs.get(place, 0) + 1
            play = row.judgement.id if row.judgement else row.trial.id
            usage = used.get(play, {}) if row.judgement and row.verdict.reading == 0 else {}
            sample = _sample(item, talks[row.trial.id], name, epochs[place], usage)
            yield Sampled(
                row.arm.name,
                judge,
                row.arm.protocol,
                row.verdict.created_at,
                sample["scores"][SCORER]["value"],
                row.judge,
                sample,
            )
    await source.aclose()


def _sample(
    item: ThoughtVerdict, talk: ExportedTrial, judge: str, epoch: int, usage: Mapping[str, Usage]
) -> dict[str, Any]:
    row, verdict = item.row, item.row.verdict
    answers = [row.question.answers[index] for index in row.trial.answers]
    letters = LETTERS[: len(answers)]
    others = [p for at, p in enumerate(verdict.belief) if at != row.gold]
    correct = credit(verdict.belief[row.gold], others)
    chosen = max(range(len(answers)), key=lambda at: verdict.belief[at])
    asked = question_of(talk, answers)
    stated = "\n".join(
        [
            *(f"{letters[at]}: {100 * p:.1f}%" for at, p in enumerate(verdict.belief)),
            *([verdict.reason] if verdict.reason else []),
        ]
    )
    reasoning = [thought["text"] for thought in _own_thoughts(item)]
    said = "\n\n".join([*reasoning, stated])
    messages = [
        {"role": "user", "content": asked},
        *({"role": "user", "content": f"{speaker}: {text}"} for speaker, text in turns_of(talk)),
        {"role": "assistant", "content": said, "source": "generate", "model": judge},
    ]
    return {
        "id": row.question.key,
        "epoch": epoch,
        "input": asked,
        "choices": answers,
        "target": letters[row.gold],
        "messages": messages,
        "output": {
            "model": judge,
            "choices": [
                {
                    "message": {"role": "assistant", "content": said, "source": "generate", "model": judge},
                    "stop_reason": "stop",
                }
            ],
        },
        "scores": {
            SCORER: {
                "value": correct,
                "answer": letters[chosen],
                "explanation": verdict.reason or None,
                "metadata": {"p_gold": verdict.belief[row.gold], "belief": list(verdict.belief)},
            }
        },
        "metadata": {
            "arm": row.arm.name,
            "protocol": row.arm.protocol,
            "judge": judge,
            "round": row.round.name if row.round else None,
            "passage": row.passage.key,
            "family": row.family,
            "assignment": row.trial.assignment,
            "replicate": row.trial.replicate,
            "reading": verdict.reading,
            "reading_order": list(verdict.answer_order),
            "argues": row.trial.argues,
            "beliefs": verdict.beliefs,
            "method": verdict.method,
            "flags": list(verdict.flags),
            "trial_id": str(row.trial.id),
            "judgement_id": str(row.judgement.id) if row.judgement else None,
        },
        "store": {},
        "events": [],
        "model_usage": {name: usage_json(own) for name, own in usage.items()},
        "attachments": {},
        "uuid": uuid.uuid5(row.trial.id, f"{row.judge.digest}/{play_of(item)}/{verdict.reading}").hex,
        "completed_at": verdict.created_at.astimezone(UTC).isoformat(),
    }


def play_of(item: ThoughtVerdict) -> str:
    """Return the id of the judging, or of the talk for a judge who took part."""
    return str(item.row.judgement.id if item.row.judgement else item.row.trial.id)


def _own_thoughts(item: ThoughtVerdict) -> list[dict[str, str]]:
    own = f"judging/order{item.row.verdict.reading}/"
    return [{"text": move.content["text"]} for move in item.thoughts if move.path.startswith(own)]


def question_of(talk: ExportedTrial, answers: Sequence[str]) -> str:
    """Return what is asked, in words, with the passage where it was read."""
    lines = [talk.question.text, *(f"{LETTERS[at]}: {answer}" for at, answer in enumerate(answers))]
    return "\n".join(lines if talk.text is None else ["Passage:", talk.text, "", *lines])


def turns_of(talk: ExportedTrial) -> Iterable[tuple[str, str]]:
    """Yield what judges read of a talk: who spoke, and the words with quotes marked as judges see them."""
    moves = {move.path: move for move, _ in talk.moves}
    outcome = talk.trial.outcome or {"transcript": []}
    argues: Mapping[str, int] = talk.trial.argues
    for path in (path for group in outcome["transcript"] for path in group):
        move = moves.get(path)
        if move is None:
            continue
        content = parse_content(move.content)
        side = f" (for {LETTERS[argues[move.seat]]})" if move.seat in argues else ""
        speaker = f"{move.seat.replace('_', ' ').capitalize()}{side}"
        if isinstance(content, Speech):
            yield speaker, render(content.said)
        elif isinstance(content, Note):
            yield speaker, content.text
        else:
            fields = content.model_dump(mode="json", exclude={"kind"})
            yield speaker, orjson.dumps(fields).decode()


def usage_json(usage: Usage) -> dict[str, int]:
    """Return what was used of a model, as Inspect names it."""
    return {
        "input_tokens": usage.tokens_in,
        "output_tokens": usage.tokens_out,
        "total_tokens": usage.tokens_in + usage.tokens_out,
        "input_tokens_cache_read": usage.tokens_cached,
    }


def _total(usages: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, dict[str, int]] = {}
    for usage in usages:
        for model, own in usage.items():
            sums = total.setdefault(model, dict.fromkeys(own, 0))
            for name, count in own.items():
                sums[name] += count
    return total
