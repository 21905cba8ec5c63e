"""What is kept of a person: which columns, why, for how long, and what becomes of them when the person's data are deleted.

The page on privacy and docs/privacy.md are made from this table. A test walks every table that points to a person and
fails where a column is neither here nor in `IMPERSONAL`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Columns = tuple[str, ...]


class Until(StrEnum):
    """For how long something is kept. `{days}` is replaced by the days of the study."""

    IDS = "Until {days} days after the study has ended, or until your data are deleted."
    DELETED = "Until your data are deleted."
    SUBMITTED = "Until you submit, withdraw, or your data are deleted."
    SIGNED_IN = "For 30 days at most, or until you sign out."
    DAY = "For a day."
    ALWAYS = "As long as the arena keeps the study."


class Fate(StrEnum):
    """What the deletion of a person's data does."""

    REMOVED = "removed"
    """The rows go, or the columns are emptied."""
    WITHOUT_WORDS = "without your words"
    """Texts are emptied; numbers stay, and count, unless the person withdrew."""
    STAYS = "stays"


class Whose(StrEnum):
    """Of whom it is kept."""

    EVERYBODY = "everybody"
    STUDIES = "people in studies"
    RESEARCHERS = "researchers"


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of thing that is kept of a person, in words for that person."""

    what: str
    why: str
    until: Until
    fate: Fate
    where: Mapping[str, Columns]
    """Table to its columns."""
    whose: Whose = Whose.EVERYBODY


KEPT: tuple[Kept, ...] = (
    Kept(
        "Your name, or your recruiter's id of you, and your e-mail address if you gave one.",
        "You can come back, and can be paid.",
        Until.IDS,
        Fate.REMOVED,
        {"account": ("name", "email", "address", "recruiter_id")},
    ),
    Kept(
        "Your recruiter's ids of your submission and of payments.",
        "Your recruiter learns that you have finished.",
        Until.IDS,
        Fate.REMOVED,
        {"submission": ("recruiters_id", "claimed"), "payment": ("recruiters_id",)},
        Whose.STUDIES,
    ),
    Kept(
        "A fingerprint of the name, id and address, made with a secret key.",
        "You cannot take part twice, nor judge a text that you have read. It cannot be turned back into your id.",
        Until.ALWAYS,
        Fate.STAYS,
        {
            "account": ("recruiter_digest", "name_digest", "address_digest"),
            "enrolment": ("person_key",),
        },
    ),
    Kept(
        "Your percentages.",
        "They are what is studied. They stand under a pseudonym, such as person-1a2b3c4d.",
        Until.ALWAYS,
        Fate.WITHOUT_WORDS,
        {
            "verdict": (
                "belief",
                "beliefs",
                "said",
                "bounds",
                "flags",
                "method",
                "label_mass",
                "answer_order",
                "reading",
                "created_at",
            ),
            "seat": ("flags", "state", "participant_id", "leased_until"),
        },
    ),
    Kept(
        "Your words: reasons, speeches, questions to others.",
        "Researchers read how judges and debaters argue.",
        Until.DELETED,
        Fate.REMOVED,
        {
            "move": ("content", "created_at"),
            "verdict": ("reason",),
            "text": ("body",),
        },
    ),
    Kept(
        "What you have entered and not submitted yet.",
        "Nothing is lost when you close the page.",
        Until.SUBMITTED,
        Fate.REMOVED,
        {"draft": ("content",), "study_step": ("draft",)},
    ),
    Kept(
        "How you worked: active seconds, the number of keys pressed (never which), of pastes, of edits and of times away.",
        "Careless work is distinguished from careful work.",
        Until.ALWAYS,
        Fate.STAYS,
        {
            "draft": (
                "active_seconds",
                "focus_changes",
                "visits",
                "edits",
                "keystrokes",
                "pastes",
                "pasted_characters",
                "away_seconds",
                "updated_at",
            )
        },
    ),
    Kept(
        "In a live talk: when you were last there, the time for your turn, and how you left it if you did.",
        "Others are not kept waiting, and learn that you have left.",
        Until.ALWAYS,
        Fate.STAYS,
        {"seat": ("seen_at", "ends_at", "closes_at", "left_as", "left_at")},
    ),
    Kept(
        "Your answers on the pages before and after the trials, in the questionnaire too, and how long you took.",
        "They show that the instructions were understood, and what kinds of people took part.",
        Until.DELETED,
        Fate.REMOVED,
        {"study_step": ("answers", "effort")},
        Whose.STUDIES,
    ),
    Kept(
        "Which pages you were shown, when, and whether questions on them were answered right.",
        "It is counted how many people leave on which page.",
        Until.ALWAYS,
        Fate.STAYS,
        {"study_step": ("page", "item", "attempt", "shown_at", "submitted_at", "passed")},
        Whose.STUDIES,
    ),
    Kept(
        "That you took part: your consent and the text you agreed to, when you began and ended, and how.",
        "Every part is counted, also those that ended early.",
        Until.ALWAYS,
        Fate.STAYS,
        {
            "enrolment": (
                "seed",
                "promised",
                "page",
                "consent_text_id",
                "consented_at",
                "language",
                "ended_as",
                "ended_at",
                "expires_at",
                "last_seen_at",
                "created_at",
                "review",
                "excluded_at",
                "deletion_asked_at",
                "deleted_at",
            ),
            "submission": ("recruiter", "status", "reported_at"),
        },
        Whose.STUDIES,
    ),
    Kept(
        "What researchers wrote about your part: the reason of a rejection or an exclusion.",
        "You and others can see why it was decided.",
        Until.DELETED,
        Fate.REMOVED,
        {"enrolment": ("review_reason", "excluded_because")},
        Whose.STUDIES,
    ),
    Kept(
        "What you were paid, and when.",
        "The books of those who pay.",
        Until.ALWAYS,
        Fate.STAYS,
        {"payment": ("kind", "minor", "currency", "state", "detail", "created_at", "sent_at")},
        Whose.STUDIES,
    ),
    Kept(
        "Which texts you have been shown.",
        "You are not shown one again.",
        Until.ALWAYS,
        Fate.STAYS,
        {"exposure": ("experiment_id", "passage_id", "read", "created_at")},
    ),
    Kept(
        "That you have an account, its role, and when it was made, used and closed.",
        "Everything else belongs to it.",
        Until.ALWAYS,
        Fate.STAYS,
        {
            "account": (
                "role",
                "participant_id",
                "instructed_at",
                "disabled_at",
                "created_at",
                "was_researcher",
                "for_study",
                "forgotten_at",
            ),
            "participant": ("name", "settings"),
        },
    ),
    Kept(
        "The links by which you came and come back.",
        "You can sign in from another device.",
        Until.DELETED,
        Fate.REMOVED,
        {
            "invite": (
                "label",
                "account_id",
                "created_at",
                "expires_at",
                "revoked_at",
                "completion_code",
                "completion_url",
            )
        },
    ),
    Kept(
        "A digest of the word that you chose, if your recruiter gives no id.",
        "You can come back by it.",
        Until.DELETED,
        Fate.REMOVED,
        {"enrolment": ("word_hash",)},
        Whose.STUDIES,
    ),
    Kept(
        "One cookie of your browser, as a digest. If you choose a language, a second cookie keeps it in your browser alone. Nothing is sent to other sites.",
        "You stay signed in.",
        Until.SIGNED_IN,
        Fate.REMOVED,
        {
            "session": (
                "token_digest",
                "csrf",
                "created_at",
                "expires_at",
                "rotated_at",
                "seen_at",
                "previous_digest",
                "previous_until",
            )
        },
    ),
    Kept(
        "Your network address, while tries to join or sign in are counted.",
        "Links and passwords cannot be guessed.",
        Until.DAY,
        Fate.REMOVED,
        {"rate_count": ("key", "window", "count")},
    ),
    Kept(
        "A trail of what was done with your account: joined, took a trial, submitted, was paid.",
        "It can be shown that nothing was changed afterwards. It holds no text of yours once your data are deleted.",
        Until.ALWAYS,
        Fate.WITHOUT_WORDS,
        {"audit": ("account_id", "at", "action", "object_kind", "object_id", "detail")},
    ),
    Kept(
        "A digest of the password.",
        "Researchers and admins sign in by it.",
        Until.DELETED,
        Fate.REMOVED,
        {"account": ("password_hash",)},
        Whose.RESEARCHERS,
    ),
    Kept(
        "Tokens for programs, as digests.",
        "Programs act for the account.",
        Until.DELETED,
        Fate.REMOVED,
        {
            "api_token": (
                "account_id",
                "name",
                "token_digest",
                "scopes",
                "created_at",
                "expires_at",
                "revoked_at",
            )
        },
        Whose.RESEARCHERS,
    ),
    Kept(
        "Unfinished experiments.",
        "The account goes on with them.",
        Until.DELETED,
        Fate.REMOVED,
        {"spec_draft": ("owner_id", "name", "spec", "updated_at")},
        Whose.RESEARCHERS,
    ),
    Kept(
        "Which experiments, studies, texts of studies and invites the account made.",
        "Others can see whom to ask.",
        Until.ALWAYS,
        Fate.STAYS,
        {
            "experiment": ("owner_id",),
            "study": ("owner_id",),
            "study_text": ("created_by",),
            "invite": ("created_by",),
        },
        Whose.RESEARCHERS,
    ),
)
"""Everything that is kept, in the order in which people read it."""

IMPERSONAL: Mapping[str, Columns] = {
    "account": ("id",),
    "api_token": ("id",),
    "arm_seat": ("arm_id", "seat", "participant_id"),
    "draft": ("id", "seat_id", "path", "account_id"),
    "enrolment": ("id", "study_id", "account_id"),
    "experiment": (
        "id",
        "name",
        "state",
        "task_set_id",
        "spec",
        "digest",
        "seed",
        "cap",
        "tags",
        "note",
        "created_at",
    ),
    "exposure": ("participant_id",),
    "invite": ("id", "role", "shared", "once"),
    "move": ("id", "play_id", "path", "seat", "participant_id", "fingerprint"),
    "participant": ("id", "kind", "endpoint_id", "digest", "imported"),
    "payment": ("id", "enrolment_id"),
    "play": (
        "id",
        "kind",
        "experiment_id",
        "talk_id",
        "judge_id",
        "place",
        "seed",
        "state",
        "error",
        "outcome",
        "finished_at",
        "arm_id",
        "question_id",
        "answers",
        "argues",
        "assignment",
        "replicate",
        "position",
        "round_id",
        "reading",
        "talk_kind",
    ),
    "seat": (
        "id",
        "play_id",
        "seat",
        "role",
        "reads_passage",
        "once",
        "lease_minutes",
        "seconds",
        "replacement_id",
    ),
    "session": ("id", "account_id"),
    "spec_draft": ("id",),
    "study": (
        "id",
        "name",
        "state",
        "spec",
        "recruiters_study",
        "codes",
        "created_at",
        "opened_at",
        "closed_at",
    ),
    "study_step": ("id", "enrolment_id", "address"),
    "study_text": ("id", "study_id", "page", "version", "markdown", "created_at"),
    "submission": ("enrolment_id",),
    "verdict": ("id", "play_id", "participant_id"),
}
"""Columns of the same tables that say nothing of the person themselves, or only which row belongs to which."""
