"""Whether this process lives, whether the arena can work, and its figures for Prometheus; none of it needs a session.

`/healthz` and `/readyz` say no more to anyone than which part is wrong. `/metrics` is for those with the token, or on this machine.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.metrics import REGISTRY
from app.records.database import OUTAGE, Database
from app.records.health import Figures, figures, readiness
from app.settings import Settings

router = APIRouter()
SECONDS = 5.0
"""Longest wait for the database."""
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host")
"""Headers of proxies: what comes by one comes from elsewhere, whatever address it has."""
ONLY_HERE = (
    "Metrics are for programs on this machine, or for those that send ARENA_METRICS_TOKEN as a bearer token."
)


@router.get("/healthz", name="healthz")
async def healthz() -> dict[str, str]:
    """Whether this process answers. It asks no database, so that no one restarts it because that is away."""
    return {"status": "ok"}


@router.get("/readyz", name="readyz")
async def readyz(request: Request) -> Response:
    """Whether database, migrations and workers are as they must be; 503 and which is not otherwise."""
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    try:
        async with asyncio.timeout(SECONDS):
            found = await readiness(database, settings.stalled_after)
    except TimeoutError:
        parts = {"database": f"it did not answer within {SECONDS:g} s"}
        return JSONResponse({"status": "not ready", **parts}, 503, {"Retry-After": "5"})
    if found.ready:
        return JSONResponse({"status": "ready", **found.parts})
    return JSONResponse({"status": "not ready", **found.parts}, 503, {"Retry-After": "5"})


@router.get("/metrics", name="metrics")
async def metrics(request: Request) -> Response:
    """Figures of this process since it started, and of the whole arena from the database."""
    if not _may_read(request):
        return PlainTextResponse(ONLY_HERE, 403)
    database: Database = request.app.state.database
    settings: Settings = request.app.state.settings
    try:
        async with asyncio.timeout(SECONDS):
            found = await figures(database, settings.stalled_after)
    except (TimeoutError, *OUTAGE):
        found = None
    # For this answer alone: the figures of the whole are the same whichever process reads them.
    whole = CollectorRegistry()
    whole.register(_Whole(found))
    return Response(generate_latest(REGISTRY) + generate_latest(whole), media_type=CONTENT_TYPE_LATEST)


def _may_read(request: Request) -> bool:
    """Return whether a request has the token, or, where none is set, comes from this machine and by no proxy."""
    settings: Settings = request.app.state.settings
    if settings.metrics_token is not None:
        wanted = f"Bearer {settings.metrics_token.get_secret_value()}"
        given = request.headers.get("authorization", "")
        return secrets.compare_digest(given.encode(), wanted.encode())
    if settings.public_url is not None or any(name in request.headers for name in FORWARDED):
        return False
    asked = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    return _is_here(request.client.host if request.client else "") and (
        asked == "localhost" or _is_here(asked)
    )


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class _Whole(Collector):
    """Figures from the database, as metrics. Without any, only that it does not answer."""

    def __init__(self, found: Figures | None) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = self._found is not None
        yield GaugeMetricFamily("arena_database_up", "Whether the database answered just now.", value=up)
        if self._found is not None:
            yield from _families(self._found)


def _families(found: Figures) -> Iterable[Metric]:
    jobs = GaugeMetricFamily(
        "arena_queue_jobs", "Jobs of all experiments: being done, due, and put off.", labels=["state"]
    )
    for state, count in found.jobs.items():
        jobs.add_metric([state], count)
    experiments = GaugeMetricFamily("arena_experiments", "Experiments by state.", labels=["state"])
    for state, count in found.experiments.items():
        experiments.add_metric([state], count)
    tokens = CounterMetricFamily(
        "arena_recorded_tokens", "Tokens of all experiments on record.", labels=["kind"]
    )
    for kind, total in found.tokens.items():
        tokens.add_metric([kind], total)
    gauge = GaugeMetricFamily
    return (
        jobs,
        gauge("arena_queue_oldest_seconds", "Age of the first job that is due.", value=found.oldest),
        gauge("arena_workers", "Workers that gave a sign of life lately.", value=found.workers),
        gauge(
            "arena_endpoints_paused", "Endpoints, or models there, that are left alone.", value=found.paused
        ),
        gauge("arena_database_connections", "Connections to the database.", value=found.connections),
        gauge("arena_database_bytes", "Size of the database.", value=found.size),
        CounterMetricFamily("arena_recorded_calls", "Attempts at calls on record.", value=found.calls),
        tokens,
        experiments,
    )


def bare_app(database: Database, settings: Settings) -> FastAPI:
    """An application with these three addresses and nothing else, for a process that serves no pages."""
    app = FastAPI(title="Oversight Arena", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.database, app.state.settings = database, settings
    app.include_router(router)
    return app
