"""Every table of the arena."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


IS_DISTRIBUTION = """
CREATE FUNCTION is_distribution(p double precision[]) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT cardinality(p) >= 2 AND bool_and(x BETWEEN 0 AND 1) AND abs(sum(x) - 1) < 1e-6 FROM unnest(p) AS x $$
"""


def upgrade() -> None:
    _create_endpoint_to_text()
    _create_experiment_and_participant()
    _create_passage()
    _create_arm()
    _create_judging_round()
    _create_question()
    _create_arm_seat()
    _create_trial()
    _create_judgement()
    _create_model_call()
    _create_move()
    _create_verdict()
    _create_call_attempt()


def _create_endpoint_to_text() -> None:
    op.execute(IS_DISTRIBUTION)
    op.create_table(
        "endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("api_key_env", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "api_key_env ~ '^[A-Za-z_][A-Za-z0-9_]*$'", name=op.f("ck_endpoint_key_is_a_variable_name")
        ),
        sa.CheckConstraint("base_url ~ '^https?://'", name=op.f("ck_endpoint_base_url_is_http")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
        sa.UniqueConstraint(
            "name",
            "base_url",
            "api_key_env",
            name=op.f("uq_endpoint_name_base_url_api_key_env"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "task_set",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_task_set_named")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_set")),
        sa.UniqueConstraint("name", name=op.f("uq_task_set_name")),
    )
    op.create_table(
        "text",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_text_digest_is_sha256")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_text")),
    )


def _create_experiment_and_participant() -> None:
    op.create_table(
        "experiment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("task_set_id", sa.Uuid(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_experiment_named")),
        sa.ForeignKeyConstraint(
            ["task_set_id"], ["task_set.id"], name=op.f("fk_experiment_task_set_id_task_set")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment")),
        sa.UniqueConstraint("name", name=op.f("uq_experiment_name")),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=True),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'model') = (endpoint_id IS NOT NULL)", name=op.f("ck_participant_models_have_endpoints")
        ),
        sa.CheckConstraint(
            "kind IN ('model', 'builtin', 'person')", name=op.f("ck_participant_kind_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoint.id"], name=op.f("fk_participant_endpoint_id_endpoint")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
        sa.UniqueConstraint("digest", name=op.f("uq_participant_digest")),
    )


def _create_passage() -> None:
    op.create_table(
        "passage",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_set_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("license", sa.Text(), nullable=True),
        sa.Column(
            "meta",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint("key <> ''", name=op.f("ck_passage_keyed")),
        sa.ForeignKeyConstraint(
            ["task_set_id"], ["task_set.id"], name=op.f("fk_passage_task_set_id_task_set"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["text_digest"], ["text.digest"], name=op.f("fk_passage_text_digest_text")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage")),
        sa.UniqueConstraint("id", "task_set_id", name=op.f("uq_passage_id_task_set_id")),
        sa.UniqueConstraint("task_set_id", "key", name=op.f("uq_passage_task_set_id_key")),
    )


def _create_arm() -> None:
    op.create_table(
        "arm",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "prompts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiment.id"],
            name=op.f("fk_arm_experiment_id_experiment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arm")),
        sa.UniqueConstraint("experiment_id", "name", name=op.f("uq_arm_experiment_id_name")),
        sa.UniqueConstraint("experiment_id", "position", name=op.f("uq_arm_experiment_id_position")),
        sa.UniqueConstraint("id", "experiment_id", name=op.f("uq_arm_id_experiment_id")),
    )


def _create_judging_round() -> None:
    op.create_table(
        "judging_round",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("elicit", sa.Text(), nullable=False),
        sa.Column(
            "spec",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiment.id"],
            name=op.f("fk_judging_round_experiment_id_experiment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judging_round")),
        sa.UniqueConstraint("experiment_id", "name", name=op.f("uq_judging_round_experiment_id_name")),
        sa.UniqueConstraint(
            "experiment_id", "position", name=op.f("uq_judging_round_experiment_id_position")
        ),
    )


def _create_question() -> None:
    op.create_table(
        "question",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_set_id", sa.Uuid(), nullable=False),
        sa.Column("passage_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("answers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("gold", sa.Integer(), nullable=False),
        sa.Column("distractor", sa.Integer(), nullable=True),
        sa.Column(
            "meta",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "cardinality(answers) >= 2 AND NOT ('' = ANY (answers))", name=op.f("ck_question_answered")
        ),
        sa.CheckConstraint("key <> '' AND text <> ''", name=op.f("ck_question_worded")),
        sa.CheckConstraint(
            "distractor IS NULL OR (distractor BETWEEN 0 AND cardinality(answers) - 1 AND distractor <> gold)",
            name=op.f("ck_question_distractor_is_another_answer"),
        ),
        sa.CheckConstraint(
            "gold BETWEEN 0 AND cardinality(answers) - 1", name=op.f("ck_question_gold_is_an_answer")
        ),
        sa.ForeignKeyConstraint(
            ["passage_id", "task_set_id"],
            ["passage.id", "passage.task_set_id"],
            name=op.f("fk_question_passage_id_task_set_id_passage"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
        sa.UniqueConstraint("task_set_id", "key", name=op.f("uq_question_task_set_id_key")),
    )
    op.create_index(op.f("ix_question_passage_id"), "question", ["passage_id"], unique=False)


def _create_arm_seat() -> None:
    op.create_table(
        "arm_seat",
        sa.Column("arm_id", sa.Uuid(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["arm_id"], ["arm.id"], name=op.f("fk_arm_seat_arm_id_arm"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_arm_seat_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("arm_id", "seat", name=op.f("pk_arm_seat")),
    )


def _create_trial() -> None:
    op.create_table(
        "trial",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("arm_id", sa.Uuid(), nullable=False),
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("judge_id", sa.Uuid(), nullable=True),
        sa.Column("answers", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column(
            "argues",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("assignment", sa.Integer(), nullable=False),
        sa.Column("replicate", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("outcome", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'done') = (outcome IS NOT NULL)", name=op.f("ck_trial_outcome_when_done")
        ),
        sa.CheckConstraint(
            "(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_trial_failures_say_why")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'waiting', 'done', 'failed')", name=op.f("ck_trial_state_is_known")
        ),
        sa.CheckConstraint("cardinality(answers) >= 2", name=op.f("ck_trial_answers_are_two_or_more")),
        sa.ForeignKeyConstraint(
            ["arm_id", "experiment_id"],
            ["arm.id", "arm.experiment_id"],
            name=op.f("fk_trial_arm_id_experiment_id_arm"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["judge_id"], ["participant.id"], name=op.f("fk_trial_judge_id_participant")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_trial_question_id_question")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial")),
        sa.UniqueConstraint(
            "arm_id",
            "question_id",
            "assignment",
            "replicate",
            "judge_id",
            name=op.f("uq_trial_arm_id_question_id_assignment_replicate_judge_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def _create_judgement() -> None:
    op.create_index("ix_trial_experiment_id_state", "trial", ["experiment_id", "state"], unique=False)
    op.create_index(op.f("ix_trial_question_id"), "trial", ["question_id"], unique=False)
    op.create_table(
        "judgement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("reading", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_judgement_failures_say_why")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'waiting', 'done', 'failed')", name=op.f("ck_judgement_state_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_judgement_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"],
            ["judging_round.id"],
            name=op.f("fk_judgement_round_id_judging_round"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_judgement_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement")),
        sa.UniqueConstraint("id", "trial_id", name=op.f("uq_judgement_id_trial_id")),
        sa.UniqueConstraint(
            "round_id",
            "trial_id",
            "participant_id",
            name=op.f("uq_judgement_round_id_trial_id_participant_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_judgement_trial_id_state", "judgement", ["trial_id", "state"], unique=False)


def _create_model_call() -> None:
    op.create_table(
        "model_call",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=True),
        sa.Column("judgement_id", sa.Uuid(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("segments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "params",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(trial_id, judgement_id) <= 1", name=op.f("ck_model_call_at_most_one_owner")
        ),
        sa.ForeignKeyConstraint(
            ["judgement_id"],
            ["judgement.id"],
            name=op.f("fk_model_call_judgement_id_judgement"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_model_call_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_call")),
    )
    op.create_index(op.f("ix_model_call_judgement_id"), "model_call", ["judgement_id"], unique=False)
    op.create_index(op.f("ix_model_call_trial_id"), "model_call", ["trial_id"], unique=False)


def _create_move() -> None:
    op.create_table(
        "move",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=True),
        sa.Column("judgement_id", sa.Uuid(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("path <> ''", name=op.f("ck_move_has_path")),
        sa.CheckConstraint("num_nonnulls(trial_id, judgement_id) = 1", name=op.f("ck_move_one_owner")),
        sa.ForeignKeyConstraint(
            ["judgement_id"],
            ["judgement.id"],
            name=op.f("fk_move_judgement_id_judgement"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_move_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_move_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_move")),
        sa.UniqueConstraint("judgement_id", "path", name=op.f("uq_move_judgement_id_path")),
        sa.UniqueConstraint("trial_id", "path", name=op.f("uq_move_trial_id_path")),
    )


def _create_verdict() -> None:
    op.create_table(
        "verdict",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("judgement_id", sa.Uuid(), nullable=True),
        sa.Column("trial_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("reading", sa.Integer(), nullable=False),
        sa.Column("answer_order", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("belief", postgresql.ARRAY(sa.Double()), nullable=False),
        sa.Column("beliefs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("label_mass", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "method IN ('logprobs', 'verbalised', 'votes', 'stated', 'baseline')",
            name=op.f("ck_verdict_method_is_known"),
        ),
        sa.CheckConstraint(
            "cardinality(belief) = cardinality(answer_order)", name=op.f("ck_verdict_belief_over_the_answers")
        ),
        sa.CheckConstraint("is_distribution(belief)", name=op.f("ck_verdict_belief_is_a_distribution")),
        sa.CheckConstraint(
            "label_mass BETWEEN 0 AND 1.000001", name=op.f("ck_verdict_label_mass_is_a_probability")
        ),
        sa.ForeignKeyConstraint(
            ["judgement_id", "trial_id"],
            ["judgement.id", "judgement.trial_id"],
            name=op.f("fk_verdict_judgement_id_trial_id_judgement"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_verdict_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk_verdict_trial_id_trial"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
        sa.UniqueConstraint("judgement_id", "reading", name=op.f("uq_verdict_judgement_id_reading")),
    )
    op.create_index("ix_verdict_trial_id", "verdict", ["trial_id"], unique=False)
    op.create_index(
        "uq_verdict_trial_id_reading",
        "verdict",
        ["trial_id", "reading"],
        unique=True,
        postgresql_where=sa.text("judgement_id IS NULL"),
    )


def _create_call_attempt() -> None:
    op.create_table(
        "call_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("reply", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("tokens_cached", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "status IN ('ok', 'http', 'timeout', 'connection', 'unreadable')",
            name=op.f("ck_call_attempt_status_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["call_id"],
            ["model_call.id"],
            name=op.f("fk_call_attempt_call_id_model_call"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_attempt")),
        sa.UniqueConstraint("call_id", "number", name=op.f("uq_call_attempt_call_id_number")),
        sa.UniqueConstraint("request_id", name=op.f("uq_call_attempt_request_id")),
    )


def downgrade() -> None:
    op.drop_table("call_attempt")
    op.drop_table("verdict")
    op.drop_table("move")
    op.drop_table("model_call")
    op.drop_table("judgement")
    op.drop_table("trial")
    op.drop_table("arm_seat")
    op.drop_table("question")
    op.drop_table("judging_round")
    op.drop_table("arm")
    op.drop_table("passage")
    op.drop_table("participant")
    op.drop_table("experiment")
    op.drop_table("text")
    op.drop_table("task_set")
    op.drop_table("endpoint")
    op.execute("DROP FUNCTION is_distribution(double precision[])")
