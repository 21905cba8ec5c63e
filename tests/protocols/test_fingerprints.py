"""The fingerprint of every ask that the protocols make, compared with those in `fingerprints.json`.

A stored move carries the fingerprint of its ask, and a replay refuses a move whose fingerprint differs. So a changed
fingerprint stops every experiment that is under way. The golden file keeps the asks of whole talks and of their judging.

A protocol that was renamed or split keeps its lines in the file: name its present form in `RENAMED`.
The command `python -m tests.protocols.test_fingerprints` adds what the file lacks, such as a new protocol; it changes no line
that is there. A line that is to change (a rule that was changed on purpose) is first deleted from the file by hand.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest

from app.protocols import PROTOCOLS
from app.protocols.core import (
    AnyContent,
    Ask,
    Assignment,
    Belief,
    Case,
    Elicitation,
    Pick,
    Planted,
    Play,
    Protocol,
    Rating,
    Stance,
)
from app.protocols.judging import Elicit, judge, orders
from app.protocols.rehearsal import rehearse_with, stand_in
from tests.arms import SMALL

GOLDEN = Path(__file__).with_name("fingerprints.json")

P, R = "critique-planted-flaws", "recursive-critique"
RENAMED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "consultancy": ("consultancy", {"questions": "none"}),
    "consultancy, small": ("consultancy", {"rounds": 2, "questions": "questioner"}),
    "consultancy, best of 2, refined": (
        "consultancy",
        {"questions": "none", "candidates": 2, "refinements": 2},
    ),
    "open-consultancy": ("open-consultancy", {"questions": "none"}),
    "open-consultancy, small": ("open-consultancy", {"rounds": 2, "questions": "questioner"}),
    "critique, small": (P, {"depth": 2, "planted": 1, "mark": True}),
    "critique, depth 3": (R, {"depth": 3}),
    "critique, votes": (R, {"depth": 3, "votes": True, "mark": True}),
    "critique, votes, graded": (P, {"depth": 2, "votes": True, "planted": 0.5}),
    "critique, planted": (P, {"planted": 0.5, "mark": True}),
    "critique, planted, attacked": (P, {"planted": 1, "attack": "inject-instructions"}),
    "critique, from the task file": (P, {"planted": 1, "planted_by": "task-file", "mark": True}),
}
"""An arm of the golden file to the protocol and the settings that stand for it now, where they were renamed."""

MORE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "consultancy, the judge asks": ("consultancy", {"rounds": 2, "questions": "judge"}),
    "consultancy, best of 2, refined": ("consultancy", {"candidates": 2, "refinements": 2}),
    "debate, the judge asks": ("debate", {"rounds": 2, "questions": "judge"}),
    "debate, cross-examined": ("debate", {"rounds": 2, "cross_examination": True}),
    "debate, chosen by the speaker, rewritten": (
        "debate",
        {
            "rounds": 1,
            "candidates": 2,
            "refinements": 1,
            "rewrites": 2,
            "chosen_by": "speaker",
            "planning": True,
        },
    ),
    "debate, a quote required": ("debate", {"rounds": 1, "quotes_required": 1, "quote_characters": None}),
    "double-consultancy, attacked": ("double-consultancy", {"attack": "forge-marks"}),
    "debate, in turn": ("debate", {"simultaneous": False, "rounds": 2}),
    "critique, rebuttal": ("critique", {"rebuttal": True}),
    "critique, rebuttal, best of 2": ("critique", {"rebuttal": True, "candidates": 2, "refinements": 1}),
    "critique, depth 3": ("critique", {"depth": 3}),
    "critique, votes": ("critique", {"votes": 3, "mark": True}),
    "critique, votes, graded": ("critique", {"votes": 2, "grade": True, "planted": 0.5}),
    "critique, graded, marked": ("critique", {"grade": True, "mark": True, "points": 2}),
    "critique, planted": ("critique", {"planted": 0.5, "mark": True}),
    "critique, planted, attacked": ("critique", {"planted": 1, "attack": "inject-instructions"}),
    "critique, from the task file": ("critique", {"planted": 1, "planted_by": "task-file", "mark": True}),
    "prover-verifier, attacked": ("prover-verifier", {"attack": "inject-instructions", "candidates": 2}),
    "prover-verifier, known": ("prover-verifier", {"roles": "known"}),
    "prover-verifier, known, refined": (
        "prover-verifier",
        {"roles": "known", "candidates": 2, "refinements": 2},
    ),
    "market-making, with the passage": ("market-making", {"steps": 2, "predictor_reads_passage": True}),
    "recursive-reward-modelling, depth 2": ("recursive-reward-modelling", {"depth": 2, "calls": 6}),
    "open-debate, in turn": ("open-debate", {"simultaneous": False, "candidates": 2}),
    "interactive-debate, penalty": ("interactive-debate", {"turn_penalty": 0.1, "max_rounds": 3}),
}
"""Arms beside the default and the small settings of every protocol, so that every kind of ask is among them."""

Prints: TypeAlias = list[str]
"""Path and the first 16 digits of the fingerprint of each ask, in the order in which they come due."""


def arms() -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the arms that a file written anew would hold: protocol and settings by the arm's name."""
    default: dict[str, tuple[str, Mapping[str, Any]]] = {name: (name, {}) for name in PROTOCOLS}
    small = {f"{name}, small": (name, SMALL[name]) for name in PROTOCOLS if SMALL[name]}
    return {**default, **small, **MORE}


