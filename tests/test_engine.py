"""One engine on one database: replays, waits for people, keeps what failed, and does nothing twice."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.engine import Engine
from app.participants.base import (
    LATER,
    AnySettings,
    Asking,
    BuiltinSettings,
    EndpointSettings,
    Later,
    Participant,
)
from app.participants.participant_factory import ParticipantFactory
from app.protocols.core import AnyContent
from app.protocols.views import View
from app.records.database import Database
from app.records.progress import progress
from models import Experiment
from tests.factories import imported, passage, spec, started
from tests.processes import PLAYS, Records
from tests.servers import Script, ScriptedServer
from tests.test_jobs import modelled


class Guest:
    """In the place of a built-in: answers as it does where it has leave to, and notes what it was asked."""

    def __init__(self, holder: Participant) -> None:
        self._holder = holder
        self.asked: list[str] = []
        self.away = True
        self.trouble: Callable[[], None] = lambda: None
        self.slip: dict[str, Any] = {}
        """What it gets wrong in the content of its answers."""

    async def answer(self, view: View, asking: Asking) -> AnyContent | Later:
        self.asked.append(asking.path)
        self.trouble()
        if self.away:
            return LATER
        content = await self._holder.answer(view, asking)
        assert not isinstance(content, Later)
        return content.model_copy(update=self.slip)


class House(ParticipantFactory):
    """A roster in which guests sit for some of the built-ins, by the name of the built-in."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.guests = {
            name: Guest(super(House, self).participant(BuiltinSettings.model_validate({"name": name}), None))
            for name in names
        }

    def participant(
        self, settings: AnySettings, endpoint: tuple[str, EndpointSettings] | None
    ) -> Participant:
        if isinstance(settings, BuiltinSettings) and settings.name in self.guests:
            return self.guests[settings.name]
        return super().participant(settings, endpoint)


def debate(**changes: Any) -> dict[str, Any]:
    """A debate between two built-ins, one of them of dice, with one judge."""
    whole = spec(elicit="final", judges=["lexical"])
    arm = {
        "protocol": "debate",
        "rounds": 2,
        "balance": "half",
        "seats": {"debater_a": "advocate", "debater_b": "dice"},
    }
    # With this seed the half of the assignments is the one in which `advocate` is the seat `debater_a`.
    return whole | {"arms": {"debate": arm}, "seed": 2} | changes


@pytest.fixture
def records(database_url: str) -> Records:
    return Records(database_url)


@pytest.fixture
async def experiment(database: Database) -> Experiment:
    """One debate on one question."""
    await imported(database, passage("Alba", questions=1))
    return await started(database, debate())


async def change(database: Database, statement: str) -> None:
    """Do what no part of the arena does."""
    async with database.session.begin() as session:
        await session.execute(text(statement))


def the(records: Records, kind: str) -> UUID:
    """The only trial or judgement."""
    return UUID(str(records.one(f"SELECT id FROM {PLAYS[kind]}")))


def state(records: Records, kind: str = "trial") -> tuple[str, str | None]:
    """State and error of the only trial or judgement."""
    [[state, error]] = records.all(f"SELECT state, error FROM {PLAYS[kind]}")
    return state, error


async def play(database: Database, records: Records, roster: ParticipantFactory | None = None) -> None:
    """Advance the only trial, then its judgement, with an engine that knows nothing of earlier ones."""
    engine = Engine(database, roster)
    await engine.advance(the(records, "trial"))
    await engine.advance(the(records, "judgement"))
    await engine.close()


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_finished_trial_queues_its_judgements(
    database: Database, records: Records, experiment: Experiment
) -> None:
    engine = Engine(database)
    await engine.advance(the(records, "trial"))
    await engine.close()

    assert state(records) == ("done", None)
    assert state(records, "judgement") == ("queued", None)
    locks = [row[0] for row in records.all("SELECT lock FROM procrastinate_jobs ORDER BY id")]
    assert locks == [f"play:{the(records, kind)}" for kind in ("trial", "judgement")]


async def test_an_unfinished_trial_is_not_judged(
    database: Database, records: Records, experiment: Experiment
) -> None:
    engine = Engine(database)
    await engine.advance(the(records, "judgement"))
    await engine.close()

    assert state(records, "judgement") == ("queued", None)
    assert records.count("move") == records.count("verdict") == 0


