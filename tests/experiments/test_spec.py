"""What an experiment's file may not say."""

from typing import Any

import pytest

from app.experiments.freeze import _with_its_prompts
from app.experiments.spec import SpecError, parse_spec, prompt_versions, read_panel, with_defaults
from tests.factories import spec
from tests.processes import write_spec


def test_no_participant_bears_the_name_of_the_panel_of_people(tmp_path: Any) -> None:
    builtin = {"kind": "builtin", "name": "lexical-judge"}
    sentence = "^participants.people: 'people' is the name for all people together: choose another name.$"
    with pytest.raises(SpecError, match=sentence):
        parse_spec(spec(participants={**spec()["participants"], "people": builtin}))
    panel = {"name": "again", "participants": {"people": builtin}, "judges": ["people"]}
    with pytest.raises(SpecError, match=sentence):
        read_panel(write_spec(tmp_path / "panel.yaml", panel))


def test_an_arm_names_a_version_of_the_prompts_or_has_the_newest() -> None:
    file = spec()
    (name, arm), *rest = file["arms"].items()
    data = spec(arms={name: {**arm, "prompt_version": "v1"}, **dict(rest), "new": arm})
    old, new = (next(arm for arm in parse_spec(data).arms if arm.name == each) for each in (name, "new"))
    assert (old.normalised()["prompt_version"], new.normalised()["prompt_version"]) == ("v1", "v2")
    assert (old.names_version, new.names_version) == (True, False)
    assert old.prompts != new.prompts
    with pytest.raises(SpecError, match="unknown prompt_version 'v0'"):
        parse_spec(spec(arms={name: {**arm, "prompt_version": "v0"}}))


def test_an_experiment_of_before_there_were_versions_goes_on_with_its_own_prompts() -> None:
    parsed = parse_spec(spec())
    before = parsed.normalised()
    for arm in before["arms"]:
        del arm["prompt_version"]
    stored = with_defaults(before)
    assert {arm["prompt_version"] for arm in stored["arms"]} == {"v1"}
    assert _with_its_prompts(parsed, before) == stored
    assert set(prompt_versions(before).values()) == {"v1"}
    (name, arm), *_ = spec()["arms"].items()
    named = parse_spec(spec(arms={**spec()["arms"], name: {**arm, "prompt_version": "v2"}}))
    assert _with_its_prompts(named, before) != stored


def test_repeats_of_one_leave_a_file_what_it_was_before_they_existed() -> None:
    """So that experiments begun then go on."""
    for data in (spec(), spec(repeats=1)):
        assert "repeats" not in parse_spec(data).normalised()
    twice = parse_spec(spec(repeats=2))
    assert twice.normalised()["repeats"] == 2
    assert twice != parse_spec(spec())


@pytest.mark.parametrize("repeats", [0, 21])
def test_repeats_have_a_bound(repeats: int) -> None:
    with pytest.raises(SpecError, match=r"^the experiment's file: repeats: "):
        parse_spec(spec(repeats=repeats))
