"""The frames of a report: every verdict, every talk and every mark of an experiment, each read once by COPY.

The columns of `verdict_frame` are those of the export of verdicts, as far as figures need them, and a few more: `COLUMNS` describes
all of them. A frame holds no text that a judge read.
"""

import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from anyio import to_thread
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.judge_fields import KNOWS_STORY
from app.participants.base import PEOPLE
from app.protocols.marks import MARKING, marked_place
from app.protocols.marks import MARKS as MARKED
from app.records.columns import (
    NUMBER,
    TEXT,
    VERDICTS,
    WHOLE,
    YES_NO,
    Column,
    ColumnKind,
    ListOf,
    Parts,
    Scalar,
    maybe,
)
from app.statistics.intervals import IntArray
from app.statistics.readings import combined
from app.statistics.scores import credits
from models import Judging, JudgingRound, Move, Participant, Trial

_EXPORTED = (
    *("arm", "round", "round_added", "judge", "judge_kind", "passage", "family", "question", "gold", "assignment"),
    *("replicate", "reading", "reading_order", "belief", "p_gold", "correct", "method", "label_mass"),
    "flags",
)  # fmt: skip

COLUMNS: tuple[Column, ...] = (
    *(column for name in _EXPORTED for column in VERDICTS if column.name == name),
    maybe(
        "beliefs",
        ListOf(ListOf(NUMBER)),
        "Every belief on the way, oldest first; the last is `belief`. Absent where only that was asked for.",
    ),
    Column(
        "label",
        TEXT,
        "The judge as reports name it: people share one name, and a judge of an added round has the round's.",
    ),
    Column(
        "person",
        TEXT,
        "The pseudonym of the person who judged, the first where they judged by several accounts; empty for other judges.",
    ),
    Column(
        KNOWS_STORY.name,
        YES_NO,
        "Whether a person marked that they know the story, as the judge or in a seat of the talk without the passage.",
    ),
    Column(
        "excluded",
        TEXT,
        "Why figures leave the person out: the rules of their study's file, or a researcher; empty where they do not.",
    ),
    Column("place", WHOLE, "Which of the people wanted the judge is, from 1; 0 for models."),
    Column("talk", WHOLE, "Row of the talk in the frame of talks."),
    Column(
        "play",
        WHOLE,
        "Number of the judging, or of the talk for a judge who took part: a hash of its id.",
    ),
    Column("reads", YES_NO, "Whether the judge read a finished talk, in which it took no part."),
    Column("took_part", TEXT, "Id of the judge who took part in the talk; empty where none did."),
)
"""The columns of `verdict_frame`."""

TALKS: tuple[Column, ...] = (
    Column("talk", WHOLE, "Row of the talk."),
    *(
        column
        for name in ("trial_id", "arm", "passage", "family", "question", "assignment", "replicate", "gold")
        for column in VERDICTS
        if column.name == name
    ),
    maybe("judge", TEXT, "Name of the judge, where it took part in the talk."),
    Column("took_part", TEXT, "Id of that judge; empty where none took part."),
    Column("argues", TEXT, "Seat to place in the talk's answers of the answer that it argued for, as JSON."),
    Column(
        "measures", TEXT, "The protocol's own figures by name, as JSON; empty until the talk is finished."
    ),
    Column("hash", WHOLE, "Hash of the id."),
    Column("position", WHOLE, "Place in the queue."),
)
"""The columns of `talk_frame`."""

MARKS: tuple[Column, ...] = (
    Column("play", WHOLE, "Number of the judging, as in the frame of verdicts."),
    Column("point", WHOLE, "Number of the point of the critique, from 1."),
    Column("accepted", YES_NO, "Whether the judge accepts it."),
)
"""The columns of `mark_frame`."""

