"""The way back to the recruiter once a person's part has ended."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from app.studies.spec import Recruiter

PROLIFIC = "https://app.prolific.com/submissions/complete?cc={code}"
"""Where Prolific takes a completion code."""
PLACE = "{code}"
"""What is replaced by the code in a study's `return_url`."""


def return_link(recruiter: Recruiter, code: str) -> str:
    """Return where a person goes with their code; empty where the recruiter has no such address, or there is no code to bring."""
    pattern = recruiter.return_url or (PROLIFIC if recruiter.kind == "prolific" else "")
    if not code and (PLACE in pattern or not recruiter.return_url):
        return ""
    return pattern.replace(PLACE, quote(code, safe=""))


def host(address: str) -> str:
    """Return the host of an address."""
    return urlsplit(address).hostname or ""


def code_of(codes: Mapping[str, str], ended_as: str | None) -> str:
    """Return the code for an end; empty where there is none for it."""
    return codes.get(ended_as or "", "")
