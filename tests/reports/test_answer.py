"""The answer in a sentence: what may be claimed, and why nothing can be concluded."""

import itertools
import re
from typing import Any

import pytest

from app.records.database import Database
from app.reports.answer import Outcome, answer, capital, number
from app.reports.report import report as made_report
from tests.factories import finished, passage
from tests.reports.reports import cell, item, report

TWO = [cell("debate", 0.7), cell("consultancy", 0.58)]


def said(*contrasts: dict[str, Any], **changes: Any) -> str:
    return answer(report(TWO, contrasts, **changes)).text


# ── contrasts ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_difference_that_is_shown_is_claimed_with_interval_test_questions_and_judge() -> None:
    assert said(item(0.12, 0.03, 0.21)) == (
        "Debate beat consultancy by 12 points (95% interval 3 to 21; p 0.004; 60 questions on 30 passages; judge: weak)."
    )


def test_the_winner_comes_first_even_if_the_contrast_names_it_second() -> None:
    found = answer(report(TWO, [item(-0.12, -0.21, -0.03)]))
    assert found.text.startswith("Consultancy beat debate by 12 points (95% interval 3 to 21;")
    assert found.contrasts[0].words == "−12 points, −21 to −3: consultancy is ahead (p 0.004)"


def test_an_interval_over_zero_shows_no_difference() -> None:
    found = answer(report(TWO, [item(0.03, -0.18, 0.23, p=0.8, p_holm=0.8)]))
    assert found.contrasts[0].words == "+3 points, −18 to 23: no difference shown (p 0.8)"
    assert found.text == (
        "Debate and consultancy: +3 points, −18 to 23: no difference shown (p 0.8; 60 questions on 30 passages; judge: weak)."
    )


@pytest.mark.parametrize("p", [0.0001, 0.049])
def test_no_difference_is_claimed_whose_interval_includes_zero_whatever_p_says(p: float) -> None:
    for low, high in [(-0.01, 0.3), (0.0, 0.3), (-0.3, 0.0)]:
        found = answer(report(TWO, [item(0.1, low, high, p=p, p_holm=p)]))
        assert "beat" not in found.text
        assert "ahead" not in found.contrasts[0].words
        assert found.contrasts[0].outcome is Outcome.NONE


def test_no_difference_is_claimed_that_does_not_survive_holm() -> None:
    found = answer(report(TWO, [item(0.12, 0.01, 0.23, p=0.03, p_holm=0.18, named=6)]))
    assert found.contrasts[0].outcome is Outcome.UNCORRECTED
    assert "no difference shown once corrected for 6 contrasts (Holm p 0.18; 60" in found.text
    assert "beat" not in found.text


def test_without_a_p_value_nothing_is_claimed() -> None:
    found = answer(report(TWO, [item(0.12, 0.03, 0.21, p=None, p_holm=None)]))
    assert found.contrasts[0].words == "+12 points, 3 to 21: not tested"
    assert "beat" not in found.text


def test_a_difference_on_few_common_questions_says_on_how_many() -> None:
    found = answer(report(TWO, [item(-0.17, -0.6, 0.3, p=0.5, p_holm=0.5, questions=6)]))
    assert found.contrasts[0].words == (
        "−17 points, −60 to 30 on the 6 questions that both arms have: no difference shown (p 0.5)"
    )
    assert "that both arms have" not in said(item(-0.17, -0.6, 0.3, questions=40))


def test_judges_of_added_rounds_are_in_the_tables_and_not_in_the_answer() -> None:
    later = cell("debate", 0.9, judge="later (offline)", added=True)
    contrasts = [item(0.12, 0.03, 0.21), item(0.5, 0.1, 0.9, judge="later (offline)")]
    found = answer(report([*TWO, later], contrasts))
    assert [own.judge for own in found.contrasts] == ["weak"]
    assert "later" not in found.text
    assert "later" in answer(report([later])).text, "where there are no others, they are the answer"


def test_too_few_passages_are_named_as_the_reason() -> None:
    one = item(0.5, -1.0, 1.0, p=None, p_holm=None, passages=1)
    assert "no difference can be shown on one passage" in said(one)
    assert "no difference can be shown on 4 passages" in said(item(0.5, -0.2, 1.0, passages=4, p=0.0625))
    assert "no difference shown" in said(item(0.5, -0.2, 1.0, passages=5, p=0.3, p_holm=0.3))
    assert "can be shown on 6 passages" in said(item(0.5, -0.2, 1.0, passages=6, named=4, p_holm=0.1))
    assert "no difference shown" in said(item(0.5, -0.2, 1.0, passages=4, people=12)), "a t test has no bound"


