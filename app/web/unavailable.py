"""Answers where the database does not answer or a disk is full: 503, a sentence, and when to try again."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from procrastinate.exceptions import ConnectorException

from app import languages
from app.languages import gettext as _
from app.languages import marked
from app.records.database import Database
from app.records.outage import OUTAGE, RAW_OUTAGE, Kind, kind_of
from app.web.failure import failure
from app.web.security.middleware import LANGUAGE_COOKIE, Visit

RETRY_AFTER: dict[Kind, int] = {"away": 5, "busy": 2, "full": 60}
"""Seconds."""
SENTENCES: dict[Kind, str] = {
    "away": marked(
        "The arena cannot reach its database at the moment, and tries again by itself. What you sent just now was not kept; "
        "everything before it was. Load the page again in a few seconds."
    ),
    "busy": marked(
        "The arena has too much to do at the moment. What you sent just now was not kept; everything before it was. "
        "Try again in a few seconds."
    ),
    "full": marked(
        "The arena's disk is full, so that nothing can be stored. What you sent just now was not kept; everything before it was. "
        "Its operator has to make room; then try again."
    ),
}


def handle_outages(app: FastAPI) -> None:
    """Answer requests that meet an outage."""

    async def away(request: Request, error: Exception) -> Response:
        kind = kind_of(error)
        if kind is None:
            raise error
        database: Database = request.app.state.database
        database.outage.saw(error)
        return unavailable(request, kind)

    for each in (*OUTAGE, *RAW_OUTAGE, ConnectorException):
        app.add_exception_handler(each, away)


def unavailable(request: Request, kind: Kind) -> Response:
    """Return the answer to a request that met an outage."""
    # The rows of who is signed in may have gone with their transaction. Those who were not looked up yet read the language of
    # their browser's choice.
    if not hasattr(request.state, "visit"):
        languages.speak(request.cookies.get(LANGUAGE_COOKIE, ""))
    request.state.visit = Visit(None)
    response = failure(request, 503, _(SENTENCES[kind]))
    response.headers["Retry-After"] = str(RETRY_AFTER[kind])
    return response
