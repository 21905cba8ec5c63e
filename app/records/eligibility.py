"""Which seats a person may have: conditions over seats joined with their play, trial, experiment and passage.

A person who was shown a passage never has a seat that does not read it, and one who has judged on it never argues over
it. Who has had any seat on a passage never gets one on its twin. The passage's family (its text and that of its twin)
decides, over all experiments and all accounts of one human. What was shown is in `exposure`, which outlasts the seat.
No condition reads gold, or who argues for what.
"""

from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from app.records.example_texts import examples_tell_of_work_in_hand, told_by_examples
from app.records.humans import IS_INSIDER, PERSON, is_person
from app.records.plays import IN_PLAY
from models import (
    PLAYED_TRIAL,
    Account,
    Enrolment,
    Experiment,
    Exposure,
    Invite,
    Passage,
    Playing,
    PlayRow,
    Question,
    SeatRow,
    Study,
    Trial,
    study_experiment,
)

ROLE = bindparam("role", type_=String())
"""The role that a condition speaks of, as PERSON is the participant.

Statements are put together once and then run with `{"person": …, "role": …}`: for a large one, putting it together takes
longer than running it.
"""
ROLES = ("judge", "debater")
"""The roles of people who hold seats."""
MOST = 3
"""Talks that a person has in hand at once: enough not to sit idle while others write."""

Statement: TypeAlias = Select[*tuple[Any, ...]]
Condition: TypeAlias = ColumnElement[bool]

IS_TALK: Condition = Playing.kind == "talk"
"""Whether it is a seat of a talk; else it is the judge's of a judging."""


def role_for(reads_passage: bool) -> str:
    """Return the role of those who may hold a seat of a talk."""
    return "debater" if reads_passage else "judge"


def with_all(statement: Statement) -> Statement:
    """Join seats with all that says whether a person may have them."""
    return (
        statement.select_from(SeatRow)
        .join(Playing, Playing.id == SeatRow.play_id)
        .join(Trial, Trial.id == PLAYED_TRIAL)
        .join(Experiment, Experiment.id == Playing.experiment_id)
        .join(Question, Question.id == Trial.question_id)
        .join(Passage, Passage.id == Question.passage_id)
    )


# ── the person ──────────────────────────────────────────────────────────────────────────────────────────────────


def _enrolled() -> Condition:
    """Whether PERSON's account was made for a study."""
    mine = select(1).select_from(Enrolment).join(Account, Account.id == Enrolment.account_id)
    return mine.where(Account.participant_id == PERSON).exists().correlate(None)


ENROLLED = _enrolled()
"""Whether PERSON's account was made for a study."""


def _promised() -> Condition:
    """Whether the experiment is of the study that PERSON takes part in, on its trials, and fewer are taken than promised."""
    seat = aliased(SeatRow)
    taken = select(func.count()).where(seat.participant_id == PERSON, seat.state.in_(("waiting", "done")))
    mine = (
        select(study_experiment.c.experiment_id)
        .join(Enrolment, Enrolment.study_id == study_experiment.c.study_id)
        .join(Account, Account.id == Enrolment.account_id)
        .where(
            Account.participant_id == PERSON,
            Enrolment.ended_as.is_(None),
            Enrolment.page == "trials",
            Enrolment.promised > taken.correlate(None).scalar_subquery(),
        )
    )
    return Experiment.id.in_(mine.correlate(None))


def _kept_for_study() -> Condition:
    """Whether a running study keeps the seats of the experiment for its people."""
    kept = select(study_experiment.c.experiment_id).join(Study, Study.id == study_experiment.c.study_id)
    return Experiment.id.in_(kept.where(Study.state.in_(("open", "paused"))).correlate(None))


def _works_for() -> Condition:
    return case((ENROLLED, _promised()), else_=and_(not_(_kept_for_study()), _invited()))


def _invited() -> Condition:
    owner, inviter = aliased(Account), aliased(Account)
    by_researchers = (
        select(Invite.created_by)
        .join(Account, Account.id == Invite.account_id)
        .join(inviter, inviter.id == Invite.created_by)
        .where(Account.participant_id == PERSON, inviter.role == "researcher")
    )
    return or_(
        Experiment.owner_id.is_(None),
        exists(select(1).where(owner.id == Experiment.owner_id, owner.role == "admin")),
        Experiment.owner_id.in_(by_researchers),
        not_(exists(by_researchers)),
    )


WORKS_FOR = _works_for()
"""Whether an experiment may ask PERSON: a researcher's own people see nothing of other researchers'.

Experiments of the command line and of admins ask everybody, and whom no researcher invited is asked by all. A study's
people see its experiments alone, and as many trials as they were promised; no one else does.
"""

SEEN = exists(
    select(1).where(
        Exposure.experiment_id == Experiment.id,
        is_person(Exposure.participant_id),
        Exposure.passage_id == Question.passage_id,
    )
)
"""Whether PERSON was shown a trial on the passage in this experiment."""


def _had() -> Condition:
    mine, play = aliased(SeatRow), aliased(PlayRow)
    trials = (
        select(func.coalesce(play.talk_id, play.id))
        .select_from(mine)
        .join(play, play.id == mine.play_id)
        .where(is_person(mine.participant_id))
    )
    return Trial.id.in_(trials.correlate(None))


HAD = _had()
"""Whether PERSON has, or has had, a seat in the trial or in a judging of it."""


def _families(*where: Condition) -> Condition:
    """Whether PERSON has or had such a seat on a passage of the family, in whatever experiment."""
    families = with_all(select(Passage.family)).where(is_person(SeatRow.participant_id), *where)
    return Passage.family.in_(families.correlate(None))


