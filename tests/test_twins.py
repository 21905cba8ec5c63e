"""Twins from end to end: nothing tells a judge without the passage which twin it is, and reports count them in pairs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import URL, text

from app.participants import seating
from app.protocols.views import View
from app.records.database import Database
from app.reports.facts import facts
from app.reports.report import Report, computed, notes
from app.reports.tables import as_tables
from models import Experiment
from tests.factories import finished, imported, passage, played, spec, started, twins
from tests.processes import Records
from tests.servers import ScriptedServer
from tests.test_gold import ASKED
from tests.web.judge.test_routes import asked_path
from tests.web.noninterference import Heard, heard
from tests.web.world import Browser, Site, opened

PAIRS = ("Alba", "Brise", "Cape", "Dune", "Elan")
ALL = [line for key in PAIRS for line in twins(key, 2)]
NAIVE = {"naive": {"protocol": "naive"}}
QUESTION = "question_id = (SELECT id FROM question WHERE key = '{}')"


def naive(base_url: str, **changes: Any) -> dict[str, Any]:
    """Judges without help: a server that answers the same prompt the same, and every built-in."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    cast = {
        "model": model,
        "reasons": {**model, "reason_first": True},
        "votes": {**model, "belief": "votes"},
        **{name: {"kind": "builtin", "name": name} for name in ("lexical-judge", "random")},
    }
    return spec(participants=cast, arms=NAIVE, judges=list(cast), elicit="final", **changes)


async def reported(database: Database, experiment: Experiment) -> Report:
    async with database.session() as session:
        return computed(await facts(session, experiment))


def accuracies(report: Report) -> dict[str, float]:
    return {line.judge.label: line.cell.accuracy for line in report.lines if line.cell}


def unpaired(key: str) -> str:
    return key.removesuffix("-twin")


# ── what a judge is shown ───────────────────────────────────────────────────────────────────────────────────────

Plant = Callable[[View, str], View]
PLANTS: dict[str, Plant] = {
    "in the question": lambda view, letter: replace(view, question=f"{view.question} ({letter})"),
    "in an answer": lambda view, letter: replace(
        view, answers=(view.answers[0], f"{view.answers[1]} {letter.lower()}")
    ),
    "in the order of the answers": lambda view, letter: (
        view if letter == "A" else replace(view, answers=view.answers[::-1], order=view.order[::-1])
    ),
}
"""Ways in which a view could tell which answer is right."""


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let every view of a judge show the letter of the right answer in some place."""

    def planted(where: str) -> None:
        see = seating.see

        def leaking(ask: Any, case: Any, seats: Any, moves: Any, passage: str, *rest: Any) -> View:
            view = see(ask, case, seats, moves, passage, *rest)
            gold = "Fog had held the ferry back." if "seen the fog" in passage else "The pilot had overslept."
            return PLANTS[where](view, "AB"[view.answers.index(gold)])

        monkeypatch.setattr(seating, "see", leaking)

    return planted


async def prompts(url: URL, base_url: str, data: dict[str, Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Every request to a model by the question, the twins' under the same key but for the end."""
    database = Database(url, embedded=True, connections=8)
    try:
        await finished(database, *ALL[:4], data=data)
    finally:
        await database.close()
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    found: dict[str, list[tuple[Any, ...]]] = {}
    for arm, key, *asked in await asyncio.to_thread(Records(address).all, ASKED):
        found.setdefault(key, []).append((arm, *asked))
    return {key: sorted(asked) for key, asked in found.items()}


def same(found: dict[str, list[tuple[Any, ...]]]) -> bool:
    assert len(found) == 8
    assert all(found.values())
    return all(asked == found[unpaired(key)] for key, asked in found.items())


async def test_models_are_asked_the_same_about_both_twins_byte_for_byte(fresh_url: URL) -> None:
    async with ScriptedServer() as server:
        found = await prompts(fresh_url, server.base_url, naive(server.base_url, replicates=2))
    assert same(found)


@pytest.mark.parametrize("where", PLANTS)
async def test_a_planted_letter_is_found_in_the_prompts(
    fresh_url: URL, plant: Callable[[str], None], where: str
) -> None:
    plant(where)
    async with ScriptedServer() as server:
        assert not same(await prompts(fresh_url, server.base_url, naive(server.base_url)))


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    async with opened(database) as site:
        yield site


async def one_pair(site: Site, feedback: str = "none") -> None:
    data = spec(arms=NAIVE, judges=[{"humans": 1, "feedback": feedback}], elicit="final")
    await imported(site.database, *twins("Alba", 1))
    await played(site.database, await started(site.database, data))


