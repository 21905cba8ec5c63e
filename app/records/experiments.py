"""Experiments in the database: creating them whole, adding judging rounds, retrying, and their progress."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import func, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import EndpointSettings
from app.records.assignment import reopen_failed
from app.records.eligibility import role_for
from app.records.live import ABANDONED
from app.records.queue import enqueue, enqueue_orphans, unqueue
from app.records.texts import keep
from models import (
    Arm,
    ArmSeat,
    Endpoint,
    Experiment,
    Judgement,
    JudgingRound,
    Participant,
    PlayRow,
    SeatRow,
    Trial,
)

FIRST_ROUND = "panel"


@dataclass(frozen=True, slots=True)
class NewParticipant:
    """A participant as an experiment's file describes it."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    digest: str
    endpoint: tuple[str, EndpointSettings] | None
    """Name, base URL and name of the key's environment variable."""


@dataclass(frozen=True, slots=True)
class NewArm:
    """An arm with names of participants by seat, those for people left out, and templates by name."""

    name: str
    protocol: str
    settings: Mapping[str, Any]
    seats: Mapping[str, str]
    prompts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SeatTerms:
    """How a person may hold a seat."""

    once: bool
    """Whether its holder is shown no other trial on the passage in the experiment."""
    lease_minutes: int
    seconds: int | None = None
    """The time that a judge has."""


@dataclass(frozen=True, slots=True)
class NewSeat:
    """A seat of a trial that is open to people."""

    name: str
    reads_passage: bool
    terms: SeatTerms


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A trial of the arm named `arm`."""

    arm: str
    question: uuid.UUID
    judge: str | None
    place: int
    answers: Sequence[int]
    argues: Mapping[str, int]
    assignment: int
    replicate: int
    seed: int
    judge_seat: str
    judge_reads_passage: bool
    reading: Sequence[Sequence[int]]
    """The orders in which a judge reads it; none where the judge takes part in the talk."""
    seats: Sequence[NewSeat] = ()
    """Those for people."""


@dataclass(frozen=True, slots=True)
class NewRound:
    """A panel of judges by name."""

    name: str
    judges: Sequence[str]
    elicit: str
    repeats: int
    """How often each judge that is no person reads a trial in each order."""
    spec: Mapping[str, Any]
    digest: str
    places: int
    """People wanted for each trial."""
    terms: SeatTerms | None
    """How they hold their seats; None where no people are wanted."""


@dataclass(frozen=True, slots=True)
class NewExperiment:
    """Everything that is frozen when an experiment starts."""

    name: str
    task_set: uuid.UUID
    spec: Mapping[str, Any]
    digest: str
    seed: int
    participants: Sequence[NewParticipant]
    arms: Sequence[NewArm]
    trials: Sequence[NewTrial]
    round: NewRound


@dataclass(frozen=True, slots=True)
class TrialToJudge:
    """A trial, the orders to read it in, its seed, the name of its judge's seat, and whether that reads the passage."""

    id: uuid.UUID
    reading: Sequence[Sequence[int]]
    seed: int
    seat: str
    reads_passage: bool


async def give(session: AsyncSession, experiment: uuid.UUID, owner: uuid.UUID) -> None:
    """Make an account the owner of an experiment."""
    given = update(Experiment).where(Experiment.id == experiment).values(owner_id=owner)
    await session.execute(given, execution_options={"synchronize_session": False})


async def find(session: AsyncSession, name: str) -> Experiment | None:
    """Return the experiment of this name."""
    return (await session.scalars(select(Experiment).where(Experiment.name == name))).one_or_none()


async def names(session: AsyncSession) -> list[str]:
    """Return the names of all experiments, oldest first."""
    return list(await session.scalars(select(Experiment.name).order_by(Experiment.created_at)))


async def create(session: AsyncSession, new: NewExperiment) -> Experiment:
    """Freeze an experiment: every row of it, and the jobs of its trials, in one transaction."""
    experiment = Experiment(
        name=new.name, task_set_id=new.task_set, spec=dict(new.spec), digest=new.digest, seed=new.seed
    )
    session.add(experiment)
    await session.flush()
    people = await save_participants(session, new.participants)
    arms = await save_arms(session, experiment.id, new.arms, people)
    trials = [_trial_row(experiment.id, arms, people, place, item) for place, item in enumerate(new.trials)]
    if trials:
        await session.execute(insert(Trial), trials)
    both = list(zip((row["id"] for row in trials), new.trials, strict=True))
    seats = [
        _seat_row(trial, seat.name, role_for(seat.reads_passage), seat.reads_passage, seat.terms)
        for trial, item in both
        for seat in item.seats
    ]
    if seats:
        await session.execute(insert(SeatRow), seats)
    readings = [
        TrialToJudge(trial, item.reading, item.seed, item.judge_seat, item.judge_reads_passage)
        for trial, item in both
        if item.reading
    ]
    panel = await _save_round(session, experiment.id, 0, new.round)
    await _add_judgements(session, panel, new.round, people, readings)
    await enqueue(session, experiment.id, [row["id"] for row in trials])
    return experiment