SPOKEN: tuple[Column, ...] = (
    Column("hash", WHOLE, "Hash of the id of the talk, as in the frame of talks."),
    Column("seat", TEXT, "Name of the seat that spoke."),
    Column("speeches", WHOLE, "Speeches of the seat that judges read."),
    Column("words", WHOLE, "Words of these speeches."),
    Column("quotes", WHOLE, "Tagged quotes in them, whatever their status."),
    Column("verified", WHOLE, "Quotes that are in the passage and within the limit."),
    Column("unverified", WHOLE, "Quotes that are not in the passage as quoted: a near miss, or absent."),
    Column("near", WHOLE, "Those of them that are a few words away from the passage."),
    Column("too_short", WHOLE, "Quotes too short to be checked."),
    Column("over_limit", WHOLE, "Quotes in the passage with which the speech quotes more than it may."),
    Column("repeated", WHOLE, "Verified quotes of which every character was shown before."),
    Column(
        "characters", WHOLE, "Verified characters of the passage that no earlier quote of the side had shown."
    ),
    Column("suspicious", WHOLE, "Speeches with text that impersonates, instructs the judge or forges marks."),
    Column("checked", WHOLE, "Speeches whose position was checked."),
    Column("concedes", WHOLE, "Those of them that gave up their answer."),
    Column("refuses", WHOLE, "Those of them that declined to argue."),
)
"""The columns of `spoken_frame`."""

_KINDS: dict[Scalar, Any] = {
    Scalar.TEXT: pl.Categorical(),
    Scalar.WHOLE: pl.Int32(),
    Scalar.NUMBER: pl.Float64(),
    Scalar.YES_NO: pl.Boolean(),
}


def kind_of(kind: ColumnKind) -> Any:
    """Return the type of a column of a frame. Texts are categories: few differ."""
    if isinstance(kind, ListOf):
        return pl.List(kind_of(kind.kind))
    if isinstance(kind, Parts):
        return pl.Struct({part.name: kind_of(part.kind) for part in kind.columns})
    return _KINDS[kind]


_OWN_KINDS = {
    # Nearly all of these texts differ.
    **dict.fromkeys(("trial_id", "argues", "measures"), pl.String()),
    # Places of answers.
    "reading_order": pl.List(pl.Int8()),
    # Hashes.
    **dict.fromkeys(("play", "hash"), pl.Int64()),
}


