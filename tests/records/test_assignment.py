"""Places for people: taken once, kept by a lease, given back, evened out; and what may be told afterwards."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import joinedload

from app.engine import Engine
from app.records import assignment, drafts, experiments, people, plays, seats, truth
from app.records.database import Database
from app.records.drafts import Effort
from app.records.progress import progress
from models import Account, Draft, Experiment, Exposure, Judgement, Judging, Question, SeatRow, Trial, Verdict
from tests.factories import finished, imported, judge_on, passage, played, spec, started

pytestmark = pytest.mark.outside

CONSULTANCY = {"consultancy": spec()["arms"]["consultancy"]}


def for_people(**changes: Any) -> dict[str, Any]:
    """An experiment that only people judge, once each."""
    return spec(**{"judges": [{"humans": 1}], "elicit": "final", **changes})


def wanted(humans: int = 1, **more: Any) -> list[dict[str, Any]]:
    """A panel of people who may judge a passage again and again, unless told."""
    return [{"humans": humans, "once_per_passage": False, **more}]


async def judges(database: Database, count: int) -> list[Account]:
    """New judges."""
    async with database.session.begin() as session:
        accounts = [Account(id=uuid.uuid4(), name=f"Judge {number}", role="judge") for number in range(count)]
        session.add_all(accounts)
        await session.flush()
        for account in accounts:
            await people.participant_of(session, account)
    return accounts


async def claimed(database: Database, judge: Account) -> uuid.UUID | None:
    """Claim over a connection of its own."""
    async with database.session.begin() as session:
        return await assignment.claim(session, judge.id, "judge")


async def take(database: Database, judge: Account) -> uuid.UUID:
    """Claim where something is left."""
    found = await claimed(database, judge)
    assert found is not None
    return found


async def rows(database: Database, *where: Any) -> Sequence[SeatRow]:
    """Seats of judges, with their judgements."""
    async with database.session() as session:
        found = select(SeatRow).join(Judgement, Judgement.id == SeatRow.play_id).where(*where)
        return (await session.scalars(found.options(joinedload(SeatRow.play)))).all()


async def draft(
    database: Database, seat: uuid.UUID, judge: Account, path: str, at: int, *effort: float
) -> bool:
    """Save what a judge has entered at a path, with an effort."""
    async with database.session.begin() as session:
        play = (await session.get_one(SeatRow, seat)).play_id
        efforts = {path: Effort(effort[0], 1, 2)} if effort else {}
        return await drafts.save(session, seat, play, judge.id, path, {"at": at}, efforts)


async def count(database: Database, model: Any, *where: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model).where(*where)) or 0


async def expire(database: Database) -> None:
    """Let every lease end."""
    async with database.session.begin() as session:
        await session.execute(
            text("UPDATE seat SET leased_until = now() - interval '1 s' WHERE state = 'waiting'")
        )


async def left(database: Database, judge: Account) -> int:
    assert judge.participant_id is not None
    async with database.session() as session:
        return await assignment.left(session, judge.participant_id, "judge")


async def trials(database: Database) -> dict[uuid.UUID, tuple[Trial, Question]]:
    """Trial and question of every judge's seat."""
    async with database.session() as session:
        found = await session.execute(
            select(SeatRow.id, Trial, Question)
            .join(Judging, Judging.id == SeatRow.play_id)
            .join(Trial, Trial.id == Judging.talk_id)
            .join(Question, Question.id == Trial.question_id)
        )
        return {row[0]: (row[1], row[2]) for row in found}


# ── taking ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_with_a_trial_in_hand_gets_that_one_again(database: Database) -> None:
    await finished(database, data=for_people(judges=wanted()))
    [judge] = await judges(database, 1)
    first = await take(database, judge)

    assert await claimed(database, judge) == first
    await judge_on(database, first)
    assert await take(database, judge) != first


async def test_claims_at_the_same_time_fill_the_places_and_no_more(database: Database) -> None:
    await finished(database, passage("Alba", 1), data=for_people(judges=wanted(2)))
    crowd = await judges(database, 12)

    found = [item for item in await asyncio.gather(*(claimed(database, judge) for judge in crowd)) if item]

    places = len(await rows(database))
    # One who looks while all that is left is being taken by others may come away empty-handed; asked again, they get it.
    found += [item for judge in crowd if (item := await claimed(database, judge)) and item not in found]
    assert len(set(found)) == len(found) == min(places, len(crowd))


async def test_one_person_claiming_many_times_at_once_takes_one_trial(database: Database) -> None:
    await finished(database, data=for_people(judges=wanted(2)))
    [judge] = await judges(database, 1)

    found = await asyncio.gather(*(claimed(database, judge) for _ in range(6)))

    assert len(set(found)) == 1
    assert len(await rows(database, Judgement.state == "waiting")) == 1


