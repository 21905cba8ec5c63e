"""Drafts of experiments in the browser, and the data for writing one like another."""

import uuid
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.records.experiments import one_at_a_time
from app.records.paging import Page, page_of
from app.records.texts import bodies
from models import Arm, Experiment, Participant, SpecDraft

OFFERED = 200
"""Number of registered models that a form offers."""


async def drafts_page(session: AsyncSession, owner: uuid.UUID, number: int) -> Page[SpecDraft]:
    """Return a person's drafts, the last changed first."""
    rows = select(SpecDraft).where(SpecDraft.owner_id == owner)
    return await page_of(session, rows.order_by(SpecDraft.updated_at.desc(), SpecDraft.id), number)


async def draft(session: AsyncSession, owner: uuid.UUID, identity: uuid.UUID) -> SpecDraft | None:
    """Return one of a person's drafts."""
    found = select(SpecDraft).where(SpecDraft.id == identity, SpecDraft.owner_id == owner)
    return (await session.scalars(found)).one_or_none()


async def save_draft(
    session: AsyncSession, owner: uuid.UUID, identity: uuid.UUID | None, name: str, spec: dict[str, Any]
) -> uuid.UUID | None:
    """Save a draft, new or existing. Return None where another of the owner's drafts has the name."""
    await one_at_a_time(session, f"drafts/{owner}")
    same = select(SpecDraft.id).where(SpecDraft.owner_id == owner, SpecDraft.name == name)
    taken = await session.scalar(same)
    row = await draft(session, owner, identity) if identity else None
    if taken is not None and (row is None or row.id != taken):
        return None
    if row is None:
        row = SpecDraft(id=uuid.uuid4(), owner_id=owner)
        session.add(row)
    row.name, row.spec, row.updated_at = name, spec, func.now()
    await session.flush()
    return row.id


async def delete_draft(session: AsyncSession, owner: uuid.UUID, identity: uuid.UUID) -> bool:
    """Delete one of a person's drafts. Return False where there is none."""
    gone = delete(SpecDraft).where(SpecDraft.id == identity, SpecDraft.owner_id == owner)
    return (await session.execute(gone.returning(SpecDraft.id))).first() is not None


async def own_templates(session: AsyncSession, experiment: Experiment) -> dict[str, str]:
    """Return the texts of every template of an experiment, by their digest in hexadecimal."""
    prompts = await session.scalars(select(Arm.prompts).where(Arm.experiment_id == experiment.id))
    digests = {bytes.fromhex(digest) for sources in prompts for digest in sources.values()}
    return {digest.hex(): body for digest, body in (await bodies(session, digests)).items()}


async def offered(session: AsyncSession) -> list[Participant]:
    """Return registered models that a new experiment may name, by name."""
    here = Participant.kind == "model", Participant.imported.is_(False)
    rows = select(Participant).where(*here).options(joinedload(Participant.endpoint))
    return list(await session.scalars(rows.order_by(Participant.name, Participant.id).limit(OFFERED)))