def schema_of(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the types of a frame by column."""
    return {column.name: _OWN_KINDS.get(column.name) or kind_of(column.kind) for column in columns}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

BLOCK = 8 * 2**20
"""Bytes of rows that are parsed at once."""


async def copied_pieces(
    session: AsyncSession, query: str, experiment: uuid.UUID, schema: dict[str, Any]
) -> AsyncGenerator[pl.DataFrame, None]:
    """Yield the rows of a query by COPY in their order, about `BLOCK` bytes at a time, with the columns of `schema` in its order."""
    raw = await (await session.connection()).get_raw_connection()
    driver: Any = raw.driver_connection
    held: list[bytes] = []
    size = 0
    async with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) {_FORM}", [experiment]) as copy:
        async for line in copy:
            held.append(bytes(line))
            size += len(line)
            if size > BLOCK:
                yield await to_thread.run_sync(_parsed, held, schema)
                held, size = [], 0
    if held:
        yield _parsed(held, schema)


async def copied(
    session: AsyncSession, query: str, experiment: uuid.UUID, schema: dict[str, Any]
) -> pl.DataFrame:
    """Return the rows of a query by COPY, with the columns of `schema` in its order."""
    pieces = copied_pieces(session, query, experiment, schema)
    return pl.concat([pl.DataFrame(schema=schema), *[piece async for piece in pieces]])


_FORM = "TO STDOUT (FORMAT csv, DELIMITER E'\\t')"


def _parsed(lines: Sequence[bytes], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.read_csv(b"".join(lines), has_header=False, separator="\t", schema=schema)


def key_of(column: str) -> str:
    """Return the SQL of the number of an id."""
    return f"uuid_hash_extended({column}, 0)"


# ── talks ───────────────────────────────────────────────────────────────────────────────────────────────────────

_TALKS = f"""
    SELECT {key_of("talk.id")}, talk.id, arm.name, passage.key, coalesce(first.key, passage.key), question.key,
        talk.assignment, talk.replicate, array_position(talk.answers, question.gold) - 1, judge.name,
        coalesce(talk.judge_id::text, ''), talk.argues, coalesce(talk.outcome->'measures', '{{}}'), talk.position
    FROM play AS talk JOIN arm ON arm.id = talk.arm_id JOIN question ON question.id = talk.question_id
        JOIN passage ON passage.id = question.passage_id LEFT JOIN passage AS first ON first.id = passage.twin_of
        LEFT JOIN participant AS judge ON judge.id = talk.judge_id
    WHERE talk.experiment_id = %s AND talk.kind = 'talk'
    ORDER BY arm.position, talk.position
"""  # noqa: S608 - nothing of it comes from outside
_READ_TALKS = (
    "hash",
    "trial_id",
    "arm",
    "passage",
    "family",
    "question",
    "assignment",
    "replicate",
    "gold",
    "judge",
)


async def talk_frame(session: AsyncSession, experiment: uuid.UUID) -> pl.DataFrame:
    """Return every talk of an experiment in any state: by arm, in the order of the queue. `TALKS` has the columns."""
    types = schema_of(TALKS)
    names = (*_READ_TALKS, "took_part", "argues", "measures", "position")
    found = await copied(session, _TALKS, experiment, {name: types[name] for name in names})
    talks = found.with_row_index("talk").cast({"talk": pl.Int32})
    if talks["hash"].n_unique() < talks.height:
        raise ValueError("Two talks have the same hash: read the frame with another seed.")
    return talks.select(*types)


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────


def _verdicts_with(answers: int) -> str:
    """Return the SQL of the verdicts; questions have up to `answers` answers."""
    beliefs = ", ".join(f"verdict.belief[{place + 1}]" for place in range(answers))
    return f"""
        SELECT {key_of("verdict.play_id")}, {key_of("coalesce(playing.talk_id, playing.id)")}, (playing.kind = 'judging')::text,
            {key_of("playing.round_id")}, {key_of("verdict.participant_id")}, playing.place, verdict.reading,
            verdict.answer_order, verdict.method, verdict.label_mass, verdict.flags,
            CASE WHEN jsonb_array_length(verdict.beliefs) <> 1 THEN verdict.beliefs END, {beliefs}
        FROM verdict JOIN play AS playing ON playing.id = verdict.play_id WHERE playing.experiment_id = %s
    """  # noqa: S608 - nothing of it comes from outside


def _read_verdicts(answers: int) -> dict[str, Any]:
    numbers = dict.fromkeys(("play", "hash"), pl.Int64)
    return {
        **numbers,
        "reads": pl.Boolean,
        **dict.fromkeys(("round_hash", "who"), pl.Int64),
        **dict.fromkeys(("place", "reading"), pl.Int32),
        **dict.fromkeys(("reading_order", "method"), pl.Categorical),
        "label_mass": pl.Float64,
        "flags": pl.Categorical,
        "path": pl.String,
        **{f"belief_{place}": pl.Float64 for place in range(answers)},
    }


async def verdict_frame(session: AsyncSession, experiment: uuid.UUID, talks: pl.DataFrame) -> pl.DataFrame:
    """Return every verdict of an experiment: by talk in the order of the queue, round, judge and reading. `COLUMNS` has the columns.

    `talks` is the frame of the talks. A verdict on a talk that began after it was read is left out.
    """
    answers = await session.scalar(
        select(func.max(func.cardinality(Trial.answers))).where(Trial.experiment_id == experiment)
    )
    width = answers or 2
    found = await copied(session, _verdicts_with(width), experiment, _read_verdicts(width))
    judges, rounds = await _judges(session), await _rounds(session, experiment)
    knowing = await copied(
        session, _KNOWING, experiment, {"play": pl.Int64, "who": pl.Int64, "reads": pl.Boolean}
    )
    read = [found]
    del found
    return await to_thread.run_sync(_arranged, read, talks, judges, rounds, knowing, width)


def _arranged(
    read: list[pl.DataFrame],
    talks: pl.DataFrame,
    judges: pl.DataFrame,
    rounds: pl.DataFrame,
    knowing: pl.DataFrame,
    width: int,
) -> pl.DataFrame:
    """Return the rows that were read in their order, with what is known of their talks and judges. It takes seconds for a million
    verdicts. `read` is emptied, so that the rows are not there twice.
    """
    found = read.pop()
    talk = places(found["hash"], talks["hash"])
    placed = _order(found, talks["position"].to_numpy()[talk], judges, rounds)
    placed = placed[talk[placed] >= 0]
    ordered = found[placed].with_columns(pl.Series("talk", talk[placed], pl.Int32))
    del found, placed, talk
    gold = talks["gold"].to_numpy()[ordered["talk"].to_numpy()]
    added = (
        pl.repeat("", ordered.height, dtype=pl.Categorical, eager=True).alias("excluded"),
        _knowing(ordered, knowing),
        *_names(ordered, judges, rounds),
        *belief_columns(ordered, gold, width),
    )
    small = (lists(ordered["reading_order"], pl.Int8), lists(ordered["flags"], pl.Categorical))
    of_talk = talks.select(
        "arm", "passage", "family", "question", "gold", "assignment", "replicate", "took_part"
    )
    rows = ordered.drop("reading_order", "flags").hstack(of_talk[ordered["talk"]].get_columns())
    return rows.hstack([*added, *small]).select(*schema_of(COLUMNS))


def places(keys: pl.Series, names: pl.Series) -> IntArray:
    """Return the place of each key among different ones; -1 for null, and for a key that is not there."""
    own = names.to_numpy()
    if not own.size:
        return np.full(keys.len(), -1)
    order = np.argsort(own)
    found = order[np.minimum(np.searchsorted(own[order], keys.fill_null(0).to_numpy()), own.size - 1)]
    return np.where((own[found] == keys.fill_null(0).to_numpy()) & keys.is_not_null().to_numpy(), found, -1)


def _order(rows: pl.DataFrame, position: IntArray, judges: pl.DataFrame, rounds: pl.DataFrame) -> IntArray:
    """Return verdicts in their order: by position of the talk, round, name of the judge and reading."""
    rank = judges["rank"].to_numpy()[places(rows["who"], judges["who"])]
    own = places(rows["round_hash"], rounds["round_hash"])
    # A judge who took part in the talk has no round, and comes last.
    late = np.iinfo(np.int32).max
    turn = np.where(own < 0, late, rounds["round_position"].to_numpy()[own]) if rounds.height else own
    return np.argsort(combined(position, turn, rank, rows["reading"].to_numpy()), kind="stable")


async def _judges(session: AsyncSession) -> pl.DataFrame:
    """Return participants with their places by name, as the database orders names."""
    key = func.uuid_hash_extended(Participant.id, 0)
    rank = func.dense_rank().over(order_by=Participant.name)
    rows = await session.execute(select(key, Participant.name, Participant.kind, rank))
    schema = {"who": pl.Int64, "judge": pl.Categorical, "judge_kind": pl.Categorical, "rank": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema, orient="row")


async def _rounds(session: AsyncSession, experiment: uuid.UUID) -> pl.DataFrame:
    key = func.uuid_hash_extended(JudgingRound.id, 0)
    rows = await session.execute(
        select(key, JudgingRound.name, JudgingRound.position).where(JudgingRound.experiment_id == experiment)
    )
    schema = {"round_hash": pl.Int64, "round": pl.Categorical, "round_position": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema, orient="row")


_KNOWING = f"""
    SELECT DISTINCT {key_of("seat.play_id")}, {key_of("seat.participant_id")}, (playing.kind = 'judging')::text
    FROM seat JOIN play AS playing ON playing.id = seat.play_id
    WHERE (seat.flags->>'{KNOWS_STORY.name}')::boolean AND playing.experiment_id = %s
        AND (playing.kind = 'judging' OR seat.role = 'judge' AND EXISTS (
            SELECT 1 FROM move WHERE move.play_id = seat.play_id AND move.participant_id = seat.participant_id))
"""  # noqa: S608 - nothing of it comes from outside
"""People who marked that they know the story: judges of finished talks, and people who judged or asked in one."""


def _knowing(rows: pl.DataFrame, knowing: pl.DataFrame) -> pl.Series:
    """Return whether verdicts are of a person who knows the story, or of a talk with such a person."""
    numbered = rows.select("play", "who").with_row_index("row")
    readers = numbered.join(knowing.filter("reads"), on=("play", "who"), how="semi")
    talks = knowing.filter(~pl.col("reads"))["play"].unique()
    known = rows["hash"].is_in(talks.implode()).to_numpy().copy()
    known[readers["row"].to_numpy()] = True
    return pl.Series(KNOWS_STORY.name, known)


def belief_columns(rows: pl.DataFrame, gold: IntArray, answers: int) -> Iterator[pl.Series]:
    """Yield what beliefs are worth, and beliefs as lists: the last, and all where there are several.

    `rows` has them as numbers in `belief_0`, `belief_1`, …, and as JSON in `path`. gold: (n,) place of the gold answer.
    """
    names = [f"belief_{place}" for place in range(answers)]
    matrix = rows.select(pl.col(names).fill_null(-1.0)).to_numpy()
    yield pl.Series("p_gold", matrix[np.arange(gold.size), gold])
    yield pl.Series("correct", credits(matrix, gold))
    belief = pl.Series("belief", matrix, pl.List(pl.Float64))
    if (matrix < 0).any():
        belief = belief.list.eval(pl.element().filter(pl.element() >= 0))
    yield belief
    yield rows["path"].str.json_decode(pl.List(pl.List(pl.Float64))).alias("beliefs")


def lists(texts: pl.Series, inner: Any) -> pl.Series:
    """Return texts such as `{0,1}`, of which few differ, as lists."""
    parts = pl.col("text").cast(pl.String).str.strip_chars("{}").str.split(",")
    filled = parts.list.filter(pl.element() != "").cast(pl.List(inner))
    frame = texts.to_frame("text")
    lists = frame.unique().with_columns(filled.alias(texts.name))
    return frame.join(lists, on="text", how="left", maintain_order="left")[texts.name]


def _names(rows: pl.DataFrame, judges: pl.DataFrame, rounds: pl.DataFrame) -> list[pl.Series]:
    """Return the judges and rounds of verdicts, with the names under which reports show judges."""
    person = pl.col("judge_kind").cast(pl.String) == "person"
    name = pl.col("judge").cast(pl.String)
    shown = pl.when(person).then(pl.lit(PEOPLE)).otherwise(name)
    added = pl.col("round_position").fill_null(0) > 0
    label = pl.when(added).then(pl.format("{} ({})", shown, pl.col("round").cast(pl.String))).otherwise(shown)
    keys = rows.select("who", "round_hash")
    named = (
        keys.unique()
        .join(judges, on="who", how="left")
        .join(rounds, on="round_hash", how="left")
        .select(
            *("who", "round_hash", "judge", "judge_kind", "round"),
            label.cast(pl.Categorical).alias("label"),
            pl.when(person).then(name).otherwise(pl.lit("")).cast(pl.Categorical).alias("person"),
            added.alias("round_added"),
        )
    )
    found = keys.join(named, on=("who", "round_hash"), how="left", nulls_equal=True, maintain_order="left")
    return found.drop("who", "round_hash").get_columns()


def with_people(rows: pl.DataFrame, humans: Mapping[str, str]) -> pl.DataFrame:
    """Return the frame of verdicts with one pseudonym for each person: `humans` has the first of those with several accounts."""
    if not humans:
        return rows
    names = rows.select("person").unique()
    first = names.select(
        "person", first=pl.col("person").cast(pl.String).replace(dict(humans)).cast(pl.Categorical)
    )
    return rows.with_columns(
        rows.select("person")
        .join(first, on="person", how="left", maintain_order="left")["first"]
        .alias("person")
    )


def with_excluded(rows: pl.DataFrame, excluded: Mapping[str, str]) -> pl.DataFrame:
    """Return the frame of verdicts with why figures leave people out: `excluded` has it by the pseudonym of the account."""
    if not excluded:
        return rows
    why = pl.col("judge").cast(pl.String).replace_strict(dict(excluded), default="").cast(pl.Categorical)
    judges = rows.select("judge").unique()
    found = rows.select("judge").join(
        judges.with_columns(why.alias("why")), on="judge", how="left", maintain_order="left"
    )
    return rows.with_columns(found["why"].alias("excluded"))


# ── marks ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def mark_frame(session: AsyncSession, experiment: uuid.UUID) -> pl.DataFrame:
    """Return the mark that each judge gave each point of a critique. `MARKS` has the columns."""
    key = func.uuid_hash_extended(Move.play_id, 0)
    rows = await session.execute(
        select(key, Move.path, Move.content["index"].as_integer())
        .join(Judging, Judging.id == Move.play_id)
        .where(Judging.experiment_id == experiment, Move.path.startswith(MARKING))
        .order_by(Move.play_id, Move.id)
    )
    marks = [(play, marked_place(path)[1], MARKED[index] == "accept") for play, path, index in rows]
    return pl.DataFrame(marks, schema_of(MARKS), orient="row")


# ── efforts ─────────────────────────────────────────────────────────────────────────────────────────────────────

_EFFORTS = f"""
    SELECT {key_of("judging.id")}, sum(draft.active_seconds)
    FROM play AS judging JOIN seat ON seat.play_id = judging.id JOIN draft ON draft.seat_id = seat.id
    WHERE judging.experiment_id = %s AND judging.kind = 'judging' AND judging.state = 'done'
    GROUP BY judging.id
"""  # noqa: S608 - nothing of it comes from outside
_EFFORT = {"play": pl.Int64, "seconds": pl.Float64}


async def effort_frame(session: AsyncSession, experiment: uuid.UUID) -> pl.DataFrame:
    """Return the seconds that people worked on each judging that they finished, by `play` as in the frame of verdicts."""
    return await copied(session, _EFFORTS, experiment, dict(_EFFORT))


def no_efforts() -> pl.DataFrame:
    """Return the seconds of no judging."""
    return pl.DataFrame(schema=_EFFORT)


# ── speeches ────────────────────────────────────────────────────────────────────────────────────────────────────

# The moves of a talk are read once, and joined talk by talk: over all talks, PostgreSQL would sort them on disk.
_SPOKEN = f"""
    SELECT {key_of("talk.id")}, said.*
    FROM play AS talk CROSS JOIN LATERAL (
        WITH own AS MATERIALIZED (SELECT path, seat, content FROM move WHERE move.play_id = talk.id)
        SELECT speech.seat, count(*), sum((speech.content->>'words')::int), sum(quoted.quotes), sum(quoted.verified),
            sum(quoted.unverified), sum(quoted.near), sum(quoted.too_short), sum(quoted.over_limit), sum(quoted.repeated),
            sum(quoted.characters), count(*) FILTER (WHERE speech.content->'suspicious' <> '[]'), count(stance.path),
            count(*) FILTER (WHERE stance.content->>'stance' = 'concedes'),
            count(*) FILTER (WHERE stance.content->>'stance' = 'refuses')
        FROM jsonb_path_query(talk.outcome, '$.transcript[*][*]') AS shown (path)
            JOIN own AS speech ON speech.path = shown.path #>> '{{}}'
            LEFT JOIN own AS stance ON stance.path = speech.path || '/position'
            CROSS JOIN LATERAL (
                SELECT count(*) AS quotes, count(*) FILTER (WHERE status IN ('exact', 'normalised')) AS verified,
                    count(*) FILTER (WHERE status IN ('near', 'absent')) AS unverified,
                    count(*) FILTER (WHERE status = 'near') AS near,
                    count(*) FILTER (WHERE status = 'too_short') AS too_short,
                    count(*) FILTER (WHERE status = 'over_budget') AS over_limit,
                    count(*) FILTER (WHERE repeated) AS repeated, coalesce(sum(new_characters), 0) AS characters
                FROM jsonb_to_recordset(speech.content->'said'->'quotes')
                    AS quote (status text, repeated boolean, new_characters int)
            ) AS quoted
        WHERE speech.content->>'kind' = 'speech'
        GROUP BY speech.seat
    ) AS said
    WHERE talk.experiment_id = %s AND talk.kind = 'talk' AND talk.state = 'done'
    ORDER BY talk.id, said.seat
"""  # noqa: S608 - nothing of it comes from outside


async def spoken_frame(session: AsyncSession, experiment: uuid.UUID) -> pl.DataFrame:
    """Return what each seat said that judges read, by talk and seat, over finished talks. `SPOKEN` has the columns."""
    return await copied(session, _SPOKEN, experiment, schema_of(SPOKEN))