async def test_nobody_judges_a_trial_twice(database: Database) -> None:
    await finished(database, passage("Alba", 1), data=for_people(judges=wanted(3), arms=CONSULTANCY))
    [judge] = await judges(database, 1)
    seen = []
    while found := await claimed(database, judge):
        seen.append(found)
        await judge_on(database, found)

    whose = await trials(database)
    assert len(seen) == len({whose[item][0].id for item in seen}) == 2
    assert await left(database, judge) == 0


async def test_nobody_is_shown_a_second_trial_on_a_passage(database: Database) -> None:
    await finished(database, passage("Alba"), passage("Brise"), data=for_people())
    [judge] = await judges(database, 1)
    assert await left(database, judge) == 2
    seen = []
    while found := await claimed(database, judge):
        seen.append(found)
        await judge_on(database, found)

    whose = await trials(database)
    assert len(seen) == len({whose[item][1].passage_id for item in seen}) == 2
    assert await count(database, Exposure) == 2


async def test_paused_experiments_and_unfinished_trials_give_nothing(database: Database) -> None:
    await imported(database, passage("Alba"))
    experiment = await started(database, for_people())
    [judge] = await judges(database, 1)
    assert await claimed(database, judge) is None
    await played(database, experiment)
    async with database.session.begin() as session:
        await session.execute(text("UPDATE experiment SET state = 'paused'"))
    assert await claimed(database, judge) is None
    assert await left(database, judge) == 0


async def test_arms_are_evened_out_for_each_person(database: Database) -> None:
    await finished(database, *(passage(f"Ship{n}", 1) for n in range(8)), data=for_people())
    [judge] = await judges(database, 1)
    seen = []
    for _ in range(8):
        seen.append(await take(database, judge))
        await judge_on(database, seen[-1])

    whose = await trials(database)
    assert set(Counter(whose[item][0].arm_id for item in seen).values()) == {2}


async def test_arms_are_evened_out_over_people(database: Database) -> None:
    await finished(database, *(passage(f"Ship{n}", 1) for n in range(2)), data=for_people())
    whose = await trials(database)
    arms = [whose[await take(database, judge)][0].arm_id for judge in await judges(database, 4)]
    assert len(set(arms)) == 4


async def test_an_arm_that_somebody_has_not_judged_comes_first_though_others_have_judged_it_more(
    database: Database,
) -> None:
    arms = {arm: {"protocol": arm} for arm in ("naive", "expert")}
    passages = [passage(f"Ship{n}", 1) for n in range(4)]
    await finished(database, *passages, data=for_people(arms=arms, judges=wanted(2)))
    whose = await trials(database)

    async def judged(by: Account) -> uuid.UUID:
        """The arm in which somebody has now judged."""
        held = await take(database, by)
        await judge_on(database, held)
        return whose[held][0].arm_id

    *others, judge = await judges(database, 5)
    theirs = {other.id: await judged(other) for other in others}
    assert set(Counter(theirs.values()).values()) == {2}
    mine = await judged(judge)
    for other in others:
        if theirs[other.id] == mine:
            assert await judged(other) != mine

    # Three verdicts in the arm that this judge knows, four in the other.
    assert await judged(judge) != mine


async def test_honest_and_dishonest_assignments_are_evened_out_over_people(database: Database) -> None:
    passages = [passage(f"Ship{n}", 1) for n in range(4)]
    await finished(database, *passages, data=for_people(arms=CONSULTANCY))
    whose = await trials(database)
    honest: Counter[bool] = Counter()
    for judge in await judges(database, 8):
        trial, question = whose[await take(database, judge)]
        honest[trial.answers[trial.argues["consultant"]] == question.gold] += 1
        assert abs(honest[True] - honest[False]) <= 1
    assert honest.total() == 8


async def test_ones_own_verdict_does_not_lead_to_the_same_question_under_the_other_assignment(
    database: Database,
) -> None:
    passages = [passage(f"Ship{n}", 1) for n in range(8)]
    await finished(database, *passages, data=for_people(arms=CONSULTANCY, judges=wanted()))
    whose = await trials(database)
    [judge] = await judges(database, 1)
    asked = []
    for _ in range(8):
        held = await take(database, judge)
        await judge_on(database, held)
        asked.append(whose[held][1].id)

    # By chance alone, all four pairs are of one question once in 19,000 runs.
    assert any(first != second for first, second in zip(asked[::2], asked[1::2], strict=True))


