"""What is said beside an accuracy, of judges whose habits are known."""

from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import select

from app.records.database import Database
from app.reports.figures.certainty import Certainty, certainties, sentences, warnings
from app.reports.report import Report, report
from app.reports.tables import as_tables
from app.statistics.accuracy import Cell, cells
from models import Judgement, Verdict
from tests.factories import finished, passage, spec
from tests.frames import Row, evidence
from tests.servers import Script, ScriptedServer


async def reported(database: Database, script: Script, **judge: Any) -> Report:
    """The report of one model that judges three questions without a talk, in both orders."""
    changes = {key: judge.pop(key) for key in ("repeats",) if key in judge}
    async with ScriptedServer(script) as server:
        model = {"kind": "model", "base_url": server.base_url, "model": "scripted", **judge}
        data = spec(
            participants={"tiny": model},
            arms={"naive": {"protocol": "naive"}},
            judges=["tiny"],
            elicit="final",
            contrasts=[],
            **changes,
        )
        experiment = await finished(
            database, *(passage(key, 1) for key in ("Alba", "Brise", "Corvo")), data=data
        )
    async with database.session() as session:
        return await report(session, experiment)


def certainty_of(made: Report) -> Certainty:
    [line] = made.lines
    assert line.certainty is not None
    return line.certainty


async def test_a_model_that_always_picks_the_first_answer_is_not_reported_as_an_accuracy_alone(
    database: Database,
) -> None:
    """Label mass .1, 50.0% and 2% to 98%: all that a report once said."""
    made = await reported(database, Script(odds=(0.9, 0.1), letters=0.1))
    [line] = made.lines
    assert line.cell is not None
    assert (line.cell.accuracy, line.cell.verdicts) == (0.5, 6)
    held = certainty_of(made)
    assert (held.first.value, held.first.count, held.chance) == (1, 6, 0.5)
    assert held.orders_agree is not None
    assert (held.orders_agree.value, held.orders_agree.count) == (0, 3)
    assert held.repeats_differ is None
    assert (held.methods, held.flags) == ({"logprobs": 6}, {})
    assert held.label_mass == pytest.approx(0.1)
    assert made.warnings == [
        "Always chose the first-listed answer, so position explains the choices and accuracy says nothing about the talk: "
        "naive, tiny.",
        "Not distinguishable from chance, which is inside the interval of accuracy: naive, tiny.",
        "Beliefs come from a model that wanted to say something else than an answer's letter: naive, tiny (mean label mass 0.10).",
    ]
    [cell] = made.as_json()["cells"]
    assert cell["warnings"] == ["always_first", "chance", "low_mass"]
    assert cell["certainty"]["first"]["value"] == 1
    text = StringIO()
    Console(file=text, width=200).print(*as_tables(made))
    assert "first-listed chosen" in text.getvalue()
    assert "100.0%" in text.getvalue()


async def test_repeats_ask_for_identical_calls_again_and_tell_noise_from_the_order(
    database: Database,
) -> None:
    made = await reported(
        database, Script(odds=(0.5, 0.5)), repeats=3, belief="votes", votes=1, temperature=1
    )
    held = certainty_of(made)
    assert held.verdicts == 3 * 2 * 3
    assert held.orders_agree is not None
    assert held.repeats_differ is not None
    assert (held.orders_agree.count, held.repeats_differ.count) == (3 * 9, 3 * 6)
    assert 0 < held.repeats_differ.value < 1
    async with database.session() as session:
        [reading, *_] = await session.scalars(select(Judgement.reading))
        orders = list(await session.execute(select(Verdict.reading, Verdict.answer_order).distinct()))
    assert reading == [[0, 1], [1, 0]] * 3
    assert sorted((number, tuple(order)) for number, order in orders) == [
        (number, ((0, 1), (1, 0))[number % 2]) for number in range(6)
    ]


async def test_a_judge_read_without_noise_gives_identical_calls_the_same_answer(database: Database) -> None:
    held = certainty_of(await reported(database, Script(odds=(0.9, 0.1)), repeats=2))
    assert held.repeats_differ is not None
    assert held.orders_agree is not None
    assert (held.repeats_differ.value, held.orders_agree.value) == (0, 0)


async def test_figures_that_do_not_add_up_are_counted(database: Database) -> None:
    made = await reported(database, Script(says='{"A": 100, "B": 100}'), belief="verbalised")
    assert certainty_of(made).flags == {"off_sum": 6}
    assert (
        "Stated percentages that do not add up to 100; their shares are the belief: naive, tiny (6 of 6)."
        in (made.warnings)
    )
    async with database.session() as session:
        assert [row.said for row in await session.scalars(select(Verdict))] == [[100, 100]] * 6


