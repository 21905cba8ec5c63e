"""Every list comes in pages, and takes no more queries for ten times as many rows.

Whoever adds a page or a request that is read (GET) adds its name here: to `LISTS` with what fills it, or to `NO_LISTS`.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.taskfile import TaskPassage
from app.records import people, spec_drafts, studies, tasks, tokens
from app.records.paging import PER_PAGE
from app.records.people import INVITE_LASTS, note
from app.web.app import ROUTERS
from models import (
    Account,
    Arm,
    Endpoint,
    Enrolment,
    Judgement,
    JudgingRound,
    Participant,
    SeatRow,
    Trial,
    Verdict,
)
from models.base import Base
from tests.factories import TASKS, passage
from tests.studies import study_file as plain_file
from tests.studies.made_up import enrolled, study_file
from tests.studies.paid import file as paid_file
from tests.web.world import Browser, Site, World, statements

Row = TypeVar("Row", bound=Base)
FEW, MANY = 3, 30


# ── what fills a list ───────────────────────────────────────────────────────────────────────────────────────────
# Each adds one row to a list of Alice's for every number.

Numbers = Iterable[int]
Fill = Callable[[AsyncSession, World, Numbers], Awaitable[None]]


def copied(row: Row, **changes: Any) -> Row:
    """Another row with the same values, but for `changes`."""
    values = {column.key: getattr(row, column.key) for column in type(row).__mapper__.column_attrs}
    return type(row)(**values | {"id": uuid.uuid4()} | changes)


async def first(db: AsyncSession, table: type[Row], *where: Any) -> Row:
    """Some row of a table."""
    return (await db.scalars(select(table).where(*where).limit(1))).one()


async def more_experiments(db: AsyncSession, world: World, numbers: Numbers) -> None:
    """Each with a transcript that waits for a person, and a trial that failed."""
    arm = await first(db, Arm, Arm.experiment_id == world.experiment.id)
    trial = await first(db, Trial, Trial.arm_id == arm.id)
    panel = await first(db, JudgingRound, JudgingRound.experiment_id == world.experiment.id)
    place = await first(db, Judgement, Judgement.talk_id == trial.id, Judgement.state == "open")
    seat = await first(db, SeatRow, SeatRow.play_id == place.id)
    for number in numbers:
        experiment = copied(world.experiment, name=f"copy-{number:03}", created_at=func.now())
        its = {"experiment_id": experiment.id}
        its_arm = copied(arm, **its)
        its_trial = copied(trial, arm_id=its_arm.id, **its)
        failed = {"state": "failed", "error": f"It is silent ({number}).", "outcome": None, "replicate": 99}
        its_round = copied(panel, **its)
        rows = [experiment, its_arm, its_trial, copied(its_trial, **failed), its_round]
        its_place = copied(place, talk_id=its_trial.id, round_id=its_round.id, **its)
        for row in [*rows, its_place, copied(seat, play_id=its_place.id)]:
            db.add(row)
            await db.flush()


async def more_trials(db: AsyncSession, world: World, numbers: Numbers) -> None:
    trial = await first(db, Trial, Trial.experiment_id == world.experiment.id)
    judgements = select(Judgement.id).where(Judgement.talk_id == trial.id)
    verdict = await first(db, Verdict, Verdict.play_id.in_(judgements))
    for number in numbers:
        another = copied(trial, replicate=100 + number, position=1000 + number)
        db.add(another)
        await db.flush()
        db.add(copied(verdict, id=None, play_id=another.id))


async def more_rounds(db: AsyncSession, world: World, numbers: Numbers) -> None:
    panel = await first(db, JudgingRound, JudgingRound.experiment_id == world.experiment.id)
    db.add_all(copied(panel, name=f"round-{number}", position=100 + number) for number in numbers)


async def more_people(db: AsyncSession, world: World, numbers: Numbers) -> None:
    for number in numbers:
        account = Account(id=uuid.uuid4(), name=f"Judge {number}", role="judge")
        db.add(account)
        await db.flush()
        await people.participant_of(db, account)
        await people.new_invite(
            db, role="judge", shared=False, created_by=world.site.cast["alice"].id, account=account.id
        )


async def more_parts(db: AsyncSession, world: World, numbers: Numbers) -> None:
    study = await studies.by_name(db, "hers")
    if study is None:
        file = study_file("for-people", name="hers")
        study = await studies.add(db, "hers", file, {}, world.site.cast["alice"].id)
    for number in numbers:
        await enrolled(db, study, f"Worker {number}")


async def more_invites(db: AsyncSession, world: World, numbers: Numbers) -> None:
    alice = world.site.cast["alice"].id
    for number in numbers:
        await people.new_invite(db, role="judge", shared=True, label=f"pilot {number}", created_by=alice)


async def more_endpoints(db: AsyncSession, world: World, numbers: Numbers) -> None:
    db.add_all(Endpoint(name=f"server-{number}", base_url="http://127.0.0.1:1/v1") for number in numbers)


async def more_participants(db: AsyncSession, world: World, numbers: Numbers) -> None:
    for number in numbers:
        endpoint = Endpoint(id=uuid.uuid4(), name=f"server-{number}", base_url="http://127.0.0.1:1/v1")
        db.add(endpoint)
        await db.flush()
        settings = {"kind": "model", "model": "tiny", "endpoint": endpoint.name}
        row = Participant(name=f"model-{number}", kind="model", settings=settings, digest=f"digest {number}")
        row.endpoint_id = endpoint.id
        db.add(row)


async def more_tokens(db: AsyncSession, world: World, numbers: Numbers) -> None:
    alice = world.site.cast["alice"].id
    for number in numbers:
        await tokens.new_token(db, alice, f"token {number}", ["read"], INVITE_LASTS)


async def more_drafts(db: AsyncSession, world: World, numbers: Numbers) -> None:
    for number in numbers:
        await spec_drafts.save_draft(db, world.site.cast["alice"].id, None, f"draft {number}", {})


async def more_actions(db: AsyncSession, world: World, numbers: Numbers) -> None:
    cast = list(world.site.cast.values())
    for number in numbers:
        await note(db, cast[number % len(cast)].id, "looked at", "page", number)


async def more_sets(db: AsyncSession, world: World, numbers: Numbers) -> None:
    for number in numbers:
        await tasks.save(db, f"set-{number}", [_line(number)])


async def more_passages(db: AsyncSession, world: World, numbers: Numbers) -> None:
    await tasks.save(db, TASKS, [_line(number) for number in numbers])


async def more_ended_parts(db: AsyncSession, world: World, numbers: Numbers) -> None:
    study = await studies.by_name(db, "hers")
    if study is None:
        hers = paid_file(name="hers", recruiter={"kind": "link"}, experiments=[world.experiment.name])
        study = await studies.add(db, "hers", hers, {}, world.site.cast["alice"].id)
    for number in numbers:
        account = Account(id=uuid.uuid4(), name=f"Recruit {number}", role="judge")
        db.add(account)
        await db.flush()
        await people.participant_of(db, account)
        part = Enrolment(study_id=study.id, account_id=account.id, person_key=uuid.uuid4().bytes * 2)
        part.seed, part.promised, part.page = number, 2, "done"
        part.ended_as, part.ended_at = "completed", func.now()
        db.add(part)


async def more_studies(db: AsyncSession, world: World, numbers: Numbers) -> None:
    """Each with people who take part and people whose parts have ended."""
    for number in numbers:
        row = await studies.add(db, f"study-{number}", plain_file(), {}, world.site.cast["alice"].id)
        for end in (None, "completed", "returned"):
            account = Account(id=uuid.uuid4(), name=f"{number}", role="judge")
            db.add(account)
            await db.flush()
            part = Enrolment(study_id=row.id, account_id=account.id, person_key=account.id.bytes * 2)
            part.seed, part.promised, part.page, part.ended_as = 1, 1, "trials", end
            part.ended_at = None if end is None else func.now()
            db.add(part)
            await db.flush()


async def more_versions(db: AsyncSession, world: World, numbers: Numbers) -> None:
    owner = world.site.cast["alice"].id
    row = await studies.by_name(db, "versions")
    if row is None:
        spec = plain_file(name="versions", experiments=["for-people"])
        row = await studies.add(db, "versions", spec, {}, owner)
    for number in numbers:
        await studies.write_text(db, row.id, "consent", f"Version {number}.", owner)


def _line(number: int) -> dict[str, Any]:
    return TaskPassage.model_validate(passage(f"P{number}", 1), by_name=False).model_dump()


# ── the lists ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a list is, what adds rows to it, and who looks."""

    path: str
    fill: Fill
    who: str = "alice"
    table: int = -1
    """Which of the page's tables is the list."""


