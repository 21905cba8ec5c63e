"""The queue's worker: which function a job calls, and the rescue of jobs whose worker died."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.app import WorkerOptions
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from app.engine import Engine
from app.participants.base import NoKey
from app.participants.participant_factory import ParticipantFactory
from app.records.database import OUTAGE, Database, DatabaseError
from app.records.progress import Progress, progress
from app.records.queue import ADVANCE, enqueue_orphans, is_only_rescuer, queue_of
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
POLL = 1.0
"""Seconds after which a worker looks for jobs that it was not notified of."""


class Again(BaseRetryStrategy):
    """Jobs that were stopped, or lost the database, go back on the queue; the engine keeps every other failure."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """See procrastinate: None ends the job."""
        if isinstance(exception, NoKey):
            log.warning("%s Its jobs wait for a worker that has it.", exception)
            return RetryDecision(retry_in={"seconds": WITHOUT_KEY})
        return RetryDecision() if isinstance(exception, (*OUTAGE, asyncio.CancelledError)) else None


def build(database: Database, engine: Engine) -> App:
    """The queue's application over one database."""
    app = App(connector=PsycopgConnector(conninfo=database.conninfo, min_size=1, max_size=4, timeout=WAIT))

    @app.task(name=ADVANCE, retry=Again())
    async def advance_play(id: str) -> None:
        await engine.advance(uuid.UUID(id))

    return app


@asynccontextmanager
async def working(
    database: Database,
    settings: Settings,
    experiments: Collection[uuid.UUID] | None = None,
    roster: ParticipantFactory | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a worker in the background, for these experiments or for all; yields its task, stops it at the end.

    Jobs in hand at the end go back on the queue at once: what they committed stays, and other workers go on from it.
    """
    engine = Engine(database, roster)
    queue = build(database, engine)
    hands = Hands()
    async with queue.open_async():
        worker = asyncio.create_task(_work(queue, hands, settings, experiments))
        rescuer = asyncio.create_task(Rescue(queue, hands, database, settings, experiments or ()).run())
        try:
            yield worker
        finally:
            hands.stop()
            rescuer.cancel()
            await _end(rescuer, worker)
            await engine.close()


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


async def _work(
    queue: App, hands: Hands, settings: Settings, experiments: Collection[uuid.UUID] | None
) -> None:
    options = WorkerOptions(
        concurrency=settings.concurrency,
        fetch_job_polling_interval=POLL,
        delete_jobs="always",
        install_signal_handlers=False,
        shutdown_graceful_timeout=0,
        update_heartbeat_interval=settings.heartbeat,
        stalled_worker_timeout=settings.stalled_after,
        worker_middleware=[hands.hold],
    )
    if experiments is not None:
        options["queues"] = [queue_of(item) for item in experiments]
    while not hands.stopping.is_set():
        hands.worker = Worker(queue, **options)
        # It ends by itself, one way or the other, where the database is away for long.
        with suppress(ConnectorException):
            await hands.worker.run()  # type: ignore[no-untyped-call]
        if not hands.stopping.is_set():
            log.warning("The worker lost the database; it starts again in %g s", settings.heartbeat)
            with suppress(TimeoutError):
                await asyncio.wait_for(hands.stopping.wait(), settings.heartbeat)


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
                log.warning(
                    "Looking for forsaken jobs failed (%s); another look follows", type(error).__name__
                )
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
            found = {job.id: job for job in [*stalled, *await self.hands.dropped(self.queue)]}
            for job in (job for number, job in found.items() if number in self.suspects):
                log.warning("%s was forsaken by its worker and is queued again", job.lock)
                await self.queue.job_manager.retry_job(job)
            self.suspects = found.keys() - self.suspects
            for experiment in self.experiments:
                await enqueue_orphans(session, experiment)


async def follow(database: Database, settings: Settings, experiment: uuid.UUID) -> AsyncIterator[Progress]:
    """Work on an experiment until nothing more can be done without a person, telling how far it is.

    Raises DatabaseError where the database stays away.
    """
    now = await _look(database, settings, experiment)
    if not now.running:
        yield now
        return
    async with working(database, settings, [experiment]) as worker:
        while True:
            if worker.done():
                await worker  # raises what ended it
            now = await _look(database, settings, experiment)
            yield now
            if not now.running:
                return
            await asyncio.wait([worker], timeout=LOOK)


async def _look(database: Database, settings: Settings, experiment: uuid.UUID) -> Progress:
    """How far an experiment is; a database that is away is waited for, as long as for a worker's sign of life."""
    patience = time.monotonic() + settings.stalled_after
    while True:
        try:
            async with database.session() as session:
                return await progress(session, experiment)
        except OUTAGE as error:
            if time.monotonic() > patience:
                raise DatabaseError(
                    f"The database has been away for {settings.stalled_after:g} s: see that its server runs; "
                    "everything done so far is kept, and the same command goes on from here."
                ) from error
        await asyncio.sleep(LOOK)
