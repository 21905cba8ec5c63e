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
