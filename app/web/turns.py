"""A trial as a researcher reads it, turn by turn: who speaks under which name, quotes marked, position checks beside."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.protocols import PROTOCOLS
from app.protocols.core import AnyContent, Note, Speech, Stance, parse_content
from app.protocols.views import LETTERS, label
from app.records.browse import Transcript
from app.web.marking import Piece, Stretch, marked_passage, pieces
from models import Arm, Move, Participant, Trial

TURNS = 20
"""Turns of a transcript that a page holds."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One move of the talk."""

    number: int
    """From 1."""
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
    dropped: bool
    """Whether it is a candidate, a draft or a critique: a speech or note of a finished trial that no judge reads."""

    @property
    def anchor(self) -> str:
        """Its name on the page."""
        return f"turn-{self.number}"


def turns(found: Transcript) -> list[Turn]:
    """All turns, oldest first; position checks stand with the speech they are of."""
    names = labels(found.arm, found.trial)
    checks = {move.path: (move, holder) for move, holder in found.moves if move.content["kind"] == "stance"}
    spoken = [(move, holder) for move, holder in found.moves if move.path not in checks]
    return [
        _turn(number, move, holder, found.trial, names, checks.get(f"{move.path}/position"))
        for number, (move, holder) in enumerate(spoken, 1)
    ]


def _turn(
    number: int,
    move: Move,
    holder: Participant,
    trial: Trial,
    names: dict[str, str],
    checked: tuple[Move, Participant] | None,
) -> Turn:
    content = parse_content(move.content)
    side = trial.argues.get(move.seat)
    stance = parse_content(checked[0].content) if checked else None
    return Turn(
        number,
        move,
        holder,
        names.get(move.seat, move.seat),
        None if side is None else LETTERS[side],
        content,
        pieces(content.said) if isinstance(content, Speech) else (),
        stance.stance if isinstance(stance, Stance) else None,
        checked,
        isinstance(content, Speech | Note) and trial.outcome is not None and move.path not in _read(trial),
    )


def _read(trial: Trial) -> set[str]:
    return {path for group in (trial.outcome or {})["transcript"] for path in group}


def labels(arm: Arm, trial: Trial) -> dict[str, str]:
    """Every seat's name as judges read it who have the answers in the trial's own order."""
    rights = PROTOCOLS[arm.protocol].model_validate(arm.settings).rights()
    order = range(len(trial.answers))
    return {name: label(seat, trial.argues.get(name), order) for name, seat in rights.items()}


def quoted_passage(text: str, said: Sequence[Turn]) -> tuple[list[Stretch], list[Turn]]:
    """The passage with every quote marked, and the speeches that its stretches count."""
    speeches = [turn for turn in said if isinstance(turn.content, Speech)]
    marked = marked_passage(
        text, [turn.content.said for turn in speeches if isinstance(turn.content, Speech)]
    )
    return marked, speeches
