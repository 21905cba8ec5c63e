"""Logs, records and data sets for other tools, held to what their formats ask for.

`make test-formats` reads them with the tools themselves: Inspect AI, datasets and mlcroissant.
"""

import hashlib
import io
import re
import zipfile
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft7Validator

from app.exchange.archive import read_archive
from app.exchange.choices import Document, Format, Part, What
from app.exchange.dataset import TABLES
from app.exchange.folders import incoming
from app.exchange.options import Options
from app.exchange.outgoing import send_out
from app.exchange.tabular import ExportRefused
from app.records.database import Database
from models import Experiment
from tests.exchange.test_export import by_models, rows_of, server
from tests.factories import finished, passage, spec

__all__ = ["server"]


async def sent(
    database: Database,
    experiment: Experiment,
    what: Document,
    target: Path,
    form: Format = Format.JSONL,
    **options: Any,
) -> int:
    return await send_out(database, experiment, what, form, target, Options(**options))


# ── Inspect ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_inspect_log_has_a_sample_for_each_verdict(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database)
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    count = await sent(database, experiment, Document.INSPECT, tmp_path / "logs")
    assert count == len(verdicts)
    logs = [orjson.loads(path.read_bytes()) for path in sorted((tmp_path / "logs").iterdir())]
    assert {(log["eval"]["metadata"]["arm"], log["eval"]["model"]) for log in logs} == {
        (row["arm"], row["judge"]) for row in verdicts
    }
    for log in logs:
        assert (log["version"], log["status"]) == (2, "success")
        arm, judge = log["eval"]["metadata"]["arm"], log["eval"]["model"]
        own = [row for row in verdicts if (row["arm"], row["judge"]) == (arm, judge)]
        assert len(log["samples"]) == log["results"]["total_samples"] == len(own)
        [score] = log["results"]["scores"]
        assert score["metrics"]["accuracy"]["value"] == pytest.approx(fmean(row["correct"] for row in own))
        for sample, row in zip(log["samples"], own, strict=True):
            assert sample["target"] == "AB"[row["gold"]]
            assert sample["choices"] == row["answers"]
            assert sample["scores"]["arena"]["value"] == row["correct"]
            assert sample["metadata"]["trial_id"] == row["trial_id"]
            assert sample["messages"][-1]["role"] == "assistant"
        places = [(sample["id"], sample["epoch"]) for sample in log["samples"]]
        assert len(set(places)) == len(places), "Inspect tells samples apart by these"


