"""Whether a newcomer can join a study now, and what proves that a person who comes back is the same."""

from datetime import datetime
from enum import StrEnum

from app.studies.spec import StudySpec


class Shut(StrEnum):
    """Why no one can join now."""

    DRAFT = "draft"
    """The study was never opened."""
    EARLY = "early"
    """It opens later."""
    PAUSED = "paused"
    CLOSED = "closed"
    """It is closed, or its time is over."""
    FULL = "full"
    """No place, or too few trials, are left."""


def shut(state: str, spec: StudySpec, now: datetime, *, room: bool) -> Shut | None:
    """Return why no one can join; None where newcomers can."""
    if state in (Shut.DRAFT, Shut.PAUSED, Shut.CLOSED):
        return Shut(state)
    if spec.opens is not None and now < spec.opens:
        return Shut.EARLY
    if spec.closes is not None and now >= spec.closes:
        return Shut.CLOSED
    return None if room else Shut.FULL


class Proof(StrEnum):
    """What a person who comes back from another browser has to bring besides their id."""

    NOTHING = "nothing"
    WORD = "word"
    """The word that they chose."""
    SUBMISSION = "submission"
    """The recruiter's id of the submission with which they joined, as the recruiter's own link has it."""


def proof(word_chosen: bool, submission: str) -> Proof:
    """Return what has to be proved of a part, by the word chosen and the submission's id at joining."""
    if word_chosen:
        return Proof.WORD
    return Proof.SUBMISSION if submission else Proof.NOTHING