def test_a_difference_without_figures_or_by_design_says_so() -> None:
    unknown = item(None, reason="No question was judged under both arms.", p=None, p_holm=None)
    assert (
        said(unknown)
        == "Debate and consultancy: nothing can be concluded: no question was judged under both arms."
    )
    fixed = item(0.0, None, None, fixed="the design fixes the accuracy of both arms", p=None, p_holm=None)
    assert said(fixed).startswith("Debate and consultancy: 0 points by design")


def test_a_lead_never_rounds_to_an_interval_that_seems_to_include_zero() -> None:
    assert "95% interval 0.4 to 12" in said(item(0.06, 0.004, 0.12))
    assert number(-0.0004, signed=True) == "−0.04"
    assert number(0.0, signed=True) == "0"
    assert number(-0.0, signed=True) == "0"


def test_what_several_contrasts_rest_on_is_said_once() -> None:
    other = item(-0.08, -0.24, 0.09, second="quotes-only", p=0.25, p_holm=0.5, named=2)
    found = answer(report(TWO, [item(0.0, -0.26, 0.26, p=0.8, p_holm=0.8, named=2), other]))
    assert found.text.count("60 questions on 30 passages") == 1
    assert found.meaning == "No difference is shown in 2 contrasts."


def test_of_many_contrasts_those_that_show_a_difference_are_named() -> None:
    none = [item(0.0, -0.2, 0.2, second=f"arm{at}", p=0.9, p_holm=1.0, named=5) for at in range(4)]
    found = answer(report(TWO, [item(0.12, 0.03, 0.21, named=5, p_holm=0.02), *none]))
    assert found.sentences == [
        "1 of 5 contrasts shows a difference.",
        "Debate beat consultancy by 12 points (3 to 21; Holm p 0.02).",
    ]
    assert answer(report(TWO, none)).text == "No difference is shown in 4 contrasts."


def test_people_are_counted_as_judges() -> None:
    assert "judge: 12 people)" in said(item(0.12, 0.03, 0.21, judge="people", people=12))


# ── several judges ──────────────────────────────────────────────────────────────────────────────────────────────


def test_several_judges_share_a_sentence_that_says_for_how_many_it_holds() -> None:
    found = said(
        item(0.12, 0.03, 0.21, judge="large"),
        item(0.09, 0.01, 0.17, judge="middle", p_holm=0.03),
        item(-0.02, -0.1, 0.06, judge="small", p=0.7, p_holm=0.7),
    )
    assert found == (
        "Debate beat consultancy under 2 of 3 judges (large +12 points, 3 to 21, p 0.004; middle +9 points, 1 to 17, p 0.03); "
        "under 1 no difference is shown (small −2 points, −10 to 6, p 0.7)."
    )


def test_twenty_judges_are_counted_and_not_named() -> None:
    wins = [item(0.12, 0.03, 0.21, judge=f"j{at}") for at in range(7)]
    loss = item(-0.12, -0.21, -0.03, judge="odd")
    others = [item(0.0, -0.2, 0.2, judge=f"k{at}", p=0.9, p_holm=0.9) for at in range(12)]
    assert said(*wins, loss, *others) == (
        "Debate beat consultancy under 7 of 20 judges; consultancy beat debate under 1 of 20 judges "
        "(odd −12 points, −21 to −3, p 0.004); under 12 no difference is shown."
    )
    assert said(*others) == (
        "No difference between debate and consultancy is shown under any of 12 judges (60 questions on 30 passages)."
    )


# ── nothing can be concluded ─────────────────────────────────────────────────────────────────────────────────────────


def test_without_verdicts_nothing_can_be_told() -> None:
    empty = report(
        [cell("debate", None)], totals={"trials_done": 3, "judgements_done": 0}, contrasts=[item(None)]
    )
    assert answer(empty).text == (
        "Nothing can be concluded yet: there are no verdicts (3 of 120 trials, 0 of 120 judgements done)."
    )
    none = report([cell("debate", None)], totals={"verdicts": 12})
    assert answer(none).text.startswith("Nothing can be concluded yet: none of 12 verdicts counts")


