"""The places of evidence in a passage."""

from typing import Any

import pytest

from app.protocols.evidence import span_of, spans_of

PASSAGE = "Hale blamed the oil.\n\nRuiz had found the valve. Hale blamed the oil again."


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("blamed the oil", "blamed the oil"),
        ("  the oil.   Ruiz had", "the oil.\n\nRuiz had"),
        ([0, 4], "Hale"),
        ((22, 26), "Ruiz"),
    ],
)
def test_words_and_places_are_found(marked: Any, words: str) -> None:
    found = span_of(PASSAGE, marked)
    assert found is not None
    assert PASSAGE[found[0] : found[1]] == words


@pytest.mark.parametrize(
    "marked", ["the owl", "", " ", "(Hale", [0, 1000], [4, 4], [-1, 3], [0], [0, True], ["0", 3], 5, None, {}]
)
def test_what_is_in_no_place_is_not_found(marked: Any) -> None:
    assert span_of(PASSAGE, marked) is None


def test_words_that_are_there_twice_stand_for_the_first() -> None:
    assert span_of(PASSAGE, "Hale blamed the oil") == (0, 19)


@pytest.mark.parametrize("evidence", [None, "Hale", 3, {"a": 1}, []])
def test_what_is_no_list_marks_nothing(evidence: Any) -> None:
    assert spans_of(PASSAGE, evidence) == []


def test_places_are_in_the_order_of_the_passage_and_once() -> None:
    assert spans_of(PASSAGE, ["Ruiz", [0, 4], "Hale", "the owl"]) == [(0, 4), (22, 26)]