async def test_names_of_inspect_logs_are_those_that_its_viewer_lists(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(database, passage("Alba", 1))
    await sent(database, experiment, Document.INSPECT, tmp_path / "logs")
    names = [path.name for path in (tmp_path / "logs").iterdir()]
    assert names
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d.*_[0-9a-f]{32}\.json$", name) for name in names)


async def test_a_log_tells_the_talk_and_what_models_used(
    database: Database, server: Any, tmp_path: Path
) -> None:
    experiment = await by_models(database, server)
    calls = await rows_of(database, experiment, What.CALLS)
    await sent(database, experiment, Document.INSPECT, tmp_path / "logs", arms={"debate"})
    [path] = (tmp_path / "logs").iterdir()
    log = orjson.loads(path.read_bytes())
    found = [message["content"] for message in log["samples"][0]["messages"]]
    assert found[1].startswith("Debater a (for A): ")
    assert "Old Maren" not in found[0]
    own = [row for row in calls if row["arm"] == "debate" and row["judgement_id"]]
    usage = log["stats"]["model_usage"]["scripted"]
    assert usage["input_tokens"] == sum(row["tokens_in"] or 0 for row in own) > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


# ── Every Eval Ever ─────────────────────────────────────────────────────────────────────────────────────────────

STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
AGGREGATE = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info"),
        *("eval_library", "evaluation_results"),
    ],
    "properties": {
        **{
            name: {"type": "string"}
            for name in ("schema_version", "evaluation_id", "evaluation_timestamp", "retrieved_timestamp")
        },
        "source_metadata": {
            "required": ["source_type", "source_organization_name", "evaluator_relationship"],
            "properties": {
                "source_type": {"enum": ["documentation", "evaluation_run"]},
                "evaluator_relationship": {"enum": ["first_party", "third_party", "collaborative", "other"]},
                "additional_details": STRINGS,
            },
        },
        "eval_library": {"required": ["name", "version"]},
        "model_info": {"required": ["name", "id"], "properties": {"additional_details": STRINGS}},
        "evaluation_results": {
            "type": "array",
            "items": {
                "required": ["evaluation_name", "source_data", "metric_config", "score_details"],
                "properties": {
                    "source_data": {
                        "required": ["dataset_name", "source_type"],
                        "properties": {"source_type": {"const": "other"}, "additional_details": STRINGS},
                    },
                    "metric_config": {
                        "required": ["lower_is_better", "min_score", "max_score"],
                        "properties": {"score_type": {"const": "continuous"}},
                    },
                    "score_details": {
                        "required": ["score"],
                        "properties": {
                            "score": {"type": "number"},
                            "uncertainty": {
                                "properties": {
                                    "confidence_interval": {"required": ["lower", "upper"]},
                                    "num_samples": {"type": "integer"},
                                }
                            },
                        },
                    },
                },
            },
        },
        "detailed_evaluation_results": {
            "properties": {
                "format": {"enum": ["jsonl", "json"]},
                "hash_algorithm": {"enum": ["sha256", "md5"]},
                "total_rows": {"type": "integer"},
            }
        },
    },
}
"""What `eval.schema.json` 0.2.1 asks of the fields that the arena fills."""
INSTANCE = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type"),
        *("input", "answer_attribution", "evaluation"),
    ],
    "properties": {
        **{
            name: {"type": "string"}
            for name in (
                "schema_version",
                "evaluation_id",
                "model_id",
                "evaluation_name",
                "sample_id",
                "sample_hash",
            )
        },
        "interaction_type": {"enum": ["single_turn", "multi_turn"]},
        "input": {
            "required": ["raw", "reference"],
            "properties": {
                "raw": {"type": "string"},
                "reference": {"type": "array", "items": {"type": "string"}},
                "choices": {"type": "array", "items": {"type": "string"}},
            },
        },
        "output": {"type": ["object", "null"]},
        "messages": {
            "type": ["array", "null"],
            "items": {"required": ["turn_idx", "role"], "properties": {"turn_idx": {"type": "integer"}}},
        },
        "answer_attribution": {
            "type": "array",
            "items": {
                "required": ["turn_idx", "source", "extracted_value", "extraction_method", "is_terminal"]
            },
        },
        "evaluation": {
            "required": ["score", "is_correct"],
            "properties": {"score": {"type": "number"}, "is_correct": {"type": "boolean"}},
        },
        "token_usage": {
            "type": ["object", "null"],
            "required": ["input_tokens", "output_tokens", "total_tokens"],
        },
        "metadata": STRINGS,
    },
    "if": {"properties": {"interaction_type": {"const": "single_turn"}}},
    "then": {
        "required": ["output"],
        "properties": {
            "output": {"type": "object", "required": ["raw"]},
            "messages": {"type": "null"},
        },
    },
    "else": {
        "required": ["messages"],
        "properties": {"output": {"type": "null"}, "messages": {"type": "array"}},
    },
}
"""What `instance_level_eval.schema.json` 0.2.1 asks of them."""


async def test_every_eval_ever_records_have_their_instances(database: Database, tmp_path: Path) -> None:
    experiment = await finished(database)
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    assert await sent(database, experiment, Document.EVERY_EVAL_EVER, tmp_path / "eee") == len(verdicts)
    records = sorted((tmp_path / "eee").rglob("*.json"))
    assert len(records) == 8, "four arms by two judges"
    for path in records:
        record = orjson.loads(path.read_bytes())
        Draft7Validator(AGGREGATE).validate(record)
        detail = record["detailed_evaluation_results"]
        file = path.with_name(detail["file_path"])
        assert hashlib.sha256(file.read_bytes()).hexdigest() == detail["checksum"]
        instances = [orjson.loads(line) for line in file.read_bytes().splitlines()]
        assert len(instances) == detail["total_rows"]
        for instance in instances:
            Draft7Validator(INSTANCE).validate(instance)
            assert instance["evaluation_id"] == record["evaluation_id"]
            assert instance["model_id"] == record["model_info"]["id"]
        [result] = record["evaluation_results"]
        own = [
            row
            for row in verdicts
            if (row["arm"], row["judge"])
            == (record["source_metadata"]["additional_details"]["arm"], record["model_info"]["name"])
        ]
        assert result["score_details"]["score"] == pytest.approx(fmean(row["correct"] for row in own))
        ends = result["score_details"]["uncertainty"]["confidence_interval"]
        assert ends["lower"] <= result["score_details"]["score"] <= ends["upper"]


