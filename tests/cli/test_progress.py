"""The line of progress of a run."""

import asyncio
from dataclasses import replace

from app.cli.progress import _lines, _Meter, _pace
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


def test_the_terminal_says_whose_turn_it_is_and_no_pace_of_nothing():
    meter = _Meter()
    queued = replace(counts(0), turns="Workers take turns, it is queued.")
    assert meter.facts(queued) == "0 failed; Workers take turns, it is queued"
    done = replace(counts(10), trials={"done": 10}, turns="Workers take turns.")
    assert "take turns" not in meter.facts(done), "nothing waits for a turn any more"


def test_few_moves_are_told_by_the_minute_and_nothing_to_do_is_said_so(capsys):
    assert [_pace(moves) for moves in (250.4, 2.0, 0.5, 0.001)] == [
        "250 moves/s",
        "2 moves/s",
        "30 moves/min",
        "1 moves/min",
    ]

    async def steps():
        yield Progress({}, {}, 0, 0, 0, 0, "running")

    asyncio.run(_lines(steps(), "empty", _Meter()))
    assert "empty: nothing to do" in capsys.readouterr().err
