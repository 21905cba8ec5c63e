"""Live talks of studies over the web application: a waiting room, presence, times for turns, and people who leave."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.engine import Engine
from app.exchange.choices import What
from app.records import assignment, enrolments, experiments, plays, studies
from app.records import live as live_records
from app.records.database import Database
from app.records.enrolments import Newcomer
from app.records.live import LiveRules
from app.report_choices import Choices, Replaced
from app.reports.report import Report, notes, report
from app.services import overdue, participation
from app.services.participation import Part, part_of
from app.studies.spec import Live, parse_study
from models import Enrolment, Experiment, Move, Participant, SeatRow, Study, Trial
from tests.exchange.test_export import rows_of
from tests.factories import played
from tests.web.seats.test_routes import advanced, asked, begun, debate, say
from tests.web.world import Browser, Site, opened, statements

TURN = {"turn_seconds": 120, "grace_seconds": 30, "waiting_minutes": 5}
REPLACE = {"leaves": "replace", "replacement": "advocate"}
BESIDE = {"debater_a": "people", "debater_b": "advocate", "checker": "advocate"}
"""Seats of an arm in which a person argues with a model."""


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application without a worker, and without a process that looks for who is late."""
    async with opened(database) as site:
        yield site


class Talks:
    """A study of live talks, and the people in it."""

    def __init__(self, site: Site, experiment: Experiment, study: Study) -> None:
        self.site, self.experiment, self.study = site, experiment, study

    async def join(self, name: str) -> tuple[Browser, Enrolment]:
        """Join as a debater who is at the trials."""
        async with self.site.database.session.begin() as db:
            part = await enrolments.join(
                db,
                await db.merge(self.study, load=False),
                Newcomer("link", name, "", name),
                role="debater",
                wanted=20,
                trials=1,
                page="trials",
                time_limit=timedelta(hours=1),
            )
        assert part is not None
        return await self.site.browser_of(part.account), part

    async def sit(self, name: str) -> tuple[Browser, str, Enrolment]:
        """Join and take a seat; returns the browser, the address of the talk and the part in the study."""
        browser, part = await self.join(name)
        return browser, await next_talk(browser), part

    async def pair(
        self, one: str = "Dora", other: str = "Emil"
    ) -> tuple[tuple[Browser, str, Enrolment], tuple[Browser, str, Enrolment]]:
        """Two people in a talk that has begun."""
        both = await self.sit(one), await self.sit(other)
        await advanced(self.site)
        return both

    async def change(self, statement: str, **values: Any) -> None:
        async with self.site.database.session.begin() as db:
            await db.execute(text(statement), values)

    async def late(self, seat: str, table: str = "ends_at") -> None:
        """Let the time of a seat be over, with its grace."""
        number = uuid.UUID(seat.removeprefix("/seat/"))
        await self.change(
            "UPDATE seat SET ends_at = now() - interval '1 h', closes_at = now() - interval '1 s' WHERE id = :id",
            id=number,
        )

    async def look(self) -> int:
        """Do what a process that serves pages does every two seconds, and what a worker does."""
        count = await overdue.look(self.site.app.state.engine, self.site.database)
        await advanced(self.site)
        return count

    async def part(self, of: Enrolment) -> tuple[str, str | None, int]:
        """The page that a person is on, how their part ended, and how many trials they have done."""
        async with self.site.database.session() as db:
            row = await db.get_one(Enrolment, of.id)
            return row.page, row.ended_as, await enrolments.trials_done(db, row)

    async def talk(self) -> Trial:
        async with self.site.database.session() as db:
            taken = select(SeatRow.play_id).where(SeatRow.participant_id.is_not(None))
            return (await db.scalars(select(Trial).where(Trial.id.in_(taken)))).one()

    async def seats(self, **where: Any) -> list[SeatRow]:
        async with self.site.database.session() as db:
            return list(await db.scalars(select(SeatRow).filter_by(**where).order_by(SeatRow.id)))


async def next_talk(browser: Browser) -> str:
    """Take a seat; returns the address of the talk."""
    assert browser.account is not None
    if browser.account.for_study:
        answer = await browser.submit("/part/next", {"page": "trials"})
    else:
        answer = await browser.submit("/talk/next")
    assert answer.headers["location"].startswith("/seat/")
    return answer.headers["location"]


