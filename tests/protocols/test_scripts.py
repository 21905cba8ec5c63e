"""Every protocol's script can be killed at any moment, resumes to the same step, and refuses moves of other rules."""

import re
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.protocols import PROTOCOLS
from app.protocols.baselines import Expert, Naive, QuotesOnly
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import (
    Ask,
    Assignment,
    Case,
    Elicitation,
    Limits,
    Move,
    Outcome,
    Protocol,
    RuleChanged,
    Speech,
)
from app.protocols.debate import Debate
from app.protocols.judging import Elicit
from app.protocols.rehearsal import rehearse
from tests.protocols.harness import (
    ANSWERS,
    SETTINGS,
    Run,
    Stage,
    a_kill,
    assert_resumes,
    cases,
    elicitations,
    judgement,
    protocols,
    stored,
    trial,
    witness,
)

OTHER_RULES = (
    r"^The move \S+ (was made under other rules than the present ones|is stored but .* never ask for it): "
    r"finish it with the version that made it, or cancel it on its page and start it under another name\.$"
)

FIXED = [settings for name, settings in SETTINGS.items() if not PROTOCOLS[name].varies]
"""Protocols whose talk goes the same way whatever is said."""

fixed_talks = (
    st.sampled_from(FIXED)
    .flatmap(lambda some: some)
    .flatmap(lambda p: st.tuples(st.just(p), st.sampled_from(cases(p))))
)
protocol_and_case = protocols.flatmap(lambda p: st.tuples(st.just(p), st.sampled_from(cases(p))))


def test_there_are_settings_to_test_every_protocol_with() -> None:
    assert SETTINGS.keys() == PROTOCOLS.keys()


# ── kills ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(protocol_and_case, st.data())
def test_a_trial_killed_at_any_moment_resumes_to_the_same_step_and_the_same_end(
    drawn: tuple[Protocol, Case], data: st.DataObject
) -> None:
    stage = trial(*drawn)
    whole = stage.run(witness)
    assert_resumes(stage, witness, whole, data.draw(a_kill(whole)))


@given(protocol_and_case, elicitations, st.sampled_from(["final", "each_step"]), st.data())
def test_a_judgement_killed_at_any_moment_resumes_to_the_same_step_and_the_same_end(
    drawn: tuple[Protocol, Case], how: Elicitation, elicit: Elicit, data: st.DataObject
) -> None:
    protocol, case = drawn
    played = trial(protocol, replace(case, elicitation={"judge": how}))
    stage = judgement(protocol, played, played.run(witness), elicit)
    whole = stage.run(witness)
    assert_resumes(stage, witness, whole, data.draw(a_kill(whole)))


@given(protocol_and_case, st.randoms(use_true_random=False))
def test_the_order_in_which_a_steps_moves_are_committed_changes_nothing(
    drawn: tuple[Protocol, Case], order: Random
) -> None:
    stage = trial(*drawn)
    in_turn, out_of_turn = stage.run(witness), stage.run(witness, order=order)
    assert out_of_turn.moves == in_turn.moves
    assert out_of_turn.views == in_turn.views
    assert out_of_turn.outcome == in_turn.outcome


@given(fixed_talks)
def test_a_rehearsal_asks_what_a_trial_asks(drawn: tuple[Protocol, Case]) -> None:
    asked = trial(*drawn).run(witness).asked.values()
    assert whatever_was_chosen(rehearse(*drawn)) == whatever_was_chosen(asked)


Requested: TypeAlias = tuple[str, str, str, Limits, int]


def whatever_was_chosen(asks: Iterable[Ask]) -> list[Requested]:
    """The asks in their order, whichever candidates were chosen; where a side is chosen in the talk, it may tell the order."""
    asks = list(asks)
    if not asks or asks[0].path != "choice":
        return [requested(ask) for ask in asks]
    return sorted((requested(replace(ask, shows=())) for ask in asks), key=repr)


def requested(ask: Ask) -> Requested:
    """What is asked of whom, and how much is shown."""
    return ask.seat, ask.kind, ask.wants, ask.limits, len(ask.shows)


# ── changed rules ───────────────────────────────────────────────────────────────────────────────────────────────


def with_the_same_roles(both: tuple[Protocol, Protocol]) -> bool:
    """Whether the first assignments have one role: a script refuses a trial without the role that it needs."""
    before, after = (rules.assignments(2)[0].role for rules in both)
    return before == after


@given(st.sampled_from(FIXED).flatmap(lambda some: st.tuples(some, some)).filter(with_the_same_roles))
def test_moves_made_under_other_settings_are_refused(both: tuple[Protocol, Protocol]) -> None:
    before, after = both
    [case, *_] = cases(before)
    moves = trial(before, case).run(witness).moves.values()
    if rehearse(before, case) == rehearse(after, case):
        assert trial(after, case).begin(moves).finished
    else:
        with pytest.raises(RuleChanged, match=OTHER_RULES):
            trial(after, case).begin(moves)


@given(protocol_and_case, st.data())
def test_a_move_that_the_rules_never_ask_for_is_refused(
    drawn: tuple[Protocol, Case], data: st.DataObject
) -> None:
    stage = trial(*drawn)
    whole = stage.run(witness)
    on_record, _ = data.draw(a_kill(whole))
    stranger = replace(a_debate_move(), path="r9/stranger")
    with pytest.raises(RuleChanged, match=OTHER_RULES):
        stage.begin([*on_record, stranger])


