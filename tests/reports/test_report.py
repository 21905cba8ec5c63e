"""A report over a real database: metrics of protocols and measures of talks follow from what is on record."""

from io import StringIO
from statistics import fmean
from typing import Any

from rich.console import Console
from sqlalchemy import delete, or_, select

from app.records.database import Database
from app.reports.report import Report, notes, report
from app.reports.tables import as_tables
from models import Move, PlayRow, Trial, Verdict
from tests.factories import finished, passage, spec

ARMS: dict[str, dict[str, Any]] = {
    "planted": {
        "protocol": "critique-planted-flaws",
        "planted": 0.5,
        "mark": True,
        "seats": {"authors": "advocate", "critics": "advocate", "grader": "advocate"},
    },
    "verified": {"protocol": "prover-verifier", "seats": {"provers": "advocate"}},
    "market": {
        "protocol": "market-making",
        "candidates": 2,
        "reads": 2,
        "price_reads": 2,
        "seats": {"adversary": "advocate", "predictor": "lexical"},
    },
    "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}},
}


async def reported(database: Database, **changes: Any) -> Report:
    data = spec(arms=ARMS, judges=["lexical"], **changes)
    experiment = await finished(database, passage("Alba"), passage("Brise"), passage("Corvo"), data=data)
    async with database.session() as session:
        return await report(session, experiment)


def figure(items: Any, arm: str, key: str) -> Any:
    [found] = [item for item in items if (item.arm, item.key) == (arm, key)]
    return found


async def test_metrics_and_measures_follow_from_moves_trials_and_verdicts(database: Database) -> None:
    made = await reported(database)
    async with database.session() as session:
        trials = {row.id: row for row in await session.scalars(select(Trial))}
        flaws = {
            row.play_id for row in await session.scalars(select(Move).where(Move.path == "r1/author/flaw"))
        }
        marks = list(await session.scalars(select(Move).where(Move.path.startswith("judging/mark/"))))

    measures = {id: row.outcome["measures"] for id, row in trials.items() if row.outcome}
    assert {id for id, told in measures.items() if told.get("planted") == 1} == flaws
    assert 0 < len(flaws) < 12
    points = [told["points"] for told in measures.values() if "points" in told]
    assert figure(made.measures, "planted", "points").value == fmean(points)
    assert len(marks) == sum(points)
    assert {row.content["index"] for row in marks} <= {0, 1}
    accepted = figure(made.metrics, "planted", "planted_accepted")
    assert accepted.value is not None
    assert accepted.questions == len({trials[id].question_id for id in flaws})

    [cell] = [line.cell for line in made.lines if line.arm.arm == "market"]
    assert cell is not None
    assert figure(made.metrics, "market", "by_judge").value == cell.accuracy
    assert figure(made.metrics, "market", "kl_price_0").unit == "bits"
    steps = [told["steps"] for told in measures.values() if "steps" in told]
    assert figure(made.measures, "market", "steps").value == fmean(steps)

    [cell] = [line.cell for line in made.lines if line.arm.arm == "verified"]
    assert cell is not None
    split = [figure(made.metrics, "verified", f"accuracy_{side}_gold").value for side in ("for", "against")]
    assert fmean(split) == cell.accuracy
    assert figure(made.metrics, "verified", "best_of_n").value is not None
    assert not [item for item in made.metrics if item.arm == "debate"]


async def test_the_table_and_the_json_hold_every_figure_with_its_unit(database: Database) -> None:
    made = await reported(database, elicit="final")
    body = made.as_json()
    assert {item["key"] for item in body["metrics"]} >= {
        "completeness",
        "soundness",
        "auroc",
        "best_of_n",
        "gain",
    }
    assert {item["arm"] for item in body["measures"]} == {"planted", "market"}
    assert all(item["unit"] for item in (*body["metrics"], *body["measures"]))
    shown = StringIO()
    Console(file=shown, width=200).print(*as_tables(made))
    text = shown.getvalue()
    assert "Area under the ROC curve of acceptance" in text
    assert "Markets that settled before their budget was spent" in text
    assert [note for note in notes(made) if "elicit: each_step" in note]


async def test_verdicts_that_accuracy_leaves_out_are_left_out_of_the_metrics_too(database: Database) -> None:
    made = await reported(database)
    async with database.session.begin() as session:
        question = (await session.scalars(select(Trial.question_id).limit(1))).one()
        against = select(Trial.id).where(Trial.question_id == question, Trial.assignment == 1)
        judged = select(PlayRow.id).where(or_(PlayRow.id.in_(against), PlayRow.talk_id.in_(against)))
        await session.execute(delete(Verdict).where(Verdict.play_id.in_(judged)))
    async with database.session() as session:
        again = await report(session, made.experiment)
    for key in ("completeness", "soundness", "auroc", "best_of_n"):
        assert figure(made.metrics, "verified", key).questions == 6
        assert figure(again.metrics, "verified", key).questions == 5
    assert figure(again.measures, "planted", "points").questions == 6, "the talks are there all the same"


async def test_the_notes_name_the_arms_that_are_played_as_a_paper_describes(database: Database) -> None:
    arms = {
        "published": {"preset": "parrish-2022-one-turn", "seats": {"debaters": "advocate"}},
        "reworded": {
            "preset": "parrish-2022-one-turn",
            "seats": {"debaters": "advocate"},
            "prompts": {"belief": "{% block request %}Which is right?{% endblock %}"},
        },
        "plain": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}},
    }
    data = spec(arms=arms, judges=["lexical"])
    experiment = await finished(database, passage("Alba"), data=data)
    async with database.session() as session:
        made = await report(session, experiment)
    where = (
        "see docs/presets/parrish-2022-one-turn.md for what still differs from the paper. Participants are not as it asks: "
        "debaters: advocate, which is a program, where the preset has people; "
        "judges: lexical, which is a program, where the preset has people."
    )
    assert [note for note in notes(made) if note.startswith("Arm ")] == [
        f"Arm published: as parrish-2022-one-turn; {where}",
        f"Arm reworded: as parrish-2022-one-turn, with its own prompts; {where}",
    ]
