"""Critique with planted flaws, graded points and judges who mark them: who hears what, and what is counted."""

from collections.abc import Mapping

import pytest

from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Case,
    Note,
    Outcome,
    Pick,
    Planted,
    Protocol,
    Speech,
)
from app.protocols.critique import Critique
from app.protocols.flaws import (
    GRADES,
    ITEMS,
    BroughtFacts,
    planted_in,
)
from app.protocols.marks import (
    points_in,
)
from app.protocols.planted_flaws import PlantedFlaws
from app.protocols.quotes import MarkedText
from app.protocols.recursive_critique import RecursiveCritique
from app.protocols.views import View
from tests.protocols.harness import (
    ANSWERS,
    QUESTION,
    Answer,
    Run,
    cases,
    heard,
    judgement,
    openly,
    spoken,
    survives,
    trial,
    witness,
)


def pointed(count: int, kinds: Mapping[int, str]) -> Answer:
    """Everybody as `witness`, but critics make `count` points, which the grader grades as told."""

    def answer(view: View, ask: Ask) -> AnyContent | None:
        if ask.kind == "critic":
            text = openly(ask.path) + "".join(
                f"\n{number}. Point {number}." for number in range(1, count + 1)
            )
            return Speech(said=MarkedText(text=text, quotes=()), words=len(text.split()))
        if ask.kind == "grade":
            return Pick(index=ask.facts.options.index(kinds[ask.facts.point]))
        return witness(view, ask)

    return answer


def played(
    count: int = 3,
    kinds: Mapping[int, str] | None = None,
    rules: type[Protocol] = Critique,
    **settings: object,
) -> Run[Outcome]:
    """A trial with a critic of so many points."""
    return _played(rules.model_validate(settings), count, kinds)


def tampered_with(count: int = 3, kinds: Mapping[int, str] | None = None, **settings: object) -> Run[Outcome]:
    """A trial with a planted flaw and a critic of so many points."""
    return played(count, kinds, PlantedFlaws, planted=1, **settings)


def _played(rules: Protocol, count: int, kinds: Mapping[int, str] | None) -> Run[Outcome]:
    answer = pointed(count, kinds or dict.fromkeys(range(1, count + 1), "real"))
    return trial(rules, cases(rules)[0]).run(answer)


# ── points ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("No point at all.", []),
        (
            "It fails.\n1. One.\n2) Two,\nwhich goes on.\n3: Three.",
            ["One.", "Two,\nwhich goes on.", "Three."],
        ),
        ("**1.** Bold.\n- 2. Listed.", ["Bold.", "Listed."]),
        ("1. In 1960\n1960. A year.\n3. Not the next.", ["In 1960\n1960. A year.\n3. Not the next."]),
        ("2. Begins with two.", []),
    ],
)
def test_points_are_lines_that_begin_with_their_number_counted_from_one(text: str, points: list[str]) -> None:
    assert points_in(text) == points


# ── planting ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_share_of_trials_that_are_tampered_with_follows_from_their_seeds() -> None:
    rules = PlantedFlaws(planted=0.5)
    tampered = [
        "r1/author/tampered" in trial(rules, Case(QUESTION, ANSWERS, {"author": 0}, seed)).run(witness).moves
        for seed in range(400)
    ]
    again = [
        "r1/author/tampered" in trial(rules, Case(QUESTION, ANSWERS, {"author": 0}, seed)).run(witness).moves
        for seed in range(400)
    ]
    assert tampered == again
    assert 160 <= sum(tampered) <= 240
    assert "r1/author/tampered" not in played(grade=True).moves
    assert "r1/author/tampered" in tampered_with().moves


def test_nobody_but_tamperer_and_grader_ever_sees_the_reference_and_only_the_tamperer_both_arguments() -> (
    None
):
    run = tampered_with(depth=3, mark=True)
    own, tampered, reference = "r1/author", "r1/author/tampered", "r1/author/flaw"
    for path, view in run.views.items():
        seat = run.asked[path].seat
        assert (reference in heard(view)) == (seat == "grader"), path
        assert (own in heard(view)) == (seat in ("tamperer", "checker")), path
        assert (tampered in heard(view)) == (
            seat.startswith("critic") or seat == "grader" or path == reference
        ), path
    assert [path for group in run.outcome.transcript for path in group] == [
        tampered,
        "r1/critic_1",
        "r1/critic_2",
        "r1/critic_3",
    ]