@given(protocol_and_case, st.data())
def test_a_move_of_another_seat_is_refused(drawn: tuple[Protocol, Case], data: st.DataObject) -> None:
    stage = trial(*drawn)
    on_record, _ = data.draw(a_kill(stage.run(witness)))
    assume(on_record)
    at = data.draw(st.integers(0, len(on_record) - 1))
    on_record[at] = replace(on_record[at], seat="stranger")
    with pytest.raises(RuleChanged, match=OTHER_RULES):
        stage.begin(on_record)


@given(protocol_and_case, st.data())
def test_moves_of_a_step_are_refused_while_one_of_an_earlier_step_is_missing(
    drawn: tuple[Protocol, Case], data: st.DataObject
) -> None:
    stage = trial(*drawn)
    whole = stage.run(witness)
    assume(len(whole.steps) > 1)
    lost = data.draw(st.sampled_from([ask.path for step in whole.steps[:-1] for ask in step]))
    with pytest.raises(RuleChanged, match=OTHER_RULES):
        stage.begin(stored(move) for move in whole.moves.values() if move.path != lost)


def test_a_refusal_names_the_move_and_says_what_to_do() -> None:
    [case] = cases(Debate())
    with pytest.raises(RuleChanged) as refused:
        trial(Debate(target_words=120), case).begin([a_debate_move()])
    assert str(refused.value) == (
        "The move r1/debater_a was made under other rules than the present ones: "
        "finish it with the version that made it, or cancel it on its page and start it under another name."
    )


def a_debate_move() -> Move:
    """The first speech of a debate with the default settings."""
    [case] = cases(Debate())
    return trial(Debate(), case).run(witness).moves["r1/debater_a"]


# ── who argues for what ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("protocol", [Naive(), Expert()])
def test_a_baseline_is_played_once_and_asks_nobody_but_the_judge(protocol: Protocol) -> None:
    assert protocol.assignments(4) == (Assignment({}),)
    assert trial(protocol, cases(protocol)[0]).run(witness).outcome == Outcome()


@pytest.mark.parametrize("answers", [2, 4])
def test_consultancy_is_played_once_for_every_answer(answers: int) -> None:
    argued = [given.argues for given in Consultancy().assignments(answers)]
    assert argued == [{"consultant": answer} for answer in range(answers)]


@pytest.mark.parametrize(
    ("protocol", "seats"),
    [
        (QuotesOnly(), ("quoter_a", "quoter_b")),
        (DoubleConsultancy(), ("consultant_a", "consultant_b")),
        (Debate(), ("debater_a", "debater_b")),
    ],
)
def test_where_both_sides_speak_at_once_one_assignment_is_enough(
    protocol: Protocol, seats: tuple[str, str]
) -> None:
    assert protocol.assignments(2) == (Assignment(dict(zip(seats, (0, 1), strict=True))),)
    assert protocol.reading_orders == 2


def test_a_sequential_debate_is_played_again_with_the_seats_exchanged_and_each_is_read_once() -> None:
    protocol = Debate(simultaneous=False)
    [plain, exchanged] = cases(protocol)
    assert plain.answers[plain.argues["debater_a"]] == exchanged.answers[exchanged.argues["debater_b"]]
    assert plain.argues == exchanged.argues
    assert (plain.answers, exchanged.answers) == (ANSWERS, ANSWERS[::-1])
    assert protocol.reading_orders == 1


@given(protocols)
def test_every_seat_that_argues_exists_reads_the_passage_and_has_an_answer_of_its_own(
    protocol: Protocol,
) -> None:
    seats = protocol.rights()
    for given_sides in protocol.assignments(2):
        sides = list(given_sides.argues.values())
        assert len(set(sides)) == len(sides)
        assert set(sides) <= {0, 1}
        assert all(seats[name].reads_passage for name in given_sides.argues)


@given(fixed_talks)
def test_every_speech_for_an_answer_is_checked_once_and_no_check_reaches_the_transcript(
    drawn: tuple[Protocol, Case],
) -> None:
    protocol, case = drawn
    run: Run[Outcome] = Stage(lambda: protocol.script(case), case, protocol.rights()).run(witness)
    transcript = [path for group in run.outcome.transcript for path in group]
    checks = {path for path, ask in run.asked.items() if ask.seat == "checker"}
    sides = run.outcome.judged(case).argues
    speeches = (path for path in transcript if isinstance(run.moves[path].content, Speech))
    argued = {path for path in speeches if run.moves[path].seat in sides}
    assert checks == (set() if protocol.name == "quotes-only" else {f"{path}/position" for path in argued})
    unsaid = run.moves.keys() - checks - set(transcript) - {"choice"}
    assert all(IN_THE_MAKING.search(path) or f"{path}/refined" in transcript for path in unsaid), unsaid


IN_THE_MAKING = re.compile(r"/(c\d+|critique\d+)(/preference[12]|/helpful)?$|/choice$|^end/judge/")
"""What a speech is made with: candidates, critiques of its draft, what was thought of them, and the speaker's choice
among them. So is the verdict of a judge who took part left out of the transcript.
"""


# ── what a talk leaves behind ───────────────────────────────────────────────────────────────────────────────────


@given(protocol_and_case)
def test_every_figure_that_a_talk_leaves_behind_has_a_name_and_a_unit(
    protocol_and_case: tuple[Protocol, Case],
) -> None:
    protocol, case = protocol_and_case
    for name, value in trial(protocol, case).run(witness).outcome.measures.items():
        called = protocol.measure(name)
        assert called.name in {measure.name for measure in protocol.measures}, (
            f"{name} has no line in `measures`"
        )
        assert called.unit
        assert called.told(value)


@pytest.mark.parametrize("rules", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_no_two_figures_of_a_protocol_are_called_the_same(rules: type[Protocol]) -> None:
    assert len({measure.title for measure in rules.measures}) == len(rules.measures)
