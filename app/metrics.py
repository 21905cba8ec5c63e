"""What this process has counted since it started, in the form that Prometheus reads; knows no database and no text.

Labels are names of endpoints, kinds, routes and states: never a name of a person, an experiment or a question.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

SECONDS_OF_CALLS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)
SECONDS_OF_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

MOVES = Counter("arena_moves", "Moves that were stored, by what made them.", ["kind"], registry=REGISTRY)
PLAYS = Counter("arena_plays", "Talks and judgings that ended, by how.", ["kind", "state"], registry=REGISTRY)
CALLS = Counter(
    "arena_calls", "Attempts at model calls that ended, by how.", ["endpoint", "status"], registry=REGISTRY
)
RETRIES = Counter(
    "arena_retries", "Attempts at model calls after the first.", ["endpoint"], registry=REGISTRY
)
TOKENS = Counter(
    "arena_tokens",
    "Tokens as servers count them; cached ones are among those of prompts.",
    ["endpoint", "kind"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "arena_call_seconds",
    "Seconds of an attempt at a model call.",
    ["endpoint"],
    buckets=SECONDS_OF_CALLS,
    registry=REGISTRY,
)
CALLS_UNDER_WAY = Gauge(
    "arena_calls_under_way", "Model calls that wait for a reply.", ["endpoint"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "arena_request_seconds",
    "Seconds until the last byte of a page or an answer of the API.",
    ["route", "status"],
    buckets=SECONDS_OF_REQUESTS,
    registry=REGISTRY,
)
DATABASE_RESTARTS = Counter(
    "arena_database_restarts", "Times that the embedded PostgreSQL was started again.", registry=REGISTRY
)


def ended_call(
    endpoint: str, status: str, seconds: float, number: int, tokens: dict[str, int | None]
) -> None:
    """Count an attempt at a model call: its number from 1, and its tokens by kind where the server counts them."""
    CALLS.labels(endpoint, status).inc()
    CALL_SECONDS.labels(endpoint).observe(seconds)
    if number > 1:
        RETRIES.labels(endpoint).inc()
    for kind, count in tokens.items():
        if count:
            TOKENS.labels(endpoint, kind).inc(count)
