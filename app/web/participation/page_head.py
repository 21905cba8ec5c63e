"""The head of a participant's pages: the study, the number of the page, and the time left."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from app.services.participation import Part


@dataclass(frozen=True, slots=True)
class PageHead:
    """The head of a page."""

    title: str
    number: int
    """Of the page, among those that they pass."""
    total: int
    minutes_left: int | None
    """Minutes until they run out of time; None where there is no limit."""


def page_head(part: Part) -> PageHead:
    """Return the head of the page that a person is on."""
    path = [str(one) for one in part.spec.path]
    expires = part.enrolment.expires_at
    left = None if expires is None else ceil((expires - datetime.now(UTC)).total_seconds() / 60)
    number = path.index(part.page) + 1 if part.page in path else len(path)
    return PageHead(part.spec.title, number, len(path), left)
