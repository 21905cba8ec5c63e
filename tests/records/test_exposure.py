"""Who was shown a text never judges it blind: whatever they were shown it as, how the seat ended, and by which account."""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, select, text, update

from app.experiments.freeze import judge_again
from app.experiments.spec import read_panel
from app.records import admin, assignment, people
from app.records.database import Database, alembic_config, migrate
from models import Account, Exposure
from tests.database import Server
from tests.factories import finished, imported, judge_on, passage, played, started, twins
from tests.records.test_assignment import (
    claimed,
    draft,
    expire,
    for_people,
    judges,
    left,
    revealed,
    take,
    wanted,
)
from tests.records.test_seats import ASKING, begun, change, hired, talks
from tests.records.test_seats import take as sit
from tests.records.test_twins import NAIVE, digest
from tests.web.judge.test_misled import example

pytestmark = pytest.mark.outside

EXPERT: dict[str, Any] = {"expert": {"protocol": "expert"}}
NAIVE_AND_EXPERT = {**NAIVE, **EXPERT}


async def opened(database: Database, name: str, arms: Mapping[str, Any], **changes: Any) -> None:
    """Play an experiment on the passages that are there, which people then judge."""
    await played(database, await started(database, for_people(name=name, arms=arms, **changes)))


async def changed(database: Database, account: Account, **values: Any) -> None:
    """Change an account."""
    async with database.session.begin() as session:
        await session.execute(update(Account).where(Account.id == account.id).values(**values))


async def exposures(database: Database, account: Account) -> Sequence[bool]:
    """Whether each exposure of an account was to the text itself."""
    async with database.session() as session:
        found = select(Exposure.read).where(Exposure.participant_id == account.participant_id)
        return (await session.scalars(found)).all()


# ── shown the text ──────────────────────────────────────────────────────────────────────────────────────────────


async def ended(database: Database, reader: Account, other: Account, how: str) -> None:
    """Let a reader take a seat with the text, and let it end in some way."""
    seat = await take(database, reader)
    match how:
        case "done":
            await judge_on(database, seat)
        case "returned":
            async with database.session.begin() as session:
                assert await assignment.give_back(session, seat, reader, {})
        case "lost":
            await expire(database)
            assert await take(database, other) == seat
        case "lost, begun":
            await draft(database, seat, reader, "judging/order0/step0", 1)
            await expire(database)
            assert await take(database, other) != seat
        case _:
            assert how == "in hand"


@pytest.mark.parametrize("how", ["done", "returned", "lost", "lost, begun", "in hand"])
@pytest.mark.parametrize("arm", [NAIVE, {"asking": ASKING}], ids=["a judging", "a talk"])
async def test_who_read_a_text_as_a_judge_never_judges_it_blind_in_any_experiment(
    database: Database, how: str, arm: Mapping[str, Any]
) -> None:
    reader, other, fresh = await judges(database, 3)
    await finished(database, passage("Alba", 1), data=for_people(name="reading", arms=EXPERT))
    await ended(database, reader, other, how)
    if how == "in hand":
        # A claim would give that seat again.
        await change(database, "UPDATE seat SET leased_until = NULL WHERE state = 'waiting'")
        await change(
            database, "UPDATE play SET state = 'queued' WHERE kind = 'judging' AND state = 'waiting'"
        )
    judged = ["lexical"] if arm.get("asking") else wanted()
    await opened(database, "blind", arm, judges=judged, elicit="final")

    assert await exposures(database, reader) == [True]
    assert await left(database, reader) == 0
    assert await claimed(database, reader) is None
    assert await claimed(database, fresh) is not None


@pytest.mark.parametrize("reads_first", [True, False])
async def test_in_one_experiment_a_verdict_without_the_text_comes_before_one_with_it_or_not_at_all(
    database: Database, reads_first: bool
) -> None:
    [person] = await judges(database, 1)
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE_AND_EXPERT, judges=wanted()))
    # Hide the other seat.
    await change(database, f"UPDATE seat SET role = 'debater' WHERE reads_passage <> {reads_first}")
    await judge_on(database, await take(database, person))
    await change(database, "UPDATE seat SET role = 'judge'")
    assert await left(database, person) == (0 if reads_first else 1)
    assert (await claimed(database, person) is None) is reads_first