def test_built_in_baselines_say_nothing_about_language_models() -> None:
    first, *_ = answer(report(TWO, [item(0.12, 0.03, 0.21)], baselines_only=True)).sentences
    assert first == "Nothing can be concluded about language models: all participants are built-in baselines."
    judged = [{**one, "judge_is_baseline": True} for one in TWO]
    *_, last = answer(report(judged, [item(0.12, 0.03, 0.21)])).sentences
    assert last == "The judge is a built-in baseline, so that this says nothing about other judges."


def test_pilots_and_unfinished_experiments_are_marked() -> None:
    text = said(item(0.12, 0.03, 0.21), pilot=True, totals={"trials_done": 60})
    assert text.endswith("This is a pilot. It is not finished: 60 of 120 trials, 120 of 120 judgements done.")


# ── without contrasts ───────────────────────────────────────────────────────────────────────────────────────────


def test_without_contrasts_accuracies_stand_beside_the_floor_and_nothing_is_claimed() -> None:
    cells = [
        cell(
            "naive",
            0.5,
            low=None,
            high=None,
            fixed="50% by construction",
            by_construction="50% by construction",
        ),
        *TWO,
        cell("expert", 0.9, low=0.8, high=0.95),
    ]
    found = answer(report(cells))
    assert found.text == (
        "No contrast is named, so that no difference is tested. Judge weak was right on 50% without help (naive), by design; "
        "70% (60 to 80) under debate; 58% (48 to 68) under consultancy; 90% (80 to 95) with the passage (expert) "
        "(60 questions on 30 passages)."
    )
    assert found.meaning == "No contrast is named, so that no difference is tested."


def test_one_arm_has_nothing_to_be_compared_with() -> None:
    assert answer(report([cell("debate", 0.7)])).text == (
        "Only the arm debate has verdicts, so that there is nothing to compare it with. "
        "Judge weak was right on 70% (60 to 80) under debate (60 questions on 30 passages; chance 50%)."
    )


def test_one_passage_tells_nothing_about_others() -> None:
    cells = [{**one, "passages": 1, "questions": 2} for one in TWO]
    assert answer(report(cells)).sentences[0] == (
        "All questions are on one passage, so that nothing can be concluded about others."
    )


def test_many_arms_and_judges_are_given_as_ranges() -> None:
    cells = [cell(f"arm{at}", 0.5 + at / 100) for at in range(6)]
    assert "from 50% (40 to 60) arm0 to 55% (45 to 65) arm5 among 6 arms" in answer(report(cells)).text
    many = [cell(arm, 0.5 + at / 100, judge=f"j{at}") for at in range(5) for arm in ("debate", "other")]
    assert (
        "Accuracies of 5 judges: 50% to 54% under debate; 50% to 54% under other."
        in answer(report(many)).text
    )


def test_names_keep_their_letters_where_capitals_would_be_another_name() -> None:
    assert [capital(text) for text in ("debate", "debate-2 x", "gpt4_x", "o3", "Debate", "")] == [
        "Debate",
        "Debate-2 x",
        "gpt4_x",
        "o3",
        "Debate",
        "",
    ]


def test_every_sentence_of_every_kind_of_contrast_is_one_sentence() -> None:
    shapes = [(0.12, 0.03, 0.21), (-0.12, -0.21, -0.03), (0.03, -0.1, 0.2), (None, None, None)]
    for shape, p, passages, people in itertools.product(shapes, (None, 0.01, 0.3), (1, 4, 30), (None, 5)):
        changes = {"p": p, "p_holm": p, "passages": passages, "people": people}
        text = said(item(*shape, **changes))
        assert text.endswith("."), text
        assert not re.search(r"\bNone\b|\.\.|nan|\(\)", text), text
        assert ("beat" in text) == (shape[0] in (0.12, -0.12) and p == 0.01), text


# ── from a database ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_json_of_a_report_holds_its_answer(database: Database) -> None:
    experiment = await finished(database, passage("Alba"), passage("Brise"))
    async with database.session() as session:
        made = (await made_report(session, experiment)).as_json()
    assert made["baselines_only"] is True
    assert made["answer"] == answer(made).as_json()
    assert made["answer"]["text"].startswith("Nothing can be concluded about language models")
