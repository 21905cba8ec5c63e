"""Experiments side by side: common questions, contrasts on them, what differs, and who may see it."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import update

from app.errors import UserError
from app.records.database import Database
from app.report_choices import MOST, check_number
from app.reports.comparison import Comparison, comparison_of, pictures
from app.reports.plots import WIDTHS
from app.reports.report import report
from models import Experiment, Question
from tests.factories import finished, imported, passage, played, spec, started
from tests.web.world import Site, opened


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application, to see the page."""
    async with opened(database) as site:
        yield site


DEBATE = {"protocol": "debate", "rounds": 2, "seats": {"debaters": "advocate"}}
LONGER = {**DEBATE, "rounds": 3}


async def two(database: Database, **second: Any) -> tuple[Experiment, Experiment]:
    """Two experiments on the same questions: with two and with three rounds, unless `second` says otherwise."""
    one = await finished(
        database,
        passage("Alba"),
        passage("Brise"),
        data=spec(name="one", arms={"naive": {"protocol": "naive"}, "debate": DEBATE}),
    )
    data = spec(name="two", **{"arms": {"debate": LONGER}, "judges": ["lexical"], **second})
    other = await started(database, data)
    await played(database, other)
    return one, other


async def made(database: Database, *experiments: Experiment, asked: tuple[str, ...] = ()) -> Comparison:
    return await comparison_of(database, experiments, asked)


async def test_arms_of_one_name_are_compared_on_common_questions_for_common_judges(
    database: Database,
) -> None:
    one, other = await two(database)
    found = await made(database, one, other)
    assert [(item.first, item.second, item.questions) for item in found.common] == [("one", "two", 4)]
    [item] = found.contrasts
    assert (item.first, item.second, item.judge) == ("one: debate", "two: debate", "lexical")
    assert item.questions == 4
    accuracies = {}
    for experiment in (one, other):
        async with database.session() as session:
            result = await report(session, experiment)
        accuracies[experiment.name] = {line.place: line.cell.accuracy for line in result.lines if line.cell}
    assert item.first_accuracy == accuracies["one"]["debate", "lexical"]
    assert item.second_accuracy == accuracies["two"]["debate", "lexical"]
    assert item.p is not None
    assert item.p_holm == item.p
    assert any("were not named before a run: they are exploratory" in note for note in found.notes)


async def test_the_same_experiment_under_another_name_differs_by_nothing(database: Database) -> None:
    one, other = await two(
        database, arms={"naive": {"protocol": "naive"}, "debate": DEBATE}, judges=["lexical", "dice"]
    )
    found = await made(database, one, other)
    assert found.differences == []
    by_pair = {(item.first, item.judge): item for item in found.contrasts}
    assert set(by_pair) == {
        (f"one: {arm}", judge) for arm in ("naive", "debate") for judge in ("lexical", "dice")
    }
    assert by_pair["one: debate", "lexical"].difference == 0


async def test_a_question_whose_words_changed_is_not_common(database: Database) -> None:
    one, other = await two(database)
    async with database.session.begin() as session:
        await session.execute(
            update(Question).where(Question.key == "Alba-q1").values(text="Why was it late?")
        )
    # Both experiments refer to the same row, so that the question is still one.
    assert (await made(database, one, other)).common[0].questions == 4
    await imported(database, passage("Alba") | {"title": "Same"}, passage("Corse"), name="others")
    third = await started(
        database, spec(name="three", tasks={"set": "others"}, arms={"debate": DEBATE}, judges=["lexical"])
    )
    await played(database, third)
    found = await made(database, one, third)
    # Alba-q2 has the same key, words, answers and passage in both sets; Alba-q1 has other words.
    assert [(item.questions, item.of_first, item.of_second) for item in found.common] == [(1, 4, 4)]
    assert [item.questions for item in found.contrasts] == [1]


async def test_without_a_common_question_one_sentence_says_so(database: Database) -> None:
    one, _ = await two(database)
    await imported(database, passage("Corse"), name="others")
    third = await started(database, spec(name="three", tasks={"set": "others"}, arms={"debate": DEBATE}))
    await played(database, third)
    found = await made(database, one, third)
    assert found.contrasts == []
    assert found.notes == [
        "one and three share no question, so that nothing is compared on the same questions (one asks 4 and three 2)."
    ]
    assert [table.title for table in found.tables] == [
        "Judge accuracy of all experiments",
        "What differs between the specs",
    ]


