"""Every Eval Ever: one record for each arm and judge, beside it a file with an instance for each verdict.

They follow the schemas `eval.schema.json` and `instance_level_eval.schema.json` of the EvalEval Coalition, version 0.2.1. The record is
about the judge: how often it was right with the help of the arm. It is about models, so verdicts of people are left out.
"""

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import orjson
from anyio import to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.inspect_log import SCORER, Sampled, samples
from app.exchange.options import Options
from app.exchange.people import frame_of
from app.records.exports import Frame
from app.statistics.intervals import METHOD, mean_interval
from app.statistics.reducers import SHARE
from models import Experiment, Participant

SCHEMA = "0.2.1"
INSTANCES = "instance_level_eval_0.2.1"


@dataclass(slots=True)
class _Record:
    """The verdicts of one judge under one arm."""

    arm: str
    judge: str
    protocol: str
    participant: Participant
    items: list[Sampled] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Return the name of the judge's model, as developer and name."""
        name = str(self.participant.settings.get("model") or self.judge)
        return (
            name if "/" in name else f"{'arena' if self.participant.kind == 'builtin' else 'unknown'}/{name}"
        )


async def write_every_eval_ever(
    session: AsyncSession, experiment: Experiment, folder: Path, options: Options
) -> int:
    """Write a record and its instances for each arm and judge into `folder`, and return the number of instances."""
    frame = await frame_of(session, experiment, options)
    records: dict[tuple[str, str], _Record] = {}
    async for item in samples(session, experiment, frame, options):
        if item.participant.kind == "person":
            continue
        own = records.setdefault(
            (item.arm, item.judge), _Record(item.arm, item.judge, item.protocol, item.participant)
        )
        own.items.append(item)
    for record in records.values():
        await to_thread.run_sync(_write, experiment, frame, record, folder)
    return sum(len(record.items) for record in records.values())


def _write(experiment: Experiment, frame: Frame, record: _Record, folder: Path) -> None:
    own = uuid.uuid5(uuid.NAMESPACE_URL, f"{experiment.digest}/{record.arm}/{record.judge}")
    developer, _, model = record.model.partition("/")
    place = folder / "data" / _plain(experiment.name) / _plain(developer) / _plain(model)
    place.mkdir(parents=True, exist_ok=True)
    times = [item.at for item in record.items]
    made = max(times).timestamp()
    evaluation = f"{experiment.name}/{record.arm}/{record.model}/{made:.0f}"
    instances = place / f"{own}_samples.jsonl"
    instances.write_bytes(
        b"".join(
            orjson.dumps(_instance(record, item, evaluation), option=orjson.OPT_APPEND_NEWLINE)
            for item in record.items
        )
    )
    (place / f"{own}.json").write_bytes(
        orjson.dumps(
            _aggregate(experiment, frame, record, evaluation, times, instances), option=orjson.OPT_INDENT_2
        )
    )


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".") or "unnamed"


def _aggregate(
    experiment: Experiment,
    frame: Frame,
    record: _Record,
    evaluation: str,
    times: Sequence[datetime],
    instances: Path,
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation,
        "evaluation_timestamp": min(times).astimezone(UTC).isoformat(),
        "retrieved_timestamp": f"{max(times).timestamp():.0f}",
        "source_metadata": {
            "source_name": experiment.name,
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            "additional_details": {
                "experiment_digest": experiment.digest,
                "arm": record.arm,
                "protocol": record.protocol,
            },
        },
        "eval_library": {"name": "oversight-arena", "version": version("oversight-arena")},
        "model_info": {
            "name": record.judge,
            "id": record.model,
            "developer": record.model.partition("/")[0],
            "additional_details": {"kind": record.participant.kind, "role": "judge"},
        },
        "evaluation_results": [_accuracy(frame, record)],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": instances.name,
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(instances.read_bytes()).hexdigest(),
            "total_rows": len(record.items),
        },
    }


def _accuracy(frame: Frame, record: _Record) -> dict[str, Any]:
    """Return the accuracy: the mean over questions of the mean over their verdicts, clustered by passage."""
    by_question: dict[tuple[str, str], list[float]] = defaultdict(list)
    for item in record.items:
        by_question[item.sample["metadata"]["family"], item.sample["id"]].append(item.correct)
    families = sorted({family for family, _ in by_question})
    passages = np.array([families.index(family) for family, _ in by_question])
    found = mean_interval(np.array([fmean(own) for own in by_question.values()]), passages, SHARE)
    return {
        "evaluation_name": f"{frame.task_set}/{record.arm}",
        "source_data": {
            "dataset_name": frame.task_set,
            "source_type": "other",
            "additional_details": {"questions": str(len(by_question)), "passages": str(len(families))},
        },
        "metric_config": {
            "evaluation_description": "How often the judge, without the passage, gives the right answer the most belief; a tie counts a half.",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 1,
        },
        "score_details": {
            "score": found.value,
            "uncertainty": {
                "confidence_interval": {
                    "lower": found.low,
                    "upper": found.high,
                    "confidence_level": 0.95,
                    "method": METHOD,
                },
                "num_samples": len(by_question),
            },
        },
    }


def _instance(record: _Record, item: Sampled, evaluation: str) -> dict[str, Any]:
    sample = item.sample
    *earlier, said = sample["messages"]
    talk = len(earlier) > 1
    answer, target = sample["scores"][SCORER]["answer"], sample["target"]
    source = f"messages[{len(earlier)}].content" if talk else "output.raw"
    return {
        "schema_version": INSTANCES,
        "evaluation_id": evaluation,
        "model_id": record.model,
        "evaluation_name": f"{record.arm}",
        "sample_id": f"{sample['id']}/{sample['epoch']}",
        "sample_hash": hashlib.sha256(f"{sample['input']}{target}".encode()).hexdigest(),
        "interaction_type": "multi_turn" if talk else "single_turn",
        "input": {"raw": sample["input"], "reference": [target], "choices": sample["choices"]},
        "output": None if talk else {"raw": [said["content"]]},
        "messages": _messages(sample["messages"]) if talk else None,
        "answer_attribution": [
            {
                "turn_idx": len(earlier) if talk else 0,
                "source": source,
                "extracted_value": answer,
                "extraction_method": sample["metadata"]["method"],
                "is_terminal": True,
            }
        ],
        "evaluation": {
            "score": item.correct,
            "is_correct": item.correct == 1,
            "num_turns": len(sample["messages"]),
        },
        "token_usage": _tokens(sample["model_usage"]),
        "metadata": {
            name: value if isinstance(value, str) else orjson.dumps(value).decode()
            for name, value in sample["metadata"].items()
            if value is not None
        },
    }


def _messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"turn_idx": at, "role": message["role"], "content": message["content"]}
        for at, message in enumerate(messages)
    ]


def _tokens(usage: Mapping[str, Mapping[str, int]]) -> dict[str, int] | None:
    """Return the sum over models; None where no call was made."""
    if not usage:
        return None
    names = next(iter(usage.values())).keys()
    return {name: sum(own[name] for own in usage.values()) for name in names}
