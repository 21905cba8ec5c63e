"""Task sets in the database: saving an import, finding questions, browsing sets."""

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, joinedload

from app.records.experiments import one_at_a_time
from app.records.paging import Page, page_of_rows
from app.records.texts import bodies, digest, keep
from models import Passage, Question, TaskSet, Text

PASSAGE_FIELDS = ("title", "author", "source", "url", "license", "meta")
QUESTION_FIELDS = ("text", "answers", "gold", "distractor", "meta")


class Differs(ValueError):
    """An import would change existing rows. The text names the first one."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of an import."""

    passages: int
    questions: int
    unchanged: int
    """Questions that existed already."""


async def save(session: AsyncSession, name: str, passages: Sequence[Mapping[str, Any]]) -> Saved:
    """Add passages with their `questions` to the task set `name`, which is made if it is new.

    Existing rows stay unchanged, but for the family of a text that gets a twin. Raise Differs where a passage or
    question has the key of an existing one and another content, because experiments may use it.
    """
    # One import at a time: whether a text has a twin somewhere must not change in between.
    await one_at_a_time(session, "families")
    await session.execute(insert(TaskSet).values(name=name).on_conflict_do_nothing())
    # The row lock makes a second import of the same set wait for this one.
    task_set = (await session.scalars(select(TaskSet).where(TaskSet.name == name).with_for_update())).one()
    known = await _known(session, task_set.id)
    fresh = [_passage(task_set.id, item) for item in passages]
    await _set_families(session, fresh)
    ids = {row["key"]: row["id"] for row in fresh} | {key: row.id for key, row in known.passages.items()}
    for row in fresh:
        row["twin_of"] = ids[row["twin_of"]] if row["twin_of"] else None
    questions = [
        _question(task_set.id, row["key"], position, item)
        for row, passage in zip(fresh, passages, strict=True)
        for position, item in enumerate(passage["questions"])
    ]
    new_passages = _new("passage", fresh, known.passages, PASSAGE_FIELDS)
    new_questions = _new("question", questions, known.questions, QUESTION_FIELDS)
    await _insert(session, new_passages, new_questions, known, texts=[item["text"] for item in passages])
    return Saved(len(new_passages), len(new_questions), len(questions) - len(new_questions))


@dataclass(frozen=True, slots=True)
class _Known:
    passages: Mapping[str, Passage]
    questions: Mapping[str, Question]


async def _known(session: AsyncSession, task_set: uuid.UUID) -> _Known:
    passages = await session.scalars(select(Passage).where(Passage.task_set_id == task_set))
    questions = await session.scalars(select(Question).where(Question.task_set_id == task_set))
    return _Known({row.key: row for row in passages}, {row.key: row for row in questions})


def _passage(task_set: uuid.UUID, item: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "id": uuid.uuid4(),
        "task_set_id": task_set,
        "key": item["key"],
        "text_digest": digest(item["text"]),
        "twin_of": item["twin_of"],
    }
    return row | {field: item[field] for field in PASSAGE_FIELDS}


