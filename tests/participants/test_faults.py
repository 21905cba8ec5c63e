"""The built-in participants plant flaws that are beside the point, find them, grade points and mark them."""

from collections import Counter

import pytest

from app.participants.faults import FALSE_CLAIM
from app.protocols.core import Note, Pick, Speech
from app.protocols.flaws import (
    GRADES,
)
from app.protocols.marks import (
    points_in,
)
from app.protocols.quotes import only_verified
from tests.participants.played_trials import FERRY, Played, case, play, protocol

SEEDS = range(8)
HARBOUR = (
    FERRY
    + """ The harbour of Osk is deep and grey in the winter months. Old sailors mend their nets along the long \
stone quay. Gulls follow every boat that comes in loaded with herring. In summer the children swim below the lighthouse."""
)
"""A passage with sentences that have nothing to do with the question."""


async def tampered(seed: int, passage: str = HARBOUR, **settings: object) -> Played:
    rules = protocol("critique-planted-flaws", planted=1, mark=True, **settings)
    return await play(rules, case(rules, seed=seed), passage=passage)


def speech(played: Played, path: str) -> Speech:
    content = played.moves[path].content
    assert isinstance(content, Speech)
    return content


@pytest.mark.parametrize("seed", SEEDS)
async def test_one_confirmed_quote_is_exchanged_for_a_real_one_and_the_reference_names_it(seed: int) -> None:
    played = await tampered(seed)
    before, after = speech(played, "r1/author"), speech(played, "r1/author/tampered")
    old, new = only_verified(before.said), only_verified(after.said)
    changed = [(was, now) for was, now in zip(old, new, strict=True) if was != now]
    assert len(changed) == 1
    assert changed[0][1] in HARBOUR
    assert before.said.text.replace(*changed[0]) == after.said.text
    reference = played.moves["r1/author/flaw"].content
    assert isinstance(reference, Note)
    assert changed[0][1] in reference.text


@pytest.mark.parametrize(
    "settings", [{"quote_characters": 0}, {"max_words": 70, "target_words": 70, "quote_characters": 0}]
)
async def test_without_a_quote_to_exchange_a_false_claim_is_planted_within_the_limits(
    settings: dict[str, int],
) -> None:
    played = await tampered(1, **settings)
    after = speech(played, "r1/author/tampered")
    assert FALSE_CLAIM in after.said.text
    assert 70 <= after.words <= settings.get("max_words", 150)
    reference = played.moves["r1/author/flaw"].content
    assert isinstance(reference, Note)
    assert FALSE_CLAIM in reference.text


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_critic_numbers_its_points_within_the_limits_and_catches_a_quote_beside_the_point(
    seed: int,
) -> None:
    played = await tampered(seed)
    critique = speech(played, "r1/critic_1")
    assert 1 <= len(points_in(critique.said.text)) <= 4
    assert 70 <= critique.words <= 150
    assert played.outcome.measures["caught"] == 1
    assert GRADES[int(played.outcome.measures["grade/1"])] == "planted"


async def test_a_critic_that_may_name_one_point_names_one() -> None:
    played = await tampered(1, points=1)
    assert len(points_in(speech(played, "r1/critic_1").said.text)) == 1


async def test_the_judge_marks_every_point_and_accepts_those_that_show_something() -> None:
    found: Counter[int] = Counter()
    for seed in SEEDS:
        played = await tampered(seed)
        marks = [move.content for path, move in played.moves.items() if path.startswith("judging/mark/")]
        assert len(marks) == played.outcome.measures["points"]
        found.update(mark.index for mark in marks if isinstance(mark, Pick))
    assert found[0] > 0
