"""Texts, task sets, passages and questions."""

import uuid

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Digest, JsonObject, Now, OpaqueId


class Text(Base):
    """A text that is stored once, however often it is used: a passage, a template, a piece of a prompt."""

    __tablename__ = "text"
    __table_args__ = (CheckConstraint("length(digest) = 32", name="digest_is_sha256"),)

    digest: Mapped[Digest] = mapped_column(primary_key=True)
    body: Mapped[str]


class TaskSet(Base):
    """A named collection of questions."""

    __tablename__ = "task_set"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("name <> ''", name="named"))

    id: Mapped[OpaqueId]
    name: Mapped[str]
    created_at: Mapped[Now]


class Passage(Base):
    """A hidden text."""

    __tablename__ = "passage"
    __table_args__ = (
        UniqueConstraint("task_set_id", "key"),
        UniqueConstraint("id", "task_set_id"),
        UniqueConstraint("twin_of"),
        ForeignKeyConstraint(
            ["twin_of", "task_set_id"], ["passage.id", "passage.task_set_id"], ondelete="CASCADE"
        ),
        CheckConstraint("key <> ''", name="keyed"),
        CheckConstraint("twin_of <> id", name="twin_of_another"),
        CheckConstraint("length(family) = 32", name="family_is_sha256"),
    )

    id: Mapped[OpaqueId]
    task_set_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("task_set.id", ondelete="CASCADE"))
    key: Mapped[str]
    """Its id in the imported file. Passages, each with its twin, are the clusters of every figure in a report."""
    title: Mapped[str]
    text_digest: Mapped[bytes] = mapped_column(ForeignKey("text.digest"))
    family: Mapped[Digest] = mapped_column(index=True)
    """The same for every passage with this text and for their twins, in all task sets. It decides what a person
    has seen. Without twins it is the text's digest.
    """
    twin_of: Mapped[uuid.UUID | None]
    """The passage of the same task set whose twin this is."""
    author: Mapped[str | None]
    source: Mapped[str | None]
    url: Mapped[str | None]
    license: Mapped[str | None]
    meta: Mapped[JsonObject]

    text: Mapped[Text] = relationship(lazy="raise")


class Question(Base):
    """A question on a passage, with its answers in the order of the file and the index of the right one."""

    __tablename__ = "question"
    __table_args__ = (
        UniqueConstraint("task_set_id", "key"),
        ForeignKeyConstraint(
            ["passage_id", "task_set_id"], ["passage.id", "passage.task_set_id"], ondelete="CASCADE"
        ),
        CheckConstraint("key <> '' AND text <> ''", name="worded"),
        CheckConstraint("cardinality(answers) >= 2 AND NOT ('' = ANY (answers))", name="answered"),
        CheckConstraint("gold BETWEEN 0 AND cardinality(answers) - 1", name="gold_is_an_answer"),
        CheckConstraint(
            "distractor IS NULL OR (distractor BETWEEN 0 AND cardinality(answers) - 1 AND distractor <> gold)",
            name="distractor_is_another_answer",
        ),
    )

    id: Mapped[OpaqueId]
    task_set_id: Mapped[uuid.UUID]
    passage_id: Mapped[uuid.UUID] = mapped_column(index=True)
    key: Mapped[str]
    position: Mapped[int]
    """Position within the passage."""
    text: Mapped[str]
    answers: Mapped[list[str]]
    gold: Mapped[int]
    distractor: Mapped[int | None]
    meta: Mapped[JsonObject]

    passage: Mapped[Passage] = relationship(
        lazy="raise", foreign_keys=[passage_id], primaryjoin="Question.passage_id == Passage.id"
    )
