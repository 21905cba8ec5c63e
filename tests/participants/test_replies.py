"""Whatever is not a speech, as it is read from what a model wrote."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.participants.replies import LetterReading, form, from_tokens, label_mass, options
from app.participants.speeches import Unread
from app.protocols.core import (
    AnyContent,
    Belief,
    Items,
    ItemsFacts,
    Limits,
    Note,
    Pick,
    PickFacts,
    Rating,
    Stance,
    Thought,
)
from tests.participants.examples import INDEX, ask, seen


def read(wants: str, text: str, **more: object) -> AnyContent:
    return form(seen(ask(wants, "any", **more)), INDEX).read(text, True)


def problem(wants: str, text: str, **more: object) -> str:
    with pytest.raises(Unread) as raised:
        read(wants, text, **more)
    assert raised.value.draft is None
    return raised.value.problem


# ── beliefs ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "p"),
    [
        ('{"A": 70, "B": 30}', (0.7, 0.3)),
        ('{"A": 0.7, "B": 0.3}', (0.7, 0.3)),
        ('{"A": 100, "B": 0}', (1.0, 0.0)),
        ('{"A": 1, "B": 0}', (1.0, 0.0)),
        ('{"A": "70%", "B": "30 %"}', (0.7, 0.3)),
        ('{"A": 33, "B": 66}', (1 / 3, 2 / 3)),
        ('```json\n{"A": 70, "B": 30}\n```', (0.7, 0.3)),
        ('<think>{"A": 1, "B": 99}</think>I say {"A": 70, "B": 30}.', (0.7, 0.3)),
        ('First {"A": 1, "B": 99}, no: {"A": 70, "B": 30, "why": "log"}', (0.7, 0.3)),
        ("A: 70%, B: 30%", (0.7, 0.3)),
        ("Answer A = 0.7\nAnswer B = 0.3", (0.7, 0.3)),
    ],
)
def test_a_stated_belief_is_read_in_percent_or_as_probabilities(text, p):
    belief = read("belief", text)
    assert isinstance(belief, Belief)
    assert belief.p == pytest.approx(p)
    assert (belief.method, belief.label_mass) == ("verbalised", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot say.",
        '{"A": 70}',
        '{"A": 130, "B": -30}',
        '{"A": true, "B": false}',
        '{"A": null, "B": 1}',
        '{"A": NaN, "B": NaN}',
        '{"A": "most", "B": "little"}',
        "A: 70% or A: 80%, B: 20%",
        "[" * 5000,
    ],
)
def test_figures_that_are_no_distribution_are_refused_with_the_shape_that_is_wanted(text):
    assert '{"A": <percentage>, "B": <percentage>}' in problem("belief", text)


@pytest.mark.parametrize(
    ("text", "p", "off", "problem"),
    [
        ('{"A": 70, "B": 70}', (0.5, 0.5), 40, "Your percentages add up to 140, not 100."),
        ('{"A": 70, "B": 35}', (2 / 3, 1 / 3), 5, "Your percentages add up to 105, not 100."),
        ('{"A": 7, "B": 3}', (0.7, 0.3), 90, "Your percentages add up to 10, not 100."),
        ('{"A": 1, "B": 1}', (0.5, 0.5), 100, "Your probabilities add up to 2, not 1."),
        ('{"A": 0, "B": 0}', (0.5, 0.5), 100, "Your percentages add up to 0, not 100."),
    ],
)
def test_figures_that_do_not_add_up_are_asked_for_again_and_kept_as_shares_in_case_no_better_ones_come(
    text, p, off, problem
):
    with pytest.raises(Unread) as raised:
        read("belief", text)
    assert raised.value.problem.startswith(problem)
    draft = raised.value.draft
    assert isinstance(draft, Belief)
    assert draft.p == pytest.approx(p)
    assert raised.value.off == off


def test_a_belief_is_put_into_the_trials_order_whatever_order_was_read():
    belief = read("belief", '{"A": 70, "B": 30}', order=(1, 0))
    assert isinstance(belief, Belief)
    assert belief.p == pytest.approx((0.3, 0.7))


@given(st.integers(0, 100).map(lambda share: (share, 100 - share)))
def test_reading_the_answers_in_the_other_order_changes_no_stated_belief(pair):
    forward = read("belief", json.dumps({"A": pair[0], "B": pair[1]}))
    backward = read("belief", json.dumps({"A": pair[1], "B": pair[0]}), order=(1, 0))
    assert isinstance(forward, Belief)
    assert isinstance(backward, Belief)
    assert forward.p == backward.p
    assert sum(forward.p) == pytest.approx(1)


# ── log-probabilities ───────────────────────────────────────────────────────────────────────────────────────────


def test_log_probabilities_after_a_constraint_are_the_belief():
    first = [("A", 0.75), ("B", 0.25), ("The", 0.0), (" A", 0.0)]
    assert from_tokens(first, "AB") == LetterReading((0.75, 0.25), None, decided=True)


def test_log_probabilities_before_a_constraint_give_the_same_ratio_and_the_label_mass():
    first = [("A", 0.5), (" A", 0.06), ('"A', 0.04), ("B", 0.15), ("ĠB", 0.05), ("The", 0.1), ("AB", 0.05)]
    assert from_tokens(first, "AB").p == pytest.approx((0.75, 0.25))
    assert label_mass(first, "AB") == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("first", "letters", "p", "bounds"),
    [
        # The least of the tokens bounds B; what is left over bounds it too.
        ([("A", 0.9), ("The", 0.06), ("I", 0.01)], "AB", (90 / 91, 1 / 91), ((90 / 91, 1), (0, 1 / 91))),
        ([("A", 0.9), ("The", 0.095)], "AB", (180 / 181, 1 / 181), ((180 / 181, 1), (0, 1 / 181))),
        # Two spellings of A: B may have two as well.
        ([("A", 0.7), (" A", 0.1), ("I", 0.02)], "AB", (20 / 21, 1 / 21), ((20 / 21, 1), (0, 1 / 21))),
        (
            [("B", 0.6), ("A", 0.2), ("I", 0.1)],
            "ABC",
            (2 / 9, 6 / 9, 1 / 9),
            ((2 / 9, 2 / 8), (6 / 9, 6 / 8), (0, 1 / 9)),
        ),
    ],
)
def test_a_missing_letter_is_bounded_by_the_least_token_and_by_what_is_left(first, letters, p, bounds):
    reading = from_tokens(first, letters)
    assert (reading.decided, reading.flags) == (True, ("bounded",))
    assert reading.p == pytest.approx(p)
    assert reading.bounds is not None
    assert np.array(reading.bounds) == pytest.approx(np.array(bounds))


def test_a_letter_that_a_constraint_left_no_probability_has_none():
    assert from_tokens([("A", 1.0), ("The", 0.0)], "AB") == LetterReading((1, 0), None, decided=True)


@pytest.mark.parametrize(
    ("first", "p"),
    [
        ([("The", 0.9), ("I", 0.05)], (0.5, 0.5)),
        ([("The", 0.9), ("A", 0.04)], (0.5, 0.5)),
        ([("a", 0.5), ("b", 0.5)], (0.5, 0.5)),
        ([("A", 0.0), ("B", 0.0)], (0.5, 0.5)),
    ],
)
def test_a_bound_that_could_change_the_choice_leaves_it_open(first, p):
    reading = from_tokens(first, "AB")
    assert (reading.decided, reading.flags) == (False, ("undecided",))
    assert reading.p == pytest.approx(p)
    assert reading.bounds is not None


@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=24), st.integers(1, 3))
def test_the_truth_lies_within_the_bounds_however_many_tokens_are_returned(weights, cut):
    """Each token that is cut off is one that the server did not return."""
    whole = sorted(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (w / sum(weights) for w in weights), strict=False),
                   key=lambda pair: -pair[1])  # fmt: skip
    reading = from_tokens(whole[: max(1, len(whole) // (cut + 1))], "AB")
    truth = from_tokens(whole, "AB").p
    if reading.bounds is not None:
        for true, (low, high) in zip(truth, reading.bounds, strict=True):
            assert low - 1e-9 <= true <= high + 1e-9
    if reading.decided and max(truth) - min(truth) > 1e-9:
        assert reading.p.index(max(reading.p)) == truth.index(max(truth))


def test_the_label_mass_is_never_above_one():
    assert label_mass([("A", 0.7), (" A", 0.31)], "AB") == 1.0


# ── picks and stances ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    ["B", " B.", "**B**", "(B)", "Answer B", "The answer is B.", "A good case, but my answer is: B", '{"answer": "B"}',
     "<think>A, surely.</think>B"],
)  # fmt: skip
def test_a_pick_among_the_answers_is_its_index_as_read(text):
    assert read("pick", text, facts=PickFacts(options="answers")) == Pick(index=1)


@pytest.mark.parametrize("text", ["", "C", "A or B", "neither", "Both A and B convince.", "b"])
def test_a_reply_that_picks_nothing_is_refused_with_the_options(text):
    assert "exactly one of these and nothing else: A, B" in problem("pick", text)


OPTIONS = ["overpriced", "fairly priced", "underpriced"]


@pytest.mark.parametrize(
    ("text", "index"),
    [("fairly priced", 1), ("underpriced.", 2), ("I choose: overpriced", 0), ("It is fairly priced!", 1)],
)
def test_a_pick_among_named_options_is_read_by_their_words(text, index):
    assert read("pick", text, facts=PickFacts(options=tuple(OPTIONS))) == Pick(index=index)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("True in part.", 1),
        ("It is true in part.", 1),
        ("TRUE", 0),
        ("My choice is: not true", 2),
        ("It is not true!", 2),
        ("<scratchpad>true?</scratchpad>Not true", 2),
    ],
)
def test_an_option_that_begins_another_is_not_taken_for_it_and_capitals_do_not_matter(text, index):
    assert read("pick", text, facts=PickFacts(options=("true", "true in part", "not true"))) == Pick(
        index=index
    )


@pytest.mark.parametrize("text", ["", "It is priced.", "overpriced or underpriced", "Option 7"])
def test_a_pick_of_none_or_of_several_named_options_is_refused_with_them(text):
    said = problem("pick", text, facts=PickFacts(options=tuple(OPTIONS)))
    assert "exactly one of these and nothing else: overpriced, fairly priced, underpriced" in said


def test_the_options_of_a_pick_are_those_named_or_the_letters():
    assert options(seen(ask("pick", "any", facts=PickFacts(options=tuple(OPTIONS))))) == tuple(OPTIONS)
    assert options(seen(ask("pick", "any", facts=PickFacts(options="answers")))) == ("A", "B")


@pytest.mark.parametrize(
    ("text", "stance"),
    [("holds", "holds"), ("Concedes.", "concedes"), ("**refuses**", "refuses"), ("The text holds.", "holds")],
)
def test_a_stance_is_one_of_three_words(text, stance):
    assert read("stance", text) == Stance(stance=stance)


@pytest.mark.parametrize("text", ["", "It holds, or concedes.", "yes", "withholds"])
def test_a_stance_that_is_none_is_refused(text):
    assert "holds, concedes, refuses" in problem("stance", text)


# ── ratings, lists, words ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"rating": 85}', 0.85),
        ("85", 0.85),
        ("85%", 0.85),
        ("I'd say 85/100.", 0.85),
        ("0", 0.0),
        ("100", 1.0),
        ("1", 0.01),
        ("<scratchpad>40 or 60?</scratchpad>85", 0.85),
        ('<think>10</think>```json\n{"rating": 85}\n```', 0.85),
        ('{"rating": "85 %"}', 0.85),
    ],
)
def test_a_rating_from_0_to_100_becomes_a_share(text, value):
    assert read("rating", text) == Rating(value=value)


@pytest.mark.parametrize(
    "text", ["", "high", "85 or 90", "185", "-5", '{"rating": "high"}', "0.85", '{"score": [1, 2]}']
)
def test_a_rating_that_is_none_or_ambiguous_is_refused(text):
    assert "whole number from 0 to 100" in problem("rating", text)


@pytest.mark.parametrize(
    "text",
    ['["one", "two  words"]', '{"items": ["one", "two words"]}', "Here:\n1. one\n2. two words", "- one\n- two words\n",
     'Not ["x"] but ["one", "two words", " "]', '[{"question": "one"}, {"question": "two words"}]',
     '<scratchpad>["x"]</scratchpad>["one", "two words"]'],
)  # fmt: skip
def test_a_list_is_read_from_json_or_from_its_bullets(text):
    assert read("items", text) == Items(texts=("one", "two words"))


@pytest.mark.parametrize("text", ["", "one and two", "[]", "[1, 2]", '{"items": [""]}'])
def test_a_list_without_texts_is_refused(text):
    assert "a JSON object and nothing else" in problem("items", text)


@pytest.mark.parametrize(
    "text",
    ['["one", "two  words", "thr', '{"items": ["one", "two words", ', "- one\n- two words\n- thr",
     "1. one\n2. two words\n3. thr", '["one", "two\nwords", "\\x", "th'],
)  # fmt: skip
def test_of_a_list_that_broke_off_only_what_was_finished_is_kept(text):
    assert form(seen(ask("items", "any")), INDEX).read(text, False) == Items(texts=("one", "two words"))


@pytest.mark.parametrize("text", ['["on', "- on", "one and"])
def test_a_list_that_broke_off_in_its_first_text_is_asked_for_again(text):
    with pytest.raises(Unread, match="a JSON object and nothing else"):
        form(seen(ask("items", "any")), INDEX).read(text, False)


def test_a_note_that_broke_off_ends_with_its_last_sentence():
    note = form(seen(ask("note", "any")), INDEX)
    assert note.read("What was heard? Who was th", False) == Note(text="What was heard?")
    assert note.read("What was th", False) == Note(text="What was th")


def test_what_is_private_in_a_note_stays_so():
    assert read("note", "<scratchpad>He lies.</scratchpad>What was heard?") == Note(text="What was heard?")
    assert "empty" in problem("note", "<scratchpad>He lies.")


@pytest.mark.parametrize(
    ("facts", "text", "texts"),
    [
        (ItemsFacts(least=0, most=5), '{"items": []}', ()),
        (ItemsFacts(least=0, most=5), "[ ]", ()),
        (ItemsFacts(least=2, most=2), '["one", "two", "three"]', ("one", "two")),
        (ItemsFacts(least=1, most=5), '["one"]', ("one",)),
    ],
)
def test_a_list_may_be_empty_or_must_be_long_as_the_ask_says_and_only_its_first_texts_are_taken(
    facts, text, texts
):
    assert read("items", text, facts=facts) == Items(texts=texts)


@pytest.mark.parametrize(
    ("least", "text", "wanted"),
    [(0, "I ask nothing.", "0 to 5 texts"), (2, '["one"]', "2 to 5 texts")],
)
def test_a_list_that_is_too_short_is_asked_for_again(least, text, wanted):
    assert f"Reply with a JSON object and nothing else, with {wanted}: " in problem(
        "items", text, facts=ItemsFacts(least=least, most=5)
    )


def test_each_text_of_a_list_is_cut_to_its_words():
    texts = read("items", '["Who rang? Tell me now.", "Why?"]', limits=Limits(max_words=3))
    assert texts == Items(texts=("Who rang?", "Why?"))


def test_a_note_is_cut_to_its_words():
    limits = Limits(max_words=4)
    assert read("note", " What did the boy hear? Tell me. ", limits=limits) == Note(text="What did the boy")
    assert read("note", "What was heard? Who heard it?", limits=limits) == Note(text="What was heard?")
    assert read("note", "<think>Hm.</think>What bell?", limits=limits) == Note(text="What bell?")


def test_a_thought_is_kept_whole():
    assert read("thought", "word " * 500) == Thought(text=("word " * 500).strip())


@pytest.mark.parametrize("wants", ["note", "thought"])
def test_empty_words_are_refused(wants):
    assert "empty" in problem(wants, "<think>Hm.")


# ── constraints ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_constraint_admits_only_what_is_read():
    assert form(seen(ask("pick", "any")), INDEX).choice == ("A", "B")
    assert form(seen(ask("stance", "any")), INDEX).choice == ("holds", "concedes", "refuses")
    schema = form(seen(ask("belief", "any")), INDEX).schema
    assert schema is not None
    assert (list(schema["properties"]), schema["required"]) == (["A", "B"], ["A", "B"])
    assert form(seen(ask("note", "any")), INDEX).schema is None
