"""Two different participants who oppose each other: exchanged in the plan, in the talks and in the report."""

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.experiments.plan import draw, plan
from app.experiments.spec import SpecError, parse_spec
from app.participants.base import PEOPLE
from app.protocols import PROTOCOLS
from app.protocols.combinators import TwoSided
from app.records.database import Database
from app.records.tasks import questions_of
from app.reports.figures.sides import Sides, sides
from app.reports.report import Report, notes, report
from models import Move, Participant, Question, Trial
from tests.factories import TASKS, finished, imported, passage, spec
from tests.frames import Row, talk_frame

GROUPS = {
    "debate": ("debater_a", "debater_b"),
    "open-debate": ("protagonist", "antagonist"),
    "interactive-debate": ("debater_a", "debater_b"),
    "double-consultancy": ("consultant_a", "consultant_b"),
    "quotes-only": ("quoter_a", "quoter_b"),
}


def data(name: str = "debate", **settings: Any) -> dict[str, Any]:
    """An experiment in which a strong and a weak participant oppose each other."""
    first, second = GROUPS[name]
    arm = {"protocol": name, "seats": {first: "strong", second: "weak"}, **settings}
    cast = {
        "strong": {"kind": "builtin", "name": "extractive-debater"},
        "weak": {"kind": "builtin", "name": "random"},
        "lexical": {"kind": "builtin", "name": "lexical-judge"},
    }
    return spec(participants=cast, arms={"opposed": arm}, judges=["lexical"], elicit="final")


async def reported(database: Database, **settings: Any) -> Report:
    passages = [passage(key) for key in ("Alba", "Brise", "Corvo")]
    experiment = await finished(database, *passages, data=data(**settings))
    async with database.session() as session:
        return await report(session, experiment)


def test_every_protocol_with_two_sides_is_among_them() -> None:
    assert GROUPS.keys() == {name for name, rules in PROTOCOLS.items() if issubclass(rules, TwoSided)}


@pytest.mark.parametrize(
    ("name", "settings", "trials"),
    [
        ("debate", {}, 2),
        ("debate", {"simultaneous": False}, 4),
        ("debate", {"attack": "forge-marks"}, 4),
        ("interactive-debate", {}, 4),
        ("open-debate", {}, 2),
        ("double-consultancy", {}, 2),
        ("quotes-only", {}, 2),
    ],
)
def test_different_participants_are_exchanged_and_one_participant_is_not(
    name: str, settings: dict[str, Any], trials: int
) -> None:
    protocol = PROTOCOLS[name].model_validate(settings)
    first, second = GROUPS[name]
    different, same, people = {first: 1, second: 2}, {first: 1, second: 1}, {first: 1}
    given = protocol.balanced(2, different)
    assert len(given) == trials
    assert protocol.balanced(2, same) == protocol.balanced(2, people) == protocol.assignments(2)
    seats = Counter((protocol.holders(different, each)[first], each.reverse) for each in given)
    assert len(set(seats.values())) == 1, (
        "each participant is in each seat equally often, also with answers reversed"
    )


async def test_each_argues_for_gold_equally_often_and_its_own_moves_are_stored_under_its_name(
    database: Database,
) -> None:
    made = await reported(database, rounds=1)
    async with database.session() as session:
        statement = (
            select(Trial, Question.gold, Move.seat, Participant.name)
            .join(Question, Question.id == Trial.question_id)
            .join(Move, Move.play_id == Trial.id)
            .join(Participant, Participant.id == Move.participant_id)
            .where(Move.seat.in_(GROUPS["debate"]))
        )
        rows = list(await session.execute(statement))
    gold: Counter[str] = Counter()
    both: dict[tuple[Any, str], set[bool]] = defaultdict(set)
    for trial, right, seat, name in rows:
        argued = trial.answers[trial.argues[seat]] == right
        gold[name] += argued
        both[trial.question_id, name].add(argued)
    assert gold == {"strong": 6, "weak": 6}
    assert set(map(frozenset, both.values())) == {frozenset({True, False})}
    [split] = made.figures["sides"]
    assert (split.talks, split.for_gold, split.balanced) == (12, {"strong": 6, "weak": 6}, True)
    assert "opposed: sides are balanced; of 12 talks, strong argued for the right answer in 6" in " ".join(
        notes(made)
    )


