"""Trees in the browser: drawn for researchers with what only they may know, and read by judges from top to bottom."""

import html
import re
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from models import Trial
from tests.factories import finished, passage, spec
from tests.web.judge.test_routes import next_trial
from tests.web.world import Site, for_people, furnished

TREES: dict[str, dict[str, Any]] = {
    "recursive": {
        "protocol": "recursive-reward-modelling",
        "misleading": 0.5,
        "seats": {"questioner": "lexical", "assistants": "advocate"},
    },
    "estimated": {
        "protocol": "prover-estimator",
        "seats": {"prover": "advocate", "estimator": "lexical"},
    },
}


async def drawn(site: Site, arm: str) -> tuple[Trial, str, str]:
    """A finished trial, the transcript's page of it as a researcher reads it, and the tree on that page."""
    data = spec(arms={arm: TREES[arm]}, judges=["lexical"], elicit="final")
    await finished(site.database, passage("Alba", 1), data=data)
    async with site.database.session() as session:
        trial = (await session.scalars(select(Trial).order_by(Trial.position).limit(1))).one()
    page = (await (await site.browser("alice")).get(f"/trials/{trial.id}")).text
    found = re.search(r'<section class="tree".*?</section>', page, re.DOTALL)
    assert found is not None
    return trial, page, found[0]


async def test_the_tree_of_sub_questions_is_drawn_with_ratings_and_who_was_told_to_mislead(
    site: Site,
) -> None:
    trial, page, tree = await drawn(site, "recursive")
    assert trial.outcome is not None
    measures = trial.outcome["measures"]
    numbers = re.findall(r'<span class="number">([\d.]+)</span>', tree)
    assert len(numbers) == measures["calls"]
    assert [number for number in numbers if "." not in number] == list("12345")[
        : int(measures["sub_questions"])
    ]
    misled = re.findall(r'<span class="number">([\d.]+)</span>(?:(?!<li>).)*?class="misled"', tree, re.DOTALL)
    paths = [name.removeprefix("misled/") for name in measures if name.startswith("misled/")]
    assert sorted(misled) == sorted(path.replace("q", "").replace("/", ".") for path in paths) != []
    assert tree.count('class="rated"') == measures["calls"]
    assert "<h3>3. Sub-judge, question 1" in page or "<h3>3. Assistant, question 2" in page


async def test_every_answer_of_a_tree_leads_to_its_turn_also_on_a_later_page(site: Site) -> None:
    trial, page, tree = await drawn(site, "recursive")
    places = re.findall(r'<a href="([^"#]*)#(turn-\d+)">', tree)
    alice = await site.browser("alice")
    for address, anchor in places:
        shown = (await alice.get(address)).text if address else page
        assert f'id="{anchor}"' in shown
        assert address in ("", f"/trials/{trial.id}?from=21")


async def test_the_parts_of_a_claim_are_drawn_with_their_prices_and_what_the_prover_says_of_them(
    site: Site,
) -> None:
    trial, _, tree = await drawn(site, "estimated")
    assert trial.outcome is not None
    numbers = re.findall(r'<span class="number">([\d.]+)</span>', tree)
    assert Counter(number.count(".") for number in numbers) == {0: 3, 1: 3}
    assert f"{100 * trial.outcome['measures']['price']:.0f}%" in tree
    chosen = re.findall(r"Goes on with claim ([\d.]+)\.", tree)
    assert [number.count(".") for number in chosen] == [0, 1]
    assert len(re.findall(r"The price is (?:too low|fair)\.", tree)) == 6


@pytest.mark.parametrize("arm", TREES)
async def test_a_judge_reads_a_tree_line_by_line_and_never_learns_who_misled(site: Site, arm: str) -> None:
    world = await furnished(
        site, passage("Alba", 1), data=for_people(elicit="final") | {"arms": {arm: TREES[arm]}}
    )
    judge = await world.site.browser("judge")
    page = (await judge.get(await next_trial(judge))).text
    speakers = [html.unescape(name) for name in re.findall(r'<h3 id="speaker-\d+">([^<]+)</h3>', page)]
    assert "mislead" not in page
    assert "misled" not in page
    if arm == "recursive":
        assert speakers[:2] == ["Judge", "Assistant, question 1"]
        assert speakers[-1] == "Sub-judge, question 5"
        questions = re.findall(
            r"(\d)\. ([^\n<]+)", page[page.index("<h3") : page.index("Assistant, question 1")]
        )
        assert len(questions) == 5
        for number, text in questions:
            heading = rf'Assistant, question {number}</h3>\s*<p class="quiet about" dir="auto">{re.escape(text)}</p>'
            assert re.search(heading, page), "an answer stands without its question"
        deep = re.findall(r'class="speech deep-1"[^>]*>\s*<h3[^>]*>([^<]+)<', page)
        assert deep
        assert deep == [name for name in speakers if "." in name]
        assert page.count("likely to be right.</div>") == speakers_of(speakers, "Sub-judge") - lists(page)
    else:
        assert speakers[:3] == ["Prover", "Estimator", "Prover"]
        assert "Goes on with claim" in page
        assert "Finds this" in page


def speakers_of(speakers: list[str], title: str) -> int:
    return sum(name.startswith(title) for name in speakers)


def lists(page: str) -> int:
    """Lists of sub-judges: numbered below a question."""
    return len(re.findall(r'<div class="words" dir="auto">\d\.1\. ', page))
