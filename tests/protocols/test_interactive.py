"""The judge of an interactive talk says what it believes, asks, and ends the talk when it may and wants to."""

from collections.abc import Callable

import pytest

from app.protocols.core import (
    AnyContent,
    Ask,
    Assignment,
    Elicitation,
    Note,
    Outcome,
    Pick,
)
from app.protocols.interactive import Interactive, InteractiveConsultancy, InteractiveDebate
from app.protocols.views import View
from tests.protocols.harness import (
    PASSAGE,
    Answer,
    Run,
    Stage,
    cases,
    heard,
    judgement,
    overheard,
    sure,
    survives,
    trial,
    witness,
)

BOTH: list[Callable[..., Interactive]] = [InteractiveDebate, InteractiveConsultancy]


def stage_of(protocol: Interactive, **elicitation: Elicitation) -> Stage[Outcome]:
    return trial(protocol, cases(protocol, elicitation=elicitation)[0])


def judge_who(ends_after: int, *believes: float, says: str | None = None) -> Answer:
    """Believes what it is told to before each round, and would end the talk after round `ends_after` and any later one."""

    def answer(view: View, ask: Ask) -> AnyContent:
        rounds = int(ask.path.partition("/")[0].removeprefix("r")) - 1
        match ask.wants:
            case "belief":
                return sure(believes[rounds])
            case "pick":
                return Pick(index=int(rounds >= ends_after))
            case "note" if says is not None:
                return Note(text=says)
        return witness(view, ask)

    return answer


def rounds_of(run: Run[Outcome]) -> int:
    """Rounds that were spoken."""
    return len({ask.path.partition("/")[0] for ask in run.asked.values() if ask.wants == "speech"})


# ── when it ends ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", BOTH)
@pytest.mark.parametrize(
    ("believes", "ends_after", "rounds"),
    [
        ((0.5, 0.6, 0.7, 0.8, 0.8), 0, 2),  # not before the second round
        ((0.5, 0.6, 0.7, 0.8, 0.8), 3, 3),
        ((0.5, 0.1, 0.1, 0.1, 0.1), 0, 2),  # a swing in the round before the last one does not count
        ((0.5, 0.6, 0.9, 0.8, 0.8), 0, 3),  # not right after a swing
        ((0.5, 0.6, 0.4, 0.5, 0.5), 0, 2),  # which a change of sides alone is not
        ((0.5, 0.6, 0.1, 0.6, 0.7), 0, 4),  # nor right after another one
        ((0.5, 0.9, 0.1, 0.9, 0.1), 0, 4),  # not for ever
        ((0.5, 0.6, 0.7, 0.8, 0.9), 9, 4),
    ],
)
def test_a_judge_ends_the_talk_when_it_may_and_wants_to(
    rules: Callable[..., Interactive], believes: tuple[float, ...], ends_after: int, rounds: int
) -> None:
    run = survives(stage_of(rules(max_rounds=4)), judge_who(ends_after, *believes))
    assert rounds_of(run) == rounds
    assert [belief.p[0] for belief in run.outcome.beliefs] == list(believes[: rounds + 1])
    assert run.outcome.belief == run.outcome.beliefs[-1]
    assert run.outcome.measures["continuations"] == rounds - 1
    assert run.outcome.measures["penalty"] == pytest.approx(0.05 * (rounds - 1))


def test_what_counts_as_a_swing_and_the_fewest_rounds_are_settings() -> None:
    believes = (0.5, 0.9, 0.2, 0.2)
    for swing, rounds in ((0.8, 1), (0.4, 1), (0.3, 3)):
        protocol = InteractiveDebate(min_rounds=1, max_rounds=3, swing=swing)
        run = stage_of(protocol).run(judge_who(0, *believes))
        assert (rounds_of(run), run.outcome.measures["swings"]) == (rounds, 2 if rounds == 3 else 0)


def test_a_belief_that_moved_by_exactly_a_swing_is_none() -> None:
    run = stage_of(InteractiveDebate(swing=0.25)).run(judge_who(0, 0.5, 0.5, 0.75))
    assert (rounds_of(run), run.outcome.measures["swings"]) == (2, 0)


def test_more_rounds_before_the_end_than_there_are_at_most_are_refused() -> None:
    with pytest.raises(ValueError, match="min_rounds must not be more than max_rounds"):
        InteractiveDebate(min_rounds=4, max_rounds=3)


# ── who speaks when ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_debate_opens_with_both_sides_at_once_and_goes_on_one_by_one_after_the_judges_turn() -> None:
    run = stage_of(InteractiveDebate()).run(judge_who(0, 0.5, 0.6, 0.7))
    assert [[ask.path for ask in step] for step in run.steps] == [
        ["r1/judge/belief"],
        ["r1/judge"],
        ["r1/debater_a", "r1/debater_b"],
        ["r2/judge/belief"],
        ["r2/judge"],
        ["r2/debater_a"],
        ["r2/debater_b"],
        ["r3/judge/belief"],
        ["r3/judge"],
        ["r3/judge/stop"],
        [f"r{number}/{side}/position" for number in (1, 2) for side in ("debater_a", "debater_b")],
    ]
    assert run.outcome.transcript == (
        ("r1/judge",),
        ("r1/debater_a", "r1/debater_b"),
        ("r2/judge",),
        ("r2/debater_a",),
        ("r2/debater_b",),
    )