async def _set_families(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Give each new passage its family, and change that of existing ones where their text gets a twin."""
    texts = {row["key"]: row["text_digest"] for row in rows}
    found = select(Passage.text_digest, Passage.family).where(Passage.text_digest.in_(texts.values()))
    families = {text: text for text in texts.values()}
    families |= {row[0]: row[1] for row in await session.execute(found)}
    for row in rows:
        if row["twin_of"]:
            await _join(session, families, row["text_digest"], texts[row["twin_of"]])
    for row in rows:
        row["family"] = families[row["text_digest"]]


async def _join(session: AsyncSession, families: dict[bytes, bytes], text: bytes, twin: bytes) -> None:
    """Make one family of those of two texts, also of passages in other task sets."""
    one = hashlib.sha256(b"".join(sorted((text, twin)))).digest()
    old = {families[text], families[twin]} - {one}
    families.update({each: one for each, family in families.items() if family in old})
    if old:
        await session.execute(update(Passage).where(Passage.family.in_(old)).values(family=one))


def _question(task_set: uuid.UUID, passage: str, position: int, item: Mapping[str, Any]) -> dict[str, Any]:
    row = {"task_set_id": task_set, "passage": passage, "position": position, "key": item["key"]}
    kept = row | {field: item[field] for field in QUESTION_FIELDS} | {"answers": list(item["answers"])}
    beside = {name: list(item[name]) for name in ("planted", "evidence") if item.get(name)}
    return kept | {"meta": {**item["meta"], **beside}}


def _new(
    noun: str, rows: Sequence[dict[str, Any]], known: Mapping[str, Any], fields: Sequence[str]
) -> list[dict[str, Any]]:
    compared = (*fields, "text_digest", "twin_of") if noun == "passage" else fields
    for row in rows:
        old = known.get(row["key"])
        changed = [field for field in compared if old is not None and getattr(old, field) != row[field]]
        if changed:
            raise Differs(
                f"the {noun} {row['key']} is there already with another {changed[0].removesuffix('_digest').removesuffix('_of')}: "
                "import the file under another name (on the command line: --name)."
            )
    return [row for row in rows if row["key"] not in known]


async def _insert(
    session: AsyncSession,
    passages: Sequence[dict[str, Any]],
    questions: Sequence[dict[str, Any]],
    known: _Known,
    texts: Sequence[str],
) -> None:
    ids = {key: row.id for key, row in known.passages.items()} | {row["key"]: row["id"] for row in passages}
    if passages:
        await keep(session, texts)
        # A row may name only those before it.
        await session.execute(insert(Passage), sorted(passages, key=lambda row: row["twin_of"] is not None))
    if questions:
        rows = [{**row, "id": uuid.uuid4(), "passage_id": ids[row.pop("passage")]} for row in questions]
        await session.execute(insert(Question), rows)


async def questions_of(session: AsyncSession, name: str) -> list[Question] | None:
    """Return every question of a task set with its passage; None where there is no such set."""
    task_set = (await session.scalars(select(TaskSet).where(TaskSet.name == name))).one_or_none()
    if task_set is None:
        return None
    rows = await session.scalars(
        select(Question).where(Question.task_set_id == task_set.id).options(joinedload(Question.passage))
    )
    return list(rows)


async def task_sets(session: AsyncSession) -> dict[str, int]:
    """Return every task set by name, with its number of questions."""
    rows = await session.execute(
        select(TaskSet.name, func.count(Question.id))
        .outerjoin(Question, Question.task_set_id == TaskSet.id)
        .group_by(TaskSet.name)
        .order_by(TaskSet.name)
    )
    return {row.name: row[1] for row in rows}


async def passage_texts(session: AsyncSession, passages: Collection[Passage]) -> dict[str, str]:
    """Return the hidden texts by the passages' keys."""
    found = await bodies(session, {passage.text_digest for passage in passages})
    return {passage.key: found[passage.text_digest] for passage in passages}


# ── looking through ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SetRow:
    """A task set in a list."""

    id: uuid.UUID
    name: str
    created_at: datetime
    passages: int
    questions: int
    licenses: Sequence[str]
    """The licences of its passages."""
    sources: Sequence[str]
    """The sources of its passages."""


def _set_rows() -> Select[uuid.UUID, str, datetime, int, int, list[str], list[str]]:
    return select(
        TaskSet.id,
        TaskSet.name,
        TaskSet.created_at,
        *(
            select(func.count(table.id)).where(table.task_set_id == TaskSet.id).scalar_subquery()
            for table in (Passage, Question)
        ),
        *(
            func.array(
                select(column)
                .where(Passage.task_set_id == TaskSet.id, column.is_not(None))
                .distinct()
                .order_by(column)
                .correlate(TaskSet)
                .scalar_subquery()
            )
            for column in (Passage.license, Passage.source)
        ),
    )


async def sets_page(session: AsyncSession, search: str, number: int) -> Page[SetRow]:
    """Return task sets whose name contains `search`, by name."""
    rows = _set_rows().where(TaskSet.name.icontains(search, autoescape=True)).order_by(TaskSet.name)
    return await page_of_rows(session, rows, number, SetRow)


async def find_set(session: AsyncSession, name: str) -> SetRow | None:
    """Return the task set of this name."""
    row = (await session.execute(_set_rows().where(TaskSet.name == name))).one_or_none()
    return SetRow(*row) if row else None


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage in a list."""

    passage: Passage
    characters: int
    questions: int
    twin_of: str | None
    """Key of the passage whose twin it is."""


async def passages_page(
    session: AsyncSession, task_set: uuid.UUID, search: str, number: int
) -> Page[PassageRow]:
    """Return the passages of a set, by key, with `search` in their title, author, key or text."""
    asked = select(func.count(Question.id)).where(Question.passage_id == Passage.id).scalar_subquery()
    first = aliased(Passage)
    rows = (
        select(Passage, func.length(Text.body), asked, first.key)
        .join(Text, Text.digest == Passage.text_digest)
        .outerjoin(first, first.id == Passage.twin_of)
        .where(Passage.task_set_id == task_set)
        .order_by(Passage.key)
    )
    if search:
        places = (Passage.title, Passage.author, Passage.key, Text.body)
        rows = rows.where(or_(*(place.icontains(search, autoescape=True) for place in places)))
    return await page_of_rows(session, rows, number, PassageRow)


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question in a list."""

    question: Question
    passage: Passage


async def questions_page(
    session: AsyncSession, task_set: uuid.UUID, search: str, passage: str, number: int
) -> Page[QuestionRow]:
    """Return the questions of a set (of the passage with this key, unless it is empty) with `search` in text,
    answers or key.
    """
    rows = _asked().where(Question.task_set_id == task_set)
    if passage:
        rows = rows.where(Passage.key == passage)
    if search:
        answers = func.array_to_string(Question.answers, "\n")
        places = (Question.text, Question.key, answers)
        rows = rows.where(or_(*(place.icontains(search, autoescape=True) for place in places)))
    return await page_of_rows(
        session, rows.order_by(Passage.key, Question.position, Question.key), number, QuestionRow
    )


def _asked() -> Select[Question, Passage]:
    return select(Question, Passage).join(Passage, Passage.id == Question.passage_id)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its passage."""

    question: Question
    passage: Passage
    text: str


async def find_question(session: AsyncSession, task_set: uuid.UUID, question: uuid.UUID) -> Asked | None:
    """Return a question of a set."""
    found = _asked().where(Question.task_set_id == task_set, Question.id == question)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        return None
    texts = await bodies(session, {row[1].text_digest})
    return Asked(row[0], row[1], texts[row[1].text_digest])


async def passage_lengths(session: AsyncSession, name: str) -> dict[str, int]:
    """Return the number of characters of each hidden text of a task set, by the passages' keys."""
    rows = await session.execute(
        select(Passage.key, func.length(Text.body))
        .join(Text, Text.digest == Passage.text_digest)
        .join(TaskSet, TaskSet.id == Passage.task_set_id)
        .where(TaskSet.name == name)
    )
    return {row.key: row[1] for row in rows}
