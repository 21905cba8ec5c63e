"""A study's file: what it says by itself, and every refusal as one sentence that names its place."""

from pathlib import Path
from typing import Any

import pytest

from app.experiments.spec import SpecError
from app.studies.spec import Page, StudySpec, parse_study, read_study, schema, schema_text
from tests.studies import ITEM, study_file, study_spec

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "app" / "studies" / "demo-study.yaml"


def page(name: str, **part: Any) -> dict[str, Any]:
    """A file with one page."""
    return {"pages": {name: part}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "name: must begin with a letter or digit"),
    "a name with blanks": ({"name": "my study"}, "name: must begin with a letter or digit"),
    "no title": ({"title": ""}, "title: string should have at least 1 character"),
    "no experiment": ({"experiments": []}, "experiments: "),
    "an experiment twice": ({"experiments": ["small", "small"]}, "experiments: small is named twice"),
    "a role that does not sit": ({"role": "admin"}, "role: input should be 'judge' or 'debater'"),
    "no trial": ({"trials": 0}, "trials: input should be greater than or equal to 1"),
    "no person": ({"people": 0}, "people: input should be greater than or equal to 1"),
    "no time": ({"minutes": 0}, "minutes: input should be greater than or equal to 1"),
    "less than nothing": ({"reward": {"amount": -1}}, "reward.amount: input should be greater than or equal"),
    "parts of a penny": ({"reward": {"amount": "1.005"}}, "reward.amount: decimal input should have no more"),
    "a currency in words": (
        {"reward": {"amount": 1, "currency": "pound"}},
        "reward.currency: string should match",
    ),
    "closes before it opens": (
        {"opens": "2027-01-02", "closes": "2027-01-01"},
        "closes must be after opens",
    ),
    "an unsafe return": (
        {"recruiter": {"return_url": "http://example.org/end"}},
        "return_url is 'http://example.org/end': it must begin with https://",
    ),
    "a return with a script": ({"recruiter": {"return_url": "javascript:alert(1)"}}, "must begin with https"),
    "a return with a password": ({"recruiter": {"return_url": "https://a:b@example.org"}}, "must begin with"),
    "a return to nowhere": ({"recruiter": {"return_url": "https://"}}, "must begin with https://"),
    "a code with blanks": ({"recruiter": {"completed": "well done"}}, "recruiter.completed: string should"),
    "a token for a variable": ({"recruiter": {"token": "sk-1234"}}, "recruiter.token: string should match"),
    "a mistyped key": ({"peple": 3}, "the study's file: unknown key 'peple'; the nearest is 'people'"),
    "a mistyped page": (page("consnt"), "pages: unknown key 'consnt'; the nearest is 'consent'"),
    "a mistyped key far inside": (
        page("practice", items=[{**ITEM, "wy": ""}]),
        "pages.practice.items.0: unknown key 'wy'; the nearest is 'why'",
    ),
    "a page of trials": (page("trials"), "pages: unknown key 'trials'"),
    "a question without answers": (
        page("comprehension", questions=[{"question": "?", "answers": ["Yes"], "right": 0}]),
        "pages.comprehension.questions.0.answers: ",
    ),
    "a right answer that is none": (
        page("comprehension", questions=[{"question": "?", "answers": ["Yes", "No"], "right": 2}]),
        "right is 2, but answers are counted from 0 to 1",
    ),
    "an item whose right answer is none": (
        {"checks": {"attention": [{**ITEM, "right": 5}]}},
        "checks.attention.0: right is 5, but answers are counted from 0 to 1",
    ),
    "practice without trials": (page("practice", items=[]), "pages.practice.items: "),
    "two items of a name": (
        {**page("practice", items=[ITEM]), "checks": {"gold": [ITEM]}},
        "items: plain is named twice",
    ),
    "a choice without choices": (
        page("questionnaire", fields=[{"name": "a", "kind": "choice", "label": "?"}]),
        "choices are for the kinds choice, choices and scale; 'a' is choice",
    ),
    "a text with choices": (
        page("questionnaire", fields=[{"name": "a", "kind": "text", "label": "?", "choices": ["b"]}]),
        "choices are for the kinds choice, choices and scale; 'a' is text",
    ),
    "two fields of a name": (
        page("questionnaire", fields=[{"name": "a", "kind": "text", "label": "?"}] * 2),
        "fields: a is named twice",
    ),
    "more failures than checks": (
        {"checks": {"attention": [ITEM], "failed_ends": 2}},
        "checks.failed_ends is more than the 1 attention checks",
    ),
    "a flag that is none": ({"exclude": [{"flag": "slow"}]}, "exclude.0.flag: input should be 'too_fast'"),
    "a rule twice": ({"exclude": [{"flag": "pasted"}] * 2}, "exclude: pasted is named twice"),
    "a replacement without a name": ({"live": {"leaves": "replace"}}, "live: name a replacement where"),
    "a text that is too long": (page("consent", text="x" * 40_001), "pages.consent.text: string should have"),
    "no language": ({"languages": []}, "languages: "),
    "a bonus of nothing": ({"bonus": {"most": 0}}, "bonus.most: input should be greater than 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_one_sentence_that_names_its_place(name: str) -> None:
    changes, sentence = REFUSED[name]
    with pytest.raises(SpecError) as refused:
        study_spec(**changes)
    said = str(refused.value)
    assert sentence in said
    assert said.endswith(".")
    assert "\n" not in said


def test_a_file_is_a_mapping() -> None:
    with pytest.raises(SpecError, match="the study's file must have keys with values"):
        parse_study(["consent"])


def test_what_is_written_out_is_read_as_the_same() -> None:
    spec = study_spec(opens="2027-01-02T10:00", closes="2027-02-01T10:00:00+01:00", bonus={"most": "0.50"})
    assert parse_study(spec.normalised()) == spec
    assert spec.opens is not None
    assert spec.opens.isoformat() == "2027-01-02T10:00:00+00:00"


def test_pages_come_in_their_order_and_each_can_be_left_out() -> None:
    assert study_spec().path == tuple(Page)
    assert study_spec(pages={"debriefing": {"text": "Bye."}, "consent": {}}).path == (
        Page.CONSENT,
        Page.TRIALS,
        Page.DEBRIEFING,
    )
    assert study_spec(pages={}).path == (Page.TRIALS,)


def test_the_example_is_a_whole_study_with_few_words_before_the_first_judgement() -> None:
    spec = read_study(EXAMPLE)
    assert spec.path == tuple(Page)
    assert spec.checks.attention
    assert spec.checks.gold
    words = sum(len(spec.texts[page].split()) for page in (Page.CONSENT, Page.INSTRUCTIONS))
    assert words <= 150


def test_the_schema_names_every_key_and_is_the_one_in_the_docs() -> None:
    assert set(schema()["properties"]) == set(StudySpec.model_fields)
    assert (ROOT / "docs" / "formats" / "study-files.schema.json").read_text("utf-8") == schema_text()


def test_the_file_of_the_tests_uses_every_page() -> None:
    assert set(study_file()["pages"]) == {page.value for page in Page if page is not Page.TRIALS}
