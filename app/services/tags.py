"""Changing the tags and the note of an experiment."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import UserError
from app.records import tags as records
from app.records.people import note as put_on_trail
from app.records.tags import MOST_CHARACTERS, MOST_NOTE, MOST_TAGS, TAG, as_tag
from models import Experiment


class TagRefused(UserError):
    """Tags or a note cannot be so; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What is written on an experiment."""

    tags: tuple[str, ...]
    """Sorted."""
    note: str

    @property
    def sentence(self) -> str:
        """Return both as a line of text; empty where there is neither."""
        tags = f"Tags: {', '.join(self.tags)}." if self.tags else ""
        return " ".join(filter(None, (tags, f"Note: {self.note}" if self.note else "")))


def marked(experiment: Experiment) -> Marked:
    """Return what is written on an experiment."""
    return Marked(tuple(experiment.tags), experiment.note)


def read_tags(words: Iterable[str]) -> list[str]:
    """Return words as tags: in lower case, each once, sorted. Raise TagRefused for a word that cannot be one."""
    found = {_tag(word) for word in words if word.strip()}
    if len(found) > MOST_TAGS:
        raise TagRefused(f"An experiment has at most {MOST_TAGS} tags: take some away first.")
    return sorted(found)


def _tag(word: str) -> str:
    tag = as_tag(word)
    if not re.fullmatch(TAG, tag):
        raise TagRefused(
            f"{word.strip()[:60]!r} is no tag: write a word of at most {MOST_CHARACTERS} letters, digits, '.', '_' or '-'."
        )
    return tag


async def mark(
    db: AsyncSession,
    who: uuid.UUID | None,
    experiment: Experiment,
    *,
    tags: Iterable[str] | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    note: str | None = None,
) -> Marked:
    """Change the tags and the note of an experiment, and return what is written on it now.

    `tags` replaces the former tags, to which `add` is added and from which `remove` is taken away; None leaves tags or
    note as they are. `who` is None on the command line. Raise TagRefused.
    """
    before = await _before(db, experiment)
    kept = set(before.tags if tags is None else read_tags(tags)) - set(read_tags(remove)) | set(
        read_tags(add)
    )
    now = Marked(tuple(read_tags(kept)), before.note if note is None else _note(note))
    return await _write(db, who, experiment, before, now)


async def _before(db: AsyncSession, experiment: Experiment) -> Marked:
    tags, note = await records.locked(db, experiment.id)
    return Marked(tuple(tags), note)


def _note(text: str) -> str:
    note = text.replace("\r\n", "\n").strip()
    if len(note) > MOST_NOTE:
        raise TagRefused(f"A note has at most {MOST_NOTE:,} characters: this one has {len(note):,}.")
    if "\0" in note:
        raise TagRefused("The note holds a NUL character: write it as plain text.")
    return note


async def _write(
    db: AsyncSession, who: uuid.UUID | None, experiment: Experiment, before: Marked, now: Marked
) -> Marked:
    """Store what changed, and put it on the audit trail."""
    if now == before:
        return now
    await records.write(db, experiment.id, now.tags, now.note)
    detail: dict[str, object] = {"name": experiment.name}
    for key in ("tags", "note"):
        was, is_now = getattr(before, key), getattr(now, key)
        if was != is_now:
            detail[key] = {"before": was, "now": is_now}
    await put_on_trail(db, who, "changed tags or note", "experiment", experiment.id, detail)
    return now