def test_nobody_is_asked_for_a_remark_or_a_choice_when_no_round_is_left() -> None:
    run = stage_of(InteractiveConsultancy(min_rounds=1, max_rounds=1)).run(judge_who(0, 0.5, 0.6))
    assert [ask.path for ask in run.asked.values()] == [
        *("r1/judge/belief", "r1/judge"),
        "r1/consultant",
        "r2/judge/belief",
        "r1/consultant/position",
    ]


@pytest.mark.parametrize("how", [Elicitation(), Elicitation(reason_first=True), Elicitation(votes=3)])
def test_the_judges_turn_is_one_thought_belief_then_remark_then_choice(how: Elicitation) -> None:
    run = survives(stage_of(InteractiveDebate(), judge=how), witness)
    steps = [[ask.path for ask in step] for step in run.steps]
    choice = steps.index(["r3/judge/stop"])
    assert steps[choice - 1] == ["r3/judge"]
    assert all(path.startswith("r3/judge/belief") for path in steps[choice - 2])
    assert heard(run.views["r3/judge/stop"]) - heard(run.views["r3/judge"]) == {"r3/judge"}
    stated = tuple(round(share, 4) for share in run.outcome.beliefs[2].p)
    for path in ("r3/judge", "r3/judge/stop"):
        assert run.views[path].facts.by_name()["credence"] == list(stated)


def test_a_debate_is_played_again_with_the_seats_exchanged_and_a_consultancy_for_each_answer() -> None:
    sides = {"debater_a": 0, "debater_b": 1}
    assert InteractiveDebate().assignments(2) == (Assignment(sides), Assignment(sides, reverse=True))
    assert InteractiveDebate().reading_orders == 1
    assert [given.argues for given in InteractiveConsultancy().assignments(2)] == [
        {"consultant": 0},
        {"consultant": 1},
    ]


# ── who sees what ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sides_read_the_judges_remarks_and_credence_and_never_its_reasons() -> None:
    stage = stage_of(InteractiveDebate(), judge=Elicitation(reason_first=True, votes=3))
    run = survives(stage, witness)
    view = run.views["r2/debater_b"]
    assert heard(view) == {"r1/judge", "r1/debater_a", "r1/debater_b", "r2/judge", "r2/debater_a"}
    assert overheard(view) == {"r1/debater_b"}
    assert view.facts.credence == pytest.approx(run.outcome.beliefs[1].p, abs=1e-4)
    assert run.views["r1/debater_a"].facts.credence == pytest.approx(run.outcome.beliefs[0].p, abs=1e-4)
    assert view.passage == PASSAGE


def test_sides_are_told_nothing_of_the_judge_but_its_credence_and_how_far_the_talk_is() -> None:
    for rules in BOTH:
        run = stage_of(rules()).run(witness)
        told = {
            frozenset(view.facts.by_name())
            for path, view in run.views.items()
            if run.asked[path].wants == "speech"
        }
        assert told == {frozenset({"round", "rounds", "credence"})}


def test_the_judge_reads_whole_rounds_and_not_the_passage() -> None:
    run = stage_of(InteractiveDebate(), judge=Elicitation(reason_first=True)).run(witness)
    for path, view in run.views.items():
        if run.asked[path].seat == "judge":
            number = int(path.partition("/")[0].removeprefix("r"))
            speakers = ("judge", "debater_a", "debater_b")
            own = {f"r{number}/judge"} if path.endswith("/stop") else set()
            assert heard(view) == own | {f"r{n}/{seat}" for n in range(1, number) for seat in speakers}
            assert overheard(view) <= {f"r{number}/judge/belief/reason"}
            assert view.passage is None


def test_opening_speeches_are_hidden_from_one_another() -> None:
    run = stage_of(InteractiveDebate()).run(witness)
    assert heard(run.views["r1/debater_a"]) == heard(run.views["r1/debater_b"]) == {"r1/judge"}


def test_a_judge_who_has_nothing_to_say_is_not_shown_to_say_it() -> None:
    run = survives(stage_of(InteractiveDebate()), judge_who(0, 0.5, 0.6, 0.7, says=" "))
    assert run.outcome.transcript == (("r1/debater_a", "r1/debater_b"), ("r2/debater_a",), ("r2/debater_b",))


def test_a_later_judge_reads_the_talk_with_the_remarks_but_none_of_the_beliefs_or_the_last_word() -> None:
    stage = stage_of(InteractiveConsultancy())
    run = stage.run(judge_who(0, 0.5, 0.6, 0.7))
    for view in judgement(InteractiveConsultancy(), stage, run).run(witness).views.values():
        assert heard(view) == {"r1/judge", "r1/consultant", "r2/judge", "r2/consultant"}
        assert {line.content.kind for line in view.lines} == {"speech", "note"}
        assert not any(line.own for line in view.lines)
        assert view.facts.by_name() == {}
