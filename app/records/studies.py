"""Studies: their file, the experiments whose seats they keep, and the versions of their texts."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.eligibility import COUNTED, GOES_ON, IS_TALK, with_all
from app.records.paging import Page, page_of, page_of_rows
from app.records.people import note
from models import (
    Account,
    Enrolment,
    Experiment,
    SeatRow,
    Study,
    StudyText,
    Trial,
    study_experiment,
)

RUNNING = ("open", "paused")
"""States in which a study keeps the seats of its experiments."""


async def add(
    session: AsyncSession,
    name: str,
    spec: Mapping[str, Any],
    texts: Mapping[str, str],
    owner: uuid.UUID | None,
) -> Study:
    """Make a draft of a study, with the first version of each text."""
    study = Study(id=uuid.uuid4(), name=name, spec=dict(spec), owner_id=owner)
    session.add(study)
    await session.flush()
    for page, markdown in texts.items():
        await write_text(session, study.id, page, markdown, owner)
    await note(session, owner, "made", "study", study.id, {"name": name})
    return study


async def by_name(session: AsyncSession, name: str, *, lock: bool = False) -> Study | None:
    """Return the study of this name; `lock` keeps others from changing it until the transaction ends."""
    found = select(Study).where(Study.name == name)
    return (await session.scalars(found.with_for_update(key_share=True) if lock else found)).one_or_none()


async def seen_by(session: AsyncSession, account: Account) -> Sequence[Study]:
    """Return the studies that a researcher may see, the newest first: their own and those of the command line; an admin sees all."""
    return (await session.scalars(_seen(None if account.role == "admin" else account.id))).all()


def _seen(owner: uuid.UUID | None) -> Select[Study]:
    found = select(Study).order_by(Study.created_at.desc(), Study.id)
    return found if owner is None else found.where(or_(Study.owner_id.is_(None), Study.owner_id == owner))


async def listed(session: AsyncSession, owner: uuid.UUID | None, number: int) -> Page[Study]:
    """Return a page of the studies of an owner and of those without one, of all where `owner` is None; the newest first."""
    return await page_of(session, _seen(owner), number)


async def all_there_are(session: AsyncSession) -> Sequence[Study]:
    """Return all studies, the newest first."""
    return (await session.scalars(_seen(None))).all()


async def rewrite(
    session: AsyncSession,
    study: Study,
    name: str,
    spec: Mapping[str, Any],
    texts: Mapping[str, str],
    account: uuid.UUID | None,
) -> None:
    """Replace the file of a draft, and write versions of the texts that it changes. The caller has locked the study."""
    study.name, study.spec = name, dict(spec)
    for page, markdown in texts.items():
        await write_text(session, study.id, page, markdown, account)
    await session.flush()
    await note(session, account, "changed", "study", study.id, {"name": name})


async def remove(session: AsyncSession, study: Study, account: uuid.UUID | None) -> None:
    """Delete a draft."""
    await session.execute(delete(Study).where(Study.id == study.id))
    await note(session, account, "deleted", "study", study.id, {"name": study.name})


async def experiments_of(session: AsyncSession, names: Collection[str]) -> dict[str, Experiment]:
    """Return by name the experiments that there are of these names."""
    rows = await session.scalars(select(Experiment).where(Experiment.name.in_(names)))
    return {row.name: row for row in rows}


async def experiment_names(session: AsyncSession, owner: uuid.UUID | None) -> list[str]:
    """Return the names of an owner's experiments and of those without one, of all where `owner` is None; the newest first."""
    found = select(Experiment.name).order_by(Experiment.created_at.desc(), Experiment.name)
    if owner is not None:
        found = found.where(or_(Experiment.owner_id.is_(None), Experiment.owner_id == owner))
    return list(await session.scalars(found))


