"""Advances one trial or judgement: replay what is on record, ask what is due, append what comes back.

It does not know what a protocol's rules are, nor whether a seat is held by a model, a baseline or a person.
"""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.base import EndpointSettings, NoKey, ParticipantError
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
from app.records import plays
from app.records.database import OUTAGE, Database
from app.records.group_commit import GroupCommit, Owner, put
from models import Judgement, Trial
from models import Participant as ParticipantRow

log = logging.getLogger(__name__)
R = TypeVar("R")
OPEN = ("queued", "waiting")
"""States of work to be done; what failed is tried again only where somebody says so."""
LOOK = 0.5
"""Seconds for which an experiment that was seen running is taken to run on."""


class AtRest(Exception):
    """The experiment was paused or cancelled between two steps; the moves made so far stay."""


EMPTY_CHAIR = Holder(Person(), Elicitation())
"""Who sits where a person is to sit and nobody has come yet: they answer later."""

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
class Opened(Generic[R]):
    """A trial or judgement, replayed to where its moves on record have brought it."""

    play: Play[R]
    sitting: Seating
    moves: Mapping[str, Move]
    keep: Callable[[Move], Awaitable[Move]]
    rows: Mapping[str, ParticipantRow]
    """Who sits where."""

    async def play_out(self, before_step: Callable[[], Awaitable[None]]) -> R | None:
        """Go on to the end; None where a person has to answer first."""
        return await self.sitting.play_out(self.play, self.moves, self.keep, before_step)


@dataclass(frozen=True, slots=True)
class Desk:
    """A judgement that waits for its judge, as it stood when it was opened."""

    judgement: Judgement
    play: Play[tuple[Reading, ...]]
    due: Sequence[tuple[Ask, View]]
    """What is asked now, each through the judge's eyes; nothing once all is answered."""
    given: Sequence[AnyContent]
    """What the judge has answered, oldest first."""
    examples: Sequence[Example]
    """Arguments that misled others, which whoever judges the trial is shown first; most arms have none."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A talk through the eyes of one seat that a person holds."""

    standing: View
    """What the seat sees when it is asked nothing: no move of anybody's."""
    due: Sequence[tuple[Ask, View]]
    """What the seat is asked now; nothing while others are awaited, and when the talk is over."""
    given: Sequence[tuple[Ask, View, AnyContent]]
    """What it was asked before, with its answers, oldest first."""
    passage: IndexedPassage
    """To check quotes against; only `View.passage` may be shown."""
    prompts: PromptBook
    protocol: str


