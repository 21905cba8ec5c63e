"""Critique upon critique against critiques side by side: which arms are compared, and what stands in every form of the report."""

import json
from collections.abc import AsyncIterator
from io import StringIO
from statistics import fmean
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import select

from app.experiments.spec import SpecError, parse_spec
from app.records.database import Database
from app.reports.report import Report, notes, report
from app.reports.tables import as_tables
from app.statistics.readings import padded
from app.statistics.reducers import majority, on_gold
from models import Move, Trial
from tests.factories import finished, passage, spec
from tests.statistics.examples import MeasuredReading, measured_of, reading
from tests.web.world import Site, opened


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application, to see the report's page."""
    async with opened(database) as site:
        yield site


SEATS = {"authors": "advocate", "critics": "advocate"}
DEEP = {"protocol": "recursive-critique", "depth": 3, "seats": SEATS}
WIDE = {"protocol": "recursive-critique", "depth": 3, "votes": True, "seats": {**SEATS, "voter": "lexical"}}


async def reported(
    database: Database, people: dict[str, Any] | None = None, **arms: dict[str, Any]
) -> Report:
    data = spec(arms=arms, judges=["lexical"], elicit="final", participants=people or spec()["participants"])
    experiment = await finished(database, passage("Alba"), passage("Brise"), data=data)
    async with database.session() as session:
        return await report(session, experiment)


async def test_depth_is_compared_with_as_many_critiques_side_by_side_and_with_their_votes(
    database: Database,
) -> None:
    made = await reported(database, deep=DEEP, wide=WIDE)
    by_judge, by_votes = made.figures["equal_words"]
    assert [item.decision for item in made.figures["equal_words"]] == ["the judge", "the votes"]
    accuracy = {line.arm.arm: line.cell.accuracy for line in made.lines if line.cell}
    for item in made.figures["equal_words"]:
        assert (item.contrast.first, item.contrast.second, item.contrast.questions) == ("deep", "wide", 4)
        assert item.contrast.first_accuracy == accuracy["deep"]
    assert by_judge.contrast.second_accuracy == accuracy["wide"]
    [metric] = [item for item in made.metrics if item.key == "by_votes"]
    assert by_votes.contrast.second_accuracy == metric.value

    async with database.session() as session:
        said = select(Trial, Move.content["words"].as_integer()).join(Move, Move.play_id == Trial.id)
        counts: dict[Any, list[int]] = {}
        for trial, count in await session.execute(said.where(Move.content["kind"].astext == "speech")):
            counts.setdefault(trial.arm_id, []).append(count)
    assert sorted(item for item in by_judge.words if item) == pytest.approx(
        sorted(sum(words) / (2 * 4) for words in counts.values())
    )
    # Side by side no critic leans on another: what they write differs all the same.
    async with database.session() as session:
        texts = await session.scalars(
            select(Move.content["said"]["text"].astext).where(Move.path.in_(("r1/critic_1", "r1/critic_2")))
        )
        assert len(set(texts)) > 8


async def test_the_comparison_stands_in_every_form_of_the_report(site: Site) -> None:
    made = await reported(site.database, deep=DEEP, wide=WIDE)
    shown = StringIO()
    Console(file=shown, width=200).print(*as_tables(made))
    assert "at equal words" in shown.getvalue()
    assert json.loads(json.dumps(made.as_json()))["equal_words"][1]["decision"] == "the votes"
    assert [note for note in notes(made) if note.startswith("At equal words")]
    page = (await (await site.browser("alice")).get("/experiments/small/report")).text
    assert "Critique at equal words" in page
    assert page.count('<td class="name">the votes</td>') == 1


async def test_arms_that_differ_in_more_than_how_the_words_are_spent_are_not_compared(
    database: Database,
) -> None:
    other = {
        "deep-of-2": {**DEEP, "depth": 2},
        "longer": {**DEEP, "max_words": 300},
        "other-critic": {**DEEP, "seats": {**SEATS, "critics": "second"}},
        "other-author": {**DEEP, "seats": {**SEATS, "authors": "second"}},
        "mixed": {**DEEP, "seats": {**SEATS, "critic_2": "second"}},
        "wide": WIDE,
    }
    people = {
        **spec()["participants"],
        "second": {"kind": "builtin", "name": "extractive-debater", "script": {}},
    }
    made = await reported(database, people, **other)
    assert made.as_json()["equal_words"] == []


def test_each_vote_goes_to_the_answer_it_believes_more_and_a_tie_is_half_a_vote() -> None:
    told = {"vote/1": 0.9, "vote/2": 0.4, "vote/3": 0.1, "words": 5.0}
    items = measured_of(
        [
            MeasuredReading(reading(0.5, question=question), measures=told, gold_first=gold_first)
            for question, gold_first in (("m", True), ("n", False))
        ]
    )
    shares = on_gold(items, "vote/")
    assert shares[0].tolist() == [0.9, 0.4, 0.1]
    assert shares[1].tolist() == pytest.approx([0.1, 0.6, 0.9])
    assert majority(shares).tolist() == pytest.approx([1 / 3, 2 / 3])
    assert majority(padded([[0.9, 0.5]])).tolist() == [fmean([1, 0.5])]


def test_critics_who_would_all_say_the_same_and_votes_without_a_voter_are_refused() -> None:
    model = {"kind": "model", "endpoint": "big", "model": "m", "temperature": 0}
    data = spec(
        arms={"wide": {**WIDE, "seats": {"authors": "advocate", "critics": "cold", "voter": "lexical"}}}
    )
    data["participants"]["cold"] = model
    data["endpoints"] = {"big": {"base_url": "http://127.0.0.1:1/v1"}}
    with pytest.raises(SpecError, match="at temperature 0 it says the same each time"):
        parse_spec(data)
    with pytest.raises(SpecError, match="voter"):
        parse_spec(spec(arms={"wide": {**WIDE, "seats": SEATS}}))
