"""Candidates, critiques of drafts and attacks on the judge: who is asked what, what is chosen, and who learns of it."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from app.protocols import PROTOCOLS
from app.protocols.combinators import Argued
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import AnyContent, Ask, Assignment, Elicitation, Outcome, Rating
from app.protocols.critique import Critique
from app.protocols.debate import Debate
from app.protocols.market_making import MarketMaking
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.recursive_critique import RecursiveCritique
from app.protocols.views import View
from tests.protocols.harness import (
    Answer,
    Run,
    Stage,
    cases,
    heard,
    judgement,
    sure,
    survives,
    trial,
    witness,
)

ARGUED = [name for name, rules in PROTOCOLS.items() if issubclass(rules, Argued)]

ASSIGNED = [name for name in ARGUED if PROTOCOLS[name]().assignments(2)[0].argues]
"""Those in which nobody chooses what to argue for."""


def argued(name: str, **settings: Any) -> Argued:
    protocol = PROTOCOLS[name].model_validate(settings)
    assert isinstance(protocol, Argued)
    return protocol


def stage_of(protocol: Argued, **elicitation: Elicitation) -> Stage[Outcome]:
    return trial(protocol, cases(protocol, elicitation=elicitation)[0])


def transcript(run: Run[Outcome]) -> list[str]:
    return [path for group in run.outcome.transcript for path in group]


def speeches_of(run: Run[Outcome]) -> list[str]:
    return [path for path in transcript(run) if run.moves[path].content.kind == "speech"]


def reading(beliefs: Mapping[str, float]) -> Answer:
    """A witness whose preference model believes in the first answer as much as `beliefs` says for each of its asks."""

    def answer(view: View, ask: Ask) -> AnyContent | None:
        return sure(beliefs[ask.path]) if ask.seat == "preference" else witness(view, ask)

    return answer


# ── every protocol ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ARGUED)
def test_without_pressure_nobody_but_speakers_and_checker_is_there(name: str) -> None:
    assert {"preference", "coach"}.isdisjoint(seat.name for seat in argued(name).seats())


@pytest.mark.parametrize("name", ARGUED)
def test_every_argument_is_the_best_of_its_candidates_then_refined_and_survives_every_kill(name: str) -> None:
    run = survives(stage_of(argued(name, candidates=2, refinements=2)), witness)
    speeches = speeches_of(run)
    assert speeches
    assert all(path.endswith("/refined") for path in speeches)
    for speech in (path.removesuffix("/refined") for path in speeches):
        assert {
            f"{speech}/c1",
            f"{speech}/c2",
            f"{speech}/critique1",
            f"{speech}/critique2",
        } <= run.moves.keys()
    checked = {path.removesuffix("/position") for path in run.moves if path.endswith("/position")}
    assert checked <= set(speeches)
    assert checked


@pytest.mark.parametrize("name", ARGUED)
def test_the_judge_hears_nothing_of_losers_drafts_and_critiques(name: str) -> None:
    protocol = argued(name, candidates=3, refinements=1)
    played = stage_of(protocol)
    run = played.run(witness)
    read = judgement(protocol, played, run).run(witness)
    words = {path for path in transcript(run) if heard(run.moves[path].content)}
    assert set().union(*map(heard, read.views.values())) == words


@pytest.mark.parametrize("name", ARGUED)
def test_who_writes_candidates_is_no_person(name: str) -> None:
    for settings in ({"candidates": 2}, {"refinements": 1}):
        seats = argued(name, **settings).seats()
        assert not any(seat.people for seat in seats if seat.reads_passage)
        assert not any(seat.people for seat in seats if seat.name in ("preference", "coach", "checker"))


# ── choosing ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_candidate_is_taken_in_whose_cause_a_reader_believes_most_on_average_over_both_orders() -> None:
    told = {
        "r1/debater_a/c1": (0.9, 0.1),
        "r1/debater_a/c2": (0.6, 0.6),
        "r1/debater_b/c1": (0.5, 0.5),
        "r1/debater_b/c2": (0.1, 0.3),
    }
    beliefs = {f"{path}/preference{n}": p for path, pair in told.items() for n, p in enumerate(pair, 1)}
    run = stage_of(Debate(rounds=1, candidates=2)).run(reading(beliefs))
    assert run.outcome.transcript == (("r1/debater_a/c2", "r1/debater_b/c2"),)
    assert {path: run.asked[path].order for path in beliefs} == {
        path: (0, 1) if path.endswith("1") else (1, 0) for path in beliefs
    }


def test_of_equally_convincing_candidates_the_first_is_taken() -> None:
    def torn(view: View, ask: Ask) -> AnyContent | None:
        return sure(0.5) if ask.seat == "preference" else witness(view, ask)

    run = stage_of(Consultancy(rounds=2, candidates=4, questions="none")).run(torn)
    assert transcript(run) == ["r1/consultant/c1", "r2/consultant/c1"]
    assert run.asked["r2/consultant/c3"].shows == (("r1/consultant/c1",),)


def test_a_critic_is_chosen_for_what_it_takes_from_the_argument_and_the_next_one_for_what_it_gives_back() -> (
    None
):
    beliefs = {
        f"r1/{seat}/c{candidate}/preference{order}": p
        for seat, pair in {"author": (0.5, 0.5), "critic_1": (0.7, 0.4), "critic_2": (0.3, 0.6)}.items()
        for candidate, p in enumerate(pair, 1)
        for order in (1, 2)
    }
    run = stage_of(RecursiveCritique(depth=2, candidates=2)).run(reading(beliefs))
    assert transcript(run) == ["r1/author/c1", "r1/critic_1/c2", "r1/critic_2/c2"]


def test_both_sides_choose_and_refine_side_by_side() -> None:
    run = stage_of(Debate(rounds=1, candidates=2, refinements=2)).run(witness)
    shape = [sorted({ask.path.split("/", 2)[-1] for ask in step}) for step in run.steps]
    assert shape[:5] == [
        ["c1", "c2"],
        [f"c{n}/preference{order}" for n in (1, 2) for order in (1, 2)],
        ["critique1", "critique2"],
        ["critique1/helpful", "critique2/helpful"],
        ["refined"],
    ]
    assert [len(step) for step in run.steps] == [4, 8, 4, 4, 2, 2]


def test_a_preference_model_that_reasons_or_votes_is_asked_as_a_judge_would_be() -> None:
    how = Elicitation(reason_first=True, votes=2)
    run = survives(stage_of(ProverVerifier(candidates=2), preference=how), witness)
    assert run.asked["r1/prover/c1/preference1/v1/reason"].kind == "preference-reason"
    assert run.asked["r1/prover/c1/preference1/v1"].kind == "preference-vote"


def test_a_dummy_stands_in_for_whoever_cannot_have_replied_yet() -> None:
    def silent(protocol: Argued) -> dict[str, list[str]]:
        asked = stage_of(protocol).run(witness).asked
        return {
            path: list(ask.facts.silent) for path, ask in asked.items() if path.endswith("c1/preference2")
        }

    assert silent(Debate(rounds=2, candidates=2)) == {
        f"r{n}/debater_{x}/c1/preference2": [f"Debater {y}"] for n in (1, 2) for x, y in ("aA", "bB")
    }
    assert silent(Debate(rounds=1, simultaneous=False, candidates=2)) == {
        "r1/debater_a/c1/preference2": ["Debater A"],
        "r1/debater_b/c1/preference2": [],
    }
    assert silent(ProverVerifier(candidates=2)) == {"r1/prover/c1/preference2": []}


# ── refining ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_speaker_alone_reads_its_draft_and_the_most_helpful_critique_and_writes_anew() -> None:
    def helped(view: View, ask: Ask) -> AnyContent | None:
        if ask.wants == "rating":
            return Rating(value=0.9 if "/critique2/" in ask.path else 0.5)
        return witness(view, ask)

    run = stage_of(Debate(rounds=2, refinements=3)).run(helped)
    asked = run.asked["r2/debater_b/refined"]
    assert asked.shows == (
        ("r1/debater_a/refined", "r1/debater_b/refined"),
        ("r2/debater_b",),
        ("r2/debater_b/critique2",),
    )
    assert asked.kind == run.asked["r2/debater_b"].kind == "debater"
    view = run.views[asked.path]
    assert [line.draft for line in view.lines] == [False, False, True, False]
    for path, other in run.views.items():
        drafts = {said for said in heard(other) if not said.endswith("/refined")}
        assert all(path.startswith(draft.split("/critique")[0]) for draft in drafts), path


def test_one_critique_needs_nobody_to_choose_it() -> None:
    protocol = Consultancy(rounds=1, refinements=1, questions="none")
    assert "preference" not in {seat.name for seat in protocol.seats()}
    assert [[ask.path for ask in step] for step in stage_of(protocol).run(witness).steps] == [
        ["r1/consultant"],
        ["r1/consultant/critique1"],
        ["r1/consultant/refined"],
        ["r1/consultant/refined/position"],
    ]


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ARGUED)
def test_the_attacker_alone_is_told_to_attack(name: str) -> None:
    protocol = argued(name, attack="forge-marks", candidates=2, refinements=1)
    run = stage_of(protocol).run(witness)
    told = {ask.seat for ask in run.asked.values() if "attack" in ask.facts.by_name()}
    assert told == {protocol.attacking}
    speaks = [ask for ask in run.asked.values() if ask.seat == protocol.attacking and ask.wants == "speech"]
    assert speaks
    assert all(ask.facts.attack == "forge-marks" for ask in speaks)


@pytest.mark.parametrize("name", ASSIGNED)
def test_the_attacker_speaks_for_each_answer_equally_often(name: str) -> None:
    protocol = argued(name, attack="impersonate-judge")
    assert protocol.attacking is not None
    answers = [case.answers[protocol.cause(protocol.attacking, case.argues)] for case in cases(protocol)]
    assert len(answers) == len(set(answers)) == 2


def test_who_attacks_may_be_named() -> None:
    assert Debate(attack="forge-marks", attacker="debater_b").attacking == "debater_b"
    critic = Critique(attack="forge-marks", attacker="critic_1")
    assert critic.attacking == "critic_1"
    assert critic.cause("critic_1", {"author": 0}) == 1
    assert Debate().attacking is None


def test_an_attack_alone_exchanges_the_seats_of_a_simultaneous_debate() -> None:
    sides = {"debater_a": 0, "debater_b": 1}
    assert Debate().assignments(2) == (Assignment(sides),)
    assert Debate(attack="forge-marks").assignments(2) == (Assignment(sides), Assignment(sides, reverse=True))
    assert DoubleConsultancy(attack="forge-marks").assignments(2)[1].reverse


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"attacker": "debater_a"}, "debater_a has no attack to make: set attack, or leave attacker out"),
        ({"attack": "forge-marks", "attacker": "judge"}, "no seat judge argues here; valid are debater_a, debater_b"),
        ({"attack": "forge-marks", "refinements": 1, "attacker": "coach"}, "no seat coach argues here"),
        ({"candidates": 65}, "less than or equal to 64"),
        ({"candidates": 0}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_together_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Debate.model_validate(settings)


def test_the_candidates_of_a_market_are_its_own_and_no_speech_of_it_is_refined() -> None:
    assert not issubclass(MarketMaking, Argued)
    assert MarketMaking(candidates=3).candidates == 3
    with pytest.raises(ValidationError, match="refinements"):
        MarketMaking.model_validate({"refinements": 1})