async def live(
    site: Site, rules: Mapping[str, Any], data: Mapping[str, Any] | None = None, *keys: str, **spec: Any
) -> Talks:
    """A study with these rules on an experiment, of debates between two people by default."""
    experiment = await begun(site, data or debate(rounds=1), *keys)
    async with site.database.session.begin() as db:
        file = parse_study(
            {
                "name": "live",
                "title": "Live talks",
                "experiments": [experiment.name],
                "role": "debater",
                "trials": 1,
                "people": 20,
                "minutes": 20,
                "reward": {"amount": "3.00"},
                "live": {**TURN, **rules},
                **spec,
            }
        )
        study = await studies.add(db, "live", file.normalised(), {}, None)
        await studies.keep_seats(db, study.id, [experiment.id])
        await studies.set_state(db, study, "open", None)
    return Talks(site, experiment, study)


async def news(browser: Browser, seat: str, **query: str) -> int:
    """Ask as a page does that waits; returns the status."""
    return (await browser.get(seat, params=query, headers={"HX-Request": "true"})).status_code


def test_the_rules_are_those_of_the_file() -> None:
    for given in (Live(), Live(turn_seconds=60, leaves="replace", replacement="advocate")):
        found = LiveRules.of(given.model_dump(mode="json"))
        assert found.turn == (given.turn_seconds and timedelta(seconds=given.turn_seconds))
        assert found.grace == timedelta(seconds=given.grace_seconds)
        assert found.waiting == timedelta(minutes=given.waiting_minutes)
        assert found.replacement == given.replacement
    assert LiveRules.of(None) == LiveRules.of(Live().model_dump(mode="json"))


# ── the waiting room and matching ───────────────────────────────────────────────────────────────────────────────


async def test_a_person_waits_until_a_second_one_comes_and_then_it_goes_on_by_itself(site: Site) -> None:
    talks = await live(site, {})
    one, here, _ = await talks.sit("Dora")
    room = (await one.get(here)).text
    assert "<h1>Waiting room</h1>" in room
    assert "You are the only one who waits" in room
    assert "5 minutes" in room
    assert asked(await one.get(here)) == []
    [at] = re.findall(r'hx-get="/seat/[^"]+\?room=([^"]+)"', room)
    assert await news(one, here, room=at) == 204

    two, there, _ = await talks.sit("Emil")
    assert await news(one, here, room=at) == 200
    shown = (await one.get(here)).text
    assert re.search(r"Time for this turn: (2:0|1:5)\d", shown), "before a worker has looked"
    await advanced(site)
    for browser, seat in ((one, here), (two, there)):
        page = await browser.get(seat)
        assert asked(page)
        assert "Time for this turn: 2:0" in page.text or "Time for this turn: 1:5" in page.text


async def test_people_who_wait_for_different_talks_are_counted_together(site: Site) -> None:
    talks = await live(site, {}, None, "Alba", "Brise")
    one, here, _ = await talks.sit("Dora")
    await talks.change("UPDATE seat SET seen_at = now() - interval '10 min'")
    two, there, _ = await talks.sit("Emil")
    assert here != there
    async with site.database.session() as db:
        plays = set(await db.scalars(select(SeatRow.play_id).where(SeatRow.state == "waiting")))
    assert len(plays) == 2, "whose page is closed is not waited with"
    await one.get(here)
    assert "2 people wait at the moment" in (await two.get(there)).text


@pytest.mark.parametrize("at_once", [False, True])
async def test_those_who_come_find_each_other_whatever_arms_and_talks_are_open(
    site: Site, at_once: bool
) -> None:
    data = debate(rounds=1)
    data["arms"]["longer"] = {**data["arms"]["debate"], "rounds": 2}
    talks = await live(site, {}, data, "Alba", "Brise", "Cape")
    browsers = [(await talks.join(f"Person {number}"))[0] for number in range(6)]
    if at_once:
        await asyncio.gather(*map(next_talk, browsers))
    else:
        for browser in browsers:
            await next_talk(browser)
    async with site.database.session() as db:
        taken = select(func.count()).where(SeatRow.state == "waiting").group_by(SeatRow.play_id)
        assert list(await db.scalars(taken)) == [2, 2, 2]


