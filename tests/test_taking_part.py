"""Judges who take part in the talk, and sides that are chosen in it, from the plan to report and export."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from app.exchange.choices import What
from app.experiments.check import check
from app.experiments.estimate import estimate, gathered
from app.experiments.freeze import drawn_of, judge_again
from app.experiments.spec import Panel, PanelSpec, parse_spec
from app.records.database import Database
from app.reports.report import Report, report
from app.statistics.scores import bits
from models import Arm, Experiment, Judging, Move, Question, Trial, Verdict
from tests.exchange.test_export import rows_of
from tests.factories import TEXT, finished, imported, passage, played, spec, started
from tests.servers import Script, ScriptedServer

ROUND = {"min_rounds": 1, "max_rounds": 2}
INTERACTIVE = {
    "naive": {"protocol": "naive"},
    "asking": {"protocol": "interactive-debate", **ROUND, "seats": {"debaters": "advocate"}},
    "advised": {"protocol": "interactive-consultancy", **ROUND, "seats": {"consultants": "advocate"}},
}
OPEN = {
    "advised": {"protocol": "open-consultancy", "rounds": 1, "seats": {"consultants": "dice"}},
    "argued": {"protocol": "open-debate", "rounds": 1, "seats": {"debaters": "dice"}},
    "by-turns": {
        "protocol": "open-debate",
        "rounds": 1,
        "simultaneous": False,
        "seats": {"debaters": "dice"},
    },
}


async def interactive(database: Database, **changes: Any) -> Experiment:
    """Two passages with a question each, two judges."""
    passages = passage("Alba", questions=1), passage("Brise", questions=1)
    return await finished(database, *passages, data=spec(arms=INTERACTIVE, **changes))


async def reported(database: Database, experiment: Experiment) -> Report:
    async with database.session() as session:
        return await report(session, await session.get_one(Experiment, experiment.id))


async def judged_again(database: Database, experiment: Experiment, *judges: str) -> None:
    """A later round by some of the same judges."""
    cast = parse_spec(spec(arms=INTERACTIVE)).cast
    async with database.session.begin() as session:
        await judge_again(session, experiment, PanelSpec("again", cast, Panel(judges, "final", None)))
    await played(database, experiment)


# ── judges who take part ────────────────────────────────────────────────────────────────────────────────────────


async def test_every_judge_has_trials_of_its_own_whose_verdicts_are_theirs(database: Database) -> None:
    await interactive(database)
    async with database.session() as session:
        talks = await session.execute(
            select(Trial, Verdict)
            .join(Verdict, Verdict.play_id == Trial.id)
            .where(Trial.judge_id.is_not(None))
        )
        found = [(row[0], row[1]) for row in talks]
        assert len(found) == 2 * 2 * 2 * 2, "questions × arms × assignments × judges, one verdict each"
        for trial, verdict in found:
            assert verdict.participant_id == trial.judge_id
            assert trial.state == "done"
            assert len(verdict.beliefs) == trial.outcome["measures"]["continuations"] + 2
            assert verdict.beliefs[-1] == verdict.belief
        of_talks = (
            select(Judging.id).join(Trial, Trial.id == Judging.talk_id).where(Trial.judge_id.is_not(None))
        )
        assert list(await session.scalars(of_talks)) == []


async def test_the_report_has_a_line_for_every_judge_who_took_part_with_its_own_trials(
    database: Database,
) -> None:
    experiment = await interactive(database, contrasts=[["asking", "naive"]])
    found = await reported(database, experiment)
    lines = {(line.arm.arm, line.judge.label): line for line in found.lines}
    assert list(lines) == [(arm, judge) for arm in INTERACTIVE for judge in ("dice", "lexical")]
    told = {place: line.as_json() for place, line in lines.items()}
    assert [
        told["asking", "lexical"][key]
        for key in ("trials", "trials_done", "verdicts", "judgements", "failures")
    ] == [4, 4, 4, 0, 0]
    assert [told["naive", "lexical"][key] for key in ("trials", "trials_done", "verdicts", "judgements")] == [
        2,
        2,
        4,
        2,
    ]
    assert found.totals["judgements"] == found.totals["judgements_done"] == 4
    assert {item.judge: item.questions for item in found.contrasts} == {"dice": 2, "lexical": 2}


async def test_a_failed_trial_counts_against_the_judge_whose_it_is_alone(database: Database) -> None:
    # A scripted debater that has nothing to say from the second round on, which lexical judges never reach.
    script = {
        "kind": "builtin",
        "name": "scripted",
        "script": {"belief": ["A: 50%, B: 50%"], "remark": ["Go on."]},
    }
    data = spec(arms={"asking": INTERACTIVE["asking"]}, judges=["lexical", "mute"])
    data["participants"]["mute"] = script
    experiment = await finished(database, passage("Alba", questions=1), data=data)
    told = {line.judge.label: line.as_json() for line in (await reported(database, experiment)).lines}
    assert (told["lexical"]["failures"], told["mute"]["failures"]) == (0, 2)
    assert (told["lexical"]["trials_done"], told["mute"]["trials_done"]) == (2, 0)


async def test_the_score_of_a_judge_who_took_part_is_exported_less_what_its_turns_cost(
    database: Database,
) -> None:
    experiment = await interactive(database)
    async with database.session() as session:
        costs = {
            str(trial.id): 0.05 * trial.outcome["measures"]["continuations"]
            for trial in await session.scalars(select(Trial).where(Trial.judge_id.is_not(None)))
        }
    rows = await rows_of(database, experiment, What.VERDICTS)
    assert {cost > 0 for cost in costs.values()} == {True, False}
    for row in rows:
        cost = costs.get(row["trial_id"])
        assert row["judge_score"] == (None if cost is None else pytest.approx(bits(row["p_gold"]) - cost))


async def test_a_later_round_reads_every_talk_as_it_stands_and_averages_over_whose_it_was(
    database: Database,
) -> None:
    experiment = await interactive(database)
    await judged_again(database, experiment, "lexical")
    again = {
        line.arm.arm: line
        for line in (await reported(database, experiment)).lines
        if line.judge.round == "again"
    }
    assert {arm: line.as_json()["verdicts"] for arm, line in again.items()} == {
        "naive": 4,
        "asking": 8,
        "advised": 16,
    }
    assert {line.excluded for line in again.values()} == {0}
    rows = [row for row in await rows_of(database, experiment, What.VERDICTS) if row["round"] == "again"]
    asking = [row for row in rows if row["arm"] == "asking"]
    by_question = [[row["correct"] for row in asking if row["passage"] == key] for key in ("Alba", "Brise")]
    cell = again["asking"].cell
    assert cell is not None
    assert cell.accuracy == pytest.approx(sum(sum(worth) / len(worth) for worth in by_question) / 2)


async def test_with_people_alone_on_the_panel_each_of_them_has_trials_of_an_interactive_arm(
    database: Database,
) -> None:
    await imported(database, passage("Alba", questions=1))
    experiment = await started(database, spec(arms=INTERACTIVE, judges=[{"humans": 2}]))
    async with database.session() as session:
        trials = await session.scalars(select(Arm.protocol).join(Trial, Trial.arm_id == Arm.id))
        assert Counter(trials) == {"naive": 1, "interactive-debate": 4, "interactive-consultancy": 4}
    lines = (await reported(database, experiment)).lines
    assert [(line.arm.arm, line.judge.label) for line in lines] == [("naive", "people")]


# ── sides that are chosen in the talk ───────────────────────────────────────────────────────────────────────────


async def opened(database: Database) -> Experiment:
    """Four questions, whose advocates choose by dice."""
    passages = passage("Alba", questions=6), passage("Brise", questions=6)
    return await finished(database, *passages, data=spec(arms=OPEN, judges=["lexical"], elicit="final"))


async def test_what_was_chosen_is_written_into_the_trial_for_all_who_come_after(database: Database) -> None:
    experiment = await opened(database)
    async with database.session() as session:
        rows = await session.execute(
            select(Trial, Move).join(Move, Move.play_id == Trial.id).where(Move.path == "choice")
        )
        for trial, move in rows:
            chosen = trial.argues.get("consultant", trial.argues.get("protagonist"))
            assert chosen in (0, 1)
            assert sorted(trial.argues.values()) in ([0], [1], [0, 1])
            assert move.seat in trial.argues
            assert move.content["index"] in (chosen, 1 - chosen)
    rows_told = await rows_of(database, experiment, What.VERDICTS)
    assert all(row["argues"] for row in rows_told)
    sides = {
        item["answer"] == row["gold"]
        for row in rows_told
        for item in row["argues"]
        if item["seat"] == "consultant"
    }
    assert sides == {True, False}


async def test_choices_are_not_weighed_half_and_half_in_the_report(database: Database) -> None:
    experiment = await opened(database)
    rows = [row for row in await rows_of(database, experiment, What.VERDICTS) if row["arm"] == "advised"]
    line = next(line for line in (await reported(database, experiment)).lines if line.arm.arm == "advised")
    assert line.cell is not None
    assert line.excluded == 0
    assert line.cell.accuracy == pytest.approx(sum(row["correct"] for row in rows) / len(rows))
    right = [row["argues"][0]["answer"] == row["gold"] for row in rows]
    assert 0 < sum(right) != len(right) / 2, "as often right as wrong, and weighing by halves would not show"


async def test_a_position_is_counted_for_the_side_that_was_chosen(database: Database) -> None:
    experiment = await opened(database)
    arms = (await reported(database, experiment)).arms
    async with database.session() as session:
        stances = await session.execute(
            select(Move.content["stance"].astext, Trial.argues, Trial.answers, Question.gold)
            .join(Trial, Trial.id == Move.play_id)
            .join(Question, Question.id == Trial.question_id)
            .where(Move.path == "r1/consultant/position")
        )
        refused = [
            answers[argues["consultant"]] == gold
            for stance, argues, answers, gold in stances
            if stance == "refuses"
        ]
    assert refused
    assert (arms["advised"].refusals_gold, arms["advised"].refusals_other) == (
        sum(refused),
        len(refused) - sum(refused),
    )


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_models_hold_every_seat_of_a_talk_that_a_judge_leads_or_a_side_chooses(
    database: Database,
) -> None:
    async with ScriptedServer(Script()) as server:
        model = {
            "kind": "model",
            "base_url": server.base_url,
            "model": "scripted",
            "belief": "votes",
            "votes": 2,
        }
        arms = {
            "asking": {**INTERACTIVE["asking"], "seats": {"debaters": "m"}},
            "advised": {**OPEN["advised"], "seats": {"consultants": "m"}},
        }
        data = spec(arms=arms, judges=["m"], elicit="final")
        data["participants"]["m"] = model
        await finished(database, passage("Alba", questions=1), data=data)
    async with database.session() as session:
        trials = list(await session.scalars(select(Trial)))
        verdicts = list(await session.scalars(select(Verdict)))
    assert [(trial.state, trial.error) for trial in trials] == [("done", None)] * 3
    assert {verdict.method for verdict in verdicts} == {"votes"}
    assert all(trial.argues for trial in trials)


# ── before it starts ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_pre_flight_lets_every_judge_take_part_and_shows_judges_the_chosen_sides(
    database: Database,
) -> None:
    await imported(database, passage("Alba", questions=1))
    whole = parse_spec(
        spec(arms={**INTERACTIVE, "argued": {**OPEN["argued"], "seats": {"debaters": "advocate"}}})
    )
    async with database.session() as session:
        drawn = await drawn_of(session, whole)
    found = await check(whole, drawn, {"Alba": TEXT.format(key="Alba")})
    assert found.errors == []
    assert {name for (name, _), conduct in found.conducts.items() if conduct.beliefs} == {"lexical", "dice"}
    alone = parse_spec(spec(arms={"asking": INTERACTIVE["asking"]}, judges=[{"humans": 1}]))
    assert (await check(alone, drawn, {"Alba": TEXT.format(key="Alba")})).errors == []


async def test_an_estimate_counts_the_longest_talk_of_every_judge(database: Database) -> None:
    await imported(database, passage("Alba", questions=1))
    model = {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m", "belief": "verbalised"}
    data = spec(arms={"asking": INTERACTIVE["asking"], "argued": OPEN["argued"]}, judges=["m", "lexical"])
    data["participants"]["m"] = model
    whole = parse_spec(data)
    async with database.session() as session:
        found = estimate(whole, await gathered(session, whole))
    asking, argued = found.arms
    assert (asking.trials, asking.judgements) == (4, 0)
    # Two trials of m: three beliefs, two remarks and, once a round is spoken, one choice.
    assert asking.calls == 2 * (3 + 2 + 1)
    assert (argued.trials, argued.judgements, argued.calls) == (1, 2, 4)
    assert any("Arm asking: the judge ends the talk" in told for told in found.assumptions)
