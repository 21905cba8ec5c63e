"""Fields of forms made from settings, and back."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.experiments.spec import first_mistake
from app.web.fields import fields, nested, rows, typed, written


class Settings(BaseModel):
    """One setting of each kind."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """What it is
    `called`."""
    share: float = Field(0.5, gt=0, le=1)
    most: int | None = Field(None, ge=1)
    loud: bool = False
    mood: Literal["calm", "keen"] = "calm"
    more: dict[str, Any] = Field(default_factory=dict)
    hidden: str = "x"


FIELDS = fields(Settings, {}, "", without=["hidden"])


def test_each_setting_is_a_field_of_its_kind() -> None:
    assert [(one.key, one.kind, one.value, one.default) for one in FIELDS] == [
        ("name", "text", "", ""),
        ("share", "number", "0.5", "0.5"),
        ("most", "whole", "", ""),
        ("loud", "switch", "false", "false"),
        ("mood", "choice", "calm", "calm"),
        ("more", "yaml", "", ""),
    ]
    name, share, most, _, mood, more = FIELDS
    assert (name.required, name.help, name.label) == (True, "What it is called.", "Name")
    assert [one.key for one in FIELDS if one.required] == ["name"], more
    assert (share.minimum, share.maximum) == (0, 1)
    assert (most.minimum, most.maximum) == (1, None)
    assert mood.choices == ("calm", "keen")


def test_fields_of_a_part_of_a_form_bear_its_name_and_can_be_called_otherwise() -> None:
    found = fields(
        Settings,
        {"name": "gone"},
        "arms.0",
        without=["more"],
        choices={"name": ["a", "b"]},
        labels={"most": "At most"},
    )
    name, _, most, *_ = found
    assert (name.key, name.id, name.kind) == ("arms.0.name", "arms-0-name", "choice")
    assert name.choices == ("gone", "a", "b"), "what was chosen stays a choice"
    assert most.label == "At most"


def test_an_empty_form_gives_the_defaults() -> None:
    given = {one.key: one.default for one in FIELDS} | {"name": " x "}
    assert typed(Settings, given) == {"name": "x"}
    assert Settings.model_validate(typed(Settings, given)) == Settings(name="x")


@pytest.mark.parametrize("more", ['{"a": [1]}', "a: [1]", "a:\n- 1"])
def test_a_filled_form_gives_what_was_written(more: str) -> None:
    given = {"name": "x", "share": "0.25", "most": "3", "loud": "true", "mood": "keen", "more": more}
    whole = Settings.model_validate(typed(Settings, given))
    assert whole == Settings(name="x", share=0.25, most=3, loud=True, mood="keen", more={"a": [1]})


class Absent(BaseModel):
    """Settings whose absence is a value."""

    cap: int | None = Field(250, ge=0)
    reasons: bool | None = None


@pytest.mark.parametrize("values", [{}, {"cap": None}, {"cap": 90, "reasons": False}, {"reasons": True}])
def test_a_setting_that_may_be_absent_comes_back_from_the_form_as_it_was(values: dict[str, Any]) -> None:
    sent = {one.key: one.value for one in fields(Absent, values, "")}
    assert typed(Absent, sent) == values


def test_a_setting_that_may_be_absent_shows_it() -> None:
    cap, reasons = fields(Absent, {"cap": None}, "")
    assert (cap.kind, cap.value, cap.default) == ("whole", "", "250")
    assert (reasons.kind, reasons.value, reasons.choices) == ("choice", "", ("", "true", "false"))


def test_what_was_given_stands_in_the_fields_again() -> None:
    given = {"name": "x", "share": "0.25", "most": "many", "loud": "true", "mood": "keen", "more": "a: ["}
    shown = {one.key: one.value for one in fields(Settings, typed(Settings, given), "")}
    assert shown == given | {"hidden": "x"}


@pytest.mark.parametrize(
    "text", ["{", "nonsense", "a: .nan", '{"a": Infinity', "[" * 100_000, "a: 2020-01-01", '{"a": "\\u0000"}']
)
def test_what_cannot_be_read_stays_as_it_was_entered_for_the_settings_to_refuse(text: str) -> None:
    values = typed(Settings, {"name": "x", "more": text})
    assert values["more"] == text
    with pytest.raises(ValidationError) as wrong:
        Settings.model_validate(values)
    assert first_mistake(wrong.value) == "more: input should be a valid dictionary."


def test_the_first_mistake_is_one_sentence() -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings.model_validate(typed(Settings, {"name": "x", "share": "2", "most": "0"}))
    assert first_mistake(wrong.value) == "share: input should be less than or equal to 1."


def test_inputs_are_sorted_by_the_steps_of_their_names_in_order_and_the_last_of_two_counts() -> None:
    sent = [
        ("a.10.x", "ten"),
        ("a.2.x", "two"),
        ("a.2.x", "again"),
        ("a.b", "no row"),
        ("c", "d"),
        ("c.e", "f"),
    ]
    tree = nested(sent)
    assert rows(tree, "a") == [{"x": "again"}, {"x": "ten"}]
    assert tree["c"] == {"e": "f"}
    assert rows(tree, "nothing") == []


def test_texts_of_several_lines_are_written_as_they_stand() -> None:
    assert written({"b": "One\ntwo é\n", "a": [1]}) == "b: |\n  One\n  two é\na:\n- 1\n"
