"""A refusal in the form that the caller reads."""

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.web.render import page


def failure(request: Request, status: int, sentence: str) -> Response:
    """Return a page, or JSON for the API and for scripts that ask for it."""
    asked = request.headers.get("accept", "").startswith("application/json")
    if not request.url.path.startswith("/api/") and not asked:
        return page(request, "pages/error.html", status=status, sentence=sentence)
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": sentence}, status, challenge)
