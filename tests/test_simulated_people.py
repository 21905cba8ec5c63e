"""Twelve simulated people of mixed diligence go through a study over HTTP: what is on record is what they did."""

from pathlib import Path

from app.records.database import Database
from app.settings import Settings
from benchmarks.participants import CARELESS, Kind, everybody, furnish, kinds, outcome
from tests.browser.served import Served
from tests.processes import Arena

PEOPLE = 12
PACE = 0.05
"""Seconds that pass for each second that a person would take."""


def test_there_is_a_person_of_every_kind() -> None:
    assert set(kinds(PEOPLE)) == set(Kind)
    assert len(kinds(PEOPLE)) == PEOPLE


async def test_every_verdict_place_and_end_is_accounted_for_and_the_careless_are_flagged(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    stage = await furnish(database, Settings(), PEOPLE, passages=3, pace=PACE)
    with Arena(tmp_path / "arena", DATABASE_URL=database_url) as arena:
        crowd = await everybody(stage, Served(arena).base, PEOPLE, seed=1, pace=PACE)
    found = await outcome(stage, crowd)
    assert [sentence for sentence, right in found.checks.items() if not right] == [], "\n".join(found.lines)
    assert len(found.checks) == 9
    assert {kind for kind, (flagged, _) in found.flagged.items() if flagged} == CARELESS
    assert all(found.flagged[kind][0] == found.flagged[kind][1] for kind in CARELESS)
    assert any("consultancy" in line for line in found.lines)
