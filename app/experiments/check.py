"""A pre-flight: a few trials played and judged with the real participants, without storing anything."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.experiments.plan import Drawn, reading
from app.experiments.spec import ArmSpec, Spec
from app.participants.base import PEOPLE, Call, Ending, ParticipantError
from app.participants.participant_factory import ParticipantFactory, Person
from app.participants.prompts import PromptBook
from app.participants.seating import Holder, Seating
from app.protocols.core import Belief, Case, Elicitation, Move, Outcome, Play, Speech, Stance
from app.protocols.flaws import planted_in
from app.protocols.judging import judge
from app.protocols.quotes import indexed


@dataclass(slots=True)
class Tally:
    """The counts of one participant."""

    speeches: int = 0
    in_length: int = 0
    """Speeches that needed neither another request nor a cut."""
    quotes: int = 0
    verified: int = 0
    stances: int = 0
    refusals: int = 0
    concessions: int = 0
    beliefs: int = 0
    methods: set[str] = field(default_factory=set)
    flagged: int = 0
    """Beliefs about which something is doubtful."""
    masses: list[float] = field(default_factory=list)
    """Label mass of each belief that has one."""

    def count(self, move: Move) -> None:
        """Add one move."""
        content = move.content
        if isinstance(content, Speech):
            self.speeches += 1
            self.in_length += content.asked == 1 and not content.cut
            self.quotes += len(content.said.quotes)
            self.verified += sum(quote.verified for quote in content.said.quotes)
        elif isinstance(content, Stance):
            self.stances += 1
            self.refusals += content.stance == "refuses"
            self.concessions += content.stance == "concedes"
        elif isinstance(content, Belief):
            self.beliefs += 1
            self.methods.add(content.method)
            self.flagged += bool(content.flags)
            self.masses += [] if content.label_mass is None else [content.label_mass]


@dataclass(slots=True)
class Findings:
    """The result of a pre-flight."""

    participants: dict[str, Tally] = field(default_factory=dict)
    sent: int = 0
    """Requests sent to models, counting every attempt."""
    lost: int = 0
    """Requests without a reply."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """Arm and reason of each failed trial or judgement."""

    # The two methods of a call log, so that attempts are counted and nothing is stored.

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""
        self.sent += 1

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        self.lost += ending.status != "ok"


async def check(spec: Spec, drawn: Sequence[Drawn], texts: Mapping[str, str]) -> Findings:
    """Play every arm once on each question of `drawn`, and have every judge judge it.

    `texts` are the passages by key.
    """
    findings = Findings()
    roster = ParticipantFactory()
    try:
        for item in drawn:
            for arm in spec.arms:
                await _Rehearsal(spec, arm, item, texts[item.question.passage.key], roster, findings).run()
    finally:
        await roster.close()
    return findings


@dataclass(slots=True)
class _Rehearsal:
    """One trial that is played and judged without being stored."""

    spec: Spec
    arm: ArmSpec
    item: Drawn
    text: str
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
        count = self._counter(seated)

        async def remember(move: Move) -> Move:
            self.talk[move.path] = move
            return await count(move)

        return await sitting.play_out(play, {}, remember)

    async def _judging(self, outcome: Outcome, name: str) -> None:
        protocol = self.arm.protocol
        seat = protocol.judge.name
        sitting = self._sitting({seat: name})
        sitting = replace(sitting, case=outcome.judged(sitting.case), given=self.talk)
        orders = reading(protocol, len(self.item.answers)) * self.spec.panel.repeats
        script = judge(sitting.case, outcome.transcript, self.spec.panel.elicit, orders, seat, outcome.points)
        play = Play(script, [seat], self.talk)
        await sitting.play_out(play, {}, self._counter({seat: name}))

    def _sitting(self, seated: Mapping[str, str]) -> Seating:
        holders = {seat: self._holder(name) for seat, name in seated.items()}
        [assignment, *_] = self.arm.protocol.assignments(len(self.item.answers))
        own = {seat: holder.elicitation for seat, holder in holders.items()}
        elicitation = self.arm.protocol.elicitation(own)
        planted = planted_in(self.item.question.meta, self.item.answers)
        case = Case(self.item.question.text, self.item.texts, assignment.argues, 0, elicitation, planted)
        prompts = PromptBook(self.arm.prompts)
        return Seating(self.arm.protocol, case, indexed(self.text), holders, prompts, self.findings)

    def _holder(self, name: str) -> Holder:
        if name == PEOPLE:  # No person comes to a rehearsal: it ends where a person would be asked.
            return Holder(Person(), Elicitation())
        cast = self.spec.cast
        settings = cast.participants[name]
        return Holder(self.roster.participant(settings, cast.endpoint_of(name)), settings.elicitation)

    def _counter(self, seated: Mapping[str, str]) -> Callable[[Move], Awaitable[Move]]:
        async def count(move: Move) -> Move:
            self.findings.participants.setdefault(seated[move.seat], Tally()).count(move)
            return move

        return count
