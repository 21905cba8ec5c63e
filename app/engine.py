"""Advances one play, a talk or a judging: replay what is stored, ask what is due, append what comes back.

It does not know what a protocol's rules are, nor whether a model, a baseline or a person has a seat.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import logs, metrics, tracing
from app.logs import event
from app.participants.base import AtRest, EndpointSettings, NoKey, ParticipantError
from app.participants.outages import EndpointPaused
from app.participants.participant_factory import ParticipantFactory, Person, parse_settings
from app.participants.prompts import Example, PromptBook
from app.participants.seating import Holder, Seating
from app.protocols import PROTOCOLS
from app.protocols.core import (
    AnyContent,
    Ask,
    Case,
    Elicitation,
    Move,
    Outcome,
    Play,
    Protocol,
    ProtocolError,
    RuleChanged,
    answered,
    replay,
)
from app.protocols.flaws import planted_in
from app.protocols.judging import Reading, judge
from app.protocols.quotes import IndexedPassage, indexed
from app.protocols.views import View
from app.records import live, plays
from app.records.database import OUTAGE, Database
from app.records.endpoints import settings_of
from app.records.experiments import pause
from app.records.group_commit import GroupCommit, put
from app.records.plays import AnyPlay
from app.records.spending import CapReached
from models import Judgement, SeatRow, Trial
from models import Participant as ParticipantRow

log = logging.getLogger(__name__)
OPEN = ("queued", "waiting")
"""States of work to be done; what failed is tried again only on request."""
LOOK = 0.5
"""Seconds for which an experiment that was seen running is taken to run on."""


EMPTY_CHAIR = Holder(Person(), Elicitation())
"""Who sits in a seat that is still open to people: they answer later."""

KEPT = 256
"""Finished transcripts that are kept at hand for their judges, with their passages."""


@dataclass(frozen=True, slots=True)
class SeatedArm:
    """An arm ready to be played."""

    protocol: Protocol
    prompts: PromptBook
    rows: Mapping[str, ParticipantRow]
    """Who sits where."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A play, replayed to where its stored moves have brought it."""

    row: AnyPlay
    play: Play[Any]
    seating: Seating
    moves: Mapping[str, Move]
    rows: Mapping[str, ParticipantRow]
    """Who sits where."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A play through the eyes of one seat that a person holds, as it was when it was opened."""

    seat: SeatRow
    opened: Opened
    due: Sequence[tuple[Ask, View]]
    """What the seat is asked now; nothing while others are awaited, and when the play is over."""
    given: Sequence[tuple[Ask, AnyContent]]
    """What it was asked before, with its answers, oldest first."""
    prompts: PromptBook

    def view(self, ask: Ask) -> View:
        """Return an ask through the eyes of the seat."""
        return self.opened.seating.view(ask, self.opened.moves)

    @property
    def standing(self) -> View:
        """What the seat sees when it is asked nothing: no move of any seat."""
        return self.view(Ask("standing", self.seat.seat, "standing", "note"))

    @property
    def passage(self) -> IndexedPassage:
        """To check quotes against; only `View.passage` may be shown."""
        return self.opened.seating.passage

    @property
    def protocol(self) -> str:
        """The name of the protocol."""
        return self.opened.seating.protocol.name

    @property
    def examples(self) -> Sequence[Example]:
        """Arguments that misled others, which a judge of the trial is shown first; most arms have none."""
        return self.prompts.examples(self.protocol) if self.judging else ()

    @property
    def steps(self) -> int:
        """Groups of moves in the transcript that is judged; 0 in a talk."""
        row = self.opened.row
        return len(plays.transcript_of(row.talk)) if isinstance(row, Judgement) else 0

    @property
    def judging(self) -> bool:
        """Whether it is the judge's of a judging; else it is a turn in a talk."""
        return isinstance(self.opened.row, Judgement)

    @property
    def each_step(self) -> bool:
        """Whether a judge gives a belief after each of them, and not only after the last."""
        row = self.opened.row
        return isinstance(row, Judgement) and row.round.elicit == "each_step"


