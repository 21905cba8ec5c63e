"""Accepted and rejected: by hand, where one answer is argued for and where two answers have a fixed meaning."""

from dataclasses import replace

import polars as pl
import pytest

from app.records.database import Database
from app.records.fixed_answers import FixedAnswers, fixed_answers
from app.reports.figures.accept_reject import ACCEPT_REJECT, ARGUED, ONE_SIDED
from app.reports.report import completed, quick, report
from tests.factories import finished, passage, spec
from tests.frames import Row, evidence
from tests.reports.test_bias import advised


def test_where_one_answer_is_argued_for_the_class_is_whether_it_is_right() -> None:
    [found] = ACCEPT_REJECT.rows(advised("11110111", "10010110"))
    hit, miss, false, true = 7, 1, 4, 4
    assert found.positive == ARGUED
    assert (found.so, found.accepted) == (0.5, 11 / 16)
    assert found.accuracy == pytest.approx(11 / 16)
    assert (found.sensitivity, found.specificity) == (pytest.approx(7 / 8), pytest.approx(4 / 8))
    assert found.mcc == pytest.approx((hit * true - miss * false) / (8 * 8 * 11 * 5) ** 0.5)
    assert found.f1 == pytest.approx((2 * hit / (2 * hit + 5) + 2 * true / (2 * true + 5)) / 2)
    assert found.mcc_low < found.mcc < found.mcc_high
    assert found.f1_low < found.f1 < found.f1_high


def test_a_judge_who_accepts_all_has_a_reason_in_place_of_a_correlation() -> None:
    [found] = ACCEPT_REJECT.rows(advised("1111", "0000"))
    assert (found.mcc, found.reason, found.accuracy, found.accepted) == (None, ONE_SIDED, 0.5, 1)
    assert found.f1 == pytest.approx(1 / 3)


def test_with_two_fixed_answers_the_class_is_which_is_right_wherever_it_is_listed() -> None:
    """Ten questions of which two have the answer "no", whose place changes; the judge says "yes" to nine."""
    rows, places = [], []
    for at in range(10):
        no_is_gold, yes_at = at < 2, at % 2
        gold = 1 - yes_at if no_is_gold else yes_at
        chosen = 1 - yes_at if at == 0 else yes_at
        rows.append(Row("naive", f"q{at}", (0.8, 0.2) if chosen == 0 else (0.2, 0.8), gold=gold))
        places.append((at, 1 - yes_at))
    held = evidence(rows)
    fixed = FixedAnswers(
        ("no", "yes"), pl.DataFrame(places, {"hash": pl.Int64, "place": pl.Int64}, orient="row")
    )
    [found] = ACCEPT_REJECT.rows(replace(held, facts=replace(held.facts, fixed=fixed)))
    assert found.positive == "“no” is right, not “yes”"
    assert (found.so, found.accepted, found.accuracy) == pytest.approx((0.2, 0.1, 0.9))
    # Accuracy of .9 is little more than that of always saying yes; the correlation says how little.
    assert found.mcc == pytest.approx((1 * 8 - 1 * 0) / (2 * 8 * 1 * 9) ** 0.5)


def test_debates_over_answers_of_no_fixed_meaning_have_no_row() -> None:
    assert ACCEPT_REJECT.rows(evidence([Row("debate", "q1", (0.9, 0.1))])) == []


def test_the_table_names_what_is_accepted() -> None:
    held = advised("1101", "1001")
    made = completed(quick(held), held)
    assert ACCEPT_REJECT.table
    [cells] = ACCEPT_REJECT.table(made.figures["accept_reject"], made).page_rows()
    assert cells[2][1].text == ARGUED


async def test_the_two_answers_of_all_questions_are_found_and_placed(database: Database) -> None:
    asked = []
    for key, gold in (("Alba", 0), ("Brise", 1), ("Corvo", 0)):
        one = passage(key, 1)
        question = one["questions"][0] | {"answers": ["yes", "no"], "gold": gold}
        question.pop("distractor", None)
        asked.append(one | {"questions": [question]})
    data = spec(arms={"naive": {"protocol": "naive"}}, judges=["lexical"], elicit="final")
    experiment = await finished(database, *asked, data=data)
    async with database.session() as session:
        found = await fixed_answers(session, experiment.id)
        made = await report(session, experiment)
    assert found is not None
    assert found.texts == ("no", "yes")
    assert found.places.height == 3
    assert set(found.places["place"]) <= {0, 1}
    [row] = made.figures["accept_reject"]
    assert row.so == pytest.approx(1 / 3)
    [line] = made.lines
    assert line.cell
    assert row.accuracy == pytest.approx(line.cell.accuracy)


async def test_questions_with_answers_of_their_own_have_none_fixed(database: Database) -> None:
    other = passage("Brise", 1)
    other["questions"][0]["answers"] = ["It was late.", *other["questions"][0]["answers"][1:]]
    experiment = await finished(database, passage("Alba", 1), other)
    async with database.session() as session:
        assert await fixed_answers(session, experiment.id) is None
