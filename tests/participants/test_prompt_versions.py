"""Versions of the shipped prompts: each renders for every kind of ask, and none changes by mistake.

`python -m tests.participants.test_prompt_versions` writes the golden texts anew. Those of an older version never change.
"""

import asyncio
import json
from pathlib import Path

import pytest

from app.participants.prompts import NEWEST, OLDEST, VERSIONS, PromptBook, load
from app.protocols import PROTOCOLS
from app.protocols.core import Case
from tests.arms import SMALL
from tests.participants.examples import ask, seen, speech_ask
from tests.participants.played_trials import case, play, protocol, text

GOLDEN = Path(__file__).with_name("prompt-versions")
ALONE = {"votes", "planted"}


async def requests(version: str) -> dict[str, str]:
    """The last part of the first prompt of each kind of ask, by protocol and kind, as trials of built-ins meet them."""
    found: dict[str, str] = {}
    for name in PROTOCOLS:
        settings = {key: value for key, value in SMALL[name].items() if key not in ALONE}
        rules = PROTOCOLS[name](**settings) if name != "critique-planted-flaws" else protocol(name)
        played = await play(rules, case(rules), book=PromptBook(load({}, name, version=version)))
        for path, segments in played.witness.prompts.items():
            found.setdefault(f"{name}/{played.witness.views[path].kind}", segments[-1].text.strip())
    return found


def golden(version: str) -> dict[str, str]:
    """The golden requests of a version."""
    found = json.loads((GOLDEN / f"{version}.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_requests_of_a_version_are_those_of_its_golden_file(version: str) -> None:
    assert await requests(version) == golden(version)


def test_versions_differ_and_share_what_did_not_change() -> None:
    old, new = golden(OLDEST), golden(NEWEST)
    assert old.keys() == new.keys()
    assert old["debate/debater"] != new["debate/debater"]
    assert old["debate/position"] == new["debate/position"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_changes_nothing_before_the_request(version: str) -> None:
    book, newest = PromptBook(load({}, "debate", version=version)), PromptBook(load({}, "debate"))
    for asked in (speech_ask(), ask("belief", "belief")):
        assert book.segments("debate", seen(asked))[:-1] == newest.segments("debate", seen(asked))[:-1]


def test_the_newest_prompt_of_a_speech_has_an_example_of_a_quote_and_demands_a_plan() -> None:
    told = text(PromptBook(load({}, "debate")).segments("debate", seen(speech_ask())))
    assert "<quote>No one had opened the door since the spring</quote>" in told
    assert "Plan first, between <scratchpad> and </scratchpad>" in told
    assert "You may think" not in told


STATED = 'Reply with JSON and nothing else: {"A": <percentage>}'


@pytest.mark.parametrize(("version", "forms"), [("v2", 1), ("v1", 2)])
def test_the_newest_prompt_of_a_belief_asks_for_one_form_at_a_time(version: str, forms: int) -> None:
    book = PromptBook(load({}, "debate", version=version))
    asked = seen(ask("belief", "belief"))
    stated = text(book.segments("debate", asked, STATED))
    assert stated.endswith(STATED)
    assert ("letter alone" in stated) + ("with JSON" in stated) == forms
    assert text(book.segments("debate", asked)).endswith("eply with its letter alone: A or B.")


@pytest.mark.parametrize("kind", ["helpful"])
def test_a_rating_is_asked_for_in_the_form_of_its_schema(kind: str) -> None:
    assert '{"rating": <number>}' in load({}, "debate")[f"shared/{kind}"]


def test_a_users_own_template_without_form_still_asks_for_a_stated_belief() -> None:
    own = "{% block request %}\nWhich answer is right?\n{% endblock %}"
    book = PromptBook(load({"belief": own}, "debate"))
    assert text(book.segments("debate", seen(ask("belief", "belief")), STATED)).endswith(
        f"right?\n\n{STATED}"
    )


@pytest.mark.parametrize(
    ("question", "answers", "words", "quote"),
    [
        (
            "失われたランプはいくつか。",
            ("一つ", "二つ"),
            "about 80 characters, at least 50, at most 120",
            "8 characters",
        ),
        (
            "โคมไฟหายไปกี่ดวง",
            ("หนึ่งดวง", "สองดวง"),
            "about 120 characters, at least 75, at most 180",
            "12 characters",
        ),
        (
            "How many lamps were lost?",
            ("One", "Two"),
            "about 40 words, at least 25, at most 60",
            "four words",
        ),
    ],
)
async def test_lengths_are_given_in_the_unit_of_the_language(
    question: str, answers: tuple[str, str], words: str, quote: str
) -> None:
    rules = PROTOCOLS["debate"](rounds=1, target_words=40, min_words=25, max_words=60)
    trial = Case(question, answers, rules.assignments(2)[0].argues, 5)
    played = await play(rules, trial, passage=f"{question * 12}。\n{' '.join(answers)} " * 3)
    prompt = text(played.witness.prompts["r1/debater_a"])
    assert words in prompt
    assert f"at least {quote} in a row" in prompt


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in VERSIONS:
        if each == NEWEST or not (GOLDEN / f"{each}.json").exists():
            found = asyncio.run(requests(each))
            (GOLDEN / f"{each}.json").write_text(
                json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8"
            )
