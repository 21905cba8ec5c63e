"""Finding trials: summaries agree with the verdicts and speeches they come from, and lists with the summaries."""

import asyncio
import importlib.util
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.protocols.core import Belief
from app.protocols.judging import Reading
from app.records import finding, plays
from app.records.database import Database
from app.records.finding import PRESETS, Wanted
from app.records.summaries import summarise, summarise_all
from models import (
    Experiment,
    Judgement,
    Judging,
    Move,
    Participant,
    PlayRow,
    Question,
    Trial,
    TrialSummary,
    Verdict,
)
from tests.factories import finished, passage

MIGRATION = Path(__file__).parents[2] / "migrations/versions/0020_finding.py"
COLUMNS = [column.name for column in TrialSummary.__table__.columns]


@pytest.fixture
async def experiment(database: Database) -> Experiment:
    """Debates and others with two judges that differ, each in both orders; half of the verdicts made extreme."""
    made = await finished(database, passage("Alba"), passage("Brise"), passage("Corona"))
    async with database.session.begin() as session:
        given = await session.execute(
            select(Verdict, Trial, Question.gold, Participant.name)
            .join(Judging, Judging.id == Verdict.play_id)
            .join(Trial, Trial.id == Judging.talk_id)
            .join(Question, Question.id == Trial.question_id)
            .join(Participant, Participant.id == Verdict.participant_id)
        )
        for verdict, trial, gold, judge in given:
            p = ((trial.position * 31 + 47 * (judge == "dice") + 29 * verdict.reading) % 101) / 100
            belief = [p, 1 - p] if trial.position % 5 else [0.9, 0.1]
            verdict.belief = belief if trial.answers.index(gold) == 0 else belief[::-1]
        await session.flush()
        await summarise_all(session, made.id)
    return made


async def rows(session: AsyncSession) -> dict[uuid.UUID, TrialSummary]:
    found = await session.scalars(select(TrialSummary).execution_options(populate_existing=True))
    return {row.trial_id: row for row in found}


async def beliefs(session: AsyncSession) -> dict[uuid.UUID, list[tuple[str, tuple[int, ...], float, float]]]:
    """By trial: judge, order, belief in gold and the highest belief in another answer of each verdict."""
    found = await session.execute(
        select(Trial, Question.gold, Participant.name, Verdict)
        .join(Question, Question.id == Trial.question_id)
        .join(Judging, Judging.talk_id == Trial.id)
        .join(Verdict, Verdict.play_id == Judging.id)
        .join(Participant, Participant.id == Verdict.participant_id)
    )
    read: dict[uuid.UUID, list[tuple[str, tuple[int, ...], float, float]]] = defaultdict(list)
    for trial, gold, judge, verdict in found:
        place = trial.answers.index(gold)
        other = max(p for index, p in enumerate(verdict.belief) if index != place)
        read[trial.id].append((judge, tuple(verdict.answer_order), verdict.belief[place], other))
    return read


def correct(p: float, other: float) -> float:
    return 1.0 if p > other else 0.0 if p < other else 0.5


def apart(figures: Sequence[float]) -> float | None:
    return max(figures) - min(figures) if len(figures) > 1 else None


def splits(figures: Sequence[float]) -> bool:
    return max(figures) > 0.5 > min(figures)


async def test_a_summary_says_what_its_verdicts_say(database: Database, experiment: Experiment) -> None:
    async with database.session() as session:
        summaries, read = await rows(session), await beliefs(session)
    assert summaries.keys() == read.keys()
    for trial, own in read.items():
        row = summaries[trial]
        by_judge: dict[str, dict[tuple[int, ...], list[tuple[float, float]]]] = defaultdict(dict)
        for judge, order, p, other in own:
            by_judge[judge].setdefault(order, []).append((p, correct(p, other)))
        orders = [[fmean(p for p, _ in held) for held in each.values()] for each in by_judge.values()]
        rights = [[fmean(c for _, c in held) for held in each.values()] for each in by_judge.values()]
        wrong = [other for _, _, p, other in own if other > p]
        assert (row.verdicts, row.wrong) == (len(own), len(wrong))
        assert row.right == sum(p > other for _, _, p, other in own)
        assert row.p_gold == pytest.approx(fmean(p for _, _, p, _ in own))
        assert row.p_wrong == (pytest.approx(max(wrong)) if wrong else None)
        assert row.judges_apart == pytest.approx(apart([fmean(each) for each in orders]))
        assert row.orders_apart == pytest.approx(max(apart(each) or 0 for each in orders))
        assert row.judges_split == splits([fmean(each) for each in rights])
        assert row.orders_split == any(splits(each) for each in rights)
    assert {row.orders_split for row in summaries.values()} == {True, False}
    assert {row.judges_split for row in summaries.values()} == {True, False}