async def save_participants(session: AsyncSession, new: Sequence[NewParticipant]) -> dict[str, uuid.UUID]:
    """Return the id of each participant by name. Those with the settings of an existing one are that one."""
    for item in new:
        endpoint = await _endpoint(session, item.endpoint) if item.endpoint else None
        row = {
            "id": uuid.uuid4(),
            "name": item.name,
            "kind": item.kind,
            "endpoint_id": endpoint,
            "settings": dict(item.settings),
            "digest": item.digest,
        }
        await session.execute(insert(Participant).values(row).on_conflict_do_nothing())
    by_digest = {item.digest: item.name for item in new}
    rows = await session.execute(
        select(Participant.id, Participant.digest).where(Participant.digest.in_(by_digest))
    )
    return {by_digest[row.digest]: row.id for row in rows}


async def _endpoint(session: AsyncSession, endpoint: tuple[str, EndpointSettings]) -> uuid.UUID:
    name, settings = endpoint
    url, variable, more = str(settings.base_url), settings.api_key_env, settings.more()
    row = {"id": uuid.uuid4(), "name": name, "base_url": url, "api_key_env": variable, "more": more}
    await session.execute(insert(Endpoint).values(row).on_conflict_do_nothing())
    found = select(Endpoint.id).where(
        Endpoint.name == name,
        Endpoint.base_url == url,
        Endpoint.api_key_env.is_not_distinct_from(variable),
        Endpoint.more == more,
    )
    return (await session.scalars(found)).one()


async def save_arms(
    session: AsyncSession, experiment: uuid.UUID, arms: Sequence[NewArm], people: Mapping[str, uuid.UUID]
) -> dict[str, uuid.UUID]:
    """Store arms with their seats and prompts. Return their ids by name."""
    ids = {arm.name: uuid.uuid4() for arm in arms}
    for position, arm in enumerate(arms):
        digests = await keep(session, arm.prompts.values())
        prompts = {name: value.hex() for name, value in zip(arm.prompts, digests, strict=True)}
        session.add(
            Arm(
                id=ids[arm.name],
                experiment_id=experiment,
                name=arm.name,
                position=position,
                protocol=arm.protocol,
                settings=dict(arm.settings),
                prompts=prompts,
            )
        )
        session.add_all(
            ArmSeat(arm_id=ids[arm.name], seat=seat, participant_id=people[holder])
            for seat, holder in arm.seats.items()
        )
    await session.flush()
    return ids


def _trial_row(
    experiment: uuid.UUID,
    arms: Mapping[str, uuid.UUID],
    people: Mapping[str, uuid.UUID],
    position: int,
    item: NewTrial,
) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "kind": "talk",
        "experiment_id": experiment,
        "arm_id": arms[item.arm],
        "question_id": item.question,
        "judge_id": None if item.judge is None else people[item.judge],
        "place": item.place,
        "answers": list(item.answers),
        "argues": dict(item.argues),
        "assignment": item.assignment,
        "replicate": item.replicate,
        "seed": item.seed,
        "position": position,
    }


def _seat_row(play: uuid.UUID, name: str, role: str, reads_passage: bool, terms: SeatTerms) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "play_id": play,
        "seat": name,
        "role": role,
        "reads_passage": reads_passage,
        "once": terms.once,
        "lease_minutes": terms.lease_minutes,
        "seconds": terms.seconds,
    }


async def _save_round(
    session: AsyncSession, experiment: uuid.UUID, position: int, new: NewRound
) -> JudgingRound:
    row = JudgingRound(
        experiment_id=experiment,
        name=new.name,
        position=position,
        elicit=new.elicit,
        spec=dict(new.spec),
        digest=new.digest,
    )
    session.add(row)
    await session.flush()
    return row


async def _add_judgements(
    session: AsyncSession,
    panel: JudgingRound,
    new: NewRound,
    people: Mapping[str, uuid.UUID],
    trials: Sequence[TrialToJudge],
) -> list[uuid.UUID]:
    """A judgement of every trial by every judge, in that order, and places for people; those there already stay.

    Returns the new judgements that can be queued.
    """
    judged = [
        _judgement_row(
            panel,
            trial,
            list(trial.reading) * new.repeats,
            judge_id=people[judge],
            seed=_seed_for(trial.seed, judge),
        )
        for trial in trials
        for judge in new.judges
    ]
    places = [_place_row(panel, place, trial) for trial in trials for place in range(1, new.places + 1)]
    added: set[uuid.UUID] = set()
    for rows in (judged, places):
        if rows:
            statement = insert(Judgement).on_conflict_do_nothing().returning(Judgement.id)
            added |= set(await session.scalars(statement, rows))
    await _add_judges_seats(session, new, trials, [row for row in places if row["id"] in added])
    return [row["id"] for row in judged if row["id"] in added]


async def _add_judges_seats(
    session: AsyncSession,
    new: NewRound,
    trials: Sequence[TrialToJudge],
    places: Sequence[Mapping[str, Any]],
) -> None:
    """Open a seat for a person in each of these judgings."""
    if not places:
        return
    assert new.terms is not None
    judged = {trial.id: trial for trial in trials}
    seats = [
        _seat_row(row["id"], trial.seat, "judge", trial.reads_passage, new.terms)
        for row in places
        for trial in (judged[row["talk_id"]],)
    ]
    await session.execute(insert(SeatRow), seats)