def test_a_judge_is_shown_a_tampered_argument_just_as_one_that_is_not() -> None:
    def answer(view: View, ask: Ask) -> AnyContent | None:
        same_words = ask.wants == "speech" and ask.kind != "critic"
        return spoken("somewhere") if same_words else pointed(2, {1: "real", 2: "real"})(view, ask)

    def shown(rules: Protocol) -> list[View]:
        talk = trial(rules, cases(rules)[0])
        return list(judgement(rules, talk, talk.run(answer)).run(answer).views.values())

    clean, tampered = shown(Critique(grade=True, mark=True)), shown(PlantedFlaws(planted=1, mark=True))
    assert len(clean) == 4
    assert tampered == clean


def test_the_authors_own_words_are_checked_for_concessions_and_not_the_tampered_ones() -> None:
    run = tampered_with()
    assert run.asked["r1/author/position"].shows == (("r1/author",),)
    assert "r1/author/tampered/position" not in run.asked


# ── flaws that come with the question ───────────────────────────────────────────────────────────────────────────

BROUGHT = Planted(
    openly("r1/author/tampered") + "The argument as its author spoilt it.",
    "said:r1/author/flaw; A false claim: it is not so.",
)


def brought(side: int, planted: float = 1, seed: int = 7) -> Run[Outcome]:
    """A trial whose question brings a flawed argument for its first answer."""
    rules = PlantedFlaws(planted=planted, planted_by="task-file", mark=True)
    return trial(rules, Case(QUESTION, ANSWERS, {"author": side}, seed, planted={0: BROUGHT})).run(reciting)


def reciting(view: View, ask: Ask) -> AnyContent | None:
    """Whoever brings what comes with the question says it; everybody else as `pointed`."""
    if not isinstance(ask.facts, BroughtFacts):
        return pointed(2, {1: "real", 2: "nitpick"})(view, ask)
    words = ask.facts.brought
    return (
        Note(text=words) if ask.wants == "note" else Speech(said=MarkedText(text=words, quotes=()), words=9)
    )


def test_an_argument_that_comes_with_the_question_stands_for_the_authors_who_is_not_asked() -> None:
    run = brought(0)
    assert not any(ask.seat in ("author", "checker") for ask in run.asked.values())
    assert run.outcome.transcript == (("r1/author/tampered",), ("r1/critic_1",))
    assert (run.outcome.measures["planted"], run.outcome.measures["caught"]) == (1, 0)
    for path, view in run.views.items():
        assert ("not so" in repr(view)) == (path == "r1/author/flaw" or run.asked[path].seat == "grader"), (
            path
        )
    assert {seat.name: seat.only for seat in PlantedFlaws(planted=1, planted_by="task-file").seats()}[
        "tamperer"
    ] == ITEMS


def test_where_the_question_brings_nothing_for_the_answer_the_author_argues_and_nothing_is_planted() -> None:
    run = brought(1)
    assert run.outcome.transcript[0] == ("r1/author",)
    assert "tamperer" not in {ask.seat for ask in run.asked.values()}
    assert "r1/author/position" in run.asked
    assert run.outcome.measures["planted"] == 0
    shares = [brought(0, 0.5, seed).outcome.measures["planted"] for seed in range(200)]
    assert 70 <= sum(shares) <= 130


def test_a_judge_reads_an_argument_that_comes_with_the_question_as_it_reads_an_authors() -> None:
    def shown(planted: dict[int, Planted]) -> list[View]:
        rules = PlantedFlaws(planted=1, planted_by="task-file", mark=True)
        talk = trial(rules, Case(QUESTION, ANSWERS, {"author": 0}, 7, planted=planted))
        run = talk.run(same_words)
        return list(judgement(rules, talk, run).run(same_words).views.values())

    def same_words(view: View, ask: Ask) -> AnyContent | None:
        said = spoken("somewhere") if ask.wants == "speech" and ask.kind != "critic" else None
        return said or reciting(view, ask)

    assert shown({0: BROUGHT}) == shown({})


def test_a_trial_with_what_comes_with_the_question_survives_a_kill_at_any_moment() -> None:
    rules = PlantedFlaws(planted=1, planted_by="task-file")
    survives(trial(rules, Case(QUESTION, ANSWERS, {"author": 0}, 7, planted={0: BROUGHT})), reciting)


def test_what_a_question_brings_follows_its_answers_wherever_they_stand() -> None:
    item = {"answer": 2, "argument": "So.", "kind": "misused-quote", "reference": "Not so."}
    found = {1: Planted("So.", "A misused quote: Not so.")}
    assert planted_in({"planted": [item]}, (0, 2)) == found
    assert planted_in({"planted": [item]}, (2, 0)) == {0: found[1]}
    assert planted_in({"planted": [item]}, (0, 1)) == planted_in({}, (0, 1)) == {}