async def test_what_does_not_exist_is_left_alone(database: Database, records: Records) -> None:
    engine = Engine(database)
    await engine.advance(uuid4())
    await engine.advance(uuid4())
    await engine.close()
    assert records.count("move") == 0


async def test_advancing_again_asks_nothing_and_writes_nothing(database: Database, records: Records) -> None:
    await imported(database, passage("Alba", questions=1))
    async with ScriptedServer() as server:
        await started(database, modelled(server.base_url) | {"arms": debate_of_models()})
        await play(database, records)
        assert {each for _, each, _ in records.states()} == {"done"}
        before = everything(records)
        requests = len(server.seen)
        await play(database, records)
        assert (everything(records), len(server.seen)) == (before, requests)


def debate_of_models() -> dict[str, Any]:
    return {"debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "strong"}}}


def debate_under_pressure() -> dict[str, Any]:
    seats = {"debater_a": "advocate", "debater_b": "dice", "preference": "lexical"}
    return {
        "debate": {
            "protocol": "debate",
            "rounds": 1,
            "candidates": 2,
            "refinements": 2,
            "balance": "half",
            "seats": seats,
        }
    }


def everything(records: Records) -> dict[str, list[Any]]:
    """Every row of every table that playing writes to, as text."""
    tables = (
        "play",
        "move",
        "verdict",
        "model_call",
        "call_attempt",
        "text",
        "procrastinate_jobs",
    )
    return {name: sorted(records.all(f"SELECT t::text FROM {name} t")) for name in tables}


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_play_cut_off_at_any_move_ends_as_one_that_was_not(
    database: Database, records: Records, pressed: bool
) -> None:
    await imported(database, passage("Alba", questions=1))
    await started(database, debate(arms=debate_under_pressure()) if pressed else debate())
    await play(database, records)
    moves, verdicts, outcomes = records.moves(), records.verdicts(), records.outcomes()
    numbers = [row[0] for row in records.all("SELECT id FROM move ORDER BY id")]
    assert len(numbers) > 8
    for number in numbers:
        await change(database, "DELETE FROM verdict")
        await change(database, f"DELETE FROM move WHERE id >= {number}")
        await change(database, "UPDATE play SET state = 'queued', finished_at = NULL WHERE kind = 'judging'")
        await change(
            database,
            "UPDATE play SET state = 'queued', outcome = NULL, finished_at = NULL WHERE kind = 'talk'",
        )
        await play(database, records)
        assert (records.moves(), records.verdicts(), records.outcomes()) == (moves, verdicts, outcomes)


# ── rules that changed ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["trial", "judgement"])
@pytest.mark.parametrize(
    ("tampering", "sentence"),
    [
        ("fingerprint = 'another'", "was made under other rules than the present ones"),
        ("seat = 'somebody'", "was made under other rules than the present ones"),
        ("path = 'r9/nobody'", "is stored but the present rules never ask for it"),
    ],
)
async def test_a_changed_rule_stops_the_work_with_a_sentence(
    database: Database, records: Records, experiment: Experiment, kind: str, tampering: str, sentence: str
) -> None:
    await play(database, records)
    play_id = the(records, kind)
    await change(database, f"UPDATE play SET state = 'queued', outcome = NULL WHERE id = '{play_id}'")
    first = f"(SELECT min(id) FROM move WHERE play_id = '{play_id}')"
    await change(database, f"UPDATE move SET {tampering} WHERE id = {first}")
    moves = records.moves()
    await play(database, records)

    failed, error = state(records, kind)
    assert failed == "failed"
    assert error is not None
    assert sentence in error
    assert (
        "finish it with the version that made it, or cancel it on its page and start it under another name"
        in error
    )
    assert records.moves() == moves


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_trial_waits_for_who_answers_later_and_goes_on_from_there(
    database: Database, records: Records, experiment: Experiment
) -> None:
    house = House("random")
    guest = house.guests["random"]
    await play(database, records, house)
    assert state(records) == ("waiting", None)
    assert [key[-1] for key in records.moves()] == ["r1/debater_a"]
    async with database.session() as session:
        counts = await progress(session, experiment.id)
    assert (counts.count("waiting"), counts.running) == (1, 0)

    before = everything(records)
    await play(database, records, house)
    assert everything(records) == before

    guest.away = False
    guest.asked.clear()
    await play(database, records, house)
    assert state(records) == state(records, "judgement") == ("done", None)
    assert [path for path in guest.asked if path.startswith("r")] == ["r1/debater_b", "r2/debater_b"]
    assert set(records.moves()) >= {("debate", "Alba-q1", 0, 0, "", f"r2/debater_{side}") for side in "ab"}


async def test_a_judgement_waits_for_a_judge_who_answers_later(
    database: Database, records: Records, experiment: Experiment
) -> None:
    house = House("lexical-judge")
    await play(database, records, house)
    assert state(records) == ("done", None)
    assert state(records, "judgement") == ("waiting", None)
    assert records.count("verdict") == 0

    house.guests["lexical-judge"].away = False
    await play(database, records, house)
    assert state(records, "judgement") == ("done", None)
    assert records.count("verdict") == 2


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_failure_of_one_seat_is_recorded_and_the_others_moves_are_kept(
    database: Database, records: Records
) -> None:
    await imported(database, passage("Alba", questions=1))
    async with ScriptedServer() as good, ScriptedServer(Script(refusal=(400, "No.", None))) as bad:
        data = modelled(good.base_url)
        data["participants"]["mute"] = {"kind": "model", "base_url": bad.base_url, "model": "scripted"}
        arm = {
            "protocol": "debate",
            "rounds": 1,
            "balance": "half",
            "seats": {"debater_a": "strong", "debater_b": "mute"},
        }
        await started(database, data | {"arms": {"debate": arm}})
        await play(database, records)

        failed, error = state(records)
        assert failed == "failed"
        assert error is not None
        assert error.startswith("The endpoint mute refused the request (400, saying “No”): ")
        assert [key[-1] for key in records.moves()] == ["r1/debater_a"]
        assert state(records, "judgement") == ("queued", None)

        requests = len(good.seen) + len(bad.seen)
        await play(database, records)
        assert len(good.seen) + len(bad.seen) == requests

        bad.script.refusal = None
        await change(database, "UPDATE play SET state = 'queued', error = NULL WHERE kind = 'talk'")
        await play(database, records)
    assert state(records) == state(records, "judgement") == ("done", None)
    tried = [(each.place[-1], each.status) for each in records.attempts()]
    assert sorted(each for each in tried if "position" not in each[0] and each[0].startswith("r1")) == [
        ("r1/debater_a", "ok"),
        ("r1/debater_b", "http"),
        ("r1/debater_b", "ok"),
    ]


async def test_a_failure_of_our_own_is_recorded_as_that(
    database: Database, records: Records, experiment: Experiment, caplog: pytest.LogCaptureFixture
) -> None:
    house = House("random")

    def stumble() -> None:
        raise LookupError("the quill is gone\nand so is the ink")

    house.guests["random"].trouble = stumble
    await play(database, records, house)

    assert state(records) == (
        "failed",
        "The arena itself failed (LookupError: the quill is gone): please report it, then retry.",
    )
    assert "the quill is gone" in caplog.text  # with its traceback, for whoever mends it


async def test_what_cannot_be_stored_fails_its_trial_instead_of_being_asked_for_ever(
    database: Database, records: Records, experiment: Experiment
) -> None:
    house = House("random")
    house.guests["random"].away = False
    house.guests["random"].slip = {"scratchpad": "a\0b"}
    await play(database, records, house)

    failed, error = state(records)
    assert failed == "failed"
    assert error is not None
    assert error.startswith("The arena itself failed (DataError: ")
    assert "INSERT" not in error
    assert [key[-1] for key in records.moves()] == ["r1/debater_a"]


async def test_who_is_stopped_in_the_middle_keeps_what_was_on_its_way_to_the_record(
    database: Database, records: Records, experiment: Experiment
) -> None:
    house = House("random")
    engine = Engine(database, house)
    reached = asyncio.Event()
    house.guests["random"].trouble = reached.set
    task = asyncio.create_task(engine.advance(the(records, "trial")))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.close()

    assert state(records) == ("queued", None)
    assert [key[-1] for key in records.moves()] == ["r1/debater_a"]
