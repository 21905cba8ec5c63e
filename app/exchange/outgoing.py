"""Everything that can be exported, tables and formats of their own, behind one function."""

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.archive_export import export_archive
from app.exchange.choices import Document, Format, Kind, What
from app.exchange.dataset import write_dataset
from app.exchange.every_eval_ever import write_every_eval_ever
from app.exchange.export import export
from app.exchange.folders import folder
from app.exchange.inspect_log import write_inspect_logs
from app.exchange.options import USUAL, Options
from app.exchange.tabular import ExportRefused
from app.participants.base import PEOPLE
from app.records import exports
from app.records.database import Database
from app.studies.looking import refuse_hidden
from models import Arm, Experiment, Participant, Playing, Verdict


async def send_out(
    database: Database,
    experiment: Experiment,
    what: Kind,
    form: Format,
    target: Path,
    options: Options = USUAL,
) -> int:
    """Write what is asked for to `target` and return its number of rows.

    Raise ExportRefused where it cannot be written, and for arms or judges that the experiment does not have. Raise OutcomesHidden
    while a study runs whose file does not allow looking.
    """
    async with database.session() as session:
        if what is not What.GOLD_LABELS:
            await refuse_hidden(session, experiment.id)
        await refuse_unknown(session, experiment, options)
    if isinstance(what, What):
        return await export(database, experiment, what, form, target, options=options)
    if what is Document.ARCHIVE:
        return await export_archive(database, experiment, target, options)
    with folder(target) as own:
        async with exports.snapshot(database) as session:
            if what is Document.DATASET:
                return await write_dataset(session, experiment, own, options, form)
            write = write_inspect_logs if what is Document.INSPECT else write_every_eval_ever
            return await write(session, experiment, own, options)


async def refuse_unknown(session: AsyncSession, experiment: Experiment, options: Options) -> None:
    """Raise ExportRefused for arms and judges that the experiment does not have."""
    if options.arms:
        arms = await session.scalars(
            select(Arm.name).where(Arm.experiment_id == experiment.id).order_by(Arm.position)
        )
        _refuse("arm", options.arms, list(arms))
    if options.judges:
        judged = (
            select(Verdict.participant_id)
            .join(Playing, Playing.id == Verdict.play_id)
            .where(Playing.experiment_id == experiment.id)
        )
        names = await session.scalars(
            select(Participant.name).where(Participant.id.in_(judged)).order_by(Participant.name)
        )
        _refuse("judge", options.judges, [*names, PEOPLE])


def _refuse(noun: str, asked: Collection[str], there: Collection[str]) -> None:
    for name in sorted(asked):
        if name not in there:
            raise ExportRefused(
                f"There is no {noun} {name} (there are {', '.join(there)}): name one of these."
            )