async def judged(site: Site, person: str) -> tuple[str, list[Heard]]:
    """Let a new person of the same name judge the next trial; return its passage and every answer of the server."""
    account = await site.hire("Jo", "judge")
    browser = await site.browser_of(account)
    answers = [await browser.get("/judge")]
    taken = await browser.submit("/judge/next")
    seat = taken.headers["location"]
    answers += [taken, await browser.get(seat), await browser.get("/judge")]
    entered = {"0.path": asked_path(answers[2]), "0.p": ["30", "70"], "0.reason": "So."}
    answers += [await browser.submit(seat, entered), await browser.get(seat), await browser.get("/judge")]
    answers.append(await browser.submit("/judge/next"))
    return await _passage(site, seat), [_without_ids(heard(person, one), browser, seat) for one in answers]


async def _passage(site: Site, seat: str) -> str:
    async with site.database.session() as session:
        found = text(
            "SELECT p.key FROM seat s JOIN play j ON j.id = s.play_id JOIN play t ON t.id = j.talk_id "
            "JOIN question q ON q.id = t.question_id JOIN passage p ON p.id = q.passage_id WHERE s.id = :seat"
        )
        return str(await session.scalar(found, {"seat": uuid.UUID(seat.rpartition("/")[2])}))


def _without_ids(one: Heard, browser: Browser, seat: str) -> Heard:
    """An answer without what is random: the address of the seat, and the tokens of the session."""
    names = {seat.rpartition("/")[2]: "seat", browser.csrf: "csrf"}

    def plain(value: str) -> str:
        for found, name in names.items():
            value = value.replace(found, name)
        return value

    headers = tuple((key, plain(value)) for key, value in one.headers)
    return replace(one, label="", headers=headers, body=plain(one.body.decode()).encode())


async def both_judged(site: Site) -> tuple[list[Heard], list[Heard]]:
    (first, shown), (second, other) = [await judged(site, who) for who in ("first", "second")]
    assert {first, second} == {"Alba", "Alba-twin"}
    return shown, other


async def test_people_are_shown_the_same_on_both_twins_byte_for_byte(site: Site) -> None:
    await one_pair(site)
    shown, other = await both_judged(site)
    assert b"Why did the ferry Alba leave" in shown[2].body
    # The last person to judge finds nothing left: what the first sees of the queue before is not about a twin.
    assert shown[1:6] == other[1:6]
    assert shown[7] == other[7]


@pytest.mark.parametrize("where", PLANTS)
async def test_a_planted_letter_is_found_in_the_pages(
    site: Site, plant: Callable[[str], None], where: str
) -> None:
    plant(where)
    await one_pair(site)
    shown, other = await both_judged(site)
    assert shown[2] != other[2]


# ── the floor ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_judges_without_help_score_exactly_half_over_complete_twins(database: Database) -> None:
    async with ScriptedServer() as server:
        experiment = await finished(database, *ALL, data=naive(server.base_url, replicates=2))
    report = await reported(database, experiment)
    assert accuracies(report) == dict.fromkeys(("model", "reasons", "votes", "lexical-judge", "random"), 0.5)
    for line in report.lines:
        assert line.cell is not None
        assert line.cell.passages == 5
        assert (line.cell.questions, line.cell.verdicts) == (20, 80)
        assert line.floor is not None
        assert (line.floor.pairs, line.floor.unlike) == (40, 0)
        shown = line.as_json()
        assert (shown["low"], shown["high"], shown["by_construction"]) == (None, None, "50% by construction")
    assert not [note for note in notes(report) if "answered differently" in note]
    [table, *_] = as_tables(report)
    assert set(table.columns[3].cells) == {"50% by construction"}


@pytest.mark.parametrize("where", PLANTS)
async def test_a_planted_letter_is_reported_as_a_leak(
    database: Database, plant: Callable[[str], None], where: str
) -> None:
    plant(where)
    # What the scripted judge chooses hangs on the words of its prompt. Under v2 one plant happens to leave it at one half.
    arms = {"naive": {"protocol": "naive", "prompt_version": "v1"}}
    async with ScriptedServer() as server:
        experiment = await finished(database, *ALL, data={**naive(server.base_url), "arms": arms})
    report = await reported(database, experiment)
    [model] = [line for line in report.lines if line.judge.label == "model"]
    assert model.floor is not None
    assert model.cell is not None
    assert model.cell.accuracy != 0.5
    assert model.floor.unlike > 0
    shown = (
        f"naive, model: {model.floor.unlike} of 20 pairs of twins were answered differently, and accuracy is "
        f"{model.cell.accuracy:.1%} instead of 50%: its server answers the same prompt in two ways, or something shows which "
        "twin it is."
    )
    assert shown in notes(report)