def _judgement_row(
    panel: JudgingRound, trial: TrialToJudge, reading: Sequence[Sequence[int]], **values: Any
) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "kind": "judging",
        "experiment_id": panel.experiment_id,
        "round_id": panel.id,
        "talk_id": trial.id,
        "reading": [list(order) for order in reading],
        **values,
    }


def _seed_for(seed: int, judge: str) -> int:
    """Return a seed for a judge of a trial, so that two judges with the same settings sample independently."""
    return Random(f"{seed}/{judge}").getrandbits(63)


def _place_row(panel: JudgingRound, place: int, trial: TrialToJudge) -> dict[str, Any]:
    """A judging for a person, who reads in one of the orders, drawn by the trial's seed and the place."""
    order = Random(f"{trial.seed}/place/{place}").choice(list(trial.reading))
    return _judgement_row(panel, trial, [order], seed=trial.seed, place=place, state="open")


async def find_round(session: AsyncSession, experiment: uuid.UUID, name: str) -> JudgingRound | None:
    """Return the judging round of this name."""
    return (
        await session.scalars(
            select(JudgingRound).where(JudgingRound.experiment_id == experiment, JudgingRound.name == name)
        )
    ).one_or_none()


async def finished_trials(session: AsyncSession, experiment: uuid.UUID) -> list[tuple[Trial, Arm]]:
    """Trials that can be judged (again), with their arms; where a judge took part, its talk is read unchanged."""
    rows = await session.execute(
        select(Trial, Arm)
        .join(Arm, Arm.id == Trial.arm_id)
        .where(Trial.experiment_id == experiment, Trial.state == "done")
        .order_by(Trial.position)
    )
    return [(row[0], row[1]) for row in rows]


async def judge_trials(
    session: AsyncSession,
    experiment: uuid.UUID,
    new: NewRound,
    participants: Sequence[NewParticipant],
    trials: Sequence[TrialToJudge],
) -> int:
    """Judge finished trials in a round, which is made if it is new. Return the number of judgements queued."""
    people = await save_participants(session, participants)
    row = await find_round(session, experiment, new.name)
    if row is None:
        last = await session.scalar(
            select(func.max(JudgingRound.position)).where(JudgingRound.experiment_id == experiment)
        )
        row = await _save_round(session, experiment, (last or 0) + 1, new)
    ids = await _add_judgements(session, row, new, people, trials)
    return await enqueue(session, experiment, ids)


async def one_at_a_time(session: AsyncSession, what: str) -> None:
    """Wait for other transactions that do the same, such as starting the experiment of one name."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(what, 0))))


async def resume(session: AsyncSession, experiment: uuid.UUID, *, retry_failed: bool) -> int:
    """Queue all work without a job, and on request failed work. Return the number of jobs.

    Failed work of a person is open to all people again. A talk that ended because a person left it stays ended.
    """
    if not retry_failed:
        return await enqueue_orphans(session, experiment)
    # Judgements by people aside: those have a place.
    model_judged = or_(PlayRow.kind == "talk", PlayRow.place == 0)
    await session.execute(
        update(PlayRow)
        .where(PlayRow.experiment_id == experiment, PlayRow.state == "failed", model_judged, not_(ABANDONED))
        .values(state="queued", error=None)
    )
    queued = await reopen_failed(session, experiment)
    # Running jobs may be those of the work that just failed, about to end, so they do not count.
    return queued + await enqueue_orphans(session, experiment, ["todo"])


async def pause(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Pause a running experiment. Running work stops before its next step. Return False where it is not
    running.
    """
    return await _stop(session, experiment, "paused", ["running"])


async def cancel(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Cancel an experiment for good. Its data stay. Return False where it is cancelled already."""
    return await _stop(session, experiment, "cancelled", ["running", "paused"])


async def unpause(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Resume a paused experiment. Return False where it is not paused."""
    if not await _change(session, experiment, "running", ["paused"]):
        return False
    # Running jobs may have seen the pause and be about to end, so they do not count.
    await enqueue_orphans(session, experiment, ["todo"])
    return True


async def is_cancelled(session: AsyncSession, experiment: uuid.UUID) -> bool:
    """Return whether an experiment was cancelled. It cannot be cancelled before this transaction ends."""
    state = select(Experiment.state).where(Experiment.id == experiment).with_for_update(read=True)
    return (await session.scalars(state)).one() == "cancelled"


async def _stop(session: AsyncSession, experiment: uuid.UUID, state: str, before: Sequence[str]) -> bool:
    stopped = await _change(session, experiment, state, before)
    if stopped:
        await unqueue(session, experiment)
    return stopped


async def _change(session: AsyncSession, experiment: uuid.UUID, state: str, before: Sequence[str]) -> bool:
    changed = await session.execute(
        update(Experiment)
        .where(Experiment.id == experiment, Experiment.state.in_(before))
        .values(state=state)
        .returning(Experiment.id)
    )
    return changed.first() is not None
