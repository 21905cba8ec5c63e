"""Seats for people: taken once, one side of a talk, never by who judges on the text; kept by a lease while one is awaited."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.engine import Engine, Turn
from app.experiments.check import check
from app.experiments.estimate import estimate, gathered
from app.experiments.freeze import start
from app.experiments.spec import SpecError, parse_spec
from app.protocols import PROTOCOLS
from app.protocols.core import AnyContent, Belief, Note, Pick, RuleChanged, Speech
from app.protocols.quotes import MarkedText
from app.records import assignment, experiments, frames, people, plays, truth, waiting_work
from app.records.database import Database
from app.records.eligibility import MOST
from app.records.progress import progress
from models import Account, Experiment, Judgement, Move, SeatRow, Trial, Verdict
from tests.factories import imported, judge_on, passage, played, spec, started
from tests.protocols.test_core_carries import InteractiveDebate

pytestmark = pytest.mark.outside

DEBATE = {
    "protocol": "debate",
    "rounds": 2,
    "min_words": 0,
    "target_words": 10,
    "seats": {"debaters": "people", "checker": "advocate"},
}
ASKING = {
    "protocol": "consultancy",
    "questions": "questioner",
    "rounds": 2,
    "seats": {"consultant": "advocate", "questioner": "people"},
}
SAID = Speech(said=MarkedText(text="So it was.", quotes=()), words=3)
JUDGED: Mapping[str, Any] = {
    "belief": Belief(p=(0.5, 0.5), method="stated"),
    "note": Note(text="Why?"),
    "pick": Pick(index=1),
}
"""What a judge in a talk says, by what is wanted: an even belief, a word, and no more rounds."""


def talks(arms: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An experiment with a debate between people."""
    return spec(**{"name": "talks", "arms": arms or {"debate": DEBATE}, "judges": ["lexical"], **changes})


async def hired(database: Database, count: int, role: str = "debater") -> list[Account]:
    """New accounts of a role."""
    async with database.session.begin() as session:
        accounts = [Account(id=uuid.uuid4(), name=f"{role} {number}", role=role) for number in range(count)]
        session.add_all(accounts)
        await session.flush()
        for account in accounts:
            await people.participant_of(session, account)
    return accounts


async def begun(database: Database, data: Mapping[str, Any] | None = None, *keys: str) -> Experiment:
    """Start an experiment on one question of each passage, and play it as far as it goes."""
    await imported(database, *(passage(key, 1) for key in keys or ("Alba",)))
    experiment = await started(database, data or talks())
    await played(database, experiment)
    return experiment


async def take(database: Database, account: Account, role: str = "debater") -> uuid.UUID | None:
    """Claim a seat that reads the passage, or one for the `role`, over a connection of its own."""
    async with database.session.begin() as session:
        return await assignment.claim(session, account.id, role)


async def rows(database: Database, *where: Any) -> Sequence[SeatRow]:
    async with database.session() as session:
        return (await session.scalars(select(SeatRow).where(*where))).all()


async def turn_of(engine: Engine, database: Database, seat: uuid.UUID) -> Turn | None:
    """What is asked of a seat now."""
    async with database.session() as session:
        return await engine.turn(session, seat)


async def submit(
    engine: Engine, database: Database, seat: uuid.UUID, contents: Mapping[str, AnyContent]
) -> None:
    """Answer in a transaction of its own."""
    async with database.session.begin() as session:
        turn = await engine.turn(session, seat, lock=True)
        if turn is None:
            raise RuleChanged("No one holds this seat.")
        await engine.submit(session, turn, contents)


async def say(database: Database, place: uuid.UUID) -> None:
    """Give the same speech for all that is asked of a seat now."""
    engine = Engine(database)
    turn = await turn_of(engine, database, place)
    assert turn is not None
    await submit(engine, database, place, {ask.path: SAID for ask, _ in turn.due})
    await engine.close()


async def change(database: Database, statement: str) -> None:
    async with database.session.begin() as session:
        await session.execute(text(statement))


