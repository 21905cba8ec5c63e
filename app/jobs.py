"""The queue's worker: which function a job calls, and the rescue of jobs whose worker died."""

import asyncio
import logging
import math
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.app import WorkerOptions
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker

from app.engine import Engine
from app.participants.base import EndpointSettings, NoKey
from app.participants.outages import EndpointPaused, EndpointState, Patience
from app.participants.participant_factory import ParticipantFactory
from app.records import personal_data, plays
from app.records.database import OUTAGE, Database, DatabaseError
from app.records.endpoints import DialectStore, heard, publish
from app.records.outage import kind_of
from app.records.progress import Progress, progress
from app.records.queue import (
    ADVANCE,
    ALONE,
    after_death,
    enqueue_orphans,
    is_only_rescuer,
    last_turn,
    queue_of,
    set_alone,
    wake,
)
from app.settings import Settings

log = logging.getLogger(__name__)
LOOK = 0.5
"""Seconds between two looks at how far an experiment is."""
WAIT = 5.0
"""Longest wait of the queue for a connection, in seconds: a stop waits for it where the database is away."""
PATIENCE = 10.0
"""Seconds that a worker is given to end in good order."""
WITHOUT_KEY = 15
"""Seconds after which a job that a worker without its key gave back is tried again."""
REPORT = 1.0
"""Seconds between two looks at which endpoints are paused."""
FORSAKEN = (
    "Two workers in a row ended while they had it in hand, before it made a move, the last one with nothing else in hand: "
    "see why they ended (out of memory, for instance), then retry it."
)
FINISHING = 600.0
"""Longest wait for what is in hand when an experiment is paused, in seconds."""
SWEEP = 3600.0
"""Seconds between two looks for data of people that have been kept for their time."""
LOST = 2.0
"""Longest wait of a worker that lost the database, before it looks for it again."""
REVIVAL = 600.0
"""Seconds for which the embedded server is waited for."""
FULL = 10
"""Seconds after which a job that met a full disk, or a crowded database, is tried again."""
POLL = 1.0
"""Seconds after which a worker looks for jobs that it was not notified of."""


class Again(BaseRetryStrategy):
    """Jobs that were stopped, or lost the database, go back on the queue; the engine keeps every other failure."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """See procrastinate: None ends the job."""
        if isinstance(exception, EndpointPaused):
            return RetryDecision(retry_in={"seconds": math.ceil(exception.seconds)})
        if isinstance(exception, NoKey):
            log.warning("%s Its jobs wait for a worker that has it.", exception)
            return RetryDecision(retry_in={"seconds": WITHOUT_KEY})
        if isinstance(exception, OUTAGE) and kind_of(exception) != "away":
            return RetryDecision(retry_in={"seconds": FULL})
        return RetryDecision() if isinstance(exception, (*OUTAGE, asyncio.CancelledError)) else None


def build(database: Database, engine: Engine) -> App:
    """The queue's application over one database."""
    app = App(connector=PsycopgConnector(conninfo=database.conninfo, min_size=1, max_size=4, timeout=WAIT))

    @app.task(name=ADVANCE, retry=Again())
    async def advance_play(id: str, moves: int | None = None, alone: str | None = None) -> None:
        await engine.advance(uuid.UUID(id))

    return app


