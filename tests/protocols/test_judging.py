"""Judges read a finished transcript step by step or at the end, in each order on its own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocols.baselines import Naive
from app.protocols.combinators import believe
from app.protocols.core import AnyContent, Ask, Belief, Case, Elicitation, Pick, Play, Seat, Thought
from app.protocols.debate import Debate
from app.protocols.judging import Elicit, Reading, orders
from app.protocols.views import View
from tests.protocols.harness import (
    ANSWERS,
    QUESTION,
    UNHURRIED,
    Run,
    Stage,
    cases,
    elicitations,
    heard,
    judgement,
    trial,
    witness,
)

JUDGES = {"judge": Seat("judge", "Judge")}


def judged(
    how: Elicitation, elicit: Elicit, count: int = 2, protocol: Debate | None = None
) -> Run[tuple[Reading, ...]]:
    protocol = protocol or Debate(rounds=2)
    case = replace(cases(protocol)[0], elicitation={"judge": how})
    played = trial(protocol, case)
    return judgement(protocol, played, played.run(witness), elicit, count).run(witness)


def test_both_orders_are_as_the_answers_stand_and_the_other_way_round() -> None:
    assert orders(2, 2) == ((0, 1), (1, 0))
    assert orders(4, 2) == ((0, 1, 2, 3), (3, 2, 1, 0))
    assert orders(4, 1) == ((0, 1, 2, 3),)


@UNHURRIED
@given(elicitations)
def test_a_judge_asked_at_the_end_gives_one_belief_in_each_order(how: Elicitation) -> None:
    for reading in judged(how, "final").outcome:
        assert reading.beliefs == (reading.belief,)


@UNHURRIED
@given(elicitations, st.booleans())
def test_a_judge_asked_at_each_step_gives_one_belief_more_than_there_are_steps(
    how: Elicitation, simultaneous: bool
) -> None:
    protocol = Debate(rounds=2, simultaneous=simultaneous)
    readings = judged(how, "each_step", protocol=protocol).outcome
    assert [reading.order for reading in readings] == [(0, 1), (1, 0)]
    for reading in readings:
        assert len(reading.beliefs) == (2 if simultaneous else 4) + 1
        assert reading.belief == reading.beliefs[-1]


def test_without_a_transcript_the_first_belief_is_the_last() -> None:
    played = trial(Naive(), cases(Naive())[0])
    for elicit in ("final", "each_step"):
        run = judgement(Naive(), played, played.run(witness), elicit).run(witness)
        assert list(run.moves) == ["judging/order0/step0", "judging/order1/step0"]
        assert [len(reading.beliefs) for reading in run.outcome] == [1, 1]


def test_at_each_step_a_judge_has_read_that_many_steps_and_no_belief_of_its_own() -> None:
    views = judged(Elicitation(), "each_step").views
    rounds = [{f"r{number}/debater_a", f"r{number}/debater_b"} for number in (1, 2)]
    for order in (0, 1):
        assert heard(views[f"judging/order{order}/step0"]) == set()
        assert heard(views[f"judging/order{order}/step1"]) == rounds[0]
        assert heard(views[f"judging/order{order}/step2"]) == rounds[0] | rounds[1]
    assert {line.content.kind for view in views.values() for line in view.lines} == {"speech"}


def test_one_order_is_read_where_one_is_asked_for() -> None:
    assert [reading.order for reading in judged(Elicitation(), "final", count=1).outcome] == [(0, 1)]


# ── coming to a belief ──────────────────────────────────────────────────────────────────────────────────────────


def stage(
    how: Elicitation, order: tuple[int, ...] = (0, 1), answers: tuple[str, ...] = ANSWERS
) -> Stage[Belief]:
    case = Case(QUESTION, answers, {}, seed=7, elicitation={"judge": how})
    return Stage(lambda: believe(case, "b", "judge", (), order=order), case, JUDGES)


def due(play: Play[Belief]) -> list[str]:
    return [ask.path for ask in play.due]


@UNHURRIED
@given(elicitations)
def test_a_belief_is_asked_for_as_its_participant_comes_to_one(how: Elicitation) -> None:
    asked = stage(how).run(witness).asked
    decisions = [f"b/v{number}" for number in range(1, how.votes + 1)] or ["b"]
    reasons = [f"{path}/reason" for path in decisions] if how.reason_first else []
    assert list(asked) == reasons + decisions
    assert {asked[path].wants for path in decisions} == {"pick" if how.votes else "belief"}
    assert {asked[path].wants for path in reasons} <= {"thought"}


@UNHURRIED
@given(st.integers(0, 3))
def test_reasoning_is_shown_to_the_decision_that_it_precedes_and_to_no_other(votes: int) -> None:
    run = stage(Elicitation(reason_first=True, votes=votes)).run(witness)
    for path, view in run.views.items():
        thoughts = [line.content for line in view.lines]
        reason = run.moves.get(f"{path}/reason")
        assert thoughts == ([reason.content] if reason else [])
        assert all(isinstance(thought, Thought) for thought in thoughts)


@UNHURRIED
@given(st.permutations(range(3)), st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_a_voted_belief_is_the_share_of_votes_for_each_answer_whatever_order_it_read_them_in(
    order: list[int], votes: list[int]
) -> None:
    def voter(view: View, ask: Ask) -> AnyContent:
        wanted = votes[int(ask.path.removeprefix("b/v")) - 1]
        return Pick(index=view.answers.index("xyz"[wanted]))

    belief = stage(Elicitation(votes=len(votes)), tuple(order), tuple("xyz")).run(voter).outcome
    assert belief.method == "votes"
    assert belief.p == pytest.approx([votes.count(answer) / len(votes) for answer in range(3)])
    assert sum(belief.p) == pytest.approx(1)


def test_a_stated_belief_is_kept_as_it_was_given() -> None:
    run = stage(Elicitation(), order=(1, 0)).run(witness)
    assert run.outcome == run.moves["b"].content
    assert run.outcome.method == "logprobs"


def test_votes_are_hidden_from_one_another_and_all_are_asked_at_once() -> None:
    play = stage(Elicitation(votes=3)).begin()
    assert due(play) == ["b/v1", "b/v2", "b/v3"]
    assert {ask.shows for ask in play.due} == {()}