async def test_open_choices_name_the_command_that_reads_the_cell_by_one_method(database: Database) -> None:
    script = Script(odds=(0.9, 0.1), letters=0.001, top=2, choices="refused")
    made = await reported(database, script)
    assert certainty_of(made).flags == {"undecided": 6}
    [sentence] = [found for found in made.warnings if found.startswith("Choices are open")]
    assert "`arena judge small --with PANEL.yaml`" in sentence
    assert sentence.endswith("naive, tiny (6 of 6).")


# ── without a database ──────────────────────────────────────────────────────────────────────────────────────────


def verdict(question: int, first: float, *, order: int = 0, **more: Any) -> Row:
    """A verdict with this belief in the trial's first answer, which is gold; two questions a passage."""
    return Row(
        "debate",
        f"q{question}",
        (first, 1 - first),
        passage=f"p{question // 2}",
        judging=question,
        reading=order,
        reading_order=((0, 1), (1, 0))[order],
        **more,
    )


def of_cell(rows: Sequence[Row]) -> tuple[Cell, Certainty]:
    """The figures of one cell."""
    held = evidence(rows)
    [cell] = cells(held.readings)
    return cell, certainties(held)["debate", "weak"]


def said(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The keys and the sentences for one cell."""
    cell, held = of_cell(rows)
    return warnings(cell, held), sentences("small", [("debate, weak", cell, held)])


def test_readings_by_two_methods_are_told_apart_in_words() -> None:
    """46 and 14 once stood in one row without a word."""
    rows = [verdict(n, 0.9, method="logprobs" if n < 46 else "verbalised") for n in range(60)]
    keys, found = said(rows)
    assert "several_ways" in keys
    [sentence] = [sentence for sentence in found if sentence.startswith("Beliefs were read in several ways")]
    assert "`arena judge small --with PANEL.yaml`" in sentence
    assert sentence.endswith("weak (46 from log-probabilities, 14 from stated percentages).")


def test_a_constrained_reading_is_the_same_quantity() -> None:
    rows = [verdict(n, 0.9, method="logprobs" if n < 46 else "constrained") for n in range(60)]
    assert "several_ways" not in said(rows)[0]


def test_a_judge_who_goes_by_content_is_warned_of_nothing() -> None:
    rows = [verdict(n, 0.9, order=order, label_mass=0.9) for n in range(60) for order in (0, 1)]
    assert said(rows) == ([], [])
    _, held = of_cell(rows)
    assert held.first.value == 0.5
    assert held.orders_agree is not None
    assert held.orders_agree.value == 1


def test_a_lean_to_a_place_is_named_where_chance_does_not_explain_it() -> None:
    rows = [
        verdict(n, 0.9 if order == 0 or n % 4 else 0.1, order=order) for n in range(120) for order in (0, 1)
    ]
    keys, found = said(rows)
    assert keys == ["position"]
    assert found == [
        "Chose by position more often than chance explains: debate, weak (the first-listed answer in 62%)."
    ]


def test_never_choosing_the_first_is_position_too() -> None:
    rows = [verdict(n, (0.1, 0.9)[order], order=order) for n in range(8) for order in (0, 1)]
    assert said(rows)[0] == ["never_first", "chance"]


def test_a_few_verdicts_in_one_order_do_not_show_that_place_decides() -> None:
    """Three people read once each, are right, and happen to have had gold listed first."""
    few, many = ([verdict(n, 0.9) for n in range(count)] for count in (3, 40))
    assert "always_first" not in said(few)[0]
    assert "always_first" in said(many)[0]
    assert "never_first" not in said([verdict(n, 0.1) for n in range(3)])[0]


def test_what_holds_of_every_cell_of_many_is_said_once() -> None:
    rows = [verdict(n, 0.5) for n in range(8)]
    cell, held = of_cell(rows)
    lines = [(f"arm {n}, weak", cell, held) for n in range(4)]
    chance = "Not distinguishable from chance, which is inside the interval of accuracy"
    assert sentences("small", lines) == [f"{chance}: every arm and judge."]
    assert sentences("small", lines[:3]) == [f"{chance}: arm 0, weak; arm 1, weak; arm 2, weak."]
    assert sentences("small", [*lines, ("arm 5, weak", None, None)]) == [f"{chance}: every arm and judge."]