@asynccontextmanager
async def working(
    database: Database,
    settings: Settings,
    experiments: Collection[uuid.UUID] | None = None,
    roster: ParticipantFactory | None = None,
    hands: "Hands | None" = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker in the background, for these experiments or for all; yields its task, stops it at the end.

    `hands` tell what it has in hand. Jobs in hand at the end go back on the queue at once: what they committed stays, and other workers go on from it.
    """
    roster = roster or ParticipantFactory(Patience(hours=settings.patience))
    roster.memory = roster.memory or DialectStore(database)
    engine = Engine(database, roster)
    queue = build(database, engine)
    hands = hands or Hands()
    async with queue.open_async():
        worker = asyncio.create_task(
            _work(database, queue, hands, Isolation(database), settings, experiments)
        )
        helpers = (
            asyncio.create_task(Rescue(queue, hands, database, settings, experiments or ()).run()),
            asyncio.create_task(EndpointReporter(roster, database, settings, experiments).run()),
            *([asyncio.create_task(sweep_people(database))] if experiments is None else []),
        )
        try:
            yield worker
        finally:
            hands.stop()
            for helper in helpers:
                helper.cancel()
            await _end(*helpers, worker)
            await engine.close()


async def sweep_people(database: Database) -> None:
    """Remove data of people that have been kept for their time, every so often, until cancelled."""
    this = asyncio.current_task()
    assert this is not None
    while not this.cancelling():
        try:
            async with database.session.begin() as session:
                await personal_data.sweep(session)
        except OUTAGE as error:
            database.outage.saw(error)
        await asyncio.sleep(SWEEP)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Wait for tasks that were asked to end, then cancel them until they are done.

    One cancellation may not do: where it meets a statement it can get lost, or come out as an error of the database.
    """
    pending = set(tasks)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=PATIENCE)
        for task in pending:
            task.cancel()


class Hands:
    """The jobs that the worker of this process has in hand, whatever the queue's table says."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.stopping = asyncio.Event()
        self._jobs: set[int | None] = set()

    @property
    def busy(self) -> bool:
        """Return whether it has any job in hand."""
        return bool(self._jobs)

    def stop(self) -> None:
        """Have the worker put down what it has in hand, and take no more."""
        self.stopping.set()
        if self.worker is not None:
            self.worker.stop()  # type: ignore[no-untyped-call]

    async def hold(self, go: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """Around every job: a middleware of procrastinate."""
        self._jobs.add(context.job.id)
        try:
            return await go()
        finally:
            self._jobs.discard(context.job.id)

    async def dropped(self, queue: App) -> list[Job]:
        """Jobs that the table shows in hand and that are not: the word that they began or ended was lost."""
        if self.worker is None or self.worker.worker_id is None:
            return []
        held = await queue.job_manager.list_jobs_async(status="doing", worker_id=self.worker.worker_id)
        return [job for job in held if job.id not in self._jobs]


class Isolation:
    """Does a job whose workers died with nothing beside it in this process, so that no other one is blamed or blames it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = asyncio.Condition()
        self._beside = 0
        """Other jobs that are being done."""
        self._suspects = 0
        """Jobs to be done alone, the one that is being done included: no other begins meanwhile."""
        self._alone = False

    async def hold(self, go: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker) -> Any:
        """Around every job: a middleware of procrastinate."""
        if context.job.task_kwargs.get(ALONE) is None:
            async with self._with_others():
                return await go()
        async with self._with_nothing():
            await self._mark(context.job, running=True)
            try:
                return await go()
            finally:  # A process that is killed does not come here: then the job is guilty.
                with suppress(*OUTAGE):
                    await self._mark(context.job, running=False)

    async def _mark(self, job: Job, *, running: bool) -> None:
        async with self._database.session.begin() as session:
            await set_alone(session, job, running=running)

    @asynccontextmanager
    async def _with_others(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._suspects)
            self._beside += 1
        try:
            yield
        finally:
            async with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def _with_nothing(self) -> AsyncIterator[None]:
        self._suspects += 1
        held = False
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._beside and not self._alone)
                self._alone = held = True
            yield
        finally:
            self._suspects -= 1
            async with self._changed:
                self._alone = self._alone and not held
                self._changed.notify_all()