async def test_a_person_for_whom_nobody_comes_is_let_go_and_paid(site: Site) -> None:
    questions = {"questionnaire": {"fields": [{"name": "age", "kind": "number", "label": "Age"}]}}
    talks = await live(site, {}, pages=questions)
    one, here, part = await talks.sit("Dora")
    assert await talks.look() == 0
    await talks.late(here)
    assert await talks.look() == 1
    page = (await one.get(here)).text
    assert "No partner came" in page
    assert "paid in full" in page
    assert await news(one, here, room="1-5") == 200
    assert await talks.part(part) == ("questionnaire", None, 0)
    assert await talks.seats(state="waiting") == []
    assert len(await talks.seats(state="open")) == 2 * len(await talks.seats(seat="debater_a", state="open"))


async def test_without_pages_after_the_trials_the_part_is_completed_then(site: Site) -> None:
    talks = await live(site, {})
    _, here, part = await talks.sit("Dora")
    await talks.late(here)
    # The page looks by itself, whatever other processes do.
    browser = await site.browser_of(part.account)
    assert "No partner came" in (await browser.get(here)).text
    assert await talks.part(part) == ("done", "completed", 0)
    assert await talks.look() == 0


async def test_who_leaves_the_waiting_room_leaves_no_trace_in_the_talk(site: Site) -> None:
    talks = await live(site, {}, None, "Alba", "Brise")
    one, here, part = await talks.sit("Dora")
    assert (await one.submit(f"{here}/return")).status_code == 303
    assert (await talks.part(part))[1] is None
    two, there, _ = await talks.sit("Emil")
    three, yonder, _ = await talks.sit("Fay")
    await advanced(site)
    for browser, seat in ((two, there), (three, yonder)):
        assert asked(await browser.get(seat))


# ── presence ────────────────────────────────────────────────────────────────────────────────────────────────────


async def present(browser: Browser, seat: str) -> list[str]:
    """What a page says of the others, when it asks and when it is loaded."""
    whole = (await browser.get(seat)).text
    piece = (await browser.get(f"{seat}/others")).text
    found = re.findall(r'<li class="\w+">([^<]*)</li>', piece)
    assert all(line in whole for line in found)
    return found


async def test_a_debater_sees_whether_the_other_is_here_and_since_when_not(site: Site) -> None:
    talks = await live(site, {})
    (one, here, _), (two, there, _) = await talks.pair()
    [said] = await present(one, here)
    assert re.fullmatch(r"Debater [AB] is here\.", said)
    await say(one, here, "I have spoken.")
    [said] = await present(one, here)
    assert re.fullmatch(r"Debater [AB] is writing\.", said)
    [theirs] = await present(two, there)
    assert theirs.endswith(" is here."), "whether the other has written is not shown before one has"
    await talks.change("UPDATE seat SET seen_at = now() - interval '190 s' WHERE id = :id", id=there[6:])
    assert (await present(one, here))[0].endswith(" was last here 3 minutes ago.")


async def test_presence_is_one_statement_that_rarely_writes(site: Site) -> None:
    talks = await live(site, {})
    (one, here, _), _ = await talks.pair()
    await one.get(f"{here}/others")
    [before] = [seat.seen_at for seat in await talks.seats(id=uuid.UUID(here[6:]))]
    with statements(site.database) as sent:
        await one.get(f"{here}/others")
    assert len([statement for statement in sent if "seat" in statement]) == 1
    assert [seat.seen_at for seat in await talks.seats(id=uuid.UUID(here[6:]))] == [before]


async def test_outside_studies_people_see_each_other_too_and_have_no_clock(site: Site) -> None:
    await begun(site, debate(rounds=1))
    one, two = [await site.browser_of(await site.hire(name, "debater")) for name in ("Dora", "Emil")]
    here = await next_talk(one)
    assert [line.split(" ", 2)[2] for line in await present(one, here)] == ["has not come yet."]
    assert asked(await one.get(here)), "who comes first may begin"
    there = await next_talk(two)
    assert [line.split(" ", 2)[2] for line in await present(one, here)] == ["is here."]
    assert "data-clock" not in (await one.get(here)).text
    await say(two, there)
    await two.submit(f"{there}/return")
    assert [line.split(" ", 2)[2] for line in await present(one, here)] == [
        "has left: another person is awaited in this seat."
    ]


