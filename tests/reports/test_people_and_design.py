"""A report of recorded facts says for whom its figures of people hold, which arms PGR is measured between, and what is no sample."""

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from rich.console import Console

from app.experiments.spec import SpecError, parse_spec
from app.records.verdicts import ArmCount, JudgeCount
from app.reports.evidence import COIN
from app.reports.facts import Facts
from app.reports.report import Report, computed, notes
from app.reports.tables import as_tables
from app.statistics.two_way import METHOD
from models import Experiment
from tests.factories import spec
from tests.frames import Row, no_marks, talk_frame, verdict_frame


def placed(arm: str, judge: str, kind: str, passage: int, place: int, p_gold: float) -> Row:
    key = f"p{passage}"
    return Row(
        arm,
        f"{key}/q",
        (p_gold, 1 - p_gold),
        judge=judge,
        kind=kind,
        passage=key,
        place=place,
        judging=place + 1,
        trial=UUID(int=passage),
        method="baseline",
    )


def of_people(arm: str, accuracy: float, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        placed(
            arm, f"person-{n}", "person", passage, n + 1, 0.95 if rng.random() < accuracy + 0.04 * n else 0.0
        )
        for passage in range(16)
        for n in range(5)
    ]


def counted(arm: str, protocol: str) -> ArmCount:
    return ArmCount(arm, protocol, 16, 16, 0, 1, 0, 0, 0, 0, baseline=False)


def reported(rows: Sequence[Row], protocols: dict[str, str], judge: str, **settings: Any) -> Report:
    frozen = {"contrasts": [], "elicit": "final", **settings}
    places = dict.fromkeys((row.arm, row.kind) for row in rows)
    return computed(
        Facts(
            experiment=Experiment(name="study", digest="0", seed=1, spec=frozen),
            arms={arm: counted(arm, protocol) for arm, protocol in protocols.items()},
            judges=[
                JudgeCount(arm, judge, "first", 0, kind == "builtin", 16, 16, 0, 0) for arm, kind in places
            ],
            verdicts=verdict_frame(rows),
            failures=[],
            talks=talk_frame(rows),
            marks=no_marks(),
            speeches=[],
            preferences={},
            twins={},
        )
    )


def printed(made: Report) -> str:
    shown = StringIO()
    Console(file=shown, width=220).print(*as_tables(made))
    return shown.getvalue()


PROTOCOLS = {"none": "naive", "whole": "expert", "talk": "debate"}


def study(**settings: Any) -> Report:
    """Arms judged by five people."""
    rows = [
        *of_people("none", 0.45, 1),
        *of_people("whole", 0.9, 2),
        *of_people("talk", 0.7, 3),
        *(of_people("bare", 0.45, 4) if "protocols" in settings else []),
    ]
    protocols = settings.pop("protocols", PROTOCOLS)
    return reported(rows, protocols, "people", **settings)


def test_people_are_shown_with_their_number_their_figures_and_a_check() -> None:
    made = study(contrasts=[["talk", "none"], ["whole", "talk"]])
    [talk] = [line.cell for line in made.lines if line.arm.arm == "talk"]
    assert talk is not None
    assert (talk.people, talk.method) == (5, METHOD)
    text = printed(made)
    assert "person-3" in text
    assert "People by a mixed model" in text
    assert "p (Holm)" in text
    shown = "\n".join(notes(made))
    assert "5 in talk" in shown
    assert "new passages and new people" in shown
    assert "null hypothesis: the mean difference over passages and people is 0" in shown
    body = made.as_json()
    assert len(body["people"]) == 15
    assert {row["person"] for row in body["people"]} == {f"person-{n}" for n in range(5)}
    assert [item["named"] for item in body["contrasts"]] == [2, 2]
    assert body["mixed_models"][0]["fit"]["accuracy"] is not None


def test_entered_zeros_are_counted_where_the_log_score_clips_them() -> None:
    made = study()
    [line] = [line for line in made.lines if line.arm.arm == "none"]
    assert line.cell is not None
    assert line.cell.clipped == sum(row.belief[0] == 0 for row in of_people("none", 0.45, 1))
    assert any(f"none, people: {line.cell.clipped} of 80 verdicts" in note for note in notes(made))


def test_pgr_names_its_floor_and_ceiling_and_what_was_chosen_among_several() -> None:
    [note] = [note for note in notes(study()) if note.startswith("PGR")]
    assert note == "PGR is measured from none to whole."
    several = {**PROTOCOLS, "bare": "naive"}
    [note] = [note for note in notes(study(protocols=several)) if note.startswith("PGR")]
    assert "none is the first of the naive arms none, bare, since the file names none under pgr" in note
    named = study(protocols=several, pgr={"floor": "bare", "ceiling": None})
    [note] = [note for note in notes(named) if note.startswith("PGR")]
    assert note == "PGR is measured from bare to whole."
    assert {line.cell.pgr_floor for line in named.lines if line.cell and line.cell.pgr} == {"bare"}


