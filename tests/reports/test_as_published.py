"""A report that calls an arm by a paper's name says in what its participants are not as the paper had them."""

from typing import Any

import pytest
import yaml

from app.experiments.presets import PRESETS
from app.experiments.spec import parse_spec
from app.reports.as_published import differences
from scripts.preset_pages import example

STATIC = PRESETS["khan-2024-static-debate"]
PARRISH = PRESETS["parrish-2022-one-turn"]


def unlike(preset: str, **changes: Any) -> list[str]:
    """The differences of the preset's own file, with changes to its participants, seats or judges."""
    data = yaml.safe_load(example(PRESETS[preset]))
    for name, settings in changes.pop("participants", {}).items():
        data["participants"][name] = {**data["participants"].get(name, {}), **settings}
    [arm] = data["arms"].values()
    arm["seats"] = changes.pop("seats", arm["seats"])
    frozen = parse_spec(data | changes).normalised()
    [found] = frozen["arms"]
    return differences(found, frozen)


@pytest.mark.parametrize("name", PRESETS)
def test_the_file_of_a_presets_page_is_as_the_preset_asks(name: str) -> None:
    assert unlike(name) == []


def test_settings_that_are_not_those_of_the_paper_are_named() -> None:
    changed = {"strong": {"temperature": 1.2}, "judge": {"temperature": 0.7}}
    assert unlike(STATIC.name, participants=changed) == [
        "debaters: strong has temperature 1.2, where the preset has 0.4",
        "judges: judge has temperature 0.7, where the preset has 0",
    ]


def test_two_models_where_the_paper_has_one_are_named() -> None:
    weak = {"kind": "model", "endpoint": "local", "model": "M", "temperature": 0.4, "top_p": 1.0, "asks": 3}
    found = unlike(
        STATIC.name, participants={"weak": weak}, seats={"debater_a": "strong", "debater_b": "weak"}
    )
    assert found == ["debaters are strong and weak, not one participant"]


def test_people_and_programs_in_each_others_places_are_named() -> None:
    advocate = {"kind": "builtin", "name": "extractive-debater"}
    assert unlike(PARRISH.name, participants={"advocate": advocate}, seats={"debaters": "advocate"}) == [
        "debaters: advocate, which is a program, where the preset has people"
    ]
    assert unlike(STATIC.name, participants={"advocate": advocate}, seats={"debaters": "advocate"}) == [
        "debaters: advocate, a built-in baseline, where the preset has a model"
    ]
    assert unlike(STATIC.name, judges=[{"humans": 2}]) == ["judges: people, where the preset has a model"]


def test_a_preset_that_is_gone_is_compared_with_nothing() -> None:
    assert differences({"preset": "no-such-preset", "seats": {}}, {}) == []
