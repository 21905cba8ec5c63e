"""The words of a person in plays: taken out of moves and verdicts, and out of the prompts that showed them to models.

Replies of models, and what other people wrote, are not changed, also where they quote the person.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.judge_fields import FIELDS, FieldKind
from app.protocols.blanking import REMOVED, without_words, words_of
from app.protocols.core import parse_content
from app.records.texts import bodies, digest
from models import (
    Arm,
    Draft,
    Judgement,
    ModelCall,
    Move,
    Passage,
    PlayRow,
    SeatRow,
    Text,
    Trial,
    Verdict,
)

CUT_SHORT = "A person who spoke in it had their words deleted, so it cannot go on."
"""Why a talk fails in which words are missing."""
SHORTEST = 12
"""Characters of a stretch of words by which a prompt is known to show them; shorter texts count as a whole."""
_TAG = re.compile(r"</?[a-z_]+>")
_SPACE = re.compile(r"\s+")
_PLAIN = {"synchronize_session": False}
_TYPED = {field.name for field in FIELDS if field.kind is FieldKind.TEXT}


async def remove_words(session: AsyncSession, person: uuid.UUID) -> int:
    """Take a participant's words out of all plays; return the number of moves that had some or are deleted.

    Judgings that were given back lose their moves altogether. Where the words are missing from a talk, it fails unless it
    was finished, and no one begins to judge it any more.
    """
    await _forget_returned(session, person)
    said = await _blank_moves(session, person)
    await session.execute(
        update(Verdict).where(Verdict.participant_id == person, Verdict.reason != "").values(reason=""),
        execution_options=_PLAIN,
    )
    await _remove_unsent(session, person)
    await _blank_flags(session, person)
    talks = {play: texts for play, texts in said.items() if texts}
    await _blank_prompts(session, talks)
    await _cut_short(session, talks)
    return sum(len(texts) for texts in said.values())


async def _remove_unsent(session: AsyncSession, person: uuid.UUID) -> None:
    """Delete what a participant entered and did not submit; of finished seats the effort stays."""
    mine = select(SeatRow.id).where(SeatRow.participant_id == person)
    done = mine.where(SeatRow.state == "done")
    await session.execute(
        delete(Draft).where(Draft.seat_id.in_(mine), Draft.seat_id.not_in(done)), execution_options=_PLAIN
    )
    await session.execute(
        update(Draft).where(Draft.seat_id.in_(mine)).values(content={}), execution_options=_PLAIN
    )


async def _forget_returned(session: AsyncSession, person: uuid.UUID) -> None:
    returned = select(Judgement.id).where(Judgement.judge_id == person, Judgement.state == "returned")
    await session.execute(
        delete(Move).where(Move.participant_id == person, Move.play_id.in_(returned)),
        execution_options=_PLAIN,
    )


async def _blank_moves(session: AsyncSession, person: uuid.UUID) -> dict[uuid.UUID, list[str]]:
    """Take the words out of moves. Return those that others may have read, by talk."""
    rows = await session.execute(
        select(Move.id, Move.play_id, Move.content, PlayRow.kind)
        .join(PlayRow, PlayRow.id == Move.play_id)
        .where(Move.participant_id == person)
        .order_by(Move.id)
    )
    said: dict[uuid.UUID, list[str]] = defaultdict(list)
    for row in rows.all():
        content = parse_content(row.content)
        blank = without_words(content)
        if blank == content:
            continue
        await session.execute(
            update(Move).where(Move.id == row.id).values(content=blank.model_dump(mode="json")),
            execution_options=_PLAIN,
        )
        if row.kind == "talk":
            said[row.play_id] += [words for words in words_of(content) if words.strip()]
    return said


async def _blank_flags(session: AsyncSession, person: uuid.UUID) -> None:
    """Empty what was typed into fields beside beliefs."""
    for seat in await session.scalars(select(SeatRow).where(SeatRow.participant_id == person)):
        kept = {name: value for name, value in seat.flags.items() if name not in _TYPED}
        if kept != seat.flags:
            seat.flags = kept
    await session.flush()


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _blank_prompts(session: AsyncSession, said: Mapping[uuid.UUID, Collection[str]]) -> None:
    """Replace the pieces of prompts that showed these words, in the calls of their talks and of the judgings of these."""
    for talk, texts in said.items():
        plays = select(PlayRow.id).where((PlayRow.id == talk) | (PlayRow.talk_id == talk))
        calls = (await session.scalars(select(ModelCall).where(ModelCall.play_id.in_(plays)))).all()
        shown = {bytes.fromhex(key) for call in calls for _, key in call.segments}
        texts_by_key = await bodies(session, shown)
        marks = stretches(texts)
        found = {key for key, body in texts_by_key.items() if shows(body, marks)}
        found -= await _needed(session, found)
        if found:
            await _replace(session, calls, found)


async def _needed(session: AsyncSession, keys: Collection[bytes]) -> set[bytes]:
    """Return which of these texts are passages, or templates of arms."""
    passages = await session.scalars(select(Passage.text_digest).where(Passage.text_digest.in_(keys)))
    templates = {
        bytes.fromhex(key) for arm in await session.scalars(select(Arm.prompts)) for key in arm.values()
    }
    return set(passages) | (set(keys) & templates)


async def _replace(session: AsyncSession, calls: Iterable[ModelCall], found: Collection[bytes]) -> None:
    # Other calls may name the texts too, so that the rows stay, without what was in them.
    await session.execute(
        update(Text).where(Text.digest.in_(found)).values(body=REMOVED), execution_options=_PLAIN
    )
    await session.execute(insert(Text).values(digest=digest(REMOVED), body=REMOVED).on_conflict_do_nothing())
    gone, instead = {key.hex() for key in found}, digest(REMOVED).hex()
    for call in calls:
        kept = [[role, instead if key in gone else key] for role, key in call.segments]
        if kept != call.segments:
            call.segments = kept
    await session.flush()


def stretches(texts: Iterable[str]) -> set[str]:
    """Return stretches of texts, by which a prompt is known that shows them: lines, without tags, single spaces."""
    found = set()
    for text in texts:
        lines = [plain for line in text.splitlines() if (plain := _plain(line))]
        long = [line for line in lines if len(line) >= SHORTEST]
        found |= set(long or [_plain(text)])
    return found - {""}


def shows(body: str, marks: Collection[str]) -> bool:
    """Return whether a piece of a prompt shows one of these stretches."""
    plain = _plain(body)
    return any(mark in plain for mark in marks)


def _plain(text: str) -> str:
    return _SPACE.sub(" ", _TAG.sub("", text)).strip()


# ── talks without the words ─────────────────────────────────────────────────────────────────────────────────────


async def _cut_short(session: AsyncSession, talks: Collection[uuid.UUID]) -> None:
    """Let unfinished talks fail, and let no one begin to judge the finished ones: others judged them with the words."""
    if not talks:
        return
    await session.execute(
        update(Trial)
        .where(Trial.id.in_(talks), Trial.state.in_(("queued", "waiting")))
        .values(state="failed", error=CUT_SHORT),
        execution_options=_PLAIN,
    )
    judgings = Judgement.talk_id.in_(talks)
    await session.execute(
        delete(Judgement).where(judgings, Judgement.state == "open"), execution_options=_PLAIN
    )
    await session.execute(
        update(Judgement)
        .where(judgings, Judgement.state == "queued")
        .values(state="failed", error=CUT_SHORT),
        execution_options=_PLAIN,
    )