async def test_a_judge_in_a_talk_sees_no_seat_and_no_minutes(site: Site) -> None:
    seats = {"consultant": "people", "questioner": "people", "checker": "advocate"}
    arm = {"protocol": "consultancy", "questions": "questioner", "rounds": 2, "seats": seats}
    await begun(site, {**debate(), "arms": {"asking": arm}})
    asker, other = [
        await site.browser_of(await site.hire(name, role))
        for name, role in (("J", "judge"), ("D", "debater"))
    ]
    here = (await asker.submit("/judge/next")).headers["location"]
    assert "Another person is away at the moment." in (await asker.get(here)).text
    await next_talk(other)
    page = (await asker.get(here)).text
    assert "Everybody else is here." in page
    assert not re.search(r"minutes? ago|is writing|is here\.</li>", page)


# ── the time for a turn ─────────────────────────────────────────────────────────────────────────────────────────


async def test_in_the_grace_a_turn_is_still_taken_and_then_no_more(site: Site) -> None:
    talks = await live(site, {})
    (one, here, _), (two, there, _) = await talks.pair()
    for seat in (here, there):
        await talks.change(
            "UPDATE seat SET ends_at = now() - interval '1 s', closes_at = now() + interval '29 s' WHERE id = :id",
            id=seat[6:],
        )
    assert "The time for this turn is over." in (await one.get(here)).text
    [path], [other] = asked(await one.get(here)), asked(await two.get(there))
    assert (await say(one, here, "In time.")).status_code == 303
    await talks.late(there)
    await two.submit(there, {"0.path": other, "0.text": "Too late."})
    async with site.database.session() as db:
        assert set(await db.scalars(select(Move.path).where(Move.content["kind"].astext == "speech"))) == {
            path
        }


async def save(browser: Browser, seat: str, words: str, at: int = 7) -> None:
    [path] = asked(await browser.get(seat))
    answer = {"answers": [{"path": path, "text": words}], "at": at}
    saved = await browser.post(f"{seat}/draft", json=answer, headers={"X-CSRF-Token": browser.csrf})
    assert saved.json()["saved"] == at


async def test_what_was_saved_is_sent_when_the_time_is_over(site: Site) -> None:
    talks = await live(site, {})
    (one, here, part), (two, there, _) = await talks.pair()
    await save(one, here, "Half a thought, but a whole sentence.")
    await talks.late(here)
    assert await talks.look() == 1
    assert await talks.look() == 0
    assert "Half a thought" in (await one.get(here)).text
    await say(two, there, "And mine.")
    await advanced(site)
    assert (await talks.talk()).state == "done"
    assert (await talks.part(part))[2] == 1


@pytest.mark.parametrize("words", ["", "nothing was changed"])
async def test_a_page_that_was_only_looked_at_is_no_answer(site: Site, words: str) -> None:
    talks = await live(site, {})
    (one, here, _), _ = await talks.pair()
    await save(one, here, words, at=0 if words else 7)
    await talks.late(here)
    assert await talks.look() == 1
    assert (await talks.talk()).state == "failed"
    assert "Your time for this turn was over" in (await one.get(here)).text


