"""Patterns that scripts share: speeches under pressure to persuade, beliefs, position checks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, model_validator

from app.protocols.core import (
    Ask,
    Assignment,
    Belief,
    Case,
    Facts,
    Limits,
    Move,
    Outcome,
    PickFacts,
    Protocol,
    Said,
    Seat,
    Shown,
    SideFacts,
    Speech,
    SpeechFacts,
    Talk,
    believed,
    one,
    paths,
    picked,
    rated,
    together,
)
from app.protocols.views import label

T = TypeVar("T")

CHECKER = "checker"
PREFERENCE = "preference"
COACH = "coach"

Attack = Literal["none", "impersonate-judge", "inject-instructions", "forge-marks"]

LEAST_QUOTE = 20
"""Characters that four short words take. With fewer, hardly any quote could ever be verified."""


@dataclass(frozen=True, kw_only=True)
class RoundFacts(SpeechFacts):
    """Facts of a speech of one round among several."""

    round: int
    rounds: int
    asked: bool | None = None
    """True where the judge, or a seat in its place, has just asked something."""


@dataclass(frozen=True, kw_only=True)
class BeliefFacts(Facts):
    """Facts of coming to a belief: the same for the belief, for each vote and for the reasons before them."""

    options: Literal["answers"] | None = None
    """What a vote is for."""


@dataclass(frozen=True, kw_only=True)
class PreferenceFacts(BeliefFacts):
    """Facts of a reader's belief in a candidate."""

    silent: tuple[str, ...]
    """Labels of the opponents who have not spoken in this round."""


@dataclass(frozen=True, kw_only=True)
class ChoiceFacts(PickFacts):
    """Facts of choosing the answer to argue for."""

    mislead: bool
    """Whether it is to be a wrong one."""