# ── data sets ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", Format)
async def test_a_data_set_has_a_card_croissant_and_the_archive(
    database: Database, tmp_path: Path, form: Format
) -> None:
    lines = [{**passage(key), "license": "CC BY 4.0"} for key in ("Alba", "Brise")]
    experiment = await finished(database, *lines)
    experiment.tags, experiment.note = ["mine"], "For colleagues."
    folder = tmp_path / "set"
    rows = await sent(database, experiment, Document.DATASET, folder, form)
    card = (folder / "README.md").read_text("utf-8")
    _, front, text = card.split("---\n", 2)
    meta = yaml.safe_load(front)
    assert meta["license"] == "cc-by-4.0"
    names = [config["config_name"] for config in meta["configs"]]
    assert names == [what.value for what in TABLES if what is not What.CALLS], "no call was made"
    assert meta["configs"][0]["default"]
    files = [config["data_files"][0]["path"] for config in meta["configs"]]
    assert sorted(files) == sorted(f"data/{path.name}" for path in (folder / "data").iterdir())
    croissant = orjson.loads((folder / "croissant.json").read_bytes())
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    for file in croissant["distribution"]:
        assert hashlib.sha256((folder / file["contentUrl"]).read_bytes()).hexdigest() == file["sha256"]
    ids = {file["@id"] for file in croissant["distribution"]}
    fields = [field for table in croissant["recordSet"] for field in table["field"]]
    assert {field["source"]["fileObject"]["@id"] for field in fields} == ids
    assert all(f"`{field['name']}`" in text for field in fields)
    assert len({field["@id"] for field in fields}) == len(fields)
    assert rows > 0
    archive = read_archive(folder / "archive.jsonl")
    assert archive.problems == ()
    assert archive.about.experiment is not None
    assert (archive.about.experiment.tags, archive.about.experiment.note) == ((), "")


async def test_a_data_set_can_go_without_passages(database: Database, tmp_path: Path, server: Any) -> None:
    experiment = await by_models(database, server)
    whole, bare = tmp_path / "whole", tmp_path / "bare"
    await sent(database, experiment, Document.DATASET, whole)
    await sent(database, experiment, Document.DATASET, bare, without={Part.PASSAGES})
    found = {
        folder: b"".join(path.read_bytes() for path in folder.rglob("*.jsonl")) for folder in (whole, bare)
    }
    assert b"Old Maren, who sold herring" in found[whole]
    assert b"Old Maren, who sold herring" not in found[bare]
    assert "Hidden passages: left out" in (bare / "README.md").read_text("utf-8")
    for secret in (b"ARENA_TEST_KEY", b"sk-not-for", server.base_url.encode()):
        assert secret not in found[whole]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_zip_holds_the_same_files_and_the_same_bytes_each_time(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(database, passage("Alba", 1), data=spec(judges=["lexical"]))
    for name in ("a.zip", "b.zip", "logs"):
        await sent(database, experiment, Document.INSPECT, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for member in archive.namelist():
            assert archive.read(member) == (tmp_path / "logs" / member).read_bytes()
    with incoming(Document.INSPECT, tmp_path / "fetched") as stream:
        stream.write((tmp_path / "a.zip").read_bytes())
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("logs", "fetched")]
    assert names[0] == names[1]


async def test_a_folder_that_is_there_and_the_standard_output_are_refused(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(database, passage("Alba", 1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for target, said in ((tmp_path / "full", "is there already"), (Path("-"), "several files")):
        with pytest.raises(ExportRefused, match=said):
            await sent(database, experiment, Document.INSPECT, target)
    assert names_in(tmp_path) == ["full", "mine.txt"]


def test_a_zip_that_names_a_file_outside_is_refused(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("../evil.txt", "evil")
    with (
        pytest.raises(ExportRefused, match="names a file outside"),
        incoming(Document.INSPECT, tmp_path / "fetched") as stream,
    ):
        stream.write(held.getvalue())
    assert not (tmp_path / "evil.txt").exists()
    assert not (tmp_path / "fetched").exists()