async def test_each_turn_has_its_own_time_and_who_waits_has_none(site: Site) -> None:
    talks = await live(site, {}, debate(rounds=2))
    (one, here, _), (two, there, _) = await talks.pair()
    await talks.change(
        "UPDATE seat SET ends_at = ends_at - interval '90 s', closes_at = closes_at - interval '90 s'"
    )
    await say(one, here)
    assert [seat.ends_at for seat in await talks.seats(id=uuid.UUID(here[6:]))] == [None]
    await say(two, there)
    await advanced(site)
    async with site.database.session() as db:
        left = await db.scalars(
            select(func.extract("epoch", SeatRow.ends_at - func.now())).where(SeatRow.state == "waiting")
        )
        assert all(100 < float(seconds) <= 120 for seconds in left)


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def leave(talks: Talks, how: str, browser: Browser, seat: str, part: Enrolment) -> None:
    """Leave a talk in one of the ways that there are."""
    if how == "returned":
        await browser.submit(f"{seat}/return")
    elif how == "absent":
        await talks.late(seat)
    elif how == "timed_out":
        await talks.change(
            "UPDATE enrolment SET expires_at = now() - interval '1 s' WHERE id = :id", id=part.id
        )
    else:
        async with talks.site.database.session.begin() as db:
            await enrolments.end(db, await db.get_one(Enrolment, part.id), how)
    await talks.look()


@pytest.mark.parametrize("how", ["returned", "absent", "timed_out", "stopped", "withdrawn"])
async def test_where_the_study_ends_such_talks_the_other_is_paid_and_the_talk_is_not_counted(
    site: Site, how: str
) -> None:
    talks = await live(site, {"leaves": "end"})
    (one, here, part), (two, there, other) = await talks.pair()
    await say(two, there, "I was here.")
    await leave(talks, how, one, here, part)
    talk = await talks.talk()
    assert talk.state == "failed"
    assert talk.error is not None
    assert "the others are paid for it" in talk.error
    page = (await two.get(there)).text
    assert "The other side has left this talk" in page
    assert "it counts as done for you" in page
    assert await talks.part(other) == ("trials", None, 1)
    [left] = [seat for seat in await talks.seats(play_id=talk.id) if seat.left_as]
    assert (left.left_as, left.replacement_id) == (how, None)
    async with site.database.session.begin() as db:
        await experiments.resume(db, talks.experiment.id, retry_failed=True)
    assert (await talks.talk()).state == "failed", "the others are gone: it is not tried again"


@pytest.mark.parametrize("how", ["returned", "absent", "stopped"])
async def test_a_model_goes_on_where_the_study_says_so(site: Site, how: str) -> None:
    talks = await live(site, REPLACE, debate(rounds=2))
    (one, here, part), (two, there, other) = await talks.pair()
    await say(one, here, "My only words.")
    await say(two, there, "Mine of round one.")
    await advanced(site)
    await leave(talks, how, one, here, part)
    assert [line.split(" ", 2)[2] for line in await present(two, there)] == [
        "has left: another participant goes on in this seat."
    ]
    await say(two, there, "Mine of round two.")
    await advanced(site)
    talk = await talks.talk()
    assert talk.state == "done"
    assert (await talks.part(other))[2] == 1
    [left] = [seat for seat in await talks.seats(play_id=talk.id) if seat.left_as]
    async with site.database.session() as db:
        speakers = await db.execute(
            select(Move.path, Participant.kind)
            .join(Participant, Participant.id == Move.participant_id)
            .where(Move.seat == left.seat, Move.content["kind"].astext == "speech")
            .order_by(Move.id)
        )
        assert [tuple(row) for row in speakers] == [
            (f"r1/{left.seat}", "person"),
            (f"r2/{left.seat}", "builtin"),
        ]
    [row] = await rows_of(site.database, talks.experiment, What.TRANSCRIPTS)
    found = {person["seat"]: person for person in row["people"]}
    assert (found[left.seat]["left_as"], found[left.seat]["replaced_by"]) == (how, "advocate")
    assert [person["left_as"] for seat, person in found.items() if seat != left.seat] == [None]
    by_seat = [
        move["participant"] for move in row["moves"] if move["seat"] == left.seat and move["kind"] == "speech"
    ]
    assert by_seat == [found[left.seat]["participant"], "advocate"]


