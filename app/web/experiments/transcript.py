"""A trial as a researcher reads it: what judges read turn by turn, and beside it what was made and not shown to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal, TypeAlias

from app.protocols import PROTOCOLS
from app.protocols.core import AnyContent, Seat, Speech, Stance, parse_content
from app.protocols.views import LETTERS, label
from app.records.browse import Transcript
from app.services.marked_quotes import Piece, Stretch, marked_passage, pieces
from models import Arm, Move, Participant, Trial, Verdict

Outcome: TypeAlias = Literal["right", "wrong", "torn"]
TURNS = 20
"""Turns of a transcript that a page holds."""
MADE = {
    "speech": ("speech", "speeches"),
    "note": ("note", "notes"),
    "thought": ("thought", "thoughts"),
    "items": ("list", "lists"),
    "pick": ("choice", "choices"),
    "rating": ("rating", "ratings"),
    "belief": ("belief", "beliefs"),
    "stance": ("position check", "position checks"),
}
"""How one and how many moves of a kind are called."""


@dataclass(frozen=True, slots=True)
class ShownMove:
    """One move of the talk."""

    number: int | None
    """From 1 among those that judges read; None for the others."""
    move: Move
    holder: Participant
    label: str
    """As judges read it who have the answers in the trial's own order."""
    side: str | None
    """Letter of the answer it argues for."""
    content: AnyContent
    pieces: Sequence[Piece]
    """Of a speech."""
    check: str | None
    """What a position check of it found."""
    checked: tuple[Move, Participant] | None
    """That check."""
    notes_shown: bool
    """Whether judges read its private notes."""

    @property
    def anchor(self) -> str:
        """Its name on the page."""
        return f"turn-{self.number}"


@dataclass(frozen=True, slots=True)
class Aside:
    """What was made in one step of a talk and is not shown to judges: drafts, reads of a price, checks."""

    step: str
    turns: Sequence[ShownMove]

    @property
    def made(self) -> str:
        """How much it is, as `8 speeches, 36 beliefs`."""
        kinds = Counter(turn.content.kind for turn in self.turns)
        return ", ".join(f"{count} {MADE[kind][count > 1]}" for kind, count in kinds.items())


@dataclass(frozen=True)
class TrialTranscript:
    """A trial's transcript: `shown` in the order in which judges read it, `unshown` as it was made."""

    shown: Sequence[ShownMove]
    unshown: Sequence[ShownMove]

    @property
    def made(self) -> list[ShownMove]:
        """All of it, oldest first."""
        return sorted((*self.shown, *self.unshown), key=lambda turn: turn.move.id)

    @cached_property
    def asides(self) -> Mapping[int, Sequence[Aside]]:
        """What was not shown, under the number of the turn that it follows; 0 is before the first."""
        after: dict[int, list[Aside]] = {}
        last = 0
        for step in dict.fromkeys(_step(turn) for turn in self.made):
            last = max([last, *(turn.number or 0 for turn in self.shown if _step(turn) == step)])
            if (aside := self.aside(step)).turns:
                after.setdefault(last, []).append(aside)
        return after

    def aside(self, step: str) -> Aside:
        """What was made in a step and not shown."""
        return Aside(step, [turn for turn in self.unshown if _step(turn) == step])


def _step(turn: ShownMove) -> str:
    """The step of a talk that a move belongs to: what its path begins with."""
    return turn.move.path.partition("/")[0]


def told(found: Transcript) -> TrialTranscript:
    """Return a trial with all that was said. Until it is done, what judges will read is unknown and everything counts as shown.

    A position check follows its speech, where judges read that.
    """
    spoken = {move.path: (move, holder) for move, holder in found.moves}
    outcome = found.trial.outcome
    read = _read(found.trial, outcome["transcript"], spoken) if outcome else _unchecked(spoken)
    checks = {path: spoken[f"{path}/position"] for path in read if f"{path}/position" in spoken}
    with_them = {f"{path}/position" for path in checks}
    unshown = [path for path in spoken if path not in {*read, *with_them}]
    rights = _rights(found.arm)
    shown = [
        _turn(number, *spoken[path], found.trial, rights, checks.get(path))
        for number, path in enumerate(read, 1)
    ]
    return TrialTranscript(shown, [_turn(None, *spoken[path], found.trial, rights, None) for path in unshown])