# ── taking ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_seat_for_people_is_a_place_in_every_trial_and_no_participants(database: Database) -> None:
    await hired(database, 1)
    await begun(database, talks({"debate": {**DEBATE, "simultaneous": False}}), "Alba", "Brise")
    found = await rows(database)
    assert len(found) == 2 * 2 * 2
    assert {(row.seat, row.state, row.role) for row in found} == {
        ("debater_a", "open", "debater"),
        ("debater_b", "open", "debater"),
    }
    async with database.session() as session:
        assert set(await session.scalars(select(Trial.state))) == {"waiting"}


async def test_a_crowd_that_claims_at_once_fills_every_seat_once(database: Database) -> None:
    crowd = await hired(database, 6)
    await begun(database, None, "Alba")
    found: set[uuid.UUID] = set()
    # Who looks while all that is left is being taken by others may come away empty-handed, and looks again.
    for _ in range(3):
        found |= {item for item in await asyncio.gather(*(take(database, who) for who in crowd)) if item}
    held = await rows(database, SeatRow.state == "waiting")
    assert len(held) == len({row.participant_id for row in held}) == len(found) == 2


async def test_one_person_who_claims_many_times_at_once_takes_one_seat_and_never_both_sides(
    database: Database,
) -> None:
    [one] = await hired(database, 1)
    await begun(database)
    found = await asyncio.gather(*(take(database, one) for _ in range(6)))
    assert len(set(found)) == 1
    # Also when they are not awaited there.
    await say(database, next(item for item in found if item))
    assert await take(database, one) is None
    assert len(await rows(database, SeatRow.state == "waiting")) == 1


async def test_people_sit_down_first_where_somebody_waits_for_them(database: Database) -> None:
    one, two = await hired(database, 2)
    await begun(database, None, "Alba", "Brise", "Cape", "Dune")
    here, there = await take(database, one), await take(database, two)
    held = await rows(database, SeatRow.state == "waiting")
    assert {row.id for row in held} == {here, there}
    assert len({row.play_id for row in held}) == 1


async def test_somebody_takes_more_talks_while_others_are_awaited_but_not_all(database: Database) -> None:
    [one] = await hired(database, 1)
    await begun(database, None, "Alba", "Brise", "Cape", "Dune")
    held = []
    while (place := await take(database, one)) is not None:
        assert await take(database, one) == place, "who is awaited goes on there"
        held.append(place)
        await say(database, place)
    assert len(held) == MOST


# ── one person, one side of the curtain ─────────────────────────────────────────────────────────────────────────


def judged(name: str = "judged") -> dict[str, Any]:
    """A debate of built-ins that one person is to judge."""
    arm = {"protocol": "debate", "rounds": 1, "seats": {"debaters": "advocate"}}
    return spec(name=name, arms={"debate": arm}, judges=[{"humans": 1}], elicit="final")


async def test_who_argued_on_a_text_never_judges_on_it_in_any_experiment(database: Database) -> None:
    [one] = await hired(database, 1)
    await begun(database)
    await begun(database, judged())
    assert await take(database, one)
    # Also where somebody makes a judge of them, and where the seat was given back.
    await change(database, "UPDATE account SET role = 'judge'")
    await change(database, "UPDATE seat SET state = 'returned', leased_until = NULL WHERE state = 'waiting'")
    assert await take(database, one, "judge") is None
    [other] = await hired(database, 1, "judge")
    assert await take(database, other, "judge")


async def test_nobody_judges_a_talk_in_which_they_asked(database: Database) -> None:
    one, other = await hired(database, 2, "judge")
    panel = [{"humans": 1, "once_per_passage": False}]
    await begun(database, talks({"asking": ASKING}, judges=panel, elicit="final"))
    while here := await take(database, one, "judge"):
        await _ask(database, here)
    async with database.session() as session:
        assert set(await session.scalars(select(Trial.state))) == {"done"}
    assert await take(database, one, "judge") is None
    assert await take(database, other, "judge")


async def _ask(database: Database, place: uuid.UUID) -> None:
    """Ask something, and let the talk go on to its end."""
    engine = Engine(database)
    await submit(engine, database, place, {"r1/questioner": Note(text="Why?")})
    async with database.session() as session:
        trial = (await session.get_one(SeatRow, place)).play_id
    await engine.advance(trial)
    await engine.close()


