"""The people of a study, for researchers: who is at work, what is known of the quality of their judging, and one by one."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import quote

from anyio import CapacityLimiter, to_process
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.money import minor_in_words
from app.records import judge_quality
from app.records.database import Database
from app.records.paging import PER_PAGE
from app.records.paging import Page as Listed
from app.reports.charts import PlainRow
from app.reports.plots import WIDTHS
from app.reports.report_cache import Width
from app.reports.study_charts import CHARTS, StudyChart, drawn
from app.services import judge_quality as service
from app.services.judge_quality import MOST_REASON, StudyPeople
from app.services.refusal import Refused
from app.studies.exclusions import BY_HAND
from app.studies.flags import ABOUT, TITLES, rule_in_words
from app.studies.people import ENDS, TAKING_PART, Person, alpha, attrition, cost, flagged
from app.studies.spec import Flag, StudySpec
from app.web.parameters import PageNumber
from app.web.render import page, turned
from app.web.security.middleware import Db, Who

router = APIRouter()
Sort: TypeAlias = Literal["", "flags", "seconds", "accuracy", "agreement", "done", "seen"]
SORTS: dict[Sort, str] = {
    "": "newest first",
    "flags": "most flags first",
    "seconds": "fastest first",
    "accuracy": "least accurate first",
    "agreement": "least agreement first",
    "done": "fewest trials first",
    "seen": "last active first",
}
STATES = (TAKING_PART, *ENDS.values(), "excluded")
Reason = Annotated[str, Form(max_length=2 * MOST_REASON)]
Chosen = Annotated[str, Query(max_length=40)]
_drawing = CapacityLimiter(1)
"""Drawing holds up the process that draws: one other process does it."""


@router.get("/studies/{name}/people", name="study_people")
async def listed(
    request: Request,
    who: Who,
    db: Db,
    name: str,
    status: Chosen = "",
    flag: Chosen = "",
    sort: Sort = "",
    number: PageNumber = 1,
) -> Response:
    """How a study goes, and its people with their figures and flags."""
    found = await service.study_people(db, who, name)
    if sort == "accuracy" and found.hidden:
        raise Refused(409, found.hidden)
    chosen = _sorted([one for one in found.people if _fits(one, status, flag)], sort)
    rows = chosen[(number - 1) * PER_PAGE : number * PER_PAGE]
    parts = [one.part for one in found.people]
    return page(
        request,
        "pages/study_people.html",
        **_common(found),
        listed=Listed(rows, number, len(chosen)),
        state=status,
        flag=flag,
        sort=sort,
        states=STATES,
        sorts={key: label for key, label in SORTS.items() if not (found.hidden and key == "accuracy")},
        turned=turned(f"/studies/{name}/people", status=status, flag=flag, sort=sort),
        counts=flagged(found.people),
        alpha=alpha(parts),
        cost=cost(parts, found.spec, found.bases),
        passed=attrition(parts, found.spec),
        charts=[(chart, CHARTS[chart].about) for chart in CHARTS if _rows_of(chart, found)],
        rules=[rule_in_words(rule, found.spec.checks) for rule in found.spec.exclude],
    )


@router.get("/studies/{name}/people/{chart}.svg", name="study_plot")
async def plot(
    request: Request,
    who: Who,
    name: str,
    chart: StudyChart,
    width: Annotated[Width, Query()] = "wide",
) -> Response:
    """A picture of the course of a study; no connection is kept while it is drawn."""
    database: Database = request.app.state.database
    async with database.session.begin() as db:
        rows = _rows_of(chart, await service.study_people(db, who, name))
    if not rows:
        raise Refused(404, "There is nothing to draw: no one has come so far.")
    body = await to_process.run_sync(drawn, chart, WIDTHS[width], rows, cancellable=True, limiter=_drawing)
    return Response(body, media_type="image/svg+xml")


@router.get("/studies/{name}/people/{enrolment}", name="study_person")
async def person(request: Request, who: Who, db: Db, name: str, enrolment: uuid.UUID) -> Response:
    """One person: their flags with their numbers, their checks and their trials, and what can be done."""
    found = await service.study_people(db, who, name)
    one = service.person_of(found, enrolment)
    return page(
        request,
        "pages/study_person.html",
        **_common(found),
        person=one,
        in_hand=await judge_quality.in_hand(db, one.part.enrolment.account_id),
        about=ABOUT,
        most_reason=MOST_REASON,
        by_rule=[TITLES[Flag(reason)] for reason in one.excluded if reason != BY_HAND],
    )


@router.post("/studies/{name}/people/{enrolment}/exclude", name="study_exclude")
async def exclude(who: Who, db: Db, name: str, enrolment: uuid.UUID, reason: Reason = "") -> Response:
    """Leave a person out of the figures."""
    await service.exclude(db, who, name, enrolment, reason)
    return _to(name, enrolment)


@router.post("/studies/{name}/people/{enrolment}/take-back", name="study_take_back")
async def take_back(who: Who, db: Db, name: str, enrolment: uuid.UUID, reason: Reason = "") -> Response:
    """Take an exclusion back."""
    await service.take_back(db, who, name, enrolment, reason)
    return _to(name, enrolment)


@router.post("/studies/{name}/people/{enrolment}/release", name="study_release")
async def release(who: Who, db: Db, name: str, enrolment: uuid.UUID) -> Response:
    """Give what a person has in hand to others."""
    await service.release(db, who, name, enrolment)
    return _to(name, enrolment)


def _to(name: str, enrolment: uuid.UUID) -> Response:
    return RedirectResponse(f"/studies/{quote(name)}/people/{enrolment}", status_code=303)


def _common(found: StudyPeople) -> dict[str, Any]:
    people = found.people
    return {
        "study": found.study,
        "spec": found.spec,
        "hidden": found.hidden,
        "titles": TITLES,
        "money": lambda minor: minor_in_words(minor, found.spec.reward.currency),
        "paid": paid_in_words,
        "joined": len(people),
        "completed": sum(one.part.enrolment.ended_as == "completed" for one in people),
        "there": sum(one.part.enrolment.ended_as is None for one in people),
        "with_flags": sum(bool(one.flags) for one in people),
        "excluded": sum(bool(one.excluded) for one in people),
    }


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────

PAYMENTS = {"sent": "paid", "sending": "being sent", "due": "due", "failed": "failed"}


def paid_in_words(person: Person, spec: StudySpec) -> list[str]:
    """Return what is recorded of a person's pay, by its state."""
    paid = person.part.paid
    return [
        f"{minor_in_words(paid[state], spec.reward.currency)} {word}"
        for state, word in PAYMENTS.items()
        if paid.get(state)
    ]


