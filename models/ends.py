"""How a person's part in a study ends, and how a person leaves a talk: the one list of each."""

from enum import StrEnum


class End(StrEnum):
    """How a person's part in a study ended."""

    COMPLETED = "completed"
    """They did all that was promised."""
    SCREENED_OUT = "screened_out"
    """They did not pass the comprehension questions, or did not consent."""
    FAILED_CHECKS = "failed_checks"
    """They failed as many attention checks as the file says."""
    STOPPED = "stopped"
    """They stopped early, and are paid for what they did."""
    WITHDRAWN = "withdrawn"
    """They withdrew: nothing of theirs is counted."""
    RETURNED = "returned"
    """The recruiter says that they returned the submission."""
    TIMED_OUT = "timed_out"
    """They ran out of time."""


COUNTED = frozenset({End.COMPLETED, End.STOPPED})
"""Ends after which a person's verdicts stay in the figures. After others they are given back, and their place is free."""
WAYS = ("absent", *(end.value for end in End))
"""How a person left a talk: they did not answer in time, ended their part in the study, or (`returned`) gave their seat back."""


def one_of(names: tuple[str, ...]) -> str:
    """Return names as the list of an `IN` in SQL."""
    return ", ".join(f"'{name}'" for name in names)
