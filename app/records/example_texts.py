"""Passages on which somebody has been, or would be, shown that an argument is false, as an example before they verify others."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from models import Arm, Judgement, Passage, Question, SeatPlace, Text, Trial


def _names(examples: Any, passage: Any) -> ColumnElement[bool]:
    """Whether one of the examples, lines of JSON that name each passage by its digest, is on a passage."""
    return func.strpos(examples.body, func.encode(passage.text_digest, "hex")) > 0


def _brought_by(arm: Any, examples: Any) -> ColumnElement[bool]:
    """Whether these are an arm's examples."""
    named = arm.prompts.op("->>")(func.concat(arm.protocol, "/examples"))
    brought: ColumnElement[bool] = examples.digest == func.decode(named, "hex")
    return brought


def told_by_examples(person: BindParameter[Any]) -> ColumnElement[bool]:
    """Whether the passage is in the examples of an arm on whose trials somebody has, or had, a judgement."""
    mine, trial, arm, examples = aliased(Judgement), aliased(Trial), aliased(Arm), aliased(Text)
    told = aliased(Passage)
    # Asked once a statement, not once a passage: most people were shown none.
    digests = (
        select(told.text_digest)
        .select_from(mine)
        .join(trial, trial.id == mine.trial_id)
        .join(arm, arm.id == trial.arm_id)
        .join(examples, _brought_by(arm, examples))
        .join(told, _names(examples, told))
        .where(mine.participant_id == person)
    )
    return Passage.text_digest.in_(digests)


def examples_tell_of_work_in_hand(person: BindParameter[Any]) -> ColumnElement[bool]:
    """Whether the trial's arm brings examples on a passage on which somebody sits in a talk that is not over."""
    arm, examples, place, talk = aliased(Arm), aliased(Text), aliased(SeatPlace), aliased(Trial)
    question, passage = aliased(Question), aliased(Passage)
    arms: Select[Any] = (
        select(arm.id)
        .select_from(place)
        .join(talk, talk.id == place.trial_id)
        .join(question, question.id == talk.question_id)
        .join(passage, passage.id == question.passage_id)
        .join(examples, _names(examples, passage))
        .join(arm, _brought_by(arm, examples))
        .where(place.participant_id == person, place.state == "waiting")
    )
    return Trial.arm_id.in_(arms)
