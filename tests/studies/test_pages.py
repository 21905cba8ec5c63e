"""What participants send: answers to questions, fields of every kind, and whether a study can be joined."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.studies.entry import Proof, Shut, proof, shut
from app.studies.pages import read_comprehension, read_questionnaire
from app.studies.returning import code_of, host, return_link
from app.studies.spec import ComprehensionQuestion, QuestionnaireField, Recruiter, parse_study
from tests.web.participation.study import bare

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = [
    ComprehensionQuestion(question="One?", answers=("a", "b"), right=1),
    ComprehensionQuestion(question="Two?", answers=("a", "b", "c"), right=0),
]


@pytest.mark.parametrize(
    ("sent", "complete", "wrong"),
    [
        ({"q0": ["1"], "q1": ["0"]}, True, ()),
        ({"q0": ["0"], "q1": ["2"]}, True, (0, 1)),
        ({"q0": ["0"]}, False, (0,)),
        ({"q0": ["2"], "q1": ["-1"]}, False, ()),
        ({"q0": ["²"], "q1": ["0000"]}, False, ()),
    ],
)
def test_answers_are_right_wrong_or_missing(sent: Any, complete: bool, wrong: tuple[int, ...]) -> None:
    found = read_comprehension(ASKED, sent)
    assert (found.complete, found.wrong) == (complete, wrong)
    assert found.passed == (complete and not wrong)


def field(kind: str, **more: Any) -> QuestionnaireField:
    choices = ("a", "b") if kind in ("choice", "choices", "scale") else ()
    return QuestionnaireField(name="f", kind=kind, label="F", choices=choices, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("text", ["  two\n words "], "two words"),
        ("long_text", ["one\r\ntwo\0"], "one\ntwo"),
        ("number", ["41"], 41),
        ("number", [" 1,5 "], 1.5),
        ("yes_no", ["no"], False),
        ("choice", ["b"], "b"),
        ("scale", ["a"], "a"),
        ("choices", ["b", "a", "b"], ["a", "b"]),
    ],
)
def test_each_kind_of_field_has_its_type(kind: str, sent: list[str], value: Any) -> None:
    found = read_questionnaire([field(kind)], {"f": sent})
    assert (found.answers, found.errors) == ({"f": value}, {})


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("text", ["x" * 1001]),
        ("long_text", ["x" * 10_001]),
        ("number", ["nan"]),
        ("number", ["1e999"]),
        ("yes_no", ["maybe"]),
        ("choice", ["c"]),
        ("choices", ["a", "c"]),
    ],
)
def test_what_no_field_of_the_kind_takes_is_named(kind: str, sent: list[str]) -> None:
    found = read_questionnaire([field(kind)], {"f": sent})
    assert found.answers == {}
    assert list(found.errors) == ["f"]


def test_only_what_is_needed_has_to_be_filled_in() -> None:
    assert read_questionnaire([field("text")], {"f": [" "]}).errors == {}
    assert "f" in read_questionnaire([field("text", required=True)], {"f": [" "]}).errors


@pytest.mark.parametrize(
    ("state", "changes", "room", "why"),
    [
        ("open", {}, True, None),
        ("open", {}, False, Shut.FULL),
        ("draft", {}, True, Shut.DRAFT),
        ("paused", {}, True, Shut.PAUSED),
        ("closed", {}, False, Shut.CLOSED),
        ("open", {"opens": NOW + timedelta(seconds=1)}, True, Shut.EARLY),
        ("open", {"opens": NOW}, True, None),
        ("open", {"closes": NOW}, True, Shut.CLOSED),
        ("open", {"closes": NOW + timedelta(seconds=1)}, True, None),
    ],
)
def test_when_a_study_can_be_joined(
    state: str, changes: dict[str, Any], room: bool, why: Shut | None
) -> None:
    assert shut(state, parse_study(bare(**changes)), NOW, room=room) is why


def test_what_a_person_brings_who_comes_back() -> None:
    assert proof(True, "s") is proof(True, "") is Proof.WORD
    assert proof(False, "s") is Proof.SUBMISSION
    assert proof(False, "") is Proof.NOTHING


@pytest.mark.parametrize(
    ("recruiter", "code", "link"),
    [
        ({"kind": "prolific"}, "C 1", "https://app.prolific.com/submissions/complete?cc=C%201"),
        ({"kind": "prolific"}, "", ""),
        ({"kind": "link"}, "C1", ""),
        (
            {"kind": "link", "return_url": "https://a.example/?code={code}"},
            "C1",
            "https://a.example/?code=C1",
        ),
        ({"kind": "link", "return_url": "https://a.example/?code={code}"}, "", ""),
        ({"kind": "link", "return_url": "https://a.example/end"}, "", "https://a.example/end"),
    ],
)
def test_the_way_back_takes_the_code_along(recruiter: Any, code: str, link: str) -> None:
    assert return_link(Recruiter(**recruiter), code) == link
    assert host(link) == (link.split("/")[2] if link else "")


def test_each_end_has_its_code_or_none() -> None:
    codes = {"completed": "C1"}
    assert [code_of(codes, end) for end in ("completed", "stopped", None)] == ["C1", "", ""]
