"""The columns of verdicts and of their beliefs, made from pieces of the database: a column at a time, not a row."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

import numpy as np
import orjson
import polars as pl

from app.exchange.options import Options
from app.exchange.tabular import each_in_a_list, series_of
from app.judge_fields import FIELDS, KNOWS_STORY, FieldKind, JudgeField
from app.protocols.flaws import GRADES
from app.protocols.marks import MARKS, marked_place
from app.records.columns import VERDICTS, Column, ColumnKind, ListOf, Parts, Scalar
from app.records.drafts import SIGNALS, Effort, by_step
from app.records.exports import Frame
from app.records.frames import belief_columns, lists, places
from app.records.verdict_pieces import Piece, Setting, field_column
from app.statistics.scores import credits, turns_score
from models import Arm, Participant

_KINDS: Mapping[Scalar, Any] = {
    Scalar.TEXT: pl.String(),
    Scalar.WHOLE: pl.Int64(),
    Scalar.NUMBER: pl.Float64(),
    Scalar.YES_NO: pl.Boolean(),
    Scalar.TIME: pl.Datetime("us", "UTC"),
    Scalar.JSON: pl.String(),
}


def _kind_of(kind: ColumnKind) -> Any:
    if isinstance(kind, ListOf):
        return pl.List(_kind_of(kind.kind))
    if isinstance(kind, Parts):
        return pl.Struct({part.name: _kind_of(part.kind) for part in kind.columns})
    return _KINDS[kind]


_DECLARED = {column.name: column.kind for column in VERDICTS}
_TYPES = {name: _kind_of(kind) for name, kind in _DECLARED.items()}
_NUMBERS = ListOf(Scalar.NUMBER)


class Maker(Protocol):
    """What makes the rows of an experiment."""

    @property
    def frame(self) -> Frame:
        """Return what all rows have in common."""

    @property
    def options(self) -> Options:
        """Return what is wanted."""

    def arm_columns(self, arm: Arm) -> Mapping[str, Any]:
        """Return the columns of an experiment and an arm of it."""


class VerdictTable:
    """Makes the rows of verdicts, and of their beliefs, from pieces. Columns are named and ordered as in the data dictionary."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self._known: tuple[Setting, pl.DataFrame, pl.DataFrame] | None = None

    def verdicts(self, piece: Piece, columns: Sequence[Column]) -> pl.DataFrame:
        """Return the rows of the verdicts of a piece that are wanted."""
        rows = self._named(piece)
        gold = rows["gold"].to_numpy()
        values = {own.name: own for own in belief_columns(rows, gold, piece.setting.answers)}
        values["beliefs"] = _all_beliefs(values["belief"], values["beliefs"])
        values["judge_score"] = _paid(rows, values["p_gold"])
        values |= {
            own.name: own for own in (*_uncertain(rows), *_entered(rows), *_told(rows), *_efforts(rows))
        }
        found = rows.with_columns(
            *values.values(),
            pl.col("reason").fill_null(""),
            created_at=pl.col("created_at").cast(_TYPES["created_at"]),
            overtime=pl.col("seconds_taken") > pl.col("seconds_allowed"),
            # An imported verdict has the time taken alone.
            seconds_allowed=pl.when(pl.col("seconds_taken").is_not_null()).then("seconds_allowed"),
        )
        return found.select(column.name for column in columns)

    def beliefs(self, piece: Piece, columns: Sequence[Column]) -> pl.DataFrame:
        """Return the rows of the beliefs of the verdicts of a piece that are wanted, oldest first."""
        rows = self._named(piece)
        values = {
            own.name: own for own in belief_columns(rows, rows["gold"].to_numpy(), piece.setting.answers)
        }
        path = _all_beliefs(values["belief"], values["beliefs"])
        count = path.list.len().to_numpy()
        verdict = np.repeat(np.arange(rows.height), count)
        step = np.arange(verdict.size) - np.repeat(np.cumsum(count) - count, count)
        steps = rows[verdict].with_columns(
            pl.Series("belief", path.filter(path.list.len() > 0).explode(), _kind_of(_NUMBERS)),
            pl.Series("step", step, pl.Int64),
            pl.Series("final", step == np.repeat(count, count) - 1),
        )
        matrix = _matrix(steps["belief"], piece.setting.answers)
        gold = steps["gold"].to_numpy()
        valued = steps.with_columns(
            pl.Series("p_gold", matrix[np.arange(gold.size), gold]),
            pl.Series("correct", credits(matrix, gold)),
        )
        return valued.select(column.name for column in columns)

    # ── what verdicts have in common ─────────────────────────────────────────────────────────────────────────

    def _named(self, piece: Piece) -> pl.DataFrame:
        """Return the verdicts of a piece that are wanted, with the columns of their judge, arm, talk and question."""
        talks, judges = self._setting(piece.setting)
        talk = places(piece.rows["position"], talks["position"])
        judge = places(piece.rows["who"], judges["who"])
        wanted = talks["wanted"].to_numpy()[talk] & judges["wanted"].to_numpy()[judge]
        talk, judge = talk[wanted], judge[wanted]
        rounds = pl.DataFrame(
            [(own.position, own.name) for own in piece.setting.rounds],
            {"round_position": pl.Int64, "round": pl.String},
            orient="row",
        )
        rows = piece.rows.filter(wanted).drop("position", "who")
        return rows.hstack(
            [*talks.drop("position", "wanted")[talk], *judges.drop("who", "wanted")[judge]]
        ).with_columns(
            rows.select("round_position")
            .join(rounds, on="round_position", how="left", maintain_order="left")["round"]
            .alias("round"),
            lists(rows["reading_order"], pl.Int64),
            lists(rows["flags"], pl.String),
            pl.col("method").cast(pl.String),
            round_added=pl.col("round_position").fill_null(0) > 0,
            judgement_id=pl.when("judging").then("play_id"),
        )

    def _setting(self, setting: Setting) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the talks and the judges with their columns, made once."""
        if self._known is None or self._known[0] is not setting:
            self._known = setting, self._talks(setting), self._judges(setting)
        return self._known[1:]

    def _talks(self, setting: Setting) -> pl.DataFrame:
        own = {str(arm.id): self.maker.arm_columns(arm) for arm in setting.arms}
        wanted = {key: self.maker.options.wants_arm(values["arm"]) for key, values in own.items()}
        arms = pl.DataFrame(
            [{"arm_id": key, "wanted": wanted[key], **values} for key, values in own.items()],
            {"arm_id": pl.String, "wanted": pl.Boolean}
            | {name: _TYPES[name] for values in own.values() for name in values},
        )
        talks = setting.talks.with_columns(pl.col("arm_id").cast(pl.String))
        found = talks.join(arms, on="arm_id", how="left", maintain_order="left").with_columns(
            pl.col("passage", "family", "question").cast(pl.String),
            _decoded(talks["answers"], orjson.loads, _DECLARED["answers"]),
            _decoded(talks["argues"].cast(pl.String), _argues, _DECLARED["argues"]),
            task_set=pl.lit(self.maker.frame.task_set),
        )
        if self.maker.options.people:
            return found
        theirs = [str(trial) for trial in self.maker.frame.with_people]
        return found.with_columns(wanted=pl.col("wanted") & ~pl.col("trial_id").is_in(theirs))

    def _judges(self, setting: Setting) -> pl.DataFrame:
        """Return the judges: people have one pseudonym each, however many accounts they have."""
        humans, options = self.maker.frame.humans, self.maker.options
        person = pl.col("kind") == "person"
        named = setting.judges.select(
            "who",
            judge=pl.when(person).then(pl.col("name").replace(dict(humans))).otherwise("name"),
            judge_kind="kind",
            judge_is_baseline=pl.col("kind") == "builtin",
            judge_digest="digest",
        )
        who = [self._of_judge(*row) for row in setting.judges.select("name", "kind", "digest").iter_rows()]
        digests, reasons = [digest for digest, _ in who], [why for _, why in who]
        named = named.with_columns(
            pl.Series("judge_digest", digests, pl.String),
            pl.Series("excluded", [bool(why) for why in reasons], pl.Boolean),
            series_of("excluded_because", reasons, _DECLARED["excluded_because"]),
        )
        wanted = [options.wants_judge(*who) for who in named.select("judge", "judge_kind").iter_rows()]
        return named.with_columns(pl.Series("wanted", wanted, pl.Boolean))

    def _of_judge(self, name: str, kind: str, digest: str) -> tuple[str, list[str]]:
        """Return the digest of a judge, and why reports leave them out."""
        who, frame = Participant(name=name, kind=kind, digest=digest), self.maker.frame
        known = kind != "person" or name in frame.people
        return (frame.digest_of(who) if known else ""), frame.why_excluded(who)


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _filled(name: str, height: int, at: pl.Series, values: Sequence[Any]) -> pl.Series:
    """Return a declared column of lists with these values in the rows `at`, and empty lists elsewhere."""
    place = np.full(height, len(values))
    place[at.to_numpy()] = np.arange(len(values))
    return series_of(name, [*values, []], _DECLARED[name])[place]


def _some(name: str, height: int, at: pl.Series, values: Sequence[Any]) -> pl.Series:
    """Return a declared column with these values in the rows `at`, and null elsewhere."""
    place = np.full(height, len(values))
    place[at.to_numpy()] = np.arange(len(values))
    return series_of(name, [*values, None], _DECLARED[name])[place]


def _decoded(texts: pl.Series, read: Callable[[str], Any], kind: ColumnKind) -> pl.Series:
    """Return texts as what `read` makes of them, each once; null for null."""
    own = texts.unique().drop_nulls()
    values = pl.DataFrame([own.rename("text"), series_of("value", [read(text) for text in own], kind)])
    frame = texts.to_frame("text")
    return frame.join(values, on="text", how="left", maintain_order="left")["value"].alias(texts.name)


def _argues(text: str) -> list[dict[str, Any]]:
    return [{"seat": seat, "answer": answer} for seat, answer in sorted(orjson.loads(text).items())]


# ── beliefs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _all_beliefs(last: pl.Series, path: pl.Series) -> pl.Series:
    """Return every belief of verdicts: those of `path`, and where it is null only the last."""
    alone = each_in_a_list(last)
    return pl.select(pl.when(path.is_null()).then(alone).otherwise(path).alias("beliefs")).to_series()


def _matrix(beliefs: pl.Series, width: int) -> Any:
    """Return beliefs as an array, padded with -1."""
    each = [beliefs.list.get(at, null_on_oob=True).fill_null(-1.0).to_numpy() for at in range(width)]
    return np.column_stack(each)


def _uncertain(rows: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield the figures that models stated, and both ends of the interval of each belief."""
    yield _decoded(rows["said"], orjson.loads, _NUMBERS)
    low, high = (partial(_ends, end) for end in (0, 1))
    yield _decoded(rows["bounds"], low, _NUMBERS).alias("belief_low")
    yield _decoded(rows["bounds"], high, _NUMBERS).alias("belief_high")


