"""What a pre-flight says of the quotes of a participant."""

from collections import Counter

import pytest

from app.experiments.fitness import Conduct, found_of
from app.protocols.quotes import Mark, indexed, mark

PASSAGE = (
    "The lamp was lit all night, and the door to the yard stood open. He did not see the well-known man."
)


def test_a_true_quote_over_the_limit_and_a_short_one_are_not_counted_as_missing() -> None:
    said = mark(
        "<quote>the lamp was lit all night</quote> <quote>the door to the yard stood open</quote> "
        "<quote>the well-known</quote> <quote>no one had been there at all</quote>",
        indexed(PASSAGE),
        budget=30,
    )
    conduct = Conduct("strong", "Debater", marks=Counter(quote.mark for quote in said.quotes))
    assert conduct.marks == {Mark.FOUND: 1, Mark.OVER_LIMIT: 1, Mark.SHORT: 1, Mark.NOT_FOUND: 1}
    assert (conduct.quotes, conduct.found) == (4, (2, 3))
    assert found_of(conduct.marks) == "2 of 3, 1 over the limit, 1 too short to check"


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ({}, "none"),
        ({Mark.FOUND: 2}, "2 of 2"),
        ({Mark.NOT_FOUND: 2}, "0 of 2"),
        ({Mark.SHORT: 1}, "0 of 0, 1 too short to check"),
    ],
)
def test_found_quotes_are_counted_among_those_that_were_checked(marks: dict[Mark, int], words: str) -> None:
    assert found_of(Counter(marks)) == words