async def taken_by_others(
    session: AsyncSession, study: uuid.UUID, experiments: Collection[uuid.UUID]
) -> list[str]:
    """Return the names of running studies that keep seats of these experiments."""
    found = (
        select(Study.name)
        .join(study_experiment, study_experiment.c.study_id == Study.id)
        .where(study_experiment.c.experiment_id.in_(experiments), Study.id != study, Study.state.in_(RUNNING))
    )
    return list((await session.scalars(found.distinct().order_by(Study.name))).all())


async def keep_seats(session: AsyncSession, study: uuid.UUID, experiments: Collection[uuid.UUID]) -> None:
    """Keep the seats of these experiments, and of no others, for the people of a study."""
    await session.execute(delete(study_experiment).where(study_experiment.c.study_id == study))
    rows = [{"study_id": study, "experiment_id": experiment} for experiment in experiments]
    await session.execute(insert(study_experiment), rows)


async def set_state(session: AsyncSession, study: Study, state: str, account: uuid.UUID | None) -> None:
    """Open, pause or close a study. The first opening and the closing are dated."""
    dates: dict[str, dict[str, Any]] = {
        "open": {"opened_at": func.coalesce(Study.opened_at, func.now()), "closed_at": None}
    }
    dates["closed"] = {"closed_at": func.now()}
    changed = update(Study).where(Study.id == study.id).values(state=state, **dates.get(state, {}))
    await session.execute(changed)
    await session.refresh(study)
    await note(session, account, state, "study", study.id)


# ── how far it is ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of an experiment that a study's people may take."""

    all: int
    """Those that there are, also where they are taken."""
    free: int
    """Those that no one has."""
    ready: int
    """Those of them whose talk can be read, or joined, now."""
    each: int
    """The most free ones that one newcomer can have: one of a passage where the experiment says so."""


NO_SEATS = Seats(0, 0, 0, 0)


async def seats_of(
    session: AsyncSession, experiments: Collection[uuid.UUID], role: str
) -> dict[uuid.UUID, Seats]:
    """Return the seats of a role by experiment; experiments without any are left out."""
    free = SeatRow.state == "open"
    rows = await session.execute(
        with_all(
            select(
                Experiment.id,
                func.count(),
                func.count().filter(free),
                func.count().filter(free, or_(IS_TALK, Trial.state == "done")),
                func.count(COUNTED.distinct()).filter(free),
            )
        )
        .where(Experiment.id.in_(experiments), SeatRow.role == role, SeatRow.state != "returned", *GOES_ON)
        .group_by(Experiment.id)
    )
    return {experiment: Seats(*counts) for experiment, *counts in rows}


@dataclass(frozen=True, slots=True)
class Offered:
    """An experiment with seats for people."""

    name: str
    role: str
    """`judge` or `debater`."""
    seats: Seats
    study: str | None
    """The running study that keeps its seats."""


async def with_seats(session: AsyncSession, owner: uuid.UUID | None, most: int) -> list[Offered]:
    """Return the newest experiments with free seats for people, of an owner and without one, of all where `owner` is None."""
    free = SeatRow.state == "open"
    keeper = (
        select(func.min(Study.name))
        .join(study_experiment, study_experiment.c.study_id == Study.id)
        .where(study_experiment.c.experiment_id == Experiment.id, Study.state.in_(RUNNING))
        .scalar_subquery()
    )
    mine = () if owner is None else (or_(Experiment.owner_id.is_(None), Experiment.owner_id == owner),)
    rows = await session.execute(
        with_all(
            select(
                Experiment.name,
                SeatRow.role,
                func.count(),
                func.count().filter(or_(IS_TALK, Trial.state == "done")),
                func.count(COUNTED.distinct()),
                keeper,
            )
        )
        .where(free, *GOES_ON, *mine)
        .group_by(Experiment.id, SeatRow.role)
        .order_by(Experiment.created_at.desc(), Experiment.name, SeatRow.role)
        .limit(most)
    )
    return [
        Offered(name, role, Seats(seats, seats, ready, each), study)
        for name, role, seats, ready, each, study in rows
    ]


