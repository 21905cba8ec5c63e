"""The methods section: what it says, what it counts, and what it never says."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from app.exchange.archive import ArchiveReader
from app.exchange.archive_import import take_archive
from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.participants.addresses import host_of
from app.records.database import Database
from app.records.provenance import AnsweredModel, Provenance
from app.reports import figures
from app.reports import methods as module
from app.reports.figures.certainty import CERTAINTY
from app.reports.figures.evidence import SIDES_SAID
from app.reports.figures.sensitivity import BY_VERDICT, SENSITIVITY, TIES_WRONG, Sensitivity
from app.reports.html_file import standing_alone
from app.reports.methods import as_text, methods
from app.reports.report import RULES, Report, completed, quick, report
from models import Arm, Experiment, Judgement, Trial, Verdict
from tests.exchange.archives import lines
from tests.factories import finished, passage, spec
from tests.frames import Row, evidence
from tests.web.world import Site, opened

SECRET = "s3cret"


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application, to see the report's page."""
    async with opened(database) as site:
        yield site


async def made(database: Database, **changes: Any) -> tuple[Experiment, Report]:
    experiment = await finished(database, passage("Alba"), passage("Brise"), data=spec(**changes))
    async with database.session() as session:
        return experiment, await report(session, experiment)


def text_of(result: Report) -> str:
    return as_text(result.methods)


async def test_it_says_what_was_run_and_counts_it(database: Database) -> None:
    experiment, result = await made(database, contrasts=[["debate", "consultancy"]], seed=11)
    text = text_of(result)
    for said in (
        "The experiment small has 4 arms (naive, expert, consultancy and debate).",
        "4 questions about 2 passages of the task set ferries",
        "gold and its best distractor, in an order shuffled with seed 11",
        "debate: protocol debate with rounds 2; checker, debater_a and debater_b are advocate; prompts of version ",
        "lexical is the built-in baseline lexical-judge, no language model.",
        "Finished talks were judged by lexical and dice; beliefs after each step were elicited.",
        "1 contrast was named before the run: debate less consultancy.",
        "Holm's method",
        f"SHA-256 {experiment.digest} and seed 11",
        "No verdict is left out.",
        f"under rules of version {RULES}.",
    ):
        assert said in text, said
    [cell] = [line.cell for line in result.lines if line.place == ("debate", "lexical")]
    assert cell is not None
    assert f"debate, lexical: {cell.verdicts} verdicts on 4 questions about 2 passages." in text


async def test_the_same_questions_have_the_same_digest(database: Database) -> None:
    _, first = await made(database)
    async with database.session.begin() as session:
        second = (await start(session, parse_spec(spec(name="again", seed=5)))).experiment
        again = await report(session, second)
    assert first.provenance is not None
    assert again.provenance is not None
    assert first.provenance.task_set_digest == again.provenance.task_set_digest
    assert first.provenance.prompts == again.provenance.prompts


async def test_verdicts_that_are_left_out_are_counted_with_their_reason(database: Database) -> None:
    experiment, whole = await made(database)
    async with database.session.begin() as session:
        lost = await session.scalar(
            select(Trial.id)
            .join(Arm, Arm.id == Trial.arm_id)
            .where(Trial.experiment_id == experiment.id, Trial.assignment == 1, Arm.name == "consultancy")
            .limit(1)
        )
        judgings = select(Judgement.id).where(Judgement.talk_id == lost)
        await session.execute(delete(Verdict).where(Verdict.play_id.in_(judgings)))
    async with database.session() as session:
        less = await report(session, experiment)
    assert "Left out are" not in text_of(whole)
    count = less.totals["excluded"]
    assert count > 0
    assert (
        f"Left out are {count} verdicts on questions that lack a verdict under another assignment."
        in text_of(less)
    )


def held(**changes: Any) -> Report:
    rows = [Row("debate", f"q{n}", (0.9, 0.1), judge="strong") for n in range(4)]
    result = completed(quick(facts := evidence(rows)), facts)
    provenance = Provenance(
        "stories",
        "ab" * 32,
        {"debate": "cd" * 32},
        [
            AnsweredModel(
                "cloud",
                "gpt-x",
                ["gpt-x-2024-08-06 (fp_1)"],
                1200,
                3,
                datetime(2026, 1, 2, tzinfo=UTC),
                datetime(2026, 1, 5, tzinfo=UTC),
            )
        ],
        cap={"calls": 5000},
    )
    result.experiment.spec = {
        "elicit": "final",
        "tasks": {"set": "stories", "limit": 4, "seed": 3},
        "pilot": True,
        "endpoints": {
            "cloud": {
                "base_url": f"https://models.example.org/v1/{SECRET}",
                "headers": {"x-key": SECRET},
                "query": {"v": SECRET},
            }
        },
        "participants": {
            "strong": {
                "kind": "model",
                "endpoint": "cloud",
                "model": "gpt-x",
                "temperature": 0.4,
                "max_tokens": 700,
                "votes": 5,
                "belief": "auto",
                "extra_body": {"user": SECRET},
            }
        },
        "arms": [
            {
                "name": "debate",
                "protocol": "debate",
                "preset": "khan-2024-static-debate",
                "seats": {},
                "rounds": 3,
            }
        ],
        **changes,
    }
    return replace(result, provenance=provenance)