async def test_who_judged_on_a_text_never_reads_it_in_any_experiment(database: Database) -> None:
    one, other = [*await hired(database, 1, "judge"), *await hired(database, 1)]
    await begun(database)
    await begun(database, judged())
    assert await take(database, one, "judge")
    assert await take(database, one) is None
    assert await take(database, other)


async def test_a_text_counts_as_the_same_however_often_it_was_imported(database: Database) -> None:
    one, _ = [*await hired(database, 1, "judge"), *await hired(database, 1)]
    await begun(database)
    await imported(database, passage("Alba", 1), name="again")
    second = await started(database, judged() | {"tasks": {"set": "again"}})
    await played(database, second)
    assert await take(database, one, "judge")
    assert await take(database, one) is None


async def test_claiming_a_seat_and_a_judgement_at_once_gives_one_of_them(database: Database) -> None:
    [one] = await hired(database, 1)
    await begun(database)
    await begun(database, judged())
    found = await asyncio.gather(*(take(database, one, role) for role in ("judge", "debater") * 2))
    assert len({item for item in found if item}) == 1


async def test_an_arm_that_somebody_has_not_worked_in_comes_first_be_it_of_seats_or_of_judgements(
    database: Database,
) -> None:
    one, *others = await hired(database, 3, "judge")
    await begun(database, talks({"asking": ASKING}), "Alba", "Brise")
    for other in others:
        assert await take(database, other, "judge")
    panel = [{"humans": 1, "once_per_passage": False}]
    await begun(database, {**judged(), "judges": panel}, "Alba", "Brise")
    first = await take(database, one, "judge")
    assert first
    assert await kind_of(database, first) == "judging", "the arm in which fewest have worked"
    await judge_on(database, first)

    # One judgement in the one arm, two seats in the other, and some left of both.
    second = await take(database, one, "judge")
    assert second
    assert await kind_of(database, second) == "talk"


async def kind_of(database: Database, seat: uuid.UUID) -> str:
    async with database.session() as session:
        kind: str = await session.scalar(
            text("SELECT kind FROM play JOIN seat ON seat.play_id = play.id WHERE seat.id = :seat"),
            {"seat": seat},
        )
    return kind


async def test_who_was_told_what_is_true_gets_no_seat_on_the_text(database: Database) -> None:
    [one] = await hired(database, 1, "judge")
    await begun(database, judged())
    held = await take(database, one, "judge")
    await change(database, """UPDATE seat SET flags = '{"told": true}' WHERE state = 'waiting'""")
    await change(database, "UPDATE seat SET leased_until = NULL")
    await change(database, "UPDATE play SET state = 'queued' WHERE kind = 'judging' AND state = 'waiting'")
    await begun(database, talks({"asking": ASKING}))
    assert held
    assert await take(database, one, "judge") is None
    [other] = await hired(database, 1, "judge")
    assert await take(database, other, "judge")


async def test_nobody_is_told_what_is_true_while_they_judge_in_a_talk_on_the_text(database: Database) -> None:
    [one] = await hired(database, 1, "judge")
    panel = [{"humans": 1, "feedback": "score", "once_per_passage": False}]
    await begun(database, talks({"asking": ASKING}))
    assert await take(database, one, "judge")
    await begun(database, {**judged(), "judges": panel})
    await change(database, "UPDATE seat SET leased_until = NULL")  # the others in the talk are awaited
    judging = await take(database, one, "judge")
    assert judging is not None
    await judge_on(database, judging)
    async with database.session.begin() as session:
        assert await truth.revealed(session, one.participant_id) == []
    await change(database, "UPDATE experiment SET state = 'cancelled' WHERE name = 'talks'")
    async with database.session.begin() as session:
        assert len(await truth.revealed(session, one.participant_id)) == 1


# ── leases ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lease_runs_only_while_somebody_is_awaited(database: Database) -> None:
    one, two = await hired(database, 2)
    await begun(database)
    here, there = await take(database, one), await take(database, two)
    assert here
    assert there
    await say(database, here)
    [mine] = await rows(database, SeatRow.id == here)
    [theirs] = await rows(database, SeatRow.id == there)
    assert (mine.leased_until, theirs.leased_until is None) == (None, False)
    await say(database, there)
    assert all(row.leased_until for row in await rows(database, SeatRow.state == "waiting"))


