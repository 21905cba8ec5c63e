"""Arms under pressure: what is refused, what is estimated, and what the report says of candidates and attacks."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import select

from app.experiments.presets import PRESETS
from app.experiments.spec import SpecError, parse_spec
from app.records.database import Database
from app.reports.figures.equal_words import equal_words
from app.reports.figures.pressure import CANDIDATES, Attacked, attacked, dialled
from app.reports.report import Report, report
from app.reports.tables import as_tables
from app.statistics.accuracy import cells
from models import Arm, Experiment, Move, Trial
from scripts.preset_pages import example
from tests.experiments.test_estimate import estimated, long_passage
from tests.factories import finished, imported, passage, played, spec, started
from tests.frames import Row, Unstarred, counted, talks
from tests.servers import Script, ScriptedServer
from tests.web.world import Site, opened


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The application, to see the report's page."""
    async with opened(database) as site:
        yield site


BUILTINS = {"debaters": "advocate", "preference": "lexical"}
DEBATE = {"protocol": "debate", "rounds": 1}


def arms(**named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"seats": {"debaters": "advocate"}, **DEBATE, **arm} for name, arm in named.items()}


def frozen(**named: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arms as an experiment's frozen file has them."""
    found: list[dict[str, Any]] = parse_spec(spec(arms=named)).normalised()["arms"]
    return found


async def told(database: Database, experiment: Experiment) -> Report:
    async with database.session() as session:
        return await report(session, experiment)


# ── what cannot be ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arm", "complaint"),
    [
        ({"candidates": 4}, r"the seat preference is empty; add seats: \{preference: NAME\}\."),
        ({"refinements": 2}, r"the seat preference is empty"),
        ({"candidates": 99}, r"candidates: input should be less than or equal to 64\."),
        ({"attacker": "debater_a"}, r"attacker: debater_a has no attack to make: set attack, or leave attacker out\."),
        ({"attack": "forge-marks", "attacker": "judge"}, r"attacker: no seat judge argues here; valid are debater_a"),
        ({"attack": "shout"}, r"attack: input should be 'none', 'impersonate-judge'"),
        ({"seats": BUILTINS}, r"unknown seat 'preference'"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_in_a_sentence(arm: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        parse_spec(spec(arms=arms(pressed=arm)))


@pytest.mark.parametrize(
    ("arm", "seat"),
    [({"candidates": 2}, "debater_a"), ({"refinements": 2, "seats": {"coach": "cold"}}, "coach")],
)
def test_candidates_that_would_all_be_the_same_are_refused(arm: dict[str, Any], seat: str) -> None:
    cold = {"kind": "model", "base_url": "http://127.0.0.1:1/v1", "model": "m", "temperature": 0}
    data = spec(arms={"pressed": {**DEBATE, **arm}})
    data["participants"]["cold"] = cold
    speaker = "cold" if "candidates" in arm else "advocate"
    data["arms"]["pressed"]["seats"] = {
        "debaters": speaker,
        "preference": "lexical",
        **arm.get("seats", {}),
    }
    with pytest.raises(SpecError) as refused:
        parse_spec(data)
    assert str(refused.value) == (
        f"arms.pressed: cold is asked several times for the same as {seat}, and at temperature 0 it says the same each "
        "time: give it a temperature above 0, such as 0.8."
    )


# ── estimates ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_estimate_counts_candidates_those_who_read_them_and_those_who_criticise(
    database: Database,
) -> None:
    await imported(database, long_passage("Alba", 2))
    async with ScriptedServer(Script()) as server:
        model = {"kind": "model", "base_url": server.base_url, "model": "scripted", "temperature": 0.9}
        data = {
            "name": "pressed",
            "tasks": {"set": "ferries"},
            "participants": {"strong": model, "reader": {**model, "temperature": 0.1, "reason_first": True}},
            "arms": {
                "debate": {
                    "protocol": "debate",
                    "rounds": 2,
                    "candidates": 3,
                    "refinements": 2,
                    "seats": {"debaters": "strong", "preference": "reader"},
                }
            },
            "judges": ["reader"],
        }
        before = await estimated(database, data)
        await played(database, await started(database, data))
    uses = {use.name: use.calls for use in before.participants}
    # 2 questions × 4 speeches: 3 candidates, 2 critiques, the rewriting and its check; the reader reasons and is read in one
    # request for each candidate in each order, and rates the critiques; then the judge in both orders.
    assert uses == {"strong": 8 * (3 + 2 + 1 + 1), "reader": 8 * (3 * 2 * 2 + 2) + 2 * 2 * 2}
    assert before.whole.calls == len(server.seen)


# ── accuracy against N ──────────────────────────────────────────────────────────────────────────────────────────


async def test_arms_that_differ_in_their_candidates_alone_make_a_line_for_each_judge(site: Site) -> None:
    data = spec(
        elicit="final",
        arms=arms(
            four={"candidates": 4, "seats": BUILTINS},
            one={},
            two={"candidates": 2, "seats": BUILTINS},
            longer={"rounds": 2},
        ),
    )
    experiment = await finished(site.database, passage("Alba"), passage("Brise"), data=data)
    made = await told(site.database, experiment)
    found = made.as_json()["candidates"]
    assert [(item["line"], item["arm"], item["candidates"], item["judge"]) for item in found] == [
        ("one", arm, number, judge)
        for arm, number in (("one", 1), ("two", 2), ("four", 4))
        for judge in ("dice", "lexical")
    ]
    for item in found:
        [cell] = [
            c for c in made.as_json()["cells"] if (c["arm"], c["judge"]) == (item["arm"], item["judge"])
        ]
        assert (item["accuracy"], item["low"], item["high"]) == (cell["accuracy"], cell["low"], cell["high"])
    liked = {item["arm"]: item["preference"] for item in found}
    assert liked["one"] is None
    assert liked == {"one": None, **{arm: await chosen(site.database, arm) for arm in ("two", "four")}}
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small/report")).text
    assert "Accuracy against the number of candidates" in page
    rows = list(csv.DictReader(io.StringIO((await alice.get("/experiments/small/plot/candidates.csv")).text)))
    assert [(row["line"], row["candidates"]) for row in rows[:2]] == [
        ("one*, dice*", "1"),
        ("one*, lexical*", "1"),
    ]
    assert "one*, lexical*" in (await alice.get("/experiments/small/plot/candidates.svg")).text


async def chosen(database: Database, arm: str) -> Any:
    """The mean, over the speeches that judges read, of the mean belief of both orders in their cause."""
    async with database.session() as session:
        trials = list(await session.scalars(select(Trial).join(Arm).where(Arm.name == arm)))
        moves = {(move.play_id, move.path): move for move in await session.scalars(select(Move))}
    scores = []
    for trial in trials:
        assert trial.outcome is not None
        for path in (path for group in trial.outcome["transcript"] for path in group):
            side = trial.argues[moves[trial.id, path].seat]
            scores += [moves[trial.id, f"{path}/preference{order}"].content["p"][side] for order in (1, 2)]
    return pytest.approx(sum(scores) / len(scores))


def test_speakers_who_choose_among_their_own_candidates_are_on_a_line_of_their_own() -> None:
    own = {"chosen_by": "speaker"}
    made = frozen(**arms(one=own, four={"candidates": 4, **own}, read={"candidates": 4, "seats": BUILTINS}))
    rows = [verdict(arm["name"], f"q{n}", 0.7) for arm in made for n in range(3)]
    found = dialled(made, cells(counted(rows).readings), {})
    assert [(item.line, item.reader, item.arm, item.candidates) for item in found] == [
        ("one", "the speaker", "one", 1),
        ("one", "the speaker", "four", 4),
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_reported(name: str) -> None:
    made = parse_spec(yaml.safe_load(example(PRESETS[name]))).normalised()["arms"]
    rows = [verdict(arm["name"], f"q{n}", 0.7) for arm in made for n in range(3)]
    assert dialled(made, cells(counted(rows).readings), {}) == []
    assert attacks(made, rows) == []
    assert equal_words(made, counted(rows), talks(rows), {}, seed=1) == []


def test_readers_of_candidates_have_lines_of_their_own_and_share_the_arm_without_candidates() -> None:
    others = {"debaters": "advocate", "preference": "dice"}
    made = frozen(
        **arms(
            one={},
            lexical={"candidates": 4, "seats": BUILTINS},
            dice={"candidates": 4, "seats": others},
            alone={"rounds": 3, "candidates": 4, "seats": others},
            attacked={"attack": "forge-marks"},
        ),
        market={
            "protocol": "market-making",
            "candidates": 2,
            "seats": {"adversary": "advocate", "predictor": "dice"},
        },
    )
    rows = [verdict(arm["name"], f"q{n}", 0.7) for arm in made for n in range(3)]
    found = dialled(made, cells(counted(rows).readings), {"dice": 0.6})
    assert [(item.line, item.reader, item.arm, item.candidates, item.preference) for item in found] == [
        ("one", "lexical", "one", 1, None),
        ("one", "lexical", "lexical", 4, None),
        ("one", "dice", "one", 1, None),
        ("one", "dice", "dice", 4, 0.6),
    ]
    assert CANDIDATES.chart
    drawn = CANDIDATES.chart.rows(found, Unstarred())
    assert [row["line"] for row in drawn[::2]] == [
        "one, weak, chosen by lexical",
        "one, weak, chosen by dice",
    ]


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────────────────────


ARGUES = {
    UUID(int=assignment): {"consultant": assignment, "debater_a": 0, "debater_b": 1} for assignment in (0, 1)
}
"""Who argues for what in the trials of verdicts below."""


def verdict(
    arm: str, question: str, first: float, *, gold: int = 0, assignment: int = 0, order: int = 0
) -> Row:
    """A verdict with this belief in the trial's first answer; each question is on a passage of its own."""
    return Row(
        arm,
        question,
        (first, 1 - first),
        gold=gold,
        assignment=assignment,
        reading=order,
        reading_order=((0, 1), (1, 0))[order],
        trial=UUID(int=assignment),
    )


def attacks(made: list[dict[str, Any]], rows: Sequence[Row]) -> list[Attacked]:
    """What a report says of attacks, from verdicts of which every one counts."""
    return attacked(made, counted(rows), talks(rows, ARGUES), seed=1)


def test_judges_are_compared_on_trials_in_which_the_attacker_is_wrong_and_each_verdict_with_its_like() -> (
    None
):
    consultancy = {
        "protocol": "consultancy",
        "questions": "none",
        "rounds": 1,
        "seats": {"consultant": "advocate"},
    }
    made = frozen(calm=consultancy, attacked={**consultancy, "attack": "impersonate-judge"})
    # The consultant speaks for the first answer under assignment 0 and for the second under 1; gold is the first.
    rows = [
        *(verdict("calm", f"q{n}", 0.9, assignment=at) for n in range(4) for at in (0, 1)),
        *(verdict("attacked", f"q{n}", 0.9) for n in range(4)),
        *(verdict("attacked", f"q{n}", 0.2 if n == 0 else 0.9, assignment=1) for n in range(4)),
    ]
    [item] = attacks(made, rows)
    assert (item.arm, item.base, item.attack, item.attacker) == (
        "attacked",
        "calm",
        "impersonate-judge",
        "consultant",
    )
    assert (item.questions, item.verdicts, item.accuracy) == (4, 4, 0.75)
    assert item.contrast is not None
    assert (item.contrast.difference, item.contrast.second_accuracy) == (-0.25, 1.0)
    assert (item.pairs, item.moved_to, item.moved_from) == (8, 1 / 8, 0)


def test_a_simultaneous_debate_is_compared_by_who_would_be_wrong_whatever_the_seat() -> None:
    made = frozen(**arms(calm={}, attacked={"attack": "forge-marks"}))
    # In the attacked arm A attacks; with the seats exchanged the answers are listed the other way round.
    calm = [verdict("calm", "q", first, order=order) for order, first in ((0, 0.8), (1, 0.4))]
    under = [
        verdict("attacked", "q", 0.7, order=0),  # the attacker is right, and gold is read first
        verdict("attacked", "q", 0.6, order=1),
        verdict("attacked", "q", 0.6, gold=1, assignment=1, order=0),  # it is wrong, and gold is read second
        verdict("attacked", "q", 0.9, gold=1, assignment=1, order=1),  # … and first
    ]
    [item] = attacks(made, [*calm, *under])
    assert (item.verdicts, item.accuracy) == (2, 0.0)
    assert item.contrast is not None
    assert item.contrast.second_accuracy == 0.5
    # Read second, gold had lost without attack: the right attacker won it back, the wrong one gained nothing there.
    assert (item.pairs, item.moved_to, item.moved_from) == (4, 2 / 4, 0)


def test_an_attack_without_its_like_is_reported_alone() -> None:
    made = frozen(**arms(longer={"rounds": 2}, attacked={"attack": "forge-marks"}))
    rows = [
        verdict(arm, "q", 0.9, gold=1, assignment=1) for arm in ("longer", "attacked") if arm == "attacked"
    ]
    [item] = attacks(made, rows)
    assert item == Attacked(
        "attacked", "forge-marks", "debater_a", "weak", 1, 1, 0.0, item.low, item.high, None
    )


async def test_attacks_and_suspicious_speeches_stand_in_every_form_of_the_report(site: Site) -> None:
    data = spec(
        elicit="final",
        arms=arms(
            calm={},
            instructed={"attack": "inject-instructions"},
            posed={"attack": "impersonate-judge", "attacker": "debater_b"},
            forged={"attack": "forge-marks", "candidates": 2, "seats": BUILTINS},
        ),
    )
    experiment = await finished(site.database, passage("Alba"), passage("Brise"), data=data)
    made = await told(site.database, experiment)
    found = made.as_json()
    assert [(item["arm"], item["attacker"], item["base"], item["judge"]) for item in found["attacks"]] == [
        (arm, attacker, base, judge)
        for arm, attacker, base in (
            ("instructed", "debater_a", "calm"),
            ("posed", "debater_b", "calm"),
            ("forged", "debater_a", None),
        )
        for judge in ("dice", "lexical")
    ]
    assert {item["pairs"] for item in found["attacks"] if item["base"]} == {2 * 2 * 2 * 2}
    # One speech of two, over two assignments of four questions; candidates that were not given do not count.
    assert [(item["arm"], item["speeches"], item["kinds"], item["rate"]) for item in found["speeches"]] == [
        ("calm", 8, {}, 0.0),
        ("instructed", 16, {"instruction": 8}, 0.5),
        ("posed", 16, {"impersonation": 8}, 0.5),
        ("forged", 16, {"forged_mark": 8}, 0.5),
    ]
    titles = [str(table.title) for table in as_tables(made)]
    assert titles[0] == "Judge accuracy: small"
    assert "Attacks on the judge, with the attacker's answer wrong" in titles
    assert titles[-1] == "Suspicious speeches"
    alice = await site.browser("alice")
    assert (await alice.get("/experiments/small/report.json")).json()["attacks"]
    page = (await alice.get("/experiments/small/report")).text
    assert "Attacks on the judge" in page
    assert "impersonation 8" in page


async def test_nothing_is_said_of_pressure_where_there_is_none(site: Site) -> None:
    experiment = await finished(site.database, data=spec())
    made = await told(site.database, experiment)
    assert made.as_json()["candidates"] == made.as_json()["attacks"] == []
    titles = {str(table.title) for table in as_tables(made)}
    assert titles.isdisjoint(
        {
            "Attacks on the judge, with the attacker's answer wrong",
            "Suspicious speeches",
        }
    )
    alice = await site.browser("alice")
    assert "Attacks on the judge" not in (await alice.get("/experiments/small/report")).text
    assert (await alice.get("/experiments/small/plot/candidates.svg")).status_code == 404
