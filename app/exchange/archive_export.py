"""An experiment as an archive: a file from which another arena has it whole, with the same report."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.archive import (
    ArchiveLine,
    ArmLine,
    Line,
    ParticipantLine,
    PassageLine,
    TrialLine,
    VerdictLine,
)
from app.exchange.archive_records import (
    AttemptRecord,
    CallLine,
    EffortRecord,
    EndLine,
    ExperimentRecord,
    JudgingLine,
    MoveRecord,
    RoundLine,
    SeatRecord,
    SpendingRecord,
    TalkRecord,
    TextLine,
    VerdictRecord,
)
from app.exchange.choices import Part
from app.exchange.options import Options
from app.exchange.people import frame_of
from app.exchange.tabular import destination
from app.exchange.taskfile import TaskQuestion
from app.participants.addresses import nowhere
from app.protocols.imported import Imported
from app.records import exports, whole
from app.records.database import Database
from app.records.exports import Frame
from app.records.texts import bodies
from app.records.whole import Setting, WholePlay, WholeSeat, WholeTrial
from models import Experiment, Participant, Passage, PlayRow, Question, TaskSet, Verdict


async def export_archive(database: Database, experiment: Experiment, target: Path, options: Options) -> int:
    """Write an experiment as an archive of JSON Lines, and return the number of lines.

    Passages and prompts are in it unless `options` leave them out. Where people are left out, so are talks that they had a
    part in. Raise ExportRefused where the target cannot be written.
    """
    count = 0
    async with exports.snapshot(database) as session:
        with destination(target) as stream:
            async for line in lines(session, experiment, options):
                stream.write(written(line))
                count += 1
    return count


def written(line: Line) -> bytes:
    """Return a line of a file: what has its usual value is left out."""
    fields = line.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return orjson.dumps({"type": line.type, **fields}, option=orjson.OPT_APPEND_NEWLINE)


async def lines(session: AsyncSession, experiment: Experiment, options: Options) -> AsyncIterator[Line]:
    """Yield the lines of an archive, each after those that it names, and the end."""
    count = 0
    async for line in _told(session, experiment, options):
        count += 1
        yield line
    yield EndLine(lines=count)


async def _told(session: AsyncSession, experiment: Experiment, options: Options) -> AsyncIterator[Line]:
    frame = await frame_of(session, experiment, options)
    writer = _Lines(experiment, frame, await whole.setting(session, experiment), options)
    task_set = await session.get_one(TaskSet, experiment.task_set_id)
    for line in writer.setting_lines(task_set.name):
        yield line
    known: set[str] = set()
    async for rows in whole.trials(session, experiment.id, options.arms):
        kept = [row for row in rows if options.people or row.trial.id not in frame.with_people]
        for row in kept:
            for line in writer.trial_lines(row):
                yield line
        new = writer.texts_of(kept) - known
        texts = await bodies(session, {bytes.fromhex(key) for key in new})
        for _, text in sorted(texts.items()):
            yield TextLine(text=text)
        known |= new
        for row in kept:
            for line in writer.call_lines(row):
                yield line


class _Lines:
    """Makes the lines of one experiment."""

    def __init__(self, experiment: Experiment, frame: Frame, setting: Setting, options: Options) -> None:
        self.experiment, self.frame, self.setting, self.options = experiment, frame, setting, options
        self.names = {who.id: who for who in setting.participants}
        self.keys = _keys(
            (who.id, frame.named(who) if frame.fresh else who.name) for who in setting.participants
        )

    # ── what comes before the talks ──────────────────────────────────────────────────────────────────────────

    def setting_lines(self, task_set: str) -> Iterable[Line]:
        """Yield the lines before the talks."""
        yield self._archive(task_set)
        for passage, questions, twin_of, text in self.setting.passages:
            yield self._passage(passage, questions, twin_of, text)
        for who in self._participants():
            if who.kind != "person" or self.options.people:
                yield self._participant(who)
        for arm, seats, prompts in self.setting.arms:
            settings = {
                key: value for key, value in arm.settings.items() if key != "speakers" and value is not None
            }
            yield ArmLine.model_validate(
                {
                    "name": arm.name,
                    "seats": {
                        seat: self.keys[who.id]
                        for seat, who in seats.items()
                        if who.kind != "person" or self.options.people
                    },
                    "protocol": arm.protocol,
                    **(
                        {"speakers": arm.settings.get("speakers", ()), "settings": settings}
                        if arm.protocol == Imported.name
                        else {"settings": arm.settings}
                    ),
                    "prompts": prompts if self.options.prompts else {},
                }
            )
        for row in self.setting.rounds:
            yield RoundLine(
                name=row.name, elicit=row.elicit, spec=row.spec, digest=row.digest, at=row.created_at
            )

    def _participants(self) -> Sequence[Participant]:
        """Return them by name: by the new one where people have new pseudonyms, so that the order tells nothing."""
        found = self.setting.participants
        return sorted(found, key=lambda who: self.keys[who.id]) if self.frame.fresh else found

    def _archive(self, task_set: str) -> ArchiveLine:
        spec = self.experiment.spec
        endpoints = {
            name: {"base_url": nowhere(item.get("base_url", ""))}
            for name, item in spec.get("endpoints", {}).items()
        }
        return ArchiveLine(
            title=f"{self.experiment.name}, an experiment of another arena",
            experiment=ExperimentRecord(
                name=self.experiment.name,
                digest=self.experiment.digest,
                seed=self.experiment.seed,
                task_set=task_set,
                state=self.experiment.state,
                spec={**spec, **({"endpoints": endpoints} if "endpoints" in spec else {})},
                started_at=self.experiment.created_at,
                spending=tuple(
                    SpendingRecord(
                        endpoint=row[0],
                        model=row[1],
                        calls=row[2],
                        prompt=row[3],
                        cached=row[4],
                        completion=row[5],
                    )
                    for row in self.setting.spending
                ),
                left_out=tuple(part.value for part in Part if part in self.options.without),
                tags=tuple(self.experiment.tags),
                note=self.experiment.note,
            ),
        )

    def _passage(
        self, passage: Passage, questions: Iterable[Question], twin_of: str | None, text: str
    ) -> PassageLine:
        shown = Part.PASSAGES not in self.options.without
        return PassageLine(
            key=passage.key,
            title=passage.title,
            **({"text": text} if shown else {}),
            author=passage.author,
            source=passage.source,
            url=passage.url,
            license=passage.license,
            twin_of=twin_of,
            meta=passage.meta,
            questions=tuple(_question(question) for question in questions),
        )

    def _participant(self, who: Participant) -> ParticipantLine:
        first = self.frame.humans.get(who.name) if who.kind == "person" else None
        if who.kind == "person" and self.frame.fresh:
            return _fresh_line(self.keys[who.id], self.frame.named(who))
        settings = {
            key: value for key, value in who.settings.items() if key not in ("study", "meta", "person")
        }
        if settings == {"kind": "imported"}:
            settings = {}
        return ParticipantLine(
            name=self.keys[who.id],
            called=None if self.keys[who.id] == who.name else who.name,
            kind=who.kind,
            settings=settings,
            person=first,
            meta=who.settings.get("meta") or {},
        )

    # ── talks ─────────────────────────────────────────────────────────────────────────────────────────────────

    def trial_lines(self, row: WholeTrial) -> Iterable[Line]:
        """Yield a trial, its judgings and their verdicts."""
        trial = row.trial
        key = str(trial.id)
        yield TrialLine(
            key=key,
            arm=row.arm.name,
            question=row.question.key,
            answers=tuple(trial.answers),
            argues=trial.argues,
            judge=self._name(trial.judge_id),
            record=TalkRecord(
                **self._play(row.talk),
                state=trial.state,
                assignment=trial.assignment,
                replicate=trial.replicate,
                outcome=trial.outcome,
            ),
        )
        for verdict in row.talk.verdicts:
            yield self._verdict(verdict, key, None, None)
        for judging, panel in row.judgings:
            if self._wants(judging.row):
                yield self._judging(judging, key, panel.name)
                for verdict in judging.verdicts:
                    yield self._verdict(verdict, key, judging.row, panel.name)

    def _wants(self, row: PlayRow) -> bool:
        """Return whether a judging is written: open places are of no judge that was asked for."""
        if row.judge_id is None:
            return self.options.people and not self.options.judges
        judge = self.names[row.judge_id]
        return self.options.wants_judge(self.frame.named(judge), judge.kind)

    def _judging(self, judging: WholePlay, trial: str, panel: str) -> JudgingLine:
        row: Any = judging.row
        return JudgingLine(
            **self._play(judging),
            trial=trial,
            round=panel,
            judge=self._name(row.judge_id),
            state=row.state,
            reading=tuple(tuple(order) for order in row.reading),
        )

    def _play(self, play: WholePlay) -> dict[str, Any]:
        row = play.row
        return {
            "play": row.id,
            "seed": row.seed,
            "place": row.place,
            "error": row.error,
            "moves": tuple(
                MoveRecord(
                    path=move.path,
                    seat=move.seat,
                    by=self._name(move.participant_id),
                    content=move.content,
                    fingerprint=move.fingerprint,
                    at=move.created_at,
                )
                for move in play.moves
            ),
            "seats": tuple(self._seat(seat) for seat in play.seats),
            "at": row.finished_at,
        }

    def _seat(self, seat: WholeSeat) -> SeatRecord:
        row = seat.row
        return SeatRecord(
            seat=row.seat,
            participant=self._name(row.participant_id),
            state=row.state,
            role=row.role,
            reads_passage=row.reads_passage,
            once=row.once,
            lease_minutes=row.lease_minutes,
            seconds=row.seconds,
            flags=row.flags,
            efforts=tuple(EffortRecord(path=path, **asdict(effort)) for path, effort in seat.efforts.items()),
            left_as=row.left_as,
            left_at=row.left_at,
            replacement=self._name(row.replacement_id),
        )

    def _verdict(self, row: Verdict, trial: str, judging: PlayRow | None, panel: str | None) -> VerdictLine:
        return VerdictLine(
            trial=trial,
            judge=self.keys[row.participant_id],
            belief=tuple(row.belief),
            beliefs=tuple(tuple(belief) for belief in row.beliefs),
            order=tuple(row.answer_order),
            round=panel,
            method=row.method,
            reason=row.reason,
            at=row.created_at,
            record=VerdictRecord(
                judging=judging.id if judging else None,
                reading=row.reading,
                label_mass=row.label_mass,
                said=None if row.said is None else tuple(row.said),
                bounds=None if row.bounds is None else tuple((low, high) for low, high in row.bounds),
                flags=tuple(row.flags),
            ),
        )

    def _name(self, who: Any) -> Any:
        return None if who is None else self.keys[who]

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _plays(self, row: WholeTrial) -> Iterable[WholePlay]:
        yield row.talk
        yield from (judging for judging, _ in row.judgings if self._wants(judging.row))

    def texts_of(self, rows: Iterable[WholeTrial]) -> set[str]:
        """Return the digests of the texts that the prompts of these trials are made of."""
        if not self.options.prompts:
            return set()
        return {
            key
            for row in rows
            for play in self._plays(row)
            for call in play.calls
            for _, key in call.row.segments
            if self._tells(key)
        }

    def _tells(self, key: str) -> bool:
        return Part.PASSAGES not in self.options.without or key not in self.frame.passages

    def call_lines(self, row: WholeTrial) -> Iterable[Line]:
        """Yield the calls that were made for a trial and its judgings."""
        for play in self._plays(row):
            for call in play.calls:
                made = call.row
                segments: Iterable[Any] = made.segments if self.options.prompts else ()
                yield CallLine(
                    play=play.row.id,
                    path=made.path,
                    purpose=made.purpose,
                    endpoint=made.endpoint,
                    model=made.model,
                    segments=tuple((role, key) for role, key in segments if self._tells(key)),
                    characters=made.characters,
                    params=made.params,
                    at=made.created_at,
                    attempts=tuple(
                        AttemptRecord(**{name: getattr(attempt, name) for name in AttemptRecord.model_fields})
                        for attempt in call.attempts
                    ),
                )


def _keys(participants: Iterable[tuple[UUID, str]]) -> dict[UUID, str]:
    """Return a name for each participant that no other has: two may have the same, with other settings."""
    used: set[str] = set()
    keys = {}
    for who, own in participants:
        number, name = 1, own
        while name in used:
            number += 1
            name = f"{own} [{number}]"
        used.add(name)
        keys[who] = name
    return keys


def _fresh_line(key: str, name: str) -> ParticipantLine:
    """Return the line of a person with a new pseudonym: their settings would name them."""
    return ParticipantLine(name=key, called=None if key == name else name, kind="person", person=name)


def _question(question: Question) -> TaskQuestion:
    meta: Mapping[str, Any] = question.meta
    return TaskQuestion(
        key=question.key,
        text=question.text,
        answers=tuple(question.answers),
        gold=question.gold,
        distractor=question.distractor,
        planted=meta.get("planted", ()),
        meta={key: value for key, value in meta.items() if key != "planted"},
    )
