"""What an invite gives a recruiter's judge in the end, read from what a form or a program sent."""

from pydantic import HttpUrl, TypeAdapter, ValidationError

from app.records.people import Completion
from app.services.refusal import Refused

MOST_CODE, MOST_URL = 100, 500
"""Characters."""
_URL = TypeAdapter(HttpUrl)
_HERE = ("localhost", "127.0.0.1", "[::1]")


def completion(role: str, code: str, url: str) -> Completion | None:
    """A code, an address, or both; None where neither is given. Raises Refused where they cannot be shown to a judge."""
    code, url = code.strip(), url.strip()
    if not (code or url):
        return None
    if role != "judge":
        raise Refused(
            422,
            "Only judges get a completion code or address: leave both empty, or invite a judge.",
            *(["completion_code"] if code else []),
            *(["completion_url"] if url else []),
        )
    if not code.isprintable():
        raise Refused(
            422, "The completion code must be on one line, without control characters.", "completion_code"
        )
    return Completion(code, _address(url) if url else "")


def _address(url: str) -> str:
    refusal = Refused(
        422,
        "Write the completion address as https://… (http:// only for this machine itself).",
        "completion_url",
    )
    try:
        found = _URL.validate_python(url)
    except ValidationError as error:
        raise refusal from error
    if found.username or found.password or not (found.scheme == "https" or found.host in _HERE):
        raise refusal
    return str(found)