async def test_who_lets_others_wait_too_long_loses_the_seat_and_the_next_goes_on_from_there(
    database: Database,
) -> None:
    one, two = await hired(database, 2)
    await begun(
        database,
        talks(
            {
                "debate": {
                    **DEBATE,
                    "seats": {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"},
                }
            }
        ),
    )
    here = await take(database, one)
    assert here
    await say(database, here)
    await change(database, "UPDATE seat SET leased_until = now() - interval '1 s' WHERE state = 'waiting'")
    there = await take(database, two)
    assert there
    assert there != here
    assert [row.state for row in await rows(database, SeatRow.id == here)] == ["returned"]
    engine = Engine(database)
    turn = await turn_of(engine, database, there)
    assert turn is not None
    assert [ask.path for ask, _ in turn.due] == ["r2/debater_a"]
    assert await turn_of(engine, database, here) is None
    await engine.close()
    assert await take(database, one) is None, "who has left a talk does not come back to it"


async def test_a_seat_given_back_goes_to_others(database: Database) -> None:
    one, two = await hired(database, 2)
    await begun(database)
    here = await take(database, one)
    assert here
    async with database.session.begin() as session:
        assert await assignment.give_back(session, here, one, {})
        assert not await assignment.give_back(session, here, one, {})
    with pytest.raises(RuleChanged):
        await say_in(database, here)
    assert await take(database, one) is None
    assert await take(database, two)


async def say_in(database: Database, place: uuid.UUID) -> None:
    """Answer whatever was asked first."""
    engine = Engine(database)
    try:
        await submit(engine, database, place, {"r1/debater_a": SAID})
    finally:
        await engine.close()


async def test_a_seat_given_back_in_the_middle_goes_to_nobody_from_across_the_curtain_nor_from_the_same_talk(
    database: Database,
) -> None:
    one, opposite, judge, fresh = [*await hired(database, 2), *await hired(database, 2, "judge")]
    await begun(database)
    await begun(database, judged())
    here, there = await take(database, one), await take(database, opposite)
    assert here
    assert there
    assert await take(database, judge, "judge")
    for place in (here, there):
        await say(database, place)
    async with database.session.begin() as session:
        assert await assignment.give_back(session, here, one, {})
    await change(database, "UPDATE account SET role = 'debater'")
    assert await take(database, one) is None
    assert await take(database, opposite) == there, "who sits opposite stays there"
    assert await take(database, judge) is None
    again = await take(database, fresh)
    [row] = await rows(database, SeatRow.id == again)
    [left] = await rows(database, SeatRow.id == here)
    assert (row.play_id, row.seat, row.participant_id) == (left.play_id, left.seat, fresh.participant_id)


async def test_a_judges_seat_given_back_in_the_middle_goes_to_nobody_who_has_read_the_text(
    database: Database,
) -> None:
    one, *others = await hired(database, 3, "judge")
    [reader] = await hired(database, 1)
    rules = {"protocol": "interactive-debate", "min_rounds": 1, "max_rounds": 2}
    live = {**rules, "seats": {"debaters": "advocate"}}
    await begun(database, talks({"live": live}, judges=[{"humans": 1}], elicit="final"))
    await begun(database, talks(name="argued"))
    assert await take(database, reader)
    here = await take(database, one, "judge")
    assert here
    engine = Engine(database)
    turn = await turn_of(engine, database, here)
    assert turn is not None
    await submit(engine, database, here, {ask.path: JUDGED[ask.wants] for ask, _ in turn.due})
    await engine.close()
    async with database.session.begin() as session:
        assert await assignment.give_back(session, here, one, {})
    await change(database, "UPDATE account SET role = 'judge'")
    for away in (reader, one):
        assert await take(database, away, "judge") is None
    taken = [await take(database, other, "judge") for other in others]
    [left] = await rows(database, SeatRow.id == here)
    assert left.play_id in {row.play_id for row in await rows(database, SeatRow.id.in_(taken))}


@pytest.mark.parametrize("state", ["paused", "cancelled"])
async def test_no_seat_is_given_in_an_experiment_at_rest(database: Database, state: str) -> None:
    [one] = await hired(database, 1)
    await begun(database)
    await change(database, f"UPDATE experiment SET state = '{state}'")
    assert await take(database, one) is None


# ── answering ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_given_often_at_once_is_on_record_once(database: Database) -> None:
    [one] = await hired(database, 1)
    await begun(database)
    here = await take(database, one)
    assert here
    engine = Engine(database)
    turn = await turn_of(engine, database, here)
    assert turn is not None
    [(ask, _)] = turn.due
    await asyncio.gather(*(submit(engine, database, here, {ask.path: SAID}) for _ in range(5)))
    await engine.close()
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Move)) == 1


