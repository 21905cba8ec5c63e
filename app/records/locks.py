"""The order in which rows of studies are locked, so that no two transactions ever wait for each other.

A transaction that locks several of these takes them in this order, and never an earlier one after a later one:

1. the study (`enrolments.lock`, and `by_name` of `app.records.studies`);
2. parts in it (`enrolments.of_account`); several at once and by id, before anything is done to one of them
   (`payments.submissions`), or only those that no one has locked (`enrolments.end_overdue`);
3. the accounts of a human (`humans.lock_human`);
4. the claims of a study's people (`claims`), which are no row: so a person who has locked their part needs no study;
5. a play (`plays.load_seat`, `play`);
6. its seats. Only a claim locks a seat that is open, and it does so before the play.

Pages of people change their own seat, or their own part, and lock nothing before it. All of these locks leave keys alone (`key_share`):
PostgreSQL looks up what a row refers to whenever a transaction changes the row a second time, which would wait for a plain
`FOR UPDATE` on the play or the study, and so lock them after the seat or the part.
"""

import uuid

from sqlalchemy import String, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Enrolment, PlayRow


async def claims(session: AsyncSession, account: uuid.UUID) -> None:
    """Let people of one study take seats one after another, so that two who come at once find each other.

    Nothing is locked for those who take part in no study.
    """
    study = func.hashtextextended(literal("claims/").concat(cast(Enrolment.study_id, String)), 0)
    await session.execute(select(func.pg_advisory_xact_lock(study)).where(Enrolment.account_id == account))


async def play(session: AsyncSession, play_id: uuid.UUID) -> None:
    """Lock a play against those who leave it or end it; moves can still be added."""
    await session.execute(select(PlayRow.id).where(PlayRow.id == play_id).with_for_update(key_share=True))