async def test_what_somebody_gets_next_does_not_depend_on_what_is_true(database: Database) -> None:
    """Else whoever is told the truth of one trial could work out the next."""
    passages = [passage(f"Ship{n}", 1) for n in range(6)]
    panel = wanted(2, feedback="score", once_per_passage=True)
    await finished(database, *passages, data=for_people(arms=CONSULTANCY, judges=panel))
    [judge] = await judges(database, 1)
    for _ in range(6):
        either_way = {await _would_take(database, judge, exchanged) for exchanged in (False, True)}
        assert len(either_way) == 1
        await judge_on(database, await take(database, judge))


async def _would_take(database: Database, judge: Account, exchanged: bool) -> uuid.UUID | None:
    """What somebody would get, perhaps with another truth of half of the questions."""
    exchange = text("UPDATE question SET gold = distractor, distractor = gold WHERE key < 'Ship3'")
    async with database.session() as session:
        if exchanged:
            await session.execute(exchange)
        return await assignment.claim(session, judge.id, "judge")


# ── keeping and giving back ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_expired_trial_that_nobody_touched_is_open_again(database: Database) -> None:
    await finished(database, passage("Alba", 1), data=for_people(arms=CONSULTANCY))
    slow, next_one = await judges(database, 2)
    lost = {await take(database, slow)}
    places = len(await rows(database))
    await expire(database)

    taken = await take(database, next_one)

    assert len(await rows(database)) == places
    mine, theirs = next_one.participant_id, slow.participant_id
    assert {row.id for row in await rows(database, Judgement.judge_id == mine)} == {taken}
    assert {row.id for row in await rows(database, SeatRow.participant_id == mine)} == {taken}
    assert not await rows(database, Judgement.judge_id == theirs)
    assert not await rows(database, SeatRow.participant_id == theirs)
    assert lost <= {row.id for row in await rows(database)}


@pytest.mark.parametrize("begun", ["a move", "a draft"])
async def test_an_expired_trial_that_was_begun_leaves_a_fresh_place(database: Database, begun: str) -> None:
    await finished(database, passage("Alba", 1), data=for_people(arms=CONSULTANCY, elicit="each_step"))
    slow, next_one = await judges(database, 2)
    lost = await take(database, slow)
    if begun == "a move":
        await judge_on(database, lost, most=1)
    else:
        await draft(database, lost, slow, "judging/order0/step0", 1)
    await expire(database)
    await take(database, next_one)

    [old] = await rows(database, Judgement.state == "returned")
    was = old.play
    assert isinstance(was, Judgement)
    [fresh] = await rows(database, Judgement.talk_id == was.talk_id, SeatRow.id != old.id)
    assert (old.id, old.participant_id, old.leased_until) == (lost, slow.participant_id, None)
    assert (was.state, was.judge_id) == ("returned", slow.participant_id)
    now = fresh.play
    assert isinstance(now, Judgement)
    assert (now.place, now.reading, now.seed) == (was.place, was.reading, was.seed)
    assert (fresh.seat, fresh.once, fresh.lease_minutes) == (old.seat, old.once, old.lease_minutes)
    assert fresh.state == now.state in ("open", "waiting")


async def test_somebody_who_comes_back_late_keeps_what_nobody_took(database: Database) -> None:
    await finished(database, data=for_people())
    [judge] = await judges(database, 1)
    held = await take(database, judge)
    await expire(database)

    assert await claimed(database, judge) == held
    [row] = await rows(database, SeatRow.id == held)
    assert row.leased_until is not None
    async with database.session() as session:
        ahead = row.leased_until - (await session.scalars(select(func.now()))).one()
    assert 119 <= ahead.total_seconds() / 60 <= 120


async def test_claiming_takes_nothing_from_somebody_whose_own_lease_has_ended_in_a_cancelled_experiment(
    database: Database,
) -> None:
    await finished(database, passage("Alba", 1), data=for_people())
    judge, other = await judges(database, 2)
    mine, theirs = await take(database, judge), await take(database, other)
    async with database.session.begin() as session:
        await session.execute(text("UPDATE experiment SET state = 'cancelled'"))
    await expire(database)

    assert await claimed(database, judge) is None

    async with database.session() as session:
        kept = await seats.held(session, mine, judge.participant_id)
        assert kept is not None
        assert (kept.state, kept.over) == ("waiting", "cancelled")
        assert await seats.held(session, theirs, judge.participant_id) is None


