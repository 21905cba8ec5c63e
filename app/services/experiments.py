"""Starting, steering and judging experiments on behalf of an account."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import Started, judge_again, refuse_cancelled, start, under
from app.experiments.reach import reach
from app.experiments.spec import Cast, PanelSpec, Spec, SpecError
from app.records import experiments as records
from app.records.database import Database
from app.records.people import note
from app.records.spending import spent_by
from app.services.egress import GuardedParticipantFactory, allow_list
from app.services.rate_limit import limited
from app.services.refusal import Refused
from app.services.visibility import may_see
from app.settings import Settings
from models import Account, Experiment

Action = Literal["pause", "resume", "cancel", "retry"]
DONE: dict[Action, str] = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "retry": "retried what failed",
}
"""What the audit trail says of an action."""
Load = Callable[[AsyncSession], Awaitable[Experiment]]
"""Finds an experiment that the account may see, or refuses."""


async def start_for(
    database: Database, settings: Settings, who: Account, spec: Spec, *, retry_failed: bool = False
) -> Started:
    """Start an experiment owned by the account, or continue the one that was started from the same spec.

    Raises SpecError, ParticipantError or Refused.
    """
    async with database.session() as db:
        existing = await records.find(db, spec.name)
    _refuse_taken(who, existing, spec.name)
    if existing is None:  # One that goes on waits for its endpoints.
        await _reach(database, settings, who, spec.cast, spec.used)
    async with database.session.begin() as db:
        _refuse_taken(who, await under(db, spec.name), spec.name)
        started = await start(db, spec)
        await _begun(db, who, started, retry_failed=retry_failed)
    return started


def _refuse_taken(who: Account, existing: Experiment | None, name: str) -> None:
    """Refuse a name that another owner has taken. The sentence says that it is taken, not by whom."""
    if existing is not None and not may_see(who, existing):
        raise Refused(409, f"The name {name} is taken: choose another.")


async def _begun(db: AsyncSession, who: Account, started: Started, *, retry_failed: bool) -> None:
    experiment = started.experiment
    if started.new:
        experiment.owner_id = who.id
    else:
        await records.resume(db, experiment.id, retry_failed=retry_failed)
    action = "started" if started.new else "resumed"
    await note(db, who.id, action, "experiment", experiment.id, {"name": experiment.name})


async def judge_for(
    database: Database,
    settings: Settings,
    who: Account,
    load: Load,
    panel: PanelSpec,
    *,
    retry_failed: bool = False,
) -> int:
    """Judge the finished trials in a round, new or there already; returns the judgements queued.

    Raises SpecError, ParticipantError or Refused.
    """
    async with database.session() as db:
        experiment = await judgeable(db, load)
        new = await records.find_round(db, experiment.id, panel.name) is None
    if new:
        await _reach(database, settings, who, panel.cast, panel.panel.judges)
    async with database.session.begin() as db:
        experiment = await judgeable(db, load)
        queued = await judge_again(db, experiment, panel)
        await records.resume(db, experiment.id, retry_failed=retry_failed)
        await note(db, who.id, "judged again", "experiment", experiment.id, {"round": panel.name})
    return queued


async def judgeable(db: AsyncSession, load: Load) -> Experiment:
    """An experiment that may be judged again. Raises Refused."""
    experiment = await load(db)
    try:
        await refuse_cancelled(db, experiment)
    except SpecError as error:
        raise Refused(409, str(error)) from error
    return experiment


async def _reach(
    database: Database, settings: Settings, who: Account, cast: Cast, names: Iterable[str]
) -> None:
    """See that its endpoints answer, with no transaction open."""
    await limited(database, f"try/{who.id}", 30)
    await reach(cast, names, GuardedParticipantFactory(allow_list(settings)))


async def change(db: AsyncSession, who: Account | None, experiment: Experiment, action: Action) -> bool:
    """Carry out an action and put it on the trail; False, and neither, where its state does not allow it.

    `who` is None on the command line.

    Raise Refused where its spending cap does not allow it.
    """
    match action:
        case "pause":
            changed = await records.pause(db, experiment.id)
        case "resume":
            if reached := (await spent_by(db, experiment.id)).sentence:
                raise Refused(409, reached)
            changed = await records.unpause(db, experiment.id)
        case "cancel":
            changed = await records.cancel(db, experiment.id)
        case "retry":
            changed = experiment.state != "cancelled"
            if changed:
                await records.resume(db, experiment.id, retry_failed=True)
    if changed:
        await note(
            db, who.id if who else None, DONE[action], "experiment", experiment.id, {"name": experiment.name}
        )
    return changed
