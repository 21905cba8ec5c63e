"""Habits of judges whose habits are known: order, length, their own family, and the only advocate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from app.reports.figures.core import Evidence, Figure
from app.reports.figures.order_bias import ORDER_BIAS
from app.reports.figures.self_preference import SELF_PREFERENCE, family_of
from app.reports.figures.sycophancy import CHOSEN, SYCOPHANCY
from app.reports.figures.verbosity import VERBOSITY
from app.reports.report import completed, quick
from app.statistics.fractional_logit import FEW
from tests.frames import Row, evidence, spoken_frame, talk_frame, talks

TWO = {"debater_a": 0, "debater_b": 1}


def with_talks(
    rows: Sequence[Row],
    argues: Mapping[UUID, Mapping[str, int]],
    said: Sequence[Mapping[str, object]] = (),
    protocol: str = "debate",
) -> Evidence:
    """The evidence of talks in which seats argue as given."""
    held = evidence(rows, dict.fromkeys({row.arm for row in rows}, protocol))
    facts = replace(held.facts, talks=talk_frame(rows, argues), spoken=spoken_frame(said))
    return replace(held, facts=facts, talks=talks(rows, argues))


def belief(right: bool, gold: int, p: float = 0.9) -> tuple[float, float]:
    """A belief that chooses gold, or the other answer."""
    return (p, 1 - p) if right == (gold == 0) else (1 - p, p)


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def both_orders(*first: str) -> list[Row]:
    """Verdicts on one question each, read in both orders: `f` chose the first-listed, `l` the last, in either."""
    rows = []
    for at, marks in enumerate(first):
        for reading, mark in enumerate(marks):
            order = (0, 1) if reading == 0 else (1, 0)
            chosen = order[0] if mark == "f" else order[1]
            own = (0.8, 0.2) if chosen == 0 else (0.2, 0.8)
            rows.append(Row("debate", f"q{at}", own, reading=reading, reading_order=order, judging=at))
    return rows


def test_flips_go_to_the_first_answer_or_to_the_last() -> None:
    [found] = ORDER_BIAS.rows(evidence(both_orders("fl", "ff", "ff", "ll", "lf")))
    assert (found.pairs, found.flips, found.to_first, found.to_last) == (5, 3 / 5, 2 / 5, 1 / 5)
    assert found.lean == pytest.approx(0.6 - 0.5)
    assert found.low < found.lean < found.high


def test_one_order_gives_a_lean_alone() -> None:
    [found] = ORDER_BIAS.rows(evidence(both_orders("f", "f", "l", "f")))
    assert (found.pairs, found.flips) == (0, None)
    assert found.lean == 0.25


def test_people_lean_too() -> None:
    rows = [
        replace(row, judge=f"p{at % 3}", kind="person", place=1)
        for at, row in enumerate(both_orders(*"ffflffll"))
    ]
    [found] = ORDER_BIAS.rows(evidence(rows))
    assert (found.judge, found.verdicts) == ("people", 8)
    assert found.lean == pytest.approx(5 / 8 - 0.5)


# ── length ──────────────────────────────────────────────────────────────────────────────────────────────────────


def long_winded(size: int, slope: float, seed: int = 1) -> Evidence:
    """Debates judged by how much longer each side is."""
    rng = np.random.default_rng(seed)
    rows, said = [], []
    for at in range(size):
        gold = at % 2
        words = np.exp(rng.normal(5, 0.6, size=2)).astype(int) + 1
        ratio = np.log(words[gold] / words[1 - gold])
        right = rng.random() < 1 / (1 + np.exp(-slope * ratio))
        rows.append(Row("debate", f"q{at}", belief(right, gold), gold=gold, trial=UUID(int=at)))
        said += [{"hash": at, "seat": seat, "words": int(words[place])} for seat, place in TWO.items()]
    return with_talks(rows, {UUID(int=at): TWO for at in range(size)}, said)


def test_the_slope_of_a_judge_who_goes_by_length_is_found() -> None:
    [found] = VERBOSITY.rows(long_winded(1500, 1.5))
    assert found.talks == 1500
    assert found.slope.low < 1.5 < found.slope.high
    assert found.slope.high - found.slope.low < 0.6
    odds, low, high = found.doubled
    assert odds == pytest.approx(2**found.slope.value)
    assert 1 < low < odds < high
    assert found.gold_longer == pytest.approx(0.5, abs=0.05)


def test_a_judge_whom_length_does_not_move_has_a_slope_about_0() -> None:
    [found] = VERBOSITY.rows(long_winded(600, 0.0))
    assert found.slope.low < 0 < found.slope.high


def test_few_passages_have_a_reason_in_place_of_a_slope() -> None:
    [found] = VERBOSITY.rows(long_winded(4, 1.0))
    assert found.slope.reason == FEW
    assert found.doubled is None
    assert VERBOSITY.rows(evidence([Row("naive", "q1", (0.9, 0.1))])) == []


# ── family ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("gpt-4o", "gpt"),
        ("Qwen/Qwen3-32B", "qwen"),
        ("./tiny", "tiny"),
        ("7b", "7b"),
    ],
)
def test_a_family_is_what_a_name_begins_with(model: str, family: str) -> None:
    assert family_of(model) == family


def opposed(wins: Mapping[str, Sequence[int]], people: bool = False) -> Evidence:
    """Debates of a llama against a gpt, exchanged in the second half; `wins` has by judge who won each: 1 for the llama."""
    rows = []
    size = len(next(iter(wins.values())))
    for judge, own in wins.items():
        for at, llama in enumerate(own):
            answer = llama_answer(at, size)
            chosen = answer if llama else 1 - answer
            rows.append(
                Row(
                    "debate",
                    f"q{at % (size // 2)}",
                    (0.8, 0.2) if chosen == 0 else (0.2, 0.8),
                    judge=judge,
                    assignment=int(at >= size // 2),
                    trial=UUID(int=at),
                )
            )
    held = with_talks(rows, {UUID(int=at): TWO for at in range(size)})
    cast = {
        "big": {"kind": "model", "model": "meta-llama/Llama-3-70B"},
        "other": {"kind": "model", "model": "gpt-4o"},
        "weak": {"kind": "model", "model": "Llama-3-8B"},
        "strong": {"kind": "model", "model": "mistral-large"},
    }
    arm = {"name": "debate", "protocol": "debate", "seats": {"debater_a": "big", "debater_b": "other"}}
    held.facts.experiment.spec |= {"participants": cast, "arms": [arm]}
    return held


def llama_answer(at: int, size: int) -> int:
    """The llama argues for the first answer, exchanged for the second."""
    return 0 if at < size // 2 else 1


def test_a_judge_that_prefers_its_family_is_compared_with_the_panel() -> None:
    [found] = SELF_PREFERENCE.rows(
        opposed({"weak": [1, 1, 1, 0, 1, 1, 1, 1], "strong": [1, 0, 1, 0, 0, 1, 0, 1]})
    )
    assert (found.judge, found.family, found.talks, found.passages) == ("weak", "llama", 8, 4)
    assert (found.own, found.panel, found.difference) == (7 / 8, 1 / 2, 3 / 8)
    assert found.low < 3 / 8 < found.high


def test_without_a_second_judge_or_an_own_debater_there_is_nothing_to_say() -> None:
    assert SELF_PREFERENCE.rows(opposed({"weak": [1, 1, 0, 1]})) == []
    assert SELF_PREFERENCE.rows(opposed({"strong": [1, 1, 0, 1]})) == []
    assert SELF_PREFERENCE.rows(evidence([Row("debate", "q1", (0.9, 0.1))])) == []


# ── advocates ───────────────────────────────────────────────────────────────────────────────────────────────────


def advised(honest: str, dishonest: str) -> Evidence:
    """Consultancies: whether the judge was right, by question, with the consultant for gold and against it."""
    rows = []
    argues = {}
    for side, marks in enumerate((honest, dishonest)):
        for at, mark in enumerate(marks):
            gold, trial = at % 2, UUID(int=side * 100 + at)
            argues[trial] = {"consultant": gold if side == 0 else 1 - gold}
            rows.append(
                Row("advice", f"q{at}", belief(mark == "1", gold), gold=gold, assignment=side, trial=trial)
            )
    return with_talks(rows, argues, protocol="consultancy")


def test_a_judge_who_follows_every_advocate_agrees_by_half_beyond_chance() -> None:
    [found] = SYCOPHANCY.rows(advised("111111", "000000"))
    assert (found.agrees, found.right, found.wrong, found.gap) == (0.5, 1, 0, 1)
    assert found.low < 0.5 == found.high


def test_the_gap_is_that_of_the_two_accuracies() -> None:
    [found] = SYCOPHANCY.rows(advised("11110111", "10010110"))
    assert found.gap == pytest.approx(7 / 8 - 4 / 8)
    assert found.gap == pytest.approx(found.right - found.wrong)
    assert found.agrees == pytest.approx(found.gap / 2)
    assert found.gap_low < found.gap < found.gap_high


def test_an_advocate_who_chooses_leaves_no_gap() -> None:
    [found] = SYCOPHANCY.rows(advised("1111", ""))
    assert (found.gap, found.reason, found.wrong) == (None, CHOSEN, None)
    assert SYCOPHANCY.rows(evidence([Row("naive", "q1", (0.9, 0.1))])) == []


# ── in a report ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("figure", "held"),
    [
        (ORDER_BIAS, evidence(both_orders("fl", "ff", "lf"))),
        (VERBOSITY, long_winded(40, 1.0)),
        (SELF_PREFERENCE, opposed({"weak": [1, 1, 0, 1], "strong": [1, 0, 1, 0]})),
        (SYCOPHANCY, advised("1101", "1001")),
    ],
)
def test_every_habit_has_a_table_and_goes_into_json(figure: Figure[Any], held: Evidence) -> None:
    report = completed(quick(held), held)
    rows = report.figures[figure.name]
    assert rows
    assert figure.table
    table = figure.table(rows, report)
    assert len(list(table.page_rows())) == len(rows)
    assert table.printed().row_count == len(rows)
    assert json.dumps([figure.as_json(row) for row in rows])
    if figure.chart:
        assert figure.chart.draw(figure.chart.rows(rows, report), 400).to_dict()
