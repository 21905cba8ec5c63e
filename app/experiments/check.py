"""A pre-flight: a few trials played and judged with the real participants, without storing anything."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.experiments.fitness import Conduct
from app.experiments.plan import Drawn, reading
from app.experiments.spec import ArmSpec, Spec
from app.participants.base import (
    PEOPLE,
    Asking,
    Call,
    CallLog,
    Ending,
    Later,
    ModelSettings,
    Participant,
    ParticipantError,
)
from app.participants.participant_factory import ParticipantFactory, Person
from app.participants.prompt_sizes import PromptSize
from app.participants.prompts import PromptBook
from app.participants.seating import Holder, Seating
from app.protocols.combinators import position_of
from app.protocols.core import AnyContent, Case, Elicitation, Move, Outcome, Play, Stance
from app.protocols.flaws import planted_in
from app.protocols.judging import judge, read_at
from app.protocols.quotes import indexed
from app.protocols.views import View


@dataclass(slots=True)
class Findings:
    """The result of a pre-flight."""

    conducts: dict[tuple[str, str], Conduct] = field(default_factory=dict)
    """What each participant did in each kind of seat, by both names."""
    sent: int = 0
    """Requests sent to models, counting every attempt."""
    lost: int = 0
    """Requests without a reply."""
    remarks: list[str] = field(default_factory=list)
    """What the servers of the models do not take, and what was sent instead."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """Arm and reason of each failed trial or judgement."""

    @property
    def unfit(self) -> list[Conduct]:
        """Return the participants that are unfit for a seat."""
        return [conduct for conduct in self.conducts.values() if conduct.verdict == "unfit"]

    def conduct(self, participant: str, seat: str, *, rated: bool) -> Conduct:
        """Return the counts of a participant in a kind of seat."""
        return self.conducts.setdefault((participant, seat), Conduct(participant, seat, rated))

    # The two methods of a call log, so that attempts are counted and nothing is stored.

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""
        self.sent += 1

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        self.lost += ending.status != "ok"


async def check(
    spec: Spec,
    drawn: Sequence[Drawn],
    texts: Mapping[str, str],
    done: Callable[[], None] = lambda: None,
    roster: ParticipantFactory | None = None,
) -> Findings:
    """Play every arm once on each question of `drawn`, and have every judge judge it.

    `texts` are the passages by key. `done` is called after each arm on each question. The trials of a question are
    played at once; those of the next question play the next assignment of sides.
    """
    findings = Findings()
    roster = roster or ParticipantFactory()

    async def rehearse(number: int, item: Drawn, arm: ArmSpec) -> None:
        text = texts[item.question.passage.key]
        await _Rehearsal(spec, arm, item, text, number, roster, findings).run()
        done()

    try:
        for number, item in enumerate(drawn):
            await asyncio.gather(*(rehearse(number, item, arm) for arm in spec.arms))
    finally:
        findings.remarks = roster.remarks()
        await roster.keep(anew=True)
        await roster.close()
    return findings


class _AskLog:
    """Passes on the record of one ask's calls, and keeps what is counted of them."""

    def __init__(self, calls: CallLog, conduct: Conduct) -> None:
        self._calls, self._conduct = calls, conduct
        self.again = False
        """Whether a second reply was asked for."""
        self._characters: dict[str, int] = {}

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""
        self.again = self.again or call.purpose == "again"
        self._characters[request_id] = sum(len(segment.text) for segment in call.segments)
        await self._calls.begin(call, attempt, request_id)

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        if ending.tokens_in:
            self._conduct.prompts.append(PromptSize.of(self._characters[request_id], ending))
        await self._calls.end(request_id, ending)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A participant whose answers are counted."""

    participant: Participant
    conduct: Callable[[View], Conduct]
    mark: str
    """Tells the trial apart from others."""

    async def answer(self, view: View, asking: Asking) -> AnyContent | Later:
        """See `Participant`."""
        conduct = self.conduct(view)
        log = _AskLog(asking.calls, conduct)
        conduct.asks += 1
        try:
            content = await self.participant.answer(view, replace(asking, calls=log))
        except ParticipantError:
            conduct.failed += 1
            raise
        if isinstance(content, Later):
            conduct.asks -= 1
        else:
            conduct.count(view, f"{self.mark}/{read_at(asking.path)}", content, again=log.again)
        return content


@dataclass(slots=True)
class _Rehearsal:
    """One trial that is played and judged without being stored."""

    spec: Spec
    arm: ArmSpec
    item: Drawn
    text: str
    number: int
    """Number of the question, from 0: which assignment of sides is played."""
    roster: ParticipantFactory
    findings: Findings
    talk: dict[str, Move] = field(default_factory=dict)
    """The moves of the talk, which every judge reads."""

    async def run(self) -> None:
        try:
            if self.arm.protocol.judge_takes_part:
                for name in self.spec.panel.judges or (PEOPLE,):
                    await self._talk({self.arm.protocol.judge.name: name})
            elif (outcome := await self._talk({})) is not None:
                for name in self.spec.panel.judges:
                    await self._judging(outcome, name)
        except ParticipantError as error:
            self.findings.errors.append((self.arm.name, str(error)))

    async def _talk(self, taking_part: Mapping[str, str]) -> Outcome | None:
        protocol = self.arm.protocol
        seated = {**self.arm.seats, **taking_part}
        sitting = self._sitting(seated)
        play = Play(protocol.script(sitting.case), protocol.rights())

        async def remember(move: Move) -> Move:
            self.talk[move.path] = move
            if isinstance(move.content, Stance):
                checked = self.talk[position_of(move.path)].seat
                self._conduct(seated[checked], protocol.rights()[checked].title).count_position(move.content)
            return move

        return await sitting.play_out(play, {}, remember)

    async def _judging(self, outcome: Outcome, name: str) -> None:
        protocol = self.arm.protocol
        seat = protocol.judge.name
        sitting = self._sitting({seat: name})
        sitting = replace(sitting, case=outcome.judged(sitting.case), given=self.talk)
        orders = reading(protocol, len(self.item.answers)) * self.spec.panel.repeats
        script = judge(sitting.case, outcome.transcript, self.spec.panel.elicit, orders, seat, outcome.points)
        play = Play(script, [seat], self.talk)
        await sitting.play_out(play, {}, _keep)

    def _sitting(self, seated: Mapping[str, str]) -> Seating:
        holders = {seat: self._holder(name) for seat, name in seated.items()}
        assignments = self.arm.protocol.assignments(len(self.item.answers))
        assignment = assignments[self.number % len(assignments)]
        own = {seat: holder.elicitation for seat, holder in holders.items()}
        elicitation = self.arm.protocol.elicitation(own)
        planted = planted_in(self.item.question.meta, self.item.answers)
        case = Case(
            self.item.question.text,
            self.item.texts,
            assignment.argues,
            0,
            elicitation,
            planted,
            assignment.role,
        )
        prompts = PromptBook(self.arm.prompts)
        return Seating(self.arm.protocol, case, indexed(self.text), holders, prompts, self.findings)

    def _holder(self, name: str) -> Holder:
        if name == PEOPLE:  # No person comes to a rehearsal: it ends where a person would be asked.
            return Holder(Person(), Elicitation())
        cast = self.spec.cast
        settings = cast.participants[name]
        participant = self.roster.participant(settings, cast.endpoint_of(name))
        mark = f"{self.arm.name}/{self.number}/{name}"
        watched = _Watched(participant, lambda view: self._conduct(name, view.title), mark)
        return Holder(watched, settings.elicitation)

    def _conduct(self, name: str, seat: str) -> Conduct:
        rated = isinstance(self.spec.cast.participants.get(name), ModelSettings)
        return self.findings.conduct(name, seat, rated=rated)


async def _keep(move: Move) -> Move:
    return move