def _ends(end: int, bounds: str) -> list[float]:
    return [own[end] for own in orjson.loads(bounds)]


def _paid(rows: pl.DataFrame, p_gold: pl.Series) -> pl.Series:
    """Return the scores of judges who took part, where their protocol puts a cost on turns."""
    scores: list[float | None] = [None] * rows.height
    there = rows["measures"].is_not_null() & ~rows["judging"]
    for at in there.arg_true():
        measures = orjson.loads(rows["measures"][at])
        if "penalty" in measures:
            scores[at] = turns_score(p_gold[at], measures["penalty"])
    return pl.Series("judge_score", scores, pl.Float64)


# ── what judges did ─────────────────────────────────────────────────────────────────────────────────────────────


def _entered(rows: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield what people marked of themselves; for others, whether a judging person of the talk knows the story."""
    person = rows["judge_kind"] == "person"
    for field in FIELDS:
        own = _read(field, rows[field_column(field.name)])
        if field is KNOWS_STORY:
            known = rows["known"] | (rows["judging"] & own)
            own = pl.select(pl.when(known).then(True).when(person).then(False)).to_series()
        else:
            own = pl.select(pl.when(person).then(own)).to_series()
        yield own.alias(field.name)


def _read(field: JudgeField, entered: pl.Series) -> pl.Series:
    """Return what was entered in a field: an empty text is null, a box that was not ticked is false."""
    if field.kind is FieldKind.YES_NO:
        return (entered == "true").fill_null(False)
    return entered.set(entered == "", None)


def _told(rows: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield the thoughts of judges in each reading, and their marks of points with the grades of these."""
    at = rows["moves"].is_not_null().arg_true()
    thoughts, marks = [], []
    for moves, measures in rows[at].select("moves", "measures").iter_rows():
        texts, marked = orjson.loads(moves)
        thoughts.append([{"path": path, "text": text} for path, text in texts or ()])
        marks.append(_marks(marked, orjson.loads(measures or "{}")) if marked else [])
    yield _filled("thoughts", rows.height, at, thoughts)
    yield _filled("marks", rows.height, at, marks)


def _marks(marked: Sequence[tuple[str, int]], measures: Mapping[str, float]) -> list[dict[str, Any]]:
    found = []
    for place, index in marked:
        path, point = marked_place(place)
        grade = measures.get(f"grade/{point}")
        accepted = MARKS[index] == "accept"
        named = None if grade is None else GRADES[int(grade)]
        found.append({"path": path, "point": point, "accepted": accepted, "grade": named})
    return found


def _efforts(rows: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield the time that people worked, and their effort at each step of a finished talk."""
    person = rows["judge_kind"] == "person"
    at = (person & rows["drafts"].is_not_null()).arg_true()
    active = np.where(person.to_numpy(), 0.0, np.nan)
    seconds, efforts = [], []
    signals: dict[str, list[Any]] = {name: [] for name in SIGNALS}
    for drafts, judging in rows[at].select("drafts", "judging").iter_rows():
        entered: Mapping[Any, Effort] = {path: Effort(*own) for path, *own in orjson.loads(drafts)}
        steps = by_step(entered) if judging else {}
        worked = steps if judging else entered
        seconds.append(math.fsum(effort.active_seconds for effort in worked.values()))
        whole = sum(worked.values(), Effort())
        for name, column in signals.items():
            column.append(getattr(whole, name))
        efforts.append([{"step": step, **asdict(effort)} for step, effort in steps.items()])
    active[at.to_numpy()] = seconds
    yield pl.Series("active_seconds", active).fill_nan(None)
    for name, column in signals.items():
        yield _some(name, rows.height, at, column)
    yield _filled("effort", rows.height, at, efforts)