async def _work(
    database: Database,
    queue: App,
    hands: Hands,
    isolation: Isolation,
    settings: Settings,
    experiments: Collection[uuid.UUID] | None,
) -> None:
    options = WorkerOptions(
        concurrency=settings.concurrency,
        fetch_job_polling_interval=POLL,
        delete_jobs="always",
        install_signal_handlers=False,
        shutdown_graceful_timeout=0,
        update_heartbeat_interval=settings.heartbeat,
        stalled_worker_timeout=settings.stalled_after,
        worker_middleware=[hands.hold, isolation.hold],
    )
    if experiments is not None:
        options["queues"] = [queue_of(item) for item in experiments]
    while not hands.stopping.is_set():
        hands.worker = Worker(queue, **options)
        # It ends by itself, one way or the other, where the database is away for long.
        try:
            await hands.worker.run()  # type: ignore[no-untyped-call]
        except ConnectorException as error:
            database.outage.saw(error)
        if not hands.stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(hands.stopping.wait(), min(settings.heartbeat, LOST))


@dataclass(slots=True)
class Rescue:
    """Looks after jobs whose worker died, or lost them on the way, and after work that has no job at all."""

    queue: App
    hands: Hands
    database: Database
    settings: Settings
    experiments: Collection[uuid.UUID]
    """Those whose work without a job is queued again."""
    suspects: Set[int | None] = frozenset()
    """Jobs that seemed forsaken at the last look."""

    async def run(self) -> None:
        """Look every so often, until cancelled."""
        this = asyncio.current_task()
        while this:
            try:
                await self.look()
            except (*OUTAGE, ConnectorException) as error:
                self.database.outage.saw(error)
            # A cancellation that came during a look is not raised again here.
            if this.cancelling():
                return
            await asyncio.sleep(self.settings.heartbeat)

    async def look(self) -> None:
        """Put forsaken jobs back on the queue, and queue work that has none.

        A job is forsaken where it seemed so at two looks, a heartbeat apart: when a suspended machine wakes up, every
        worker on it looks dead until it has had the time for a sign of life.
        """
        async with self.database.session.begin() as session:
            # One rescuer at a time: a second would give a job away again that has just found a new worker.
            if not await is_only_rescuer(session):
                return
            silent = self.settings.stalled_after
            stalled = await self.queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=silent)
            dead = {job.id for job in stalled}
            found = {job.id: job for job in [*stalled, *await self.hands.dropped(self.queue)]}
            forsaken = [job for number, job in found.items() if number in self.suspects]
            in_hand = Counter(job.worker_id for job in stalled)
            for job in forsaken:
                only = job.worker_id is not None and in_hand[job.worker_id] == 1
                await self._take_up(job, its_worker_died=job.id in dead, only=only)
            self.suspects = found.keys() - self.suspects
            for experiment in self.experiments:
                await enqueue_orphans(session, experiment)

    async def _take_up(self, job: Job, *, its_worker_died: bool, only: bool) -> None:
        """Queue a forsaken job again, or fail its play where it is what its workers died of.

        `only` says that its worker had nothing else in hand.
        """
        # In a separate transaction: the queue changes the same row over another connection.
        async with self.database.session.begin() as session:
            fate = await after_death(session, job, only=only) if its_worker_died else "again"
            guilty = fate == "guilty"
            row = await plays.load(session, uuid.UUID(str(job.task_kwargs["id"]))) if guilty else None
            if row is not None:
                await plays.mark(session, row, "failed", FORSAKEN)
            last = await last_turn(session, job)
        if guilty:
            log.warning("%s ended its worker while it was alone in it, and fails", job.lock)
            await self.queue.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        elif fate == "alone":
            log.warning(
                "%s was forsaken twice and is tried alone, after the rest of its experiment", job.lock
            )
            await self.queue.job_manager.retry_job(job, priority=last)
        else:
            log.warning("%s was forsaken by its worker and is queued again", job.lock)
            await self.queue.job_manager.retry_job(job)