async def test_a_summary_counts_the_words_that_judges_read_and_names_what_was_found_in_them(
    database: Database, experiment: Experiment
) -> None:
    quote = {"start": 0, "end": 9, "status": "absent", "spans": [], "new_characters": 0, "repeated": False}
    changes = {
        "unverified_quote": {"said": {"text": "He saw fog.", "quotes": [quote]}},
        "injection": {"suspicious": ["instruction"]},
        "unknown_wrapper": {"suspicious": ["unknown_wrapper"]},
        "cut": {"cut": True},
    }
    async with database.session.begin() as session:
        debates = select(Move.play_id).where(Move.path == "r1/debater_a").order_by(Move.id)
        trials = list(await session.scalars(debates))
        for trial, change in zip(trials, changes.values(), strict=False):
            move = await session.scalars(
                select(Move).where(Move.play_id == trial, Move.path == "r1/debater_a")
            )
            row = move.one()
            row.content = row.content | change
        for trial, stance in ((trials[4], "refuses"), (trials[5], "concedes")):
            check = select(Move).where(Move.play_id == trial, Move.path == "r1/debater_a/position")
            found = (await session.scalars(check)).one()
            found.content = found.content | {"stance": stance}
        await session.flush()
        await summarise_all(session, experiment.id)
        summaries = await rows(session)
        words = await session.execute(
            text(
                "SELECT play_id, sum((content->>'words')::int) FROM move WHERE content->>'kind' = 'speech' GROUP BY 1"
            )
        )
        for trial, number in words:
            assert summaries[trial].words == number
    assert [summaries[trial].flags for trial in trials[:6]] == [
        *([name] for name in changes),
        ["refusal"],
        ["concession"],
    ]
    for name in (*changes, "refusal", "concession"):
        assert await total(database, experiment, flag=name) == 1
    assert await total(database, experiment, flag="any") == 6


