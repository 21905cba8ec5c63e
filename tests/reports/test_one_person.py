"""A person who judges by several accounts is one person in every figure."""

from collections.abc import Mapping, Sequence

import pytest

from app.records.database import Database
from app.records.humans import first_names
from app.reports.report import Report, notes, report
from tests.factories import finished, passage
from tests.records.test_assignment import claimed, for_people, judge_on, wanted
from tests.records.test_exposure import NAIVE, ONE_HUMAN, TWO_HUMANS, accounts


async def judged(database: Database, says: Sequence[Mapping[str, str]]) -> tuple[Report, list[str]]:
    """The report of an experiment in which each of these accounts judges, and so do two other people; the names of the first."""
    passages = [passage(key, 1) for key in ("Alba", "Brise", "Corvo", "Delfin", "Elster", "Falke")]
    experiment = await finished(database, *passages, data=for_people(arms=NAIVE, judges=wanted(2)))
    found = [*await accounts(database, says), *await accounts(database, [{}, {}])]
    for account in [*found, *found, *found]:
        if (seat := await claimed(database, account)) is not None:
            await judge_on(database, seat)
    async with database.session() as session:
        made = await report(session, experiment)
    return made, sorted({row.person for row in made.figures["people"]})


@pytest.mark.parametrize("says", ONE_HUMAN.values(), ids=ONE_HUMAN)
async def test_accounts_of_one_person_are_one_cluster_and_are_named(
    database: Database, says: Sequence[Mapping[str, str]]
) -> None:
    made, names = await judged(database, says)
    [line] = made.lines
    assert line.cell is not None
    assert (line.cell.people, len(names)) == (3, 3)
    [(first, others)] = made.accounts.items()
    assert first in names
    assert len(others) == len(says) - 1
    assert not {*others} & {*names}
    assert f"{first} also judged as {', '.join(others)}" in " ".join(notes(made))
    assert made.as_json()["accounts_of_one_person"] == {first: others}


@pytest.mark.parametrize("says", TWO_HUMANS.values(), ids=TWO_HUMANS)
async def test_accounts_of_two_people_are_two(database: Database, says: Sequence[Mapping[str, str]]) -> None:
    made, names = await judged(database, says)
    [line] = made.lines
    assert line.cell is not None
    assert (line.cell.people, len(names), dict(made.accounts)) == (4, 4, {})


async def test_no_names_need_no_query(database: Database) -> None:
    async with database.session() as session:
        assert await first_names(session, ()) == {}