async def test_the_report_counts_talks_in_which_a_person_was_replaced_and_can_leave_them_out(
    site: Site,
) -> None:
    talks = await live(site, REPLACE, looking=True)
    (one, here, part), (two, there, _) = await talks.pair()
    await leave(talks, "returned", one, here, part)
    await say(two, there, "Alone with a machine.")
    await advanced(site)
    await played(site.database, talks.experiment)

    async def reported(**choices: Any) -> Report:
        async with site.database.session() as db:
            experiment = await db.get_one(Experiment, talks.experiment.id)
            return await report(db, experiment, choices=Choices(**choices))

    whole, less = await reported(), await reported(replaced=Replaced.LEFT_OUT)
    assert whole.totals["replaced"] == less.totals["replaced"] == 1
    assert [line.cell is None for line in whole.lines] == [False]
    assert [line.cell is None for line in less.lines] == [True]
    assert [note for note in notes(whole) if note.startswith("In 1 talk a person left")]
    assert "a person was replaced are left out" in less.warnings[0]


async def test_both_may_be_replaced_by_the_same_participant(site: Site) -> None:
    talks = await live(site, REPLACE)
    (one, here, part), (two, there, other) = await talks.pair()
    await leave(talks, "returned", one, here, part)
    await leave(talks, "returned", two, there, other)
    assert (await talks.talk()).state == "done"


async def test_several_processes_that_look_at_once_see_to_each_person_once(site: Site) -> None:
    talks = await live(site, {})
    (_, here, _), _ = await talks.pair()
    await talks.late(here)
    engine = site.app.state.engine
    done = await asyncio.gather(*(overdue.look(engine, site.database) for _ in range(4)))
    assert sum(done) == 1
    assert len([seat for seat in await talks.seats() if seat.left_as]) == 1