@dataclass(slots=True)
class EndpointReporter:
    """Stores which endpoints this process has paused, for other processes to show and to leave alone, learns what they have
    paused, and wakes jobs when endpoints are back.
    """

    roster: ParticipantFactory
    database: Database
    settings: Settings
    experiments: Collection[uuid.UUID] | None
    process: uuid.UUID = field(default_factory=uuid.uuid4)
    _stored: Sequence[tuple[EndpointSettings, EndpointState]] = ()
    _stored_at: float = float("-inf")

    async def run(self) -> None:
        """Look every so often, until cancelled; then take back what was stored."""
        this = asyncio.current_task()
        assert this is not None
        try:
            async with self.database.session.begin() as session:
                await wake(session, self.experiments)  # A process that died may have put them off.
            while not this.cancelling():
                try:
                    await self.look()
                except OUTAGE as error:  # What could not be stored is stored at the next look.
                    self.database.outage.saw(error)
                await asyncio.sleep(REPORT)
        finally:
            if self._stored:
                with suppress(*OUTAGE):
                    async with self.database.session.begin() as session:
                        await publish(session, self.process, [], seconds=0)

    async def look(self) -> None:
        """Learn what others have paused. Store what has changed since the last look, or is about to expire, and wake the jobs
        of an endpoint that is back.
        """
        async with self.database.session() as session:
            self.roster.hear(await heard(session, self.process))
        states = self.roster.states()
        expired = bool(states) and time.monotonic() - self._stored_at > self.settings.heartbeat
        if not expired and _shown(states) == _shown(self._stored):
            return
        back = _paused(self._stored) - _paused(states)
        async with self.database.session.begin() as session:
            await publish(
                session, self.process, states, seconds=self.settings.heartbeat + self.settings.stalled_after
            )
            if back:
                await wake(session, self.experiments)
        self._stored, self._stored_at = states, time.monotonic()


def _paused(states: Sequence[tuple[EndpointSettings, EndpointState]]) -> set[tuple[str, str | None, str]]:
    """Return the keys of what is paused. An endpoint that comes back with a pace stays among them: its jobs come in time."""
    return {
        (str(settings.base_url), settings.api_key_env, state.model)
        for settings, state in states
        if state.since or state.rate
    }


def _shown(states: Sequence[tuple[EndpointSettings, EndpointState]]) -> list[Any]:
    """Return what tells one state from another: a pace to the minute, the next try to the second."""
    return [
        (
            state.name,
            state.model,
            state.since,
            state.reason,
            state.next and state.next.replace(microsecond=0),
            state.rate and round(60 * state.rate),
        )
        for _, state in states
    ]


async def follow(database: Database, settings: Settings, experiment: uuid.UUID) -> AsyncIterator[Progress]:
    """Work on an experiment until nothing more can be done without a person, telling how far it is.

    Raises DatabaseError where the database stays away.
    """
    now = await _look(database, settings, experiment)
    if not now.running:
        yield now
        return
    hands = Hands()
    async with working(database, settings, [experiment], hands=hands) as worker:
        paused = float("inf")
        while True:
            if worker.done():
                await worker  # raises what ended it
            busy, now = hands.busy, await _look(database, settings, experiment)
            yield now
            if now.state == "paused":
                paused = min(paused, time.monotonic())
            # Replies that were asked for before a pause are paid for, and so are waited for.
            finishing = now.state == "paused" and busy and time.monotonic() - paused < FINISHING
            if not now.running and not finishing:
                return
            await asyncio.wait([worker], timeout=LOOK)


async def _look(database: Database, settings: Settings, experiment: uuid.UUID) -> Progress:
    """How far an experiment is; a database that is away is waited for, as long as for a worker's sign of life. The embedded
    one is being started again, which may take longer.
    """
    seconds = max(settings.stalled_after, REVIVAL if database.embedded else 0)
    patience = time.monotonic() + seconds
    while True:
        try:
            async with database.session() as session:
                return await progress(session, experiment)
        except OUTAGE as error:
            if time.monotonic() > patience:
                raise DatabaseError(
                    f"The database has been away for {seconds:g} s: see that its server runs; "
                    "everything done so far is kept, and the same command goes on from here."
                ) from error
        await asyncio.sleep(LOOK)