# ── a talk and its judging, with stand-in moves ─────────────────────────────────────────────────────────────────

Give: TypeAlias = Callable[[Ask], AnyContent]


def plain(ask: Ask) -> AnyContent:
    """Return the content that a rehearsal gives."""
    return stand_in(ask, 2)


def varied(ask: Ask) -> AnyContent:
    """Return content drawn by the path of the ask, so that other branches of a script are taken."""
    chance = Random(f"fingerprints/{ask.path}")
    match ask.wants:
        case "pick":
            return Pick(index=chance.randrange(2))
        case "rating":
            return Rating(value=round(chance.random(), 3))
        case "belief":
            p = round(0.02 + 0.96 * chance.random(), 3)
            return Belief(p=(p, 1 - p), method="stated")
        case "stance":
            return Stance(stance="concedes" if chance.random() < 0.3 else "holds")
        case _:
            return stand_in(ask, 2)


WAYS: Mapping[str, tuple[Give, Elicitation, Elicit]] = {
    "stated": (plain, Elicitation(), "final"),
    "reasoned votes": (varied, Elicitation(reason_first=True, votes=2), "each_step"),
}
"""How the seats answer and come to beliefs, and when the judge is asked."""


def case_of(protocol: Protocol, given: Assignment, how: Elicitation) -> Case:
    """Return the case of one assignment; every seat comes to beliefs in the same way."""
    answers = ("The miller did.", "The ferryman did.")
    planted = {0: Planted("The miller <quote>had the key</quote>.", "A false claim: he had none.")}
    return Case(
        "Who opened the gate?",
        answers[::-1] if given.reverse else answers,
        given.argues,
        seed=7,
        elicitation=dict.fromkeys(protocol.rights(), how),
        planted=planted,
        role=given.role,
    )


def prints(protocol: Protocol, given: Assignment, way: str) -> Prints:
    """Return the fingerprints of a talk and of its judging."""
    give, how, elicit = WAYS[way]
    case = case_of(protocol, given, how)
    talk = Play(protocol.script(case), protocol.rights())
    asked, moves = rehearse_with(talk, give)
    outcome = talk.outcome
    assert outcome is not None
    reading = orders(len(case.answers), protocol.reading_orders)
    script = judge(
        outcome.judged(case), outcome.transcript, elicit, reading, protocol.judge.name, outcome.points
    )
    judged, _ = rehearse_with(Play(script, [protocol.judge.name], moves), give)
    return [f"{ask.path} {ask.fingerprint[:16]}" for ask in (*asked, *judged)]


def runs(name: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Prints]]:
    """Yield the fingerprints of an arm for every assignment and way of answering."""
    protocol = PROTOCOLS[name].model_validate(dict(settings))
    for way in WAYS:
        for number, given in enumerate(protocol.assignments(2)):
            yield f"{way}, assignment {number}", prints(protocol, given, way)


# ── the golden file ─────────────────────────────────────────────────────────────────────────────────────────────


def golden() -> dict[str, Any]:
    """Return the golden file: of every arm its protocol, its settings and its runs."""
    stored: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    return stored


def at_present(arm: str) -> tuple[str, Mapping[str, Any]]:
    """Return the protocol and the settings that stand for an arm of the golden file now."""
    stored = golden()[arm]
    return RENAMED.get(arm, (stored["protocol"], stored["settings"]))


@pytest.mark.parametrize("arm", golden())
def test_every_ask_keeps_its_fingerprint(arm: str) -> None:
    present = dict(runs(*at_present(arm)))
    stored = golden()[arm]["runs"]
    assert present.keys() == stored.keys()
    for run, asks in stored.items():
        assert present[run] == asks, f"{arm}: {run}"


def test_every_protocol_has_golden_fingerprints() -> None:
    missing = set(PROTOCOLS) - {at_present(arm)[0] for arm in golden()}
    assert not missing, f"Run `python -m tests.protocols.test_fingerprints` to add {sorted(missing)}."


def test_every_renamed_arm_is_in_the_golden_file() -> None:
    assert RENAMED.keys() <= golden().keys()


def test_a_changed_setting_changes_the_fingerprints() -> None:
    usual = dict(runs("debate", {"rounds": 2}))
    assert dict(runs("debate", {"rounds": 2})) == usual
    assert dict(runs("debate", {"rounds": 2, "max_words": 901})) != usual


def complete() -> None:
    """Add the arms that the golden file lacks; print how many."""
    stored = golden()
    there = {json.dumps(at_present(arm)) for arm in stored}
    new = {arm: form for arm, form in arms().items() if arm not in stored and json.dumps(form) not in there}
    for arm, (name, settings) in new.items():
        stored[arm] = {"protocol": name, "settings": settings, "runs": dict(runs(name, settings))}
    GOLDEN.write_text(json.dumps(stored, indent=0) + "\n", encoding="utf-8")
    print(f"{len(new)} arms added to {GOLDEN.name}.")


if __name__ == "__main__":
    complete()
