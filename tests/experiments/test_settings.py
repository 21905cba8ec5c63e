"""Settings that cannot work together or make no sense are refused with a sentence when the file is read."""

from collections.abc import Mapping
from typing import Any

import pytest

from app.experiments.spec import SpecError, parse_spec
from app.participants.base import ParticipantError
from app.participants.baselines import NEVER_GIVES, BuiltinSettings, builtin
from app.protocols import PROTOCOLS
from app.protocols.combinators import Argued
from app.protocols.core import Protocol
from tests.arms import arm
from tests.participants.examples import Record, ask, asking, seen

PARTICIPANTS: Mapping[str, Any] = {
    "advocate": {"kind": "builtin", "name": "extractive-debater"},
    "lexical": {"kind": "builtin", "name": "lexical-judge"},
    "sure": {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m", "temperature": 0},
    "voter": {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m", "belief": "votes"},
    "items": {"kind": "builtin", "name": "task-file"},
    "terse": {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m", "max_tokens": 60},
}


def seated(name: str) -> dict[str, Any]:
    """A valid arm of a protocol."""
    return arm(name, "advocate", "lexical")


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
    "quotes_required asks for quotes and quote_characters: 0 allows none": {
        "quote_characters": 0,
        "quotes_required": 1,
    },
    "target_words: input should be greater than or equal to 10": {"target_words": 0},
}
"""What every protocol with speeches of the usual length refuses."""

OWN: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("quotes-only", {"quote_characters": 0}, "quote_characters: input should be greater than or equal to 20"),
    (
        "consultancy",
        {"rounds": 1, "questions": "questioner"},
        "questions need 2 rounds or more: one is asked after every round but the last",
    ),
    ("naive", {"judge_reasons": "perhaps"}, "judge_reasons: input should be a valid boolean"),
    ("expert", {"judge_reasons": "perhaps"}, "judge_reasons: input should be a valid boolean"),
    (
        "debate",
        {"refinements": 0, "rewrites": 2},
        "rewrites are written after a critique: set refinements to 1 or more",
    ),
    ("consultancy", {"rounds": 0}, "rounds: input should be greater than or equal to 1"),
    ("consultancy", {"questions": "perhaps"}, "questions: input should be 'none', 'questioner' or 'judge'"),
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
    (
        "critique",
        {"depth": 2},
        "critique has no setting depth any more: write protocol: recursive-critique.",
    ),
    (
        "critique",
        {"votes": 3},
        "critique has no setting votes any more: write protocol: recursive-critique, with their number as depth, "
        "and votes: true.",
    ),
    (
        "critique",
        {"planted": 0.5},
        "critique has no setting planted any more: write protocol: critique-planted-flaws.",
    ),
    (
        "critique-planted-flaws",
        {"planted_by": "task-file"},
        "only the built-in task-file can take the seat tamperer under these settings; add participants: "
        "{items: {kind: builtin, name: task-file}} and seats: {tamperer: items}.",
    ),
    (
        "debate",
        {"seats": {"debaters": "items", "preference": "lexical", "coach": "advocate"}},
        "the built-in task-file says only what comes with a question, and cannot take the seat debater_a",
    ),
    ("critique-planted-flaws", {"planted": 2}, "planted: input should be less than or equal to 1"),
    ("recursive-critique", {"depth": 10}, "depth: input should be less than or equal to 9"),
    ("recursive-critique", {"votes": 3}, "votes: input should be a valid boolean"),
    (
        "critique",
        {"points": 20, "min_words": 10, "target_words": 40, "max_words": 50},
        "20 points do not fit into max_words (50): allow 5 words for each, or fewer points",
    ),
    (
        "prover-verifier",
        {"roles": "known", "show_scratchpad": True},
        "show_scratchpad would show judges the role of a prover that knows it: leave it out, or set roles: assigned",
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
    (
        "market-making",
        {"seats": {"adversary": "sure", "predictor": "lexical"}},
        "sure is asked several times for the same as adversary, and at temperature 0 it says the same each time",
    ),
    (
        "market-making",
        {"seats": {"adversary": "voter", "predictor": "voter"}},
        "these settings are for a predictor that never varies, and voter is sampled: set price_reads to 16 or more, "
        "or give it temperature: 0.",
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
    (
        "recursive-reward-modelling",
        {"depth": 4, "calls": 3},
        "calls (3) never reach depth 4: allow as many calls, or a smaller depth",
    ),
    ("prover-estimator", {"quote_characters": 0}, "quote_characters must be above 0: the leaf is a quote"),
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
    assert said in refusal({**seated(name), **ARGUED[said]})


@pytest.mark.parametrize(("name", "settings", "said"), OWN)
def test_settings_that_make_no_sense_are_refused(name: str, settings: Mapping[str, Any], said: str) -> None:
    sentence = refusal({**seated(name), **settings})
    assert sentence.startswith("arms.it: ")
    assert said in sentence
    assert sentence.endswith(".")


def test_every_protocol_with_settings_is_among_them() -> None:
    missing = {name for name, rules in PROTOCOLS.items() if rules.model_fields} - {name for name, *_ in OWN}
    assert not missing, f"Add settings of {', '.join(missing)} that make no sense to OWN in this file."


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_setting_that_a_protocol_does_not_have_is_refused_with_the_nearest(name: str) -> None:
    for setting in PROTOCOLS[name].model_fields:
        arm = {key: value for key, value in seated(name).items() if key != setting}
        assert f"unknown key '{setting}x'; the nearest is '{setting}'." in refusal({**arm, f"{setting}x": 1})


# ── who sits where ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(name for name, rules in PROTOCOLS.items() if rules().seats()))
def test_a_seat_that_nobody_holds_is_named_with_what_to_add(name: str) -> None:
    for seat in seated(name)["seats"]:
        left = {other: holder for other, holder in seated(name)["seats"].items() if other != seat}
        assert f"the seat {seat} is empty; add seats: {{" in refusal({**seated(name), "seats": left})


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
        with pytest.raises(ParticipantError, match=f"{name} cannot take the seat"):
            await holder.answer(seen(ask(wants, "any")), asking(Record()))


def test_a_model_that_may_not_write_as_much_as_it_is_asked_for_is_refused() -> None:
    assert refusal({"protocol": "debate", "seats": {"debaters": "terse"}}) == (
        "arms.it: terse may write 60 tokens and as debater_a is asked for at least 70 words: "
        "raise its max_tokens, or lower min_words."
    )


# ── what cannot work together, in every protocol that has it ────────────────────────────────────────────────────

ARGUES = sorted(name for name, rules in PROTOCOLS.items() if issubclass(rules, Argued))
PLAIN = {"candidates": 1, "refinements": 0, "attack": "none", "attacker": ""}


def rules(name: str, **changes: Any) -> Protocol:
    """A protocol as tests/arms.py has it, with these changes."""
    small = {key: value for key, value in seated(name).items() if key not in ("protocol", "seats")}
    return PROTOCOLS[name].model_validate({**small, **changes})


MACHINES = {"checker": "lexical", "coach": "advocate", "tamperer": "advocate", "preference": "lexical"}
"""Who sits where no person may."""
CLOSED = "is not open to people under these settings (it is "

TOGETHER: Mapping[str, tuple[Mapping[str, Any], Mapping[str, str], str]] = {
    "several candidates and nobody who chooses": (
        {"candidates": 4},
        {"preference": ""},
        "the seat preference is empty; add seats: {preference: NAME}.",
    ),
    "several critiques and nobody who chooses": (
        {"refinements": 2},
        {"preference": ""},
        "the seat preference is empty; add seats: {preference: NAME}.",
    ),
    "several candidates by one who always says the same": (
        {"candidates": 4},
        {"preference": "lexical", "SPEAKER": "sure"},
        "sure is asked several times for the same as SPEAKER, and at temperature 0",
    ),
    "several candidates by a person": (
        {"candidates": 4},
        {"preference": "lexical", "SPEAKER": "people"},
        f"SPEAKER {CLOSED}with candidates: 1 and refinements: 0, without attack); add seats: {{SPEAKER: NAME}}",
    ),
    "drafts of a person": (
        {"refinements": 1},
        {"SPEAKER": "people"},
        f"SPEAKER {CLOSED}with candidates: 1 and refinements: 0, without attack); add seats: {{SPEAKER: NAME}}",
    ),
    "a person who attacks": (
        {"attack": "forge-marks"},
        {"SPEAKER": "people"},
        f"SPEAKER {CLOSED}without attack); add seats: {{SPEAKER: NAME}}",
    ),
    "a person whose notes judges would read": (
        {"show_scratchpad": True},
        {"SPEAKER": "people"},
        f"SPEAKER {CLOSED}without attack or show_scratchpad); add seats: {{SPEAKER: NAME}}",
    ),
    "an attack by who does not argue": (
        {"attack": "forge-marks", "attacker": "judge"},
        {},
        "attacker: no seat judge argues here; valid are SPEAKER",
    ),
    "an attacker without an attack": (
        {"attacker": "judge"},
        {},
        "attacker: judge has no attack to make: set attack, or leave attacker out",
    ),
}
"""What is set, who sits where beside the others, and what is said."""


@pytest.mark.parametrize("what", TOGETHER)
@pytest.mark.parametrize("name", ARGUES)
def test_pressure_that_cannot_be_put_on_a_seat_is_refused_in_every_protocol(name: str, what: str) -> None:
    settings, seats, said = TOGETHER[what]
    protocol = rules(name, **{**PLAIN, **({} if "attacker" in settings else settings)})
    assert isinstance(protocol, Argued)
    first = protocol.speakers[0]
    filled = MACHINES | seated(name)["seats"] | {k.replace("SPEAKER", first): v for k, v in seats.items()}
    there = {seat.name for seat in protocol.seats()}
    held = {seat: holder for seat, holder in filled.items() if seat in there and holder}
    sentence = refusal({**seated(name), **PLAIN, **settings, "seats": held})
    assert said.replace("SPEAKER", first) in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_judge_named_among_the_seats_of_an_arm_is_sent_to_the_panel(name: str) -> None:
    seats = seated(name).get("seats", {})
    assert refusal({**seated(name), "seats": {**seats, "judge": "lexical"}}) == (
        "arms.it.seats: judges are named for all arms together: put them under judges, not here."
    )


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_person_in_a_seat_for_machines_is_refused(name: str) -> None:
    protocol = rules(name)
    for seat in protocol.seats():
        if not seat.people and seat.name != protocol.judge.name:
            sentence = refusal({**seated(name), "seats": {**seated(name)["seats"], seat.name: "people"}})
            assert f"the seat {seat.name} is not open to people" in sentence
            assert f"add seats: {{{seat.name}: NAME}} with a participant's name." in sentence


def test_a_time_cap_without_people_and_an_arm_compared_with_itself_are_refused() -> None:
    assert refusal({"protocol": "naive"}, judges=["lexical", {"seconds": 60}]) == (
        "judges: seconds is for people and none are asked for: write {humans: N, …}."
    )
    assert refusal({"protocol": "naive"}, contrasts=[["it", "it"]]) == (
        "contrasts: it is compared with itself: name two arms."
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [({"judges": []}, "judges: name at least 1."), ({"arms": {}}, "arms: name at least 1.")],
)
def test_an_experiment_without_judges_or_arms_is_refused(change: dict[str, Any], said: str) -> None:
    assert refusal({"protocol": "naive"}, **change).endswith(said)