def test_a_named_contrast_of_which_nothing_counts_is_not_left_out() -> None:
    made = reported([], {"talk": "debate", "other": "consultancy"}, "people", contrasts=[["talk", "other"]])
    assert made.contrasts == []
    assert "Contrast talk less other: no verdict counts under either arm." in notes(made)


def test_a_person_who_gave_most_of_the_verdicts_is_named() -> None:
    rows = of_people("talk", 0.7, 1)
    assert not [
        note for note in notes(reported(rows, {"talk": "debate"}, "people")) if "rest on fewer" in note
    ]
    # The second and third person gave all but two of theirs to the first, on other questions.
    moved = [
        replace(row, judge="person-0", question=f"{row.question}/{row.place}")
        if row.place in (2, 3) and row.passage > "p1"
        else row
        for row in rows
    ]
    [named] = [
        note for note in notes(reported(moved, {"talk": "debate"}, "people")) if "rest on fewer" in note
    ]
    share = sum(row.judge == "person-0" for row in moved) / len(moved)
    assert named == (
        f"talk, people: person-0 gave {share:.0%} of the verdicts of these 5 people, so that figures and contrasts rest on fewer people "
        "than that."
    )


def test_a_built_in_coin_has_no_interval_and_a_model_that_never_prefers_keeps_its() -> None:
    for kind, fixed in (("builtin", COIN), ("model", None)):
        rows = [placed("talk", "coin", kind, passage, 0, 0.5) for passage in range(16)]
        made = reported(rows, {"talk": "debate"}, "coin")
        [line] = made.lines
        body = line.as_json()
        assert (body["accuracy"], body["fixed"]) == (0.5, fixed)
        assert (body["low"] is None) == (kind == "builtin")
        assert (body["brier"], body["log_score"]) == (0.25, -1)
        for end in ("brier_low", "brier_high", "log_score_low", "log_score_high"):
            assert (body[end] is None) == (kind == "builtin"), end
        assert ("by design" in printed(made)) == (kind == "builtin")


def test_the_difference_of_two_constants_has_neither_interval_nor_p() -> None:
    for kind, fixed in (("builtin", True), ("model", False)):
        rows = [placed(arm, "coin", kind, passage, 0, 0.5) for arm in ("one", "two") for passage in range(16)]
        made = reported(rows, {"one": "naive", "two": "naive"}, "coin", contrasts=[["one", "two"]])
        [body] = made.as_json()["contrasts"]
        assert body["difference"] == 0
        assert (body["low"] is None, body["p"] is None, body["fixed"] is None) == (fixed, fixed, not fixed)
        said = "the design fixes the accuracy of both arms."
        assert any(note.endswith(said) for note in notes(made)) == fixed


def test_a_built_in_judge_that_goes_by_the_order_of_answers_is_a_coin_where_it_sees_nothing_else() -> None:
    """It chooses the first answer in both orders: half right on every question, whatever is asked."""
    for protocol, fixed in (("naive", COIN), ("debate", None)):
        rows = [
            replace(placed("talk", "first", "builtin", passage, 0, p_gold), reading=order)
            for passage in range(16)
            for order, p_gold in enumerate((0.9, 0.1))
        ]
        [line] = reported(rows, {"talk": protocol}, "first").lines
        assert line.cell is not None
        assert (line.cell.accuracy, line.cell.fixed) == (0.5, fixed)
        assert line.cell.brier_low < line.cell.brier, (
            "beliefs of .9 and .1 are scored, whatever the accuracy is"
        )


ENDS = {"none": {"protocol": "naive"}, "bare": {"protocol": "naive"}, "whole": {"protocol": "expert"}}


def test_the_file_may_name_the_ends_of_pgr() -> None:
    plain = parse_spec(spec(arms=ENDS, contrasts=[]))
    assert "pgr" not in plain.normalised()
    named = parse_spec(spec(arms=ENDS, contrasts=[], pgr={"floor": "bare"}))
    assert named.normalised()["pgr"] == {"floor": "bare", "ceiling": None}


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"floor": "whole"}, "pgr.floor: whole is an arm of expert: name one of naive"),
        ({"ceiling": "nobody"}, "unknown arm 'nobody'"),
        ({"flor": "bare"}, "unknown key 'flor'"),
    ],
)
def test_a_mistake_in_the_ends_of_pgr_is_named(wrong: dict[str, str], part: str) -> None:
    with pytest.raises(SpecError, match=part):
        parse_spec(spec(arms=ENDS, contrasts=[], pgr=wrong))
