"""What experiments take of their models, beside their caps: counted with every call, looked up without reading calls."""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import AtRest, Call, Ending
from app.participants.spending import Cap, Prices, Spent, Use, spent, tokens_of
from app.records.database import Database
from models import Experiment, Spending

LOOK = 1.0
"""Seconds after which a process looks whether an experiment has a cap by now."""
LOOK_AT_OTHERS = 0.2
"""Seconds after which it looks again at what others have taken of one: by so much they may go over it together."""

Model: TypeAlias = tuple[str, str]
"""Names of an endpoint and of a model there."""
Key: TypeAlias = tuple[uuid.UUID, str, str]
"""An experiment and a model."""


class CapReached(AtRest):
    """The experiment has taken as much as it may: nothing more is asked."""


async def spent_by(session: AsyncSession, experiment: uuid.UUID) -> Spent:
    """Return what an experiment has taken, beside its cap."""
    terms = await _terms(session, experiment)
    return spent(terms.cap, terms.prices, await _uses(session, experiment))


async def _uses(
    session: AsyncSession, experiment: uuid.UUID, without: uuid.UUID | None = None
) -> dict[Model, Use]:
    """Return the use by model, all processes together or without one."""
    rows = await session.scalars(select(Spending).where(Spending.experiment_id == experiment))
    found: dict[Model, Use] = defaultdict(Use)
    for row in rows:
        if row.process != without:
            found[row.endpoint, row.model] += Use(row.calls, row.prompt, row.cached, row.completion)
    return found


@dataclass(frozen=True, slots=True)
class _Terms:
    """The cap of an experiment, and the prices that it names."""

    cap: Cap
    prices: Prices


async def _terms(session: AsyncSession, experiment: uuid.UUID) -> _Terms:
    found = await session.execute(
        select(
            Experiment.cap,
            Experiment.spec["cap"],
            Experiment.spec["prices"],
            Experiment.spec["participants"],
        ).where(Experiment.id == experiment)
    )
    changed, cap, prices, participants = found.one()
    spec = {"prices": prices or {}, "participants": participants}
    return _Terms(Cap.of(cap if changed is None else changed), Prices.of(spec))


async def set_cap(session: AsyncSession, experiment: uuid.UUID, cap: Cap) -> None:
    """Let another cap hold from now on."""
    await session.execute(
        update(Experiment)
        .where(Experiment.id == experiment)
        .values(cap=cap.as_json())
        .execution_options(synchronize_session=False)
    )


async def add(session: AsyncSession, process: uuid.UUID, taken: Iterable[tuple[Key, Use]]) -> None:
    """Add to what a process has taken, in the transaction that stores its calls."""
    together: dict[Key, Use] = defaultdict(Use)
    for key, use in taken:
        together[key] += use
    if not together:
        return
    await session.execute(_MORE, [_row(process, key, use) for key, use in together.items()])


def _more() -> Insert:
    new = insert(Spending)
    counts = ("calls", "prompt", "cached", "completion")
    more = {name: getattr(Spending, name) + getattr(new.excluded, name) for name in counts}
    keys = [column.name for column in Spending.__table__.primary_key]
    return new.on_conflict_do_update(index_elements=keys, set_=more)


_MORE = _more()
"""Adds to the use of a model, or begins it."""


def _row(process: uuid.UUID, key: Key, use: Use) -> dict[str, Any]:
    experiment, endpoint, model = key
    return {
        "experiment_id": experiment,
        "process": process,
        "endpoint": endpoint,
        "model": model,
        "calls": use.calls,
        "prompt": use.prompt,
        "cached": use.cached,
        "completion": use.completion,
    }


@dataclass(slots=True)
class _Known:
    """What a process knows of an experiment."""

    terms: _Terms
    others: Mapping[Model, Use]
    """What other processes have taken."""
    at: float


class SpendingMeter:
    """What one process takes, counted before each request, so that it sends none beyond a cap by its own count."""

    def __init__(self, database: Database) -> None:
        self.process = uuid.uuid4()
        self._database = database
        self._own: dict[uuid.UUID, dict[Model, Use]] = defaultdict(lambda: defaultdict(Use))
        self._known: dict[uuid.UUID, _Known] = {}
        self._looking: dict[uuid.UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    def begun(self, experiment: uuid.UUID, call: Call) -> tuple[Key, Use]:
        """Count an attempt that is about to be sent; return what to store of it."""
        return self._count((experiment, call.endpoint, call.model), Use(calls=1))

    def ended(self, key: Key, ending: Ending, characters: int) -> tuple[Key, Use]:
        """Count the tokens of an attempt; return what to store of it."""
        return self._count(key, tokens_of(ending, characters))

    def _count(self, key: Key, use: Use) -> tuple[Key, Use]:
        experiment, endpoint, model = key
        self._own[experiment][endpoint, model] += use
        return key, use

    async def admit(self, experiment: uuid.UUID) -> None:
        """Raise CapReached where a cap of the experiment is reached, and nothing more may be sent."""
        known = await self._look(experiment)
        if not known.terms.cap:
            return
        uses: dict[Model, Use] = defaultdict(Use)
        for part in (known.others, self._own[experiment]):
            for model, use in part.items():
                uses[model] += use
        if sentence := spent(known.terms.cap, known.terms.prices, uses).sentence:
            # A cap that is raised counts at once.
            self._known.pop(experiment, None)
            raise CapReached(sentence)

    async def _look(self, experiment: uuid.UUID) -> _Known:
        async with self._looking[experiment]:
            known = self._known.get(experiment)
            age = LOOK_AT_OTHERS if known and known.terms.cap else LOOK
            if known is None or time.monotonic() - known.at > age:
                async with self._database.reading() as session:
                    terms = await _terms(session, experiment)
                    others = await _uses(session, experiment, without=self.process) if terms.cap else {}
                known = self._known[experiment] = _Known(terms, others, time.monotonic())
            return known
