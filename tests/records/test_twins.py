"""Twins in the database: one family wherever their texts are, and no person with a seat on both."""

import hashlib
import json
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from app.records.database import Database, alembic_config, migrate
from app.records.tasks import Differs
from models import Account
from tests.database import Server
from tests.factories import finished, imported, judge_on, passage, played, started, twins
from tests.records.test_assignment import (
    CONSULTANCY,
    claimed,
    for_people,
    judges,
    left,
    revealed,
    take,
    wanted,
)
from tests.records.test_seats import change, hired, judged, talks
from tests.records.test_seats import take as sit
from tests.web.judge.test_misled import example

pytestmark = pytest.mark.outside

NAIVE: dict[str, Any] = {"naive": {"protocol": "naive"}}


async def families(database: Database) -> dict[tuple[str, str], bytes]:
    """The family of every passage, by task set and key."""
    async with database.session() as session:
        rows = await session.execute(
            text("SELECT s.name, p.key, p.family FROM passage p JOIN task_set s ON s.id = p.task_set_id")
        )
        return {(name, key): bytes(family) for name, key, family in rows}


def digest(line: dict[str, Any]) -> bytes:
    return hashlib.sha256(line["text"].encode()).digest()


def of_both(one: dict[str, Any], other: dict[str, Any]) -> bytes:
    return hashlib.sha256(b"".join(sorted((digest(one), digest(other))))).digest()


# ── families ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_family_is_made_of_the_text_or_of_both_texts_of_twins(database: Database) -> None:
    first, twin = twins("Alba")
    await imported(database, twin, first, passage("Brise"), name="one")
    found = await families(database)
    assert found["one", "Brise"] == digest(passage("Brise"))
    assert found["one", "Alba"] == found["one", "Alba-twin"] == of_both(first, twin)


@pytest.mark.parametrize("alone_first", [True, False])
async def test_a_text_that_has_a_twin_in_one_set_is_of_its_family_in_every_set(
    database: Database, alone_first: bool
) -> None:
    first, twin = twins("Alba")
    alone = {**first, "id": "other-key", "questions": passage("Alba")["questions"]}
    for name, lines in sorted({"alone": [alone], "twins": [first, twin]}.items(), reverse=not alone_first):
        await imported(database, *lines, name=name)
    assert set((await families(database)).values()) == {of_both(first, twin)}


async def test_texts_with_different_twins_in_two_sets_are_one_family(database: Database) -> None:
    first, twin = twins("Alba")
    third = {**twin, "text": twin["text"] + " So they said."}
    await imported(database, first, twin, name="one")
    await imported(database, first, third, name="two")
    await imported(database, {**twin, "twin_of": None}, name="three")
    found = await families(database)
    assert len(found) == 5
    assert set(found.values()) == {of_both(first, third)}


async def test_importing_twins_again_changes_nothing(database: Database) -> None:
    await imported(database, *twins("Alba"))
    before = await families(database)
    await imported(database, *twins("Alba"))
    assert await families(database) == before


async def test_a_passage_that_was_no_twin_becomes_none_in_the_same_set(database: Database) -> None:
    first, twin = twins("Alba")
    await imported(database, first, {**twin, "twin_of": None})
    with pytest.raises(Differs, match="the passage Alba-twin is there already with another twin"):
        await imported(database, first, twin)


async def test_the_migration_makes_a_family_of_every_text_and_keeps_passages_on_the_way_back(
    postgres: Server,
) -> None:
    with postgres.fresh() as url:
        database = Database(url, embedded=postgres.embedded, connections=2)
        await imported(database, *twins("Alba"), passage("Brise"))
        await database.close()
        engine = create_engine(url)
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.downgrade(config, "0009")
            assert connection.scalar(text("SELECT count(*) FROM passage")) == 3
            migrate(connection)
            rows = connection.execute(text("SELECT key, family = text_digest, twin_of FROM passage")).all()
        engine.dispose()
    assert sorted(rows) == [("Alba", True, None), ("Alba-twin", True, None), ("Brise", True, None)]


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def passages_of(database: Database, person: Account) -> set[str]:
    """The passages on which a person has, or had, a seat."""
    async with database.session() as session:
        rows = await session.scalars(
            text(
                "SELECT p.key FROM seat s JOIN play j ON j.id = s.play_id "
                "JOIN play t ON t.id = coalesce(j.talk_id, j.id) JOIN question q ON q.id = t.question_id "
                "JOIN passage p ON p.id = q.passage_id WHERE s.participant_id = :person"
            ),
            {"person": person.participant_id},
        )
        return set(rows)


