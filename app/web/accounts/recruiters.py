"""What recruiting sites add to a link: who the person is, and which submission or assignment it is."""

from collections.abc import Mapping

RECRUITERS = ("PROLIFIC_PID", "workerId", "STUDY_ID", "SESSION_ID", "hitId", "assignmentId")
"""What recruiting sites add to a link; the first two name a person. They are claims, and sign no user in."""
PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
"""The assignment's id while a person only previews the offer."""


def recruited_by(sent: Mapping[str, object]) -> dict[str, str]:
    """Return what a recruiting site says of a person."""
    found = {name: tidy(str(sent.get(name) or ""))[:100] for name in RECRUITERS}
    return {name: value for name, value in found.items() if value}


def tidy(name: str) -> str:
    """Return the name on one line, without invisible characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())


def recruiters_id_of(recruited: Mapping[str, str]) -> str:
    """Return the recruiter's id of the person; empty where there is none."""
    return recruited.get("PROLIFIC_PID") or recruited.get("workerId") or ""


def submission_of(recruited: Mapping[str, str]) -> str:
    """Return the recruiter's id of the submission or assignment; empty where there is none."""
    return recruited.get("SESSION_ID") or recruited.get("assignmentId") or ""
