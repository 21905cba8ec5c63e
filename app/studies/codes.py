"""Codes that tell a recruiter how a person's part ended."""

import secrets

from app.studies.spec import Recruiter

ENDS = ("completed", "screened_out", "failed_checks")
"""Ends with a code of their own."""
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that are easily mistaken for others."""


def codes_of(recruiter: Recruiter) -> dict[str, str]:
    """Return a code for each of the ends: the one that the file names, or a new one."""
    return {end: getattr(recruiter, end) or new_code() for end in ENDS}


def new_code() -> str:
    """Return eight random letters and digits."""
    return "".join(secrets.choice(LETTERS) for _ in range(8))
