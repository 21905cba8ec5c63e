"""The line of progress of a run."""

from app.cli.progress import _Meter
from app.records.progress import Progress


def counts(done: int, *endpoints: str) -> Progress:
    trials = {"done": done, "queued": 10 - done}
    return Progress(trials, {}, 0, done, 0, 0, "running", endpoints)


def test_no_time_is_left_while_an_endpoint_is_paused():
    meter = _Meter()
    meter.facts(counts(0))
    assert " left" in meter.facts(counts(5, "Endpoint big takes about 20 requests a minute."))
    paused = meter.facts(
        counts(5, "Endpoint big is paused since 12:03 UTC: it answered 503; it is tried now.")
    )
    assert " left" not in paused
    assert "Endpoint big is paused" in paused