LISTS = {
    "home": Listing("/", more_experiments),
    "drafts": Listing("/drafts", more_drafts),
    "experiments": Listing("/experiments", more_experiments),
    "experiment_trials": Listing("/experiments/for-people/trials", more_trials),
    "study_payments": Listing("/studies/hers/payments", more_ended_parts),
    "tasks": Listing("/tasks", more_sets, table=0),
    "task_set": Listing(f"/tasks/{TASKS}", more_passages),
    "task_questions": Listing(f"/tasks/{TASKS}/questions", more_passages),
    "studies": Listing("/studies", more_studies),
    "study_text": Listing("/studies/versions/texts/consent", more_versions),
    "people": Listing("/people", more_people),
    "study_people": Listing("/studies/hers/people", more_parts),
    "invites": Listing("/people/invites", more_invites),
    "endpoints": Listing("/endpoints", more_endpoints, "bob"),
    "participants": Listing("/participants", more_participants),
    "audit": Listing("/audit", more_actions, "bob"),
    "tokens": Listing("/account/tokens", more_tokens),
    "api_experiments": Listing("/api/v1/experiments", more_experiments),
    "api_trials": Listing("/api/v1/experiments/for-people/trials", more_trials),
    "api_rounds": Listing("/api/v1/experiments/for-people/rounds", more_rounds),
    "api_tasks": Listing("/api/v1/tasks", more_sets),
    "api_participants": Listing("/api/v1/participants", more_participants),
    "api_studies": Listing("/api/v1/studies", more_studies),
    "api_people": Listing("/api/v1/people", more_people),
    "api_invites": Listing("/api/v1/invites", more_invites),
    "api_endpoints": Listing("/api/v1/endpoints", more_endpoints, "bob"),
    "api_audit": Listing("/api/v1/audit", more_actions, "bob"),
}
"""Name of a route to its list."""

