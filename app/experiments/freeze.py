"""Starting an experiment, or going on with it; adding a judging round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.plan import Drawn, PlannedTrial, draw, plan, reading, seed_of
from app.experiments.same import frozen, refuse_another
from app.experiments.spec import (
    ArmSpec,
    Cast,
    Panel,
    PanelSpec,
    People,
    Spec,
    SpecError,
    digest,
    prompt_versions,
)
from app.participants.base import PEOPLE, EndpointSettings
from app.protocols import PROTOCOLS
from app.records import experiments as records
from app.records.eligibility import role_for
from app.records.people import anybody_of
from app.records.tasks import questions_of, task_sets
from models import Experiment, JudgingRound

LEASE = 24 * 60
"""Minutes that a person in an arguing seat may keep the others waiting before another person can take the
seat.
"""


@dataclass(frozen=True, slots=True)
class Started:
    """The result of a request to start."""

    experiment: Experiment
    new: bool


async def start(session: AsyncSession, spec: Spec) -> Started:
    """Freeze the experiment and queue its trials, or find the one already started from the same spec.

    Raise SpecError where its task set is missing or too small, or where its name belongs to another spec.
    """
    existing = await under(session, spec.name)
    if existing is not None:
        new_file = _with_its_prompts(spec, existing.spec)
        refuse_another(f"The experiment {spec.name}", existing.spec, new_file, spec.stated)
        return Started(existing, new=False)
    drawn = await drawn_of(session, spec)
    await _check_people(session, spec)
    trials = plan(spec, drawn)
    arms = {arm.name: arm for arm in spec.arms}
    new = records.NewExperiment(
        name=spec.name,
        task_set=drawn[0].question.task_set_id,
        spec=frozen(spec.normalised(), spec.stated),
        digest=digest(
            [spec.normalised(), [[item.question.key, item.texts] for item in drawn], _prompts(spec)]
        ),
        seed=spec.seed,
        participants=cast_of(spec.cast, spec.used),
        arms=[
            records.NewArm(
                arm.name,
                arm.protocol.name,
                arm.protocol.model_dump(mode="json"),
                {seat: holder for seat, holder in arm.seats.items() if holder != PEOPLE},
                arm.prompts,
            )
            for arm in spec.arms
        ],
        trials=[_trial(item, arms[item.arm], spec.panel.people) for item in trials],
        round=_round(
            records.FIRST_ROUND, spec.panel, {"judges": spec.panel.normalised(), **spec.panel.again}
        ),
    )
    return Started(await records.create(session, new), new=True)


def _with_its_prompts(spec: Spec, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec as JSON, each arm whose file names no version of the prompts with the one that was frozen."""
    versions = prompt_versions(stored)
    unnamed = {arm.name for arm in spec.arms if not arm.names_version}
    found = spec.normalised()
    arms = [
        {**arm, "prompt_version": versions[arm["name"]]} if arm["name"] in unnamed & versions.keys() else arm
        for arm in found["arms"]
    ]
    return {**found, "arms": arms}


async def under(session: AsyncSession, name: str) -> Experiment | None:
    """Return the experiment of this name, if there is one. Until the transaction ends, no other can be
    started under it.
    """
    await records.one_at_a_time(session, f"experiment/{name}")
    return await records.find(session, name)


async def drawn_of(session: AsyncSession, spec: Spec) -> list[Drawn]:
    """Return the questions that `spec` draws. Raise SpecError where its task set is missing or too small."""
    questions = await questions_of(session, spec.tasks.set)
    if not questions:
        raise SpecError(await _no_set(session, spec.tasks.set))
    return draw(questions, spec.tasks, spec.seed)


async def judge_again(session: AsyncSession, experiment: Experiment, spec: PanelSpec) -> int:
    """Judge the finished trials of `experiment` in a new or existing round. Return the judgements queued.

    Raise SpecError where nothing can be judged, or where the round's name belongs to another panel.
    """
    await refuse_cancelled(session, experiment)
    await records.one_at_a_time(session, f"round/{experiment.id}/{spec.name}")
    existing = await records.find_round(session, experiment.id, spec.name)
    if existing is not None:
        old = {key: value for key, value in existing.spec.items() if key != "people"}
        refuse_another(f"The judging round {spec.name}", old, spec.normalised(), spec.stated)
    finished = await records.finished_trials(session, experiment.id)
    if not finished:
        raise SpecError(f"The experiment {experiment.name} has no finished trial to judge: run it first.")
    trials = [
        records.TrialToJudge(
            trial.id,
            reading(protocol, len(trial.answers)),
            seed_of(f"{trial.seed}/{spec.name}"),
            protocol.judge.name,
            protocol.judge.reads_passage,
        )
        for trial, arm in finished
        for protocol in [PROTOCOLS[arm.protocol].model_validate(arm.settings)]
    ]
    new = _round(spec.name, spec.panel, spec.normalised(), spec.stated)
    # A round that goes on has the judges that it was begun with: defaults that are younger make no other judge.
    judges = cast_of(spec.cast, spec.panel.judges) if existing is None else _cast_of_round(existing, spec)
    return await records.judge_trials(session, experiment.id, new, judges, trials)


