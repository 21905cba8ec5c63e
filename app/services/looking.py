"""Looking at outcomes on behalf of an account: refused while a study hides them, noted on the trail where its file allows it."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import Kind, What
from app.records.browse import Transcript
from app.records.finding import PRESETS, Wanted
from app.records.people import note, noted_lately
from app.services.refusal import Refused
from app.studies.looking import OutcomesHidden, Sight, sight_of
from models import Account, Experiment

LOOKED = "looked"
"""What the trail says of a look."""
SHOW_NO_OUTCOME: frozenset[Kind] = frozenset({What.GOLD_LABELS})
"""Exports without a verdict; calls have the replies of judges that are models."""


async def sight(db: AsyncSession, who: Account | None, experiment: Experiment, what: str) -> Sight:
    """Return whether outcomes may be seen, and note the look where they may while a study runs.

    Looks of one account at the same thing within an hour are one.
    """
    found = await sight_of(db, experiment.id)
    if found.looked_at:
        account = None if who is None else who.id
        if not await noted_lately(db, account, LOOKED, str(experiment.id), what):
            detail = {"what": what, "name": experiment.name, "studies": list(found.looked_at)}
            await note(db, account, LOOKED, "experiment", experiment.id, detail)
    return found


async def look(db: AsyncSession, who: Account, experiment: Experiment, what: str) -> None:
    """Let an account see outcomes, and note it where that is to be noted. Raise Refused."""
    found = await sight(db, who, experiment, what)
    if found.hidden:
        raise Refused(409, found.hidden)


async def look_here(db: AsyncSession, experiment: Experiment, what: str) -> None:
    """The same for the command line, which has no account. Raise OutcomesHidden."""
    found = await sight(db, None, experiment, what)
    if found.hidden:
        raise OutcomesHidden(found.hidden)


async def look_at_export(db: AsyncSession, who: Account, experiment: Experiment, what: Kind) -> None:
    """Let an account export. Raise Refused."""
    if what not in SHOW_NO_OUTCOME:
        await look(db, who, experiment, f"export of {what.value}")


# ── what pages show without outcomes ────────────────────────────────────────────────────────────────────────────


def refuse_by_outcome(wanted: Wanted, hidden: str) -> None:
    """Raise Refused where a list of trials is filtered or ordered by hidden outcomes."""
    if hidden and wanted.by_outcome:
        raise Refused(409, hidden)


def presets_shown(hidden: str) -> dict[str, tuple[str, Wanted]]:
    """Return the lists of trials that are a link away."""
    return {key: preset for key, preset in PRESETS.items() if not (hidden and preset[1].by_outcome)}


def without_outcomes(found: Transcript) -> Transcript:
    """Return a trial without what its judges came to believe, and without what is measured by that."""
    judged = [replace(item, verdicts=[], moves=[]) for item in found.judged]
    moves = [(move, holder) for move, holder in found.moves if move.content["kind"] != "belief"]
    return replace(found, verdicts=[], judged=judged, moves=moves)