async def people_by_end(
    session: AsyncSession, studies: Iterable[uuid.UUID]
) -> dict[uuid.UUID, dict[str, int]]:
    """Return by study how many people's parts ended how; under an empty word those who take part."""
    how = func.coalesce(Enrolment.ended_as, "")
    found = select(Enrolment.study_id, how, func.count()).where(Enrolment.study_id.in_(list(studies)))
    counts: dict[uuid.UUID, dict[str, int]] = {}
    for study, end, number in await session.execute(found.group_by(Enrolment.study_id, how)):
        counts.setdefault(study, {})[end] = number
    return counts


@dataclass(frozen=True, slots=True)
class Passed:
    """How many people came to a page of a study, and how many of them left it by their end."""

    page: str
    came: int
    left: Mapping[str, int]
    """Number by end: see `app.studies.spec.End`."""


async def attrition(session: AsyncSession, study: uuid.UUID, path: Sequence[str]) -> list[Passed]:
    """Return how many people came and left, by page in the order of `path`: those on a page have come to all before it."""
    how = func.coalesce(Enrolment.ended_as, "")
    rows = await session.execute(
        select(Enrolment.page, how, func.count())
        .where(Enrolment.study_id == study)
        .group_by(Enrolment.page, how)
    )
    on: dict[str, dict[str, int]] = {}
    for page, end, number in rows:
        on.setdefault(page, {})[end] = number
    order = [*path, "done"]
    came = [sum(sum(on.get(page, {}).values()) for page in order[place:]) for place in range(len(path))]
    return [
        Passed(page, number, {end: count for end, count in sorted(on.get(page, {}).items()) if end})
        for page, number in zip(path, came, strict=True)
    ]


async def minutes_taken(session: AsyncSession, study: uuid.UUID) -> float | None:
    """Return the median minutes of those who completed, from joining to the end; None where no one has."""
    taken = func.extract("epoch", Enrolment.ended_at - Enrolment.created_at) / 60
    found: float | None = await session.scalar(
        select(func.percentile_cont(0.5).within_group(taken)).where(
            Enrolment.study_id == study, Enrolment.ended_as == "completed"
        )
    )
    return None if found is None else float(found)


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def write_text(
    session: AsyncSession, study: uuid.UUID, page: str, markdown: str, account: uuid.UUID | None
) -> StudyText:
    """Add a version of a page's text, or return the newest where it says the same. The caller has locked the study."""
    newest = (await texts(session, study)).get(page)
    if newest is not None and newest.markdown == markdown:
        return newest
    version = 1 if newest is None else newest.version + 1
    text = StudyText(study_id=study, page=page, version=version, markdown=markdown, created_by=account)
    session.add(text)
    await session.flush()
    return text


async def texts(session: AsyncSession, study: uuid.UUID) -> dict[str, StudyText]:
    """Return the newest version of each text by page."""
    rows = await session.scalars(
        select(StudyText)
        .ext(distinct_on(StudyText.page))
        .where(StudyText.study_id == study)
        .order_by(StudyText.page, StudyText.version.desc())
    )
    return {row.page: row for row in rows}


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a page's text, and who wrote it."""

    version: int
    markdown: str
    by: str | None
    """Name of the account; None for the command line."""
    created_at: datetime


async def version(session: AsyncSession, study: uuid.UUID, page: str, number: int | None) -> StudyText | None:
    """Return a version of a text; the newest where `number` is None."""
    found = select(StudyText).where(StudyText.study_id == study, StudyText.page == page)
    if number is not None:
        found = found.where(StudyText.version == number)
    return (await session.scalars(found.order_by(StudyText.version.desc()).limit(1))).one_or_none()


async def versions(session: AsyncSession, study: uuid.UUID, page: str, number: int) -> Page[Version]:
    """Return a page of the versions of a text, the newest first."""
    found = (
        select(StudyText.version, StudyText.markdown, Account.name, StudyText.created_at)
        .outerjoin(Account, Account.id == StudyText.created_by)
        .where(StudyText.study_id == study, StudyText.page == page)
        .order_by(StudyText.version.desc())
    )
    return await page_of_rows(session, found, number, Version)
