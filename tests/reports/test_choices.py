"""What a reader chooses: the unit, ties, conceded talks and further contrasts, in the figures and in what is said of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, update

from app.errors import UserError
from app.records.database import Database
from app.report_choices import Choices, Conceded, Ties, Unit, check_arms, parsed_contrasts
from app.reports.evidence import evidence_of
from app.reports.figures.budgets import BUDGETS
from app.reports.figures.sensitivity import (
    BY_VERDICT,
    SENSITIVITY,
    TIES_WRONG,
    WITH_KNOWING,
    WITHOUT_CONCEDED,
)
from app.reports.methods import as_text
from app.reports.report import Report, computed, notes, report
from models import Experiment, Move
from tests.factories import finished, passage, spec
from tests.frames import Row, evidence


def belief(p: float) -> tuple[float, float]:
    return p, 1 - p


def made(rows: Sequence[Row], choices: Choices | None = None, **facts: Any) -> Report:
    held = evidence(rows).facts
    return computed(replace(held, choices=choices or Choices(), **facts))


def accuracy(result: Report, arm: str = "debate") -> float:
    [cell] = [line.cell for line in result.lines if line.arm.arm == arm and line.cell]
    return cell.accuracy


UNEVEN = [
    *(Row("debate", "q1", belief(0.9), reading=n, reading_order=(0, 1)) for n in range(3)),
    Row("debate", "q2", belief(0.1)),
]
TIED = [Row("debate", "q1", belief(0.5)), Row("debate", "q2", belief(0.9))]


async def small(database: Database, **changes: Any) -> Experiment:
    return await finished(database, passage("Alba"), passage("Brise"), data=spec(**changes))


async def chosen(database: Database, experiment: Experiment, **choices: Any) -> Report:
    async with database.session() as session:
        return await report(session, experiment, choices=Choices(**choices))


def test_verdicts_as_the_unit_count_alike() -> None:
    held = evidence(UNEVEN)
    assert held.cells["debate", "weak"].accuracy == 0.5
    again = evidence_of(replace(held.facts, choices=Choices(unit=Unit.VERDICT)))
    cell = again.cells["debate", "weak"]
    assert (cell.accuracy, cell.questions, cell.verdicts) == (0.75, 2, 4)


def test_ties_may_count_as_wrong() -> None:
    held = evidence(TIED)
    assert held.cells["debate", "weak"].accuracy == 0.75
    again = evidence_of(replace(held.facts, choices=Choices(ties=Ties.WRONG)))
    assert again.cells["debate", "weak"].accuracy == 0.5


async def test_a_choice_is_said_in_heading_json_notes_and_methods(database: Database) -> None:
    experiment = await small(database)
    plain = await chosen(database, experiment)
    assert "choices" not in plain.as_json()
    result = await chosen(database, experiment, unit=Unit.VERDICT, ties=Ties.WRONG)
    said = "Recomputed as the reader chose, not as by default: each verdict counts alike (not each question); ties count as wrong (not as a share)."
    assert result.warnings[0] == said
    assert said in as_text(result.methods)
    data = result.as_json()
    assert data["ties"] == "a tie counts as wrong"
    assert data["unit"].startswith("verdict, each counting alike")
    assert data["choices"]["unit"] == "verdict"
    assert "Unit: verdict, each counting alike;" in notes(result)[-1]


async def test_talks_with_a_concession_are_left_out_on_request_and_shown_as_a_variant(
    database: Database,
) -> None:
    experiment = await small(
        database,
        arms={"debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}}},
        judges=["lexical"],
    )
    async with database.session.begin() as session:
        one = await session.scalar(
            select(Move.id)
            .where(Move.content["kind"].astext == "stance", Move.path.like("%/position"))
            .limit(1)
        )
        assert one is not None
        await session.execute(
            update(Move).where(Move.id == one).values(content={"kind": "stance", "stance": "concedes"})
        )
    whole = await chosen(database, experiment)
    less = await chosen(database, experiment, conceded=Conceded.LEFT_OUT)
    [before], [after] = ([line.cell for line in item.lines if line.cell] for item in (whole, less))
    assert after.questions == before.questions - 1
    [variant] = [row for row in whole.figures["sensitivity"] if row.variant == WITHOUT_CONCEDED]
    assert (variant.accuracy, variant.questions) == (after.accuracy, after.questions)
    assert "talks with a concession are left out" in less.warnings[0]
    assert not [row for row in less.figures["sensitivity"] if row.variant == WITHOUT_CONCEDED]


async def test_variants_are_those_that_can_change_an_accuracy(database: Database) -> None:
    uneven = {row.variant: row for row in evidence_rows(UNEVEN)}
    assert set(uneven) == {BY_VERDICT}
    assert (uneven[BY_VERDICT].accuracy, uneven[BY_VERDICT].reported) == (0.75, 0.5)
    tied = {row.variant: row for row in evidence_rows(TIED)}
    assert set(tied) == {TIES_WRONG}
    assert (tied[TIES_WRONG].accuracy, tied[TIES_WRONG].reported) == (0.5, 0.75)
    assert evidence_rows([Row("debate", "q1", belief(0.9)), Row("debate", "q2", belief(0.2))]) == []


def evidence_rows(rows: Sequence[Row], knowing: Sequence[bool] = ()) -> list[Any]:
    held = evidence(rows)
    if knowing:
        facts = held.facts
        frame = facts.verdicts.with_columns(pl.Series("knows_story", list(knowing)))
        held = evidence_of(replace(facts, verdicts=frame))
    return list(SENSITIVITY.rows(held))


def test_people_who_knew_the_story_are_a_variant() -> None:
    rows = [
        Row("debate", f"q{n}", belief(0.9 if n else 0.1), judge=f"p{n}", kind="person", place=1)
        for n in range(3)
    ]
    found = evidence_rows(rows, knowing=(True, False, False))
    [variant] = [row for row in found if row.variant == WITH_KNOWING]
    assert (variant.reported, variant.accuracy) == (1.0, pytest.approx(2 / 3))


async def test_exploratory_contrasts_are_marked_and_corrected_over_all_shown(database: Database) -> None:
    experiment = await small(database, contrasts=[["debate", "consultancy"]])
    assert (await chosen(database, experiment)).figures["exploratory"] == []
    pairs = (("debate", "naive"), ("consultancy", "debate"), ("debate", "expert"))
    result = await chosen(database, experiment, contrasts=pairs)
    rows = result.figures["exploratory"]
    # The one that the file names is not repeated, in whichever direction.
    assert list(dict.fromkeys((row.first, row.second) for row in rows)) == [pairs[0], pairs[2]]
    assert {row.named for row in rows} == {2}
    assert any(
        "were not named before the run: p (Holm) is corrected over all 2" in note for note in notes(result)
    )
    assert result.as_json()["choices"]["contrasts"] == [list(pair) for pair in pairs]
    assert result.warnings == (await chosen(database, experiment)).warnings
    every = (await chosen(database, experiment, every_contrast=True)).figures["exploratory"]
    assert len({(row.first, row.second) for row in every}) == 5


def test_contrasts_are_read_from_the_command_line() -> None:
    assert parsed_contrasts(["a:b", "all", "a:b"]) == ((("a", "b"),), True)
    for wrong in ("a", "a:", ":b", "a:a"):
        with pytest.raises(UserError, match="name two different arms"):
            parsed_contrasts([wrong])
    with pytest.raises(UserError, match="There is no arm c: choose from a, b"):
        check_arms(Choices(contrasts=(("a", "c"),)), ["a", "b"])


async def test_arms_are_compared_at_equal_words(database: Database) -> None:
    result = await chosen(database, await small(database))
    rows = {(row.arm, row.judge): row for row in result.figures["budgets"]}
    assert rows["naive", "lexical"].words == 0
    assert rows["debate", "lexical"].words > rows["consultancy", "lexical"].words > 0
    assert rows["naive", "lexical"].best_words_accuracy == max(
        rows[arm, "lexical"].accuracy for arm in ("naive", "expert")
    )
    for row in rows.values():
        assert row.best_words_accuracy >= row.accuracy
        assert row.minutes is None
    assert BUDGETS.table is not None
    assert BUDGETS.chart is not None
    table = BUDGETS.table(list(rows.values()), result)
    assert [column.title for column in table.columns][-1] == "best at no more words"
    for width in (304, 680):
        assert BUDGETS.chart.draw(BUDGETS.chart.rows(list(rows.values()), result), width).to_dict()
