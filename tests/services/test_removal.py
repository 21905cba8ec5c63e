"""Deleting and renaming: every row goes, what others use stays, and what others did is not lost by mistake."""

import asyncio
import uuid

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import start
from app.experiments.spec import SpecError, parse_spec
from app.records import experiments, people
from app.records.database import Database
from app.records.removal import contents
from app.records.tasks import find_set
from app.records.texts import keep
from app.services.refusal import Refused
from app.services.removal import delete_experiment, delete_set, rename_experiment, rename_set
from models import Account, Audit, Experiment, ModelCall, Text
from tests.factories import TASKS, finished, imported, passage, played, spec, started
from tests.servers import ScriptedServer
from tests.test_jobs import modelled
from tests.web.fixtures import contents as digests

SHARED = {"audit", "participant", "endpoint", "endpoint_dialect", "procrastinate_events"}
"""Tables in which a deleted experiment leaves something: the trail, and models that others may use."""


async def account(db: AsyncSession, name: str, role: str = "researcher") -> Account:
    return await people.add_account(db, f"{name}@arena.test", name, role, None)


async def of_name(db: AsyncSession, name: str) -> Experiment:
    found = await experiments.find(db, name)
    assert found is not None
    return found


async def owned(database: Database, name: str, owner: Account | None) -> None:
    async with database.session.begin() as db:
        given = update(Experiment).where(Experiment.name == name).values(owner_id=owner and owner.id)
        await db.execute(given)


async def deleted(database: Database, name: str, who: Account | None = None, *, people: bool = False) -> None:
    async with database.session.begin() as db:
        await delete_experiment(db, who, await of_name(db, name), people=people)


async def refused(
    database: Database, sentence: str, name: str, who: Account | None = None, **how: bool
) -> None:
    """Try to delete an experiment, which is refused and changes nothing."""
    before = await digests(database)
    with pytest.raises(Refused, match=sentence):
        await deleted(database, name, who, **how)
    assert await digests(database) == before


@pytest.fixture
async def alice(database: Database) -> Account:
    async with database.session.begin() as db:
        return await account(db, "alice")


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_of_a_deleted_experiment_is_left(database: Database) -> None:
    """With model calls, whose prompts are kept once for all; those of another experiment on the same texts stay."""
    await imported(database, passage("Alba"))
    before = await digests(database)
    async with ScriptedServer() as server:
        data = modelled(server.base_url)
        one = await started(database, {**data, "name": "one"})
        await played(database, one)
        await deleted(database, "one")
        assert changed(before, await digests(database)) <= SHARED

        other = await started(database, {**data, "name": "other"})
        await played(database, other)
        kept = await digests(database)
        again = await started(database, {**data, "name": "again", "seed": 7})
        await played(database, again)
        await deleted(database, "again")
    assert changed(kept, await digests(database)) <= SHARED
    async with database.session() as db:
        missing = await db.scalar(text(MISSING))
        assert missing == 0
        trail = list(await db.scalars(select(Audit).where(Audit.action == "deleted").order_by(Audit.id)))
    assert [(row.object_kind, row.detail["name"]) for row in trail] == [
        ("experiment", "one"),
        ("experiment", "again"),
    ]
    assert trail[0].detail["texts"] > trail[1].detail["texts"] > 0


MISSING = """SELECT count(*) FROM model_call c, jsonb_array_elements(c.segments) s
             WHERE NOT EXISTS (SELECT FROM text WHERE digest = decode(s ->> 1, 'hex'))"""
"""Number of texts that a call names and that are not there."""


def changed(before: dict[str, str], now: dict[str, str]) -> set[str]:
    return {table for table, digest in now.items() if before[table] != digest}


async def test_waiting_work_goes_with_it(database: Database) -> None:
    await imported(database, passage("Alba"))
    await started(database, spec())
    await started(database, spec(name="other"))
    await refused(database, "small is running: pause or cancel it", "small")
    async with database.session.begin() as db:
        await experiments.pause(db, (await of_name(db, "small")).id)
    await deleted(database, "small")
    async with database.session() as db:
        other = (await of_name(db, "other")).id
        queues = set(await db.scalars(text("SELECT queue_name FROM procrastinate_jobs")))
        assert queues == {str(other)}


