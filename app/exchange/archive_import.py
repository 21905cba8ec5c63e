"""Taking an archive into the database: its questions as a task set, its talks and verdicts as a finished experiment."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.archive import (
    PANEL,
    Archive,
    ArmLine,
    ParticipantLine,
    TrialLine,
    Turn,
    VerdictLine,
    order_of,
    speaker_of,
)
from app.exchange.archive_records import NAME, CallLine, JudgingLine, PlayRecord, SeatRecord, TalkRecord
from app.exchange.importing import ImportRefused
from app.exchange.taskfile import BadInput
from app.experiments.freeze import under
from app.experiments.plan import seed_of
from app.experiments.spec import RESERVED, Tasks, digest
from app.participants.prompts import NEWEST, load
from app.participants.speeches import suspicious
from app.protocols.core import JUDGE, Content, Note, Speech
from app.protocols.imported import Imported
from app.protocols.views import label
from app.protocols.writing import count_words
from app.records import imported as records
from app.records.experiments import NewArm
from app.records.tasks import Differs, Saved, save
from models import Experiment


@dataclass(frozen=True, slots=True)
class SavedArchive:
    """The result of an import."""

    experiment: Experiment
    new: bool
    """Whether it was not there before."""
    questions: int
    """Questions added to the task set."""
    trials: Mapping[str, int]
    """By arm."""
    verdicts: Mapping[str, int]
    """Those that count, by arm."""
    apart: Mapping[str, int]
    """Those of other rounds, by round."""


def refuse_bad_archive(archive: Archive) -> None:
    """Raise ImportRefused where an archive has a problem: nothing of it is kept then, since verdicts hang together."""
    if len(archive.problems) == 1:
        raise ImportRefused(f"{str(archive.problems[0]).removesuffix('.')}; nothing was imported.")
    if archive.problems:
        raise ImportRefused("Nothing was imported: correct these first.", archive.problems)


async def take_archive(
    session: AsyncSession,
    archive: Archive,
    name: str,
    *,
    where: Sequence[str] = (),
    task_set: str | None = None,
) -> SavedArchive:
    """Save an archive as the finished experiment `name`, and its questions in a task set, named as it or as `task_set`.

    `where` keeps the trials that have all these flags. Raise ImportRefused where the archive has a problem, nothing of it
    is left, or another experiment has the name. The same archive under the same name is there already.
    """
    refuse_bad_archive(archive)
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise ImportRefused(
            "Name the experiment with letters, digits, '.', '_' or '-', beginning with a letter or digit."
        )
    try:
        kept = archive.where(where) if where else archive
    except BadInput as error:
        raise ImportRefused(f"Nothing was imported: {error}.") from error
    if not kept.trials:
        raise ImportRefused("Nothing was imported: no trial is left.")
    own = _digest(kept, where)
    existing = await under(session, name)
    if existing is not None and existing.digest != own:
        raise ImportRefused(
            f"Nothing was imported: there is another experiment {name}: name this one otherwise (on the command line: --name)."
        )
    counted = _counts(kept)
    if existing is not None:
        return SavedArchive(existing, False, 0, *counted)
    called, saved = await _take_tasks(session, archive, name, task_set)
    new = _frozen(kept, name, called, where, own)
    try:
        return SavedArchive(await records.create(session, new), True, saved.questions, *counted)
    except IntegrityError as error:
        # The lines were checked against each other: what is left is what two lines say of the same row.
        raise ImportRefused(
            "Nothing was imported: lines of the file contradict each other: fetch or export it again."
        ) from error


async def _take_tasks(
    session: AsyncSession, archive: Archive, name: str, task_set: str | None
) -> tuple[str, Saved]:
    """Save the questions in a task set, and return its name.

    An experiment of another arena has the set that it had there, unless a set of that name here has other texts.
    """
    passages = [passage.model_dump(mode="json") for passage in archive.passages]
    came = archive.about.experiment
    if came is not None and task_set is None and not _textless(archive):
        try:
            async with session.begin_nested():
                return came.task_set, await save(session, came.task_set, passages)
        except Differs:
            pass  # The set of that name is another one: the questions go into one that is named as the experiment.
    try:
        return task_set or name, await save(session, task_set or name, passages)
    except Differs as error:
        raise ImportRefused(f"Nothing was imported: {error}") from error


def _textless(archive: Archive) -> bool:
    return archive.about.experiment is not None and "passages" in archive.about.experiment.left_out


def _counts(archive: Archive) -> tuple[Counter[str], Counter[str], Counter[str]]:
    arms = {trial.key: trial.arm for trial in archive.trials}
    own = Counter(arms[verdict.trial] for verdict in archive.verdicts if verdict.round in (None, PANEL))
    apart = Counter(verdict.round for verdict in archive.verdicts if verdict.round not in (None, PANEL))
    return Counter(arms.values()), own, Counter({name: count for name, count in apart.items() if name})


_LENGTH = {"lines"}


def _digest(archive: Archive, where: Sequence[str]) -> str:
    if archive.about.experiment is not None:
        return archive.about.experiment.digest
    parts = (
        archive.about,
        *archive.passages,
        *archive.participants,
        *archive.arms,
        *archive.trials,
        *archive.verdicts,
    )
    # What the file says of its length is no part of what it holds.
    return digest([[part.model_dump(mode="json", exclude=_LENGTH) for part in parts], sorted(where)])


def _frozen(
    archive: Archive, name: str, task_set: str, where: Sequence[str], own: str
) -> records.ImportedArchive:
    came = archive.about.experiment
    arms = [
        NewArm(
            arm.name,
            arm.protocol,
            _settings(arm),
            {s: who for s, who in arm.seats.items() if s != JUDGE.name},
            arm.prompts or load({}, arm.protocol),
        )
        for arm in archive.arms
    ]
    talks = _talks(archive, name)
    spec = _spec(archive, name, task_set, where) if came is None else {**came.spec, "name": name}
    return records.ImportedArchive(
        name=name,
        task_set=task_set,
        spec=spec,
        digest=own,
        participants=[_participant(who, name) for who in archive.participants],
        arms=arms,
        rounds=_rounds(archive, own),
        talks=talks,
        seed=0 if came is None else came.seed,
        state="running" if came is None else _state(came.state, talks),
        created_at=None if came is None else came.started_at,
        calls=[_call(line) for line in archive.calls],
        texts=[line.text for line in archive.texts],
        spending=[] if came is None else [row.model_dump() for row in came.spending],
        tags=[] if came is None else sorted(set(came.tags)),
        note="" if came is None else came.note,
    )


def _participant(who: ParticipantLine, archive: str) -> records.ImportedParticipant:
    kept: dict[str, Any] = {"meta": who.meta} if who.meta else {}
    if who.person:
        kept["person"] = who.person
    more = [who.settings, who.person, who.called]
    # "study" is the key that rows of the database have: the name of the imported experiment.
    return records.ImportedParticipant(
        who.name,
        who.called or who.name,
        who.kind,
        {"kind": "imported", **who.settings, "study": archive, **kept},
        digest(["imported", archive, who.name, who.kind, who.meta, *(more if any(more) else [])]),
    )


def _rounds(archive: Archive, own: str) -> list[records.ImportedRound]:
    if archive.rounds:
        return [
            records.ImportedRound(line.name, line.elicit, line.spec, line.digest or own, line.at)
            for line in archive.rounds
        ]
    extra = dict.fromkeys(verdict.round for verdict in archive.verdicts if verdict.round not in (None, PANEL))
    plain: dict[str, Any] = {"judges": [], "people": None, "imported": True}
    return [records.ImportedRound(name, "final", plain, own, None) for name in (PANEL, *filter(None, extra))]


UNFINISHED = ("queued", "waiting", "open")
"""States of plays that are unfinished."""


def _state(there: str, talks: Sequence[records.ImportedTalk]) -> str:
    """Return the state of an experiment of another arena: cancelled where something is unfinished, since its participants are not asked here."""
    plays = [
        record
        for talk in talks
        for record in (talk.record, *(judging.record for judging in talk.judgings))
        if record is not None
    ]
    return "cancelled" if any(play.state in UNFINISHED for play in plays) else there


def _call(line: CallLine) -> records.ImportedCall:
    return records.ImportedCall(
        line.play,
        {
            "path": line.path,
            "purpose": line.purpose,
            "endpoint": line.endpoint,
            "model": line.model,
            "segments": [list(segment) for segment in line.segments],
            "characters": line.characters,
            "params": line.params,
            "created_at": line.at,
        },
        [attempt.model_dump() for attempt in line.attempts],
    )


def _settings(arm: ArmLine) -> dict[str, Any]:
    return arm.rules.model_dump(mode="json")


def _spec(archive: Archive, name: str, task_set: str, where: Sequence[str]) -> dict[str, Any]:
    """Return the frozen file of the experiment, in the shape of those that were run here."""
    return {
        "name": name,
        "tasks": Tasks.model_validate({"set": task_set, "answers": "all"}).model_dump(mode="json"),
        "endpoints": {},
        "participants": {},
        "arms": [
            {
                "name": arm.name,
                "protocol": Imported.name,
                **_settings(arm),
                "seats": dict(arm.seats),
                "prompt_version": NEWEST,
                "prompts": {},
            }
            for arm in archive.arms
        ],
        "judges": [],
        "elicit": "final",
        "contrasts": [list(pair) for pair in archive.about.contrasts],
        "replicates": 1,
        "seed": 0,
        "imported": {
            **archive.about.model_dump(mode="json", exclude={"type", "contrasts", "lines"}),
            "where": list(where),
        },
    }


# ── talks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _talks(archive: Archive, name: str) -> list[records.ImportedTalk]:
    questions = {question.key: question for passage in archive.passages for question in passage.questions}
    arms = {arm.name: arm for arm in archive.arms}
    verdicts: dict[str, list[VerdictLine]] = defaultdict(list)
    for verdict in archive.verdicts:
        verdicts[verdict.trial].append(verdict)
    persons = {who.name for who in archive.participants if who.kind == "person"}
    played: Counter[tuple[str, str]] = Counter()
    talks = []
    recorded: dict[str, list[JudgingLine]] = defaultdict(list)
    for line in archive.judgings:
        recorded[line.trial].append(line)
    for trial in archive.trials:
        if trial.record is not None:
            answers = order_of(trial, questions[trial.question])
            judged = _recorded_judgings(trial, recorded[trial.key], verdicts[trial.key], answers)
            talks.append(_recorded_talk(trial, trial.record, answers, judged))
            continue
        number = played[trial.arm, trial.question]
        played[trial.arm, trial.question] += 1
        answers = order_of(trial, questions[trial.question])
        judgings = _judgings(trial, verdicts[trial.key], answers, persons)
        talks.append(_talk(archive, trial, arms[trial.arm], answers, judgings, number, f"{name}/{trial.key}"))
    return talks


def _talk(
    archive: Archive,
    trial: TrialLine,
    arm: ArmLine,
    answers: Sequence[int],
    judgings: Sequence[records.ImportedJudging],
    number: int,
    seed: str,
) -> records.ImportedTalk:
    steps = [[(_path(at, turn), turn) for turn in step] for at, step in enumerate(trial.transcript)]
    return records.ImportedTalk(
        arm=trial.arm,
        question=trial.question,
        answers=answers,
        argues=trial.argues,
        judge=trial.judge,
        replicate=number,
        seed=seed_of(seed),
        outcome={
            "transcript": [[path for path, _ in step] for step in steps],
            "measures": trial.measures,
            "imported": {"id": trial.key, "flags": trial.flags, "meta": trial.meta},
        },
        at=trial.at,
        moves=[
            records.ImportedMove(
                path,
                turn.seat,
                str(speaker_of(turn, trial, arm)),
                _content(archive, trial, arm, len(answers), at, turn).model_dump(mode="json"),
                turn.at,
            )
            for at, step in enumerate(steps)
            for path, turn in step
        ],
        judgings=judgings,
    )


# ── talks of another arena ──────────────────────────────────────────────────────────────────────────────────────


def _recorded_talk(
    trial: TrialLine,
    record: TalkRecord,
    answers: Sequence[int],
    judgings: Sequence[records.ImportedJudging],
) -> records.ImportedTalk:
    return records.ImportedTalk(
        arm=trial.arm,
        question=trial.question,
        answers=answers,
        argues=trial.argues,
        judge=trial.judge,
        replicate=record.replicate,
        seed=record.seed,
        outcome=record.outcome,
        at=record.at,
        moves=_moves(record),
        judgings=judgings,
        record=_play(record, record.state, assignment=record.assignment),
    )


def _play(record: PlayRecord, state: str, **more: Any) -> records.PlayRecord:
    return records.PlayRecord(
        id=record.play,
        seed=record.seed,
        state=state,
        error=record.error,
        place=record.place,
        seats=[_seat(seat) for seat in record.seats],
        at=record.at,
        **more,
    )


def _seat(seat: SeatRecord) -> records.ImportedSeat:
    values = seat.model_dump(exclude={"participant", "efforts", "replacement"})
    efforts = [effort.model_dump() for effort in seat.efforts]
    return records.ImportedSeat(values, seat.participant, efforts, seat.replacement)


def _moves(record: PlayRecord) -> list[records.ImportedMove]:
    return [
        records.ImportedMove(move.path, move.seat, move.by, move.content, move.at, move.fingerprint)
        for move in record.moves
    ]


def _recorded_judgings(
    trial: TrialLine, lines: Sequence[JudgingLine], verdicts: Sequence[VerdictLine], answers: Sequence[int]
) -> list[records.ImportedJudging]:
    by_judging: dict[UUID | None, list[records.ImportedVerdict]] = defaultdict(list)
    for verdict in verdicts:
        own = verdict.record.judging if verdict.record else None
        by_judging[own].append(_verdict(verdict, len(answers)))
    found = [
        records.ImportedJudging(
            judge=line.judge,
            round=line.round,
            place=line.place,
            verdicts=by_judging[line.play],
            seconds=None,
            knows_story=False,
            record=_play(line, line.state, reading=line.reading, moves=_moves(line)),
        )
        for line in lines
    ]
    if by_judging[None]:
        taking_part = records.ImportedJudging(trial.judge, None, 0, by_judging[None], None, knows_story=False)
        found.append(taking_part)
    return found


# ── turns and verdicts ──────────────────────────────────────────────────────────────────────────────────────────


def _path(step: int, turn: Turn) -> str:
    return f"t{step + 1}/{turn.seat}"


def _content(
    archive: Archive, trial: TrialLine, arm: ArmLine, answers: int, step: int, turn: Turn
) -> Content:
    if turn.seat == JUDGE.name:
        return Note(text=turn.text)
    said = archive.said[trial.key, step, turn.seat]
    seat = Imported(speakers=arm.speakers).rights()[turn.seat]
    called = label(seat, trial.argues.get(turn.seat), range(answers))
    return Speech(said=said, words=count_words(said.text), suspicious=suspicious(turn.text, called))


def _judgings(
    trial: TrialLine, verdicts: Sequence[VerdictLine], answers: Sequence[int], persons: Collection[str]
) -> list[records.ImportedJudging]:
    by_judge: dict[tuple[str, str | None], list[VerdictLine]] = defaultdict(list)
    for verdict in verdicts:
        named = None if verdict.judge == trial.judge else verdict.round or PANEL
        by_judge[verdict.judge, named].append(verdict)
    places: Counter[str | None] = Counter()
    found = []
    for (judge, named), own in by_judge.items():
        # People who read it in one order are distinguished by their places, other judges by themselves.
        placed = named is not None and judge in persons and len(own) == 1
        places[named] += placed
        found.append(
            records.ImportedJudging(
                judge=judge,
                round=named,
                place=places[named] if placed else 0,
                verdicts=[_verdict(verdict, len(answers)) for verdict in own],
                seconds=own[-1].seconds,
                knows_story=any(verdict.knows_story for verdict in own),
            )
        )
    return found


def _verdict(line: VerdictLine, answers: int) -> records.ImportedVerdict:
    return records.ImportedVerdict(
        order=line.order or tuple(range(answers)),
        belief=line.belief,
        beliefs=line.beliefs or (line.belief,),
        method=line.method,
        reason=line.reason,
        at=line.at,
        **(line.record.model_dump(exclude={"judging"}) if line.record else {}),
    )
