"""Spans of OpenTelemetry around plays, calls and requests, where the setting asks for them; nothing is imported otherwise.

A span has names, numbers and ids, as a line of the log: no text and no key.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.errors import UserError

_tracer: Any = None


def start() -> None:
    """Send spans to where OpenTelemetry's own variables say. Raise UserError where its packages are not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            "ARENA_TELEMETRY needs packages that are not installed: install the arena with its extra, as "
            "`pip install 'oversight-arena[telemetry]'`, or unset the variable."
        ) from error
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: Any) -> None:
    """Make spans with a provider from now on; none with None."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("arena")


@contextmanager
def span(name: str, **facts: object) -> Iterator[Any]:
    """Yield a span that lasts as long as the context, or None where there are no traces.

    The error that ends it is noted by its kind alone: its words may have texts in them.
    """
    if _tracer is None:
        yield None
        return
    attributes = {f"arena.{key}": _plain(value) for key, value in facts.items()}
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            raise


def note(made: Any, **facts: object) -> None:
    """Add facts to a span, if there is one."""
    if made is not None:
        for key, value in facts.items():
            if value is not None:
                made.set_attribute(f"arena.{key}", _plain(value))


def _plain(value: object) -> object:
    return value if isinstance(value, (bool, int, float)) else str(value)