# ── choosing and sorting ────────────────────────────────────────────────────────────────────────────────────────


def _fits(one: Person, status: str, flag: str) -> bool:
    in_state = not status or status == one.status or (status == "excluded" and bool(one.excluded))
    names = {str(raised.flag) for raised in one.flags}
    return in_state and (not flag or (flag == "any" and bool(names)) or flag in names)


def _sorted(people: Sequence[Person], sort: Sort) -> list[Person]:
    """Return people in an order; those without the figure come last."""
    newest = list(reversed(people))
    keys: dict[Sort, Callable[[Person], float | None]] = {
        "flags": lambda one: -sum(raised.count for raised in one.flags) or None,
        "seconds": lambda one: one.seconds,
        "accuracy": lambda one: one.accuracy.value if one.accuracy else None,
        "agreement": lambda one: one.agreement.share if one.agreement else None,
        "done": lambda one: len(one.part.trials) / one.part.enrolment.promised,
        "seen": lambda one: -one.last_seen.timestamp(),
    }
    if not sort:
        return newest
    key = keys[sort]
    return sorted(newest, key=lambda one: (key(one) is None, key(one) or 0))


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows_of(chart: StudyChart, found: StudyPeople) -> list[PlainRow]:
    match chart:
        case "recruitment":
            return _recruitment(found)
        case "attrition":
            return _attrition(found)
        case "time":
            return _times(found)


def _recruitment(found: StudyPeople) -> list[PlainRow]:
    enrolments = [one.part.enrolment for one in found.people]
    series: dict[str, list[datetime]] = {
        "joined": sorted(own.created_at for own in enrolments),
        "completed": sorted(
            own.ended_at for own in enrolments if own.ended_as == "completed" and own.ended_at
        ),
    }
    return [
        {"at": f"{at:%Y-%m-%dT%H:%M:%S}", "people": number, "who": who, "wanted": found.spec.people}
        for who, times in series.items()
        for number, at in enumerate(times, start=1)
    ]


def _attrition(found: StudyPeople) -> list[PlainRow]:
    rows = []
    for row in attrition([one.part for one in found.people], found.spec):
        left = sum(row.left.values())
        counts = {"went on": row.came - left - row.there, "on it now": row.there, "left there": left}
        rows += [
            {"page": str(row.page), "what": what, "people": count, "place": place}
            for place, (what, count) in enumerate(counts.items())
        ]
    return rows if found.people else []


def _times(found: StudyPeople) -> list[PlainRow]:
    return [
        {
            "seconds": max(one.seconds, 1),
            "agreement": one.agreement.share,
            "flags": "excluded" if one.excluded else "with a flag" if one.flags else "without a flag",
        }
        for one in found.people
        if one.seconds is not None and one.agreement is not None
    ]
