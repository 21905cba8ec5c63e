"""Excluded people: figures without and with them side by side, counted under each arm, worked by hand."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.report_choices import Choices, Excluded
from app.reports.evidence import Evidence, evidence_of
from app.reports.figures.exclusions import EXCLUSION_CONTRASTS, EXCLUSIONS, ExclusionRow
from app.reports.figures.sensitivity import SENSITIVITY, WITH_EXCLUDED
from tests.frames import Row, Unstarred, evidence


def row(arm: str, question: int, right: bool, person: str, why: str = "") -> Row:
    """A person's verdict with 80% on one answer."""
    p = 0.8 if right else 0.2
    return Row(arm, f"q{question}", (p, 1 - p), judge=person, kind="person", place=1, excluded=why)


ROWS = [
    # Under debate ada and eve are right on 3 of 4, and mallory is wrong on both.
    *(row("debate", number, number != 3, "ada" if number < 2 else "eve") for number in range(4)),
    *(row("debate", number, False, "mallory", "too_fast, pasted") for number in (4, 5)),
    # Under consultancy all four verdicts count.
    *(row("consultancy", number, number < 2, "ada" if number < 2 else "eve") for number in range(4)),
]


def found(rows: Sequence[Row], choices: Choices | None = None) -> Evidence:
    """What a report of these rows is computed from."""
    facts = evidence(rows).facts
    facts.experiment.spec["contrasts"] = [["debate", "consultancy"]]
    return evidence_of(replace(facts, choices=choices or facts.choices))


def test_accuracies_stand_side_by_side_and_every_arm_says_how_many_it_has_lost() -> None:
    rows: dict[str, ExclusionRow] = {one.arm: one for one in EXCLUSIONS.rows(found(ROWS))}
    debate, consultancy = rows["debate"], rows["consultancy"]
    assert (debate.people_out, debate.verdicts_out, debate.people, debate.verdicts) == (1, 2, 2, 4)
    assert debate.reasons == {"pasted": 1, "too_fast": 1}
    assert (debate.accuracy, debate.accuracy_with, debate.verdicts_with) == (3 / 4, 3 / 6, 6)
    assert (consultancy.people_out, consultancy.verdicts_out) == (0, 0)
    assert consultancy.accuracy == consultancy.accuracy_with == 0.5
    assert EXCLUSIONS.table is not None
    assert EXCLUSIONS.table(list(rows.values()), Unstarred()).rows


def test_the_main_figures_leave_them_out_and_sensitivity_has_them() -> None:
    held = found(ROWS)
    cell = held.cells["debate", "people"]
    assert (cell.accuracy, cell.verdicts, cell.people) == (0.75, 4, 2)
    [variant] = [one for one in SENSITIVITY.rows(held) if one.variant == WITH_EXCLUDED]
    assert (variant.arm, variant.accuracy, variant.reported) == ("debate", 0.5, 0.75)


def test_a_reader_can_have_the_whole_report_with_them() -> None:
    held = found(ROWS, Choices(excluded=Excluded.KEPT))
    assert held.cells["debate", "people"].accuracy == 0.5
    assert EXCLUSIONS.rows(held) == []
    assert Choices(excluded=Excluded.KEPT).recomputed
    assert Choices(excluded=Excluded.KEPT).sentences == [
        "Recomputed as the reader chose, not as by default: excluded people count (they are not left out)."
    ]


def test_contrasts_stand_side_by_side_too() -> None:
    [one] = EXCLUSION_CONTRASTS.rows(found(ROWS))
    # Paired by question: both arms have questions 0 to 3, where debate is right on 3 and consultancy on 2.
    assert (one.first, one.second, one.difference) == ("debate", "consultancy", pytest.approx(0.25))
    assert one.difference_with == pytest.approx(0.25)
    assert EXCLUSION_CONTRASTS.table is not None
    assert EXCLUSION_CONTRASTS.table([one], Unstarred()).rows


def test_an_arm_may_lose_all_of_its_people() -> None:
    rows = [*ROWS, *(row("alone", number, True, "mallory", "pasted") for number in range(2))]
    alone = next(one for one in EXCLUSIONS.rows(found(rows)) if one.arm == "alone")
    assert (alone.people, alone.accuracy, alone.accuracy_with) == (0, None, 1.0)


def test_where_no_one_is_excluded_there_is_no_row() -> None:
    plain = [replace(one, excluded="") for one in ROWS]
    held = found(plain)
    assert EXCLUSIONS.rows(held) == []
    assert EXCLUSION_CONTRASTS.rows(held) == []
    assert not [one for one in SENSITIVITY.rows(held) if one.variant == WITH_EXCLUDED]