def _exposed(*where: Condition) -> Condition:
    """Whether PERSON was given such a seat on a passage of the family, be it theirs no more."""
    passage = aliased(Passage)
    families = select(passage.family).join(Exposure, Exposure.passage_id == passage.id)
    return Passage.family.in_(families.where(is_person(Exposure.participant_id), *where).correlate(None))


def _twin() -> Condition:
    passage, other = aliased(Passage), aliased(Passage)
    twins = (
        select(other.text_digest)
        .join(passage, and_(other.family == passage.family, other.text_digest != passage.text_digest))
        .join(Exposure, Exposure.passage_id == passage.id)
        .where(is_person(Exposure.participant_id))
    )
    return Passage.text_digest.in_(twins.correlate(None))


TOLD = or_(_families(SeatRow.flags["told"].as_boolean()), told_by_examples())
"""Whether PERSON was shown what is true of the passage or its twin, in whatever experiment."""
OTHER_ROLE = or_(
    _families(SeatRow.role != ROLE), and_(SeatRow.role == "debater", _exposed(not_(Exposure.read)))
)
"""Whether PERSON has argued over the passage or its twin, of a judge's seat; or has judged on it, of a debater's."""
NOT_BLIND = and_(not_(SeatRow.reads_passage), or_(_exposed(Exposure.read.is_(True)), IS_INSIDER))
"""Whether a seat does not read the passage, and PERSON was shown it or its twin, or may open every passage."""
TWIN = _twin()
"""Whether PERSON was given a seat on the passage's twin, in whatever experiment."""


def _has_room() -> Condition:
    mine, talk, experiment = aliased(SeatRow), aliased(Trial), aliased(Experiment)
    in_hand = (
        select(func.count())
        .select_from(mine)
        .join(talk, talk.id == mine.play_id)
        .join(experiment, experiment.id == talk.experiment_id)
        .where(
            is_person(mine.participant_id),
            mine.state == "waiting",
            talk.state.in_(IN_PLAY),
            experiment.state != "cancelled",
        )
    )
    return in_hand.scalar_subquery() < MOST


# ── the seat ────────────────────────────────────────────────────────────────────────────────────────────────────

MAY_HAVE: tuple[Condition, ...] = (
    SeatRow.role == ROLE,
    or_(not_(IS_TALK), Trial.state.in_(IN_PLAY)),
    not_(HAD),
    not_(and_(SeatRow.once, SEEN)),
    not_(OTHER_ROLE),
    not_(NOT_BLIND),
    not_(TWIN),
    not_(TOLD),
    WORKS_FOR,
)
"""Whether PERSON may have a seat of ROLE, now or later."""

GOES_ON: tuple[Condition, ...] = (
    case((IS_TALK, Trial.state.in_(IN_PLAY)), else_=Trial.state != "failed"),
    Experiment.state != "cancelled",
)
"""Whether there is, or will be, something to do in a seat."""

BLIND_IN_HAND = _families(SeatRow.state == "waiting", not_(SeatRow.reads_passage), *GOES_ON)
"""Whether PERSON still has a seat on the passage or its twin that does not read it."""

MAY_BEGIN: Condition = and_(
    case(
        (IS_TALK, _has_room()),
        else_=and_(Trial.state == "done", not_(examples_tell_of_work_in_hand())),
    ),
    not_(and_(SeatRow.reads_passage, BLIND_IN_HAND)),
)
"""What must hold besides for PERSON to have it now."""

FREE = or_(
    SeatRow.state == "open",
    and_(SeatRow.state == "waiting", SeatRow.leased_until < func.now(), SeatRow.participant_id != PERSON),
)
"""Whether a seat is open, or becomes so at the next claim: another person has kept it for too long."""

IN_HAND: tuple[Condition, ...] = (
    SeatRow.participant_id == PERSON,
    SeatRow.state == "waiting",
    case((IS_TALK, Playing.state.in_(IN_PLAY)), else_=Playing.state == "waiting"),
    Experiment.state != "cancelled",
)
"""Whether PERSON has a seat in which there is, or will be, something to do."""

COUNTED = case(
    (
        and_(not_(IS_TALK), SeatRow.once),
        func.concat(cast(Experiment.id, String), "/", func.encode(Passage.family, "hex")),
    ),
    else_=cast(Trial.id, String),
)
"""What PERSON can have one of, of seats that are the same here."""


def _may_still_judge() -> Condition:
    begun = and_(SeatRow.state == "waiting", is_person(SeatRow.participant_id))
    to_come = and_(
        SeatRow.state.in_(("open", "waiting")),
        not_(HAD),
        not_(and_(SeatRow.once, SEEN)),
        not_(NOT_BLIND),
        not_(TWIN),
    )
    families = with_all(select(Passage.family)).where(
        SeatRow.role == "judge",
        case((IS_TALK, Trial.state.in_(IN_PLAY)), else_=Playing.state.in_(("open", "waiting"))),
        Experiment.state != "cancelled",
        or_(begun, to_come),
    )
    return Passage.family.in_(families.correlate(None))


def _others_may_learn() -> Condition:
    families = with_all(select(Passage.family)).where(
        SeatRow.state.in_(("open", "waiting")),
        case((IS_TALK, Trial.state.in_(IN_PLAY)), else_=Playing.state.in_(("open", "waiting"))),
        Experiment.state != "cancelled",
    )
    return Passage.family.in_(families.correlate(None))


OTHERS_MAY_LEARN = _others_may_learn()
"""Whether any person's seat on the passage or its twin is open or in hand, in whatever experiment: its holder could learn
the right answer from those who were shown it.
"""

MAY_STILL_JUDGE = _may_still_judge()
"""Whether PERSON judges on the passage or its twin, or may come to, also in seats that are not free yet."""
