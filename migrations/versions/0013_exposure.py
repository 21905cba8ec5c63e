"""What a person was shown is in `exposure`, with whether it was the text; accounts have a recruiter's id and an address.

Seats get whether they read the passage. Exposures are made of all seats, and of the audit trail: a seat that was lost
before anything was done in it names another holder, or none.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Until now, of all judges only those of this protocol were given the text.
READS = """
UPDATE seat SET reads_passage = true
FROM play AS it JOIN play AS talk ON talk.id = coalesce(it.talk_id, it.id) JOIN arm ON arm.id = talk.arm_id
WHERE it.id = seat.play_id AND (seat.role = 'debater' OR arm.protocol = 'expert')
"""
EXPOSED = """
INSERT INTO exposure (experiment_id, participant_id, passage_id, read)
SELECT talk.experiment_id, had.participant_id, question.passage_id, bool_or(seat.reads_passage)
FROM (
    SELECT id, participant_id FROM seat WHERE participant_id IS NOT NULL
    UNION
    SELECT seat.id, account.participant_id
    FROM audit JOIN account ON account.id = audit.account_id JOIN seat ON seat.id::text = audit.object_id
    WHERE audit.action = 'took' AND account.participant_id IS NOT NULL
) AS had
JOIN seat ON seat.id = had.id
JOIN play AS it ON it.id = seat.play_id
JOIN play AS talk ON talk.id = coalesce(it.talk_id, it.id)
JOIN question ON question.id = talk.question_id
GROUP BY talk.experiment_id, had.participant_id, question.passage_id
ON CONFLICT (experiment_id, participant_id, passage_id) DO UPDATE SET read = exposure.read OR excluded.read
"""
# The name of those who joined with an id is that id, unless the trail says otherwise.
RECRUITED = """
UPDATE account SET recruiter_id = sent.id
FROM (
    SELECT DISTINCT ON (account_id) account_id,
        coalesce(nullif(detail->>'PROLIFIC_PID', ''), nullif(detail->>'workerId', '')) AS id
    FROM audit WHERE action = 'joined' ORDER BY account_id, audit.id
) AS sent
WHERE sent.account_id = account.id AND sent.id IS NOT NULL
"""
RESEARCHERS = """
UPDATE account SET was_researcher = true
FROM audit WHERE audit.action = 'changed role of' AND audit.object_id = account.id::text
    AND audit.detail->>'from' IN ('admin', 'researcher')
"""


def upgrade() -> None:
    """Write down what was shown to whom, as far as it is known."""
    op.execute("ALTER TABLE seat ADD COLUMN reads_passage boolean DEFAULT false NOT NULL")
    op.execute("ALTER TABLE exposure ADD COLUMN read boolean DEFAULT false NOT NULL")
    op.execute(
        r"""
        ALTER TABLE account ADD COLUMN recruiter_id text, ADD COLUMN was_researcher boolean DEFAULT false NOT NULL,
            ADD COLUMN address text GENERATED ALWAYS AS (
                COALESCE(email, CASE WHEN name ~ '^[^@\s]+@[^@\s]+$' THEN lower(name) END)
            ) STORED
        """
    )
    for statement in (READS, EXPOSED, RECRUITED, RESEARCHERS):
        op.execute(statement)
    op.execute("CREATE INDEX ix_exposure_participant_id ON exposure (participant_id)")
    for column in ("name", "recruiter_id", "address"):
        op.execute(f"CREATE INDEX ix_account_{column} ON account ({column})")


def downgrade() -> None:
    """Forget what was shown beyond what seats tell. Exposures stay, as they were written before."""
    op.execute("DROP INDEX ix_account_name")
    op.execute(
        "ALTER TABLE account DROP COLUMN address, DROP COLUMN was_researcher, DROP COLUMN recruiter_id"
    )
    op.execute("DROP INDEX ix_exposure_participant_id")
    op.execute("ALTER TABLE exposure DROP COLUMN read")
    op.execute("ALTER TABLE seat DROP COLUMN reads_passage")
