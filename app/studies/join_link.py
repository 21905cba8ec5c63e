"""The link by which a recruiter's people join a study, with what the recruiter fills in."""

from collections.abc import Mapping
from typing import Literal

FILLED_IN: Mapping[str, str] = {
    "prolific": "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}",
    "mturk": "",
    "link": "",
}
"""A recruiter to the query of the link. MTurk adds its parameters by itself."""


def for_recruiter(link: str, kind: Literal["prolific", "mturk", "link"]) -> str:
    """Return the link to give to a recruiter: Prolific puts its ids where the placeholders are."""
    return link + FILLED_IN[kind]
