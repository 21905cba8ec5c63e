"""Frames of verdicts and talks that tests write down row by row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import polars as pl

from app.participants.base import PEOPLE
from app.records.frames import COLUMNS, MARKS, SPOKEN, TALKS, schema_of
from app.records.verdicts import ArmCount
from app.reports.evidence import Evidence
from app.reports.facts import Facts
from app.reports.talks import Talks, talks_of
from app.reports.verdict_table import Counted, table_of
from app.statistics.accuracy import cells
from app.statistics.contrasts import Contrast
from app.statistics.scores import credit
from models import Experiment


@dataclass(frozen=True)
class Row:
    """A verdict on a question with its place in an experiment."""

    arm: str
    question: str
    belief: tuple[float, ...]
    beliefs: tuple[tuple[float, ...], ...] = ()
    """On the way; only `belief` unless given."""
    judge: str = "weak"
    kind: str = "model"
    gold: int = 0
    assignment: int = 0
    reading: int = 0
    reading_order: tuple[int, ...] = (0, 1)
    place: int = 0
    passage: str = ""
    """That of the question's name unless given."""
    judging: int = 0
    trial: UUID = field(default_factory=lambda: UUID(int=0))
    method: str = "logprobs"
    label_mass: float | None = None
    flags: tuple[str, ...] = ()
    excluded: str = ""


def verdict_frame(rows: Sequence[Row]) -> pl.DataFrame:
    """The rows as a report reads them."""
    talks = _talks(rows)
    return pl.DataFrame([_verdict(row, talks) for row in rows], schema_of(COLUMNS))


def _talks(rows: Sequence[Row]) -> dict[tuple[str, UUID, str, int], int]:
    return {key: at for at, key in enumerate(dict.fromkeys(map(_talk_of, rows)))}


def _talk_of(row: Row) -> tuple[str, UUID, str, int]:
    return row.arm, row.trial, row.question, row.assignment


def _verdict(row: Row, talks: Mapping[tuple[str, UUID, str, int], int]) -> dict[str, object]:
    passage = row.passage or row.question
    others = [p for at, p in enumerate(row.belief) if at != row.gold]
    return {
        "arm": row.arm,
        "round": "r",
        "round_added": False,
        "judge": row.judge,
        "judge_kind": row.kind,
        "passage": passage,
        "family": passage,
        "question": row.question,
        "gold": row.gold,
        "assignment": row.assignment,
        "replicate": 0,
        "reading": row.reading,
        "reading_order": row.reading_order,
        "belief": row.belief,
        "p_gold": row.belief[row.gold],
        "correct": credit(row.belief[row.gold], others),
        "beliefs": row.beliefs or None,
        "method": row.method,
        "label_mass": row.label_mass,
        "flags": row.flags,
        "label": PEOPLE if row.kind == "person" else row.judge,
        "person": row.judge if row.kind == "person" else "",
        "knows_story": False,
        "excluded": row.excluded,
        "place": row.place,
        "talk": talks[_talk_of(row)],
        "play": row.judging,
        "reads": True,
        "took_part": "",
    }


def talk_frame(rows: Sequence[Row], argues: Mapping[UUID, Mapping[str, int]] | None = None) -> pl.DataFrame:
    """The talks behind the rows; `argues` is by trial."""
    own = {_talk_of(row): row for row in rows}
    made = [
        {
            "talk": at,
            "trial_id": str(row.trial),
            "arm": row.arm,
            "passage": row.passage or row.question,
            "family": row.passage or row.question,
            "question": row.question,
            "assignment": row.assignment,
            "replicate": 0,
            "gold": row.gold,
            "judge": None,
            "took_part": "",
            "argues": orjson.dumps((argues or {}).get(row.trial, {})).decode(),
            "measures": "{}",
            "hash": at,
            "position": at,
        }
        for at, row in enumerate(own.values())
    ]
    return pl.DataFrame(made, schema_of(TALKS))


def no_marks() -> pl.DataFrame:
    """No mark of any point."""
    return pl.DataFrame(schema=schema_of(MARKS))


def counted(rows: Sequence[Row]) -> Counted:
    """The rows, all of which count."""
    table = table_of(verdict_frame(rows))
    return Counted(table, table.everything, Counter(), Counter())


def evidence(rows: Sequence[Row], protocols: Mapping[str, str] | None = None) -> Evidence:
    """What figures are computed from, where every row counts; arms play `debate` unless `protocols` says otherwise."""
    own = counted(rows)
    arms = dict.fromkeys(row.arm for row in rows)
    return Evidence(
        Facts(
            Experiment(name="written", digest="0", seed=1, spec={"arms": [], "elicit": "final"}),
            {
                arm: ArmCount(
                    arm, (protocols or {}).get(arm, "debate"), 1, 1, 0, 1, 0, 0, 0, 0, baseline=False
                )
                for arm in arms
            },
            [],
            own.table.frame,
            [],
            talk_frame(rows),
            no_marks(),
            [],
            {},
            {},
        ),
        own,
        talks(rows),
        own.readings,
        {(cell.arm, cell.judge): cell for cell in cells(own.readings)},
    )


class Unstarred:
    """Arms and judges named as they are."""

    def names(self, arm: str, judge: str | None) -> tuple[str, str]:
        """The names; a dash for no judge."""
        return arm, judge or "–"

    def contrast_names(self, item: Contrast) -> tuple[str, str, str]:
        """Both arms and the judge of a contrast."""
        return item.first, item.second, item.judge


def talks(rows: Sequence[Row], argues: Mapping[UUID, Mapping[str, int]] | None = None) -> Talks:
    """The talks behind the rows with their measures."""
    return talks_of(talk_frame(rows, argues))


def spoken_frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """What seats said: `hash` is the row of the talk; counts that are not given are 0."""
    whole = {column.name: 0 for column in SPOKEN} | {"seat": ""}
    return pl.DataFrame([{**whole, **row} for row in rows], schema_of(SPOKEN))