async def test_what_differs_between_the_specs_is_listed_in_words(database: Database) -> None:
    one, other = await two(database, seed=4)
    found = await made(database, one, other)
    values = {item.setting: item.values for item in found.differences}
    assert values["arm debate: rounds"] == {"one": "2", "two": "3"}
    assert values["seed"] == {"one": "0", "two": "4"}
    assert values["judges"] == {"one": "lexical; dice", "two": "lexical"}
    assert values["arm naive"] == {"one": "there", "two": None}
    [table] = [table for table in found.tables if table.title == "What differs between the specs"]
    listed = [row.setting for row in table.rows]
    # An arm that one lacks altogether is one line.
    assert "arm naive" in listed
    assert not any(name.startswith("arm naive:") for name in listed)


async def test_contrasts_can_be_asked_for_and_are_corrected_together(database: Database) -> None:
    one, other = await two(database)
    asked = ("one/naive:two/debate", "one/debate:two/debate")
    found = await made(database, one, other, asked=asked)
    assert [(item.first, item.second) for item in found.contrasts] == [
        ("one: naive", "two: debate"),
        ("one: debate", "two: debate"),
    ]
    assert {item.named for item in found.contrasts} == {2}
    with pytest.raises(UserError, match="There is no arm one/none: choose from one/naive"):
        await made(database, one, other, asked=("one/none:two/debate",))
    with pytest.raises(UserError, match="name two arms with their experiments"):
        await made(database, one, other, asked=("one/debate",))


async def test_pilots_are_marked_and_left_out_of_contrasts(database: Database) -> None:
    one, other = await two(database, pilot=True)
    found = await made(database, one, other)
    assert found.contrasts == []
    assert "Pilots are marked, and left out of the contrasts: two." in found.notes
    assert {row["experiment"] for row in found.tables[0].rows} == {"one", "two (pilot)"}


def test_two_to_eight_experiments_are_compared() -> None:
    check_number(["a", "b"])
    for names in (["a"], ["a", "a"], [str(n) for n in range(MOST + 1)]):
        with pytest.raises(UserError, match="Name two to 8 different experiments"):
            check_number(names)


async def test_the_plot_the_tables_and_json_show_every_arm(database: Database) -> None:
    one, other = await two(database)
    found = await made(database, one, other)
    drawn = pictures(found)
    assert set(drawn) == set(WIDTHS)
    assert b"<svg" in b64decode(drawn["wide"])
    data = json.loads(json.dumps(found.as_json()))
    assert [item["experiment"] for item in data["experiments"]] == ["one", "two"]
    shown = StringIO()
    Console(file=shown, width=200).print(*(table.printed() for table in found.tables))
    assert "arm debate: rounds" in shown.getvalue()


async def test_the_page_compares_only_what_its_reader_may_see(site: Site) -> None:
    await two(site.database)
    alice = await site.browser("alice")
    empty = (await alice.get("/experiments/compare")).text
    assert 'value="one"' in empty
    page = (await alice.get("/experiments/compare?name=one&name=two")).text
    for said in (
        "one and two share 4 questions",
        "Contrasts on common questions",
        "arm debate: rounds",
        "data:image/svg+xml",
    ):
        assert said in page, said
    assert "Name two to 8 different experiments" in (await alice.get("/experiments/compare?name=one")).text
    async with site.database.session.begin() as session:
        owner = site.cast["alice"].id
        await session.execute(update(Experiment).where(Experiment.name == "two").values(owner_id=owner))
    bob = await site.browser("charlie")
    assert (await bob.get("/experiments/compare?name=one&name=two")).status_code == 404
    assert 'value="two"' not in (await bob.get("/experiments/compare")).text


async def test_a_report_is_recomputed_on_a_page_with_its_plots_in_it(site: Site) -> None:
    await two(site.database)
    alice = await site.browser("alice")
    assert "Recompute by other rules" in (await alice.get("/experiments/one/report")).text
    page = (await alice.get("/experiments/one/report/recomputed?ties=wrong&contrasts=all")).text
    assert "Recomputed as the reader chose, not as by default: ties count as wrong" in page
    assert "Exploratory contrasts" in page
    assert "data:image/svg+xml" in page
    assert (await alice.get("/experiments/one/report/recomputed?ties=maybe")).status_code == 422