async def test_two_who_answer_last_at_the_same_time_do_not_leave_the_talk_waiting(database: Database) -> None:
    crowd = await hired(database, 2)
    await begun(database)
    held = [await take(database, who) for who in crowd]
    for _ in range(2):
        await asyncio.gather(*(say(database, place) for place in held if place))
    async with database.session() as session:
        [trial] = (await session.scalars(select(Trial))).all()
        jobs = await session.scalar(
            text(
                "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance_play' AND args->>'id' = :id"
            ),
            {"id": str(trial.id)},
        )
    assert trial.state == "queued"
    assert jobs
    engine = Engine(database)
    await engine.advance(trial.id)
    await engine.close()
    async with database.session() as session:
        assert (await session.get_one(Trial, trial.id)).state == "done"


async def test_what_comes_in_while_a_worker_is_leaving_is_not_overlooked(database: Database) -> None:
    """The worker has read the moves, then somebody answers; the trial must not be marked as waiting after that."""
    [one] = await hired(database, 1)
    await begun(database)
    here = await take(database, one)
    assert here
    async with database.session() as session:
        [trial] = (await session.scalars(select(Trial))).all()
    await say(database, here)
    async with database.session.begin() as session:
        await plays.rest(session, trial, known=0, awaited={"debater_a"})
    async with database.session() as session:
        assert (await session.get_one(Trial, trial.id)).state == "queued"


async def test_an_answer_given_during_a_pause_is_kept_and_goes_on_with_the_experiment(
    database: Database,
) -> None:
    crowd = await hired(database, 2)
    experiment = await begun(database)
    held = [await take(database, who) for who in crowd]
    async with database.session.begin() as session:
        await experiments.pause(session, experiment.id)
    for place in held:
        assert place
        await say(database, place)
    count = text(
        "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'advance_play' AND status = 'todo'"
    )
    async with database.session() as session:
        assert await session.scalar(count) == 0
    async with database.session.begin() as session:
        await experiments.unpause(session, experiment.id)
    async with database.session() as session:
        assert await session.scalar(count) == 1


# ── judges who take part ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_judge_who_takes_part_has_a_trial_of_their_own_for_each_person_wanted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "interactive-debate", InteractiveDebate)
    arm = {
        "protocol": "interactive-debate",
        "min_rounds": 1,
        "max_rounds": 1,
        "seats": {"debaters": "advocate"},
    }
    await hired(database, 1, "judge")
    data = talks({"live": arm}, judges=["dice", {"humans": 2}])
    experiment = await begun(database, data)
    async with database.session() as session:
        trials = (await session.scalars(select(Trial))).all()
        assert not await session.scalar(select(func.count()).select_from(Judgement))
    assert sorted((trial.place, trial.judge_id is None) for trial in trials) == [
        (0, False),
        (0, False),
        (1, True),
        (1, True),
        (2, True),
        (2, True),
    ]
    found = await rows(database)
    assert {(row.seat, row.role, row.once) for row in found} == {("judge", "judge", True)}
    assert len(found) == 4

    one, *others = await hired(database, 4, "judge")
    here = await take(database, one, "judge")
    assert here
    await _talk_to_the_end(database, here)
    assert await take(database, one, "judge") is None, "one trial a passage"
    for another in others:
        there = await take(database, another, "judge")
        assert there
        await _talk_to_the_end(database, there)
    async with database.session() as session:
        place = await session.get_one(SeatRow, here)
        trial = await session.get_one(Trial, place.play_id)
        verdict = (await session.scalars(select(Verdict).where(Verdict.play_id == trial.id))).one()
    assert (trial.state, place.state) == ("done", "done")
    assert trial.judge_id == verdict.participant_id == one.participant_id
    assert verdict.method == "stated"
    async with database.session() as session:
        every = await frames.talk_frame(session, experiment.id)
        read = await frames.verdict_frame(session, experiment.id, every)
    mine = read.filter(read["judge_kind"].cast(str) == "person")
    assert set(mine["label"]) == {"people"}
    places_of = sorted(mine.select("assignment", "place").rows())
    assert places_of == [(0, 1), (0, 2), (1, 1), (1, 2)]