async def test_who_judged_blind_may_read_the_text_afterwards_in_another_experiment(
    database: Database,
) -> None:
    [person] = await judges(database, 1)
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE))
    await judge_on(database, await take(database, person))
    await opened(database, "reading", EXPERT)
    await judge_on(database, await take(database, person))
    assert sorted(await exposures(database, person)) == [False, True]
    await opened(database, "again", NAIVE, judges=wanted())
    assert await claimed(database, person) is None


async def test_nobody_reads_a_text_while_they_sit_in_a_talk_on_it_without_it(database: Database) -> None:
    one, other = await hired(database, 2, "judge")
    await begun(database, talks({"asking": ASKING}))
    talk = await sit(database, one, "judge")
    assert talk is not None
    await change(database, "UPDATE seat SET leased_until = NULL")  # others are awaited
    await change(
        database, "UPDATE seat SET role = 'debater' WHERE state = 'open'"
    )  # the other talk is not for them
    await opened(database, "reading", EXPERT, judges=[{"humans": 2}])
    assert await sit(database, one, "judge") is None
    assert await sit(database, other, "judge") is not None
    await change(database, "UPDATE seat SET state = 'done' WHERE leased_until IS NULL AND state = 'waiting'")
    assert await sit(database, one, "judge") is not None


async def test_who_read_a_text_in_a_seat_that_they_lost_gets_none_on_its_twin(database: Database) -> None:
    reader, other, fresh = await judges(database, 3)
    first, twin = twins("Alba", 1)
    await imported(database, first, name="alone")
    await opened(database, "reading", EXPERT, tasks={"set": "alone"})
    await ended(database, reader, other, "lost")
    await imported(database, first, twin, name="both")
    for name, arms in (("blind", NAIVE), ("reads", EXPERT)):
        await opened(database, name, arms, tasks={"set": "both"}, judges=wanted(2))
    await change(database, "UPDATE seat SET leased_until = NULL WHERE state = 'waiting'")
    # With the same text they may still read; not with the other, and neither blind.
    assert await left(database, reader) == 1
    assert await left(database, fresh) == 4


async def test_who_lost_a_seat_without_the_text_never_argues_over_it(database: Database) -> None:
    one, other, fresh = [*await judges(database, 2), *await hired(database, 1)]
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE))
    seat = await take(database, one)
    await expire(database)
    assert await take(database, other) == seat
    await played(database, await started(database, talks()))
    await changed(database, one, role="debater")
    assert await sit(database, one) is None
    assert await sit(database, fresh) is not None


async def test_who_was_a_researcher_judges_nothing_blind(database: Database) -> None:
    """They could open every text."""
    one, fresh = await judges(database, 2)
    await changed(database, one, role="researcher")
    async with database.session.begin() as session:
        account = await session.get_one(Account, one.id)
        await admin.change_role(session, fresh.id, account, "judge")
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE, judges=wanted(2)))
    assert await claimed(database, one) is None
    assert await claimed(database, fresh) is not None
    await opened(database, "reading", EXPERT)
    assert await claimed(database, one) is not None


async def test_the_truth_does_not_wait_for_seats_that_a_reader_never_gets(database: Database) -> None:
    reader, other = await judges(database, 2)
    panel = [{"humans": 2, "feedback": "score"}]
    await finished(database, passage("Alba", 1), data=for_people(name="reading", arms=EXPERT, judges=panel))
    await opened(database, "blind", NAIVE, judges=wanted(feedback="score"))
    await change(database, "UPDATE seat SET role = 'debater' WHERE NOT reads_passage")
    await judge_on(database, await take(database, reader))
    await change(database, "UPDATE seat SET role = 'judge'")
    assert len(await revealed(database, reader)) == 1
    # That of one who judges without the text waits for the seat with it.
    await change(database, "UPDATE seat SET role = 'debater' WHERE reads_passage AND state = 'open'")
    await judge_on(database, await take(database, other))
    await change(database, "UPDATE seat SET role = 'judge'")
    assert await revealed(database, other) == []


async def test_seats_say_whether_they_read_the_passage_in_added_rounds_too(
    database: Database, tmp_path: Path
) -> None:
    experiment = await finished(
        database, passage("Alba", 1), data=for_people(arms=NAIVE_AND_EXPERT, judges=["lexical"])
    )
    file = tmp_path / "panel.yaml"
    file.write_text("{name: people, judges: [{humans: 2}], elicit: final}")
    async with database.session.begin() as session:
        await judge_again(session, experiment, read_panel(file))
    async with database.session() as session:
        rows = await session.execute(
            text(
                "SELECT DISTINCT a.name, s.reads_passage FROM seat s JOIN play j ON j.id = s.play_id "
                "JOIN play t ON t.id = j.talk_id JOIN arm a ON a.id = t.arm_id ORDER BY a.name"
            )
        )
        assert [tuple(row) for row in rows] == [("expert", True), ("naive", False)]