def _read(
    trial: Trial, transcript: Sequence[Sequence[str]], spoken: Mapping[str, tuple[Move, Participant]]
) -> list[str]:
    """The paths of a transcript; those of one group by letter, as judges read them."""
    return [
        path
        for group in transcript
        for path in sorted(group, key=lambda path: trial.argues.get(spoken[path][0].seat, -1))
    ]


def _unchecked(spoken: Mapping[str, tuple[Move, Participant]]) -> list[str]:
    return [path for path, (move, _) in spoken.items() if move.content["kind"] != "stance"]


def _turn(
    number: int | None,
    move: Move,
    holder: Participant,
    trial: Trial,
    rights: dict[str, Seat],
    checked: tuple[Move, Participant] | None,
) -> ShownMove:
    content = parse_content(move.content)
    side = trial.argues.get(move.seat)
    stance = parse_content(checked[0].content) if checked else None
    return ShownMove(
        number,
        move,
        holder,
        label(rights[move.seat], side, range(len(trial.answers)), move.path)
        if move.seat in rights
        else move.seat,
        None if side is None else LETTERS[side],
        content,
        pieces(content.said) if isinstance(content, Speech) else (),
        stance.stance if isinstance(stance, Stance) else None,
        checked,
        number is not None and move.seat in rights and rights[move.seat].notes_shown,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of one judge, for the top of the page."""

    judge: str
    round: str | None
    """None where the judge took part in the talk."""
    outcome: Outcome
    """`torn` where its reading orders differ or beliefs are level."""
    choice: str
    """The letter of the answer with the highest mean belief; empty where two or more are level."""
    p_gold: float
    """Mean belief in gold of its readings."""
    by_order: Mapping[str, float]
    """Belief in gold by the order of the letters as they were read."""
    split: bool
    """Whether it is right in one order and wrong in another."""


def judgings(found: Transcript) -> list[Judged]:
    """Return the verdict of each judge, first of one who took part in the talk."""
    gold = found.trial.answers.index(found.question.gold)
    own = [(None, _holder(found), found.verdicts)] if found.verdicts else []
    read = [(item.round.name, item.judge, item.verdicts) for item in found.judged if item.verdicts]
    return [
        _judged(who.name if who else "judge", name, list(held), gold) for name, who, held in (*own, *read)
    ]


def _holder(found: Transcript) -> Participant | None:
    judge = found.verdicts[0].participant_id
    return next((holder for _, holder in found.moves if holder.id == judge), None)


def _judged(judge: str, round_name: str | None, verdicts: Sequence[Verdict], gold: int) -> Judged:
    orders: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        orders.setdefault("".join(LETTERS[index] for index in verdict.answer_order), []).append(verdict)
    # Each reading is right or wrong by itself; then orders are averaged.
    correct = {
        order: fmean(_correct(verdict.belief, gold) for verdict in held) for order, held in orders.items()
    }
    mean = [fmean(column) for column in zip(*(verdict.belief for verdict in verdicts), strict=True)]
    best = [index for index, p in enumerate(mean) if p == max(mean)]
    share = fmean(correct.values())
    return Judged(
        judge,
        round_name,
        "right" if share > 0.5 else "wrong" if share < 0.5 else "torn",
        LETTERS[best[0]] if len(best) == 1 else "",
        mean[gold],
        {order: fmean(verdict.belief[gold] for verdict in held) for order, held in orders.items()},
        max(correct.values()) > 0.5 > min(correct.values()),
    )


def _correct(belief: Sequence[float], gold: int) -> float:
    other = max(p for index, p in enumerate(belief) if index != gold)
    return 1.0 if belief[gold] > other else 0.0 if belief[gold] < other else 0.5


def labels(arm: Arm, trial: Trial) -> dict[str, str]:
    """Every seat's name as judges read it who have the answers in the trial's own order."""
    order = range(len(trial.answers))
    return {name: label(seat, trial.argues.get(name), order) for name, seat in _rights(arm).items()}


def _rights(arm: Arm) -> dict[str, Seat]:
    return PROTOCOLS[arm.protocol].model_validate(arm.settings).rights()


def quoted_passage(text: str, said: Sequence[ShownMove]) -> tuple[list[Stretch], list[ShownMove]]:
    """The passage with every quote marked, and the speeches that its stretches count."""
    speeches = [turn for turn in said if isinstance(turn.content, Speech)]
    marked = marked_passage(
        text, [turn.content.said for turn in speeches if isinstance(turn.content, Speech)]
    )
    return marked, speeches
