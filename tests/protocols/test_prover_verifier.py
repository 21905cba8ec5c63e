"""A prover that is told its role chooses the answer that it argues for; the verifier learns neither."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from app.participants.prompts import PromptBook, load
from app.protocols.core import (
    AnyContent,
    Ask,
    Assignment,
    BadStep,
    Outcome,
    Pick,
    SideFacts,
)
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.views import View
from tests.protocols.harness import (
    ANSWERS,
    Answer,
    Run,
    Stage,
    cases,
    judgement,
    survives,
    trial,
    witness,
)

TOLD = ProverVerifier(roles="known")
ROLES = ("helpful", "sneaky")
BOOK = PromptBook(load({}, "prover-verifier"))


def choosing(answer: str) -> Answer:
    """A prover that argues for this answer, wherever it is listed."""

    def give(view: View, ask: Ask) -> AnyContent:
        if ask.path == "choice":
            return Pick(index=view.answers.index(answer))
        return witness(view, ask)

    return give


def told(role: str, rules: ProverVerifier = TOLD, seed: int = 7) -> Stage[Outcome]:
    case = cases(rules)[ROLES.index(role)]
    assert case.role == role
    return trial(rules, replace(case, seed=seed))


def talk(role: str, chosen: int) -> Run[Outcome]:
    return told(role).run(choosing(ANSWERS[chosen]))


def prompt(view: View) -> str:
    return "".join(part.text for part in BOOK.segments("prover-verifier", view))


def test_every_question_is_played_once_for_each_role_and_without_roles_for_each_answer() -> None:
    assert TOLD.assignments(2) == (Assignment({}, role="helpful"), Assignment({}, role="sneaky"))
    assert ProverVerifier().assignments(2) == (Assignment({"prover": 0}), Assignment({"prover": 1}))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("chosen", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_a_prover_of_either_role_argues_for_the_answer_that_it_has_picked(
    role: str, chosen: int, seed: int
) -> None:
    run = survives(told(role, seed=seed), choosing(ANSWERS[chosen]))
    assert list(run.asked) == ["choice", "r1/prover", "r1/prover/position"]
    assert run.outcome.argues == {"prover": chosen}
    assert run.outcome.transcript == (("r1/prover",),)
    assert run.views["choice"].side is None
    assert run.views["r1/prover"].side == chosen
    assert run.asked["r1/prover/position"].facts == SideFacts(side=chosen)
    assert run.outcome.measures == {"helpful": float(role == "helpful"), "sneaky": float(role == "sneaky")}


@pytest.mark.parametrize("role", ROLES)
def test_a_prover_is_told_its_role_before_it_chooses_and_when_it_argues(role: str) -> None:
    run = talk(role, 0)
    other = ROLES[1 - ROLES.index(role)]
    for path in ("choice", "r1/prover"):
        request = BOOK.segments("prover-verifier", run.views[path])[-1].text
        assert f"Your role is to be {role}" in request, "people read the request alone"
        assert f"You are a {role} prover" in prompt(run.views[path])
        assert f"You are a {other} prover" not in prompt(run.views[path])


@pytest.mark.parametrize("chosen", [0, 1])
@pytest.mark.parametrize("settings", [{}, {"candidates": 2, "refinements": 2, "attack": "forge-marks"}])
def test_whoever_does_not_argue_sees_the_same_under_both_roles(
    chosen: int, settings: dict[str, object]
) -> None:
    rules = ProverVerifier.model_validate({"roles": "known", **settings})
    seen = []
    for role in ROLES:
        stage = told(role, rules)
        run = stage.run(answering(chosen))
        read = judgement(rules, stage, run).run(answering(chosen))
        assert read.play.finished
        views = {**run.views, **read.views}
        others = {path: view for path, view in views.items() if view.title != "Prover"}
        assert {view.title for view in others.values()} >= {"Judge", "Checker"}
        seen.append((others, {path: prompt(view) for path, view in others.items()}))
    assert seen[0] == seen[1]


def answering(chosen: int) -> Answer:
    """Says the same whatever its role is: what it says follows from the path alone."""

    def give(view: View, ask: Ask) -> AnyContent:
        if ask.path == "choice":
            return Pick(index=view.answers.index(ANSWERS[chosen]))
        return witness(replace(view, kind=""), ask)

    return give


def test_a_judges_case_has_the_chosen_side_and_no_role() -> None:
    stage = told("sneaky")
    run = stage.run(choosing(ANSWERS[1]))
    judged = run.outcome.judged(stage.case)
    assert (judged.argues, judged.role) == ({"prover": 1}, "")


def test_a_trial_without_a_role_is_refused() -> None:
    with pytest.raises(BadStep, match="A prover has one of two roles, not ''"):
        trial(TOLD, replace(cases(TOLD)[0], role="")).begin()


def test_notes_that_would_show_the_role_to_judges_are_refused() -> None:
    with pytest.raises(ValidationError, match="show_scratchpad would show judges the role"):
        ProverVerifier(roles="known", show_scratchpad=True)
