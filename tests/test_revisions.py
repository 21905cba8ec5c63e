"""A model that answers as another revision under the same name: recorded, and said by the check and the report."""

import asyncio
from typing import Any

import pytest
from alembic import command
from sqlalchemy import URL, create_engine, select

from app.engine import Engine
from app.experiments.check import check
from app.experiments.plan import draw
from app.experiments.spec import parse_spec
from app.participants.revisions import MOST_NAME, MOST_SEEN, Revisions, in_words, stated
from app.records.database import Database, alembic_config
from app.records.revisions import changed_models
from app.records.tasks import passage_texts, questions_of
from app.reports.report import report
from models import Experiment, Judgement, Trial
from tests.factories import TASKS, imported, passage, played, started
from tests.servers import Script, ScriptedServer


def judged(base_url: str, **changes: Any) -> dict[str, Any]:
    """An experiment in which a model judges without a talk."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    return {
        "name": "judged",
        "tasks": {"set": TASKS},
        "participants": {"weak": model},
        "arms": {"naive": {"protocol": "naive"}},
        "judges": ["weak"],
        **changes,
    }


async def warnings(database: Database, *scripts: Script) -> list[str]:
    """Judge an equal part of an experiment under each script in turn; return what its report says first."""
    await imported(database, passage("Alba"), passage("Brise"))
    engine = Engine(database)
    async with ScriptedServer() as server:
        experiment = await started(database, judged(server.base_url))
        async with database.session() as session:
            talks = list(await session.scalars(select(Trial.id)))
            judgings = list(await session.scalars(select(Judgement.id)))
        for talk in talks:
            await engine.advance(talk)
        for number, judging in enumerate(judgings):
            server.script = scripts[number * len(scripts) // len(judgings)]
            await engine.advance(judging)
        await engine.close()
        assert server.seen
    async with database.session() as session:
        return (await report(session, experiment)).warnings


def about_revisions(sentences: list[str]) -> list[str]:
    return [sentence for sentence in sentences if "revisions" in sentence]


async def test_two_names_are_said_with_counts_and_times(database: Database) -> None:
    said = await warnings(database, Script(answers_as="scripted-05"), Script(answers_as="scripted-08"))
    [sentence] = about_revisions(said)
    assert sentence.startswith(
        "The model scripted at the endpoint weak answered as 2 revisions: scripted-05 ("
    )
    assert "replies, first at 20" in sentence
    assert "scripted-08 (" in sentence


async def test_two_fingerprints_of_one_name_are_said(database: Database) -> None:
    said = await warnings(database, Script(fingerprint="fp_1"), Script(fingerprint="fp_2"))
    [sentence] = about_revisions(said)
    assert "scripted (fp_1) (" in sentence
    assert "scripted (fp_2) (" in sentence


@pytest.mark.parametrize("script", [Script(), Script(answers_as="scripted-05", fingerprint="fp_1")])
async def test_an_alias_that_always_answers_under_one_name_is_no_change(
    database: Database, script: Script
) -> None:
    assert about_revisions(await warnings(database, script, script)) == []


async def test_replies_without_a_fingerprint_are_no_revision(database: Database) -> None:
    said = await warnings(database, Script(), Script(fingerprint="fp_1"))
    assert about_revisions(said) == []


async def test_each_model_is_compared_with_itself(database: Database) -> None:
    await imported(database, passage("Alba"))
    async with ScriptedServer(Script(models=("scripted", "other"))) as server:
        model = {"kind": "model", "base_url": server.base_url}
        people = {"one": {**model, "model": "scripted"}, "two": {**model, "model": "other"}}
        experiment = await started(
            database, judged(server.base_url, participants=people, judges=["one", "two"])
        )
        await played(database, experiment)
    async with database.session() as session:
        assert await changed_models(session, experiment.id) == []


async def test_the_check_says_it(database: Database) -> None:
    await imported(database, passage("Alba"), passage("Brise"))
    async with ScriptedServer() as server:
        file = parse_spec(judged(server.base_url))
        async with database.session() as session:
            drawn = draw(await questions_of(session, TASKS), file.tasks, file.seed)
            texts = await passage_texts(session, {item.question.passage for item in drawn})

        def change() -> None:
            server.script = Script(fingerprint=f"fp_{len(server.seen)}")

        change()
        found = await check(file, drawn[:3], texts, change)
    assert any("under the fingerprint fp_" in sentence for sentence in found.remarks)


def test_what_a_reply_says_is_bounded() -> None:
    body = {"model": "m" * 10_000, "system_fingerprint": 7}
    assert stated(body) == {"model": "m" * MOST_NAME}
    assert in_words({"system_fingerprint": "fp"}) == "fp"


def test_a_new_fingerprint_for_every_reply_is_said_a_few_times() -> None:
    seen = Revisions()
    said = [seen.changed({"model": "m", "system_fingerprint": f"fp_{number}"}) for number in range(100)]
    assert said[0] is None
    assert len([sentence for sentence in said if sentence]) == MOST_SEEN - 1


async def test_the_migration_fills_in_the_revisions_of_older_replies(
    database: Database, fresh_url: URL
) -> None:
    said = about_revisions(
        await warnings(database, Script(answers_as="scripted-05"), Script(fingerprint="fp_2"))
    )
    assert said
    async with database.session() as session:
        experiment = (await session.scalars(select(Experiment.id))).one()
        before = await changed_models(session, experiment)
    await database.engine.dispose()

    def down_and_up() -> None:
        engine = create_engine(fresh_url)
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.downgrade(config, "0018")
            command.upgrade(config, "head")
        engine.dispose()

    await asyncio.to_thread(down_and_up)
    async with database.session() as session:
        assert await changed_models(session, experiment) == before