async def test_where_one_late_person_cannot_be_seen_to_the_others_are(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    talks = await live(site, {}, None, "Alba", "Brise")
    broken, _ = await talks.pair()
    other, _ = await talks.pair("Fay", "Gil")
    for _, seat, _ in (broken, other):
        await talks.late(seat)
    real, stuck = site.app.state.engine.turn, uuid.UUID(broken[1][6:])

    async def turn(db: Any, seat: uuid.UUID, **more: Any) -> Any:
        if seat == stuck:
            raise RuntimeError("a move that no one understands")
        return await real(db, seat, **more)

    monkeypatch.setattr(site.app.state.engine, "turn", turn)
    failed = overdue.Failed()
    for looked in (1, 0):
        assert await overdue.look(site.app.state.engine, site.database, failed) == looked
    [record] = [each for each in caplog.records if each.name == overdue.__name__]
    assert str(stuck) in record.getMessage()
    assert record.exc_info is not None
    assert "a move that no one understands" in str(record.exc_info[1])
    assert [seat.id for seat in await talks.seats() if seat.left_as] == [uuid.UUID(other[1][6:])]


async def test_an_error_of_any_kind_does_not_end_the_looking(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = asyncio.Queue[int]()

    async def look(*_: Any) -> int:
        looks.put_nowait(1)
        raise ValueError("not of the database")

    monkeypatch.setattr(overdue, "look", look)
    monkeypatch.setattr(overdue, "EVERY", 0.0)
    async with overdue.watching(site.app.state.engine, site.database):
        for _ in range(3):
            await asyncio.wait_for(looks.get(), 10)


# ── at the same moment ──────────────────────────────────────────────────────────────────────────────────────────


async def test_no_time_begins_for_a_person_whose_talk_has_just_ended(site: Site) -> None:
    talks = await live(site, {})
    (_, here, part), _ = await talks.pair()
    seat = uuid.UUID(here[6:])
    await talks.change(
        "UPDATE seat SET state = 'done', leased_until = NULL, ends_at = NULL, closes_at = NULL"
        " WHERE participant_id IS NOT NULL"
    )
    async with site.database.session.begin() as db:
        person = part.account.participant_id
        assert person is not None
        assert await live_records.begin(db, seat, person)
    assert [row.ends_at for row in await talks.seats(id=seat)] == [None]


async def test_a_page_that_a_talk_outran_shows_how_the_talk_is_now(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other leaves, and the talk ends, after a page has looked at its turn and before it begins the time of it."""
    talks = await live(site, {})
    (one, here, _), (two, there, _) = await talks.pair()
    await talks.change("UPDATE seat SET ends_at = NULL, closes_at = NULL")
    real = site.app.state.engine.turn
    outran: list[uuid.UUID] = []

    async def turn(db: Any, seat: uuid.UUID, **more: Any) -> Any:
        found = await real(db, seat, **more)
        if seat == uuid.UUID(here[6:]) and not outran:
            outran.append(seat)
            await two.submit(f"{there}/return")
        return found

    monkeypatch.setattr(site.app.state.engine, "turn", turn)
    page = await one.get(here)
    assert outran
    assert page.status_code == 200
    assert "The other side has left this talk" in page.text
    assert asked(page) == []


async def test_who_sits_down_while_the_other_leaves_waits_in_a_waiting_room(site: Site) -> None:
    talks = await live(site, {})
    one, here, _ = await talks.sit("Dora")
    two, _ = await talks.join("Emil")
    async with site.database.session.begin() as db:
        assert one.account is not None
        await assignment.give_back(db, uuid.UUID(here[6:]), await db.merge(one.account, load=False), {})
        sits = asyncio.create_task(next_talk(two))
        await waiting_for_a_lock(site.database)
    there = await sits
    [own] = await talks.seats(id=uuid.UUID(there[6:]))
    assert own.ends_at is not None, "else no one would ever let this person go"
    assert "Waiting room" in (await two.get(there)).text


async def takes_a_seat(db: AsyncSession, part: Part) -> None:
    assert await participation.next_seat(db, part) is not None


@pytest.mark.parametrize("act", [takes_a_seat, participation.let_go])
async def test_a_look_at_the_recruiter_and_a_person_do_not_wait_for_each_other(
    site: Site, act: Callable[[AsyncSession, Part], Awaitable[None]]
) -> None:
    """A researcher locks the study and then parts in it; a person locks their part and then goes on."""
    talks = await live(site, {})
    one, part = await talks.join("Dora")
    assert one.account is not None
    async with site.database.session() as person, site.database.session() as researcher:
        mine = await part_of(person, one.account)
        await enrolments.lock(researcher, talks.study.id)
        row = await researcher.get_one(Enrolment, part.id)
        ends = asyncio.create_task(enrolments.end(researcher, row, "returned"))
        await waiting_for_a_lock(site.database)
        await asyncio.wait_for(act(person, mine), 20)
        await person.commit()
        await ends
        await researcher.commit()
    assert (await talks.part(part))[1] is not None
    assert await talks.seats(state="waiting") == []


async def test_a_page_and_a_worker_do_not_wait_for_each_other(site: Site) -> None:
    """A page changes its seat twice; a worker locks the play and then changes its seats."""
    talks = await live(site, {})
    (_, here, part), _ = await talks.pair()
    seat, person = uuid.UUID(here[6:]), part.account.participant_id
    assert person is not None
    await talks.change("UPDATE seat SET ends_at = NULL, closes_at = NULL")
    [own] = await talks.seats(id=seat)
    async with site.database.session() as page, site.database.session() as worker:
        await assignment.keep(page, seat, person)
        await plays.load(worker, own.play_id, lock=True)
        times = asyncio.create_task(live_records.turns(worker, own.play_id, {"debater_a", "debater_b"}))
        await waiting_for_a_lock(site.database)
        assert await asyncio.wait_for(live_records.begin(page, seat, person), 20)
        await page.commit()
        await times
        await worker.commit()
    assert all(row.ends_at for row in await talks.seats(state="waiting"))


async def test_a_request_that_fails_spoils_no_later_one(site: Site) -> None:
    """The engine keeps an arm that it met in a transaction which was then rolled back."""
    talks = await live(site, {})
    (one, here, _), _ = await talks.pair()
    engine = site.app.state.engine = Engine(site.database)
    async with site.database.session() as db:
        await engine.turn(db, uuid.UUID(here[6:]))
        await db.rollback()
    assert asked(await one.get(here))
    await engine.close()


async def waiting_for_a_lock(database: Database) -> None:
    """Return once a transaction waits for what another has locked."""
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(200):
        async with database.session() as db:
            if await db.scalar(waits):
                return
        await asyncio.sleep(0.05)
    raise AssertionError("no transaction waits for another")


async def test_an_account_that_never_took_a_seat_reads_that_there_is_none(site: Site) -> None:
    account = await site.hire("Newcomer", "debater")
    async with site.database.session.begin() as db:
        await db.execute(text("UPDATE account SET participant_id = NULL WHERE id = :id"), {"id": account.id})
    browser = await site.browser_of(account)
    for path in ("", "/others", "/return"):
        assert (await browser.get(f"/seat/{uuid.uuid4()}{path}")).status_code == 404


async def test_a_person_of_a_study_has_one_talk_at_a_time(site: Site) -> None:
    talks = await live(site, {}, None, "Alba", "Brise")
    (one, here, part), _ = await talks.pair()
    await say(one, here)
    assert await next_talk(one) == here
    async with site.database.session() as db:
        assert await assignment.left(db, part.account.participant_id or uuid.uuid4(), "debater") == 0


# ── what may not be learned ─────────────────────────────────────────────────────────────────────────────────────


def anonymous(page: str) -> list[str]:
    """The lines of a page, without what differs for every seat, side and moment."""
    page = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "SEAT", page)
    page = re.sub(r'(nonce|csrf_token|value|content|hx-headers)=("[^"]*"|\'[^\']*\')', r"\1", page)
    page = re.sub(r'data-clock="[^"]*"|\d+:\d\d left', "TIME", page)
    page = re.sub(r"debater_[ab]|Debater [AB]", "SIDE", page)
    page = re.sub("Alba|Brise", "FERRY", page)
    # The answer that one argues for is marked in the list, and named in the request.
    page = re.sub(r'<li class="argued">|\s*<strong>– you argue for this</strong>|<li>', "", page)
    page = re.sub(r"The pilot had overslept\.|Fog had held the ferry back\.", "ANSWER", page)
    return [re.sub(r"argues? (that|for).*", "ARGUES", line).strip() for line in page.splitlines()]


async def test_where_models_argue_too_nothing_tells_them_from_people(site: Site) -> None:
    """A person meets a person or a model, with the same pages: before the other comes and after, also while one is away."""
    data = debate(rounds=1)
    data["arms"]["beside"] = {**data["arms"]["debate"], "seats": BESIDE}
    talks = await live(site, {"turn_seconds": 600}, data, "Alba", "Brise")
    found: dict[str, tuple[Browser, str]] = {}
    for number in range(4):
        browser, seat, _ = await talks.sit(f"Person {number}")
        [own] = await talks.seats(id=uuid.UUID(seat[6:]))
        kind = "model" if len(await talks.seats(play_id=own.play_id)) == 1 else "person"
        found.setdefault(kind, (browser, seat))
        if len(found) == 2:
            break
    await advanced(site)
    opposite = [found["model"], found["person"]]

    async def alike() -> str:
        """What both get is the same; returns it."""
        got = []
        for browser, seat in opposite:
            answers = [await browser.get(seat), await browser.get(f"{seat}/others")]
            answers.append(await browser.get(seat, headers={"HX-Request": "true"}))
            got.append([[str(answer.status_code), *anonymous(answer.text)] for answer in answers])
        for one, other in zip(*got, strict=True):
            assert [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]] == []
        return str(got)

    alone = await alike()
    assert "Waiting room" not in alone
    assert "TIME" in alone
    await talks.sit("The other")
    await talks.change("UPDATE seat SET seen_at = now() - interval '1 h'")
    assert "last here" not in await alike()
    for browser, seat in opposite:
        await say(browser, seat, "I have spoken.")
    assert "Waiting for the others" in await alike()


async def test_where_models_argue_too_a_person_for_whom_nobody_comes_is_let_go_all_the_same(
    site: Site,
) -> None:
    data = debate(rounds=1)
    data["arms"]["beside"] = {**data["arms"]["debate"], "seats": BESIDE}
    talks = await live(site, {}, data)
    for number in range(2):
        browser, seat, part = await talks.sit(f"Person {number}")
        await advanced(site)
        [own] = await talks.seats(id=uuid.UUID(seat[6:]))
        if len(await talks.seats(play_id=own.play_id)) == 2:
            break
    await say(browser, seat, "I have spoken.")
    await advanced(site)
    await talks.late(seat)
    assert await talks.look() == 1
    assert await talks.part(part) == ("done", "completed", 0)
