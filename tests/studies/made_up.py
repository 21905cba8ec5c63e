"""Studies with made-up people, played on the database: diligent ones, careless ones, and some who leave."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine
from app.protocols.core import Belief
from app.records import assignment, drafts, enrolments, people, studies
from app.records.database import Database
from app.records.drafts import Effort, Signals
from app.records.enrolments import Newcomer
from app.studies.spec import StudySpec, parse_study
from models import Account, Draft, Enrolment, Experiment, Study
from tests.factories import finished, passage
from tests.records.test_assignment import for_people, wanted

NAIVE = {"naive": {"protocol": "naive"}}
ITEM = {"question": "Which is plain?", "answers": ["This one.", "That one."], "right": 0}


def study_file(*experiments: str, **changes: Any) -> dict[str, Any]:
    """A study's file with every page, two checks, and rules of exclusion."""
    return {
        "name": "ferries",
        "title": "Why was the ferry late?",
        "experiments": list(experiments),
        "trials": 4,
        "people": 12,
        "minutes": 20,
        "reward": {"amount": "3.00", "currency": "GBP"},
        "pages": {
            "consent": {"text": "Do you agree?"},
            "comprehension": {
                "questions": [{"question": "What is asked?", "answers": ["This.", "That."], "right": 0}]
            },
            "questionnaire": {"fields": [{"name": "age", "kind": "number", "label": "Your age"}]},
        },
        "checks": {
            "attention": [{"key": "look", **ITEM}],
            "gold": [{"key": "sure", **ITEM}],
            "straight_lining": 4,
        },
        "exclude": [{"flag": "too_fast", "at_least": 3}, {"flag": "attention_failed"}],
        **changes,
    }


@dataclass(frozen=True)
class Made:
    """A made-up person: what they do in each trial, and how their part ends."""

    name: str
    trials: int = 4
    seconds: float = 60
    """At work on a trial; a diligent person varies it by a fifth."""
    right: float = 0.75
    """Belief in the first answer of the talk, varied a little unless `same`."""
    same: bool = False
    reason: str = ""
    """The same in every trial; empty: another each time."""
    pasted: bool = False
    script: bool = True
    away: float = 2
    look: bool = True
    """Whether they pass the attention check."""
    sure: bool = True
    page: str = "done"
    """The page that they are on in the end."""
    end: str | None = "completed"
    minutes: float = 30
    """Since they joined."""
    holds: bool = False
    """Whether they have a trial in hand."""


CAST: Sequence[Made] = (
    Made("ada", right=0.9, minutes=600),
    Made("bea", right=0.8, minutes=570),
    Made("cyd", right=0.85, seconds=95, minutes=540),
    Made("dee", seconds=6, same=True, right=0.5, reason="ok", look=False, minutes=500),
    Made("eve", pasted=True, away=400, minutes=480),
    Made("fay", seconds=9, minutes=300, reason="good argument"),
    Made("gil", script=False, minutes=200),
    Made("hal", sure=False, right=0.35, minutes=150),
    Made("ida", trials=2, page="trials", end="stopped", minutes=120),
    Made("jan", trials=1, page="trials", end="returned", minutes=90),
    Made("kim", trials=0, page="comprehension", end="screened_out", minutes=60),
    Made("lea", trials=2, page="trials", end=None, minutes=12),
)
"""Twelve people of mixed diligence."""


async def made_up(
    database: Database,
    cast: Sequence[Made] = CAST,
    file: Mapping[str, Any] | None = None,
    *,
    name: str = "small",
    owner: uuid.UUID | None = None,
) -> tuple[Experiment, Study]:
    """Play an experiment, each talk of which two people judge, and a study on it with this cast; return both."""
    passages = [passage(key, 1) for key in ("Alma", "Bora", "Cora", "Dora", "Eska", "Fina")]
    experiment = await finished(database, *passages, data=for_people(judges=wanted(2), name=name))
    study = await opened(database, study_file(name, looking=True) if file is None else file, owner)
    for number, one in enumerate(cast):
        await play(database, study, one, Random(number))
    return experiment, study


async def opened(database: Database, file: Mapping[str, Any], owner: uuid.UUID | None = None) -> Study:
    """Make a study and open it."""
    spec = parse_study(file)
    async with database.session.begin() as session:
        study = await studies.add(session, spec.name, spec.normalised(), {}, owner)
        found = await studies.experiments_of(session, spec.experiments)
        await studies.keep_seats(session, study.id, [row.id for row in found.values()])
        await studies.set_state(session, study, "open", None)
        return study


