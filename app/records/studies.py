"""Studies: their file, the experiments whose seats they keep, and the versions of their texts."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.records.people import note
from models import Account, Experiment, Study, StudyText, study_experiment

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
    return (await session.scalars(found.with_for_update() if lock else found)).one_or_none()


async def seen_by(session: AsyncSession, account: Account) -> Sequence[Study]:
    """Return the studies that a researcher may see, the newest first: their own and those of the command line; an admin sees all."""
    found = select(Study).order_by(Study.created_at.desc())
    if account.role != "admin":
        found = found.where(or_(Study.owner_id.is_(None), Study.owner_id == account.id))
    return (await session.scalars(found)).all()


async def experiments_of(session: AsyncSession, names: Collection[str]) -> dict[str, Experiment]:
    """Return by name the experiments that there are of these names."""
    rows = await session.scalars(select(Experiment).where(Experiment.name.in_(names)))
    return {row.name: row for row in rows}


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