async def test_a_trial_given_back_goes_to_others_and_not_to_them(database: Database) -> None:
    one_trial = for_people(judges=wanted(), arms={"naive": {"protocol": "naive"}})
    await finished(database, passage("Alba", 1), data=one_trial)
    first, second = await judges(database, 2)
    held = await take(database, first)
    async with database.session.begin() as session:
        assert await assignment.give_back(session, held, first, {"knows_story": True})
        assert not await assignment.give_back(session, held, first, {})

    assert await claimed(database, first) is None
    assert await take(database, second) != held
    [old] = await rows(database, SeatRow.id == held)
    assert (old.state, old.flags, old.play.state) == ("returned", {"knows_story": True}, "returned")


async def _fail(database: Database, seat: uuid.UUID) -> None:
    async with database.session.begin() as session:
        row = await session.get_one(SeatRow, seat, options=[joinedload(SeatRow.play)])
        row.play.state, row.play.error = "failed", "The quill is gone."
        row.state, row.leased_until = "waiting", None


async def _retry(database: Database, experiment: Experiment) -> int:
    async with database.session.begin() as session:
        return await experiments.resume(session, experiment.id, retry_failed=True)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_persons_failed_judgement_goes_back_to_everybody_when_it_is_tried_again(
    database: Database, begun: bool
) -> None:
    naive = for_people(judges=wanted(), arms={"naive": {"protocol": "naive"}})
    experiment = await finished(database, passage("Alba", 1), data=naive)
    unlucky, next_one = await judges(database, 2)
    lost = await take(database, unlucky)
    if begun:
        await draft(database, lost, unlucky, "judging/order0/step0", 1)
    await _fail(database, lost)
    assert await claimed(database, next_one) is None

    assert await _retry(database, experiment) == 0

    taken = await take(database, next_one)
    assert (taken == lost) is not begun
    if begun:
        [old] = await rows(database, SeatRow.id == lost)
        assert (old.state, old.play.error, old.participant_id) == ("returned", None, unlucky.participant_id)
        assert old.play.state == "returned"
    await judge_on(database, taken)
    async with database.session() as session:
        assert (await progress(session, experiment.id)).finished


async def test_whoever_had_answered_everything_before_it_failed_loses_nothing(database: Database) -> None:
    naive = for_people(judges=wanted(), arms={"naive": {"protocol": "naive"}})
    experiment = await finished(database, passage("Alba", 1), data=naive)
    [judge] = await judges(database, 1)
    held = await take(database, judge)
    await judge_on(database, held)
    async with database.session.begin() as session:
        await session.execute(delete(Verdict))
    await _fail(database, held)

    assert await _retry(database, experiment) == 1
    await played(database, experiment)

    [row] = await rows(database, SeatRow.id == held)
    assert (row.state, row.play.state, row.participant_id) == ("done", "done", judge.participant_id)
    assert await count(database, Verdict) == 1


async def test_only_its_holder_prolongs_a_lease(database: Database) -> None:
    await finished(database, data=for_people())
    holder, other = await judges(database, 2)
    held = await take(database, holder)
    assert holder.participant_id is not None
    assert other.participant_id is not None
    async with database.session.begin() as session:
        assert await assignment.keep(session, held, holder.participant_id)
        assert not await assignment.keep(session, held, other.participant_id)


async def test_only_its_holder_gives_a_trial_back_and_has_no_lease_of_it_afterwards(
    database: Database,
) -> None:
    await finished(database, data=for_people())
    holder, other = await judges(database, 2)
    held = await take(database, holder)
    assert holder.participant_id is not None
    async with database.session.begin() as session:
        await assignment.flag(session, held, {"told": False})
        assert not await assignment.give_back(session, held, other, {})
        assert await assignment.give_back(session, held, holder, {"knows_story": True})
        assert not await assignment.keep(session, held, holder.participant_id)

    [row] = await rows(database, SeatRow.id == held)
    assert (row.state, row.leased_until) == ("returned", None)
    assert row.flags == {"told": False, "knows_story": True}, "what was marked before stays"


# ── verdicts never outnumber places ─────────────────────────────────────────────────────────────────────────────


async def test_submitting_many_times_at_once_makes_one_verdict(database: Database) -> None:
    await finished(database, data=for_people())
    [judge] = await judges(database, 1)
    held = await take(database, judge)

    await asyncio.gather(*(judge_on(database, held, p) for p in (0.1, 0.5, 0.9)), return_exceptions=True)

    [row] = await rows(database, SeatRow.id == held)
    assert await count(database, Verdict, Verdict.play_id == row.play_id) == 1