async def listed(database: Database, experiment: Experiment, **wanted: Any) -> list[uuid.UUID]:
    """Every trial of a list, page by page."""
    found: list[uuid.UUID] = []
    async with database.session.begin() as session:
        while True:
            page = (
                await finding.trials(session, experiment.id, Wanted(**wanted), len(found) // 20 + 1)
            ).listed
            found += [row.trial.id for row in page.rows]
            if not page.more:
                assert len(found) == page.total
                return found


async def total(database: Database, experiment: Experiment, **wanted: Any) -> int:
    return len(await listed(database, experiment, **wanted))


def unknown_last(value: float | None, sign: int = 1) -> tuple[bool, float]:
    return value is None, sign * (value or 0)


FILTERS: dict[str, tuple[dict[str, Any], Callable[[TrialSummary], bool]]] = {
    "confident": ({"judged": "confident"}, lambda row: row.p_wrong is not None and row.p_wrong >= 0.8),
    "wrong": ({"judged": "wrong"}, lambda row: row.wrong > 0),
    "judges": ({"split": "judges"}, lambda row: row.judges_split),
    "orders": ({"split": "orders"}, lambda row: row.orders_split),
    "belief": ({"gold_min": 40, "gold_max": 60}, lambda row: 0.4 <= (row.p_gold or 0) <= 0.6),
    "words": ({"words_min": 100, "words_max": 400}, lambda row: 100 <= row.words <= 400),
}
SORTS: dict[str, Callable[[TrialSummary], tuple[bool, float]]] = {
    "least-gold": lambda row: unknown_last(row.p_gold),
    "most-gold": lambda row: unknown_last(row.p_gold, -1),
    "most-wrong": lambda row: unknown_last(row.p_wrong, -1),
    "judges-apart": lambda row: unknown_last(row.judges_apart, -1),
    "orders-apart": lambda row: unknown_last(row.orders_apart, -1),
    "longest": lambda row: unknown_last(row.words, -1),
    "shortest": lambda row: unknown_last(row.words),
}


async def test_a_filter_keeps_what_its_name_says(database: Database, experiment: Experiment) -> None:
    async with database.session() as session:
        summaries = await rows(session)
    for name, (wanted, keeps) in FILTERS.items():
        kept = {trial for trial, row in summaries.items() if keeps(row)}
        assert 0 < len(kept) < len(summaries), name
        assert set(await listed(database, experiment, **wanted)) == kept, name


async def test_a_list_is_sorted_and_next_and_previous_follow_it(
    database: Database, experiment: Experiment
) -> None:
    for sort in SORTS:
        await walked(database, experiment, sort)


async def walked(database: Database, experiment: Experiment, sort: str) -> None:
    """Check one order of a list, and the place of each trial in it."""
    found = await listed(database, experiment, sort=sort, judged="wrong")
    assert len(found) > 20
    async with database.session.begin() as session:
        summaries = await rows(session)
        keys = [SORTS[sort](summaries[trial]) for trial in found]
        assert keys == sorted(keys)
        for number, trial in enumerate(found):
            row = await session.get_one(Trial, trial)
            place = await finding.place_of(session, row, Wanted(sort=sort, judged="wrong"))  # type: ignore[arg-type]
            assert place is not None
            assert (place.number, place.total, place.page) == (number + 1, len(found), number // 20 + 1)
            assert place.before == (found[number - 1] if number else None)
            assert place.after == (found[number + 1] if number + 1 < len(found) else None)


async def test_the_place_among_all_trials_is_that_of_the_queue(
    database: Database, experiment: Experiment
) -> None:
    found = await listed(database, experiment)
    async with database.session.begin() as session:
        for number in (0, 7, len(found) - 1):
            place = await finding.place_of(session, await session.get_one(Trial, found[number]), Wanted())
            assert place is not None
            assert (place.number, place.total) == (number + 1, len(found))
            assert place.before == (found[number - 1] if number else None)
            assert place.after == (found[number + 1] if number + 1 < len(found) else None)


async def test_a_trial_that_does_not_fit_has_no_place(database: Database, experiment: Experiment) -> None:
    [first, *_] = await listed(database, experiment)
    async with database.session.begin() as session:
        trial = await session.get_one(Trial, first)
        assert await finding.place_of(session, trial, Wanted(text="zeppelin")) is None


async def test_with_a_judge_only_the_verdicts_of_that_judge_count(
    database: Database, experiment: Experiment
) -> None:
    async with database.session() as session:
        read = await beliefs(session)
    for judge in ("lexical", "dice"):
        own = {trial: [row[2:] for row in held if row[0] == judge] for trial, held in read.items()}
        confident = {trial for trial, held in own.items() if any(o >= 0.8 and o > p for p, o in held)}
        assert 0 < len(confident) < len(own)
        assert set(await listed(database, experiment, judge=judge, judged="confident")) == confident
        mean = {trial: fmean(p for p, _ in held) for trial, held in own.items()}
        found = await listed(database, experiment, judge=judge, sort="least-gold", gold_max=70)
        assert set(found) == {trial for trial, p in mean.items() if p <= 0.7}
        assert [mean[trial] for trial in found] == sorted(mean[trial] for trial in found)


async def test_presets_are_counted_as_their_lists_are(database: Database, experiment: Experiment) -> None:
    async with database.session() as session:
        counts = await finding.preset_counts(session, experiment.id)
    assert counts.keys() == PRESETS.keys() - {"longest"}
    for name, number in counts.items():
        assert await total(database, experiment, **PRESETS[name][1].asked()) == number


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def say(database: Database, *speeches: str) -> None:
    """Let the first debate say these, one in each of its speeches."""
    async with database.session.begin() as session:
        first = select(Move.play_id).where(Move.path == "r1/debater_a").order_by(Move.id).limit(1)
        found = await session.scalars(
            select(Move)
            .where(Move.play_id == first.scalar_subquery(), Move.content["kind"].astext == "speech")
            .order_by(Move.id)
        )
        for move, words in zip(found, speeches, strict=False):
            move.content = move.content | {"said": {"text": words, "quotes": []}}


SAID = (
    "The captain's grey zeppelin left the harbour.",
    "A dirigible of paper ☃.",
    "渡船在清晨离开港口。เรือข้ามฟากออกจากท่าแล้ว",
    "フェリーは六時に出た。",
)
SEARCHES = (
    ("zeppelin", True),
    ("ZEPPEL", True),
    ("zeppelin harbour", True),
    ("zeppelin dirigible", False),
    ('"grey zeppelin"', True),
    ('"zeppelin grey"', False),
    ('"grey zeppel', False),
    ("captain's zeppelin", True),
    ("eppelin", True),
    ("渡船在清晨", True),
    ("清晨", True),
    ("晨清", False),
    ("เรือข้ามฟาก", True),
    ("ข้าม", True),
    ("フェリー", True),
    ("zep%lin", False),
    ("' | !zz:*", False),
    ("☃", True),
)
"""What is searched for, and whether these speeches are found."""
WITHIN = ("eppelin", "☃", "zep%lin", "晨清", "' | !zz:*", "zeppelin dirigible")
"""What no speech has as words."""


async def test_speeches_are_found_by_words_phrases_and_parts_in_any_script(database: Database) -> None:
    experiment = await finished(database, passage("Alba", 1))
    await say(database, *SAID)
    for wanted, finds in SEARCHES:
        async with database.session.begin() as session:
            found = await finding.trials(session, experiment.id, Wanted(text=wanted), 1)
        assert found.listed.total == finds, wanted
        assert found.inside == (wanted in WITHIN), wanted


# ── keeping them ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_judgings_that_end_together_are_all_in_the_summary(
    database: Database, experiment: Experiment
) -> None:
    async with database.session.begin() as session:
        trial = (await session.scalars(select(Trial.id).limit(1))).one()
        judgings = list(await session.scalars(select(Judgement).where(Judgement.talk_id == trial)))
        ids = [judging.id for judging in judgings]
        await session.execute(delete(Verdict).where(Verdict.play_id.in_(ids)))
        await session.execute(update(PlayRow).where(PlayRow.id.in_(ids)).values(state="queued"))
        await summarise(session, trial)
        assert (await rows(session))[trial].verdicts == 0
    belief = Belief(p=(0.25, 0.75), method="stated")
    both = asyncio.Barrier(2)

    async def end(judging: Judgement) -> None:
        async with database.session.begin() as session:
            await session.execute(text("SELECT 1"))
            await both.wait()
            await plays.finish_judgement(session, judging, [Reading((0, 1), belief, (belief,))])

    await asyncio.gather(*map(end, judgings))
    async with database.session() as session:
        assert (await rows(session))[trial].verdicts == 2


async def test_the_migration_summarises_trials_as_the_arena_does(
    database: Database, experiment: Experiment
) -> None:
    described = importlib.util.spec_from_file_location("finding_migration", MIGRATION)
    assert described is not None
    assert described.loader is not None
    migration = importlib.util.module_from_spec(described)
    described.loader.exec_module(migration)
    async with database.session.begin() as session:
        kept = {
            trial: [getattr(row, name) for name in COLUMNS] for trial, row in (await rows(session)).items()
        }
        await session.execute(delete(TrialSummary))
        await session.execute(text(migration.SUMMARIES))
        session.expunge_all()
        made = {
            trial: [getattr(row, name) for name in COLUMNS] for trial, row in (await rows(session)).items()
        }
    assert made == kept
