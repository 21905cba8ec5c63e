"""Passages on which a person sees arguments that are marked as false: the examples before a trial with a
verifier. An example on a passage tells as much of its twin.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from app.records.humans import is_person
from app.records.plays import IN_PLAY
from models import Arm, Experiment, Judgement, Passage, Question, SeatRow, Text, Trial


def _names(examples: Any, passage: Any) -> ColumnElement[bool]:
    """Return whether one of the examples, lines of JSON that name each passage by its digest, is on a
    passage.
    """
    return func.strpos(examples.body, func.encode(passage.text_digest, "hex")) > 0


def _brought_by(arm: Any, examples: Any) -> ColumnElement[bool]:
    """Return whether these are an arm's examples."""
    named = arm.prompts.op("->>")(func.concat(arm.protocol, "/examples"))
    brought: ColumnElement[bool] = examples.digest == func.decode(named, "hex")
    return brought


def told_by_examples() -> ColumnElement[bool]:
    """Return whether the passage or its twin is in the examples of an arm on whose trials PERSON has, or
    had, a judgement.
    """
    mine, judging, trial = aliased(SeatRow), aliased(Judgement), aliased(Trial)
    arm, examples, told = aliased(Arm), aliased(Text), aliased(Passage)
    judged = (
        select(trial.arm_id)
        .select_from(mine)
        .join(judging, judging.id == mine.play_id)
        .join(trial, trial.id == judging.talk_id)
        .where(is_person(mine.participant_id))
    )
    # Asked once a statement, not once a passage: most people were shown none.
    families = (
        select(told.family)
        .select_from(arm)
        .join(examples, _brought_by(arm, examples))
        .join(told, _names(examples, told))
        .where(arm.id.in_(judged))
    )
    return Passage.family.in_(families)


def examples_tell_of_work_in_hand() -> ColumnElement[bool]:
    """Return whether the trial's arm has examples on a passage (or its twin) on which PERSON sits in an
    unfinished talk.
    """
    arm, examples, seat, talk = aliased(Arm), aliased(Text), aliased(SeatRow), aliased(Trial)
    question, passage, experiment = aliased(Question), aliased(Passage), aliased(Experiment)
    told = aliased(Passage)
    arms: Select[Any] = (
        select(arm.id)
        .select_from(seat)
        .join(talk, talk.id == seat.play_id)
        .join(experiment, experiment.id == talk.experiment_id)
        .join(question, question.id == talk.question_id)
        .join(passage, passage.id == question.passage_id)
        .join(told, told.family == passage.family)
        .join(examples, _names(examples, told))
        .join(arm, _brought_by(arm, examples))
        # Seats of failed or cancelled talks never finish.
        .where(
            is_person(seat.participant_id),
            seat.state == "waiting",
            talk.state.in_(IN_PLAY),
            experiment.state != "cancelled",
        )
    )
    return Trial.arm_id.in_(arms)