async def test_a_worker_that_has_work_in_hand_is_waited_for(database: Database) -> None:
    await imported(database, passage("Alba"))
    experiment = await started(database, spec())
    async with database.session.begin() as db:
        worker = await db.scalar(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"))
        taken = text(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE id = (SELECT min(id) FROM procrastinate_jobs)"
        )
        await db.execute(taken, {"worker": worker})
        await experiments.cancel(db, experiment.id)
    await refused(database, "wait until work in hand has ended", "small")
    async with database.session.begin() as db:
        await db.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
    await deleted(database, "small")


async def test_a_researcher_deletes_what_is_theirs_alone(database: Database, alice: Account) -> None:
    await finished(database, passage("Alba"))
    await refused(database, "small has no owner, so only an admin deletes it", "small", alice)
    await owned(database, "small", alice)
    await deleted(database, "small", alice)
    async with database.session() as db:
        trail = (await db.scalars(select(Audit).where(Audit.action == "deleted"))).one()
    assert trail.account_id == alice.id


async def test_what_people_did_is_deleted_by_admins_who_say_so(database: Database, alice: Account) -> None:
    await finished(database, passage("Alba"))
    await owned(database, "small", alice)
    async with database.session.begin() as db:
        judge = await account(db, "jill", "judge")
        admin = await account(db, "bob", "admin")
        person = await people.participant_of(db, judge)
        shown = text(
            "INSERT INTO exposure (experiment_id, participant_id, passage_id) SELECT e.id, :person, p.id FROM experiment e, passage p"
        )
        await db.execute(shown, {"person": person})
        assert (await contents(db, await of_name(db, "small"))).people == 1
    await refused(database, "only an admin deletes what others did", "small", alice, people=True)
    await refused(database, "say that what they did is to be deleted", "small", admin)
    await refused(database, "say that what they did is to be deleted", "small")
    await deleted(database, "small", admin, people=True)


async def test_an_experiment_of_a_study_stays(database: Database, alice: Account) -> None:
    from app.services.studies import create
    from tests.studies import study_spec

    await finished(database, passage("Alba"))
    await owned(database, "small", alice)
    async with database.session.begin() as db:
        study = study_spec(name="pilot", experiments=["small"], people=1, trials=1)
        await create(db, alice, study)
    await refused(database, "part of the study pilot", "small", alice)
    async with database.session.begin() as db:
        with pytest.raises(Refused, match="part of the study pilot, whose files name it"):
            await rename_experiment(db, alice, await of_name(db, "small"), "large")


async def test_a_renamed_experiment_goes_on_under_its_new_name(database: Database, alice: Account) -> None:
    await finished(database, passage("Alba"))
    await owned(database, "small", alice)
    await started(database, spec(name="other"))
    async with database.session.begin() as db:
        await rename_experiment(db, alice, await of_name(db, "small"), "large")
    async with database.session.begin() as db:
        found = await start(db, parse_spec(spec(name="large")))
        assert not found.new
        trail = (await db.scalars(select(Audit).where(Audit.action == "renamed"))).one()
        assert trail.detail == {"before": "small", "name": "large"}
        for wrong, status in (("other", 409), ("large", 409), ("no name!", 422), ("compare", 422), ("", 422)):
            with pytest.raises(Refused) as refusal:
                await rename_experiment(db, alice, await of_name(db, "large"), wrong)
            assert refusal.value.status == status


async def test_a_renamed_experiment_is_no_longer_there_under_its_old_name(database: Database) -> None:
    await finished(database, passage("Alba"))
    async with database.session.begin() as db:
        await rename_experiment(db, None, await of_name(db, "small"), "large")
    async with database.session.begin() as db:
        assert (await start(db, parse_spec(spec()))).new
        with pytest.raises(SpecError, match="seed differs"):
            await start(db, parse_spec(spec(name="large", seed=3)))


# ── task sets ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_task_set_is_deleted_with_its_texts(database: Database) -> None:
    """But for those that a passage of another set has too."""
    before = await digests(database)
    await imported(database, passage("Alba"), passage("Brise"))
    await imported(database, passage("Alba"), name="more")
    async with database.session.begin() as db:
        await delete_set(db, None, TASKS)
        assert await db.scalar(select(func.count()).select_from(Text)) == 1
        await delete_set(db, None, "more")
    assert changed(before, await digests(database)) == {"audit"}


async def test_a_text_that_a_call_comes_to_use_meanwhile_stays(database: Database) -> None:
    await imported(database, passage("Alba"))

    async def remove() -> None:
        async with database.session.begin() as db:
            await delete_set(db, None, TASKS)

    async with database.session() as db:
        [body] = await db.scalars(select(Text.body))
        [key] = await keep(db, [body])
        segments = [["user", key.hex()]]
        named = {"path": "probe", "purpose": "probe", "endpoint": "local", "model": "small"}
        db.add(ModelCall(id=uuid.uuid4(), segments=segments, params={}, **named))
        await db.flush()
        removing = asyncio.create_task(remove())
        done, _ = await asyncio.wait({removing}, timeout=0.5)
        assert not done, "it waits for the call"
        await db.commit()
    await removing
    async with database.session() as db:
        assert await db.scalar(select(Text.digest)) == key


async def test_a_task_set_that_was_asked_stays(database: Database, alice: Account) -> None:
    await finished(database, passage("Alba"))
    await owned(database, "small", alice)
    async with database.session.begin() as db:
        with pytest.raises(Refused, match="since 1 experiment asked its questions: small; delete them first"):
            await delete_set(db, None, TASKS)
        with pytest.raises(Refused, match="There is no task set none"):
            await delete_set(db, None, "none")


async def test_a_task_set_belongs_to_who_alone_brought_it_in(database: Database, alice: Account) -> None:
    await imported(database, passage("Alba"))
    async with database.session.begin() as db:
        charlie = await account(db, "charlie")
        with pytest.raises(Refused, match="not brought in by you alone, so only an admin deletes it"):
            await delete_set(db, alice, TASKS)
        await people.note(db, alice.id, "imported", "task set", TASKS)
        with pytest.raises(Refused, match="not brought in by you alone"):
            await rename_set(db, charlie, TASKS, "other")
        await rename_set(db, alice, TASKS, "boats")
        await people.note(db, charlie.id, "imported", "task set", "boats")
        with pytest.raises(Refused, match="not brought in by you alone"):
            await delete_set(db, alice, "boats")


async def test_who_is_gone_owns_nothing_that_comes_under_the_name_later(
    database: Database, alice: Account
) -> None:
    async with database.session.begin() as db:
        charlie = await account(db, "charlie")
        await people.note(db, charlie.id, "imported", "task set", TASKS)
    await imported(database, passage("Alba"))
    async with database.session.begin() as db:
        await people.note(db, alice.id, "imported", "task set", TASKS)
        await delete_set(db, alice, TASKS)


async def test_a_renamed_task_set_is_named_in_the_files_of_its_experiments(
    database: Database, alice: Account
) -> None:
    await finished(database, passage("Alba"))
    async with database.session.begin() as db:
        await people.note(db, alice.id, "imported", "task set", TASKS)
    await owned(database, "small", None)
    async with database.session.begin() as db:
        with pytest.raises(Refused, match="Experiments of others use the task set"):
            await rename_set(db, alice, TASKS, "boats")
    await owned(database, "small", alice)
    await imported(database, passage("Corona"), name="more")
    async with database.session.begin() as db:
        for wrong in ("more", TASKS, "<b>"):
            with pytest.raises(Refused):
                await rename_set(db, alice, TASKS, wrong)
        await rename_set(db, alice, TASKS, "boats")
    async with database.session.begin() as db:
        assert await find_set(db, TASKS) is None
        assert not (await start(db, parse_spec(spec(tasks={"set": "boats"})))).new
        with pytest.raises(SpecError, match=r"tasks\.set differs"):
            await start(db, parse_spec(spec()))
