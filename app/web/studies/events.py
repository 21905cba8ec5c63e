"""Events that recruiters send: signed by a secret, taken once."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from app.services import recruitment
from app.services.recruitment import EVENTS, MOST_EVENT
from app.services.refusal import Refused
from app.web.security.middleware import Visitor
from app.web.studies.payments import recruitment_of

router = APIRouter()


@router.post(EVENTS, name="prolific_events")
async def prolific_events(request: Request, visitor: Visitor) -> Response:
    """Take an event of Prolific's. Return nothing of what the arena knows, only whether the event was signed.

    The signature alone says who sends it, not a session.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused(415, "Events are JSON.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_EVENT:
            raise Refused(413, f"An event has at most {MOST_EVENT // 1024} kB.")
    await recruitment.take_event(recruitment_of(request), request.headers, bytes(body))
    return JSONResponse({"taken": True})