# ── grading ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_grades_are_counted_and_a_planted_flaw_is_caught_where_a_point_names_it() -> None:
    measures = tampered_with(4, {1: "nitpick", 2: "planted", 3: "invented", 4: "invented"}).outcome.measures
    assert measures == {
        "points": 4,
        "real_points": 0,
        "nitpick_points": 1,
        "invented_points": 2,
        "planted": 1,
        "caught": 1,
        **{
            f"grade/{number}": GRADES.index(kind)
            for number, kind in enumerate(("nitpick", "planted", "invented", "invented"), 1)
        },
    }
    assert tampered_with(1, {1: "real"}).outcome.measures["caught"] == 0


def test_without_a_planted_flaw_no_point_can_be_graded_as_naming_it_and_nothing_counts_as_caught() -> None:
    run = played(2, {1: "real", 2: "invented"}, grade=True)
    assert {ask.facts.options for ask in run.asked.values() if ask.kind == "grade"} == {GRADES[1:]}
    assert "caught" not in run.outcome.measures
    assert run.outcome.measures["planted"] == 0


def test_points_beyond_those_allowed_are_neither_graded_nor_marked_and_without_any_nothing_is_asked() -> None:
    many = played(5, points=2, grade=True, mark=True)
    assert many.outcome.measures["points"] == 2
    assert many.outcome.points == {"r1/critic_1": 2}
    none = tampered_with(0, mark=True)
    assert none.outcome.measures == {
        "points": 0,
        "real_points": 0,
        "nitpick_points": 0,
        "invented_points": 0,
        "planted": 1,
        "caught": 0,
    }
    assert none.outcome.points == {}


# ── marking ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_judge_marks_each_point_of_the_first_critique_once_and_after_its_beliefs() -> None:
    rules = RecursiveCritique(depth=2, mark=True)
    talk = trial(rules, cases(rules)[0])
    run = talk.run(pointed(3, {}))
    read = judgement(rules, talk, run).run(witness)
    assert [sorted(ask.path for ask in step) for step in read.steps] == [
        ["judging/order0/step3", "judging/order1/step3"],
        [f"judging/mark/r1/critic_1/{number}" for number in (1, 2, 3)],
    ]
    marks = read.steps[1]
    assert {ask.facts.text for ask in marks} == {2}
    assert {ask.shows for ask in marks} == {run.outcome.transcript}


def test_planted_graded_and_marked_trials_survive_a_kill_at_any_moment() -> None:
    rules = PlantedFlaws(planted=1, mark=True)
    talk = trial(rules, cases(rules)[0])
    answer = pointed(2, {1: "planted", 2: "real"})
    run = survives(talk, answer)
    survives(judgement(rules, talk, run), answer)
    assert isinstance(run.moves["r1/author/flaw"].content, Note)


# ── side by side ────────────────────────────────────────────────────────────────────────────────────────────────


def test_critiques_side_by_side_are_asked_for_at_once_and_each_is_voted_on_alone() -> None:
    run = played(rules=RecursiveCritique, depth=3, votes=True)
    critics = [f"r1/critic_{number}" for number in (1, 2, 3)]
    argument = ("r1/author",)
    assert {path: run.asked[path].shows for path in critics} == dict.fromkeys(critics, (argument,))
    assert {run.asked[path].facts.level for path in critics} == {1}
    assert run.asked["r1/critic_2/vote"].shows == (argument, ("r1/critic_2",))
    assert run.outcome.transcript == (argument, tuple(critics))
    votes = {ask.path for ask in run.asked.values() if ask.seat == "voter"}
    assert votes == {f"{path}/vote" for path in critics}
    assert not {path for group in run.outcome.transcript for path in group} & votes, "no judge reads a vote"


def test_votes_are_measured_by_what_they_give_the_first_answer() -> None:
    given = {"r1/critic_1/vote": (0.9, 0.1), "r1/critic_2/vote": (0.3, 0.7)}

    def answer(view: View, ask: Ask) -> AnyContent | None:
        return Belief(p=given[ask.path], method="stated") if ask.path in given else witness(view, ask)

    rules = RecursiveCritique(votes=True)
    assert trial(rules, cases(rules)[1]).run(answer).outcome.measures == {"vote/1": 0.9, "vote/2": 0.3}


def test_critics_side_by_side_all_speak_against_the_author_and_deep_ones_by_turns() -> None:
    for votes, sides in ((True, [1, 1, 1]), (False, [1, 0, 1])):
        rules = RecursiveCritique(depth=3, votes=votes)
        assert [rules.cause(f"critic_{number}", {"author": 0}) for number in (1, 2, 3)] == sides
        assert rules.cause("author", {"author": 0}) == 0
