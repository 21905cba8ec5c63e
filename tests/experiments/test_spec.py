"""What an experiment's file may not say."""

from typing import Any

import pytest

from app.experiments.spec import SpecError, parse_spec, read_panel
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
