"""Twins in the draw: both or none, and the same answers, seeds and orders for both."""

import hashlib
import json
import uuid
from collections import Counter
from typing import Any

import pytest

from app.experiments.examples import chosen
from app.experiments.plan import Drawn, PlannedTrial, check_examples, draw, plan
from app.experiments.spec import SpecError, Tasks, parse_spec
from models import Passage, Question
from tests.factories import TASKS, spec


def questions(passages: int, paired: int, each: int = 5, answers: int = 3) -> list[Question]:
    """Questions on passages, of which the first `paired` have a twin."""
    found = []
    for number in range(passages):
        first = _passage(f"p{number}", None)
        found += [_question(first, at, answers, gold=0, distractor=2) for at in range(each)]
        if number < paired:
            twin = _passage(f"p{number}-twin", first)
            found += [_question(twin, at, answers, gold=2, distractor=0) for at in range(each)]
    return found


def _passage(key: str, first: Passage | None) -> Passage:
    digest = hashlib.sha256(key.encode()).digest()
    family = hashlib.sha256(key.removesuffix("-twin").encode()).digest()
    return Passage(
        id=uuid.uuid4(), key=key, text_digest=digest, family=family, twin_of=first.id if first else None
    )


def _question(passage: Passage, at: int, answers: int, *, gold: int, distractor: int) -> Question:
    return Question(
        id=uuid.uuid4(),
        key=f"{passage.key}-q{at}",
        position=at,
        text="Why?",
        answers=[f"Since {number}." for number in range(answers)],
        gold=gold,
        distractor=distractor,
        meta={},
        passage=passage,
        passage_id=passage.id,
    )


DRAWS: list[dict[str, Any]] = [
    {},
    {"passages": 4},
    {"per_passage": 2},
    {"limit": 11},
    {"passages": 5, "per_passage": 3, "limit": 7},
    {"answers": "all", "limit": 20},
]


def drawn(found: list[Question], seed: int = 0, **tasks: Any) -> list[Drawn]:
    return draw(found, Tasks(set=TASKS, seed=seed, **tasks), seed=seed + 5)


def test_without_twins_the_draw_is_that_of_earlier_versions() -> None:
    found = [
        [[item.question.key, list(item.answers)] for item in drawn(questions(9, 0), seed, **tasks)]
        for tasks in DRAWS
        for seed in range(3)
    ]
    digest = hashlib.sha256(json.dumps(found).encode()).hexdigest()
    assert digest == "b2fb7afdc6686ca3f8a44bdf1ad7b2cfef4a69e247703d81826c87c51d20ff44"


def partner(key: str) -> str:
    name, _, at = key.rpartition("-")
    return f"{name.removesuffix('-twin')}-{at}" if name.endswith("-twin") else f"{name}-twin-{at}"


@pytest.mark.parametrize("tasks", DRAWS)
def test_both_twins_are_drawn_or_none_with_the_same_answers(tasks: dict[str, Any]) -> None:
    for seed in range(10):
        found = {item.question.key: item for item in drawn(questions(8, 8), seed, **tasks)}
        assert found
        for key, item in found.items():
            other = found[partner(key)]
            assert item.answers == other.answers
            assert item.texts == other.texts
            if tasks.get("answers") != "all":
                assert set(item.answers) == {item.question.gold, other.question.gold}


def test_a_passage_counts_once_with_its_twin() -> None:
    mixed = questions(8, 5)
    for seed in range(10):
        found = drawn(mixed, seed, passages=6, per_passage=3, limit=15)
        asked = {item.question.key.replace("-twin", "") for item in found}
        assert len(asked) == 15
        # Of six passages at most three have no twin.
        assert 15 + 15 - 9 <= len(found) <= 30
        assert len({item.question.passage.family for item in found}) == 6


def test_where_twins_are_too_few_the_number_of_pairs_is_given() -> None:
    with pytest.raises(SpecError, match="4 passages are asked for, but 'ferries' has 3, each with its twin"):
        drawn(questions(3, 3), passages=4)


def test_questions_on_one_passage_stay_together_and_either_twin_comes_first() -> None:
    first: Counter[bool] = Counter()
    for seed in range(20):
        keys = [item.question.passage.key for item in drawn(questions(4, 4), seed)]
        blocks = list(dict.fromkeys(keys))
        assert keys == [key for key in blocks for _ in range(5)]
        first.update(key.endswith("-twin") for key in blocks[::2])
        assert all(
            {one, other} == {one.removesuffix("-twin"), one.removesuffix("-twin") + "-twin"}
            for one, other in zip(blocks[::2], blocks[1::2], strict=True)
        )
    assert min(first.values()) > 20


def test_the_trials_of_twins_differ_in_nothing_but_the_question() -> None:
    both = drawn(questions(3, 3), per_passage=2)
    trials = plan(parse_spec(spec(replicates=2)), both)
    by_key: dict[str, list[tuple[Any, ...]]] = {}
    for trial in trials:
        by_key.setdefault(trial.drawn.question.key, []).append(_shown(trial))
    assert len(by_key) == 12
    for key, shown in by_key.items():
        assert shown == by_key[partner(key)]
    seeds = Counter(trial.seed for trial in trials)
    assert set(seeds.values()) == {2}


def _shown(trial: PlannedTrial) -> tuple[Any, ...]:
    return (
        *(trial.arm, trial.drawn.question.text, trial.answers, dict(trial.argues)),
        *(trial.assignment, trial.replicate, trial.judge, trial.place, trial.seed),
    )


def test_the_seeds_of_a_passage_are_those_that_it_has_without_a_twin() -> None:
    alone = plan(parse_spec(spec()), drawn(questions(3, 0)))
    paired = plan(parse_spec(spec()), drawn(questions(3, 3)))
    seeds = {(trial.arm, trial.drawn.question.key, trial.assignment): trial.seed for trial in paired}
    assert all(seeds[trial.arm, trial.drawn.question.key, trial.assignment] == trial.seed for trial in alone)


def test_examples_on_the_twin_of_a_drawn_passage_are_refused() -> None:
    found = questions(2, 0)
    passage = found[0].passage
    example = {
        "passage": "the-twin",
        "passage_digest": "ab" * 32,
        "passage_family": passage.family.hex(),
        "question": "q",
        "question_text": "Why?",
        "argued": "So.",
        "argument": "Since it is so.",
        "acceptance": 0.9,
    }
    arms = {
        "adapted": {
            "protocol": "prover-verifier",
            "examples": 1,
            "prompts": {"examples": json.dumps(example)},
            "seats": {"provers": "advocate"},
        }
    }
    parsed = parse_spec(spec(arms=arms))
    with pytest.raises(SpecError, match="the passage the-twin is in the examples"):
        check_examples(parsed.arms, drawn(found))
    others = [item for item in drawn(found) if item.question.passage is not passage]
    check_examples(parsed.arms, others)


def test_chosen_examples_of_earlier_versions_keep_their_bytes() -> None:
    old = {
        "passage": "p",
        "passage_digest": "ab" * 32,
        "question": "q",
        "question_text": "Why?",
        "argued": "So.",
        "argument": "Since.",
        "acceptance": 0.9,
    }
    assert chosen(json.dumps(old), 1) == json.dumps(old, separators=(",", ":"))