# ── one human, more than one account ────────────────────────────────────────────────────────────────────────────

ONE_HUMAN: dict[str, tuple[dict[str, str], ...]] = {
    "one recruiter's id": ({"recruiter_id": "5f3a"}, {"recruiter_id": "5f3a"}),
    "an id sent and typed": ({"recruiter_id": "5f3a"}, {"name": "5f3a"}),
    "an id typed and sent": ({"name": "5f3a"}, {"recruiter_id": "5f3a"}),
    "an address as a name": ({"email": "ann@arena.test"}, {"name": "Ann@Arena.test"}),
    "an address as both names": ({"name": "ANN@arena.test"}, {"name": "ann@arena.test"}),
    "by a third account": (
        {"recruiter_id": "5f3a"},
        {"recruiter_id": "A1B2", "email": "ann@arena.test"},
        {"recruiter_id": "5f3a", "name": "ann@arena.test"},
    ),
}
TWO_HUMANS: dict[str, tuple[dict[str, str], ...]] = {
    "one name": ({"name": "Ann"}, {"name": "Ann"}),
    "two addresses": ({"email": "ann@arena.test"}, {"email": "ann@other.test"}),
    "two ids": ({"name": "Ann", "recruiter_id": "5f3a"}, {"name": "Ann", "recruiter_id": "5f3b"}),
    "no ids": ({}, {}),
}


async def accounts(database: Database, says: Sequence[Mapping[str, str]]) -> list[Account]:
    """Judges of whom this is known."""
    found = await judges(database, len(says))
    for account, values in zip(found, says, strict=True):
        if values:
            await changed(database, account, **values)
    return found


@pytest.mark.parametrize("says", ONE_HUMAN.values(), ids=ONE_HUMAN)
async def test_what_one_account_read_the_same_humans_other_never_judges_blind(
    database: Database, says: Sequence[Mapping[str, str]]
) -> None:
    one, two, *_ = await accounts(database, says)
    await finished(database, passage("Alba", 1), data=for_people(name="reading", arms=EXPERT))
    await judge_on(database, await take(database, one))
    await opened(database, "blind", NAIVE)
    assert await claimed(database, two) is None
    assert await left(database, two) == 0


@pytest.mark.parametrize("says", TWO_HUMANS.values(), ids=TWO_HUMANS)
async def test_nothing_else_makes_one_human_of_two_accounts(
    database: Database, says: Sequence[Mapping[str, str]]
) -> None:
    one, two = await accounts(database, says)
    await finished(database, passage("Alba", 1), data=for_people(name="reading", arms=EXPERT))
    await judge_on(database, await take(database, one))
    await opened(database, "blind", NAIVE)
    assert await claimed(database, two) is not None


async def pair(database: Database) -> list[Account]:
    """Two accounts of one human."""
    return await accounts(database, ONE_HUMAN["one recruiter's id"])


async def test_one_human_judges_a_trial_once_and_a_passage_once(database: Database) -> None:
    one, two = await pair(database)
    await finished(database, passage("Alba", 2), data=for_people(arms=NAIVE, judges=[{"humans": 2}]))
    await judge_on(database, await take(database, one))
    assert await claimed(database, two) is None
    await opened(database, "again", NAIVE, judges=wanted(2))
    seen = 0
    for account in (one, two, one, two):
        if seat := await claimed(database, account):
            seen += 1
            await judge_on(database, seat)
    assert seen == 2, "each of the two questions once"


async def test_one_human_who_claims_by_two_accounts_at_once_takes_one_seat(database: Database) -> None:
    one, two = await pair(database)
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE, judges=[{"humans": 6}]))
    async with database.session.begin() as session:
        assert await assignment.claim(session, one.id, "judge") is not None
        second = asyncio.create_task(claimed(database, two))
        done, _ = await asyncio.wait([second], timeout=0.5)
        assert not done, "it waits for the first"
    assert await second is None


async def test_one_human_does_not_take_both_sides_or_both_roles(database: Database) -> None:
    one, two = await pair(database)
    await changed(database, one, role="debater")
    await begun(database)
    assert await sit(database, one) is not None
    assert await sit(database, two) is None
    await opened(database, "blind", NAIVE)
    assert await claimed(database, two) is None


