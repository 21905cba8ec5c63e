"""The tables. They import nothing of the application."""

from models.base import Base
from models.experiments import (
    Arm,
    ArmSeat,
    Endpoint,
    Experiment,
    Judgement,
    JudgingRound,
    Participant,
    SeatPlace,
    Trial,
)
from models.people import (
    Account,
    ApiToken,
    Audit,
    Draft,
    Exposure,
    Invite,
    RateCount,
    Secret,
    Session,
    SpecDraft,
)
from models.play import CallAttempt, ModelCall, Move, Verdict
from models.tasks import Passage, Question, TaskSet, Text

__all__ = [
    "Account",
    "ApiToken",
    "Arm",
    "ArmSeat",
    "Audit",
    "Base",
    "CallAttempt",
    "Draft",
    "Endpoint",
    "Experiment",
    "Exposure",
    "Invite",
    "Judgement",
    "JudgingRound",
    "ModelCall",
    "Move",
    "Participant",
    "Passage",
    "Question",
    "RateCount",
    "SeatPlace",
    "Secret",
    "Session",
    "SpecDraft",
    "TaskSet",
    "Text",
    "Trial",
    "Verdict",
]
