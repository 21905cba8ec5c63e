"""What each side said, and whether judges go by verified quotes: by hand, and against a recount of the stored moves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from uuid import UUID

from rich.console import Console
from sqlalchemy import select

from app.protocols.core import Speech, parse_content
from app.records.database import Database
from app.records.frames import spoken_frame as read
from app.reports.figures.core import Evidence
from app.reports.figures.evidence import GOLD, NEITHER, OTHER, QUOTE_TRUST, SIDES_SAID
from app.reports.report import report
from app.reports.tables import as_tables
from models import Move, Trial
from tests.factories import finished
from tests.frames import Row, evidence, spoken_frame, talk_frame

SEATS = {"a": 0, "b": 1}


def made(rows: Sequence[Row], said: Sequence[Mapping[str, object]]) -> Evidence:
    """The evidence of debates in which seat `a` argues for the first answer and `b` for the second."""
    held = evidence(rows)
    argues = {row.trial: SEATS for row in rows}
    talks = talk_frame(rows, argues)
    return replace(held, facts=replace(held.facts, talks=talks, spoken=spoken_frame(said)))


def row(question: int, right: bool, **changes: object) -> Row:
    gold = question % 2
    belief = (0.9, 0.1) if right else (0.2, 0.8)
    return Row(
        "debate",
        f"q{question}",
        belief if gold == 0 else belief[::-1],
        gold=gold,
        trial=UUID(int=question),
        **changes,  # type: ignore[arg-type]
    )


def test_rates_are_those_of_the_side_that_argues_for_gold_and_of_the_other() -> None:
    said = [
        {"hash": 0, "seat": "a", "speeches": 2, "words": 100, "quotes": 4, "verified": 3, "unverified": 1, "repeated": 1, "characters": 50},
        {"hash": 0, "seat": "b", "speeches": 2, "words": 60, "quotes": 1, "unverified": 1, "near": 1, "suspicious": 1},
        {"hash": 1, "seat": "a", "speeches": 2, "words": 80, "checked": 2, "concedes": 1},
        {"hash": 1, "seat": "b", "speeches": 2, "words": 60, "quotes": 2, "verified": 2, "characters": 30, "checked": 2, "refuses": 1},
        {"hash": 1, "seat": "critic", "speeches": 1, "words": 9},
    ]  # fmt: skip
    found = {one.side: one for one in SIDES_SAID.rows(made([row(0, True), row(1, True)], said))}
    gold, other, neither = found[GOLD], found[OTHER], found[NEITHER]
    assert (gold.talks, gold.speeches, gold.words, gold.quotes, gold.characters) == (2, 4, 80, 3, 40)
    assert (gold.verified.count, gold.verified.of, gold.verified.value) == (5, 6, 5 / 6)
    assert gold.repeated.value == 1 / 5
    assert gold.refuses.value == 0.5
    assert gold.concedes.value == 0
    assert (other.words, other.unverified.value, other.near.value, other.suspicious.value) == (70, 1, 1, 0.25)
    assert other.concedes.value == 0.5
    assert (neither.talks, neither.words, neither.verified.value) == (1, 9, None)
    for rate in (gold.verified, other.suspicious):
        assert rate.low is not None
        assert rate.high is not None
        assert rate.low <= (rate.value or 0) <= rate.high


def test_a_judge_who_goes_by_quotes_is_right_where_gold_has_more() -> None:
    # The first side always shows more, and is gold in even talks.
    said = [
        {"hash": at, "seat": seat, "speeches": 1, "characters": 90 if seat == "a" else 20}
        for at in range(8)
        for seat in "ab"
    ]
    rows = [row(at, at % 2 == 0) for at in range(8)]
    [found] = QUOTE_TRUST.rows(made(rows, said))
    assert (found.sided, found.gold_shows_more, found.accuracy_more, found.accuracy_less) == (1, 0.5, 1, 0)
    assert found.low < 1 == found.high
    assert (found.questions, found.verdicts) == (8, 8)


def test_talks_in_which_both_show_as_much_or_one_speaks_say_nothing_of_trust() -> None:
    said = [
        {"hash": 0, "seat": "a", "characters": 20},
        {"hash": 0, "seat": "b", "characters": 20},
        {"hash": 1, "seat": "a", "characters": 20},
    ]
    assert QUOTE_TRUST.rows(made([row(0, True), row(1, True)], said)) == []
    assert SIDES_SAID.rows(evidence([row(0, True)])) == []


async def test_the_frame_of_speeches_is_a_recount_of_the_moves(database: Database) -> None:
    experiment = await finished(database)
    counts: Counter[tuple[UUID, str, str]] = Counter()
    async with database.session() as session:
        frame = await read(session, experiment.id)
        trials = {trial.id: trial for trial in await session.scalars(select(Trial))}
        for move in await session.scalars(select(Move).where(Move.play_id.in_(trials))):
            outcome = trials[move.play_id].outcome
            assert outcome is not None
            content = parse_content(move.content)
            if isinstance(content, Speech) and any(move.path in group for group in outcome["transcript"]):
                for name, value in _counted(content).items():
                    counts[move.play_id, move.seat, name] += value
        made = await report(session, experiment)
    for name in (
        "speeches",
        "words",
        "quotes",
        "verified",
        "unverified",
        "too_short",
        "repeated",
        "characters",
    ):
        expected = sum(value for (_, _, own), value in counts.items() if own == name)
        assert frame[name].sum() == expected, name
    assert frame.height == len({(play, seat) for play, seat, _ in counts})
    assert frame["verified"].sum() > 0
    sides = {(one.arm, one.side): one for one in made.figures["sides_said"]}
    assert sides["debate", GOLD].talks == sides["debate", OTHER].talks == 4
    assert {one.arm for one in made.figures["quote_trust"]} <= {"debate"}
    shown = StringIO()
    Console(file=shown, width=250).print(*as_tables(made))
    assert "What each side said" in shown.getvalue()


def _counted(speech: Speech) -> dict[str, int]:
    quotes = speech.said.quotes
    statuses = Counter(str(quote.status) for quote in quotes)
    return {
        "speeches": 1,
        "words": speech.words,
        "quotes": len(quotes),
        "verified": sum(quote.verified for quote in quotes),
        "unverified": statuses["near"] + statuses["absent"],
        "too_short": statuses["too_short"],
        "repeated": sum(quote.repeated for quote in quotes),
        "characters": speech.said.new_characters,
    }
