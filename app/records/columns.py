"""The columns of verdicts and of the talks behind them: each is declared and described once, for the frames of reports, for
exports and for the data dictionary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from app.judge_fields import FIELDS, FieldKind, JudgeField


class Scalar(Enum):
    """What a value is."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "boolean"
    TIME = "time"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    kind: "ColumnKind"


@dataclass(frozen=True, slots=True)
class Parts:
    """An object with named parts."""

    columns: Sequence["Column"]


ColumnKind: TypeAlias = Scalar | ListOf | Parts


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a named part of one."""

    name: str
    kind: ColumnKind
    description: str
    optional: bool = False
    """Whether a value may be absent."""


TEXT, WHOLE, NUMBER, YES_NO, TIME, JSON = Scalar


def maybe(name: str, kind: ColumnKind, description: str) -> Column:
    """Return a column whose value may be absent."""
    return Column(name, kind, description, optional=True)


def _field_of_verdict(field: JudgeField) -> Column:
    kind = YES_NO if field.kind is FieldKind.YES_NO else TEXT
    return maybe(
        field.name,
        kind,
        " ".join(filter(None, (field.about, field.note, "Absent where no person was asked."))),
    )


EXPERIMENT = (
    Column("experiment", TEXT, "Name of the experiment."),
    Column("experiment_digest", TEXT, "SHA-256 of its frozen file, drawn questions and prompts."),
    Column("arm", TEXT, "Name of the arm."),
    Column("arm_digest", TEXT, "SHA-256 of the arm's protocol, settings, prompts and participants: two arms share it only if all of these are equal."),
    Column("arm_has_baseline", YES_NO, "Whether a built-in participant, which is not a language model, has a seat of the arm."),
    Column("protocol", TEXT, "Name of the protocol."),
    Column("prompt_version", TEXT, "Version of the arena's prompts that the arm uses, where it brings no template itself."),
)  # fmt: skip

TRIAL = (
    Column("task_set", TEXT, "Name of the task set."),
    Column("passage", TEXT, "Key of the passage in its task set."),
    Column(
        "family",
        TEXT,
        "The passage's key, or for a twin that of the passage whose twin it is: the cluster of every interval in a report.",
    ),
    Column("question", TEXT, "Key of the question in its task set."),
    Column("question_text", TEXT, "The question."),
    Column("answers", ListOf(TEXT), "The answers in the trial's order."),
    Column("gold", WHOLE, "Place of the right answer in `answers`."),
    Column("assignment", WHOLE, "The number of the protocol's assignment of answers to seats."),
    Column(
        "argues",
        ListOf(
            Parts(
                [
                    Column("seat", TEXT, "Name of the seat."),
                    Column("answer", WHOLE, "Place in `answers` of the answer that it argues for."),
                ]
            )
        ),
        "Who argues for which answer, by seat.",
    ),
    Column("replicate", WHOLE, "The number of the repetition of the same question, arm and assignment."),
    Column("seed", WHOLE, "Seed of the trial."),
)

SIGNALS = (
    maybe("keystrokes", WHOLE, "Keys pressed in fields for text: how many, never which. Words that were dictated, swiped or filled in count as one."),
    maybe("pastes", WHOLE, "How often text was pasted or dropped into these fields."),
    maybe("pasted_characters", WHOLE, "Characters of these texts."),
    maybe("away_seconds", NUMBER, "Seconds with the page open and not in front."),
)  # fmt: skip
"""What tells who wrote a text without its content; absent, and not zero, where the browser ran no script."""

VERDICTS = (
        *EXPERIMENT,
        maybe("round", TEXT, "Judging round; absent where the judge took part in the talk."),
        Column("round_added", YES_NO, "Whether the round was added after the experiment was frozen."),
        Column("judge", TEXT, "Name of the judge."),
        Column("judge_kind", TEXT, "`model`, `builtin` or `person`."),
        Column("judge_is_baseline", YES_NO, "Whether the judge is a built-in, and so not a language model."),
        Column("judge_digest", TEXT, "SHA-256 of the judge's name, endpoint and settings."),
        Column("excluded", YES_NO, "Whether reports leave the verdict out because a rule of a study's file, or a researcher, excludes the person."),
        Column("excluded_because", ListOf(TEXT), "Why: the flags with a rule, such as `too_fast`, and `by a researcher`; empty where reports count it."),
        *TRIAL,
        Column("reading", WHOLE, "The number of the reading. Where `repeats` is above 1, every order comes again under later numbers."),
        Column("reading_order", ListOf(WHOLE), "Places in `answers`, in the order in which the judge read them."),
        Column("belief", ListOf(NUMBER), "Final probability of each answer, in the order of `answers`."),
        Column("p_gold", NUMBER, "Final probability of the right answer."),
        Column("correct", NUMBER, "1 where the right answer has the highest belief, 0 where another has, a half (1/k for k answers) for a tie."),
        maybe("judge_score", NUMBER, "The score of a judge who took part in the talk, in bits: log2 of `p_gold`, at least 1e-4, less the cost of its turns. Absent for others."),
        Column("beliefs", ListOf(ListOf(NUMBER)), "Every belief on the way, oldest first; the last is `belief`."),
        Column("method", TEXT, "How the belief was read: `logprobs` (the model's next token), `constrained` (the same, limited to the answers' letters), `verbalised` (percentages of a model), `votes`, `stated` (by a person) or `baseline`."),
        maybe("label_mass", NUMBER, "Probability that the unconstrained model put on the answers' letters; absent where unknown."),
        Column("reason", TEXT, "Reason given with the belief; often empty."),
        maybe("said", ListOf(NUMBER), "The figures that the model stated, as said, in the order of `answers`: percentages, or probabilities where none is above 1. Absent where none were stated."),
        maybe("belief_low", ListOf(NUMBER), "Least that each probability can be, where a letter was not among the returned tokens; absent elsewhere. `belief` is at the missing letter's bound."),
        maybe("belief_high", ListOf(NUMBER), "Most that each probability can be, as `belief_low`."),
        Column("flags", ListOf(TEXT), "What is doubtful about the belief: `bounded` (a letter was not among the returned tokens, which cannot change the choice), `undecided` (it could), `off_sum` (the stated figures do not add up to 100, beyond rounding), `no_weight` (they are all 0, and the belief is even)."),
        Column(
            "thoughts",
            ListOf(
                Parts(
                    [
                        Column("path", TEXT, "Place in the judging, such as `judging/order0/step3/reason`."),
                        Column("text", TEXT, "The judge's reasoning there."),
                    ]
                )
            ),
            "The judge's private reasoning before its beliefs in this reading order, oldest first.",
        ),
        Column(
            "marks",
            ListOf(
                Parts(
                    [
                        Column("path", TEXT, "Path of the critique in the talk."),
                        Column("point", WHOLE, "Number of the point, from 1."),
                        Column("accepted", YES_NO, "Whether the judge accepts it."),
                        maybe("grade", TEXT, "The grade by the grader, who has the passage: `planted` (the planted flaw), `real`, `nitpick` or `invented`. Absent where points are not graded."),
                    ]
                )
            ),
            "The judge's mark of each point of a critique, made once after its last belief: the same in every reading order. Empty where it was not asked.",
        ),
        *map(_field_of_verdict, FIELDS),
        maybe("active_seconds", NUMBER, "Seconds that a person worked on it up to the last belief, with the page in front and activity in the last 30 s. Absent for others."),
        *SIGNALS,
        Column(
            "effort",
            ListOf(
                Parts(
                    [
                        Column("step", WHOLE, "Steps of the transcript that were open; 0 before the first."),
                        Column("active_seconds", NUMBER, "Seconds at work."),
                        Column("focus_changes", WHOLE, "How often the person left the page or came back."),
                        Column("edits", WHOLE, "Changes to the entries."),
                        *SIGNALS,
                    ]
                )
            ),
            "A person's effort at each step, in order; zeros, and no signals, where the browser ran no script. Empty for others, and for people who took part in the talk: see `people` of its transcript.",
        ),
        maybe("seconds_allowed", WHOLE, "Seconds in which a person was asked to decide; absent where there was no time limit."),
        maybe("seconds_taken", NUMBER, "Seconds from the first showing of the trial to the verdict, by the server's clock; absent where there was no time limit. Of an imported verdict, the time that its archive gives."),
        maybe("overtime", YES_NO, "Whether that was over the limit; absent where there was none."),
        Column("created_at", TIME, "When the verdict was recorded."),
        Column("trial_id", TEXT, "Id of the trial, the same in every export."),
        maybe("judgement_id", TEXT, "Id of the judgement; absent where the judge took part in the talk."),
)  # fmt: skip
