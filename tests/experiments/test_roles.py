"""Provers that are told their role, in whole experiments: what the engine plays, and what the report says."""

from typing import Any

import pytest
from sqlalchemy import select

from app.experiments.check import check
from app.experiments.freeze import drawn_of
from app.experiments.spec import parse_spec
from app.records.database import Database
from app.reports.report import report
from models import Trial
from tests.experiments.test_estimate import estimated
from tests.factories import TEXT, finished, imported, passage, spec

TOLD: dict[str, Any] = {"protocol": "prover-verifier", "roles": "known", "seats": {"provers": "advocate"}}


async def test_the_engine_plays_the_role_of_each_assignment_and_the_report_says_who_kept_to_it(
    database: Database,
) -> None:
    data = spec(name="told", arms={"told": TOLD}, judges=["lexical"])
    experiment = await finished(database, passage("Alba", 3), passage("Brise", 3), data=data)
    async with database.session() as session:
        trials = list(await session.scalars(select(Trial).where(Trial.experiment_id == experiment.id)))
        made = await report(session, experiment)
    for_gold: dict[str, list[bool]] = {"helpful": [], "sneaky": []}
    for trial in trials:
        role = ("helpful", "sneaky")[trial.assignment]
        assert trial.outcome is not None
        measures = trial.outcome["measures"]
        assert measures == {"helpful": float(role == "helpful"), "sneaky": float(role == "sneaky")}
        # Gold is the first answer of every question here.
        for_gold[role].append(trial.answers[trial.argues["prover"]] == 0)
    assert [len(found) for found in for_gold.values()] == [6, 6]
    told = {found.key: found.value for found in made.metrics}
    assert told["helpful_for_gold"] == pytest.approx(sum(for_gold["helpful"]) / 6)
    assert told["sneaky_against_gold"] == pytest.approx(1 - sum(for_gold["sneaky"]) / 6)


async def test_the_check_plays_a_role_and_the_estimate_counts_the_choice_of_both(database: Database) -> None:
    """Choice and argument of the prover, who checks its own position too: three calls in each of two trials."""
    await imported(database, passage("Alba", questions=1))
    whole = parse_spec(spec(arms={"told": TOLD}, judges=["lexical"]))
    async with database.session() as session:
        drawn = await drawn_of(session, whole)
    assert (await check(whole, drawn, {"Alba": TEXT.format(key="Alba")})).errors == []
    model = {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    data = spec(arms={"told": {**TOLD, "seats": {"provers": "m"}}}, judges=["lexical"])
    before = await estimated(database, {**data, "participants": {**data["participants"], "m": model}})
    assert [arm.calls for arm in before.arms] == [2 * 3]