async def test_half_of_the_assignments_is_balanced_over_the_questions_and_named(database: Database) -> None:
    made = await reported(database, rounds=1, balance="half")
    [split] = made.figures["sides"]
    assert (split.talks, split.for_gold) == (6, {"strong": 3, "weak": 3})
    assert "balanced over the questions, by a seeded half" in split.sentence
    [line] = made.lines
    assert line.cell is not None
    assert (line.cell.questions, line.excluded) == (6, 0)


async def test_in_each_half_both_speak_first_and_argue_for_each_answer_equally_often(
    database: Database,
) -> None:
    await imported(database, *(passage(key) for key in ("Alba", "Brise")))
    wanted = parse_spec(data(simultaneous=False, balance="half"))
    async with database.session() as session:
        drawn = draw(await questions_of(session, TASKS) or [], wanted.tasks, wanted.seed)
    [arm] = wanted.arms
    seen: dict[str, Counter[Any]] = defaultdict(Counter)
    for trial in plan(wanted, drawn):
        given = arm.assignments(2)[trial.assignment]
        first = arm.protocol.holders(arm.seats, given)["debater_a"]
        seen["first"][first] += 1
        seen["listed"][given.reverse] += 1
        seen[trial.drawn.question.key][first] += 1
        strong = "debater_a" if first == "strong" else "debater_b"
        seen["gold"][trial.answers[given.argues[strong]] == trial.drawn.question.gold] += 1
    assert all(len(set(counts.values())) == 1 for counts in seen.values()), seen


def test_half_needs_two_participants() -> None:
    arm = {"protocol": "debate", "balance": "half", "seats": {"debaters": "advocate"}}
    refused = spec(arms={"opposed": arm})
    with pytest.raises(SpecError, match="balance: half is for two different participants"):
        parse_spec(refused)


# ── who speaks first ────────────────────────────────────────────────────────────────────────────────────────────


def counted(name: str, seats: dict[str, str], talks: int, **settings: Any) -> Sides:
    """The split of sides of talks under so many assignments of a protocol, as a file with these seats has them."""
    protocol = PROTOCOLS[name].model_validate(settings)
    arm = {"name": "opposed", "protocol": name, "seats": seats, **protocol.model_dump(mode="json")}
    one, other = GROUPS[name]
    rows = [Row("opposed", "q", (1.0, 0.0), assignment=n, trial=UUID(int=n)) for n in range(talks)]
    [found] = sides([arm], talk_frame(rows, {row.trial: {one: 0, other: 1} for row in rows}))
    return found


def test_who_speaks_first_is_counted_where_it_matters() -> None:
    seats = {"debater_a": "strong", "debater_b": "weak"}
    found = counted("debate", seats, 4, simultaneous=False)
    assert (found.first, found.balanced) == ({"strong": 2, "weak": 2}, True)
    assert "strong spoke first in 2, weak spoke first in 2" in found.sentence
    assert counted("interactive-debate", seats, 4).first == {"strong": 2, "weak": 2}
    at_once = counted("debate", seats, 2)
    assert at_once.first == {}
    assert "spoke first" not in at_once.sentence


def test_a_model_that_always_speaks_before_people_is_named() -> None:
    """People cannot be exchanged: both argue for gold equally often, and the model has the first word in every talk."""
    seats = {"debater_a": "strong", "debater_b": PEOPLE}
    found = counted("debate", seats, 2, simultaneous=False)
    assert found.sentence.endswith("strong spoke first in 2, debater_b (people) spoke first in 0.")
    assert not found.balanced
