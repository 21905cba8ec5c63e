"""What a process writes into its log: ids and figures, each trouble once, and no text and no key."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import logs, tracing
from app.records.database import Database
from tests.factories import imported, passage
from tests.processes import Arena, Records, server_process, write_spec
from tests.test_jobs import modelled

KEY = "key-that-must-not-be-logged-4711"


def line_of(**record: Any) -> dict[str, Any]:
    """What the JSON formatter makes of a record."""
    made = logging.makeLogRecord({"name": "app.engine", "levelno": 30, "levelname": "WARNING", **record})
    found: dict[str, Any] = json.loads(logs.JsonFormatter().format(made))
    return found


def test_a_line_has_the_ids_of_what_it_is_about() -> None:
    with logs.about(play="p1"), logs.about(call="c1"):
        line = line_of(msg="It %s", args=("ended",))
    assert (line["message"], line["level"], line["play"], line["call"]) == ("It ended", "warning", "p1", "c1")
    assert "play" not in line_of(msg="Later")


def test_an_error_is_its_kind_and_places_and_not_its_words() -> None:
    try:
        raise ValueError("the hidden text")
    except ValueError:
        line = line_of(msg="That failed", exc_info=sys.exc_info())
    assert line["error"] == "ValueError"
    assert "test_an_error_is_its_kind" in line["at"][-1]
    assert "hidden" not in json.dumps(line)


def test_of_other_libraries_only_the_pattern_is_written() -> None:
    assert line_of(name="aiohttp", msg="Got %s", args=("the hidden text",))["message"] == "Got %s"


def test_a_trouble_that_repeats_is_counted() -> None:
    repeats = logs.Repeats()
    made = {"name": "app", "levelno": 30, "msg": "It failed"}
    let = [repeats.filter(logging.makeLogRecord(made)) for _ in range(100)]
    assert (let[0], sum(let)) == (True, logs.MOST)
    assert repeats.filter(logging.makeLogRecord({**made, "msg": "Another"}))
    repeats._seen = {key: (began - logs.WINDOW, count) for key, (began, count) in repeats._seen.items()}
    record = logging.makeLogRecord(made)
    assert repeats.filter(record)
    assert "(95 more like it in the minute before)" in record.getMessage()


async def test_a_run_logs_ids_and_neither_texts_nor_the_key(database: Database, tmp_path: Path) -> None:
    await imported(database, passage("Alba", 2))
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with server_process(tmp_path / "requests.log", latency=0.0) as server:
        spec = modelled(server.base_url)
        spec["endpoints"] = {"far": {"base_url": server.base_url, "api_key_env": "ARENA_KEY_OF_TEST"}}
        for participant in spec["participants"].values():
            participant["endpoint"] = "far"
            del participant["base_url"]
        settings = {
            "DATABASE_URL": address,
            "ARENA_KEY_OF_TEST": KEY,
            "ARENA_LOG_FORMAT": "json",
            "ARENA_LOG_LEVEL": "info",
        }
        with Arena(tmp_path, **settings) as arena:
            ended = arena.run("run", write_spec(tmp_path / "modelled.yaml", spec))
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    records = Records(address)
    calls = {str(row[0]) for row in records.all("SELECT id FROM model_call")}
    plays = {str(row[0]) for row in records.all("SELECT id FROM play")}
    assert {line["call"] for line in lines if line["message"] == "A call ended."} == calls
    assert {line["play"] for line in lines if line["message"] == "A play ended."} == plays
    asked = {str(row[0]) for row in records.all("SELECT play_id FROM model_call")}
    assert {line["play"] for line in lines if line["message"] == "A call ended."} == asked
    for said in texts(records):
        assert said not in ended.err
    assert KEY not in ended.err


def texts(records: Records) -> list[str]:
    """Pieces of every text that was kept: passages, questions, prompts and replies."""
    stored = [row[0] for row in records.all("SELECT body FROM text UNION SELECT text FROM question")]
    stored += [json.dumps(row[0]) for row in records.all("SELECT content FROM move")]
    stored += [json.dumps(row[0]) for row in records.all("SELECT reply FROM call_attempt")]
    pieces = [text[start : start + 25] for text in stored for start in range(0, len(text) - 25, 25)]
    assert len(pieces) > 50
    return [piece for piece in pieces if len(piece.split()) > 2]


# ── traces ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_spans_are_made_where_they_are_asked_for_and_have_no_words_of_an_error() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    try:
        with tracing.span("play", play="p1"), tracing.span("call", attempt=2) as made:
            tracing.note(made, status="ok", prompt=None)
        with pytest.raises(ValueError, match="hidden"), tracing.span("call"):
            raise ValueError("the hidden text")
    finally:
        tracing.use(None)
    call, play, failed = exporter.get_finished_spans()
    assert call.parent is not None
    assert call.parent.span_id == play.context.span_id
    assert dict(call.attributes or {}) == {"arena.attempt": 2, "arena.status": "ok"}
    assert dict(failed.attributes or {}) == {"error.type": "ValueError"}
    assert failed.events == ()
    with tracing.span("play") as none:
        assert none is None


def test_nothing_that_sends_traces_is_loaded_unless_it_is_asked_for() -> None:
    code = "import app.cli, app.web.app, sys; print([name for name in sys.modules if 'opentelemetry.sdk' in name])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