async def _talk_to_the_end(database: Database, place: uuid.UUID) -> None:
    """Judge in a talk: an even belief, a word, and no more rounds."""
    engine = Engine(database)
    while (turn := await turn_of(engine, database, place)) and (turn.due or not turn.given):
        await submit(engine, database, place, {ask.path: JUDGED[ask.wants] for ask, _ in turn.due})
        async with database.session() as session:
            trial = (await session.get_one(SeatRow, place)).play_id
        await engine.advance(trial)
    await engine.close()


# ── what is refused before it starts ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        ({**DEBATE, "seats": {"debaters": "people"}}, "the seat checker is not open to people"),
        (
            {"protocol": "market-making", "seats": {"adversary": "people", "predictor": "lexical"}},
            "the seat adversary is not open to people",
        ),
        (DEBATE, "no debater is invited"),
    ],
)
async def test_seats_that_no_person_can_take_are_refused_with_what_to_do(
    database: Database, arm: dict[str, Any], sentence: str
) -> None:
    await imported(database, passage("Alba", 1))
    with pytest.raises(SpecError, match=sentence):
        await started(database, talks({"arm": arm}))


async def test_an_invite_for_debaters_is_enough_to_start(database: Database) -> None:
    async with database.session.begin() as session:
        await people.new_invite(session, role="debater", shared=True)
    assert await begun(database)


# ── what researchers are told ───────────────────────────────────────────────────────────────────────────────────


async def test_seats_that_wait_for_people_are_counted_with_what_waits(database: Database) -> None:
    one, two = await hired(database, 2)
    experiment = await begun(database, None, "Alba", "Brise")
    assert await _waiting(database) == (4, 0, 0)
    here = await take(database, one)
    assert here
    assert await take(database, two)
    await say(database, here)
    assert await _waiting(database) == (2, 2, 2)
    await change(
        database, "UPDATE seat SET leased_until = now() - interval '1 s' WHERE leased_until IS NOT NULL"
    )
    assert await _waiting(database) == (3, 1, 1)
    async with database.session() as session:
        assert (await progress(session, experiment.id)).awaiting_people == 1


async def _waiting(database: Database) -> tuple[int, int, int]:
    async with database.session() as session:
        found = await waiting_work.waiting(session, None)
        [listed] = (await waiting_work.waiting_by_experiment(session, None)).rows
    assert (listed.open, listed.held) == (found.open, found.held)
    return found.open, found.held, found.people


async def test_what_it_takes_and_a_preflight_are_told_although_people_hold_seats(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "interactive-debate", InteractiveDebate)
    await hired(database, 1)
    await imported(database, passage("Alba", 1))
    live = {"protocol": "interactive-debate", "seats": {"debaters": "advocate"}}
    arms = {"debate": {**DEBATE, "simultaneous": False}, "live": live}
    wanted = parse_spec(talks(arms, judges=[{"humans": 2}]))
    async with database.session() as session:
        material = await gathered(session, wanted)
    told = estimate(wanted, material)
    assert [(arm.name, arm.trials) for arm in told.arms] == [("debate", 2), ("live", 4)]
    assert any("Arm debate: people have the seats debater_a, debater_b" in line for line in told.assumptions)
    assert any("Arm live: people have the seats judge" in line for line in told.assumptions)

    found = await check(
        wanted, material.drawn, {item.question.passage.key: "A text." for item in material.drawn}
    )
    assert found.errors == []
    async with database.session.begin() as session:
        experiment = (await start(session, wanted)).experiment
        assert await session.scalar(select(func.count()).select_from(Trial)) == told.trials
        assert (await start(session, wanted)).experiment.id == experiment.id