class Engine:
    """Advances plays over one database. Close it when done."""

    def __init__(self, database: Database, roster: ParticipantFactory | None = None) -> None:
        self._database = database
        self._journal = GroupCommit(database)
        self._roster = roster or ParticipantFactory()
        self._arms: dict[uuid.UUID, SeatedArm] = {}
        self._read: dict[uuid.UUID, tuple[str, Mapping[str, Move]]] = {}
        self._running: dict[uuid.UUID, float] = {}
        """When an experiment was last seen running."""
        self._looking: dict[uuid.UUID, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Finish writing, and let go of the connections to model servers."""
        await self._journal.close()
        await self._roster.close()

    async def advance(self, play_id: uuid.UUID) -> None:
        """Go on with a play as far as it goes: to its end, to a person's turn, or to a failure, which is recorded."""
        async with self._database.reading() as session:
            row = await plays.load(session, play_id)
        if row is not None and _is_ready(row) and not _at_rest(row):
            self._turn_away(row)
            kind = "judging" if isinstance(row, Judgement) else "talk"
            with logs.about(play=row.id), tracing.span("play", play=row.id, kind=kind):
                await self._guard(row, lambda: self._advance(row))

    async def turn(self, session: AsyncSession, seat_id: uuid.UUID, *, lock: bool = False) -> Turn | None:
        """Return what a seat is asked now, and was asked before; None where no person has it.

        With `lock`, the play and the seat stay as they are until the transaction ends.
        """
        found = await plays.load_seat(session, seat_id, lock=lock)
        if found is None:
            return None
        seat, row = found
        opened = await self._open(session, row)
        seating, play, moves = opened.seating, opened.play, opened.moves
        open_now = seat.state == "waiting" and _is_ready(row)
        due = [ask for ask in play.due if ask.seat == seat.seat] if open_now else []
        return Turn(
            seat,
            opened,
            due=[(ask, seating.view(ask, moves)) for ask in due],
            given=[(ask, moves[ask.path].content) for ask in play.answered if ask.seat == seat.seat],
            prompts=self._arms[plays.trial_of(row).arm_id].prompts,
        )

    async def submit(self, session: AsyncSession, turn: Turn, contents: Mapping[str, AnyContent]) -> None:
        """Store a person's answers, by path, in the caller's transaction, which has locked the turn.

        An answer that is there already stays; the second is dropped. The verdict is made with a judge's last answer; a
        talk is queued. Raises RuleChanged where something is not asked of the seat now.
        """
        opened, seat = turn.opened, turn.seat
        new = {path: content for path, content in contents.items() if path not in opened.moves}
        if not new:
            return
        assert seat.participant_id is not None
        for move in await put(session, seat.play_id, seat.participant_id, _answers(turn, new)):
            opened.play.record(move)
            metrics.MOVES.labels("person").inc()
        if isinstance(opened.row, Trial):
            awaited = {ask.seat for ask in opened.play.due}
            await live.answered(session, seat.id)
            await plays.queue_again(session, opened.row, awaited)
        elif opened.play.finished:
            await self._finish(session, opened, opened.play.outcome)

    def _turn_away(self, row: AnyPlay) -> None:
        """Raise EndpointPaused where every seat of a play is that of a model that cannot be asked now."""
        arm = self._arms.get(row.talk.arm_id if isinstance(row, Judgement) else row.arm_id)
        if arm is None:
            return
        rows = [] if isinstance(row, Judgement) else list(arm.rows.values())
        rows += [row.judge] if row.judge is not None else []
        if rows and all(seated.endpoint for seated in rows):
            away = self._roster.turned_away((_address(seated), seated.settings["model"]) for seated in rows)
            if isinstance(away, EndpointPaused):
                raise away

    # ── one play ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _advance(self, row: AnyPlay) -> None:
        async with self._database.reading() as session:
            opened = await self._open(session, row)
        play, keep = opened.play, self._keeper(opened)
        outcome = await opened.seating.play_out(play, opened.moves, keep, lambda: self._go_on(row))
        async with self._database.session.begin() as session:
            if outcome is None:
                await plays.rest(session, row, len(play.answered), {ask.seat for ask in play.due})
            else:
                await self._finish(session, opened, outcome)

    async def _finish(self, session: AsyncSession, opened: Opened, outcome: Any) -> None:
        """Store how a play ended: an outcome of a talk, the readings of a judging."""
        row = opened.row
        _count(row, "done")
        if isinstance(row, Judgement):
            await plays.finish_judgement(session, row, outcome)
            return
        judge = opened.rows.get(opened.seating.protocol.judge.name)
        if judge is not None and outcome.belief is not None:
            order = tuple(range(len(opened.seating.case.answers)))
            await plays.save_verdicts(
                session, row.id, judge.id, [Reading(order, outcome.belief, outcome.beliefs)]
            )
        await plays.finish_trial(session, row, _stored(outcome), outcome.argues, judge.id if judge else None)

    async def _open(self, session: AsyncSession, row: AnyPlay) -> Opened:
        arm = await self._seated(session, plays.trial_of(row).arm_id)
        if isinstance(row, Judgement):
            return await self._open_judging(session, row, arm)
        return await self._open_talk(session, row, arm)

    async def _open_talk(self, session: AsyncSession, trial: Trial, arm: SeatedArm) -> Opened:
        people, replaced = await plays.people_in(session, trial.id)
        holders = {seat: row.id for seat, row in arm.rows.items()}
        assignment = arm.protocol.balanced(len(trial.answers), holders)[trial.assignment]
        sitting = {seat: row for seat, row in people.items() if row is not None}
        rows = {**arm.protocol.holders(arm.rows, assignment), **sitting}
        if trial.judge is not None:
            rows[arm.protocol.judge.name] = trial.judge
        text = await plays.passage_text(session, trial.question.passage)
        moves = await plays.moves_of(session, trial.id)
        empty = people.keys() - rows.keys()
        seating = self._seating(arm, trial, rows, text, empty, assignment.role, replaced)
        play = replay(Play(arm.protocol.script(seating.case), arm.protocol.rights()), moves)
        return Opened(trial, play, seating, moves, rows)

    async def _open_judging(self, session: AsyncSession, judgement: Judgement, arm: SeatedArm) -> Opened:
        assert judgement.judge is not None, "a judgement that no judge has taken is not judged"
        trial, seat = judgement.talk, arm.protocol.judge.name
        rows = {seat: judgement.judge}
        text, given = await self._finished(session, trial)
        moves = await plays.moves_of(session, judgement.id)
        seating = replace(self._seating(arm, judgement, rows, text), given=given)
        reading = tuple(tuple(order) for order in judgement.reading)
        elicit: Any = judgement.round.elicit
        transcript, points = plays.transcript_of(trial), plays.points_of(trial)
        script = judge(seating.case, transcript, elicit, reading, seat, points)
        return Opened(judgement, replay(Play(script, [seat], given), moves), seating, moves, rows)

    async def _finished(self, session: AsyncSession, trial: Trial) -> tuple[str, Mapping[str, Move]]:
        """Passage and moves of a trial; those of the last finished ones are kept, since they never change."""
        if trial.id in self._read:
            return self._read[trial.id]
        text = await plays.passage_text(session, trial.question.passage)
        found = text, await plays.moves_of(session, trial.id)
        if trial.state == "done":
            self._read[trial.id] = found
            if len(self._read) > KEPT:
                del self._read[next(iter(self._read))]
        return found

    # ── who sits where, and where moves go ──────────────────────────────────────────────────────────────────────

    async def _seated(self, session: AsyncSession, arm_id: uuid.UUID) -> SeatedArm:
        """An arm ready to be played; kept, since nothing of an arm ever changes."""
        if arm_id not in self._arms:
            loaded = await plays.load_arm(session, arm_id)
            try:
                protocol = PROTOCOLS[loaded.arm.protocol].model_validate(loaded.arm.settings)
            except ValidationError as error:
                raise RuleChanged(
                    "The arm was set up under other rules than the present ones: "
                    "finish it with the version that made it, or cancel it on its page and start it under another name."
                ) from error
            _detach(session, loaded.seats.values())
            self._arms[arm_id] = SeatedArm(protocol, PromptBook(loaded.prompts), loaded.seats)
        return self._arms[arm_id]

    def _seating(
        self,
        arm: SeatedArm,
        row: AnyPlay,
        rows: Mapping[str, ParticipantRow],
        text: str,
        empty: Collection[str] = (),
        role: str = "",
        replaced: Collection[str] = (),
    ) -> Seating:
        trial = plays.trial_of(row)
        holders = {seat: self._holder(holder) for seat, holder in rows.items()}
        # A person's seat is asked as a person is, so that what was asked before stays as it was.
        holders |= {seat: replace(holders[seat], elicitation=Elicitation()) for seat in replaced}
        holders |= dict.fromkeys(empty, EMPTY_CHAIR)
        case = Case(
            question=trial.question.text,
            answers=tuple(trial.question.answers[index] for index in trial.answers),
            argues=trial.argues,
            seed=row.seed,
            elicitation=arm.protocol.elicitation({seat: held.elicitation for seat, held in holders.items()}),
            planted=planted_in(trial.question.meta, trial.answers),
            role=role,
        )
        calls = self._journal.of(row.id, row.experiment_id)
        return Seating(
            arm.protocol,
            case,
            indexed(text),
            holders,
            arm.prompts,
            calls,
            admit=lambda: self._journal.meter.admit(row.experiment_id),
        )

    def _holder(self, row: ParticipantRow) -> Holder:
        settings = parse_settings(row.settings)
        endpoint = None
        if row.endpoint is not None:
            endpoint = (row.endpoint.name, _address(row))
        return Holder(self._roster.participant(settings, endpoint), settings.elicitation)

    def _keeper(self, opened: Opened) -> Callable[[Move], Awaitable[Move]]:
        """Stores each move."""

        async def keep(move: Move) -> Move:
            holder = opened.rows[move.seat]
            kept = await self._journal.append(opened.row.id, holder.id, move)
            metrics.MOVES.labels(holder.kind).inc()
            return kept

        return keep

    async def _go_on(self, row: AnyPlay) -> None:
        """Raise AtRest where machines are to leave it alone from now on."""
        if row.state != "queued" or self._runs(row.experiment_id):
            return
        async with self._looking[row.experiment_id]:
            if self._runs(row.experiment_id):
                return
            # A pause is not cached: after a resume the next job must go on.
            async with self._database.reading() as session:
                state = await plays.state_of(session, row.experiment_id)
            if state != "running":
                raise AtRest
            self._running[row.experiment_id] = time.monotonic()

    def _runs(self, experiment: uuid.UUID) -> bool:
        """Whether an experiment was just seen running."""
        seen = self._running.get(experiment)
        return seen is not None and time.monotonic() - seen < LOOK

    # ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _guard(self, row: AnyPlay, work: Callable[[], Awaitable[None]]) -> None:
        """Record why work failed. Trouble of the database itself rises: there is nowhere to record it."""
        try:
            await work()
        except CapReached as reached:
            async with self._database.session.begin() as session:
                if await pause(session, row.experiment_id):
                    log.warning("An experiment is paused. %s", reached)
        except AtRest:
            return
        except (NoKey, EndpointPaused):
            raise  # no fault of the play: the job goes back, for a worker that has the key, or for later
        except (ParticipantError, ProtocolError) as error:
            await self._mark(row, "failed", str(error))
        except OUTAGE:
            raise
        except Exception as error:
            log.exception("%s %s failed for a reason of our own", type(row).__name__, row.id)
            # The first line: what follows it in an error of the database is the statement, with texts and gold.
            what = "".join(str(error).splitlines()[:1])
            reason = (
                f"The arena itself failed ({type(error).__name__}: {what}): please report it, then retry."
            )
            await self._mark(row, "failed", reason)

    async def _mark(self, row: AnyPlay, state: str, error: str | None = None) -> None:
        async with self._database.session.begin() as session:
            await plays.mark(session, row, state, error)
        _count(row, state)


def _count(row: AnyPlay, state: str) -> None:
    """Count and log the end of a play."""
    kind = "judging" if isinstance(row, Judgement) else "talk"
    metrics.PLAYS.labels(kind, state).inc()
    event(log, "A play ended.", play=row.id, kind=kind, state=state)


def _detach(session: AsyncSession, rows: Iterable[ParticipantRow]) -> None:
    """Take rows that are kept out of their session, which forgets what they hold when it is rolled back."""
    for row in rows:
        for kept in (row, row.endpoint):
            if kept is not None and kept in session:
                session.expunge(kept)


def _address(row: ParticipantRow) -> EndpointSettings:
    assert row.endpoint is not None
    return settings_of(row.endpoint)


def _is_ready(row: AnyPlay) -> bool:
    """Whether something may be asked in a play: a judging begins when its talk is done."""
    return row.state in OPEN and (isinstance(row, Trial) or row.talk.state == "done")


def _at_rest(row: AnyPlay) -> bool:
    """Whether machines are to leave it alone: its experiment was paused or cancelled. What a person has begun goes on."""
    return row.state == "queued" and plays.trial_of(row).arm.experiment.state != "running"


def _answers(turn: Turn, contents: Mapping[str, AnyContent]) -> list[Move]:
    """Moves that answer what is due; raises RuleChanged where something else is answered."""
    due = {ask.path: ask for ask, _ in turn.due}
    for path in contents:
        if path not in due:
            raise RuleChanged(f"Nothing is asked at {path} now.")
    return [answered(due[path], content) for path, content in contents.items()]


def _stored(outcome: Outcome) -> dict[str, Any]:
    """An outcome as it is kept with the trial; beliefs are kept as verdicts."""
    return {
        "transcript": [list(group) for group in outcome.transcript],
        "measures": dict(outcome.measures),
        **({"points": dict(outcome.points)} if outcome.points else {}),
    }
