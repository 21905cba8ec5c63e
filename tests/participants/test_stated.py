"""Beliefs stated in every form that has one reading, and in forms that have none or two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.participants.stated import figures

ANSWERS = ("The keeper fell asleep.", "The boy put it out.")

READ = [
    '{"A": 70, "B": 30}', '```json\n{\n  "A": 70,\n  "B": 30,\n}\n```', "{'A': 70, 'B': 30}", '{"a": 70, "b": 30}', '{"A": 0.7, "B": 0.3}',
    "{A: 70, B: 30}", "{A: 70%, B: 30%}", "{“A”: 70, “B”: 30}", '{"A": 0,7, "B": 0,3}', '{"A": "70%", "B": "30 %"}', '{"A": "7/10", "B": "3/10"}',
    '{"Answer A": 70, "Answer B": 30}', '{"The keeper fell asleep.": 70, "The boy put it out": 30}', '{"probabilities": {"A": 70, "B": 30}}',
    '{"A": {"probability": 70, "why": "the log"}, "B": {"probability": 30}}', '{"probabilities": [70, 30]}', '[{"A": 70}, {"B": 30}]',
    '[{"answer": "A", "probability": 70}, {"answer": "B", "probability": 30}]', '"A": 70,\n"B": 30',
    "[70, 30]", "[0.7, 0.3]", "70/30", "70, 30", "70% / 30%", "70 30", "70;30",
    "**A:** 70%\n**B:** 30%", "A: 70 percent, B: 30 percent", "A: 70 per cent\nB: 30 per cent", "A=0.7, B=0.3", "A = 0.7\nB = 0.3", "A: 0,7\nB: 0,3",
    "A: 70,0 %; B: 30,0 %", "A 70% B 30%", "A) 70%\nB) 30%", "A → 70\nB → 30", "A - 70%\nB - 30%", "A: ~70%\nB: ~30%", "A: 70/100, B: 30/100",
    "A: 7/10, B: 3/10", "Answer A: 70 out of 100. Answer B: 30 out of 100.", "P(A) = 0.7, P(B) = 0.3", "a: 70%, b: 30%", "`A`: 70\n`B`: 30",
    "A: **70%**\nB: **30%**", "“A”: 70, “B”: 30", "<A>70</A><B>30</B>", "Ａ：70％\nＢ：30％", "A: 70\u200b%, B: 30%",
    "| A | 70% |\n| B | 30% |", "| Answer | P |\n|---|---|\n| A | The keeper fell asleep. | 70% |\n| B | The boy put it out. | 30% |",
    "A=.7 B=.3", '{"A": .7, "B": .3}', '{"prob_A": 0.7, "prob_B": 0.3}', '{"A_probability": 0.7, "B_probability": 0.3}', '{"pA": 0.7, "pB": 0.3}',
    '{\\"A\\": 70, \\"B\\": 30}', "A = 70 %\\nB = 30 %", "70% vs 30%", "70 and 30", '<answer letter="A">70</answer><answer letter="B">30</answer>',
    "70% for A and 30% for B", "I give A 70% and B 30%.", "70% A, 30% B", "There is a 70% chance that A is right, and a 30% chance that B is.",
    "The probability that A is right is 70% and that B is right is 30%.", "The keeper fell asleep: 70%\nThe boy put it out: 30%",
    "- A (The keeper fell asleep.): 70%\n- B (The boy put it out.): 30%",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_a_belief_is_read_in_every_form_that_has_one_reading(text):
    stated = figures(text, "AB", ANSWERS)
    assert stated is not None
    unit = 100 if stated.percent else 1
    assert [value / unit for value in stated.values] == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize(
    "text",
    ["", "A", "70%", "A: 70%", "a 70% chance", "I say 70 or 30", "[70]", "[70, 30, 0]", "70 40", "A: 60-70%, B: 30%", "A: 60% to 80%, B: 30%", "A: 70% or 60%, B: 30%", "A: 60% - 80%, B: 30%", "60 to 80", "A: 70 to 80, B: 20",
     "A: -70%, B: 30%", "A: >70%, B: <30%", "A: 70% or A: 80%, B: 20%", "A: 50%, B: 50%. Then A: 70%, B: 30%", "A and B: 50%",
     "A: 1,000, B: 2", "A: 70.5.3, B: 2", '{"A": true, "B": false}', '{"A": null, "B": 1}', '{"A": NaN, "B": NaN}', '{"A": "most", "B": "few"}',
     '{"A": 70, "a": 60, "B": 2}', "between 60% and 70% for A, 30% for B", "[" * 5000, "{'A': " * 3000],
)  # fmt: skip
def test_what_has_no_reading_or_two_is_not_read(text):
    assert figures(text, "AB", ANSWERS) is None


@pytest.mark.parametrize(
    ("text", "values", "percent"),
    [
        ('{"A": 1, "B": 0}', (1, 0), False),
        ('{"A": 100, "B": 0}', (100, 0), True),
        ("A: 1%, B: 99%", (1, 99), True),
        ("A: 1%, B: 0%", (1, 0), True),
        ('{"A": 0, "B": 0}', (0, 0), True),
    ],
)
def test_percentages_and_probabilities_are_told_apart(text, values, percent):
    assert figures(text, "AB", ANSWERS) == (values, percent)


@given(st.text(alphabet="AB:{}[]\"'0123456789.,%/|- \n", max_size=40))
def test_no_text_breaks_the_reading_and_every_figure_is_a_number(text):
    stated = figures(text, "AB", ANSWERS)
    assert stated is None or (len(stated.values) == 2 and all(value == value for value in stated.values))


@given(
    st.integers(0, 100),
    st.sampled_from(
        ["{{'A': {}, 'B': {}}}", "A: {}%, B: {}%", "| A | {}% |\n| B | {}% |", "{}% for A, {}% for B"]
    ),
)
def test_both_figures_come_back_whatever_they_are(share, form):
    stated = figures(form.format(share, 100 - share), "AB", ANSWERS)
    assert stated is not None
    assert stated.values == (share, 100 - share)