def test_models_are_named_with_the_revision_that_answered_and_without_secrets() -> None:
    text = as_text([{"title": item.title, "text": item.text} for item in methods(held(), RULES)])
    assert (
        "strong is the model gpt-x at the host models.example.org, with temperature 0.4, max tokens 700, belief auto and further "
        "parameters of the request (user)." in text
    )
    assert "It answered as gpt-x-2024-08-06 (fp_1) (1,200 replies, 2026-01-02 to 2026-01-05)." in text
    assert "3 of 1,203 requests to gpt-x got no usable reply" in text
    assert "The experiment was capped at 5,000 calls." in text
    assert "a pilot," in text
    assert "drawn with seed 3 (at most 4 questions in all)" in text
    assert SECRET not in text


def test_only_the_host_of_an_address_is_named() -> None:
    assert (
        host_of(f"https://user:{SECRET}@models.example.org:8443/v1/{SECRET}?k={SECRET}")
        == "models.example.org"
    )
    assert host_of("") == "unknown"


def test_figures_with_rows_add_their_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = held()
    one = replace(figures.FIGURES[-1], name="mine", methods="Mine is counted.")
    monkeypatch.setattr(figures, "FIGURES", (*figures.FIGURES, one))
    assert "Mine is counted." not in text_of(replace(result, figures={**result.figures, "mine": []}))
    assert "Mine is counted." in text_of(replace(result, figures={**result.figures, "mine": [1]}))


def test_the_commit_is_that_of_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = tmp_path / ".git"
    monkeypatch.setattr(module, "ROOT", tmp_path)
    module.commit.cache_clear()
    assert module.commit() is None
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack\n" + "b" * 40 + " refs/heads/main\n")
    module.commit.cache_clear()
    assert module.commit() == "b" * 40
    (git / "refs" / "heads" / "main").write_text("a" * 40 + "\n")
    module.commit.cache_clear()
    assert module.commit() == "a" * 40
    (git / "HEAD").write_text("c" * 40 + "\n")
    module.commit.cache_clear()
    assert module.commit() == "c" * 40
    module.commit.cache_clear()


async def test_every_form_of_the_report_has_it(site: Site) -> None:
    experiment, result = await made(site.database)
    assert json.loads(json.dumps(result.as_json()))["methods"] == result.methods
    page = await standing_alone(site.database, experiment)
    assert "Methods: text for a paper" in page
    assert "data-copy" not in page
    assert "The experiment small has 4 arms" in page
    shown = (await (await site.browser("alice")).get("/experiments/small/report")).text
    assert 'data-copy="methods-text"' in shown
    assert "The experiment small has 4 arms" in shown


async def test_of_imported_talks_it_names_no_prompts_and_no_way_of_judging_here(database: Database) -> None:
    reader = ArchiveReader("theirs.jsonl")
    for number, line in enumerate(lines(), start=1):
        reader.read(number, line)
    async with database.session.begin() as session:
        saved = await take_archive(session, reader.finish(), "theirs")
    async with database.session() as session:
        text = text_of(await report(session, saved.experiment))
    assert "protocol imported" in text
    assert "prompts of version" not in text
    assert "judged by judges" not in text
    assert "shuffled with seed" not in text
    assert re.search(r"The questions asked, with answers and passages, have SHA-256 [0-9a-f]{64}\.", text)


def test_it_names_only_the_checks_that_can_change_something() -> None:
    rows = [sensitivity_row(TIES_WRONG), sensitivity_row(BY_VERDICT)]
    assert callable(SENSITIVITY.methods)
    assert SENSITIVITY.methods(rows) == (
        "The sensitivity of accuracies was checked against counting ties as wrong and counting each verdict alike."
    )
    assert SENSITIVITY.methods(rows[:1]).endswith("checked against counting ties as wrong.")


def sensitivity_row(variant: str) -> Sensitivity:
    """A row of the figure."""
    return Sensitivity("debate", "lexical", variant, 0.5, 0.4, 0.6, 0.5, 8, 4)


async def test_it_names_no_rate_of_what_was_not_looked_for(database: Database) -> None:
    _, result = await made(database)
    said, certain = result.figures["sides_said"], result.figures["certainty"]
    assert callable(SIDES_SAID.methods)
    assert callable(CERTAINTY.methods)
    assert (
        "verified, unverified and repeated quotes, concessions, refusals and suspicious"
        in SIDES_SAID.methods(said)
    )
    unchecked = [replace(row, concedes=replace(row.concedes, of=0), quotes=0) for row in said]
    assert SIDES_SAID.methods(unchecked).startswith("Rates of suspicious speeches are ratios")
    assert "read in both orders" in CERTAINTY.methods(certain)
    one = [replace(row, found=replace(row.found, orders_agree=None)) for row in certain]
    assert CERTAINTY.methods(one).endswith("the first-listed answer.")
