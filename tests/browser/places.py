"""Every page there is, with what has to be on record to look at it: generated from the routes, so that none is left out."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import admin, assignment, experiments, people
from app.services import studies
from app.services.invites import invite_path
from app.studies.spec import Page
from app.web.app import ROUTERS
from app.web.security.permissions import ANYONE, PERMISSIONS, needs_token
from models import Account, Arm, Enrolment, ModelCall, Participant, Question, Study, Trial
from tests.factories import finished, imported, market, passage, played, started
from tests.servers import Script, ScriptedServer
from tests.studies import study_spec
from tests.studies.made_up import CAST, Made, made_up, opened
from tests.studies.made_up import study_file as watched_file
from tests.studies.paid import with_people
from tests.test_jobs import modelled
from tests.web.judge.test_routes import judged, next_trial
from tests.web.participation.study import experiment_file, joined, study_file, study_on
from tests.web.seats.test_routes import begun, debate, say
from tests.web.world import Site, World, for_people, furnished

ROUTES = {
    route.name: route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and not needs_token(route.path)
}
"""What a browser may meet, by name: everything but the API."""
PAGES = {name for name, route in ROUTES.items() if "GET" in (route.methods or ())}
FORMS = {name for name, route in ROUTES.items() if "POST" in (route.methods or ())}

FILES = {
    "healthz",
    "readyz",
    "metrics",
    "api_openapi",
    "experiment_plot",
    "experiment_report_json",
    "experiment_report_progress",
    "experiment_export",
    "study_plot",
    "seat_others",
    "study_payments_export",
    "study_file",
    "own_data",
    "study_person_copy",
    "person_copy",
}
"""What is got by a browser and is no page."""
PLACES: Mapping[str, tuple[str, ...]] = {
    "home": ("/",),
    "sign_in_form": ("/sign-in",),
    "invite": ("{invite}", "{hired}"),
    "experiments": ("/experiments", "/experiments?q=nothing"),
    "experiment": ("/experiments/for-people", "/experiments/modelled", "/experiments/paused"),
    "experiment_delete_form": ("/experiments/for-people/delete", "/experiments/paused/delete"),
    "build": ("/experiments/new", "/experiments/new?like=for-people"),
    "drafts": ("/drafts",),
    "round_form": ("/experiments/for-people/judge",),
    "experiment_trials": (
        "/experiments/for-people/trials",
        "/experiments/for-people/trials?judged=right&arm=debate",
        "/experiments/for-people/trials?text=nothing+like+it",
        "/experiments/for-people/trials?judge=lexical&gold_max=90&sort=longest",
    ),
    "experiment_report": ("/experiments/for-people/report", "/experiments/paused/report"),
    "experiment_recomputed": ("/experiments/for-people/report/recomputed?ties=wrong",),
    "experiment_compare": (
        "/experiments/compare",
        "/experiments/compare?name=for-people&name=paused",
    ),
    "trial": (
        "/trials/{debate}",
        "/trials/{debate}?arm=debate&sort=least-gold",
        "/trials/{failed}",
        "/trials/{called}",
        "/trials/{market}",
    ),
    "trial_unshown": ("/trials/{market}/unshown?step=t1",),
    "trial_calls": ("/trials/{called}/calls?path={path}",),
    "archive_form": ("/archives",),
    "study_people": (
        "/studies/watched/people",
        "/studies/watched/people?flag=any&sort=flags",
        "/studies/watched/people?status=excluded",
        "/studies/blind/people",
    ),
    "study_person": ("/studies/watched/people/{careless}", "/studies/watched/people/{at_work}"),
    "study_payments": (
        "/studies/paid/payments",
        "/studies/at-prolific/payments",
        "/studies/unlinked/payments",
    ),
    "studies": ("/studies",),
    "study_new": ("/studies/new",),
    "study": ("/studies/draft", "/studies/running"),
    "study_change_form": ("/studies/draft/change",),
    "study_text": ("/studies/running/texts/consent", "/studies/running/texts/consent?version=1"),
    "study_preview": tuple(f"/studies/running/preview/{page.value}" for page in Page),
    "tasks": ("/tasks", "/tasks?q=nothing"),
    "task_set": ("/tasks/ferries",),
    "task_set_delete_form": ("/tasks/ferries/delete",),
    "task_questions": ("/tasks/ferries/questions",),
    "task_question": ("/tasks/ferries/questions/{question}",),
    "judge_instructions": ("/judge/instructions",),
    "judge_queue": ("/judge",),
    "judge_feedback": ("/judge/feedback",),
    "judge_calibration": ("/judge/calibration",),
    "study_join_form": ("{study}", "{study_full}"),
    # Who takes part in no study is led to their own start; the pages of those who do are looked at in `test_participation`.
    **{name: (ROUTES[name].path,) for name in sorted(PAGES) if name == "part" or name.startswith("part_")},
    "talk_instructions": ("/talk/instructions",),
    "talk_queue": ("/talk",),
    "seat": ("{turn_of_WHO}", "{waits_of_WHO}", "{in_hand_of_WHO}", "{done_of_WHO}"),
    "seat_return_form": ("{turn_of_WHO}/return", "{in_hand_of_WHO}/return"),
    "privacy": ("/privacy",),
    "part_privacy": ("/part/privacy",),
    "study_person_data": ("/studies/watched/people/{careless}/data",),
    "person_data": ("/people/{person}/data",),
    "people": ("/people",),
    "invites": ("/people/invites",),
    "endpoints": ("/endpoints",),
    "participants": ("/participants",),
    "new_participant": ("/participants/new",),
    "participant": ("/participants/{participant}",),
    "audit": ("/audit",),
    "tokens": ("/account/tokens",),
    "api_docs": ("/api",),
}
"""Where each page is looked at, by the name of its route; `WHO` stands for the role of who looks."""


VISITORS = [
    pytest.param(who, marks=pytest.mark.slow) if who == "researcher" else who for who in sorted(ANYONE)
]
"""Whose pages are looked at. An admin has every page of a researcher, with more on it; those are part of `make test-all`."""


def places_of(who: str) -> list[str]:
    """The addresses of every page for somebody of a role, or for nobody."""
    names = [name for name in sorted(PAGES - FILES) if who in PERMISSIONS[name]]
    return [place.replace("WHO", who) for name in names for place in PLACES[name]]


def form_of(method: str, path: str) -> str:
    """The name of the route that a request meets."""
    [name] = [
        name
        for name, route in ROUTES.items()
        if method in (route.methods or ()) and route.path_regex.match(path)
    ]
    return name


async def busy(site: Site) -> World:
    """A world with something to see at every place."""
    file = {**for_people(), "judges": ["lexical", {"humans": 2, "feedback": "score"}]}
    world = await furnished(site, passage("Alba", 1), passage("Brise", 1), data=file)
    await _pause_with_a_failure(site)
    await finished(site.database, passage("Delta", 1), data=market())
    async with ScriptedServer(Script()) as server:
        await finished(site.database, passage("Corona", 1), data=modelled(server.base_url))
    await begun(site, talks(), "Dorade", "Elbe")
    await _watched(site)
    async with site.database.session.begin() as db:
        alice = site.cast["alice"].id
        await with_people(db, "paid", alice, "for-people", kind="mturk")
        named = {"kind": "prolific", "token": "ARENA_KEY_NOT_SET"}
        await with_people(db, "at-prolific", alice, "for-people", "study1", **named)
        await with_people(db, "unlinked", alice, "for-people", **named)
    await _studies(site)
    return world


async def _watched(site: Site) -> None:
    """A study with people of mixed diligence, one of them at work; and one in which no one is yet, whose outcomes are hidden."""
    few = [one for one in CAST if one.name in ("ada", "dee", "kim")] + [
        Made("lea", 1, page="trials", end=None, holds=True)
    ]
    alice = site.cast["alice"].id
    file = watched_file("judged", name="watched", looking=True)
    await made_up(site.database, few, file, name="judged", owner=alice)
    blind = {**for_people(), "name": "blind", "arms": {"naive": {"protocol": "naive"}}}
    await finished(site.database, passage("Fauna", 1), data=blind)
    await opened(site.database, watched_file("blind", name="blind"), alice)


async def _studies(site: Site) -> None:
    """A draft, and a study that is open on its own experiment."""
    arms = {"debate": for_people()["arms"]["debate"]}
    await finished(site.database, passage("Flora", 1), data={**for_people(), "name": "kept", "arms": arms})
    small = {"people": 1, "trials": 1}
    async with site.database.session.begin() as db:
        alice = site.cast["alice"]
        await studies.create(db, alice, study_spec(name="draft", experiments=["for-people"], **small))
        await studies.create(db, alice, study_spec(name="running", experiments=["kept"], **small))
        await studies.steer(db, alice, "running", "open")


def talks() -> dict[str, Any]:
    """Talks with a seat for a debater and with one for a judge, two of each."""
    asking = {"consultant": "advocate", "questioner": "people"}
    arms = {
        **debate(seats={"debater_a": "people", "debater_b": "advocate", "checker": "advocate"})["arms"],
        "asking": {"protocol": "consultancy", "questions": "questioner", "rounds": 2, "seats": asking},
    }
    return debate() | {"arms": arms, "tasks": {"set": "talks"}}


async def _seats(site: Site, who: str) -> dict[str, str]:
    """Addresses of two talks in which somebody sits: in one of them they have answered."""
    browser = await site.browser(who)
    async with site.database.session.begin() as db:
        account = await db.get_one(Account, site.cast[who].id)
        waits = await assignment.claim(db, account.id, who)
    assert waits is not None
    address = f"/seat/{waits}"
    await say(browser, address, "What I have to say.")
    async with site.database.session.begin() as db:
        turn = await assignment.claim(db, account.id, who)
    assert turn is not None
    return {f"waits_of_{who}": address, f"turn_of_{who}": f"/seat/{turn}"}


async def _part(db: AsyncSession, *where: ColumnElement[bool]) -> uuid.UUID:
    """The newest part in the study that is watched of which this holds."""
    watched = select(Study.id).where(Study.name == "watched").scalar_subquery()
    found = (
        select(Enrolment.id)
        .where(Enrolment.study_id == watched, *where)
        .order_by(Enrolment.created_at.desc())
        .limit(1)
    )
    return (await db.scalars(found)).one()


async def _pause_with_a_failure(site: Site) -> None:
    """An experiment of which nothing is done, but for a trial that failed."""
    paused = await started(site.database, {**for_people(), "name": "paused"})
    async with site.database.session.begin() as db:
        first = select(Trial.id).where(Trial.experiment_id == paused.id).limit(1).scalar_subquery()
        words = "The endpoint refused the key: look at ARENA_KEY_BIG."
        await db.execute(update(Trial).where(Trial.id == first).values(state="failed", error=words))
        await experiments.pause(db, paused.id)


async def _study(site: Site, name: str, people: int) -> str:
    """The link of a study that one person has joined."""
    data = study_file(name=f"study-{name}", trials=1, people=people, experiments=[f"for-{name}"])
    arms = {"naive": {"protocol": "naive"}}
    tasks = {"set": f"set-{name}"}
    await imported(site.database, passage(f"Study {name}", 1), name=tasks["set"])
    experiment = await started(site.database, experiment_file(name=f"for-{name}", arms=arms, tasks=tasks))
    await played(site.database, experiment)
    opened = await study_on(site, experiment, data)
    await joined(opened, f"pid-{name}")
    return opened.path


async def found(world: World) -> dict[str, str]:
    """What stands for the names in places: ids in this world, a trial of the judge's done and one in hand."""
    site = world.site
    judge = await site.browser("judge")
    done, in_hand = await judged(judge), await next_trial(judge)
    studies = {"study": await _study(site, "open", 3), "study_full": await _study(site, "full", 1)}
    sitting = {**await _seats(site, "debater"), **await _seats(site, "judge")}
    async with site.database.session.begin() as db:
        alice = site.cast["alice"]
        hers, _ = await people.join(
            db, await people.new_invite(db, role="judge", shared=False, created_by=alice.id), "Erin"
        )
        invite = await admin.invite(db, alice, "judge", shared=True, label="all", lasts=timedelta(days=1))
        hired = await admin.invite(db, alice, "researcher", shared=False, label="", lasts=timedelta(days=1))
        called = select(ModelCall.play_id, ModelCall.path).where(ModelCall.play_id.is_not(None))
        trial, path = (await db.execute(called.limit(1))).one()
        markets = select(Trial.id).join(Arm, Arm.id == Trial.arm_id).where(Arm.protocol == "market-making")
        spoken = select(Trial.id).where(Trial.experiment_id == world.experiment.id, Trial.argues != {})
        return {
            **sitting,
            **studies,
            # A debater has no judgings: their talks stand in.
            **{
                f"done_of_{who}": place
                for who, place in (("judge", done), ("debater", sitting["waits_of_debater"]))
            },
            **{
                f"in_hand_of_{who}": place
                for who, place in (("judge", in_hand), ("debater", sitting["turn_of_debater"]))
            },
            "person": str(hers.id),
            "invite": await invite_path(db, invite),
            "hired": await invite_path(db, hired),
            "called": str(trial),
            "path": quote(path),
            "market": str((await db.scalars(markets.limit(1))).one()),
            "question": str((await db.scalars(select(Question.id).limit(1))).one()),
            "debate": str((await db.scalars(spoken.limit(1))).one()),
            "participant": str(
                (await db.scalars(select(Participant.id).where(Participant.kind == "builtin").limit(1))).one()
            ),
            "careless": str(
                await _part(db, Enrolment.excluded_at.is_(None), Enrolment.ended_as == "completed")
            ),
            "at_work": str(await _part(db, Enrolment.ended_as.is_(None))),
            "failed": str((await db.scalars(select(Trial.id).where(Trial.state == "failed"))).one()),
        }