async def test_submitting_while_giving_back_fills_the_place_once(database: Database) -> None:
    await finished(
        database, passage("Alba", 1), data=for_people(judges=wanted(), arms={"naive": {"protocol": "naive"}})
    )
    holder, other = await judges(database, 2)
    held = await take(database, holder)

    async def give_back() -> None:
        async with database.session.begin() as session:
            await assignment.give_back(session, held, holder, {})

    await asyncio.gather(judge_on(database, held), give_back(), return_exceptions=True)
    if (again := await claimed(database, other)) is not None:
        await judge_on(database, again)

    assert await count(database, Verdict) == 1
    assert [row.state for row in await rows(database, Judgement.state != "returned")] == ["done"]


async def test_a_verdict_that_comes_after_the_place_went_back_does_not_count(database: Database) -> None:
    await finished(database, passage("Alba", 1), data=for_people(arms=CONSULTANCY))
    [holder] = await judges(database, 1)
    held = await take(database, holder)
    engine = Engine(database)
    [row] = await rows(database, SeatRow.id == held)
    async with database.session() as session:
        judgement = await plays.load(session, row.play_id)
    assert isinstance(judgement, Judgement)
    async with database.session.begin() as session:
        await assignment.give_back(session, held, holder, {})

    async with database.session.begin() as session:
        await plays.finish_judgement(session, judgement, [])
        await plays.mark(session, judgement, "waiting")
    await engine.close()

    [row] = await rows(database, SeatRow.id == held)
    assert row.state == row.play.state == "returned"


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────────


async def revealed(database: Database, judge: Account) -> list[truth.Revealed]:
    async with database.session.begin() as session:
        return await truth.revealed(session, judge.participant_id)


async def test_nothing_is_told_where_the_policy_is_none(database: Database) -> None:
    await finished(database, data=for_people())
    [judge] = await judges(database, 1)
    await judge_on(database, await take(database, judge))
    assert await revealed(database, judge) == []


async def test_the_truth_is_told_where_no_second_trial_on_the_passage_can_come(database: Database) -> None:
    await finished(database, data=for_people(judges=[{"humans": 1, "feedback": "score"}]))
    [judge] = await judges(database, 1)
    held = await take(database, judge)
    await judge_on(database, held)

    [verdict] = await revealed(database, judge)
    assert verdict.answers[verdict.gold] == "The pilot had overslept."
    assert verdict.belief == (0.75, 0.25)


async def test_the_truth_waits_for_the_last_possible_verdict_on_the_passage(database: Database) -> None:
    await finished(
        database, passage("Alba", 1), data=for_people(judges=wanted(feedback="score"), arms=CONSULTANCY)
    )
    judge, other = await judges(database, 2)
    await judge_on(database, await take(database, judge))
    theirs = await take(database, other)
    # The other trial is in another's hands, from where it may come back.
    assert await revealed(database, judge) == []
    await judge_on(database, theirs)
    assert len(await revealed(database, judge)) == 1


async def test_who_was_told_gets_no_trial_on_the_passage_any_more(database: Database) -> None:
    await finished(database, passage("Alba", 1), data=for_people(judges=[{"humans": 1, "feedback": "score"}]))
    [judge] = await judges(database, 1)
    await judge_on(database, await take(database, judge))
    assert len(await revealed(database, judge)) == 1

    later = await started(database, for_people(name="later", judges=wanted()))
    await played(database, later)

    assert await claimed(database, judge) is None
    assert len(await revealed(database, judge)) == 1


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_newest_draft_stays_and_effort_adds_up(database: Database) -> None:
    await finished(database, data=for_people())
    [judge] = await judges(database, 1)
    held = await take(database, judge)
    for at, seconds in ((2, 1.0), (1, 0.5), (3, 500.0)):
        assert await draft(database, held, judge, "here", at, seconds)

    async with database.session() as session:
        [row] = (await session.scalars(select(Draft))).all()
    assert row.content == {"at": 3}
    assert (row.focus_changes, row.edits) == (3, 6)
    # Nobody is active for longer than the time that has passed, which is less than the 500 seconds.
    assert 1.5 <= row.active_seconds < 500


async def test_what_was_submitted_is_cleared_once_and_its_effort_stays(database: Database) -> None:
    await finished(database, data=for_people(arms={"naive": {"protocol": "naive"}}))
    [judge] = await judges(database, 1)
    held = await take(database, judge)
    path = "judging/order0/step0"
    assert await draft(database, held, judge, path, 1, 30)
    assert await judge_on(database, held) == [path]

    async with database.session.begin() as session:
        assert await drafts.close(session, held, path)
        assert not await drafts.close(session, held, path)
    assert not await draft(database, held, judge, path, 2, 9)
    async with database.session() as session:
        assert await drafts.find(session, held) == {}
        assert judge.participant_id is not None
        assert await drafts.usual_seconds(session, judge.participant_id) == 30
