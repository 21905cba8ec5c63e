"""Where a participant is on the way through a study: the draw of places, progress, and the page that follows."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.studies.itinerary import DONE, TRIAL, after, check_keys, progress, sequence
from app.studies.spec import parse_study
from tests.web.participation.study import bare, study_file

SEEDS = st.integers(0, 2**62)
KEYS = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=12)


@given(SEEDS, st.integers(1, 30), KEYS)
def test_every_trial_and_every_item_comes_once_and_a_trial_first(
    seed: int, trials: int, keys: list[str]
) -> None:
    order = sequence(seed, trials, keys)
    assert Counter(order) == Counter([TRIAL] * trials + keys)
    assert order[0] == TRIAL
    assert trials == 1 or order[-1] == TRIAL


@given(SEEDS, st.integers(2, 30), KEYS)
def test_items_stand_apart_where_there_is_room(seed: int, trials: int, keys: list[str]) -> None:
    order = sequence(seed, trials, keys)
    if len(keys) < trials:
        assert all(TRIAL in pair for pair in pairwise(order))


def test_the_places_are_drawn_evenly_and_from_the_seed_alone() -> None:
    places = Counter(sequence(seed, 6, ["x"]).index("x") for seed in range(2000))
    assert sequence(7, 6, ["x", "y"]) == sequence(7, 6, ["x", "y"])
    assert sorted(places) == [1, 2, 3, 4, 5]
    assert all(320 <= count <= 480 for count in places.values()), places


def test_the_draw_stays_the_same_in_every_version() -> None:
    assert sequence(1, 5, ["a", "b"]) == ("", "", "", "b", "", "a", "")


ORDER = ("", "", "b", "", "", "a", "")


@pytest.mark.parametrize(
    ("done", "answered", "returned", "expected"),
    [
        (0, (), (), (0, TRIAL)),
        (2, (), (), (2, "b")),
        (2, ("b",), (), (3, TRIAL)),
        (2, (), ("b",), (2, TRIAL)),
        (4, ("b",), (), (5, "a")),
        (5, ("a", "b"), (), (7, None)),
        (4, (), ("a", "b"), (4, TRIAL)),
        (5, (), ("a", "b"), (5, None)),
    ],
)
def test_progress_follows_from_what_was_done(
    done: int, answered: tuple[str, ...], returned: tuple[str, ...], expected: tuple[int, str | None]
) -> None:
    found = progress(ORDER, done, answered, returned)
    assert (found.done, found.next) == expected
    assert found.total == 7


def test_pages_follow_each_other_and_those_left_out_are_passed_by() -> None:
    whole, trials_alone = parse_study(study_file()), parse_study(bare())
    assert after(whole, "consent") == "instructions"
    assert after(whole, "trials") == "questionnaire"
    assert after(whole, "debriefing") == DONE
    assert after(trials_alone, "trials") == DONE


def test_who_argues_has_no_items() -> None:
    assert check_keys(parse_study(study_file())) == ("attend", "gold")
    assert check_keys(parse_study(study_file(role="debater"))) == ()