NO_LISTS = {
    "sign_in_form",
    "invite",
    "healthz",
    "readyz",
    "experiment_delete_form",
    "task_set_delete_form",
    "metrics",
    "experiment",
    "experiment_export",
    "study_payments_export",
    "experiment_report",
    "experiment_report_progress",
    "experiment_report_json",
    "experiment_recomputed",
    "experiment_compare",
    "api_compare",
    "api_compare_text",
    "build",
    "round_form",
    "experiment_plot",
    "study_plot",
    "study_person",
    "archive_form",
    "trial",
    "trial_unshown",
    "trial_calls",
    "task_question",
    "study_new",
    "study",
    "study_change_form",
    "study_file",
    "study_preview",
    "api_study",
    "new_participant",
    "participant",
    "judge_instructions",
    "judge_queue",
    "judge_calibration",
    "judge_feedback",
    "study_join_form",
    "part",
    "part_consent",
    "part_instructions",
    "part_comprehension",
    "part_practice",
    "part_questionnaire",
    "part_debriefing",
    "part_done",
    "part_stop",
    "part_withdraw",
    "talk_instructions",
    "talk_queue",
    "seat",
    "seat_others",
    "seat_return_form",
    "privacy",
    "part_privacy",
    "own_data",
    "study_person_data",
    "study_person_copy",
    "person_data",
    "person_copy",
    "api_person_data",
    "api_study_person_data",
    "api_docs",
    "api_openapi",
    "api_experiment",
    "api_trial",
    "api_progress",
    "api_report",
    "api_report_text",
    "api_export",
}
"""Names of routes that show one thing, however much there is of others."""


def routes() -> dict[str, APIRoute]:
    """Every route that is read, by its name."""
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {route.name: route for route in found if "GET" in route.methods}


def test_every_route_that_is_read_is_known_as_a_list_or_as_none() -> None:
    assert not LISTS.keys() & NO_LISTS
    unknown, gone = routes().keys() - LISTS.keys() - NO_LISTS, (LISTS.keys() | NO_LISTS) - routes().keys()
    assert not unknown, f"add to LISTS or NO_LISTS in tests/web/test_lists.py: {sorted(unknown)}"
    assert not gone, f"take out of LISTS and NO_LISTS in tests/web/test_lists.py: {sorted(gone)}"


@pytest.mark.parametrize("name", routes())
def test_lists_and_nothing_else_take_the_number_of_a_page(name: str) -> None:
    dependant = routes()[name].dependant
    assert ("page" in {field.alias for field in dependant.query_params}) == (name in LISTS)


async def reader(site: Site, listing: Listing) -> Browser:
    """A browser of whoever looks, which also holds a token for the API."""
    browser = await site.browser(listing.who)
    assert browser.account is not None
    scopes = ["read", "admin"] if listing.who == "bob" else ["read"]
    async with site.database.session.begin() as db:
        token = await tokens.new_token(db, browser.account.id, "reader", scopes, INVITE_LASTS)
    if listing.path.startswith("/api/"):
        browser.headers["Authorization"] = f"Bearer {token}"
    return browser


async def read(
    site: Site, browser: Browser, listing: Listing, page: int = 1
) -> tuple[httpx.Response, list[str]]:
    """A page of a list, and the statements it took but for those that count how often a token is used."""
    with statements(site.database) as sent:
        got = await browser.get(listing.path, params={"page": page})
    assert got.status_code == 200, got.text
    return got, [statement for statement in sent if "rate_count" not in statement]


def rows(got: httpx.Response) -> list[int]:
    """How many rows each table of a page has; of an answer of the API, how many things it lists."""
    if got.headers["content-type"] == "application/json":
        return [len(got.json()["items"])]
    return [body.count("<tr") for body in re.findall(r"<tbody>(.*?)</tbody>", got.text, re.DOTALL)]


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_pages_and_takes_no_more_queries_for_ten_times_as_many_rows(
    world: World, name: str
) -> None:
    site, listing = world.site, LISTS[name]
    browser = await reader(site, listing)
    async with site.database.session.begin() as db:
        await listing.fill(db, world, range(FEW))
    _, few = await read(site, browser, listing)
    async with site.database.session.begin() as db:
        await listing.fill(db, world, range(FEW, MANY))
    one, many = await read(site, browser, listing)
    two, _ = await read(site, browser, listing, 2)
    beyond, _ = await read(site, browser, listing, 99)
    assert len(many) == len(few), "\n\n".join(many)
    at = listing.table
    assert max(rows(one)) == rows(one)[at] == PER_PAGE
    assert 0 < rows(two)[at] <= PER_PAGE
    assert one.text != two.text
    assert rows(beyond)[at] == 0