async def refuse_cancelled(session: AsyncSession, experiment: Experiment) -> None:
    """Raise SpecError where an experiment was cancelled: it is not judged again."""
    if await records.is_cancelled(session, experiment.id):
        raise SpecError(
            f"The experiment {experiment.name} was cancelled for good, so it cannot be judged again: "
            "start a new one like it."
        )


def cast_of(cast: Cast, names: Iterable[str]) -> list[records.NewParticipant]:
    """Return the stored participants of these names."""
    return [
        _participant(name, cast.participants[name].model_dump(mode="json"), cast.endpoint_of(name))
        for name in dict.fromkeys(names)
    ]


def _cast_of_round(begun: JudgingRound, spec: PanelSpec) -> list[records.NewParticipant]:
    """Return the judges of a round with the settings that were frozen when it began."""
    stored = begun.spec["participants"]
    endpoints = {
        name: EndpointSettings.model_validate(item) for name, item in begun.spec["endpoints"].items()
    }
    before = Cast(endpoints, {name: spec.cast.participants[name] for name in spec.panel.judges})
    return [
        _participant(name, stored[name], before.endpoint_of(name))
        for name in dict.fromkeys(spec.panel.judges)
    ]


def _participant(
    name: str, data: Mapping[str, Any], endpoint: tuple[str, EndpointSettings] | None
) -> records.NewParticipant:
    identity = digest([name, data, _address(*endpoint) if endpoint else []])
    return records.NewParticipant(name, data["kind"], data, identity, endpoint)


def _address(name: str, settings: EndpointSettings) -> list[Any]:
    """Return what identifies an endpoint. Settings that are not set leave it as it was before there were any."""
    more = settings.more()
    return [name, str(settings.base_url), settings.api_key_env, *([more] if more else [])]


def _prompts(spec: Spec) -> dict[str, dict[str, str]]:
    return {arm.name: {name: digest(text) for name, text in arm.prompts.items()} for arm in spec.arms}


def _trial(item: PlannedTrial, arm: ArmSpec, people: People | None) -> records.NewTrial:
    return records.NewTrial(
        arm=item.arm,
        question=item.drawn.question.id,
        judge=item.judge,
        place=item.place,
        answers=item.answers,
        argues=item.argues,
        assignment=item.assignment,
        replicate=item.replicate,
        seed=item.seed,
        judge_seat=arm.protocol.judge.name,
        judge_reads_passage=arm.protocol.judge.reads_passage,
        reading=() if arm.protocol.judge_takes_part else reading(arm.protocol, len(item.answers)),
        seats=_for_people(arm, people if item.place else None),
    )


def _for_people(arm: ArmSpec, judges: People | None) -> list[records.NewSeat]:
    """Return the seats of a trial for people, including the judge's where `judges` says how."""
    seats = [
        records.NewSeat(seat.name, seat.reads_passage, records.SeatTerms(False, LEASE))
        for seat in arm.open_to_people
    ]
    if judges is not None:
        judge = arm.protocol.judge
        terms = records.SeatTerms(judges.once_per_passage, judges.lease_minutes)
        seats.append(records.NewSeat(judge.name, judge.reads_passage, terms))
    return seats


async def _check_people(session: AsyncSession, spec: Spec) -> None:
    """Refuse seats for people where no invited person could take them. Raise SpecError."""
    for arm in spec.arms:
        for seat in arm.open_to_people:
            role = role_for(seat.reads_passage)
            if not await anybody_of(session, role):
                raise SpecError(
                    f"arms.{arm.name}.seats: {seat.name} is for people and no {role} is invited: make an invite for a "
                    f"{role} on the page People, or `arena user add --role {role}`, or name a participant."
                )


def _round(
    name: str, panel: Panel, spec: Mapping[str, Any], stated: Iterable[str] | None = None
) -> records.NewRound:
    """Return a round as it is stored. That of an experiment's first panel states nothing: the experiment does."""
    people = panel.people
    kept = spec if stated is None else frozen(spec, stated)
    return records.NewRound(
        name,
        panel.judges,
        panel.elicit,
        panel.repeats,
        spec={**kept, "people": people.model_dump(mode="json") if people else None},
        digest=digest([dict(spec), panel.elicit]),
        places=people.humans if people else 0,
        terms=records.SeatTerms(people.once_per_passage, people.lease_minutes, people.seconds)
        if people
        else None,
    )


async def _no_set(session: AsyncSession, name: str) -> str:
    sets = await task_sets(session)
    if name in sets:
        return f"tasks: the task set '{name}' has no question: import some into it first."
    there = f"there are {', '.join(sets)}" if sets else "there is none yet"
    return f"tasks: there is no task set '{name}' ({there}): import it with `arena import`."