async def judged_until_nothing_is_left(database: Database, person: Account) -> int:
    done = 0
    while (seat := await claimed(database, person)) is not None:
        await judge_on(database, seat)
        done += 1
    return done


@pytest.mark.parametrize("once", [True, False])
async def test_no_person_judges_on_both_twins(database: Database, once: bool) -> None:
    panel = [{"humans": 3, "once_per_passage": once}]
    data = for_people(arms=NAIVE, judges=panel)
    await finished(database, *twins("Alba"), *twins("Brise"), data=data)
    for person in await judges(database, 6):
        done = await judged_until_nothing_is_left(database, person)
        seen = await passages_of(database, person)
        assert len(seen) == len({key.removesuffix("-twin") for key in seen}) == 2
        assert done == (2 if once else 4)
        assert await left(database, person) == 0


async def test_who_judged_on_a_text_elsewhere_gets_no_seat_on_its_twin(database: Database) -> None:
    first, twin = twins("Alba", 1)
    await imported(database, first, name="alone")
    alone = for_people(name="alone", tasks={"set": "alone"}, arms=NAIVE)
    await played(database, await started(database, alone))
    [person, other] = await judges(database, 2)
    await judge_on(database, await take(database, person))
    await imported(database, first, twin, name="both")
    both = for_people(name="both", tasks={"set": "both"}, arms=NAIVE)
    await played(database, await started(database, both))
    assert await left(database, person) == 1
    # The same text again is none of the twin.
    assert await judged_until_nothing_is_left(database, person) == 1
    assert await passages_of(database, person) == {"Alba"}
    assert await judged_until_nothing_is_left(database, other) == 1
    assert await passages_of(database, other) == {"Alba-twin"}


async def test_who_argued_on_a_passage_never_argues_or_judges_on_its_twin(database: Database) -> None:
    [person] = await hired(database, 1)
    await imported(database, *twins("Alba", 1))
    await started(database, talks())
    seat = await sit(database, person)
    assert seat is not None
    seen = await passages_of(database, person)
    for _ in range(5):
        await sit(database, person)
    assert await passages_of(database, person) == seen
    assert len(seen) == 1
    await played(database, await started(database, judged()))
    await change(database, "UPDATE account SET role = 'judge'")
    await change(database, "UPDATE seat SET state = 'returned', leased_until = NULL WHERE state = 'waiting'")
    assert await sit(database, person, "judge") is None
    [other] = await hired(database, 1, "judge")
    assert await sit(database, other, "judge") is not None


async def test_the_truth_about_a_passage_closes_it_and_its_twin(database: Database) -> None:
    """A person who knows the right answer of one twin knows that of the other."""
    data = for_people(arms=NAIVE, judges=[{"humans": 1, "feedback": "score"}])
    await finished(database, *twins("Alba", 1), data=data)
    [person] = await judges(database, 1)
    await judge_on(database, await take(database, person))
    # The seat on the twin is open still, but no longer for this person.
    assert len(await revealed(database, person)) == 1
    later = await started(database, for_people(name="later", arms=NAIVE, judges=wanted()))
    await played(database, later)
    assert await claimed(database, person) is None
    assert len(await revealed(database, person)) == 1


async def test_the_truth_waits_for_the_last_possible_verdict_on_a_passage_with_a_twin(
    database: Database,
) -> None:
    data = for_people(judges=wanted(feedback="score"), arms=CONSULTANCY)
    await finished(database, *twins("Alba", 1), data=data)
    [person] = await judges(database, 1)
    await judge_on(database, await take(database, person))
    # The other assignment on the same text may still come.
    assert await revealed(database, person) == []
    await judge_on(database, await take(database, person))
    assert len(await revealed(database, person)) == 2


async def test_who_was_told_of_a_passage_in_examples_gets_no_seat_on_its_twin(database: Database) -> None:
    first, twin = twins("Alba", 1)
    await imported(database, first, twin)
    shown = json.dumps(example(passage_digest=digest(first).hex()))
    arm = {
        "protocol": "prover-verifier",
        "examples": 1,
        "prompts": {"examples": shown},
        "seats": {"provers": "advocate"},
    }
    await imported(database, passage("Brise", 1), name="verified")
    adapted = for_people(name="adapted", tasks={"set": "verified"}, arms={"adapted": arm})
    await played(database, await started(database, adapted))
    [person, other] = await judges(database, 2)
    await judge_on(database, await take(database, person))
    await played(database, await started(database, for_people(arms=NAIVE)))
    assert await claimed(database, person) is None
    assert await claimed(database, other) is not None
