"""Deleting and renaming experiments and task sets on behalf of an account, or of the command line."""

import re
import uuid
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import NAME, RESERVED
from app.records import experiments as experiment_records
from app.records import removal as records
from app.records import tasks as task_records
from app.records.people import note
from app.records.removal import Contents, SetUse
from app.records.tasks import SetRow
from app.services.refusal import Refused
from app.services.tasks import BAD_NAME
from models import Account, Experiment

Who = Account | None
"""Who asks; None on the command line of the machine, which may do what an admin may."""
MOST_NAMED = 5
"""Names that a sentence lists at most."""


# ── experiments ─────────────────────────────────────────────────────────────────────────────────────────────────


def owns(who: Who, experiment: Experiment) -> bool:
    """Return whether an account may delete and rename an experiment: its owner, an admin, the command line."""
    return who is None or who.role == "admin" or experiment.owner_id == who.id


def why_stays(who: Who, experiment: Experiment, found: Contents, *, people: bool) -> str:
    """Return why an experiment is not deleted, as a sentence; empty where it may be.

    `people`: what people did in it is to be deleted too.
    """
    name = experiment.name
    if not owns(who, experiment):
        return f"The experiment {name} has no owner, so only an admin deletes it."
    if found.studies:
        return f"The experiment {name} is part of {_named('study', 'studies', found.studies)}, so it stays."
    if found.in_hand:
        return (
            f"People have {found.in_hand:,} of its trials in hand: cancel the experiment {name}, and wait until they have "
            "submitted or their time is over."
        )
    if found.working or _is_running(experiment, found):
        return f"The experiment {name} is running: pause or cancel it, and wait until work in hand has ended."
    if found.people and not (who is None or who.role == "admin"):
        return (
            f"{_counted(found.people, 'person', 'people')} took part in the experiment {name}: only an admin deletes what others "
            "did; cancel it instead."
        )
    if found.people and not people:
        return (
            f"{_counted(found.people, 'person', 'people')} took part in the experiment {name}: say that what they did is to be "
            "deleted too."
        )
    return ""


def _is_running(experiment: Experiment, found: Contents) -> bool:
    return experiment.state == "running" and found.unfinished > 0


async def delete_experiment(
    db: AsyncSession, who: Who, experiment: Experiment, *, people: bool = False
) -> Contents:
    """Delete an experiment and note it on the trail. Return what it had. Raise Refused."""
    if not await records.lock_experiment(db, experiment.id):
        raise Refused(404, "There is no experiment of this name any more.")
    await db.refresh(experiment)
    found = await records.contents(db, experiment)
    if reason := why_stays(who, experiment, found, people=people):
        raise Refused(403 if not owns(who, experiment) else 409, reason)
    texts = await records.delete_experiment(db, experiment.id)
    detail = {
        "name": experiment.name,
        "digest": experiment.digest,
        "trials": found.trials,
        "verdicts": found.verdicts,
        "people": found.people,
        "texts": texts,
    }
    await note(db, _id(who), "deleted", "experiment", experiment.id, detail)
    return found


async def rename_experiment(db: AsyncSession, who: Who, experiment: Experiment, name: str) -> None:
    """Give an experiment another name, and note it on the trail. Raise Refused."""
    old = experiment.name
    if not owns(who, experiment):
        raise Refused(403, f"The experiment {old} has no owner, so only an admin renames it.")
    _check_name(name, old)
    if name in RESERVED:
        raise Refused(422, f"'{name}' is the address of a page: choose another name.", "name")
    for each in sorted((old, name)):
        await experiment_records.one_at_a_time(db, f"experiment/{each}")
    if not await records.lock_experiment(db, experiment.id):
        raise Refused(404, "There is no experiment of this name any more.")
    if await experiment_records.find(db, name):
        raise Refused(409, f"The name {name} is taken: choose another.", "name")
    if studies := (await records.contents(db, experiment)).studies:
        raise Refused(
            409,
            f"The experiment {old} is part of {_named('study', 'studies', studies)}, whose files name it.",
        )
    await records.rename_experiment(db, experiment, name)
    await note(db, _id(who), "renamed", "experiment", experiment.id, {"before": old, "name": name})


# ── task sets ───────────────────────────────────────────────────────────────────────────────────────────────────


def brought_in(who: Who, use: SetUse) -> bool:
    """Return whether an account may delete and rename a task set: who alone brought it in, an admin, the command line."""
    return who is None or who.role == "admin" or use.brought_by == {who.id}


def why_set_stays(who: Who, name: str, use: SetUse) -> str:
    """Return why a task set is not deleted, as a sentence; empty where it may be."""
    if not brought_in(who, use):
        return f"The task set {name} was not brought in by you alone, so only an admin deletes it."
    if use.experiments:
        return (
            f"The task set {name} stays, since {_counted(len(use.experiments), 'experiment', 'experiments')} asked its questions: "
            f"{_some(_seen(who, use))}; delete them first."
        )
    return ""


def _seen(who: Who, use: SetUse) -> list[str]:
    """Return the names of the experiments that an account may know of; the rest are of others."""
    every = who is None or who.role == "admin"
    named = [
        name
        for name, owner in zip(use.experiments, use.owners, strict=True)
        if every or (who and owner in (None, who.id))
    ]
    rest = len(use.experiments) - len(named)
    return [*named, *([f"{rest} of others"] if rest else [])]


async def delete_set(db: AsyncSession, who: Who, name: str) -> SetUse:
    """Delete a task set and note it on the trail. Return what it had. Raise Refused."""
    found = await _locked_set(db, name)
    use = await records.set_use(db, found.id)
    if reason := why_set_stays(who, name, use):
        raise Refused(403 if not brought_in(who, use) else 409, reason)
    texts = await records.delete_set(db, found.id)
    detail = {"passages": use.passages, "questions": use.questions, "texts": texts}
    await note(db, _id(who), "deleted", "task set", name, detail)
    return use


async def rename_set(db: AsyncSession, who: Who, old: str, name: str) -> SetUse:
    """Give a task set another name, and note it on the trail. Return who uses it. Raise Refused."""
    found = await _locked_set(db, old)
    use = await records.set_use(db, found.id)
    if not brought_in(who, use):
        raise Refused(
            403, f"The task set {old} was not brought in by you alone, so only an admin renames it."
        )
    if who is not None and who.role != "admin" and {*use.owners} - {who.id}:
        raise Refused(
            409,
            f"Experiments of others use the task set {old}, and their files name it: only an admin renames it.",
        )
    _check_name(name, old)
    if await task_records.find_set(db, name) is not None:
        raise Refused(409, f"The name {name} is taken: choose another.", "name")
    await records.rename_set(db, found.id, name)
    await note(db, _id(who), "renamed", "task set", name, {"before": old})
    return use


async def _locked_set(db: AsyncSession, name: str) -> SetRow:
    found = await task_records.find_set(db, name)
    if found is None or not await records.lock_set(db, found.id):
        raise Refused(404, f"There is no task set {name}.")
    return found


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _id(who: Who) -> uuid.UUID | None:
    return who.id if who is not None else None


def _check_name(name: str, old: str) -> None:
    if not re.fullmatch(NAME, name):
        raise Refused(422, BAD_NAME.replace("Name the task set with", "Write the new name with"), "name")
    if name == old:
        raise Refused(409, f"It is called {name} already: choose another name.", "name")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _named(one: str, many: str, names: Sequence[str]) -> str:
    return f"the {one if len(names) == 1 else many} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
