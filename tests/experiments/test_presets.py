"""A preset in an arm stands for its protocol and settings, and is recorded by name."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from app.experiments.presets import PRESETS, Preset
from app.experiments.spec import Spec, SpecError, digest, parse_spec
from app.protocols import PROTOCOLS
from app.reports.figures.pressure import _but
from app.web.experiment_editor.form import file_from_record, file_of, sheet_of
from scripts.preset_pages import example

STATIC = "khan-2024-static-debate"
MODEL = {"kind": "model", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
DEBATE: Mapping[str, Any] = {"preset": STATIC, "seats": {"debaters": "strong"}}


def file(arm: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A file with this one arm."""
    cast = {"strong": MODEL, "other": {**MODEL, "model": "n"}, "judge": {**MODEL, "temperature": 0}}
    return {
        "name": "published",
        "tasks": {"set": "sample"},
        "participants": cast,
        "arms": {"it": dict(arm)},
        "judges": ["judge"],
        **more,
    }


def written(preset: Preset, **more: Any) -> dict[str, Any]:
    """The file of a preset's page, read."""
    data: dict[str, Any] = yaml.safe_load(example(preset))
    return {**data, **more}


def refusal(arm: Mapping[str, Any]) -> str:
    """What a file with this one arm is refused with."""
    with pytest.raises(SpecError) as refused:
        parse_spec(file(arm))
    return str(refused.value)


@pytest.mark.parametrize("name", PRESETS)
def test_an_arm_with_a_preset_has_its_protocol_and_its_settings(name: str) -> None:
    preset = PRESETS[name]
    [arm] = parse_spec(written(preset)).arms
    assert arm.protocol == preset.rules
    assert arm.preset == name
    assert arm.normalised() == {
        "protocol": preset.protocol,
        "preset": name,
        **preset.rules.model_dump(mode="json"),
        "seats": dict(arm.seats),
        "prompts": {},
        "prompt_version": "v2",
    }


def test_settings_of_the_arm_beside_a_preset_may_be_balance_and_what_the_preset_says_too() -> None:
    seats = {"debater_a": "strong", "debater_b": "other"}
    whole = {"preset": STATIC, "protocol": "debate", "rounds": 3, "balance": "half", "seats": seats}
    [arm] = parse_spec(file(whole)).arms
    assert arm.protocol == PRESETS[STATIC].rules.model_copy(update={"balance": "half"})
    assert arm.share == 0.5


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"rounds": 2},
            f"arms.it: rounds: 2 contradicts the preset {STATIC}, which has 3: leave preset out and write the settings "
            "yourself, or leave rounds out.",
        ),
        (
            {"protocol": "consultancy"},
            f'arms.it: protocol: "consultancy" contradicts the preset {STATIC}, which has "debate": leave preset out and '
            "write the settings yourself, or leave protocol out.",
        ),
        (
            {"quote_characters": 250},
            f"arms.it: quote_characters: 250 contradicts the preset {STATIC}, which has null: leave preset out and write "
            "the settings yourself, or leave quote_characters out.",
        ),
        ({"preset": "khan-2024-debate"}, "arms.it: unknown preset 'khan-2024-debate'; the nearest is '"),
        ({"preset": None}, "arms.it: unknown preset 'None'; "),
        ({"turns": 2}, "arms.it: unknown key 'turns'; "),
        ({"seats": {"consultants": "strong"}}, "arms.it.seats: unknown seat 'consultants'; "),
        ({"balance": "half"}, "arms.it: balance: half is for two different participants"),
    ],
)
def test_what_a_preset_cannot_have_is_refused_in_a_sentence(more: Mapping[str, Any], sentence: str) -> None:
    assert refusal({**DEBATE, **more}).startswith(sentence)


def test_an_arm_without_protocol_or_preset_is_refused() -> None:
    assert refusal({"seats": {}}).startswith(
        "arms.it: name a protocol, or a preset; valid protocols are naive"
    )
    assert "the nearest is 'preset'" in refusal({"protocol": "debate", "prest": STATIC})


def same_by_hand() -> Spec:
    """The experiment of `DEBATE` with the settings written out."""
    preset = PRESETS[STATIC]
    seats = {"debaters": "strong"}
    return parse_spec(file({"protocol": preset.protocol, **preset.settings, "seats": seats}))


def test_without_a_preset_nothing_is_recorded_so_that_the_digest_stays() -> None:
    named, plain = parse_spec(file(DEBATE)).normalised(), same_by_hand().normalised()
    assert "preset" not in plain["arms"][0]
    assert named["arms"][0].pop("preset") == STATIC
    assert named == plain
    assert digest(named) == digest(plain)


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PRESETS)
def test_the_frozen_experiment_can_be_read_again_and_fills_the_form(name: str) -> None:
    spec = parse_spec(written(PRESETS[name]))
    again = {**file_from_record(spec.normalised(), {}), "name": spec.name}
    assert parse_spec(again) == spec
    [arm] = parse_spec(file_of(sheet_of(again))).arms
    assert (arm.protocol, arm.seats, arm.preset) == (spec.arms[0].protocol, spec.arms[0].seats, None)


def test_the_form_has_the_protocol_and_settings_of_a_preset_in_its_place() -> None:
    [sheet] = sheet_of(file(DEBATE)).arms
    assert sheet.protocol == "debate"
    assert sheet.settings == PRESETS[STATIC].settings
    assert sheet.seats == {"debaters": "strong"}


def test_the_form_keeps_what_was_frozen_when_a_preset_has_changed_since() -> None:
    frozen = parse_spec(file(DEBATE)).normalised()
    frozen["arms"][0]["rounds"] = 5
    [sheet] = sheet_of(file_from_record(frozen, {})).arms
    assert sheet.settings["rounds"] == 5


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_presets_that_differ_in_their_candidates_alone_are_on_one_line_against_n() -> None:
    names = (STATIC, "khan-2024-debate-best-of-16")
    seats = ({"debaters": "strong"}, {"debaters": "strong", "preference": "judge"})
    arms = {name: {"preset": name, "seats": held} for name, held in zip(names, seats, strict=True)}
    frozen = parse_spec({**file({}), "arms": arms}).normalised()["arms"]
    one, sixteen = (_but(arm, "candidates") for arm in frozen)
    assert one == sixteen


def test_no_preset_is_called_like_a_protocol() -> None:
    assert not set(PRESETS) & set(PROTOCOLS)