async def enrolled(session: AsyncSession, study: Study, name: str, **changes: Any) -> uuid.UUID:
    """Add a part in a study in any state to the database; return its id."""
    account = Account(id=uuid.uuid4(), name=name, role="judge")
    session.add(account)
    await session.flush()
    await people.participant_of(session, account)
    key = await enrolments.person_key(session, study.id, "")
    values = {"seed": 1, "promised": 4, "page": "trials", **changes}
    part = Enrolment(id=uuid.uuid4(), study_id=study.id, account_id=account.id, person_key=key, **values)
    session.add(part)
    await session.flush()
    return part.id


async def play(database: Database, study: Study, one: Made, chance: Random) -> uuid.UUID:
    """Let a person take part from the join to where their part ends; return the enrolment."""
    spec = parse_study(study.spec)
    async with database.session.begin() as session:
        joined = await enrolments.join(
            session,
            await session.merge(study, load=False),
            Newcomer("prolific", f"worker-{one.name}", f"submission-{one.name}", one.name),
            role="judge",
            wanted=spec.people,
            trials=spec.trials,
            page="trials",
            time_limit=None,
        )
        assert joined is not None
        for attempt in (1, 2) if one.page == "comprehension" else (1,):
            passed = one.page != "comprehension"
            await enrolments.answer(session, joined, "comprehension", {}, attempt=attempt, passed=passed)
    for number in range(one.trials):
        await _judge(database, joined.account_id, one, number, chance)
    if one.holds:
        async with database.session.begin() as session:
            assert await assignment.claim(session, joined.account_id, "judge") is not None
    await _end(database, joined.id, one, spec)
    return joined.id


async def _judge(database: Database, account_id: uuid.UUID, one: Made, number: int, chance: Random) -> None:
    async with database.session.begin() as session:
        seat = await assignment.claim(session, account_id, "judge")
        assert seat is not None, f"no trial is left for {one.name}"
    engine = Engine(database)
    said = one.reason or f"Quote {number + 1} of {one.name} decides it, as the log says so."
    while True:
        async with database.session.begin() as session:
            turn = await engine.turn(session, seat, lock=True)
            if turn is None or not turn.due:
                break
            [(ask, _)] = turn.due
            await _effort(session, seat, turn.seat.play_id, account_id, ask.path, one, said, chance)
            p = one.right if one.same else min(max(one.right + chance.uniform(-0.08, 0.08), 0), 1)
            await engine.submit(session, turn, {ask.path: Belief(p=(p, 1 - p), method="stated", reason=said)})
    await engine.close()


async def _effort(
    session: Any,
    seat: uuid.UUID,
    play: uuid.UUID,
    account: uuid.UUID,
    path: str,
    one: Made,
    said: str,
    chance: Random,
) -> None:
    if not one.script:
        await drafts.save(session, seat, play, account, path, {"at": 1}, {})
        return
    seconds = one.seconds * (1 if one.same else chance.uniform(0.8, 1.2))
    keys, pasted = (2, len(said)) if one.pasted else (len(said) + 5, 0)
    signals = Signals("1/1", keys, int(one.pasted), pasted, one.away)
    await drafts.save(
        session, seat, play, account, path, {"at": 1}, {path: Effort(0, 2, keys)}, {path: [signals]}
    )
    # No save counts more seconds than have passed.
    await session.execute(
        update(Draft).where(Draft.seat_id == seat, Draft.path == path).values(active_seconds=seconds)
    )


async def _end(database: Database, enrolment: uuid.UUID, one: Made, spec: StudySpec) -> None:
    async with database.session.begin() as session:
        row = await session.get_one(Enrolment, enrolment)
        if one.page != "comprehension":
            for key, passed in (("look", one.look), ("sure", one.sure)):
                await enrolments.answer(session, row, "trials", {"p": [60, 40]}, item=key, passed=passed)
        await enrolments.turn_to(session, row, one.page)
        if one.end is not None:
            await enrolments.end(session, row, one.end)
        began = datetime.now(UTC) - timedelta(minutes=one.minutes)
        lasted = timedelta(minutes=min(one.minutes, 10 + one.seconds / 8))
        await session.execute(
            update(Enrolment)
            .where(Enrolment.id == enrolment)
            .values(
                created_at=began,
                last_seen_at=began + lasted,
                ended_at=None if one.end is None else began + lasted,
            )
        )