async def test_a_baseline_that_answers_twins_differently_is_reported_even_at_one_half(
    database: Database,
) -> None:
    experiment = await finished(database, *ALL[:2], data=spec(arms=NAIVE))
    async with database.session.begin() as session:
        await session.execute(
            text(
                "UPDATE verdict SET belief = CASE WHEN belief[1] > 0.5 THEN '{0.99,0.01}'::float[] ELSE '{0.01,0.99}' END "
                "WHERE belief[1] <> 0.5 AND play_id IN (SELECT j.id FROM play j JOIN play t ON t.id = j.talk_id WHERE t."
                + QUESTION.format("Alba-q1-twin")
                + ")"
            )
        )
    report = await reported(database, experiment)
    assert set(accuracies(report).values()) == {0.5}
    shown = (
        "naive, dice: 2 of 4 pairs of twins were answered differently, and accuracy is 50.0% by a judge that repeats itself: "
        "something shows it which twin it reads."
    )
    assert shown in notes(report)


async def test_without_twins_there_is_an_interval_and_no_floor(database: Database) -> None:
    lines = [*twins("Alba"), passage("Brise")]
    experiment = await finished(database, *lines, data=spec(arms=NAIVE))
    for line in (await reported(database, experiment)).lines:
        assert line.floor is None
        assert line.cell is not None
        assert line.cell.high > line.cell.low


async def test_other_arms_keep_their_intervals_and_count_twins_as_one_passage(database: Database) -> None:
    report = await reported(database, await finished(database, *ALL))
    assert report.totals["passages"] == 10
    assert report.totals["families"] == 5
    for line in report.lines:
        assert line.cell is not None
        assert line.cell.passages == 5
        assert (line.floor is None) == (line.arm.arm != "naive")
        if line.floor is None:
            assert line.cell.high > line.cell.low
    for metric in report.metrics:
        assert metric.passages in (0, 5)


# ── missing twins ───────────────────────────────────────────────────────────────────────────────────────────────


async def lost(database: Database, statement: str, lines: list[dict[str, Any]], **changes: Any) -> Report:
    """The report of an experiment of which some plays failed before they began."""
    await imported(database, *lines)
    experiment = await started(database, spec(**changes))
    async with database.session.begin() as session:
        await session.execute(text(f"UPDATE play SET state = 'failed', error = 'gone' WHERE {statement}"))
    await played(database, experiment)
    return await reported(database, experiment)


@pytest.mark.parametrize("key", ["Alba-q1", "Alba-q1-twin"])
async def test_a_failed_trial_leaves_out_its_twin_and_nothing_else(database: Database, key: str) -> None:
    failed = (
        f"kind = 'talk' AND {QUESTION.format(key)} AND arm_id IN (SELECT id FROM arm WHERE name = 'naive')"
    )
    report = await lost(database, failed, ALL[:4])
    for line in report.lines:
        assert line.cell is not None
        # A judge reads in two orders.
        gone = line.arm.arm == "naive"
        assert line.without_twin == (2 if gone else 0)
        assert line.excluded == 0
        assert line.cell.questions == (6 if gone else 8)
        assert line.as_json()["without_twin"] == line.without_twin
        if gone:
            assert line.cell.accuracy == 0.5
            shown = (
                f"naive, {line.judge.label}: 2 verdicts are left out, because that on the twin is missing."
            )
            assert shown in notes(report)
    assert report.totals["without_twin"] == 4


async def test_a_failed_assignment_leaves_out_both_questions_whole(database: Database) -> None:
    failed = (
        f"kind = 'talk' AND {QUESTION.format('Alba-q1')} AND assignment = 1 "
        "AND arm_id IN (SELECT id FROM arm WHERE name = 'consultancy')"
    )
    report = await lost(database, failed, ALL[:2])
    for line in report.lines:
        assert line.cell is not None
        consultancy = line.arm.arm == "consultancy"
        # Of the question itself the other assignment, of its twin both.
        assert (line.excluded, line.without_twin) == ((2, 4) if consultancy else (0, 0))
        assert line.cell.questions == (2 if consultancy else 4)


async def test_a_failed_judgement_leaves_out_the_same_judges_on_the_twin(database: Database) -> None:
    failed = (
        "kind = 'judging' AND talk_id IN (SELECT t.id FROM play t JOIN question q ON q.id = t.question_id "
        "WHERE q.key = 'Alba-q1') AND judge_id IN (SELECT id FROM participant WHERE name = 'dice')"
    )
    report = await lost(database, failed, ALL[:2], arms=NAIVE)
    found = {line.judge.label: (line.without_twin, line.cell.questions) for line in report.lines if line.cell}
    assert found == {"lexical": (0, 4), "dice": (2, 2)}