class Engine:
    """Advances trials and judgements over one database. Close it when done."""

    def __init__(self, database: Database, roster: ParticipantFactory | None = None) -> None:
        self._database = database
        self._journal = GroupCommit(database)
        self._roster = roster or ParticipantFactory()
        self._arms: dict[uuid.UUID, SeatedArm] = {}
        self._read: dict[uuid.UUID, tuple[str, Mapping[str, Move]]] = {}
        self._running: dict[uuid.UUID, float] = {}
        """When an experiment was last seen running."""

    async def close(self) -> None:
        """Finish writing, and let go of the connections to model servers."""
        await self._journal.close()
        await self._roster.close()

    async def advance_trial(self, trial_id: uuid.UUID) -> None:
        """Play a trial as far as it goes: to its end, to a person's turn, or to a failure, which is recorded."""
        async with self._database.session() as session:
            trial = await plays.load_trial(session, trial_id)
        if trial is not None and trial.state in OPEN and not _at_rest(trial, trial):
            await self._guard(trial, lambda: self._trial(trial))

    async def advance_judgement(self, judgement_id: uuid.UUID) -> None:
        """Judge a finished trial as far as it goes: the same as `advance_trial`, for the script of judging."""
        async with self._database.session() as session:
            judgement = await plays.load_judgement(session, judgement_id)
        if judgement is None or _at_rest(judgement, judgement.trial):
            return
        if judgement.state in OPEN and judgement.trial.state == "done":
            await self._guard(judgement, lambda: self._judgement(judgement))

    async def desk(
        self, session: AsyncSession, judgement_id: uuid.UUID, *, lock: bool = False
    ) -> Desk | None:
        """What a person's judgement asks for now; None where it waits for nobody.

        With `lock`, the judgement stays as it is until the transaction ends.
        """
        judgement = await plays.load_judgement(session, judgement_id, lock=lock)
        if judgement is None or judgement.state not in OPEN or judgement.trial.state != "done":
            return None
        opened = await self._open_judgement(session, judgement)
        sitting, play, moves = opened.sitting, opened.play, opened.moves
        arm = self._arms[judgement.trial.arm_id]
        return Desk(
            judgement,
            play,
            due=[(ask, sitting.view(ask, moves)) for ask in play.due],
            given=[moves[ask.path].content for ask in play.answered],
            examples=arm.prompts.examples(arm.protocol.name),
        )

    async def submit(self, session: AsyncSession, desk: Desk, contents: Mapping[str, AnyContent]) -> None:
        """Put a judge's answers, by path, on record, and the verdict after the last, in the caller's transaction.

        Raises RuleChanged where something is not asked for.
        """
        judgement, play = desk.judgement, desk.play
        assert judgement.participant_id is not None
        moves = _answers(play, contents)
        owner = Owner(judgement=judgement.id)
        for move in await put(session, owner, judgement.participant_id, moves):
            play.record(move)
        if play.finished:
            assert play.outcome is not None
            await plays.finish_judgement(session, judgement, play.outcome)

    async def turn(self, place_id: uuid.UUID) -> Turn | None:
        """What somebody who holds a seat of a trial is asked now, and was asked before; None where they hold none."""
        async with self._database.reading() as session:
            place = await plays.load_place(session, place_id)
            if place is None:
                return None
            opened = await self._open_trial(session, place.trial)
        sitting, moves = opened.sitting, opened.moves
        open_now = place.state == "waiting" and place.trial.state in OPEN
        due = [ask for ask in opened.play.due if ask.seat == place.seat] if open_now else []
        given = [ask for ask in opened.play.answered if ask.seat == place.seat]
        return Turn(
            standing=sitting.view(Ask("standing", place.seat, "standing", "note"), moves),
            due=[(ask, sitting.view(ask, moves)) for ask in due],
            given=[(ask, sitting.view(ask, moves), moves[ask.path].content) for ask in given],
            passage=sitting.passage,
            prompts=self._arms[place.trial.arm_id].prompts,
            protocol=sitting.protocol.name,
        )

    async def submit_turn(self, place_id: uuid.UUID, contents: Mapping[str, AnyContent]) -> None:
        """Put a person's answers, by path, on record and queue the trial, in one transaction.

        An answer that is there already stays; the second is dropped. Raises RuleChanged where something is not asked of
        the seat now, or the seat is no longer theirs.
        """
        async with self._database.session.begin() as session:
            place = await plays.load_place(session, place_id, lock=True)
            if place is None:
                raise RuleChanged("Nobody holds this seat.")
            opened = await self._open_trial(session, place.trial)
            new = {path: content for path, content in contents.items() if path not in opened.moves}
            if not new:
                return
            if place.state != "waiting" or place.trial.state not in OPEN:
                raise RuleChanged("This seat is asked nothing now.")
            assert place.participant_id is not None
            moves = _answers(opened.play, new, place.seat)
            for move in await put(session, Owner(trial=place.trial_id), place.participant_id, moves):
                opened.play.record(move)
            await plays.queue_again(session, place.trial, {ask.seat for ask in opened.play.due})

    # ── one trial, one judgement ────────────────────────────────────────────────────────────────────────────────

    async def _trial(self, trial: Trial) -> None:
        async with self._database.session() as session:
            opened = await self._open_trial(session, trial)
        outcome = await opened.play_out(lambda: self._go_on(trial, trial))
        async with self._database.session.begin() as session:
            if outcome is None:
                play = opened.play
                await plays.rest(session, trial, len(play.answered), {ask.seat for ask in play.due})
                return
            judge = opened.rows.get(opened.sitting.protocol.judge.name)
            if judge is not None and outcome.belief is not None:
                order = tuple(range(len(opened.sitting.case.answers)))
                reading = Reading(order, outcome.belief, outcome.beliefs)
                await plays.save_verdicts(session, trial.id, judge.id, [reading])
            await plays.finish_trial(
                session, trial, _stored(outcome), outcome.argues, judge.id if judge else None
            )

    async def _open_trial(self, session: AsyncSession, trial: Trial) -> "Opened[Outcome]":
        arm = await self._seated(session, trial.arm_id)
        people = await plays.people_in(session, trial.id)
        rows = {**arm.rows, **{seat: row for seat, row in people.items() if row is not None}}
        if trial.judge_id is not None:
            rows[arm.protocol.judge.name] = await plays.load_participant(session, trial.judge_id)
        text = await plays.passage_text(session, trial.question.passage)
        moves = await plays.moves_of(session, trial=trial.id)
        owner = Owner(trial=trial.id)
        sitting = self._sitting(arm, trial, trial.seed, rows, text, owner, empty=people.keys() - rows.keys())
        play = replay(Play(arm.protocol.script(sitting.case), arm.protocol.rights()), moves)
        return Opened(play, sitting, moves, self._keeper(rows, owner), rows)

    async def _judgement(self, judgement: Judgement) -> None:
        async with self._database.session() as session:
            opened = await self._open_judgement(session, judgement)
        await self._judge_on(judgement, opened)

    async def _judge_on(self, judgement: Judgement, opened: "Opened[tuple[Reading, ...]]") -> None:
        readings = await opened.play_out(lambda: self._go_on(judgement, judgement.trial))
        if readings is None:
            if judgement.state != "waiting":
                await self._mark(judgement, "waiting")
            return
        async with self._database.session.begin() as session:
            await plays.finish_judgement(session, judgement, readings)

    async def _open_judgement(
        self, session: AsyncSession, judgement: Judgement
    ) -> "Opened[tuple[Reading, ...]]":
        trial, judge_row = judgement.trial, judgement.participant
        assert judge_row is not None, "a place that nobody has taken is not judged"
        arm = await self._seated(session, trial.arm_id)
        seat = arm.protocol.judge.name
        rows = {seat: judge_row}
        text, given = await self._finished(session, trial)
        moves = await plays.moves_of(session, judgement=judgement.id)
        owner = Owner(judgement=judgement.id)
        sitting = replace(self._sitting(arm, trial, judgement.seed, rows, text, owner), given=given)
        reading = tuple(tuple(order) for order in judgement.reading)
        elicit: Any = judgement.round.elicit
        transcript, points = plays.transcript_of(trial), plays.points_of(trial)
        script = judge(sitting.case, transcript, elicit, reading, seat, points)
        play = replay(Play(script, [seat], given), moves)
        return Opened(play, sitting, moves, self._keeper(rows, owner), rows)

    async def _finished(self, session: AsyncSession, trial: Trial) -> tuple[str, Mapping[str, Move]]:
        """Passage and moves of a trial; those of the last finished ones are kept, since they never change."""
        if trial.id in self._read:
            return self._read[trial.id]
        text = await plays.passage_text(session, trial.question.passage)
        found = text, await plays.moves_of(session, trial=trial.id)
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
                    "go on with the version that made it, or start a new experiment."
                ) from error
            self._arms[arm_id] = SeatedArm(protocol, PromptBook(loaded.prompts), loaded.seats)
        return self._arms[arm_id]

    def _sitting(
        self,
        arm: SeatedArm,
        trial: Trial,
        seed: int,
        rows: Mapping[str, ParticipantRow],
        text: str,
        owner: Owner,
        empty: Collection[str] = (),
    ) -> Seating:
        holders = {seat: self._holder(row) for seat, row in rows.items()} | dict.fromkeys(empty, EMPTY_CHAIR)
        case = Case(
            question=trial.question.text,
            answers=tuple(trial.question.answers[index] for index in trial.answers),
            argues=trial.argues,
            seed=seed,
            elicitation={seat: holder.elicitation for seat, holder in holders.items()},
            planted=planted_in(trial.question.meta, trial.answers),
        )
        return Seating(arm.protocol, case, indexed(text), holders, arm.prompts, self._journal.of(owner))

    def _holder(self, row: ParticipantRow) -> Holder:
        settings = parse_settings(row.settings)
        endpoint = None
        if row.endpoint is not None:
            address = {"base_url": row.endpoint.base_url, "api_key_env": row.endpoint.api_key_env}
            endpoint = (row.endpoint.name, EndpointSettings.model_validate(address))
        return Holder(self._roster.participant(settings, endpoint), settings.elicitation)

    def _keeper(self, rows: Mapping[str, ParticipantRow], owner: Owner) -> Callable[[Move], Awaitable[Move]]:
        """Puts each move on record."""

        async def keep(move: Move) -> Move:
            return await self._journal.append(owner, rows[move.seat].id, move)

        return keep

    async def _go_on(self, row: Trial | Judgement, trial: Trial) -> None:
        """Raise AtRest where machines are to leave it alone from now on."""
        seen = self._running.get(trial.experiment_id)
        if row.state != "queued" or (seen is not None and time.monotonic() - seen < LOOK):
            return
        # A pause is never remembered: whoever resumes counts on it that the next job goes on.
        async with self._database.session() as session:
            state = await plays.state_of(session, trial.experiment_id)
        if state != "running":
            raise AtRest
        self._running[trial.experiment_id] = time.monotonic()

    # ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _guard(self, row: Trial | Judgement, work: Callable[[], Awaitable[None]]) -> None:
        """Record why work failed. Trouble of the database itself rises: there is nowhere to record it."""
        try:
            await work()
        except AtRest:
            return
        except NoKey:
            raise  # this worker's own trouble: the job goes back for one that has the key
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

    async def _mark(self, row: Trial | Judgement, state: str, error: str | None = None) -> None:
        async with self._database.session.begin() as session:
            await plays.mark(session, row, state, error)


def _at_rest(row: Trial | Judgement, trial: Trial) -> bool:
    """Whether machines are to leave it alone: its experiment was paused or cancelled. What a person has begun goes on."""
    return row.state == "queued" and trial.arm.experiment.state != "running"


def _answers(play: Play[Any], contents: Mapping[str, AnyContent], seat: str | None = None) -> list[Move]:
    """Moves that answer what is due, of one seat where it is named; raises RuleChanged where something else is answered."""
    due = {ask.path: ask for ask in play.due if seat in (None, ask.seat)}
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
