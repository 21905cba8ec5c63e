"""Settings that cannot work together or make no sense are refused with a sentence when the file is read."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.experiments.spec import SpecError, parse_spec
from app.participants.base import ParticipantError
from app.participants.baselines import NEVER_GIVES, BuiltinSettings, builtin
from app.protocols import PROTOCOLS
from tests.arms import arms
from tests.participants.talks import Record, ask, asking, seen

PARTICIPANTS: Mapping[str, Any] = {
    "advocate": {"kind": "builtin", "name": "extractive-debater"},
    "lexical": {"kind": "builtin", "name": "lexical-judge"},
    "terse": {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m", "max_tokens": 60},
}
SEATED = arms("advocate", "lexical")


def refusal(arm: Mapping[str, Any], **more: Any) -> str:
    """What a file with this one arm is refused with."""
    data = {
        "name": "bad",
        "tasks": {"set": "sample"},
        "participants": PARTICIPANTS,
        "arms": {"it": arm},
        "judges": ["lexical"],
        **more,
    }
    with pytest.raises(SpecError) as refused:
        parse_spec(data)
    return str(refused.value)


ARGUED: Mapping[str, Mapping[str, Any]] = {
    "min_words (70), target_words (60) and max_words (150) must not decrease in this order": {
        "target_words": 60
    },
    "min_words (200), target_words (100) and max_words (150) must not": {"min_words": 200},
    "min_words (70), target_words (100) and max_words (80) must not": {"max_words": 80},
    "quote_characters must be at least 20, or 0 for none: a quote has four words or more": {
        "quote_characters": 5
    },
    "target_words: input should be greater than or equal to 10": {"target_words": 0},
}
"""What every protocol with speeches of the usual length refuses."""

OWN: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("quotes-only", {"quote_characters": 0}, "quote_characters: input should be greater than or equal to 20"),
    (
        "consultancy",
        {"rounds": 1},
        "questions need 2 rounds or more: one is asked after every round but the last",
    ),
    ("consultancy", {"rounds": 0}, "rounds: input should be greater than or equal to 1"),
    ("consultancy", {"questions": "perhaps"}, "questions: input should be a valid boolean"),
    ("double-consultancy", {"rounds": 21}, "rounds: input should be less than or equal to 20"),
    ("debate", {"rounds": 2.5}, "rounds: input should be a valid integer"),
    ("debate", {"rounds": 0}, "rounds: input should be greater than or equal to 1"),
    ("debate", {"candidates": 0}, "candidates: input should be greater than or equal to 1"),
    ("debate", {"refinements": 65}, "refinements: input should be less than or equal to 64"),
    ("debate", {"attack": "bribe"}, "attack: input should be 'none', 'impersonate-judge'"),
    (
        "consultancy",
        {"attacker": "consultant"},
        "attacker: consultant has no attack to make: set attack, or leave attacker out",
    ),
    (
        "debate",
        {"attacker": "judge"},
        "attacker: no seat judge argues here; valid are debater_a, debater_b",
    ),
    ("recursive-reward-modelling", {"candidates": 4}, "unknown key 'candidates'"),
    ("critique", {"rebuttal": True}, "rebuttal goes with depth 1: above it, the next critic answers"),
    (
        "critique",
        {"depth": 1, "rebuttal": True, "planted": 0.5},
        "planted goes without rebuttal: the author would answer for words of somebody else",
    ),
    ("critique", {"planted": 2}, "planted: input should be less than or equal to 1"),
    ("critique", {"depth": 4}, "depth: input should be less than or equal to 3"),
    (
        "critique",
        {"points": 20, "min_words": 10, "target_words": 40, "max_words": 50},
        "20 points do not fit into max_words (50): allow 5 words for each, or fewer points",
    ),
    ("prover-verifier", {"examples": 3}, "examples: NUMBER and prompts: {examples: FILE} go together"),
    (
        "prover-verifier",
        {"target_words": 200},
        "min_words (70), target_words (200) and max_words (150) must not",
    ),
    (
        "market-making",
        {"price_reads": 8},
        "price_reads must be at least 16, or 2 for a predictor that never varies",
    ),
    ("market-making", {"reads": 3}, "reads: input should be a multiple of 2"),
    ("market-making", {"steps": 0}, "steps: input should be greater than or equal to 1"),
    ("market-making", {"least_move": 1.5}, "least_move: input should be less than or equal to 1"),
    (
        "recursive-reward-modelling",
        {"misleading": 1.5},
        "misleading: input should be less than or equal to 1",
    ),
    ("recursive-reward-modelling", {"calls": 0}, "calls: input should be greater than or equal to 1"),
    ("prover-estimator", {"least_parts": 6, "most_parts": 5}, "least_parts must not be above most_parts"),
    ("prover-estimator", {"depth": 0}, "depth: input should be greater than or equal to 1"),
    (
        "open-consultancy",
        {"rounds": 1},
        "questions need 2 rounds or more: one is asked after every round but the last",
    ),
    ("open-debate", {"simultaneous": "perhaps"}, "simultaneous: input should be a valid boolean"),
    ("interactive-consultancy", {"min_rounds": 3}, "min_rounds must not be more than max_rounds"),
    ("interactive-debate", {"swing": 1.5}, "swing: input should be less than or equal to 1"),
)
"""Protocol, settings beside those of tests/arms.py, and what is said of them."""


@pytest.mark.parametrize("said", ARGUED)
@pytest.mark.parametrize("name", ["debate", "double-consultancy", "critique"])
def test_bounds_on_speeches_that_cannot_be_held_are_refused(name: str, said: str) -> None:
    assert said in refusal({**SEATED[name], **ARGUED[said]})


@pytest.mark.parametrize(("name", "settings", "said"), OWN)
def test_settings_that_make_no_sense_are_refused(name: str, settings: Mapping[str, Any], said: str) -> None:
    sentence = refusal({**SEATED[name], **settings})
    assert sentence.startswith("arms.it: ")
    assert said in sentence
    assert sentence.endswith(".")


def test_every_protocol_with_settings_is_among_them() -> None:
    missing = {name for name, rules in PROTOCOLS.items() if rules.model_fields} - {name for name, *_ in OWN}
    assert not missing, f"Add settings of {', '.join(missing)} that make no sense to OWN in this file."


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_setting_that_a_protocol_does_not_have_is_refused_with_the_nearest(name: str) -> None:
    for setting in PROTOCOLS[name].model_fields:
        arm = {key: value for key, value in SEATED[name].items() if key != setting}
        assert f"unknown key '{setting}x'; the nearest is '{setting}'." in refusal({**arm, f"{setting}x": 1})


# ── who sits where ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(name for name, arm in SEATED.items() if "seats" in arm))
def test_a_seat_that_nobody_holds_is_named_with_what_to_add(name: str) -> None:
    for seat in SEATED[name]["seats"]:
        left = {other: holder for other, holder in SEATED[name]["seats"].items() if other != seat}
        assert f"nobody holds the seat {seat}; add seats: {{" in refusal({**SEATED[name], "seats": left})


def test_a_built_in_is_refused_a_seat_whose_asks_it_can_never_answer() -> None:
    assert refusal({"protocol": "debate", "seats": {"debaters": "lexical"}}) == (
        "arms.it.seats.debater_a: the built-in lexical-judge can give no speech, which is asked for there; "
        "name another participant."
    )
    assert refusal({"protocol": "naive"}, judges=["advocate"]) == (
        "judges: the built-in extractive-debater can give no belief, which is asked for there; name another participant."
    )


async def test_what_a_built_in_is_said_never_to_give_it_does_not_give() -> None:
    for name, wants in [(name, wants) for name, never in NEVER_GIVES.items() for wants in never]:
        holder = builtin(BuiltinSettings.model_validate({"name": name}))
        with pytest.raises(ParticipantError, match=f"{name} cannot hold"):
            await holder.answer(seen(ask(wants, "any")), asking(Record()))


def test_a_model_that_may_not_write_as_much_as_it_is_asked_for_is_refused() -> None:
    assert refusal({"protocol": "debate", "seats": {"debaters": "terse"}}) == (
        "arms.it: terse may write 60 tokens and as debater_a is asked for at least 70 words: "
        "raise its max_tokens, or lower min_words."
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [({"judges": []}, "judges: name at least 1."), ({"arms": {}}, "arms: name at least 1.")],
)
def test_an_experiment_without_judges_or_arms_is_refused(change: dict[str, Any], said: str) -> None:
    assert refusal({"protocol": "naive"}, **change).endswith(said)
