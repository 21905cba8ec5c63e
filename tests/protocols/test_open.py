"""In open protocols the advocate argues for the answer that it has chosen, and everybody sees it so."""

from dataclasses import replace

import pytest

from app.protocols.core import (
    AnyContent,
    Ask,
    Assignment,
    Case,
    Outcome,
    Pick,
    SideFacts,
)
from app.protocols.open import OpenConsultancy, OpenDebate
from app.protocols.views import View
from tests.protocols.harness import (
    ANSWERS,
    PASSAGE,
    QUESTION,
    Answer,
    Stage,
    cases,
    heard,
    judgement,
    survives,
    trial,
    witness,
)


def choosing(answer: str) -> Answer:
    """An advocate who finds this answer right, wherever it is listed."""

    def give(view: View, ask: Ask) -> AnyContent:
        if ask.path == "choice":
            return Pick(index=view.answers.index(answer))
        return witness(view, ask)

    return give


def open_debate(
    *, simultaneous: bool = True, seed: int = 7, answers: tuple[str, ...] = ANSWERS
) -> Stage[Outcome]:
    return trial(OpenDebate(rounds=1, simultaneous=simultaneous), Case(QUESTION, answers, {}, seed))


@pytest.mark.parametrize("chosen", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_an_advocate_argues_for_the_answer_that_it_has_picked_in_whatever_order_it_read_them(
    chosen: int, seed: int
) -> None:
    run = survives(open_debate(seed=seed), choosing(ANSWERS[chosen]))
    assert run.outcome.argues == {"protagonist": chosen, "antagonist": 1 - chosen}
    for seat, side in run.outcome.argues.items():
        view = run.views[f"r1/{seat}"]
        assert (view.side, view.label) == (side, f"Debater {'AB'[side]}")
        assert run.asked[f"r1/{seat}/position"].facts == SideFacts(side=side)
        assert run.views[f"r1/{seat}/position"].lines[0].speaker == view.label


@pytest.mark.parametrize("attacker", ["protagonist", "antagonist"])
def test_an_attack_adds_no_trial_since_the_side_is_chosen_in_the_talk(attacker: str) -> None:
    for simultaneous in (True, False):
        calm = OpenDebate(simultaneous=simultaneous)
        attacked = OpenDebate(simultaneous=simultaneous, attack="forge-marks", attacker=attacker)
        assert attacked.assignments(2) == calm.assignments(2)
        assert attacked.reading_orders * len(attacked.assignments(2)) == 2, "each order is read once"


def test_the_order_in_which_the_answers_are_read_is_drawn_by_the_trials_seed() -> None:
    orders = [open_debate(seed=seed).run(witness).asked["choice"].order for seed in range(40)]
    assert {(0, 1), (1, 0)} == set(orders)
    assert orders == [open_debate(seed=seed).run(witness).asked["choice"].order for seed in range(40)]


def test_who_chooses_reads_the_passage_and_has_no_side_yet() -> None:
    for protocol in (OpenDebate(), OpenConsultancy()):
        view = trial(protocol, cases(protocol)[0]).run(witness).views["choice"]
        assert view.passage == PASSAGE
        assert (view.side, view.label, view.lines) == (None, view.title, [])


def test_nobody_reads_the_choice_and_the_judge_reads_speeches_under_the_letters_of_their_answers() -> None:
    stage = open_debate()
    run = stage.run(choosing(ANSWERS[1]))
    assert all(path != "choice" for group in run.outcome.transcript for path in group)
    views = judgement(OpenDebate(rounds=1), stage, run).run(witness).views
    assert [line.speaker for line in views["judging/order0/step1"].lines] == ["Debater A", "Debater B"]
    assert [min(heard(line)) for line in views["judging/order0/step1"].lines] == [
        "r1/antagonist",
        "r1/protagonist",
    ]
    assert [min(heard(line)) for line in views["judging/order1/step1"].lines] == [
        "r1/protagonist",
        "r1/antagonist",
    ]


def test_which_side_has_chosen_shows_in_no_view_but_the_choosers() -> None:
    by_choice = []
    for chosen in ANSWERS:
        run = open_debate().run(choosing(chosen))
        by_answer = {
            run.views[f"r1/{seat}"].label: run.views[f"r1/{seat}"] for seat in ("protagonist", "antagonist")
        }
        by_choice.append(by_answer)
    assert by_choice[0] == by_choice[1]


@pytest.mark.parametrize("chosen", [0, 1])
def test_one_after_the_other_the_side_of_the_first_answer_begins_whoever_holds_it(chosen: int) -> None:
    run = survives(open_debate(simultaneous=False), choosing(ANSWERS[chosen]))
    first, second = ("protagonist", "antagonist") if chosen == 0 else ("antagonist", "protagonist")
    assert run.outcome.transcript == ((f"r1/{first}",), (f"r1/{second}",))
    assert heard(run.views[f"r1/{first}"]) == set()
    assert heard(run.views[f"r1/{second}"]) == {f"r1/{first}"}


def test_a_choice_is_played_once_and_a_sequential_debate_in_both_orders() -> None:
    assert OpenConsultancy().assignments(2) == OpenDebate().assignments(2) == (Assignment({}),)
    assert OpenDebate(simultaneous=False).assignments(2) == (Assignment({}), Assignment({}, reverse=True))


def test_an_open_consultancy_is_the_consultancy_for_the_chosen_answer() -> None:
    protocol = OpenConsultancy(rounds=2, questions="questioner")
    run = survives(trial(protocol, cases(protocol)[0]), choosing(ANSWERS[1]))
    assert run.outcome.argues == {"consultant": 1}
    assert [ask.path for step in run.steps for ask in step] == [
        "choice",
        *("r1/consultant", "r1/questioner", "r2/consultant"),
        *("r1/consultant/position", "r2/consultant/position"),
    ]
    assert run.views["r2/consultant"].side == 1


def test_sides_of_an_ask_are_those_it_names_and_else_those_of_the_case() -> None:
    stage = open_debate()
    asked = stage.run(choosing(ANSWERS[0])).asked["r1/protagonist"]
    assert asked.argues == {"protagonist": 0, "antagonist": 1}
    assert replace(asked, argues=None).fingerprint != asked.fingerprint