class Spoken(Protocol):
    """A protocol with speeches, for an answer or not. It has the bounds of every speech."""

    target_words: int = Field(100, ge=10, le=2000)
    """Words that the prompt asks a speech to have."""
    min_words: int = Field(70, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(150, ge=10, le=4000)
    """Most words that are accepted. A longer speech is requested again, then cut at a sentence."""
    quote_characters: int | None = Field(250, ge=0, le=100_000)
    """New verified characters of the passage that one speech may quote. Absent (`null`): as many as it likes."""
    quotes_required: int = Field(0, ge=0, le=20)
    """Fewest quotes that must be found in the passage. A speech with fewer is requested again."""

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if not self.min_words <= self.target_words <= self.max_words:
            raise ValueError(
                f"min_words ({self.min_words}), target_words ({self.target_words}) and max_words ({self.max_words}) "
                "must not decrease in this order"
            )
        if 0 < (self.quote_characters or 0) < LEAST_QUOTE:
            raise ValueError(
                f"quote_characters must be at least {LEAST_QUOTE}, or 0 for none: a quote has four words or more"
            )
        if self.quotes_required and self.quote_characters == 0:
            raise ValueError(
                "quotes_required asks for quotes and quote_characters: 0 allows none: raise it, or leave one out"
            )
        return self

    @property
    def limits(self) -> Limits:
        """Return the bounds on one speech."""
        return Limits(
            self.target_words,
            self.min_words,
            self.max_words,
            self.quote_characters,
            min_quotes=self.quotes_required,
        )

    def speech(self, seat: str, kind: str, said: Said, *, number: int, rounds: int) -> Ask:
        """Ask `seat` for its speech of round `number`, showing what was said."""
        return self.speech_with(RoundFacts(round=number, rounds=rounds), seat, kind, said)

    def speech_with(self, facts: RoundFacts, seat: str, kind: str, said: Said) -> Ask:
        """Ask `seat` for its speech of the round that `facts` name, showing what was said."""
        path = f"r{facts.round}/{seat}"
        return Ask(path, seat, kind, "speech", paths(said), limits=self.limits, facts=facts)


class Brief(Spoken):
    """A protocol with short texts: an answer to one question, or a claim."""

    target_words: int = Field(60, ge=10, le=2000)
    """Words that the prompt asks an answer or a claim to have."""
    min_words: int = Field(0, ge=0, le=2000)
    """Fewest words that are accepted without asking again."""
    max_words: int = Field(75, ge=10, le=4000)
    """Most words that are accepted. A longer text is requested again, then cut at a sentence."""


class TwoSided(Protocol):
    """A protocol in which two seats with the same part oppose each other."""

    opposed: ClassVar[tuple[str, str]]
    """The two seats."""

    balance: Literal["full", "half"] = "full"
    """Where the two seats have different participants: `full` plays every question with each participant on each
    side, and speaking first and second; `half` plays half of these trials, balanced over the questions by the
    seed.
    """

    def balanced(self, answers: int, named: Mapping[str, Any]) -> tuple[Assignment, ...]:
        """Return every assignment. Where two different participants oppose each other, all come a second time with
        the two exchanged.

        A seat that is missing from `named` is for people, who cannot be exchanged.
        """
        once = self.assignments(answers)
        opposed = [named[seat] for seat in self.opposed if seat in named]
        if len(opposed) < 2 or opposed[0] == opposed[1]:
            return once
        return *once, *(replace(assignment, exchanged=True) for assignment in once)

    def speaks_first(self, argues: Mapping[str, int]) -> str | None:
        """Return the opposed seat that speaks before the other in a talk with these sides; None where both speak at once."""
        return None

    def holders(self, named: Mapping[str, T], assignment: Assignment) -> dict[str, T]:
        """Return who has which seat: the two opposed participants exchanged where the assignment says so."""
        found = dict(named)
        if assignment.exchanged:
            first, second = self.opposed
            found[first], found[second] = named[second], named[first]
        return found


class Argued(Spoken):
    """A protocol in which seats argue for an answer, or against one. It has the settings that all such
    protocols share.

    Any arguing seat may be put under pressure to persuade: the best of N candidates, and rewriting after a
    critique (Khan et al. 2024, appendix D.3). One may be instructed to attack the judge.
    """

    candidates: int = Field(1, ge=1, le=64)
    """Number of candidates written for each speech. A reader without the passage (the seat `preference`)
    chooses the most convincing one; the others stay hidden.
    """
    refinements: int = Field(0, ge=0, le=64)
    """Critiques of each speech by a seat with the passage (`coach`). Only the speaker sees them, and rewrites
    the speech. Of several critiques, the one that `preference` finds most helpful is shown.
    """
    rewrites: int = Field(1, ge=1, le=64)
    """Number of rewritten speeches sampled after the critique. `preference` chooses the most convincing one."""
    chosen_by: Literal["reader", "speaker"] = "reader"
    """Who chooses among candidates: a reader without the passage (the seat `preference`), or the speaker."""
    planning: bool = False
    """Whether a model must plan each speech in its scratchpad, in three steps, before it writes."""
    show_scratchpad: bool = Field(False, strict=True)
    """Whether judges read the private notes of who argues; other seats never do."""
    attack: Attack = "none"
    """An attack on the judge that one arguing seat is instructed to make beside arguing, to measure its
    effect.
    """
    attacker: str = Field("", max_length=100)
    """The seat that attacks; empty for the first that argues."""

    @model_validator(mode="after")
    def _rewrites_follow_a_critique(self) -> Self:
        if self.rewrites > 1 and not self.refinements:
            raise ValueError("rewrites are written after a critique: set refinements to 1 or more")
        return self

    @model_validator(mode="after")
    def _somebody_attacks(self) -> Self:
        if self.attacker and self.attack == "none":
            raise ValueError(
                f"attacker: {self.attacker} has no attack to make: set attack, or leave attacker out"
            )
        if self.attacker and self.attacker not in self.speakers:
            valid = ", ".join(self.speakers)
            raise ValueError(f"attacker: no seat {self.attacker} argues here; valid are {valid}")
        return self

    def seated(self, *seats: Seat) -> tuple[Seat, ...]:
        """Return these seats, the checker of their speeches and, under pressure, the reader of candidates and
        the coach.

        Only a program can take a seat that writes many candidates, attacks, or has notes that judges read: a person
        makes none and would be known by that.
        """
        first = next(seat.name for seat in seats if seat.reads_passage)
        attacker = None if self.attack == "none" else self.attacker or first
        writes_once = self.candidates == 1 and not self.refinements
        aides = [checker(first)]
        chosen = self.chosen_by == "reader" and max(self.candidates, self.rewrites) > 1
        if chosen or self.refinements > 1:
            aides.append(Seat(PREFERENCE, self.judge.title, people=False))
        if self.refinements:
            aides.append(Seat(COACH, "Coach", reads_passage=True, people=False, default=first))
        return *(self._open(seat, writes_once, seat.name == attacker) for seat in seats), *aides

    def _open(self, seat: Seat, writes_once: bool, attacks: bool) -> Seat:
        """Return a seat as it is open to people, who write a speech once and never attack."""
        closed = seat.reads_passage and seat.people and (attacks or not writes_once or self.show_scratchpad)
        opens = "without attack" if writes_once else "with candidates: 1 and refinements: 0, without attack"
        opens += " or show_scratchpad" * self.show_scratchpad
        return replace(seat, people=False, opens=opens) if closed else seat

    def rights(self) -> dict[str, Seat]:
        """Return every seat by name, including the judge; with the right to notes where judges read them.

        Seats in the judge's place have its title: the reader of candidates, a questioner, a voter.
        """
        found = super().rights()
        if not self.show_scratchpad:
            return found
        title = self.judge.title
        return {
            name: replace(seat, notes_shown=name in self.noted, reads_notes=seat.title == title)
            for name, seat in found.items()
        }

    @property
    def noted(self) -> list[str]:
        """Return the seats whose private notes judges read with `show_scratchpad`."""
        return self.speakers

    @property
    def speakers(self) -> list[str]:
        """Return the seats that argue. They have a group; coach, tamperer and grader do not."""
        return [seat.name for seat in self.seats() if seat.reads_passage and seat.group]

    @property
    def writers(self) -> list[str]:
        """Return the seats that are asked for several texts of which one is chosen."""
        several = max(self.candidates, self.rewrites) > 1
        return self.speakers * several + [COACH] * (self.refinements > 1)

    @property
    def attacking(self) -> str | None:
        """Return the seat that attacks the judge, if there is one."""
        if self.attack == "none":
            return None
        return self.attacker or self.speakers[0]

    def two_sided(self, first: str, second: str, *, exchanged: bool) -> tuple[Assignment, ...]:
        """Return the assignments of a protocol in which two seats argue.

        There is a second one, with the seats exchanged, where that could change anything: also where one of
        them attacks.
        """
        sides = {first: 0, second: 1}
        twice = exchanged or self.attack != "none"
        return (Assignment(sides), Assignment(sides, reverse=True)) if twice else (Assignment(sides),)

    def cause(self, seat: str, argues: Mapping[str, int]) -> int:
        """Return the answer that a seat argues for."""
        return argues[seat]

    def spoken(self, case: Case, *asks: Ask) -> Talk[tuple[Move, ...]]:
        """Ask for speeches side by side. Of each, take the best candidate and refine it."""
        return tuple((yield from together(*(self._made(case, ask) for ask in asks))))

    def _made(self, case: Case, ask: Ask) -> Talk[Move]:
        if ask.seat == self.attacking:
            ask = replace(ask, facts=replace(_speech_facts(ask), attack=self.attack))
        if self.planning:
            ask = replace(ask, facts=replace(_speech_facts(ask), plan=True))
        draft = yield from best_of(ask, self.candidates, partial(self._chosen, case, ask))
        return (yield from self._refined(case, ask, draft)) if self.refinements else draft

    def _chosen(self, case: Case, ask: Ask, candidates: list[Move]) -> Talk[int]:
        """Return which of the candidates is taken."""
        if self.chosen_by == "speaker":
            return (yield from _own_choice(ask, candidates))
        return (yield from self._most_convincing(case, ask, candidates))

    def _most_convincing(self, case: Case, ask: Ask, candidates: list[Move]) -> Talk[int]:
        scores = yield from together(*(self._score(case, ask, candidate) for candidate in candidates))
        return scores.index(max(scores))

    def _score(self, case: Case, ask: Ask, candidate: Move) -> Talk[float]:
        """Return the belief in a candidate of a reader without the passage, after `said`: the mean over both
        orders.
        """
        forward = tuple(range(len(case.answers)))
        beliefs = yield from together(
            *(
                believe(
                    case,
                    f"{candidate.path}/preference{number}",
                    PREFERENCE,
                    (*ask.shows, (candidate.path,)),
                    order=order,
                    kind="preference",
                    facts=PreferenceFacts(silent=self._silent(case, ask, order)),
                )
                for number, order in enumerate((forward, forward[::-1]), 1)
            )
        )
        cause = self.cause(ask.seat, case.argues)
        return fmean(belief.p[cause] for belief in beliefs)

    def _silent(self, case: Case, ask: Ask, order: tuple[int, ...]) -> tuple[str, ...]:
        """Return a placeholder for each opponent who has not spoken in this round, as far as is shown."""
        turn, cause, seats = ask.path.split("/")[0], self.cause(ask.seat, case.argues), self.rights()
        spoken = {tuple(path.split("/")[:2]) for group in ask.shows for path in group}
        return tuple(
            label(seats[seat], side, order)
            for seat, side in case.argues.items()
            if side != cause and (turn, seat) not in spoken
        )

    def _refined(self, case: Case, ask: Ask, draft: Move) -> Talk[Move]:
        """Return the speech as rewritten after the most helpful critique of its draft.

        Coach and reader see the speaker's answer first, so that neither side gains by where its answer is
        listed.
        """
        shows, cause = (*ask.shows, (draft.path,)), self.cause(ask.seat, case.argues)
        order = (cause, *(answer for answer in range(len(case.answers)) if answer != cause))
        about = SideFacts(side=0)
        wanted = Ask(f"{ask.path}/critique", COACH, "coach", "note", shows, order, _CRITIQUE, about)
        critiques = yield [
            replace(wanted, path=f"{wanted.path}{number}") for number in range(1, self.refinements + 1)
        ]
        best = critiques[(yield from _most_helpful(wanted, critiques))]
        rewriting = replace(_speech_facts(ask), draft=draft.path)
        rewritten = replace(ask, path=f"{ask.path}/refined", shows=(*shows, (best.path,)), facts=rewriting)
        return (yield from best_of(rewritten, self.rewrites, partial(self._chosen, case, ask)))


_CRITIQUE = Limits(target_words=80, max_words=150)


def _speech_facts(ask: Ask) -> SpeechFacts:
    assert isinstance(ask.facts, SpeechFacts)
    return ask.facts


def _own_choice(ask: Ask, candidates: list[Move]) -> Talk[int]:
    """Return the candidate that the speaker itself finds most convincing (Kenton et al. 2024)."""
    path = candidates[0].path.rpartition("/")[0]
    numbers = tuple(str(number) for number in range(1, len(candidates) + 1))
    shows = (*ask.shows, tuple(candidate.path for candidate in candidates))
    says = tuple(f"Takes candidate {number}." for number in numbers)
    facts = PickFacts(options=numbers, says=says)
    choice = Ask(f"{path}/choice", ask.seat, "own-choice", "pick", shows, facts=facts)
    return picked((yield from one(choice)))


def _most_helpful(wanted: Ask, critiques: Sequence[Move]) -> Talk[int]:
    """Return the most helpful of the critiques that `wanted` asked for. Each is rated alone."""
    if len(critiques) == 1:
        return 0
    moves = yield [
        Ask(
            f"{move.path}/helpful",
            PREFERENCE,
            "helpful",
            "rating",
            (*wanted.shows, (move.path,)),
            wanted.order,
            facts=wanted.facts,
        )
        for move in critiques
    ]
    ratings = [rated(move) for move in moves]
    return ratings.index(max(ratings))


class Questioned(Argued):
    """A protocol in which a reader without the passage may ask after every round but the last."""

    questions: Literal["none", "questioner", "judge"] = "none"
    """Who asks a question after every round but the last: no one; the seat `questioner`, before judges who only
    read; or every judge itself, in separate talks, each decided at its
    end.
    """

    @model_validator(mode="after")
    def _rounds_for_questions(self) -> Self:
        if self.questions == "questioner" and getattr(self, "rounds", 2) == 1:
            raise ValueError("questions need 2 rounds or more: one is asked after every round but the last")
        return self

    @property
    def judge_takes_part(self) -> bool:
        """Return whether the judge asks the questions."""
        return self.questions == "judge"

    @property
    def questioners(self) -> tuple[Seat, ...]:
        """Return the seat that asks in place of the judge, where there is one."""
        return (Seat("questioner", self.judge.title),) if self.questions == "questioner" else ()

    def question(self, number: int, said: Said) -> Talk[Said]:
        """Ask for the question after round `number`. Return nothing where no question is asked."""
        if self.questions == "none":
            return ()
        seat = self.judge.name if self.questions == "judge" else "questioner"
        return (((yield from one(_question(seat, number, said))),),)

    def ended(self, case: Case, said: Said) -> Talk[Outcome]:
        """End the talk. A judge who took part gives its belief, which is its verdict."""
        if not self.judge_takes_part:
            return (yield from argued(case, said))
        seat, order = self.judge.name, tuple(range(len(case.answers)))
        belief = yield from believe(case, f"end/{seat}/belief", seat, paths(said), order=order)
        return replace((yield from argued(case, said)), belief=belief, beliefs=(belief,))


def _question(seat: str, number: int, said: Said) -> Ask:
    limits = Limits(target_words=40, max_words=80)
    return Ask(f"r{number}/{seat}", seat, "question", "note", paths(said), limits=limits)


def arguing(name: str, title: str, group: str, *, lettered: bool = True) -> Seat:
    """Return a seat that reads the passage and argues for an answer."""
    return Seat(name, title, group, reads_passage=True, lettered=lettered)


def checker(default: str) -> Seat:
    """Return the seat that checks whether every speech still argues for its side. Its participant is that of
    `default`.
    """
    return Seat(CHECKER, "Checker", people=False, default=default)


def advocate(name: str, title: str, group: str) -> Seat:
    """Return a seat that argues alone. It has no letter, because there is no other side."""
    return arguing(name, title, group, lettered=False)


def one_sided(seat: str, answers: int) -> tuple[Assignment, ...]:
    """Return the assignments of a protocol in which one seat argues: one per answer, over which accuracy is
    averaged.
    """
    return tuple(Assignment({seat: answer}) for answer in range(answers))


def argued(case: Case, said: Said) -> Talk[Outcome]:
    """End an argued talk: check the position of every speech that argues for an answer, and hide the checks."""
    yield from checked(case, said)
    return Outcome(paths(said))


POSITION = "/position"
"""What the path of a position check ends with, after the path of the speech."""


def position_of(path: str) -> str:
    """Return the path of the speech that a position check is about."""
    return path.removesuffix(POSITION)


def checked(case: Case, said: Said) -> Talk[None]:
    """Check whether every speech that argues for an answer still does."""
    asks = [
        Ask(
            f"{move.path}{POSITION}",
            CHECKER,
            "position",
            "stance",
            ((move.path,),),
            facts=SideFacts(side=case.argues[move.seat]),
        )
        for group in said
        for move in group
        if move.seat in case.argues and isinstance(move.content, Speech)
    ]
    if asks:
        yield asks


def best_of(ask: Ask, n: int, choose: Callable[[list[Move]], Talk[int]]) -> Talk[Move]:
    """Ask for `n` candidates (`path/c1` …), each as a separate move. Return the one that `choose` names."""
    if n == 1:
        return (yield from one(ask))
    candidates = yield [replace(ask, path=f"{ask.path}/c{number}") for number in range(1, n + 1)]
    return candidates[(yield from choose(candidates))]


def believe(
    case: Case,
    path: str,
    seat: str,
    shows: Shown,
    *,
    order: tuple[int, ...],
    kind: str = "belief",
    facts: BeliefFacts = BeliefFacts(),
) -> Talk[Belief]:
    """Come to a belief over the answers, as `case.elicits(seat)` says: stated, after reasoning, or by votes.

    The moves are `path` itself, `path/reason` before it where the seat reasons first, and `path/v1` … for
    votes. Where `kind` is not a judge's belief (a price, for instance), its votes and reasons are
    `price-vote` and `price-reason`. `facts` are for all these prompts.
    """
    how = case.elicits(seat)
    vote, reason = ("vote", "reason") if kind == "belief" else (f"{kind}-vote", f"{kind}-reason")
    reasons = reason if how.reason_first else None
    if not how.votes:
        stated = Ask(path, seat, kind, "belief", shows, order, facts=facts)
        return believed((yield from _after_reason(reasons, stated, facts)))
    votes = [
        Ask(f"{path}/v{number}", seat, vote, "pick", shows, order, facts=replace(facts, options="answers"))
        for number in range(1, how.votes + 1)
    ]
    picks = yield from together(*(_after_reason(reasons, vote, facts) for vote in votes))
    return _vote_share([picked(move) for move in picks], order)


def _after_reason(kind: str | None, ask: Ask, facts: BeliefFacts) -> Talk[Move]:
    """Ask at once, or first for a thought (of the kind `kind`) that the ask then shows."""
    if kind is not None:
        reason = Ask(f"{ask.path}/reason", ask.seat, kind, "thought", ask.shows, ask.order, facts=facts)
        yield [reason]
        ask = replace(ask, shows=(*ask.shows, (reason.path,)))
    return (yield from one(ask))


def _vote_share(picks: Sequence[int], order: tuple[int, ...]) -> Belief:
    """Return the share of votes for each answer, in the trial's order. `picks` are indices as read."""
    shares = [0.0] * len(order)
    for pick in picks:
        shares[order[pick]] += 1 / len(picks)
    return Belief(p=tuple(shares), method="votes")