async def test_one_human_gets_no_seat_on_the_twin_of_what_their_other_account_saw(database: Database) -> None:
    one, two = await pair(database)
    await finished(database, *twins("Alba", 1), data=for_people(arms=NAIVE, judges=wanted(2)))
    await judge_on(database, await take(database, one))
    assert await claimed(database, two) is None


async def test_the_truth_waits_for_what_a_human_has_in_hand_by_another_account_and_closes_the_text_for_both(
    database: Database,
) -> None:
    one, two = await pair(database)
    panel = wanted(1, feedback="score")
    await finished(database, passage("Alba", 2), data=for_people(arms=NAIVE, judges=panel))
    await judge_on(database, await take(database, one))
    seat = await take(database, two)
    assert await revealed(database, one) == []
    await judge_on(database, seat)
    assert len(await revealed(database, one)) == 1
    await opened(database, "later", NAIVE)
    assert await claimed(database, two) is None


async def test_examples_that_one_account_was_shown_close_their_texts_for_the_other(
    database: Database,
) -> None:
    one, two, fresh = [*await pair(database), *await judges(database, 1)]
    line = passage("Alba", 1)
    shown = json.dumps(example(passage_digest=digest(line).hex()))
    arm = {
        "protocol": "prover-verifier",
        "examples": 1,
        "prompts": {"examples": shown},
        "seats": {"provers": "advocate"},
    }
    await imported(database, line)
    await imported(database, passage("Brise", 1), name="verified")
    await opened(database, "adapted", {"adapted": arm}, tasks={"set": "verified"})
    await judge_on(database, await take(database, one))
    await opened(database, "blind", NAIVE)
    assert await claimed(database, two) is None
    assert await claimed(database, fresh) is not None


async def test_nobody_reads_by_one_account_what_they_judge_blind_by_another(database: Database) -> None:
    one, two = await pair(database)
    await finished(database, passage("Alba", 1), data=for_people(arms=NAIVE))
    seat = await take(database, one)
    await opened(database, "reading", EXPERT)
    assert await claimed(database, two) is None
    await judge_on(database, seat)
    assert await claimed(database, two) is not None


async def test_joining_keeps_the_recruiters_id(database: Database) -> None:
    async with database.session.begin() as session:
        invite = await people.new_invite(session, role="judge", shared=True)
        account, _ = await people.join(session, invite, "5f3a", "5f3a")
        other, _ = await people.join(session, invite, "Ann")
    async with database.session() as session:
        known = {row.id: row.recruiter_id for row in await session.scalars(select(Account))}
    assert (known[account.id], known[other.id]) == ("5f3a", None)


# ── what earlier versions left ──────────────────────────────────────────────────────────────────────────────────


async def test_the_migration_finds_out_who_was_shown_what(postgres: Server) -> None:
    with postgres.fresh() as url:
        database = Database(url, embedded=postgres.embedded, connections=4)
        reader, other, blind = await judges(database, 3)
        await finished(database, passage("Alba", 1), data=for_people(name="reading", arms=EXPERT))
        await ended(database, reader, other, "lost")
        await opened(database, "blind", NAIVE)
        await take(database, blind)
        await changed(database, blind, role="researcher")
        async with database.session.begin() as session:
            await admin.change_role(session, reader.id, await session.get_one(Account, blind.id), "judge")
            sent = {"PROLIFIC_PID": "5f3a", "STUDY_ID": "1"}
            await people.note(session, other.id, "joined", "invite", uuid.uuid4(), sent)
        await database.close()
        engine = create_engine(url)
        with engine.begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            command.downgrade(config, "0012")
            connection.execute(
                text("DELETE FROM exposure WHERE participant_id = :p"), {"p": other.participant_id}
            )
            migrate(connection)
            exposed = connection.execute(text("SELECT participant_id, read FROM exposure")).all()
            known = connection.execute(text("SELECT id, recruiter_id, was_researcher FROM account")).all()
            seats = connection.execute(text("SELECT reads_passage FROM seat ORDER BY 1")).scalars().all()
        engine.dispose()
    read = {reader.participant_id: True, other.participant_id: True, blind.participant_id: False}
    assert dict(map(tuple, exposed)) == read
    assert {tuple(row) for row in known} == {
        (reader.id, None, False),
        (other.id, "5f3a", False),
        (blind.id, None, True),
    }
    assert seats == [False, True]
