"""The web application: routes, errors and headers put together, and the worker that runs beside them."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.engine import Engine
from app.jobs import working
from app.languages import gettext as _
from app.languages import marked
from app.participants.outages import Patience
from app.records.database import Database
from app.records.outage import kind_of
from app.reports.report_cache import ReportCache
from app.services import overdue
from app.services.egress import GuardedParticipantFactory, allow_list
from app.services.estimates import Estimates
from app.services.participation import TakesNoPart
from app.services.refusal import Refused
from app.settings import Settings
from app.templating import STATIC
from app.web import health, home
from app.web.accounts import language, sign_in, tokens
from app.web.admin import audit, endpoints, participants, people
from app.web.api import routes as api
from app.web.archives.routes import router as archives
from app.web.experiment_editor.routes import router as experiment_editor
from app.web.experiments.routes import router as experiments
from app.web.failure import failure
from app.web.judge.routes import router as judge
from app.web.participation import ending, joining
from app.web.participation import pages as participation
from app.web.privacy import people as personal_data
from app.web.privacy import routes as privacy
from app.web.reports.comparison import router as comparisons
from app.web.reports.routes import router as reports
from app.web.seats.routes import router as seats
from app.web.security import middleware
from app.web.security.middleware import NotSignedIn
from app.web.security.permissions import check_complete
from app.web.static_files import VersionedFiles
from app.web.studies import events, payments
from app.web.studies.people import router as study_people
from app.web.studies.routes import router as studies
from app.web.tasks.routes import router as tasks
from app.web.unavailable import handle_outages, unavailable

log = logging.getLogger(__name__)
ROUTERS = (
    health.router,
    sign_in.router,
    language.router,
    home.router,
    # Before the experiments, whose names stand in the same place as `new` and `compare`.
    experiment_editor,
    comparisons,
    experiments,
    reports,
    tasks,
    archives,
    joining.router,
    participation.router,
    ending.router,
    study_people,
    payments.router,
    events.router,
    studies,
    judge,
    seats,
    privacy.router,
    personal_data.router,
    people.router,
    endpoints.router,
    participants.router,
    tokens.router,
    audit.router,
    *api.ROUTERS,
)
SENTENCES = {
    404: marked("There is nothing at this address."),
    405: marked("This address does not take that kind of request."),
    413: middleware.TOO_LARGE,
}


def create_app(database: Database, settings: Settings, *, worker: bool = True) -> FastAPI:
    """The application over an open database; with `worker` it also works on what is queued."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if worker:
                roster = GuardedParticipantFactory(allow_list(settings), Patience(hours=settings.patience))
                await stack.enter_async_context(working(database, settings, roster=roster))
                await stack.enter_async_context(overdue.watching(app.state.engine, database))
            yield
            await app.state.engine.close()

    app = FastAPI(title="Oversight Arena", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.database, app.state.settings, app.state.engine = (
        database,
        settings,
        Engine(database, GuardedParticipantFactory(allow_list(settings))),
    )
    app.state.reports, app.state.estimates = ReportCache(database), Estimates()
    # Comparisons and recomputed reports use the processor: one at a time.
    app.state.comparing = CapacityLimiter(1)
    app.add_middleware(middleware.Bounded)
    app.add_middleware(middleware.Headers)
    app.add_middleware(middleware.Timed)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    app.mount("/static", VersionedFiles(directory=STATIC), name="static")
    check_complete(ROUTERS)
    for router in ROUTERS:
        app.include_router(router)
    _handle_errors(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(NotSignedIn)
    async def not_signed_in(request: Request, error: NotSignedIn) -> Response:
        return middleware.to_sign_in(request)

    @app.exception_handler(TakesNoPart)
    async def takes_no_part(request: Request, error: TakesNoPart) -> Response:
        return RedirectResponse("/", status_code=303)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return failure(request, error.status, error.sentence)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        sentence = f"{first['loc'][-1]}: {first['msg'][0].lower()}{first['msg'][1:]}."
        return failure(request, 422, sentence)

    @app.exception_handler(DataError)
    @app.exception_handler(UnicodeEncodeError)
    async def unfit(request: Request, error: Exception) -> Response:
        log.warning("%s %s: %s", request.method, request.url.path, type(error).__name__)
        return failure(
            request, 422, _("Something in this request cannot be stored: leave out control characters.")
        )

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        sentence = _(SENTENCES[error.status_code]) if error.status_code in SENTENCES else str(error.detail)
        return failure(request, error.status_code, sentence)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # the client is gone, which is no failure of the arena

    handle_outages(app)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> Response:
        if (kind := kind_of(error)) is not None:
            request.app.state.database.outage.saw(error)
            return middleware.hardened(request, unavailable(request, kind))
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        sentence = _(
            "The arena itself failed here; nothing of this request was kept. Try again, or tell its operator."
        )
        # Made outside of everything that other responses pass on their way.
        return middleware.hardened(request, failure(request, 500, sentence))
