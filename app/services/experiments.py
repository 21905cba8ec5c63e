"""Starting an experiment and adding a judging round for somebody, over the API or in the browser."""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import Started, judge_again, refuse_cancelled, start, under
from app.experiments.reach import reach
from app.experiments.spec import Cast, PanelSpec, Spec, SpecError
from app.records import experiments as records
from app.records.database import Database
from app.records.people import note
from app.services.egress import GuardedParticipantFactory, allow_list
from app.web.security.middleware import Refused
from app.web.security.permissions import may_see
from app.web.security.rate_limit import limited
from models import Account, Experiment

Load = Callable[[AsyncSession], Awaitable[Experiment]]
"""Finds an experiment that somebody may see, or refuses."""


async def start_for(request: Request, who: Account, spec: Spec, *, retry_failed: bool = False) -> Started:
    """Start an experiment of somebody's own, or go on with the one that was started from the same spec.

    Raises SpecError, ParticipantError or Refused.
    """
    database: Database = request.app.state.database
    async with database.session() as db:
        existing = await records.find(db, spec.name)
    _refuse_taken(who, existing, spec.name)
    if existing is None or retry_failed:
        await _reach(request, who, spec.cast, spec.used)
    async with database.session.begin() as db:
        _refuse_taken(who, await under(db, spec.name), spec.name)
        started = await start(db, spec)
        await _begun(db, who, started, retry_failed=retry_failed)
    return started


def _refuse_taken(who: Account, existing: Experiment | None, name: str) -> None:
    """Names are unique in the arena, so that one is taken has to be told; whose it is, and of what, is not."""
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
    request: Request, who: Account, load: Load, panel: PanelSpec, *, retry_failed: bool = False
) -> int:
    """Judge the finished trials in a round, new or there already; returns the judgements queued.

    Raises SpecError, ParticipantError or Refused.
    """
    database: Database = request.app.state.database
    async with database.session() as db:
        await judgeable(db, load)
    await _reach(request, who, panel.cast, panel.panel.judges)
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


async def _reach(request: Request, who: Account, cast: Cast, names: Iterable[str]) -> None:
    """See that its endpoints answer, with no transaction open."""
    await limited(request, f"try/{who.id}", 30)
    await reach(cast, names, GuardedParticipantFactory(allow_list(request.app.state.settings)))
